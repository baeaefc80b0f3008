//! Two catalogs compared, object by object and path by path. What a difference does to claims is not known here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::Value;

use super::snapshot::Snapshot;

/// An object that is not the same in both catalogs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// Kind of the object.
    pub kind: String,
    /// Name of the object.
    pub name: String,
    /// What became of it.
    pub change: Change,
    /// Each path that is not the same; of a changed object only, where it is never empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
}

/// What became of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// In the new catalog only.
    Added,
    /// In the old catalog only.
    Removed,
    /// In both, with another content.
    Changed,
}

/// One value that is not the same.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Edit {
    /// Where it is, such as `spec.candidates[aws-us-east-1].scores.cost`; what has a name is called by it.
    pub path: String,
    /// Before; absent where there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Value>,
    /// After; absent where there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// What is not the same in `old` and `new`, by kind and name.
#[must_use]
pub fn differences(old: &Snapshot, new: &Snapshot) -> Vec<Difference> {
    let (old, new) = (by_name(old), by_name(new));
    let all: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    all.into_iter()
        .filter_map(|key| {
            let (change, edits) = match (old.get(key), new.get(key)) {
                (Some(old), Some(new)) => {
                    let mut edits = Vec::new();
                    compare("", Some(old), Some(new), &mut edits);
                    (Change::Changed, edits)
                }
                (None, _) => (Change::Added, Vec::new()),
                (_, None) => (Change::Removed, Vec::new()),
            };
            let (kind, name) = key.clone();
            let differs = change != Change::Changed || !edits.is_empty();
            differs.then_some(Difference {
                kind,
                name,
                change,
                edits,
            })
        })
        .collect()
}

fn by_name(catalog: &Snapshot) -> BTreeMap<(String, String), Value> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let objects = catalog.objects().into_iter();
    objects
        .map(|object| {
            let name = object.get("metadata").and_then(|metadata| metadata.get("name"));
            ((text(object.get("kind")), text(name)), object)
        })
        .collect()
}

fn compare(path: &str, before: Option<&Value>, after: Option<&Value>, edits: &mut Vec<Edit>) {
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for key in keys {
                let below = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(&below, before.get(key), after.get(key), edits);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (named(old), named(new)) {
            (Some(old), Some(new)) => {
                let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
                for name in names {
                    let below = format!("{path}[{name}]");
                    compare(&below, old.get(name).copied(), new.get(name).copied(), edits);
                }
            }
            _ => edits.push(Edit::of(path, before, after)),
        },
        _ => edits.push(Edit::of(path, before, after)),
    }
}

/// The members of a list by their names, if every one has a name of its own.
fn named(list: &[Value]) -> Option<BTreeMap<&str, &Value>> {
    let named: BTreeMap<&str, &Value> = list
        .iter()
        .map(|member| Some((member.get("name")?.as_str()?, member)))
        .collect::<Option<_>>()?;
    (named.len() == list.len()).then_some(named)
}

impl Edit {
    fn of(path: &str, before: Option<&Value>, after: Option<&Value>) -> Self {
        Self {
            path: path.to_owned(),
            before: before.cloned(),
            after: after.cloned(),
        }
    }
}
