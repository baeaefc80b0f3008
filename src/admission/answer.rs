//! What a review comes to, before anybody thinks of an envelope.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Serialize;

use crate::catalog::{Mode, cut};
use crate::claim::{Cause, Problem};
use crate::placement::{Notice, Points};

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
    /// What policies say that do not enforce, for audit annotation and log.
    pub policies: Policies,
}

/// What policies say beside the verdict.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policies {
    /// Mode, policy and message of each condition that does not hold.
    pub notices: Vec<String>,
    /// Names of the policies that had no verdict, each once: faults of theirs, to be counted.
    pub broken: BTreeSet<String>,
}

impl Policies {
    /// The most bytes of [`Policies::text`].
    const MOST: usize = 2048;

    /// What `notices` say, and what of it is a warning.
    pub(super) fn of(notices: &[Notice<'_>]) -> (Self, Vec<String>) {
        const MOST_WARNINGS: usize = 5;
        let is_warning = |notice: &&Notice<'_>| notice.mode == Mode::Warn;
        let mut warnings: Vec<String> = notices
            .iter()
            .filter(is_warning)
            .map(|notice| limited(&format!("policy {}", notice.told)))
            .collect();
        if let Some(more @ 1..) = warnings.len().checked_sub(MOST_WARNINGS) {
            warnings.truncate(MOST_WARNINGS);
            warnings.push(format!("{more} more policies warn"));
        }
        let broken = notices.iter().filter(|notice| notice.broken);
        let policies = Self {
            notices: notices
                .iter()
                .map(|notice| format!("{} {}", notice.mode.as_str(), notice.told))
                .collect(),
            broken: broken.map(|notice| notice.policy.to_owned()).collect(),
        };
        (policies, warnings)
    }

    /// Every notice on one line, as audit annotation and log show it.
    #[must_use]
    pub fn text(&self) -> String {
        cut(self.notices.join("; "), Self::MOST)
    }
}

/// A warning, cut at what the API server passes on in full.
pub(super) fn limited(text: &str) -> String {
    const MOST: usize = 120;
    if text.chars().count() <= MOST {
        return text.to_owned();
    }
    let short: String = text.chars().take(MOST - 1).collect();
    format!("{short}…")
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
    /// An object of the catalog that is good by itself.
    Accepted,
    /// Not a write of a claim or of the catalog: allowed without a look.
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
            Self::Accepted => "accepted",
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
    /// The decision's digest; empty where its reason is older than digests.
    pub digest: Cow<'a, str>,
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
            policies: Policies::default(),
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
            policies: Policies::default(),
        }
    }
}
