//! What a review comes to, before anybody thinks of an envelope.

use std::borrow::Cow;

use serde::Serialize;

use crate::claim::{Cause, Problem};
use crate::placement::Points;

/// The answer to one review.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer<'a> {
    /// The values to write into an allowed claim, or every problem of a refused one.
    pub verdict: Result<Vec<Edit<'a>>, Vec<Problem>>,
    /// Allowed, but worth knowing; each at most 120 characters.
    pub warnings: Vec<String>,
    /// How it came out.
    pub outcome: Outcome,
    /// Where the claim is placed, where that was decided or confirmed now.
    pub placed: Option<Placed<'a>>,
}

/// How a review came out. A closed set, so that it can be a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A bare claim was given its placement.
    Placed,
    /// An operator's claim was let in with the placement it came with.
    Restored,
    /// An update left the placement as it is stored.
    Unchanged,
    /// An update lacked parts of the placement, which were put back.
    Repaired,
    /// After all mutators, the placement is the one decided.
    Confirmed,
    /// After all mutators, the placement agrees with itself; the revision it was decided on is not held any more.
    ConfirmedElsewhere,
    /// Not a write of a claim: allowed without a look.
    NotOurs,
    /// Refused.
    Refused,
}

impl Outcome {
    /// The word for log, metric and audit annotation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Restored => "restored",
            Self::Unchanged => "unchanged",
            Self::Repaired => "repaired",
            Self::Confirmed => "confirmed",
            Self::ConfirmedElsewhere => "confirmed_elsewhere",
            Self::NotOurs => "not_ours",
            Self::Refused => "refused",
        }
    }
}

/// A placement as audit annotations, log and metrics show it.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed<'a> {
    /// Name of the candidate.
    pub candidate: Cow<'a, str>,
    /// Its cloud.
    pub provider: Cow<'a, str>,
    /// The claim's cell.
    pub cell: Cow<'a, str>,
    /// The claim's tier, in capitals.
    pub tier: Cow<'a, str>,
    /// The weighted score.
    pub score: Points,
    /// The catalog it was decided on.
    pub revision: Cow<'a, str>,
}

/// One value to write into the claim, whatever was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit<'a> {
    /// Where, as a JSON pointer (RFC 6901); its parent exists.
    pub path: Cow<'a, str>,
    /// What, as JSON.
    pub json: String,
}

impl<'a> Edit<'a> {
    /// Writes `value` at `path`.
    #[must_use]
    pub fn new(path: impl Into<Cow<'a, str>>, value: &impl Serialize) -> Self {
        // What is written are strings and what was JSON before, none of which can fail to serialise.
        Self {
            path: path.into(),
            json: serde_json::to_string(value).unwrap_or_default(),
        }
    }
}

impl Answer<'_> {
    /// Allowed as it is, without a look.
    #[must_use]
    pub fn not_ours() -> Self {
        Self::allowed(Outcome::NotOurs, Vec::new())
    }

    /// Refused for these problems.
    #[must_use]
    pub fn refused(problems: Vec<Problem>) -> Self {
        Self {
            verdict: Err(problems),
            warnings: Vec::new(),
            outcome: Outcome::Refused,
            placed: None,
        }
    }

    /// Refused because the review cannot be used.
    #[must_use]
    pub fn malformed(field: &str, message: impl Into<String>) -> Self {
        Self::refused(vec![Problem::new(Cause::Malformed, field, message)])
    }
}

impl<'a> Answer<'a> {
    /// Allowed with these edits.
    #[must_use]
    pub fn allowed(outcome: Outcome, edits: Vec<Edit<'a>>) -> Self {
        Self {
            verdict: Ok(edits),
            warnings: Vec::new(),
            outcome,
            placed: None,
        }
    }
}
