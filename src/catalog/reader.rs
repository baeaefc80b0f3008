//! Reads one loose object field by field and notes every problem on the way, where a typed parser would stop at the
//! first. What a field may hold is decided here, once; which fields there are is [`specs`](super::specs)' matter.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value};

use super::fraction::Fraction;
use super::policy::{MOST_MESSAGE, is_printable};

/// What is wrong with one object.
#[derive(Default)]
pub(super) struct Found {
    /// Field path and message of each problem.
    pub(super) problems: Vec<(String, String)>,
    /// Paths whose value could not be read: what it lacks is not to be told, it is there in some wrong form.
    pub(super) unread: HashSet<String>,
}

impl Found {
    pub(super) fn note(&mut self, path: String, message: String) {
        self.problems.push((path, message));
    }

    fn unread(&mut self, path: String, message: String) {
        self.unread.insert(path.clone());
        self.note(path, message);
    }
}

/// What a text field may hold; each bound keeps a placement reason below its 16 KiB.
#[derive(Clone, Copy)]
pub(super) enum Text {
    /// A DNS label: lower-case letters, digits and `-`, as object names are.
    Label,
    /// A name that others give, such as a cloud's region or a capability.
    Word,
    /// Printable text on one line.
    Line,
    /// A [`Label`](Self::Label) whose letters may be capitals, as tiers are written.
    AnyCaseLabel,
    /// Text on one line for people, in any script.
    Message,
}

impl Text {
    fn allows(self, text: &str) -> bool {
        let most = match self {
            Self::Label | Self::Word | Self::AnyCaseLabel => 63,
            Self::Line => 253,
            Self::Message => MOST_MESSAGE,
        };
        let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_alphanumeric());
        let edges = edge(text.bytes().next()) && edge(text.bytes().last());
        (1..=most).contains(&text.len())
            && match self {
                Self::Label => edges && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-')),
                Self::Word => {
                    edges
                        && text
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
                }
                Self::AnyCaseLabel => edges && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'),
                Self::Line => text.bytes().all(|b| matches!(b, b' '..=b'~')),
                Self::Message => text.chars().all(is_printable),
            }
    }

    fn rule(self) -> &'static str {
        match self {
            Self::Label => "must be 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends",
            Self::Word => "must be 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends",
            Self::Line => "must be 1 to 253 printable ASCII characters",
            Self::AnyCaseLabel => "must be 1 to 63 letters, digits and '-', with a letter or digit at both ends",
            Self::Message => "must be 1 to 256 bytes of text on one line",
        }
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
        let fields = value.and_then(Value::as_object);
        match value {
            None => found.unread(path.to_owned(), "is missing; must be a mapping".to_owned()),
            Some(other) if fields.is_none() => {
                found.unread(path.to_owned(), format!("must be a mapping, not {}", kind(other)));
            }
            Some(_) => {}
        }
        Self {
            fields,
            path: path.to_owned(),
        }
    }

    /// Whether there is anything to read at all.
    pub(super) fn readable(&self) -> bool {
        self.fields.is_some()
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
        let fields = self.fields.into_iter().flat_map(Map::keys);
        for field in fields.filter(|field| !known.contains(&field.as_str())) {
            found.note(
                self.at(&shown(field)),
                format!("is not known here; known: {}", known.join(", ")),
            );
        }
    }

    /// The value of a field; null counts as absent.
    pub(super) fn get(&self, field: &str) -> Option<&'v Value> {
        self.fields?.get(field).filter(|value| !value.is_null())
    }

    /// The value of a field that must be there; `rule` says what it must be.
    pub(super) fn required(&self, field: &str, rule: &str, found: &mut Found) -> Option<&'v Value> {
        let value = self.get(field);
        if value.is_none() && self.readable() {
            found.note(self.at(field), format!("is missing; {rule}"));
        }
        value
    }

    /// A text that must be there.
    pub(super) fn text(&self, field: &str, rule: Text, found: &mut Found) -> Option<String> {
        let value = self.required(field, rule.rule(), found)?;
        text(value, &self.at(field), rule, found)
    }

    /// One of the `known` texts.
    pub(super) fn one_of(&self, field: &str, known: &[&'static str], found: &mut Found) -> Option<&'static str> {
        let rule = match known {
            [first @ .., last] if !first.is_empty() => format!("must be {} or {last}", first.join(", ")),
            _ => format!("must be {}", known.concat()),
        };
        let value = self.required(field, &rule, found)?;
        let one = known.iter().find(|one| value.as_str() == Some(one));
        if one.is_none() {
            found.note(self.at(field), format!("{rule}, {}", told(value)));
        }
        one.copied()
    }

    /// A whole number of minutes that must be there.
    pub(super) fn minutes(&self, field: &str, found: &mut Found) -> Option<u32> {
        const YEAR: u32 = 525_600;
        let rule = format!("must be a whole number of minutes from 0 to {YEAR}");
        let value = self.required(field, &rule, found)?;
        let minutes = value.as_u64().and_then(|minutes| minutes.try_into().ok());
        let minutes = minutes.filter(|minutes| *minutes <= YEAR);
        if minutes.is_none() {
            found.note(self.at(field), format!("{rule}, {}", told(value)));
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
                found.unread(path, format!("must be a list, not {}", kind(other)));
                Vec::new()
            }
        }
    }

    /// A list of different texts, at most `most`; may be absent.
    pub(super) fn texts(&self, field: &str, rule: Text, most: usize, found: &mut Found) -> BTreeSet<String> {
        let mut texts = BTreeSet::new();
        let members = self.list(field, found);
        self.at_most(members.len(), most, field, found);
        for (path, member) in members {
            if let Some(text) = text(member, &path, rule, found)
                && let Some(twice) = texts.replace(text)
            {
                found.note(path, format!("repeats {twice}; list it once"));
            }
        }
        texts
    }

    /// The entries of a mapping that may be absent, at most `most`, each with its path.
    pub(super) fn entries(&self, field: &str, most: usize, found: &mut Found) -> Vec<(&'v str, String, &'v Value)> {
        let Some(value) = self.get(field) else {
            return Vec::new();
        };
        let inner = Self::new(Some(value), &self.at(field), found);
        let fields = inner.fields.into_iter().flatten();
        self.at_most(inner.fields.map_or(0, Map::len), most, field, found);
        let mut entries = Vec::new();
        for (key, value) in fields {
            let path = inner.at(&shown(key));
            if Text::Word.allows(key) {
                entries.push((key.as_str(), path, value));
            } else {
                found.note(path, format!("is no name: it {}", Text::Word.rule()));
            }
        }
        entries
    }

    /// A mapping of names to numbers from 0 to 1, at most `most`; may be absent.
    pub(super) fn fractions(&self, field: &str, most: usize, found: &mut Found) -> BTreeMap<String, Fraction> {
        let mut fractions = BTreeMap::new();
        for (key, path, value) in self.entries(field, most, found) {
            let Some(number) = value.as_f64() else {
                found.unread(path, format!("must be a number from 0 to 1, {}", told(value)));
                continue;
            };
            match Fraction::try_from(number) {
                Ok(fraction) => {
                    fractions.insert(key.to_owned(), fraction);
                }
                Err(error) => found.unread(path, format!("{error}, {}", told(value))),
            }
        }
        fractions
    }

    /// Notes a field that holds more than `most` entries.
    fn at_most(&self, count: usize, most: usize, field: &str, found: &mut Found) {
        if count > most {
            found.note(self.at(field), format!("has {count} entries; at most {most}"));
        }
    }
}

/// A text value that keeps its rule.
pub(super) fn text(value: &Value, path: &str, rule: Text, found: &mut Found) -> Option<String> {
    let objection = match value {
        Value::String(text) if rule.allows(text) => return Some(text.clone()),
        Value::String(_) => format!("{}, {}", rule.rule(), told(value)),
        Value::Number(_) | Value::Bool(_) => format!("must be a string, not {}; put it in quotes", kind(value)),
        other => format!("must be a string, not {}", kind(other)),
    };
    found.unread(path.to_owned(), objection);
    None
}

/// A text of the author's, short and harmless on a terminal.
pub(super) fn shown(text: &str) -> String {
    let short: String = text.chars().take(64).collect();
    let cut = if short.len() < text.len() { "…" } else { "" };
    format!("{}{cut}", short.escape_debug())
}

/// A text of at most `most` bytes, with a mark where it was cut.
pub(crate) fn cut(mut text: String, most: usize) -> String {
    const CUT: char = '…';
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most - CUT.len_utf8()));
        text.push(CUT);
    }
    text
}

/// Names of the catalog in a message, the first twenty; every message that lists some calls this.
pub(crate) fn listed(names: impl IntoIterator<Item = impl AsRef<str>, IntoIter: ExactSizeIterator>) -> String {
    const MOST: usize = 20;
    let names = names.into_iter();
    let more = names.len().saturating_sub(MOST);
    let mut listed = String::new();
    for name in names.take(MOST) {
        if !listed.is_empty() {
            listed.push_str(", ");
        }
        listed.push_str(name.as_ref());
    }
    match more {
        0 if listed.is_empty() => "none".to_owned(),
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// What a value is where it is not what it must be: itself where that is short, else its kind.
fn told(value: &Value) -> String {
    match value {
        Value::String(text) => format!("is \"{}\"", shown(text)),
        Value::Number(number) => format!("is {number}"),
        other => format!("not {}", kind(other)),
    }
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

#[cfg(test)]
mod tests;
