//! CREATE by an operator: a claim comes back with the placement it had, which is how a backup is restored.

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Placed};
use super::create::{fields, name, selector};
use super::sticky;
use crate::catalog::Snapshot;
use crate::claim::parameters::{Parameters, path};
use crate::claim::{Cause, Claim, PLACEMENT_FIELDS, Problem, REASON, Shown};
use crate::placement::Reason;
use crate::placement::reason::{self, Winner};

/// Whether a claim is more than bare, so that an operator means to restore it.
pub(super) fn brings_placement(claim: &Claim<'_>) -> bool {
    let brings = |field: &str| claim.parameters().is_some_and(|fields| fields.contains_key(field));
    claim.reason().is_some() || PLACEMENT_FIELDS.iter().any(|field| brings(field))
}

/// Lets an operator's claim in with the placement it brings, which is how a backup is restored.
pub(super) fn restore<'a>(claim: &'a Claim<'a>, catalog: &'a Snapshot) -> Result<Answer<'a>, Vec<Problem>> {
    let (placed, mut problems) = match restorable(claim) {
        Ok(placed) => (Some(placed), Vec::new()),
        Err(problems) => (None, problems),
    };
    problems.extend(name(claim));
    let mut warnings = Vec::new();
    if let Ok(fields) = fields(claim) {
        let parameters = Parameters::read(fields);
        problems.extend(parameters.problems().into_iter().cloned());
        // An existing database does not need the catalog to go on living.
        let unknown = parameters.unknown(catalog).into_iter();
        warnings.extend(unknown.map(|problem| {
            let what = match problem.cause {
                Cause::CatalogNotAccepted => "is in the catalog, but not accepted",
                _ => "is not in the catalog",
            };
            format!("{} {what}; restored as it is", problem.field)
        }));
    }
    if problems.is_empty() {
        Ok(Answer {
            warnings,
            placed,
            ..Answer::allowed(Outcome::Restored, Vec::new())
        })
    } else {
        Err(problems)
    }
}

/// Whether a claim brings a whole placement that agrees with itself, and nothing that Crossplane has yet to write.
fn restorable<'a>(claim: &'a Claim<'a>) -> Result<Placed<'a>, Vec<Problem>> {
    let mut problems = Vec::new();
    for (field, value) in claim.crossplane().and_then(Value::as_object).into_iter().flatten() {
        let at = format!("spec.crossplane.{}", Shown(field));
        if field == "compositionSelector" || value.is_null() {
            continue;
        }
        if field != "compositionUpdatePolicy" {
            let message = "must not be in a restored claim; remove it, and Crossplane will write its own";
            problems.push(Problem::new(Cause::PlacementForbidden, at, message));
        } else if let Some(Err(remedy)) = sticky::operators_field(field, Some(value)) {
            problems.push(Problem::new(Cause::FieldInvalid, at, remedy));
        }
    }
    for field in PLACEMENT_FIELDS {
        if claim.spec.get(field).is_some() {
            let message = "is no field of a claim; remove it";
            problems.push(Problem::new(
                Cause::PlacementForbidden,
                format!("spec.{field}"),
                message,
            ));
        }
    }
    problems.extend(oversized(claim));
    match agreement(claim) {
        Ok((placed, _)) if problems.is_empty() => Ok(placed),
        Ok(_) => Err(problems),
        Err(disagreements) => {
            problems.extend(disagreements);
            Err(problems)
        }
    }
}

/// What in a placement is longer than the claim's schema lets it be, which the API server would answer with 422. The
/// catalog's own placements keep within these.
fn oversized(claim: &Claim<'_>) -> Vec<Problem> {
    const MOST_NAME: usize = 63;
    const MOST_KEYS: usize = 16;
    const MOST_VALUE: usize = 253;
    let too_long = |value: &Value, most: usize| value.as_str().is_some_and(|text| text.chars().count() > most);
    let problem = |path, message: String| Problem::new(Cause::FieldInvalid, path, message);
    let mut problems = Vec::new();
    for (field, value) in claim.parameters().into_iter().flatten() {
        match (field.as_str(), value) {
            ("provider" | "region" | "runtimeCluster", value) if too_long(value, MOST_NAME) => {
                problems.push(problem(
                    path(field),
                    format!("must have at most {MOST_NAME} characters"),
                ));
            }
            ("network", Value::Object(network)) => {
                if network.len() > MOST_KEYS {
                    problems.push(problem(path(field), format!("must have at most {MOST_KEYS} keys")));
                }
                if network.values().any(|value| too_long(value, MOST_VALUE)) {
                    let message = format!("must have values of at most {MOST_VALUE} characters");
                    problems.push(problem(path(field), message));
                }
            }
            _ => {}
        }
    }
    problems
}

/// The placement of a claim and its reason, where they agree: the four fields and the selector equal the winner, cell and
/// environment equal, and the figures add up.
pub(super) fn agreement<'a>(claim: &'a Claim<'a>) -> Result<(Placed<'a>, Reason<'a>), Vec<Problem>> {
    let mismatch = |path: String, message: String| Problem::new(Cause::PlacementMismatch, path, message);
    let at_reason = || format!("metadata.annotations[{REASON}]");
    let Some(text) = claim.reason() else {
        return Err(vec![mismatch(
            at_reason(),
            "is missing; a placement comes with its reason".to_owned(),
        )]);
    };
    let reason: Reason<'a> = match serde_json::from_str(text) {
        Ok(reason) if text.len() <= reason::MOST_BYTES => reason,
        Ok(_) => {
            return Err(vec![mismatch(
                at_reason(),
                format!("is longer than {} bytes", reason::MOST_BYTES),
            )]);
        }
        Err(error) => {
            // The parser repeats what it does not know.
            let error = error.to_string();
            return Err(vec![mismatch(
                at_reason(),
                format!("is no placement reason: {}", Shown(&error)),
            )]);
        }
    };
    let Some(winner) = reason.winner.as_ref().filter(|_| reason.adds_up()) else {
        return Err(vec![mismatch(
            at_reason(),
            "does not add up; use the claim's own backup as it was".to_owned(),
        )]);
    };
    let mut problems = disagreements(claim, winner, "is not what the placement reason says");
    // The two fields that stay for life; size, storage and tier may have moved on.
    for (field, decided) in [
        ("cell", &reason.request.cell),
        ("environment", &reason.request.environment),
    ] {
        let given = claim.parameters().and_then(|fields| fields.get(field));
        if given.and_then(Value::as_str) != Some(decided) {
            let message = "is not what the placement reason says";
            problems.push(mismatch(path(field), message.to_owned()));
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let placed = Placed {
        candidate: winner.candidate.clone(),
        provider: winner.provider.clone(),
        cell: reason.request.cell.clone(),
        tier: reason.request.tier.clone(),
        score: winner.score,
        revision: reason.catalog_revision.clone(),
        digest: reason.digest.clone().unwrap_or_default(),
    };
    Ok((placed, reason))
}

/// Where the claim's four fields and its selector are not those of `winner`.
pub(super) fn disagreements(claim: &Claim<'_>, winner: &Winner<'_>, message: &str) -> Vec<Problem> {
    let field = |field: &str| claim.parameters().and_then(|fields| fields.get(field));
    let selected = claim
        .crossplane()
        .and_then(|crossplane| crossplane.get("compositionSelector"));
    let parts = [
        (path("provider"), field("provider"), json!(winner.provider)),
        (path("region"), field("region"), json!(winner.region)),
        (
            path("runtimeCluster"),
            field("runtimeCluster"),
            json!(winner.runtime_cluster),
        ),
        (path("network"), field("network"), json!(winner.network)),
        (
            "spec.crossplane.compositionSelector".to_owned(),
            selected,
            selector(&winner.provider),
        ),
    ];
    parts
        .into_iter()
        .filter(|(_, given, decided)| *given != Some(decided))
        .map(|(path, ..)| Problem::new(Cause::PlacementMismatch, path, message))
        .collect()
}
