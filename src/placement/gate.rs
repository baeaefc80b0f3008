//! Gates: what a candidate must pass before its score counts. kube-scheduler calls them filters.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::catalog::{Candidate, Finding, MULTI_AZ, Mode, Policy, Subject, Tier};

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
    /// The candidate meets the conditions of every enforced policy that is about the claim.
    Policy,
}

impl Gate {
    /// Every gate, in order.
    pub const ALL: [Self; 5] = [
        Self::Provider,
        Self::Region,
        Self::Candidate,
        Self::Capability,
        Self::Policy,
    ];

    /// The word that a reason uses.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Provider => "Provider",
            Self::Region => "Region",
            Self::Candidate => "Candidate",
            Self::Capability => "Capability",
            Self::Policy => "Policy",
        }
    }

    /// Adds to `failures` what `candidate` fails here, and to `broken` the policies that have no verdict on it.
    fn try_on<'a>(
        self,
        candidate: &'a Candidate,
        demands: &Demands<'_, 'a>,
        failures: &mut Vec<Failure<'a>>,
        broken: &mut Vec<&'a str>,
    ) {
        let cordon = match self {
            Self::Provider => &candidate.provider_cordoned,
            Self::Region => &candidate.region_cordoned,
            Self::Candidate => &candidate.cordoned,
            Self::Capability => return failures.extend(lacking(candidate, demands.capabilities)),
            Self::Policy => {
                for policy in demands.enforced() {
                    for finding in policy.findings(&demands.subject, candidate) {
                        if finding.broken {
                            broken.push(finding.policy);
                        }
                        failures.push(Failure::of(finding));
                    }
                }
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

/// What is demanded of a candidate.
#[derive(Clone, Copy, Debug)]
pub struct Demands<'r, 'a> {
    /// The capabilities that it must have.
    pub capabilities: &'r BTreeSet<&'a str>,
    /// The policies, of every mode, that may have something to say of the claim.
    pub policies: &'r [&'a Policy],
    /// The claim and its namespace, as policies see them.
    pub subject: Subject<'r>,
}

impl<'r, 'a> Demands<'r, 'a> {
    fn enforced(&self) -> impl Iterator<Item = &'a Policy> + use<'r, 'a> {
        self.policies
            .iter()
            .copied()
            .filter(|policy| policy.mode == Mode::Enforce)
    }
}

fn lacking<'a>(candidate: &Candidate, required: &BTreeSet<&'a str>) -> impl Iterator<Item = Failure<'a>> {
    let lacking = required
        .iter()
        .filter(|capability| !candidate.capabilities.contains(**capability));
    lacking.map(|capability| Failure {
        gate: Gate::Capability,
        detail: Cow::Borrowed(*capability),
    })
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

/// Everything that keeps `candidate` from taking a claim with these demands; empty where nothing does.
#[must_use]
pub fn failures<'a>(candidate: &'a Candidate, demands: &Demands<'_, 'a>) -> Vec<Failure<'a>> {
    tried(candidate, demands).0
}

/// The same, and the enforced policies that have no verdict on the candidate, which is a failure, too.
pub(super) fn tried<'a>(candidate: &'a Candidate, demands: &Demands<'_, 'a>) -> (Vec<Failure<'a>>, Vec<&'a str>) {
    let (mut failures, mut broken) = (Vec::new(), Vec::new());
    for gate in Gate::ALL {
        gate.try_on(candidate, demands, &mut failures, &mut broken);
    }
    (failures, broken)
}

/// What closes `candidate` for newcomers, whatever they ask for.
#[must_use]
pub fn cordons(candidate: &Candidate) -> Vec<Failure<'_>> {
    let demands = Demands {
        capabilities: &BTreeSet::new(),
        policies: &[],
        subject: Subject::default(),
    };
    failures(candidate, &demands)
}

/// What a database on `candidate` fails of `now` and did not fail of `then`. A cordon is none of it, as it closes a place
/// for newcomers only; and a condition that failed before is the same one, whatever its message says by now.
#[must_use]
pub fn newly_failed<'a>(candidate: &Candidate, now: &Demands<'_, 'a>, then: &Demands<'_, 'a>) -> NewlyFailed<'a> {
    let added: BTreeSet<&str> = now.capabilities.difference(then.capabilities).copied().collect();
    let mut newly = NewlyFailed {
        failures: lacking(candidate, &added).collect(),
        ..NewlyFailed::default()
    };
    for policy in now.policies {
        let mut findings = policy.findings(&now.subject, candidate);
        if !findings.is_empty() && then.policies.iter().any(|before| before.name == policy.name) {
            let before = policy.findings(&then.subject, candidate);
            findings.retain(|finding| before.iter().all(|before| before.validation != finding.validation));
        }
        for finding in findings {
            if policy.mode != Mode::Enforce {
                newly.notices.push(Notice::of(policy.mode, finding));
                continue;
            }
            newly.broken.extend(finding.broken.then_some(finding.policy));
            newly.failures.push(Failure::of(finding));
        }
    }
    newly
}

/// What a change makes a candidate fail.
#[derive(Clone, Debug, Default)]
pub struct NewlyFailed<'a> {
    /// What it would be refused for.
    pub failures: Vec<Failure<'a>>,
    /// What the policies say that only warn or audit.
    pub notices: Vec<Notice<'a>>,
    /// The enforced policies that have no verdict.
    pub broken: Vec<&'a str>,
}

/// What the policies that only warn or audit have to say of a claim on `candidate`.
pub(super) fn notices<'a>(candidate: &Candidate, demands: &Demands<'_, 'a>) -> Vec<Notice<'a>> {
    let lenient = demands.policies.iter().filter(|policy| policy.mode != Mode::Enforce);
    let findings = lenient.flat_map(|policy| {
        let findings = policy.findings(&demands.subject, candidate).into_iter();
        findings.map(|finding| Notice::of(policy.mode, finding))
    });
    findings.collect()
}

/// A condition of a policy that only warns or audits, and that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice<'a> {
    /// What the policy does about it.
    pub mode: Mode,
    /// Name of the policy.
    pub policy: &'a str,
    /// Name and message, as in `NAME: message`.
    pub told: Cow<'a, str>,
    /// The policy has no verdict.
    pub broken: bool,
}

impl<'a> Notice<'a> {
    fn of(mode: Mode, finding: Finding<'a>) -> Self {
        Self {
            mode,
            policy: finding.policy,
            told: finding.told,
            broken: finding.broken,
        }
    }
}

/// One gate that a candidate does not pass.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure<'a> {
    /// Which gate.
    pub gate: Gate,
    /// The capability that is lacking, why it is cordoned, or a policy and what it says, as in `NAME: message`.
    #[serde(borrow)]
    pub detail: Cow<'a, str>,
}

impl<'a> Failure<'a> {
    fn of(finding: Finding<'a>) -> Self {
        Self {
            gate: Gate::Policy,
            detail: finding.told,
        }
    }

    /// What this failure counts as.
    #[must_use]
    pub fn cause(&self) -> Cause<'_> {
        match self.gate {
            Gate::Provider | Gate::Region | Gate::Candidate => Cause::Cordoned,
            Gate::Capability => Cause::Lacks(Cow::Borrowed(&self.detail)),
            Gate::Policy => Cause::Policy(Cow::Borrowed(self.policy().unwrap_or_default())),
        }
    }

    /// Name of the policy, where it is one that is failed.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.detail.split(':').next().filter(|_| self.gate == Gate::Policy)
    }
}

impl fmt::Display for Failure<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.gate {
            Gate::Provider => write!(f, "its provider is cordoned ({})", self.detail),
            Gate::Region => write!(f, "its region is cordoned ({})", self.detail),
            Gate::Candidate => write!(f, "cordoned ({})", self.detail),
            Gate::Capability => write!(f, "lacks {}", self.detail),
            Gate::Policy => write!(f, "fails policy {}", self.detail),
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
    /// Against this policy.
    Policy(#[serde(borrow)] Cow<'a, str>),
    /// Against one of the policies that are not named, where they are many.
    OtherPolicies,
}

impl Cause<'_> {
    /// "2 lack `MultiAZ`", "1 cordoned", "1 fails policy residency".
    #[must_use]
    pub fn counted(&self, count: usize) -> String {
        match self {
            Self::Lacks(capability) if count == 1 => format!("1 lacks {capability}"),
            Self::Lacks(capability) => format!("{count} lack {capability}"),
            Self::Cordoned => format!("{count} cordoned"),
            Self::Policy(policy) if count == 1 => format!("1 fails policy {policy}"),
            Self::Policy(policy) => format!("{count} fail policy {policy}"),
            Self::OtherPolicies if count == 1 => "1 fails other policies".to_owned(),
            Self::OtherPolicies => format!("{count} fail other policies"),
        }
    }
}
