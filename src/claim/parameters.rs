//! The six fields that a claim's author sets: wire in, request or every problem out.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::problem::{Cause, Problem, Shown};
use crate::catalog::{Snapshot, Subject, listed};
use crate::placement::{self, Named, Request, Size, Undecided};

/// The smallest database there is, in GiB.
pub const LEAST_STORAGE: u16 = 50;
/// The largest database there is, in GiB.
pub const MOST_STORAGE: u16 = 16_384;

/// The path of a field of `spec.parameters`.
#[must_use]
pub fn path(field: &str) -> String {
    format!("spec.parameters.{field}")
}

/// The six fields, each read by itself: an update judges only those that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameters<'a> {
    /// Name of the cell.
    pub cell: Result<Cow<'a, str>, Problem>,
    /// Name of the tier in capitals; claims may write it in any case.
    pub tier: Result<Cow<'a, str>, Problem>,
    /// Name of the environment.
    pub environment: Result<Cow<'a, str>, Problem>,
    /// Instance size.
    pub size: Result<Size, Problem>,
    /// Storage in GiB.
    pub storage_gb: Result<u16, Problem>,
    /// High availability; absent is false.
    pub ha: Result<bool, Problem>,
}

impl<'a> Parameters<'a> {
    /// Reads `spec.parameters`. What the catalog knows is not asked here.
    #[must_use]
    pub fn read(fields: &'a Map<String, Value>) -> Self {
        Self {
            cell: name(fields, "cell", "the name of your cell"),
            tier: tier(fields),
            environment: name(fields, "environment", "the name of an environment, such as dev or prod"),
            size: size(fields),
            storage_gb: storage(fields),
            ha: ha(fields),
        }
    }

    /// The request, or every problem of every field, names that the catalog does not know among them.
    ///
    /// # Errors
    /// The problems, in the order of the fields.
    pub fn request(&self, catalog: &'a Snapshot, namespace: &'a str) -> Result<Request<'a>, Vec<Problem>> {
        let unknown = self.unknown(catalog);
        match self {
            Self {
                cell: Ok(cell),
                tier: Ok(tier),
                environment: Ok(environment),
                size: Ok(size),
                storage_gb: Ok(gb),
                ha: Ok(ha),
            } if unknown.is_empty() => Ok(Request {
                cell: cell.clone(),
                tier: tier.clone(),
                environment: environment.clone(),
                size: *size,
                storage_gb: *gb,
                ha: *ha,
                namespace: Cow::Borrowed(namespace),
            }),
            _ => Err(self.problems().into_iter().cloned().chain(unknown).collect()),
        }
    }

    /// What policies see of a stored claim, which may be older than a rule: a field that cannot be read is empty, none or
    /// false to them, before a change as after it.
    #[must_use]
    pub fn subject<'s>(&'s self, namespace: &'s str) -> Subject<'s> {
        let text = |field: &'s Result<Cow<'a, str>, Problem>| field.as_deref().unwrap_or_default();
        Subject {
            cell: text(&self.cell),
            tier: text(&self.tier),
            environment: text(&self.environment),
            size: self.size.as_ref().map_or("", |size| size.as_str()),
            storage_gb: *self.storage_gb.as_ref().unwrap_or(&0),
            ha: *self.ha.as_ref().unwrap_or(&false),
            namespace,
        }
    }

    /// The problems of the fields by themselves.
    #[must_use]
    pub fn problems(&self) -> Vec<&Problem> {
        let Self {
            cell,
            tier,
            environment,
            size,
            storage_gb,
            ha,
        } = self;
        let problems = [
            cell.as_ref().err(),
            tier.as_ref().err(),
            environment.as_ref().err(),
            size.as_ref().err(),
            storage_gb.as_ref().err(),
            ha.as_ref().err(),
        ];
        problems.into_iter().flatten().collect()
    }

    /// Well-formed names that the catalog does not have, or not in force.
    #[must_use]
    pub fn unknown(&self, catalog: &Snapshot) -> Vec<Problem> {
        let (cell, tier, environment) = (
            self.cell.as_ref().ok(),
            self.tier.as_ref().ok(),
            self.environment.as_ref().ok(),
        );
        placement::unknown(catalog, cell, tier, environment)
            .iter()
            .map(Problem::from)
            .collect()
    }
}

impl From<&Undecided<'_>> for Problem {
    /// The problem of the field that names what is missing, or of the claim as a whole.
    fn from(undecided: &Undecided<'_>) -> Self {
        match undecided {
            Undecided::Unknown { named, given, known } => unknown(*named, given, known),
            Undecided::NotAccepted { named, what, why } => {
                let field = named.map(|named| path(field(named))).unwrap_or_default();
                let message = format!("{what} ({why}); ask your platform team");
                Self::new(Cause::CatalogNotAccepted, field, message)
            }
        }
    }
}

fn field(named: Named) -> &'static str {
    match named {
        Named::Cell => "cell",
        Named::Tier => "tier",
        Named::Environment => "environment",
    }
}

/// A name that the catalog does not have.
fn unknown(what: Named, given: &str, known: &[&str]) -> Problem {
    let field = field(what);
    let names = listed(known.iter().map(|name| match what {
        Named::Tier => Cow::Owned(name.to_ascii_uppercase()),
        Named::Cell | Named::Environment => Cow::Borrowed(*name),
    }));
    let message = if known.is_empty() {
        format!(
            "there is no {field} \"{}\": the catalog has none yet; ask your platform team",
            Shown(given)
        )
    } else {
        format!("there is no {field} \"{}\"; use one of: {names}", Shown(given))
    };
    Problem::new(Cause::FieldUnknown, path(field), message)
}

/// The value of a field that must be there; null counts as absent.
fn required<'a>(fields: &'a Map<String, Value>, field: &str, remedy: &str) -> Result<&'a Value, Problem> {
    fields.get(field).filter(|value| !value.is_null()).ok_or_else(|| {
        Problem::new(
            Cause::FieldMissing,
            path(field),
            format!("is required; set it to {remedy}"),
        )
    })
}

fn wrong_type(field: &str, value: &Value, remedy: &str) -> Problem {
    let given = match value {
        Value::String(text) => format!("the string \"{}\"", Shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
        other => Shown(&other.to_string()).to_string(),
    };
    Problem::new(Cause::FieldType, path(field), format!("is {given}; must be {remedy}"))
}

fn text<'a>(fields: &'a Map<String, Value>, field: &str, remedy: &str) -> Result<&'a str, Problem> {
    let value = required(fields, field, remedy)?;
    value
        .as_str()
        .ok_or_else(|| wrong_type(field, value, &format!("a string, {remedy}")))
}

fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

fn malformed(field: &str, text: &str, remedy: &str) -> Problem {
    Problem::new(
        Cause::FieldInvalid,
        path(field),
        format!("is \"{}\"; must be {remedy}", Shown(text)),
    )
}

fn name<'a>(fields: &'a Map<String, Value>, field: &str, remedy: &str) -> Result<Cow<'a, str>, Problem> {
    let text = text(fields, field, remedy)?;
    if is_name(text) {
        Ok(Cow::Borrowed(text))
    } else {
        Err(malformed(field, text, "1 to 63 lower-case letters, digits and '-'"))
    }
}

fn tier(fields: &Map<String, Value>) -> Result<Cow<'_, str>, Problem> {
    let given = text(fields, "tier", "the name of the tier, such as C1")?;
    let lower: Cow<'_, str> = if given.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(given.to_ascii_lowercase())
    } else {
        Cow::Borrowed(given)
    };
    if !is_name(&lower) {
        return Err(malformed("tier", given, "1 to 63 letters, digits and '-'"));
    }
    Ok(if given.bytes().any(|b| b.is_ascii_lowercase()) {
        Cow::Owned(given.to_ascii_uppercase())
    } else {
        Cow::Borrowed(given)
    })
}

fn size(fields: &Map<String, Value>) -> Result<Size, Problem> {
    const REMEDY: &str = "small, medium, large or xlarge";
    let text = text(fields, "size", REMEDY)?;
    Size::from_word(text).ok_or_else(|| malformed("size", text, REMEDY))
}

fn storage(fields: &Map<String, Value>) -> Result<u16, Problem> {
    const REMEDY: &str = "a whole number of GiB from 50 to 16384";
    let value = required(fields, "storageGB", REMEDY)?;
    if !(value.is_i64() || value.is_u64()) {
        return Err(wrong_type("storageGB", value, REMEDY));
    }
    value
        .as_u64()
        .and_then(|gb| u16::try_from(gb).ok())
        .filter(|gb| (LEAST_STORAGE..=MOST_STORAGE).contains(gb))
        .ok_or_else(|| {
            Problem::new(
                Cause::FieldInvalid,
                path("storageGB"),
                format!("is {value}; must be {REMEDY}"),
            )
        })
}

fn ha(fields: &Map<String, Value>) -> Result<bool, Problem> {
    match fields.get("ha") {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(ha)) => Ok(*ha),
        Some(other) => Err(wrong_type(
            "ha",
            other,
            "true or false (without quotes), or left out for false",
        )),
    }
}
