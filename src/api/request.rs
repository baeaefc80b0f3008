//! A request's body as a claim, or everything that is wrong with it. What a value must be is admission's matter; here it is
//! only seen to that the body has the request's own fields and no others.

pub(super) mod document;

use std::collections::BTreeSet;
use std::fmt;

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::{Map, Value, json};
use utoipa::IntoParams;

use super::problem::{Kind, Problem};
use crate::claim::{self, Cause, GROUP, KIND, PLACEMENT_FIELDS, Parameters, Shown, VERSION};
use crate::store::{Key, LABEL, MOST_NAME, NAME, is_label, is_subdomain};

/// What a request names the claim by.
const NAMES: [&str; 2] = ["namespace", "name"];

/// The fields of a claim that its author sets.
pub(super) const FIELDS: [&str; 6] = ["cell", "tier", "environment", "size", "storageGB", "ha"];

/// The claim that a path names.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct Named {
    /// Its namespace.
    #[param(
        min_length = 1,
        max_length = 63,
        pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$",
        example = "orders"
    )]
    pub(super) namespace: String,
    /// Its name.
    #[param(
        min_length = 1,
        max_length = 63,
        example = "orders-db",
        pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    )]
    pub(super) name: String,
}

/// Whether a request has to name what it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    Required,
    Optional,
}

/// The namespace that a query gives, if it gives one.
pub(super) fn namespace(given: Option<&str>) -> Result<(), claim::Problem> {
    match given.filter(|name| !is_label(name)) {
        None => Ok(()),
        Some(wrong) => Err(misnamed("namespace", wrong, LABEL)),
    }
}

/// The problem of a name.
pub(super) fn misnamed(field: &str, given: &str, rule: &str) -> claim::Problem {
    let message = format!("is \"{}\"; must be {rule}", Shown(given));
    claim::Problem::new(Cause::FieldInvalid, field, message)
}

/// A body, read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) namespace: Option<String>,
    /// The namespace is missing or wrong, so that nobody can be asked whether the caller may do anything in it.
    pub(super) nowhere: bool,
    /// None where a name is missing or wrong.
    pub(super) key: Option<Key>,
    /// The claim that it asks for, whatever the values are.
    pub(super) claim: Value,
    /// What is wrong with the body itself.
    pub(super) problems: Vec<claim::Problem>,
}

/// Reads a body.
///
/// # Errors
/// It is no JSON object.
pub(super) fn read(headers: &HeaderMap, body: &Bytes, names: Names) -> Result<Read, Problem> {
    if !is_json(headers) {
        let why = "send the body with `Content-Type: application/json`";
        return Err(Problem::new(Kind::NotJson, why));
    }
    let Body { fields: body, twice } = serde_json::from_slice(body).map_err(|error| {
        let why = match error.classify() {
            Category::Data => format!("the body must be an object with namespace, name, {}", FIELDS.join(", ")),
            _ => format!("the body is no JSON: {}", Shown(&error.to_string())),
        };
        Problem::new(Kind::Malformed, why)
    })?;
    let mut problems = strangers(&body);
    problems.extend(twice.into_iter().map(|field| {
        let message = "is there more than once; say it once";
        claim::Problem::new(Cause::FieldInvalid, Shown(&field).to_string(), message)
    }));
    let mut parameters = Map::new();
    for field in FIELDS {
        if let Some(value) = body.get(field) {
            parameters.insert(field.to_owned(), whole(value));
        }
    }
    // Said, so that what is stored is what was asked for, whatever is the default one day.
    if parameters.get("ha").is_none_or(Value::is_null) {
        parameters.insert("ha".to_owned(), false.into());
    }
    let namespace = text(&body, "namespace", names, (is_label, LABEL), &mut problems);
    let nowhere = problems.iter().any(|problem| problem.field == "namespace");
    let name = text(&body, "name", names, (is_name, NAME), &mut problems);
    let mut metadata = Map::new();
    for (field, value) in [("namespace", &namespace), ("name", &name)] {
        if let Some(value) = value {
            metadata.insert(field.to_owned(), value.clone().into());
        }
    }
    let key = match (&namespace, &name) {
        (Some(namespace), Some(name)) => Key::new(namespace, name),
        _ => None,
    };
    Ok(Read {
        namespace,
        nowhere,
        key,
        claim: json!({
            "apiVersion": format!("{GROUP}/{VERSION}"),
            "kind": KIND,
            "metadata": metadata,
            "spec": { "parameters": parameters },
        }),
        problems,
    })
}

/// The fields of an object, and those that it has more than once, which other readers may take for another value.
#[derive(Default)]
struct Body {
    fields: Map<String, Value>,
    twice: BTreeSet<String>,
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visit;
        impl<'de> Visitor<'de> for Visit {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut body = Body::default();
                while let Some((field, value)) = map.next_entry::<String, Value>()? {
                    if body.fields.insert(field.clone(), value).is_some() {
                        body.twice.insert(field);
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(Visit)
    }
}

/// To JSON Schema `50.0` is a whole number, and the document says that one will do.
fn whole(value: &Value) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "within the range in which f64 is exact")]
    match value.as_f64() {
        Some(number) if !value.is_i64() && number.fract() == 0.0 && number.abs() < 1e15 => (number as i64).into(),
        _ => value.clone(),
    }
}

impl Read {
    /// Everything that is wrong and can be told to anybody.
    pub(super) fn told_to_anybody(mut self) -> Problem {
        let values = self.values();
        self.problems.extend(values);
        Problem::invalid(self.problems)
    }

    /// What is wrong with the values by themselves, whatever the catalog has.
    pub(super) fn values(&self) -> Vec<claim::Problem> {
        let none = Map::new();
        let fields = self.claim.pointer("/spec/parameters").and_then(Value::as_object);
        let read = Parameters::read(fields.unwrap_or(&none));
        read.problems().into_iter().cloned().collect()
    }
}

fn is_name(text: &str) -> bool {
    is_subdomain(text, MOST_NAME)
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.and_then(|given| given.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// The fields that a request does not have.
fn strangers(body: &Map<String, Value>) -> Vec<claim::Problem> {
    let known = |field: &str| FIELDS.contains(&field) || NAMES.contains(&field);
    let strange = body.keys().filter(|field| !known(field));
    let problem = |field: &String| {
        let (cause, message) = if PLACEMENT_FIELDS.contains(&field.as_str()) {
            let message = "is written by the platform alone; remove it".to_owned();
            (Cause::PlacementForbidden, message)
        } else {
            let message = format!(
                "is no field of this request; use namespace, name, {}",
                FIELDS.join(", ")
            );
            (Cause::FieldInvalid, message)
        };
        claim::Problem::new(cause, Shown(field).to_string(), message)
    };
    strange.map(problem).collect()
}

fn text(
    body: &Map<String, Value>,
    field: &str,
    names: Names,
    (good, rule): (fn(&str) -> bool, &str),
    problems: &mut Vec<claim::Problem>,
) -> Option<String> {
    let problem = |cause, message: String| claim::Problem::new(cause, field, message);
    match body.get(field) {
        None if names == Names::Optional => None,
        None | Some(Value::Null) if names == Names::Required => {
            let what = if field == "name" {
                "the database's name"
            } else {
                "your namespace"
            };
            problems.push(problem(Cause::FieldMissing, format!("is required; set it to {what}")));
            None
        }
        Some(Value::String(text)) if good(text) => Some(text.clone()),
        Some(Value::String(text)) => {
            problems.push(misnamed(field, text, rule));
            None
        }
        other => {
            let shown = other.unwrap_or(&Value::Null).to_string();
            problems.push(problem(
                Cause::FieldType,
                format!("is {}; must be a string", Shown(&shown)),
            ));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(value: &Value) -> Result<Read, Problem> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json; charset=utf-8".parse().unwrap())]);
        read(&headers, &Bytes::from(value.to_string()), Names::Required)
    }

    #[test]
    fn a_body_becomes_the_claim_that_says_the_same_with_all_six_fields() {
        let read = body(&json!({
            "namespace": "orders", "name": "orders-db", "cell": "payments", "tier": "c1", "environment": "prod",
            "size": "medium", "storageGB": 50,
        }))
        .unwrap();
        assert_eq!(read.problems, []);
        assert_eq!(read.key, Key::new("orders", "orders-db"));
        assert_eq!(
            read.claim,
            json!({
                "apiVersion": "db.platform.example.org/v1alpha1",
                "kind": "MySQLInstanceClaim",
                "metadata": {"namespace": "orders", "name": "orders-db"},
                "spec": {"parameters": {
                    "cell": "payments", "tier": "c1", "environment": "prod", "size": "medium", "storageGB": 50, "ha": false,
                }},
            })
        );
    }

    #[test]
    fn everything_that_is_wrong_with_a_body_is_told_at_once() {
        let read = body(&json!({
            "namespace": "-orders", "name": 7, "provider": null, "network": {}, "labels": {}, "cell": "payments",
        }))
        .unwrap();
        let told: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "labels: is no field of this request; use namespace, name, cell, tier, environment, size, storageGB, ha",
                "network: is written by the platform alone; remove it",
                "provider: is written by the platform alone; remove it",
                "namespace: is \"-orders\"; must be 1 to 63 lower-case letters, digits and -, with a letter or digit at both ends",
                "name: is 7; must be a string",
            ]
        );
        assert_eq!(read.key, None);
    }

    #[test]
    fn a_field_that_is_there_twice_is_refused_whichever_value_would_have_counted() {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
        let text = r#"{"tier": "C1", "cell": "payments", "tier": "C2", "\u0063ell": "payments"}"#;
        let read = read(&headers, &Bytes::from(text), Names::Optional).unwrap();
        let told: Vec<String> = read.problems.iter().map(ToString::to_string).collect();
        assert_eq!(
            told,
            [
                "cell: is there more than once; say it once",
                "tier: is there more than once; say it once"
            ]
        );
    }

    #[test]
    fn a_whole_number_is_one_however_it_is_written() {
        for (given, storage) in [
            ("50", "50"),
            ("50.0", "50"),
            ("5e1", "50"),
            ("50.5", "50.5"),
            ("1e300", "1e+300"),
            ("-0.0", "0"),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, "application/json".parse().unwrap())]);
            let read = read(
                &headers,
                &Bytes::from(format!("{{\"storageGB\": {given}}}")),
                Names::Optional,
            )
            .unwrap();
            assert_eq!(
                read.claim["spec"]["parameters"]["storageGB"].to_string(),
                storage,
                "{given}"
            );
        }
    }

    #[test]
    fn only_json_objects_are_read() {
        for (content_type, text, kind) in [
            ("text/plain", "{}", Kind::NotJson),
            ("application/x-www-form-urlencoded", "{}", Kind::NotJson),
            ("application/json-seq", "{}", Kind::NotJson),
            ("application/json", "", Kind::Malformed),
            ("application/json", "[]", Kind::Malformed),
            ("application/json", "{} {}", Kind::Malformed),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, content_type.parse().unwrap())]);
            let read = read(&headers, &Bytes::from(text), Names::Required);
            assert_eq!(read.unwrap_err().kind, kind, "{content_type} {text}");
        }
    }
}
