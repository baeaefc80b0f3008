//! A stored claim judged by the present catalog: its gates, its place, its reason. Nothing is changed, nobody is refused.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::create::{fields, problems_of};
use super::restore::{agreement, brings_placement};
use super::stored::Stored;
use super::verify::{again, is_set_aside};
use crate::catalog::Snapshot;
use crate::claim::parameters::Parameters;
use crate::claim::{Claim, GROUP, KIND, Problem, REASON, Shown, VERSION};
use crate::placement::why_not::Margin;
use crate::placement::{self, Audit, Failure, Points, Reason, Today, decide};

/// A claim, and all that there is to say of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Audited {
    /// Its namespace, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Its name, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its cell, if that can be read, as can the two that follow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cell: Option<String>,
    /// Its tier, in capitals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Its environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The cloud that it says it is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The region that it says it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The cluster that it says it is beside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_cluster: Option<String>,
    /// The candidate with that place in the present catalog.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<String>,
    /// What is to be said of it, the worst first; empty where it is as it would be placed today.
    pub findings: Vec<Finding>,
}

/// One thing to be said of a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Finding {
    /// The gates could not be tried: a field cannot be read, or the catalog does not have what it names.
    Unjudged(Detail),
    /// Its candidate fails a gate that counts for databases that are there.
    Fails(Failure<'static>),
    /// It has a placement without a reason.
    ReasonMissing,
    /// Its reason is none.
    ReasonUnreadable(Detail),
    /// Its placement is not what its reason says, or the reason not what was decided.
    ReasonDisagrees(Detail),
    /// It has no placement, so it is older than the webhook.
    Unplaced,
    /// The catalog does not have its candidate any more.
    Gone,
    /// Its candidate takes no new claims.
    Closed(Failure<'static>),
    /// It would be placed somewhere else today.
    Elsewhere(Elsewhere),
    /// It would be placed nowhere today.
    Nowhere,
}

/// Where in a claim something is, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Detail {
    /// The field's path; empty for the claim as a whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// Where a claim would be placed today.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Elsewhere {
    /// On which candidate.
    pub candidate: String,
    /// With how many points.
    pub score: Points,
    /// How many more that are than its present candidate has; absent where that is gone, or there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<Margin>,
}

/// What a finding counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "each is a word for one or some of the findings")]
pub enum Class {
    Failing,
    Tampered,
    Unplaced,
    Gone,
    Closed,
    Elsewhere,
}

impl Finding {
    /// What it counts as.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Unjudged(_) | Self::Fails(_) => Class::Failing,
            Self::ReasonMissing | Self::ReasonUnreadable(_) | Self::ReasonDisagrees(_) => Class::Tampered,
            Self::Unplaced => Class::Unplaced,
            Self::Gone => Class::Gone,
            Self::Closed(_) => Class::Closed,
            Self::Elsewhere(_) | Self::Nowhere => Class::Elsewhere,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unjudged(detail) => write!(f, "cannot be judged: {detail}"),
            Self::Fails(failure) => failure.fmt(f),
            Self::ReasonMissing => f.write_str("has no reason"),
            Self::ReasonUnreadable(detail) | Self::ReasonDisagrees(detail) => detail.fmt(f),
            Self::Unplaced => f.write_str("has no placement"),
            Self::Gone => f.write_str("its candidate is gone from the catalog"),
            Self::Closed(failure) => write!(f, "sits on a closed candidate: {failure}"),
            Self::Elsewhere(Elsewhere { candidate, ahead, .. }) => {
                write!(f, "today on {candidate}")?;
                match ahead {
                    None => Ok(()),
                    Some(ahead) if *ahead == Margin::default() => f.write_str(" (as many points)"),
                    Some(ahead) if *ahead > Margin::default() => write!(f, " (+{ahead} points)"),
                    Some(behind) => write!(f, " ({behind} points)"),
                }
            }
            Self::Nowhere => f.write_str("today nowhere"),
        }
    }
}

/// Judges a stored claim. `object` is any object; what is no claim comes back as one that cannot be judged.
#[must_use]
pub fn audit(object: &Value, catalog: &Snapshot) -> Audited {
    let (namespace, name) = named(object);
    let audited = Audited {
        namespace,
        name,
        ..Audited::default()
    };
    let unjudged = |field: &str, message: String| Audited {
        findings: vec![Finding::Unjudged(Detail {
            field: field.to_owned(),
            message,
        })],
        ..audited.clone()
    };
    let claim = match Claim::deserialize(object) {
        Ok(claim) => claim,
        Err(error) => return unjudged("", format!("cannot be read: {}", Shown(&error.to_string()))),
    };
    if !claim.is_of(GROUP, VERSION, KIND) {
        return unjudged("apiVersion", format!("is no {GROUP}/{VERSION} {KIND}"));
    }
    judge(&claim, audited, catalog)
}

fn judge(claim: &Claim<'_>, mut audited: Audited, catalog: &Snapshot) -> Audited {
    let empty = Map::new();
    let given = claim.parameters().unwrap_or(&empty);
    let parameters = Parameters::read(given);
    let text = |field: &str| given.get(field).and_then(Value::as_str).map(str::to_owned);
    audited.cell = parameters.cell.as_deref().ok().map(str::to_owned);
    audited.tier = parameters.tier.as_deref().ok().map(str::to_owned);
    audited.environment = parameters.environment.as_deref().ok().map(str::to_owned);
    audited.provider = text("provider");
    audited.region = text("region");
    audited.runtime_cluster = text("runtimeCluster");
    let stored = Stored::of(given, catalog);
    let on = match stored {
        Stored::At(candidate) => Some(candidate),
        Stored::Gone | Stored::Nowhere => None,
    };
    audited.candidate = on.map(|candidate| candidate.name.clone());
    let decision = fields(claim)
        .map_err(|problem| vec![problem])
        .and_then(|_| parameters.request(catalog, claim.namespace()))
        .and_then(|request| decide(catalog, request).map_err(|undecided| problems_of(&undecided)));
    let findings = &mut audited.findings;
    let mut today = None;
    match decision {
        Ok(decision) => {
            let Audit {
                fails,
                closed,
                today: decided,
            } = placement::audit(&decision, on);
            findings.extend(fails.into_iter().map(|failure| Finding::Fails(owned(failure))));
            today = Some((closed, moved(decided)));
        }
        Err(problems) => findings.extend(problems.into_iter().map(Detail::from).map(Finding::Unjudged)),
    }
    if brings_placement(claim) {
        findings.extend(reason(claim, catalog));
    } else {
        findings.push(Finding::Unplaced);
    }
    if matches!(stored, Stored::Gone) {
        findings.push(Finding::Gone);
    }
    if let Some((closed, today)) = today {
        findings.extend(closed.into_iter().map(|failure| Finding::Closed(owned(failure))));
        findings.extend(today);
    }
    audited
}

/// What is wrong with the reason of a claim that has a placement.
fn reason(claim: &Claim<'_>, catalog: &Snapshot) -> Vec<Finding> {
    let Some(text) = claim.reason() else {
        return vec![Finding::ReasonMissing];
    };
    match agreement(claim) {
        Err(problems) => {
            let told = match serde_json::from_str::<Reason<'_>>(text) {
                Ok(_) => Finding::ReasonDisagrees,
                Err(_) => Finding::ReasonUnreadable,
            };
            problems.into_iter().map(Detail::from).map(told).collect()
        }
        Ok((placed, reason))
            if placed.revision == catalog.revision().as_str() && !decides(&reason, claim.namespace(), catalog) =>
        {
            vec![Finding::ReasonDisagrees(Detail {
                field: format!("metadata.annotations[{REASON}]"),
                message: "is not what the catalog of its revision decides, which is the present one".to_owned(),
            })]
        }
        Ok(_) => Vec::new(),
    }
}

/// Whether `catalog` gives the winner of `reason` for its request, so that one who makes up a reason has to make up a
/// revision, too. Where it decides nothing, as a part of it is not accepted, that says nothing of the reason.
fn decides(reason: &Reason<'_>, namespace: &str, catalog: &Snapshot) -> bool {
    match again(&reason.request, namespace, catalog) {
        Ok(decision) => Reason::of(&decision).winner == reason.winner,
        Err(undecided) => undecided.iter().any(is_set_aside),
    }
}

impl From<Problem> for Detail {
    fn from(Problem { field, message, .. }: Problem) -> Self {
        Self { field, message }
    }
}

/// What is to be said of where a claim would be placed today.
fn moved(today: Today<'_>) -> Option<Finding> {
    match today {
        Today::Here => None,
        Today::Elsewhere {
            candidate,
            score,
            ahead,
        } => Some(Finding::Elsewhere(Elsewhere {
            candidate: candidate.name.clone(),
            score,
            ahead,
        })),
        Today::Nowhere => Some(Finding::Nowhere),
    }
}

fn owned(failure: Failure<'_>) -> Failure<'static> {
    Failure {
        gate: failure.gate,
        detail: Cow::Owned(failure.detail.into_owned()),
    }
}

/// Namespace and name, as far as the object has them.
pub(super) fn named(object: &Value) -> (Option<String>, Option<String>) {
    let text = |field: &str| object.get("metadata")?.get(field)?.as_str().map(str::to_owned);
    (text("namespace"), text("name"))
}
