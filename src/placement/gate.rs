//! Gates: what a candidate must pass before its score counts. kube-scheduler calls them filters.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::{Candidate, MULTI_AZ, Tier};

/// The gates, in the order they are tried. All are tried on every candidate, so that a reason is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Gate {
    /// The candidate's cloud is open.
    Provider,
    /// The candidate's region is open.
    Region,
    /// The candidate itself is open.
    Candidate,
    /// The candidate has what the tier, and `ha`, require.
    Capability,
}

impl Gate {
    /// Every gate, in order.
    pub const ALL: [Self; 4] = [Self::Provider, Self::Region, Self::Candidate, Self::Capability];

    /// The word that a reason uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "Provider",
            Self::Region => "Region",
            Self::Candidate => "Candidate",
            Self::Capability => "Capability",
        }
    }

    /// Adds to `failures` what `candidate` fails here.
    fn try_on<'a>(self, candidate: &'a Candidate, required: &BTreeSet<&'a str>, failures: &mut Vec<Failure<'a>>) {
        let cordon = match self {
            Self::Provider => &candidate.provider_cordoned,
            Self::Region => &candidate.region_cordoned,
            Self::Candidate => &candidate.cordoned,
            Self::Capability => {
                let lacking = required
                    .iter()
                    .filter(|capability| !candidate.capabilities.contains(**capability));
                failures.extend(lacking.map(|capability| Failure {
                    gate: self,
                    detail: Cow::Borrowed(capability),
                }));
                return;
            }
        };
        if let Some(cordon) = cordon {
            failures.push(Failure {
                gate: self,
                detail: Cow::Borrowed(&cordon.reason),
            });
        }
    }
}

/// The capabilities that `tier` and `ha` require, by name.
#[must_use]
pub fn required(tier: &Tier, ha: bool) -> BTreeSet<&str> {
    tier.requires
        .iter()
        .map(String::as_str)
        .chain(ha.then_some(MULTI_AZ))
        .collect()
}

/// Everything that keeps `candidate` from taking a claim with these requirements; empty where nothing does.
#[must_use]
pub fn failures<'a>(candidate: &'a Candidate, required: &BTreeSet<&'a str>) -> Vec<Failure<'a>> {
    let mut failures = Vec::new();
    for gate in Gate::ALL {
        gate.try_on(candidate, required, &mut failures);
    }
    failures
}

/// One gate that a candidate does not pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure<'a> {
    /// Which gate.
    pub gate: Gate,
    /// The capability that is lacking, or why it is cordoned.
    #[serde(borrow)]
    pub detail: Cow<'a, str>,
}

impl Failure<'_> {
    /// What this failure counts as.
    #[must_use]
    pub fn cause(&self) -> Cause<'_> {
        match self.gate {
            Gate::Provider | Gate::Region | Gate::Candidate => Cause::Cordoned,
            Gate::Capability => Cause::Lacks(Cow::Borrowed(&self.detail)),
        }
    }

    /// Whether an existing database is held to this gate: a cordon closes a place for newcomers only.
    #[must_use]
    pub fn counts_for_existing(&self) -> bool {
        self.gate == Gate::Capability
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gate {
            Gate::Provider => write!(f, "its provider is cordoned ({})", self.detail),
            Gate::Region => write!(f, "its region is cordoned ({})", self.detail),
            Gate::Candidate => write!(f, "cordoned ({})", self.detail),
            Gate::Capability => write!(f, "lacks {}", self.detail),
        }
    }
}

/// What candidates are excluded for, to count them by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Cause<'a> {
    /// Without this capability.
    Lacks(#[serde(borrow)] Cow<'a, str>),
    /// Closed, by itself or through its region or cloud.
    Cordoned,
}

impl Cause<'_> {
    /// "2 lack `MultiAZ`", "1 cordoned".
    #[must_use]
    pub fn counted(&self, count: usize) -> String {
        match self {
            Self::Lacks(capability) if count == 1 => format!("1 lacks {capability}"),
            Self::Lacks(capability) => format!("{count} lack {capability}"),
            Self::Cordoned => format!("{count} cordoned"),
        }
    }
}
