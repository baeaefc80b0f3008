//! Review in, review out: one path for every client, the offline command line included.
//!
//! | file | holds |
//! |---|---|
//! | [`envelope`] | `AdmissionReview` v1, read and written: the only room that knows of base64 and JSON Patch |
//! | [`mod@answer`] | what a review comes to: edits or problems, warnings, and what to log and count |
//! | [`create`] | CREATE: a bare claim placed |
//! | `restore` | CREATE by an operator: a claim let in with the placement it brings |
//! | [`update`] | UPDATE: what changed, judged against the stored claim and its candidate |
//! | [`sticky`] | the stored placement, held part by part |
//! | [`stored`] | where a stored claim runs, in the present catalog |
//! | [`validate`] | CREATE, after all mutators: the placement is what the decision gives |
//! | [`catalog`] | a write of a catalog object: what is wrong with it, and what it means for others |
//! | [`mod@audit`] | a stored claim judged by the present catalog, without a review |
//! | [`mod@verify`] | a stored decision made once more, on the catalog it names |
//! | [`offline`] | the API server's part, for whoever has a claim and no API server |
//! | `record` | what is logged and counted of an answer |
//!
//! Nothing here does I/O, waits, or knows of HTTP.

pub mod answer;
pub mod audit;
pub mod catalog;
pub mod create;
pub mod envelope;
pub mod offline;
mod record;
mod restore;
pub mod sticky;
pub mod stored;
pub mod update;
pub mod validate;
pub mod verify;

use crate::catalog::live::Held;
use crate::claim::{Cause, GROUP, KIND, Problem, Shown, VERSION};
use crate::telemetry::traces::SPANS;
use envelope::Head;

pub use answer::{Answer, Edit, Outcome, Placed, Policies};
pub use envelope::{Review, Unreadable};
pub use record::{expect, record};

/// Field manager of our own REST API; each of its requests adds a digest after a dot.
pub const API_FIELD_MANAGER: &str = "idp-multicloud-api";

/// Which of the two webhooks was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Webhook {
    /// `/mutate`, on CREATE and UPDATE.
    Mutate,
    /// `/validate`, on CREATE, after every mutating webhook.
    Validate,
}

/// Who has which privilege; one setting each for the whole installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The user name Crossplane writes with.
    pub crossplane_account: String,
    /// Members may restore claims and roll out composition revisions.
    pub operator_group: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            crossplane_account: "system:serviceaccount:crossplane-system:crossplane".to_owned(),
            operator_group: None,
        }
    }
}

/// The privileges of one review's user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writer {
    /// May write `spec.crossplane`.
    pub crossplane: bool,
    /// May restore claims and change the composition's revision and update policy.
    pub operator: bool,
}

/// What is done to the object. A closed set, so that it can be a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the words of the admission API")]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
    /// None of the API's words.
    Unknown,
}

impl Operation {
    /// The word for log and metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Unknown => "unknown",
        }
    }

    fn from_word(word: &str) -> Self {
        [Self::Create, Self::Update, Self::Delete, Self::Connect]
            .into_iter()
            .find(|operation| operation.as_str() == word)
            .unwrap_or(Self::Unknown)
    }
}

/// A write of an object of ours.
struct Write<'r, O> {
    head: &'r Head<'r>,
    kind: &'r str,
    object: &'r O,
    stored: Option<&'r O>,
}

/// What a review writes, if it is a write of one of `kinds` in this group and version; else the answer.
fn write<'r, O>(
    review: &'r Review<'_, O>,
    group: &str,
    version: &str,
    kinds: &[&str],
) -> Result<Write<'r, O>, Box<Answer<'static>>> {
    let malformed = |field, message: String| Err(Box::new(Answer::malformed(field, message)));
    let head = match &review.head {
        Ok(head) => head,
        Err(why) => return malformed("request", format!("cannot be read: {}", Shown(why))),
    };
    let Some((given_group, given_version, kind)) = head.kind() else {
        return malformed("request.kind", "is missing".to_owned());
    };
    if given_group != group || !kinds.contains(&kind) || head.is_subresource() {
        return Err(Box::new(Answer::not_ours()));
    }
    match head.operation() {
        Operation::Create | Operation::Update => {}
        Operation::Delete | Operation::Connect => return Err(Box::new(Answer::not_ours())),
        Operation::Unknown => {
            return malformed("request.operation", "must be a word of the admission API".to_owned());
        }
    }
    if given_version != version {
        let message = format!(
            "{group}/{} of {kind} is not known to this server; use {version}",
            Shown(given_version)
        );
        return malformed("apiVersion", message);
    }
    match &review.objects {
        Err(why) => malformed("object", format!("cannot be read: {}", Shown(why))),
        Ok((None, _)) => malformed("object", "is missing from the review".to_owned()),
        Ok((Some(object), stored)) => Ok(Write {
            head,
            kind,
            object,
            stored: stored.as_ref(),
        }),
    }
}

/// Answers one review of a claim. [`envelope::read`] makes it from bytes and [`envelope::write`] makes bytes of the answer.
#[must_use]
pub fn answer<'a>(webhook: Webhook, review: &'a Review<'a>, catalog: &'a Held, settings: &Settings) -> Answer<'a> {
    let _span = tracing::info_span!(target: SPANS, "decide").entered();
    let Write {
        head, object, stored, ..
    } = match write(review, GROUP, VERSION, &[KIND]) {
        Ok(write) => write,
        Err(answer) => return *answer,
    };
    for (field, object) in [("object", Some(object)), ("oldObject", stored)] {
        if object.is_some_and(|object| !object.is_of(GROUP, VERSION, KIND)) {
            return Answer::malformed(field, format!("is no {GROUP}/{VERSION} {KIND}"));
        }
    }
    let writer = head.writer(settings);
    // The API server writes the same into both.
    let namespace = Some(head.namespace()).filter(|namespace| !namespace.is_empty());
    let namespace = namespace.unwrap_or_else(|| object.namespace());
    match (webhook, head.operation(), stored) {
        (Webhook::Mutate, Operation::Create, _) => create::answer(object, namespace, catalog.snapshot(), writer),
        (Webhook::Validate, Operation::Create, _) => validate::answer(object, namespace, catalog, writer),
        (_, _, None) => Answer::malformed("oldObject", "is missing from the review"),
        (Webhook::Mutate, _, Some(stored)) => {
            update::answer(head, stored, object, namespace, catalog.snapshot(), writer)
        }
        // Not called on UPDATE as shipped. It cannot put anything back, so what would need it is refused.
        (Webhook::Validate, _, Some(stored)) => {
            let answer = update::answer(head, stored, object, namespace, catalog.snapshot(), writer);
            if answer.outcome == Outcome::Repaired {
                return Answer::refused(vec![Problem::new(
                    Cause::PlacementMismatch,
                    "",
                    "lacks parts of its placement",
                )]);
            }
            answer
        }
    }
}
