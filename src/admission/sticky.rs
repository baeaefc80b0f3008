//! The stored placement, held part by part: same, missing or different. A claim keeps its placement for life.
//!
//! What a client leaves out is put back (a bare `kubectl replace` leaves out all of it, and Crossplane would then pick
//! a composition at random); what a client changes or adds is refused.

use std::borrow::Cow;

use serde_json::{Value, json};

use super::Writer;
use super::answer::Edit;
use crate::claim::parameters::path;
use crate::claim::{Cause, Claim, PLACEMENT_FIELDS, Problem, REASON, Shown};

const REMEDY: &str = "a claim keeps its placement for life: leave this as it is stored, or out altogether";

/// What holding the placement takes: values to put back, or problems.
#[derive(Debug, Default)]
pub struct Held {
    /// Parts that were left out.
    pub edits: Vec<Edit<'static>>,
    /// Parts that were changed or added.
    pub problems: Vec<Problem>,
}

/// Holds the four fields, the reason and `spec.crossplane`, each by itself. `old` and `new` have a mapping for a
/// spec, and `new` has one for its parameters where `old` has.
#[must_use]
pub fn hold(old: &Claim<'_>, new: &Claim<'_>, writer: Writer) -> Held {
    let mut held = Held::default();
    for field in PLACEMENT_FIELDS {
        let stored = old.parameters().and_then(|parameters| parameters.get(field));
        let given = new.parameters().and_then(|parameters| parameters.get(field));
        held.part(stored, given, &format!("/spec/parameters/{field}"), path(field));
        // Not a field of ours at all, but one that a reader of the claim could take for one.
        held.part(
            old.spec.get(field),
            new.spec.get(field),
            &format!("/spec/{field}"),
            format!("spec.{field}"),
        );
    }
    held.reason(old, new);
    held.crossplane(old.crossplane(), new.crossplane(), writer);
    held
}

impl Held {
    /// Holds one value, and if it is a mapping each of its entries by itself. Null counts as absent.
    fn part(&mut self, stored: Option<&Value>, given: Option<&Value>, pointer: &str, path: String) {
        let stored = stored.filter(|value| !value.is_null());
        let given = given.filter(|value| !value.is_null());
        match (stored, given) {
            (None, None) => {}
            (Some(stored), None) => self.put_back(pointer, stored),
            (Some(Value::Object(stored)), Some(Value::Object(given))) => {
                for (key, value) in stored {
                    self.part(
                        Some(value),
                        given.get(key),
                        &below(pointer, key),
                        format!("{path}.{}", Shown(key)),
                    );
                }
                for (key, value) in given.iter().filter(|(key, _)| !stored.contains_key(*key)) {
                    self.part(
                        None,
                        Some(value),
                        &below(pointer, key),
                        format!("{path}.{}", Shown(key)),
                    );
                }
            }
            (Some(stored), Some(given)) if stored == given => {}
            (Some(Value::String(stored)), Some(_)) => {
                self.refuse(path, format!("is \"{}\"; {REMEDY}", Shown(stored)));
            }
            (Some(_), Some(_)) => self.refuse(path, format!("differs from what is stored; {REMEDY}")),
            (None, Some(_)) => self.refuse(path, format!("is not stored and cannot be added; {REMEDY}")),
        }
    }

    fn put_back(&mut self, pointer: &str, stored: &Value) {
        self.edits.push(Edit::new(pointer.to_owned(), stored));
    }

    fn refuse(&mut self, path: String, message: String) {
        self.problems.push(Problem::new(Cause::PlacementChanged, path, message));
    }

    fn reason(&mut self, old: &Claim<'_>, new: &Claim<'_>) {
        match (old.reason(), new.reason()) {
            (Some(stored), None) => self.edits.push(reason(new, json!(stored).to_string())),
            (stored, given) if stored != given => {
                self.refuse(
                    format!("metadata.annotations[{REASON}]"),
                    format!("differs from what is stored; {REMEDY}"),
                );
            }
            _ => {}
        }
    }

    fn crossplane(&mut self, stored: Option<&Value>, given: Option<&Value>, writer: Writer) {
        let (Some(Value::Object(old)), Some(Value::Object(new))) = (stored, given) else {
            // Crossplane's first write, where there was nothing to hold. Its schema wants a mapping.
            if writer.crossplane && stored.is_none() && given.is_none_or(Value::is_object) {
                return;
            }
            self.part(stored, given, "/spec/crossplane", "spec.crossplane".to_owned());
            return;
        };
        for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
            let (stored, given) = (old.get(key), new.get(key));
            // Crossplane may write all of its own fields, but once it has chosen a composition, another one would
            // delete what that one does not name; and without the selector it would pick one at random.
            let held = ["compositionRef", "compositionSelector"].contains(&key.as_str());
            if writer.crossplane && (!held || stored.is_none_or(Value::is_null)) {
                continue;
            }
            let path = format!("spec.crossplane.{}", Shown(key));
            if writer.operator && given.is_some_and(|given| !given.is_null() && stored != Some(given)) {
                match operators_field(key, given) {
                    Some(Ok(())) => continue,
                    Some(Err(remedy)) => {
                        self.problems.push(Problem::new(Cause::FieldInvalid, path, remedy));
                        continue;
                    }
                    None => {}
                }
            }
            self.part(stored, given, &below("/spec/crossplane", key), path);
        }
    }
}

/// Judges a value for a field of `spec.crossplane` that operators may change; `None` for every other field.
/// Crossplane's schema would answer a bad value with 422.
pub(super) fn operators_field(field: &str, value: Option<&Value>) -> Option<Result<(), &'static str>> {
    let value = value?;
    match field {
        "compositionRevisionRef" => {
            let fine = value.as_object().is_some_and(|fields| {
                fields.len() == 1
                    && fields
                        .get("name")
                        .and_then(Value::as_str)
                        .is_some_and(|name| !name.is_empty())
            });
            Some(if fine {
                Ok(())
            } else {
                Err("must be a mapping with the name of a revision: {name: …}")
            })
        }
        "compositionUpdatePolicy" => {
            let fine = matches!(value.as_str(), Some("Manual" | "Automatic"));
            Some(if fine {
                Ok(())
            } else {
                Err("must be Manual or Automatic")
            })
        }
        _ => None,
    }
}

/// The edit that writes the reason annotation into `claim`; `json` is the reason as a JSON string.
pub(super) fn reason(claim: &Claim<'_>, json: String) -> Edit<'static> {
    let (path, json) = if claim.metadata.annotations.is_some() {
        ("/metadata/annotations/platform.example.org~1placement-reason", json)
    } else {
        ("/metadata/annotations", format!("{{\"{REASON}\":{json}}}"))
    };
    Edit {
        path: Cow::Borrowed(path),
        json,
    }
}

/// The pointer of an entry (RFC 6901 says what is escaped).
fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}
