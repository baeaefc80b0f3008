//! CREATE before the other mutators: a bare claim is placed; an operator's claim is restored with what it brings.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Writer;
use super::answer::{Answer, Edit, Outcome, Placed, Policies, limited};
use super::restore::{brings_placement, restore};
use super::sticky;
use crate::catalog::{Candidate, Snapshot};
use crate::claim::parameters::{Parameters, path};
use crate::claim::{CLASS, CLASS_LABEL, Cause, Claim, PLACEMENT_FIELDS, PROVIDER_LABEL, Problem, REASON, Shown};
use crate::placement::{Decision, Points, Undecided, decide};

/// The most characters of a claim's name: Crossplane and the clouds put it into labels.
const MOST_NAME: usize = 63;

/// The runner-up is worth a warning when it is closer than this, in hundred-millionths.
const CLOSE: u64 = 1_000_000;

/// Why a claim is not created.
#[derive(Debug)]
pub enum Refusal<'a> {
    /// Something is wrong with the claim.
    Problems(Vec<Problem>),
    /// Nothing is, but no candidate takes it.
    Unschedulable(Box<Decision<'a>>),
}

impl Refusal<'_> {
    /// The problems to answer with.
    #[must_use]
    pub fn problems(self) -> Vec<Problem> {
        match self {
            Self::Problems(problems) => problems,
            Self::Unschedulable(decision) => vec![Problem::new(
                Cause::Unschedulable,
                "",
                format!(
                    "{}; ask for less (tier, ha), or ask your platform team",
                    decision.refusal()
                ),
            )],
        }
    }
}

/// Answers the creation of `claim` in `namespace`.
#[must_use]
pub fn answer<'a>(claim: &'a Claim<'a>, namespace: &'a str, catalog: &'a Snapshot, writer: Writer) -> Answer<'a> {
    if writer.operator && brings_placement(claim) {
        return match restore(claim, catalog) {
            Ok(answer) => answer,
            Err(problems) => Answer::refused(problems),
        };
    }
    match place(claim, namespace, catalog) {
        Err(refusal) => {
            let broken = match &refusal {
                Refusal::Unschedulable(decision) => broken(decision),
                Refusal::Problems(_) => BTreeSet::new(),
            };
            let mut answer = Answer::refused(refusal.problems());
            answer.policies.broken = broken;
            answer
        }
        Ok((decision, candidate)) => {
            let edits = placement_edits(claim, candidate, &decision.reason_escaped());
            let (mut policies, told) = Policies::of(&decision.notices());
            policies.broken.extend(broken(&decision));
            let mut warnings = warnings(&decision);
            warnings.extend(told);
            Answer {
                warnings,
                placed: placed(&decision),
                policies,
                ..Answer::allowed(Outcome::Placed, edits)
            }
        }
    }
}

/// The enforced policies that had no verdict on some candidate.
fn broken(decision: &Decision<'_>) -> BTreeSet<String> {
    let broken = decision.excluded.iter().flat_map(|excluded| &excluded.broken);
    broken.map(ToString::to_string).collect()
}

/// Decides where a bare claim goes.
///
/// # Errors
/// Every problem of the claim; or the decision, where no candidate takes it.
pub fn place<'a>(
    claim: &'a Claim<'a>,
    namespace: &'a str,
    catalog: &'a Snapshot,
) -> Result<(Decision<'a>, &'a Candidate), Refusal<'a>> {
    let mut problems = forbidden(claim);
    problems.extend(name(claim));
    let request = match fields(claim) {
        Ok(fields) => Parameters::read(fields).request(catalog, namespace),
        Err(problem) => Err(vec![problem]),
    };
    let request = match request {
        Ok(request) if problems.is_empty() => request,
        other => {
            problems.extend(other.err().unwrap_or_default());
            return Err(Refusal::Problems(problems));
        }
    };
    let decision = decide(catalog, request).map_err(|undecided| Refusal::Problems(problems_of(&undecided)))?;
    match decision.winner() {
        Some(winner) => Ok((decision, winner.candidate)),
        None => Err(Refusal::Unschedulable(Box::new(decision))),
    }
}

/// Why nothing could be decided, as problems of the claim.
pub(super) fn problems_of(undecided: &[Undecided<'_>]) -> Vec<Problem> {
    undecided.iter().map(Problem::from).collect()
}

/// `spec.parameters`, or what is wrong with it.
pub(super) fn fields<'a>(claim: &'a Claim<'_>) -> Result<&'a Map<String, Value>, Problem> {
    let remedy = "set cell, tier, environment, size and storageGB in it";
    let problem = |cause, path: &str, message: String| Err(Problem::new(cause, path, message));
    let parameters = match &claim.spec {
        Value::Object(spec) => spec.get("parameters").unwrap_or(&Value::Null),
        Value::Null => &Value::Null,
        _ => {
            let message = "must be a mapping with parameters in it".to_owned();
            return problem(Cause::FieldType, "spec", message);
        }
    };
    match parameters {
        Value::Object(fields) => Ok(fields),
        Value::Null => problem(Cause::FieldMissing, "spec.parameters", format!("is required; {remedy}")),
        _ => problem(
            Cause::FieldType,
            "spec.parameters",
            format!("must be a mapping; {remedy}"),
        ),
    }
}

pub(super) fn name(claim: &Claim<'_>) -> Option<Problem> {
    let name = claim.name();
    (name.chars().count() > MOST_NAME).then(|| {
        Problem::new(
            Cause::FieldInvalid,
            "metadata.name",
            format!("is \"{}\"; must have at most {MOST_NAME} characters", Shown(name)),
        )
    })
}

/// Everything in a new claim that the platform alone writes, whatever its value.
fn forbidden(claim: &Claim<'_>) -> Vec<Problem> {
    let mut paths = Vec::new();
    for field in PLACEMENT_FIELDS {
        if claim.parameters().is_some_and(|fields| fields.contains_key(field)) {
            paths.push(path(field));
        }
        if claim.spec.get(field).is_some() {
            paths.push(format!("spec.{field}"));
        }
    }
    match claim.spec.get("crossplane") {
        None | Some(Value::Null) => {}
        Some(Value::Object(fields)) => {
            // Crossplane's XRD fills this one in before any webhook is asked.
            let fine = |(field, value): (&String, &Value)| {
                field == "compositionUpdatePolicy" && (value.is_null() || value == "Manual")
            };
            let set = fields.iter().filter(|entry| !fine(*entry));
            paths.extend(set.map(|(field, _)| format!("spec.crossplane.{}", Shown(field))));
        }
        Some(_) => paths.push("spec.crossplane".to_owned()),
    }
    if claim.reason().is_some() {
        paths.push(format!("metadata.annotations[{REASON}]"));
    }
    let problem = |path| {
        Problem::new(
            Cause::PlacementForbidden,
            path,
            "is written by the platform alone; remove it",
        )
    };
    paths.into_iter().map(problem).collect()
}

/// The composition selector of a cloud: exactly one composition has both labels.
pub(super) fn selector(provider: &str) -> Value {
    json!({ "matchLabels": { PROVIDER_LABEL: provider, CLASS_LABEL: CLASS } })
}

/// The edits that write a placement into a bare claim; `reason` is escaped.
fn placement_edits(claim: &Claim<'_>, candidate: &Candidate, reason: &str) -> Vec<Edit<'static>> {
    // A provider's name has nothing that JSON escapes.
    let selector = format!(
        r#"{{"matchLabels":{{"{CLASS_LABEL}":"{CLASS}","{PROVIDER_LABEL}":"{}"}}}}"#,
        candidate.provider
    );
    let (path, json) = if claim.crossplane().is_some() {
        ("/spec/crossplane/compositionSelector", selector)
    } else {
        ("/spec/crossplane", format!(r#"{{"compositionSelector":{selector}}}"#))
    };
    let crossplane = Edit {
        path: Cow::Borrowed(path),
        json,
    };
    vec![
        Edit::new("/spec/parameters/provider", &candidate.provider),
        Edit::new("/spec/parameters/region", &candidate.region),
        Edit::new("/spec/parameters/runtimeCluster", &candidate.runtime_cluster),
        Edit::new("/spec/parameters/network", &candidate.network),
        crossplane,
        sticky::reason(claim, format!("\"{reason}\"")),
    ]
}

/// A decision's winner as log and audit show it.
pub(super) fn placed<'a>(decision: &Decision<'a>) -> Option<Placed<'a>> {
    let winner = decision.winner()?;
    Some(Placed {
        candidate: Cow::Borrowed(&winner.candidate.name),
        provider: Cow::Borrowed(&winner.candidate.provider),
        cell: Cow::Borrowed(&decision.cell.name),
        tier: decision.request.tier.clone(),
        score: winner.score,
        revision: Cow::Borrowed(decision.catalog.revision().as_str()),
        digest: Cow::Owned(decision.digest().to_owned()),
    })
}

/// What is worth knowing of a decision: how near it was.
fn warnings(decision: &Decision<'_>) -> Vec<String> {
    match decision.ranked.as_slice() {
        [only] => vec![limited(&format!("only {} fits this claim", only.candidate.name))],
        [first, second, ..] if (first.score - second.score).units() < CLOSE => {
            let ahead: Points = first.score - second.score;
            vec![limited(&format!(
                "{} is ahead of {} by only {ahead} points",
                first.candidate.name, second.candidate.name
            ))]
        }
        _ => Vec::new(),
    }
}
