//! What a catalog object's status should be. No clock and no cluster in here.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Map, Value, json};

use super::written::{Key, Written, key};
use crate::catalog::{Object, Problem, Snapshot, Verdict, cut};
use crate::placement::cordons;

/// The most bytes of a condition's message.
const MOST_MESSAGE: usize = 1024;

/// A status to write.
#[derive(Debug, PartialEq)]
pub(super) struct Due {
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) accepted: bool,
    pub(super) status: Value,
    /// What it was judged by.
    pub(super) key: Option<Key>,
}

/// The status of `object`, where it is not what it has. `now` is when a condition changes that does.
pub(super) fn due(
    object: &Object,
    written: &Written,
    verdict: &Verdict,
    snapshot: &Snapshot,
    now: &Time,
) -> Option<Due> {
    let text = |pointer| object.value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let (kind, name) = (text("/kind")?, text("/metadata/name")?);
    let stored = written.status_of(object);
    let conditions = stored.get("conditions").and_then(Value::as_array);
    let before = conditions
        .into_iter()
        .flatten()
        .find(|condition| is(condition, "type", "Accepted"));
    let accepted = if verdict.is_accepted() { "True" } else { "False" };
    let since = before.filter(|before| is(before, "status", accepted));
    let since = since.and_then(|before| before.get("lastTransitionTime"));
    let condition = json!({
        "type": "Accepted",
        "status": accepted,
        "reason": verdict.as_str(),
        "message": message(verdict),
        "observedGeneration": object.value.pointer("/metadata/generation"),
        "lastTransitionTime": since.cloned().unwrap_or_else(|| json!(now)),
    });
    let mut status = Map::from_iter([("conditions".to_owned(), json!([condition]))]);
    if kind == "Cell" {
        let candidates = object.value.pointer("/spec/candidates").and_then(Value::as_array);
        let candidates = candidates.map_or(0, Vec::len);
        let open = snapshot.cell(&name).map_or(0, |cell| {
            let open = cell.candidates.iter().filter(|candidate| cordons(candidate).is_empty());
            open.count()
        });
        status.insert("candidates".to_owned(), json!(candidates));
        status.insert("open".to_owned(), json!(open));
    }
    let status = Value::Object(status);
    let is_stored = before == status.pointer("/conditions/0")
        && ["candidates", "open"]
            .iter()
            .all(|field| stored.get(field) == status.get(field));
    (!is_stored).then(|| Due {
        kind,
        name,
        accepted: verdict.is_accepted(),
        status,
        key: key(object),
    })
}

fn is(condition: &Value, field: &str, text: &str) -> bool {
    condition.get(field).is_some_and(|found| found == text)
}

fn message(verdict: &Verdict) -> String {
    let problems: Vec<String> = verdict.problems().iter().map(Problem::in_object).collect();
    let problems = problems.join("; ");
    let message = match verdict {
        Verdict::Accepted => "in force".to_owned(),
        Verdict::Incomplete(_) => format!("in force, but: {problems}"),
        Verdict::Unresolved(_) | Verdict::Invalid(_) => format!("not in force: {problems}"),
    };
    cut(message, MOST_MESSAGE)
}

#[cfg(test)]
mod tests;
