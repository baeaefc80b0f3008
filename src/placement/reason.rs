//! The decision as JSON: what the reason annotation holds, and what `place -o json` prints.
//!
//! Enough to check the decision by hand, and nothing that differs between two replicas. It stays below 16 KiB however
//! many candidates a cell has: the catalog's bounds cap every other part, and the excluded are then counted by cause.

mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::decide::{Decision, Excluded, Ranked, breakdown};
use super::gate::{Cause, Failure};
use super::points::Points;
use super::request::Request;
use crate::catalog::Fraction;

/// The most bytes a reason takes.
pub const MOST_BYTES: usize = 16 * 1024;

/// Room for a usual reason, in bytes.
const ROOM: usize = 2048;

/// How many of the ranked candidates are shown with their breakdown.
const TOP: usize = 3;

/// A decision on the wire.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Reason<'a> {
    /// Where the claim goes. Absent only where it goes nowhere, which no admitted claim does.
    #[serde(borrow, default)]
    pub winner: Option<Winner<'a>>,
    /// What was asked for.
    #[serde(borrow)]
    pub request: Request<'a>,
    /// What that meant on this catalog.
    #[serde(borrow)]
    pub requirements: Requirements<'a>,
    /// What each dimension counted; adds up to 1.
    #[serde(borrow)]
    pub weights: BTreeMap<Cow<'a, str>, Fraction>,
    /// The best three that fit, best first.
    #[serde(borrow)]
    pub ranking: Vec<Ranking<'a>>,
    /// How many candidates fit.
    pub fit: usize,
    /// How many candidates the cell has.
    pub candidates: usize,
    /// Those that do not fit, each with all that it fails.
    #[serde(borrow, default)]
    pub excluded: Option<Vec<Exclusion<'a>>>,
    /// Those that do not fit, counted, where one by one they would take too much room.
    #[serde(borrow, default)]
    pub excluded_by_cause: Option<Vec<Count<'a>>>,
    /// The hash of the catalog's content.
    #[serde(borrow)]
    pub catalog_revision: Cow<'a, str>,
    /// The decision's [digest](Decision::digest). Absent in reasons that are older than it.
    #[serde(borrow, default)]
    pub digest: Option<Cow<'a, str>>,
}

/// Where the claim goes: the four placement fields, and by what score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Winner<'a> {
    /// Name of the candidate in its cell.
    #[serde(borrow)]
    pub candidate: Cow<'a, str>,
    /// `spec.parameters.provider`.
    #[serde(borrow)]
    pub provider: Cow<'a, str>,
    /// `spec.parameters.region`.
    #[serde(borrow)]
    pub region: Cow<'a, str>,
    /// `spec.parameters.runtimeCluster`.
    #[serde(borrow)]
    pub runtime_cluster: Cow<'a, str>,
    /// `spec.parameters.network`.
    pub network: Cow<'a, BTreeMap<String, String>>,
    /// The weighted score.
    pub score: Points,
}

/// What the request meant on this catalog.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirements<'a> {
    /// Recovery time objective of the tier, in minutes.
    pub rto_minutes: u32,
    /// Recovery point objective of the tier, in minutes.
    pub rpo_minutes: u32,
    /// What a candidate had to have, `ha` included.
    #[serde(borrow)]
    pub capabilities: Vec<Cow<'a, str>>,
}

/// A candidate that fits.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranking<'a> {
    /// Name of the candidate.
    #[serde(borrow)]
    pub candidate: Cow<'a, str>,
    /// Sum of the points.
    pub score: Points,
    /// How the score comes about.
    #[serde(borrow)]
    pub breakdown: Vec<Part<'a>>,
}

/// One dimension of a score.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part<'a> {
    /// Which dimension.
    #[serde(borrow)]
    pub dimension: Cow<'a, str>,
    /// The candidate's score in it.
    pub score: Fraction,
    /// The tier's weight for it.
    pub weight: Fraction,
    /// Score times weight.
    pub points: Points,
}

/// A candidate that does not fit.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exclusion<'a> {
    /// Name of the candidate.
    #[serde(borrow)]
    pub candidate: Cow<'a, str>,
    /// All that it fails.
    #[serde(borrow)]
    pub failures: Cow<'a, [Failure<'a>]>,
}

/// How many candidates one cause excludes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count<'a> {
    /// The cause.
    #[serde(borrow)]
    pub cause: Cause<'a>,
    /// How many candidates.
    pub count: usize,
}

impl<'a> Reason<'a> {
    /// The reason of `decision`, with every excluded candidate.
    #[must_use]
    pub fn of(decision: &'a Decision<'a>) -> Self {
        let excluded = decision.excluded.iter().map(Exclusion::of).collect();
        Self {
            excluded: Some(excluded),
            ..Self::without_excluded(decision)
        }
    }

    /// The reason of `decision`, with the excluded counted.
    fn counted(decision: &'a Decision<'a>) -> Self {
        let counts = decision
            .causes()
            .into_iter()
            .map(|(cause, count)| Count { cause, count })
            .collect();
        Self {
            excluded_by_cause: Some(counts),
            ..Self::without_excluded(decision)
        }
    }

    fn without_excluded(decision: &'a Decision<'a>) -> Self {
        let Decision {
            catalog,
            request,
            cell,
            tier,
            ranked,
            ..
        } = decision;
        Self {
            winner: decision.winner().map(Winner::of),
            request: Request {
                cell: Cow::Borrowed(&request.cell),
                tier: Cow::Borrowed(&request.tier),
                environment: Cow::Borrowed(&request.environment),
                size: request.size,
                storage_gb: request.storage_gb,
                ha: request.ha,
                namespace: Cow::default(),
            },
            requirements: Requirements::of(decision),
            weights: tier
                .weights
                .iter()
                .map(|(name, weight)| (Cow::Borrowed(name.as_str()), *weight))
                .collect(),
            ranking: ranked
                .iter()
                .take(TOP)
                .map(|ranked| Ranking {
                    candidate: Cow::Borrowed(&ranked.candidate.name),
                    score: ranked.score,
                    breakdown: breakdown(ranked.candidate, tier).map(Part::of).collect(),
                })
                .collect(),
            fit: ranked.len(),
            candidates: cell.candidates.len(),
            excluded: None,
            excluded_by_cause: None,
            catalog_revision: Cow::Borrowed(catalog.revision().as_str()),
            digest: Some(Cow::Borrowed(decision.digest())),
        }
    }

    /// Whether the reason's own figures bear out its winner: the first of the ranking, by a score that adds up from
    /// its parts under the weights given. And whether its digest, if it has one, is of what it says.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let digest = write::digest(
            self.winner.as_ref(),
            &self.request,
            &self.requirements,
            &self.catalog_revision,
        );
        if self.digest.as_ref().is_some_and(|given| *given != digest) {
            return false;
        }
        let adds_up = |ranking: &Ranking<'_>| {
            let parts = &ranking.breakdown;
            parts.iter().map(|part| part.points).sum::<Points>() == ranking.score
                && parts
                    .iter()
                    .map(|part| (&part.dimension, &part.weight))
                    .eq(&self.weights)
                && parts
                    .iter()
                    .all(|part| part.points == Points::weighed(part.score, part.weight))
        };
        let first = self.ranking.first();
        self.winner.as_ref().map(|winner| (&winner.candidate, winner.score))
            == first.map(|first| (&first.candidate, first.score))
            && self.ranking.iter().all(adds_up)
            && self
                .ranking
                .is_sorted_by(|a, b| (b.score, &a.candidate) <= (a.score, &b.candidate))
    }
}

impl<'a> Winner<'a> {
    fn of(Ranked { candidate, score }: Ranked<'a>) -> Self {
        Self {
            candidate: Cow::Borrowed(&candidate.name),
            provider: Cow::Borrowed(&candidate.provider),
            region: Cow::Borrowed(&candidate.region),
            runtime_cluster: Cow::Borrowed(&candidate.runtime_cluster),
            network: Cow::Borrowed(&candidate.network),
            score,
        }
    }
}

impl<'a> Requirements<'a> {
    fn of(decision: &Decision<'a>) -> Self {
        Self {
            rto_minutes: decision.tier.rto_minutes,
            rpo_minutes: decision.tier.rpo_minutes,
            capabilities: decision.required.iter().map(|name| Cow::Borrowed(*name)).collect(),
        }
    }
}

impl<'a> Exclusion<'a> {
    fn of(excluded: &'a Excluded<'a>) -> Self {
        Self {
            candidate: Cow::Borrowed(&excluded.candidate.name),
            failures: Cow::Borrowed(&excluded.failures),
        }
    }
}

impl<'a> Part<'a> {
    fn of((dimension, score, weight): (&'a str, Fraction, Fraction)) -> Self {
        Self {
            dimension: Cow::Borrowed(dimension),
            score,
            weight,
            points: Points::weighed(score, weight),
        }
    }
}

impl Decision<'_> {
    /// What joins the traces that a decision leaves: reason, audit annotation, log line, trace. The SHA-256, in hex, of
    /// `winner`, `request`, `requirements` and `catalogRevision` as the reason has them, in that order, as one object.
    #[must_use]
    pub fn digest(&self) -> &str {
        self.digest.get_or_init(|| {
            let winner = self.winner().map(Winner::of);
            let revision = self.catalog.revision().as_str();
            write::digest(winner.as_ref(), &self.request, &Requirements::of(self), revision)
        })
    }

    /// The reason as the text that the claim's annotation holds.
    #[must_use]
    pub fn reason(&self) -> String {
        self.written::<false>()
    }

    /// The same as the content of a JSON string: what stands between the quotes where the annotation is itself written
    /// as JSON. Escaping the text afterwards would cost more than the decision.
    #[must_use]
    pub fn reason_escaped(&self) -> String {
        self.written::<true>()
    }

    fn written<const ESCAPED: bool>(&self) -> String {
        // The shortest exclusion takes some 60 bytes, so a long list need not be tried.
        if self.excluded.len() <= MOST_BYTES / 60 {
            let whole = Reason::of(self);
            let text = write::text::<ESCAPED>(&whole);
            // Escaping only adds, so the text itself is looked at only where the escaped one is too long.
            if text.len() <= MOST_BYTES || (ESCAPED && write::text::<false>(&whole).len() <= MOST_BYTES) {
                return text;
            }
        }
        write::text::<ESCAPED>(&Reason::counted(self))
    }
}
