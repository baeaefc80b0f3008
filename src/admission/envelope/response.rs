//! The answer, written.

use std::borrow::Cow;

use base64_simd::STANDARD;
use serde::Serialize;

use super::super::answer::{Answer, Edit};
use super::{API_VERSION, REVIEW};
use crate::claim::{Cause, GROUP, KIND, Problem, Shown};
use crate::telemetry::traces::SPANS;

/// Room for a usual patch or response, in bytes, so that it is not moved while it grows.
const ROOM: usize = 4096;

/// How many problems a refusal lists. A claim has fewer fields; only made-up ones can be wrong in more places.
const MOST_PROBLEMS: usize = 50;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireResponse<'a> {
    api_version: &'static str,
    kind: &'static str,
    response: Response<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Response<'a> {
    uid: &'a str,
    allowed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_annotations: Option<AuditAnnotations>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Cow<'a, str>>,
}

/// What the audit log keeps of a decision; the API server puts the webhook's name before each key.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct AuditAnnotations {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    winner: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    catalog_revision: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    policies: String,
}

impl AuditAnnotations {
    /// None where there is nothing to keep.
    fn of(answer: &Answer<'_>) -> Option<Self> {
        let placed = answer.placed.as_ref();
        let policies = answer.policies.text();
        (placed.is_some() || !policies.is_empty()).then(|| Self {
            outcome: answer.outcome.as_str(),
            winner: placed.map(|placed| Shown(&placed.candidate).to_string()),
            score: placed.map(|placed| placed.score.to_string()),
            catalog_revision: placed.map(|placed| Shown(&placed.revision).to_string()),
            digest: placed
                .map(|placed| placed.digest.to_string())
                .filter(|digest| !digest.is_empty()),
            policies,
        })
    }
}

#[derive(Serialize)]
struct Status<'a> {
    #[serde(rename = "status")]
    outcome: &'static str,
    code: u16,
    reason: &'static str,
    message: String,
    details: Details<'a>,
}

#[derive(Serialize)]
struct Details<'a> {
    group: &'a str,
    kind: &'a str,
    causes: Vec<StatusCause<'a>>,
}

#[derive(Serialize)]
struct StatusCause<'a> {
    reason: Cause,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: Cow<'a, str>,
    message: Cow<'a, str>,
}

/// The edits as a JSON Patch (RFC 6902).
#[must_use]
pub fn patch(edits: &[Edit<'_>]) -> String {
    let mut out = String::with_capacity(ROOM);
    for (i, Edit { path, json }) in edits.iter().enumerate() {
        // An `add` replaces what is there (RFC 6902, section 4.1).
        out.push_str(if i == 0 {
            r#"[{"op":"add","path":"#
        } else {
            r#"},{"op":"add","path":"#
        });
        out.push_str(&serde_json::to_string(path).unwrap_or_default());
        out.push_str(r#","value":"#);
        out.push_str(json);
    }
    out.push_str(if edits.is_empty() { "[]" } else { "}]" });
    out
}

/// The response to the review of a claim with this uid.
#[must_use]
pub fn write(uid: &str, answer: &Answer<'_>) -> Vec<u8> {
    write_about(uid, answer, GROUP, KIND)
}

/// The response to the review with this uid, which is of an object of that group and kind.
#[must_use]
pub fn write_about(uid: &str, answer: &Answer<'_>, group: &str, kind: &str) -> Vec<u8> {
    let _span = tracing::info_span!(target: SPANS, "patch").entered();
    let mut body = json(&WireResponse {
        api_version: API_VERSION,
        kind: REVIEW,
        response: Response {
            uid,
            allowed: answer.verdict.is_ok(),
            status: answer
                .verdict
                .as_ref()
                .err()
                .map(|problems| status(problems, group, kind)),
            audit_annotations: AuditAnnotations::of(answer),
            warnings: answer
                .warnings
                .iter()
                .map(|warning| masked(Cow::Borrowed(warning)))
                .collect(),
        },
    });
    match answer.verdict.as_deref() {
        Ok(edits) if !edits.is_empty() => add_patch(&mut body, patch(edits).as_bytes()),
        _ => {}
    }
    body
}

/// Adds the patch to a response. It is by far the longest part and base64 needs no escaping, so it is put in as it is
/// rather than have a serialiser look at every byte of it.
fn add_patch(body: &mut Vec<u8>, patch: &[u8]) {
    const END: &[u8] = b"}}";
    body.truncate(body.len() - END.len());
    body.extend_from_slice(br#","patchType":"JSONPatch","patch":""#);
    STANDARD.encode_append(patch, body);
    body.push(b'"');
    body.extend_from_slice(END);
}

/// Every refusal is 403: at 409 or 422, GitOps tools with `force` delete and create anew.
fn status<'a>(problems: &'a [Problem], group: &'a str, kind: &'a str) -> Status<'a> {
    let causes = problems
        .iter()
        .take(MOST_PROBLEMS)
        .map(|problem| StatusCause {
            reason: problem.cause,
            field: masked(Cow::Borrowed(&problem.field)),
            message: masked(Cow::Borrowed(&problem.message)),
        })
        .collect();
    Status {
        outcome: "Failure",
        code: 403,
        reason: "Forbidden",
        message: masked(Cow::Owned(message(problems))).into_owned(),
        details: Details { group, kind, causes },
    }
}

/// Every problem, readable in a terminal: one on the line, several on a line each.
#[must_use]
pub fn message(problems: &[Problem]) -> String {
    if let [one] = problems {
        return one.to_string();
    }
    let heading = format!("{} problems, nothing was changed:", problems.len());
    let listed = problems.iter().take(MOST_PROBLEMS);
    let text = listed.fold(heading, |text, problem| text + "\n  - " + &problem.to_string());
    match problems.len().checked_sub(MOST_PROBLEMS) {
        Some(more @ 1..) => format!("{text}\n  - and {more} more"),
        _ => text,
    }
}

/// GitOps tools delete and recreate what is answered with this word, so it never leaves the house, not even in an echo.
fn masked(text: Cow<'_, str>) -> Cow<'_, str> {
    const WORD: &str = "immutable";
    let lower = text.to_ascii_lowercase();
    if !lower.contains(WORD) {
        return text;
    }
    let mut masked = text.into_owned();
    for (at, _) in lower.match_indices(WORD) {
        masked.replace_range(at..at + WORD.len(), "i*******e");
    }
    Cow::Owned(masked)
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ROOM);
    // Every key is a string and every number finite, so nothing here can fail to serialise; were it to, the API
    // server would take the broken answer for a failed call and refuse.
    let _ = serde_json::to_writer(&mut bytes, value);
    bytes
}
