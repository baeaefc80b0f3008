//! CREATE after every mutator: the lock. The placement must be exactly what the decision gives, so nothing that runs
//! between the two webhooks can move a new claim, and a claim that was never placed does not get in.

use serde_json::Value;

use super::Writer;
use super::answer::{Answer, Outcome, limited};
use super::create::{fields, placed, problems_of};
use super::restore::{agreement, disagreements, restore};
use crate::catalog::live::Held;
use crate::claim::parameters::Parameters;
use crate::claim::{Cause, Claim, PLACEMENT_FIELDS, Problem, REASON, Shown};
use crate::placement::{Decision, Demands, Reason, Request, decide, failures, refused, required};

const OTHER: &str =
    "is not what was decided; another admission webhook changed the claim after it was placed: ask your platform team";

/// Answers the creation of `claim` in `namespace`, which has been through every mutating webhook.
#[must_use]
pub fn answer<'a>(claim: &'a Claim<'a>, namespace: &'a str, catalog: &'a Held, writer: Writer) -> Answer<'a> {
    let problems = match lock(claim, namespace, catalog) {
        Ok(answer) => return answer,
        Err(problems) => problems,
    };
    match restore(claim, catalog.snapshot()) {
        Ok(answer) if writer.operator => answer,
        _ => Answer::refused(problems),
    }
}

fn lock<'a>(claim: &'a Claim<'a>, namespace: &'a str, catalog: &'a Held) -> Result<Answer<'a>, Vec<Problem>> {
    let at_reason = format!("metadata.annotations[{REASON}]");
    let Some(text) = claim.reason() else {
        return Err(vec![Problem::new(
            Cause::PlacementMismatch,
            at_reason,
            "is missing: the claim was not placed, so the mutating webhook was not called; ask your platform team",
        )]);
    };
    let parameters = Parameters::read(fields(claim).map_err(|problem| vec![problem])?);
    let malformed: Vec<Problem> = parameters.problems().into_iter().cloned().collect();
    if !malformed.is_empty() {
        return Err(malformed);
    }
    let Ok(reason) = serde_json::from_str::<Reason<'a>>(text) else {
        return Err(vec![Problem::new(Cause::PlacementMismatch, at_reason, OTHER)]);
    };
    let mut problems = other_fields(claim);
    let Some(snapshot) = catalog.revision(&reason.catalog_revision) else {
        let (placed, _) = agreement(claim)?;
        let request = parameters.request(catalog.snapshot(), namespace)?;
        problems.extend(problems_of(&refused(catalog.snapshot(), &request)));
        problems.extend(unfit(catalog, &reason, &request));
        let warning = limited("placed on a catalog revision that this server does not hold; its candidate still fits");
        let answer = Answer {
            placed: Some(placed),
            warnings: vec![warning],
            ..Answer::allowed(Outcome::ConfirmedElsewhere, Vec::new())
        };
        return if problems.is_empty() { Ok(answer) } else { Err(problems) };
    };
    let request = parameters.request(snapshot, namespace)?;
    let decision = decide(snapshot, request).map_err(|undecided| problems_of(&undecided))?;
    let decided = Reason::of(&decision);
    let winner = decided.winner.as_ref().ok_or_else(|| mismatch("spec.parameters"))?;
    problems.extend(disagreements(claim, winner, OTHER));
    // Builds from before the digest write none, and while this one follows them it confirms what they have placed.
    if text != decision.reason() && !is_older_form(text, &decision) {
        problems.push(Problem::new(Cause::PlacementMismatch, at_reason, OTHER));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Answer {
        placed: placed(&decision),
        ..Answer::allowed(Outcome::Confirmed, Vec::new())
    })
}

/// Whether this is the reason of `decision` as builds from before the digest write it.
fn is_older_form<'x>(text: &'x str, decision: &'x Decision<'x>) -> bool {
    let decided = Reason {
        digest: None,
        ..Reason::of(decision)
    };
    serde_json::from_str::<Reason<'x>>(text).is_ok_and(|reason| reason == decided)
}

fn mismatch(path: &str) -> Vec<Problem> {
    vec![Problem::new(Cause::PlacementMismatch, path, OTHER)]
}

/// What no new claim has: placement names directly in `spec`, and in `spec.crossplane` anything but the selector and
/// the one update policy that an author may ask for.
fn other_fields(claim: &Claim<'_>) -> Vec<Problem> {
    let direct = PLACEMENT_FIELDS
        .into_iter()
        .filter(|field| claim.spec.get(field).is_some_and(|value| !value.is_null()))
        .map(|field| format!("spec.{field}"));
    let crossplane = claim.crossplane().and_then(Value::as_object).into_iter().flatten();
    let crossplane = crossplane
        .filter(|(field, value)| match field.as_str() {
            "compositionSelector" => false,
            "compositionUpdatePolicy" => !value.is_null() && *value != "Manual",
            _ => !value.is_null(),
        })
        .map(|(field, _)| format!("spec.crossplane.{}", Shown(field)));
    direct
        .chain(crossplane)
        .map(|path| Problem::new(Cause::PlacementMismatch, path, OTHER))
        .collect()
}

/// Why a placement that was decided on a catalog we do not hold cannot be taken on the present one.
fn unfit(catalog: &Held, reason: &Reason<'_>, request: &Request<'_>) -> Option<Problem> {
    let snapshot = catalog.snapshot();
    let winner = reason.winner.as_ref()?;
    let problem = |field: &str, message: String| Some(Problem::new(Cause::PlacementMismatch, field, message));
    let decided = Request {
        namespace: request.namespace.clone(),
        ..reason.request.clone()
    };
    if decided != *request {
        return problem("spec.parameters", OTHER.to_owned());
    }
    let cell = snapshot.cell(&request.cell)?;
    let tier = snapshot.tier(&request.tier)?;
    let Some(candidate) = cell.candidates.iter().find(|candidate| {
        candidate.name == winner.candidate
            && candidate.place() == [&*winner.provider, &*winner.region, &*winner.runtime_cluster]
            && candidate.network == *winner.network
    }) else {
        let message = format!(
            "{} is not a candidate of the present catalog; apply the claim again",
            Shown(&winner.candidate)
        );
        return problem("spec.parameters", message);
    };
    let demands = Demands {
        capabilities: &required(tier, request.ha),
        policies: &snapshot.policies_on(&request.subject()),
        subject: request.subject(),
    };
    let failures = failures(candidate, &demands);
    let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
    if failures.is_empty() {
        return None;
    }
    let message = format!(
        "{} does not fit any more: {}; apply the claim again",
        candidate.name,
        failures.join(", ")
    );
    problem("spec.parameters", message)
}
