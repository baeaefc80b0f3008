//! Review in, review out: one path for every client, the offline command line included.
//!
//! | file | holds |
//! |---|---|
//! | [`envelope`] | `AdmissionReview` v1, read and written: the only file that knows of base64 and JSON Patch |
//! | [`answer`] | what a review comes to: edits or problems, warnings, and what to log and count |
//! | [`create`] | CREATE: a bare claim placed, an operator's claim restored |
//! | [`update`] | UPDATE: what changed, judged against the stored claim and its candidate |
//! | [`sticky`] | the stored placement, held part by part |
//! | [`validate`] | CREATE, after all mutators: the placement is what the decision gives |
//!
//! Nothing here does I/O, waits, or knows of HTTP.

pub mod answer;
pub mod create;
pub mod envelope;
pub mod sticky;
pub mod update;
pub mod validate;

use crate::catalog::live::Held;
use crate::claim::{Cause, Claim, GROUP, KIND, Problem, Shown, VERSION};

pub use answer::{Answer, Edit, EditValue, Outcome, Placed};
pub use envelope::{Unreadable, refuse_oversized};
use envelope::{Request, Review};

/// The deepest nesting of a review that is looked into.
pub const MOST_DEPTH: usize = 128;

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

/// An answered review.
#[derive(Debug)]
pub struct Reviewed<'a> {
    /// The response's bytes.
    pub body: Vec<u8>,
    /// What was asked and answered, to log and count.
    pub record: Record<'a>,
}

/// What was asked and answered, in the parts that may be logged and counted: never a claim's whole body.
#[derive(Debug)]
pub struct Record<'a> {
    /// The review's id.
    pub uid: &'a str,
    /// The claim's namespace.
    pub namespace: &'a str,
    /// The claim's name; empty for one that is still to be generated.
    pub name: &'a str,
    /// The user name.
    pub user: &'a str,
    /// CREATE, UPDATE or another word of the review's.
    pub operation: Operation,
    /// Nothing will be stored.
    pub dry_run: bool,
    /// How it came out.
    pub outcome: Outcome,
    /// The cause of each problem.
    pub causes: Vec<Cause>,
    /// Where the claim is placed, where that was decided or confirmed now.
    pub placed: Option<Placed<'a>>,
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

/// Answers one review: bytes in, bytes out.
///
/// # Errors
/// The body is no `AdmissionReview` v1 with a uid, so there is nothing to answer to (HTTP 400).
pub fn review<'a>(
    webhook: Webhook,
    body: &'a [u8],
    catalog: &'a Held,
    settings: &Settings,
) -> Result<Reviewed<'a>, Unreadable> {
    let review = envelope::read(body)?;
    let answer = answer_to(webhook, &review, catalog, settings);
    let body = envelope::write(review.uid(), &answer);
    let record = review.record(&answer);
    Ok(Reviewed { body, record })
}
