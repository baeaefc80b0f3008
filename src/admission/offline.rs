//! The API server's part of a creation, for whoever has a claim and no API server: the review it would send, the patch
//! applied. There is no rule in here.

use serde_json::{Value, json};

use super::{Answer, Edit, Review, Settings, Webhook, create, envelope};
use crate::catalog::live::Held;
use crate::claim::{Cause, GROUP, KIND};
use crate::placement::Decision;
use crate::telemetry::traces::SPANS;

/// The review of the creation of `object` with that uid, as bytes: [`envelope::read`] reads them.
#[must_use]
pub fn creation(object: &Value, uid: &str) -> Vec<u8> {
    let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
    let api_version = text(object.get("apiVersion"));
    let version = api_version
        .split_once('/')
        .map_or(&*api_version, |(_, version)| version);
    let review = json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": { "group": GROUP, "version": version, "kind": KIND },
            "operation": "CREATE",
            "name": text(object.pointer("/metadata/name")),
            "namespace": text(object.pointer("/metadata/namespace")),
            "object": object,
        },
    });
    review.to_string().into_bytes()
}

/// Why an answer's edits cannot be made, which is a bug: they were made for this object.
#[derive(Debug, thiserror::Error)]
pub enum NotEdited {
    /// A value is no JSON.
    #[error("the edits are no patch: {0}")]
    NoPatch(#[from] serde_json::Error),
    /// A value has no place in the object.
    #[error("the edits do not fit the claim: {0}")]
    NoPlace(#[from] json_patch::PatchError),
}

/// `object` with an answer's edits made, as it would be stored.
///
/// # Errors
/// The edits were not made for this object.
pub fn edited(object: &Value, edits: &[Edit<'_>]) -> Result<Value, NotEdited> {
    let _span = tracing::info_span!(target: SPANS, "patch").entered();
    let patch: json_patch::Patch = serde_json::from_str(&envelope::patch(edits))?;
    let mut object = object.clone();
    json_patch::patch(&mut object, &patch)?;
    Ok(object)
}

/// The answer to a creation, and the decision, where it came to one.
#[derive(Debug)]
pub struct Judged<'a> {
    /// What the webhook answers.
    pub answer: Answer<'a>,
    /// Everything that was weighed; there is no winner where no candidate takes the claim.
    pub decision: Option<Decision<'a>>,
}

/// Answers the review of a creation by somebody without privileges.
#[must_use]
pub fn judge<'a>(review: &'a Review<'a>, catalog: &'a Held) -> Judged<'a> {
    let answer = super::answer(Webhook::Mutate, review, catalog, &Settings::default());
    let decided = match &answer.verdict {
        Ok(_) => true,
        Err(problems) => problems.iter().any(|problem| problem.cause == Cause::Unschedulable),
    };
    let object = review.objects.as_ref().ok().and_then(|(object, _)| object.as_ref());
    let decision = match object
        .filter(|_| decided)
        .map(|object| create::place(object, object.namespace(), catalog.snapshot()))
    {
        Some(Ok((decision, _))) => Some(decision),
        Some(Err(create::Refusal::Unschedulable(decision))) => Some(*decision),
        Some(Err(create::Refusal::Problems(_))) | None => None,
    };
    Judged { answer, decision }
}
