//! `/api/placement`: where a claim would go, and why. Nothing is stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use utoipa::{IntoParams, ToSchema};

use super::edge::caller;
use super::problem::{Problem, problems};
use super::request::document::Question;
use super::request::{self, Names};
use super::{Api, json};
use crate::admission::envelope;
use crate::admission::offline::{self, Judged};
use crate::catalog::live::Held;
use crate::catalog::{Candidate, Fraction};
use crate::claim::{self, Cause};
use crate::placement::why_not::{WhyNot, why_not};
use crate::placement::{Decision, Failure, Points, breakdown, score};

/// A decision: everything that was weighed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Decided<'a> {
    outcome: Outcome,
    /// How many candidates fit, and why the others do not.
    #[schema(example = "2/3 candidates fit: 1 lacks MultiAZ")]
    summary: String,
    /// Name of the candidate that takes the claim; none where no candidate does.
    #[schema(example = "aws-us-east-1")]
    winner: Option<&'a str>,
    requirements: Requirements<'a>,
    /// What each dimension counts; adds up to 1.
    #[schema(value_type = BTreeMap<String, f64>)]
    weights: &'a BTreeMap<String, Fraction>,
    /// Every candidate of the cell: those that fit, best first, then those that do not, by name.
    candidates: Vec<Weighed<'a>>,
    /// The hash of the catalog's content.
    catalog_revision: &'a str,
    /// What the claim's annotation `platform.example.org/placement-reason` would hold, or holds.
    #[schema(value_type = Object)]
    reason: Box<RawValue>,
    /// What is worth knowing all the same.
    warnings: Vec<String>,
    /// Why the candidate that was asked about does not win.
    #[serde(skip_serializing_if = "Option::is_none")]
    why_not: Option<Told<'a>>,
}

/// Whether a candidate takes the claim.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    Placed,
    Unschedulable,
}

/// What a candidate must have.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Requirements<'a> {
    /// The tier, in capitals.
    tier: String,
    /// Recovery time objective, in minutes.
    rto_minutes: u32,
    /// Recovery point objective, in minutes.
    rpo_minutes: u32,
    /// Capabilities, with the one that `ha` requires.
    capabilities: Vec<&'a str>,
}

/// A candidate, weighed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Weighed<'a> {
    name: &'a str,
    provider: &'a str,
    region: &'a str,
    runtime_cluster: &'a str,
    /// From 1 for the winner; none for those that do not fit.
    #[schema(minimum = 1)]
    rank: Option<usize>,
    /// The sum of its points; of those that do not fit, what it would be.
    #[schema(value_type = f64)]
    score: Points,
    /// How the score comes about, by dimension.
    breakdown: Vec<Part<'a>>,
    /// Everything that keeps it from taking the claim.
    failures: Vec<Failed>,
}

/// One dimension of a score.
#[derive(Serialize, ToSchema)]
struct Part<'a> {
    dimension: &'a str,
    #[schema(value_type = f64)]
    score: Fraction,
    #[schema(value_type = f64)]
    weight: Fraction,
    /// Score times weight.
    #[schema(value_type = f64)]
    points: Points,
}

/// A gate that a candidate fails.
#[derive(Serialize, ToSchema)]
struct Failed {
    /// Provider, Region, Candidate, Capability or Policy.
    #[schema(example = "Capability")]
    gate: &'static str,
    #[schema(example = "lacks MultiAZ")]
    message: String,
}

/// Why a candidate does not win.
#[derive(Serialize, ToSchema)]
struct Told<'a> {
    /// For people: where it stands, and each single change that would make it win.
    text: String,
    /// The same as data.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    answer: WhyNot<'a>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub(super) struct Asked {
    /// Say why this candidate, or the one candidate of this provider, does not win, and what would change that.
    #[param(example = "gcp")]
    why_not: Option<String>,
}

problems! {
    /// What can come in place of a decision.
    Undecided: Invalid, NotAuthenticated, Forbidden, NotFound, NotJson, Rejected
}

/// Where a database would go, and why
///
/// Nothing is stored. Who may create claims in the namespace may ask; without one, who may create them everywhere.
#[utoipa::path(
    post,
    path = "/api/placement",
    tag = "placement",
    params(Asked),
    request_body = Question,
    responses(
        (status = 200, description = "The decision, which may be that no candidate takes it", body = Decided),
        Undecided,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn placement(
    State(api): State<Arc<Api>>,
    query: Result<Query<Asked>, QueryRejection>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let Query(asked) = query.map_err(|error| Problem::of_query(&error))?;
    let read = request::read(&headers, &body, Names::Optional)?;
    if read.nowhere {
        return Err(read.told_to_anybody());
    }
    api.store.may_create(&caller, read.namespace.as_deref()).await?;
    let held = api.catalog()?;
    let mut problems = read.problems;
    match decided(&read.claim, &held, asked.why_not.as_deref()) {
        Ok(decision) if problems.is_empty() => return Ok(json(&decision.told)),
        Ok(_) => {}
        Err(found) => problems.extend(found),
    }
    Err(Problem::invalid(problems))
}

/// A decision, ready to be sent.
pub(super) struct Ready {
    /// Whether some candidate takes the claim.
    pub(super) schedulable: bool,
    /// A [`Decided`].
    pub(super) told: Box<RawValue>,
}

/// The decision on `claim`, as an answer shows it.
///
/// # Errors
/// What is wrong with the claim or with the name of the candidate.
pub(super) fn decided(claim: &Value, held: &Held, candidate: Option<&str>) -> Result<Ready, Vec<claim::Problem>> {
    let malformed = |why: String| vec![claim::Problem::new(Cause::Malformed, "", why)];
    let body = offline::creation(claim, "what-if");
    let review = envelope::read(&body).map_err(|error| malformed(error.to_string()))?;
    let Judged { answer, decision } = offline::judge(&review, held);
    let Some(decision) = decision else {
        return Err(answer.verdict.err().unwrap_or_default());
    };
    let why_not = candidate
        .map(|name| why_not(&decision, name))
        .transpose()
        .map_err(|error| {
            let problem = claim::Problem::new(Cause::FieldUnknown, "whyNot", error.to_string());
            vec![problem]
        })?;
    let told = Decided::of(&decision, answer.warnings, why_not).and_then(|decided| to_raw_value(&decided));
    Ok(Ready {
        schedulable: decision.winner().is_some(),
        told: told.map_err(|error| malformed(error.to_string()))?,
    })
}

impl<'a> Decided<'a> {
    fn of(decision: &'a Decision<'a>, warnings: Vec<String>, why_not: Option<WhyNot<'a>>) -> serde_json::Result<Self> {
        let winner = decision.winner();
        let tier = decision.tier;
        let ranked = decision.ranked.iter().enumerate();
        let ranked = ranked.map(|(i, ranked)| Weighed::of(decision, ranked.candidate, Some(i + 1), &[]));
        let excluded = decision.excluded.iter();
        let excluded = excluded.map(|excluded| Weighed::of(decision, excluded.candidate, None, &excluded.failures));
        Ok(Self {
            outcome: if winner.is_some() {
                Outcome::Placed
            } else {
                Outcome::Unschedulable
            },
            summary: decision.summary(),
            winner: winner.map(|winner| winner.candidate.name.as_str()),
            requirements: Requirements {
                tier: tier.shown(),
                rto_minutes: tier.rto_minutes,
                rpo_minutes: tier.rpo_minutes,
                capabilities: decision.required.iter().copied().collect(),
            },
            weights: &tier.weights,
            candidates: ranked.chain(excluded).collect(),
            catalog_revision: decision.catalog.revision().as_str(),
            reason: RawValue::from_string(decision.reason())?,
            warnings,
            why_not: why_not.map(|answer| Told {
                text: answer.to_string(),
                answer,
            }),
        })
    }
}

impl<'a> Weighed<'a> {
    fn of(decision: &Decision<'a>, candidate: &'a Candidate, rank: Option<usize>, failures: &[Failure<'_>]) -> Self {
        let parts = breakdown(candidate, decision.tier).map(|(dimension, score, weight)| Part {
            dimension,
            score,
            weight,
            points: Points::weighed(score, weight),
        });
        let failed = failures.iter().map(|failure| Failed {
            gate: failure.gate.as_str(),
            message: failure.to_string(),
        });
        Self {
            name: &candidate.name,
            provider: &candidate.provider,
            region: &candidate.region,
            runtime_cluster: &candidate.runtime_cluster,
            rank,
            score: score(candidate, decision.tier),
            breakdown: parts.collect(),
            failures: failed.collect(),
        }
    }
}
