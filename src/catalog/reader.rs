//! Reads one loose object field by field and notes every problem on the way, where a typed parser would stop at the
//! first. What a field may hold is decided here, once; what the fields mean together is [`check`](super::check)'s.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fraction::Fraction;

/// A problem of one object: field path and message.
pub(super) type Found = Vec<(String, String)>;

/// What a text field may hold; each bound keeps a placement reason below its 16 KiB.
#[derive(Clone, Copy)]
pub(super) enum Text {
    /// A DNS label: lower-case letters, digits and `-`, as object names are.
    Label,
    /// A name that others give, such as a cloud's region or a capability.
    Word,
    /// Printable text on one line.
    Line,
}

impl Text {
    fn objection(self, text: &str) -> Option<&'static str> {
        let alphanumeric = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        let edges = alphanumeric(text.chars().next()) && alphanumeric(text.chars().last());
        let (fine, rule) = match self {
            Self::Label => (
                edges && text.len() <= 63 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')),
                "must be 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends",
            ),
            Self::Word => (
                edges
                    && text.len() <= 63
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')),
                "must be 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            ),
            Self::Line => (
                !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| matches!(b, b' '..=b'~')),
                "must be 1 to 253 printable ASCII characters",
            ),
        };
        (!fine).then_some(rule)
    }
}

/// One mapping of an object, and where it stands.
pub(super) struct Reader<'v> {
    fields: Option<&'v Map<String, Value>>,
    path: String,
}

impl<'v> Reader<'v> {
    /// The mapping at `path`. Without one (or with something else there) every field reads as absent, in silence:
    /// the one problem has been noted.
    pub(super) fn new(value: Option<&'v Value>, path: &str, found: &mut Found) -> Self {
        let fields = match value {
            Some(Value::Object(fields)) => Some(fields),
            None | Some(Value::Null) => {
                found.push((path.to_owned(), "is missing".to_owned()));
                None
            }
            Some(other) => {
                found.push((path.to_owned(), format!("must be a mapping, not {}", kind(other))));
                None
            }
        };
        Self {
            fields,
            path: path.to_owned(),
        }
    }

    /// The path of a field of this mapping.
    pub(super) fn at(&self, field: &str) -> String {
        if self.path.is_empty() {
            field.to_owned()
        } else {
            format!("{}.{field}", self.path)
        }
    }

    /// Notes every field that is not in `known`.
    pub(super) fn only(&self, known: &[&str], found: &mut Found) {
        for field in self
            .fields
            .into_iter()
            .flat_map(Map::keys)
            .filter(|field| !known.contains(&field.as_str()))
        {
            found.push((
                self.at(&shown(field)),
                format!("is not known here; known: {}", known.join(", ")),
            ));
        }
    }

    /// The value of a field; null counts as absent.
    pub(super) fn get(&self, field: &str) -> Option<&'v Value> {
        self.fields?.get(field).filter(|value| !value.is_null())
    }

    /// Whether there is anything to read at all.
    fn readable(&self) -> bool {
        self.fields.is_some()
    }

    fn required(&self, field: &str, found: &mut Found) -> Option<&'v Value> {
        let value = self.get(field);
        if value.is_none() && self.readable() {
            found.push((self.at(field), "is missing".to_owned()));
        }
        value
    }

    /// A text that must be there.
    pub(super) fn text(&self, field: &str, rule: Text, found: &mut Found) -> Option<String> {
        text(self.required(field, found)?, &self.at(field), rule, found)
    }

    /// A whole number of minutes that must be there.
    pub(super) fn minutes(&self, field: &str, found: &mut Found) -> Option<u32> {
        const YEAR: u64 = 525_600;
        let value = self.required(field, found)?;
        let minutes = value
            .as_u64()
            .filter(|minutes| *minutes <= YEAR)
            .and_then(|minutes| minutes.try_into().ok());
        if minutes.is_none() {
            found.push((
                self.at(field),
                format!("must be a whole number of minutes from 0 to {YEAR}"),
            ));
        }
        minutes
    }

    /// The members of a list that may be absent, each with its path.
    pub(super) fn list(&self, field: &str, found: &mut Found) -> Vec<(String, &'v Value)> {
        let path = self.at(field);
        match self.get(field) {
            None => Vec::new(),
            Some(Value::Array(members)) => members
                .iter()
                .enumerate()
                .map(|(i, member)| (format!("{path}[{i}]"), member))
                .collect(),
            Some(other) => {
                found.push((path, format!("must be a list, not {}", kind(other))));
                Vec::new()
            }
        }
    }

    /// A list of different texts, at most `most`; may be absent.
    pub(super) fn texts(&self, field: &str, rule: Text, most: usize, found: &mut Found) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        for (path, member) in self.list(field, found) {
            if let Some(text) = text(member, &path, rule, found)
                && let Some(twice) = texts.replace(text)
            {
                found.push((path, format!("repeats {twice}")));
            }
        }
        self.at_most(texts.len(), most, field, found);
        texts
    }

    /// The entries of a mapping that may be absent, each with its path.
    pub(super) fn entries(&self, field: &str, keys: Text, found: &mut Found) -> Vec<(&'v str, String, &'v Value)> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        let inner = Self::new(Some(value), &self.at(field), found);
        let mut entries = Vec::new();
        for (key, value) in inner.fields.into_iter().flatten() {
            let path = inner.at(&shown(key));
            match keys.objection(key) {
                Some(objection) => found.push((path, format!("name of the entry {objection}"))),
                None => entries.push((key.as_str(), path, value)),
            }
        }
        entries
    }

    /// A mapping of names to numbers from 0 to 1, at most `most`.
    pub(super) fn fractions(&self, field: &str, most: usize, found: &mut Found) -> BTreeMap<String, Fraction> {
        let mut fractions = BTreeMap::new();
        for (key, path, value) in self.entries(field, Text::Word, found) {
            let Some(number) = value.as_f64() else {
                found.push((path, format!("must be a number from 0 to 1, not {}", kind(value))));
                continue;
            };
            match Fraction::try_from(number) {
                Ok(fraction) => {
                    fractions.insert(key.to_owned(), fraction);
                }
                Err(error) => found.push((path, format!("{error}, is {number}"))),
            }
        }
        self.at_most(fractions.len(), most, field, found);
        fractions
    }

    /// Notes a field that holds more than `most` entries.
    pub(super) fn at_most(&self, count: usize, most: usize, field: &str, found: &mut Found) {
        if count > most {
            found.push((self.at(field), format!("has {count} entries; at most {most}")));
        }
    }
}

/// A text value that keeps its rule.
pub(super) fn text(value: &Value, path: &str, rule: Text, found: &mut Found) -> Option<String> {
    let Value::String(text) = value else {
        found.push((path.to_owned(), format!("must be a string, not {}", kind(value))));
        return None;
    };
    if let Some(objection) = rule.objection(text) {
        found.push((path.to_owned(), format!("{objection}, is \"{}\"", shown(text))));
        return None;
    }
    Some(text.clone())
}

/// A text of the author's, short and harmless on a terminal.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", short.escape_debug())
}

/// What a value is, in a YAML author's words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}
