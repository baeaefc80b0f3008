//! The decision as JSON: what the reason annotation holds, and what `place -o json` prints.
//!
//! Enough to check the decision by hand, and nothing that differs between two replicas. It stays below 16 KiB however
//! many candidates a cell has: the catalog's bounds cap every other part, and the excluded are then counted by cause.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;

use super::decide::{Decision, Excluded, breakdown};
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
            required,
            ranked,
            ..
        } = decision;
        Self {
            winner: decision.winner().map(|winner| Winner {
                candidate: Cow::Borrowed(&winner.candidate.name),
                provider: Cow::Borrowed(&winner.candidate.provider),
                region: Cow::Borrowed(&winner.candidate.region),
                runtime_cluster: Cow::Borrowed(&winner.candidate.runtime_cluster),
                network: Cow::Borrowed(&winner.candidate.network),
                score: winner.score,
            }),
            request: Request {
                cell: Cow::Borrowed(&request.cell),
                tier: Cow::Borrowed(&request.tier),
                environment: Cow::Borrowed(&request.environment),
                size: request.size,
                storage_gb: request.storage_gb,
                ha: request.ha,
            },
            requirements: Requirements {
                rto_minutes: tier.rto_minutes,
                rpo_minutes: tier.rpo_minutes,
                capabilities: required.iter().map(|capability| Cow::Borrowed(*capability)).collect(),
            },
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
        }
    }

    /// Whether the reason's own figures bear out its winner: the first of the ranking, by a score that adds up from
    /// its parts under the weights given.
    #[must_use]
    pub fn adds_up(&self) -> bool {
        let adds_up = |ranking: &Ranking<'_>| {
            let parts = &ranking.breakdown;
            parts.iter().map(|part| part.points).sum::<Points>() == ranking.score
                && parts.len() == self.weights.len()
                && parts.iter().all(|part| {
                    part.points == Points::weighed(part.score, part.weight)
                        && self.weights.get(&part.dimension) == Some(&part.weight)
                })
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
    /// The reason as the text that the claim's annotation holds.
    #[must_use]
    pub fn reason(&self) -> String {
        // The shortest exclusion takes some 60 bytes, so a long list need not be tried.
        if self.excluded.len() <= MOST_BYTES / 60 {
            let whole = json(&Reason::of(self));
            if whole.len() <= MOST_BYTES {
                return whole;
            }
        }
        json(&Reason::counted(self))
    }
}

fn json(reason: &Reason<'_>) -> String {
    let mut out = Vec::with_capacity(ROOM);
    write::reason(&mut out, reason);
    // Only whole strings are written.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes a reason as JSON text. It is the one document written at every admission, and serde_json would look at every
/// byte of every key and format every number as a float, at the price of all the rest of a decision.
mod write {
    use super::super::json::escape;
    use super::{Count, Exclusion, Ranking, Reason, Winner};
    use crate::catalog::Fraction;
    use crate::placement::gate::Cause;
    use crate::placement::points::{Points, push_decimal};

    pub(super) fn reason(out: &mut Vec<u8>, reason: &Reason<'_>) {
        out.push(b'{');
        if let Some(winner) = &reason.winner {
            push(out, "\"winner\":");
            self::winner(out, winner);
            out.push(b',');
        }
        let request = &reason.request;
        text(out, "\"request\":{\"cell\":", &request.cell);
        text(out, ",\"tier\":", &request.tier);
        text(out, ",\"environment\":", &request.environment);
        text(out, ",\"size\":", request.size.as_str());
        whole(out, ",\"storageGB\":", request.storage_gb.into());
        push(out, if request.ha { ",\"ha\":true}" } else { ",\"ha\":false}" });
        whole(
            out,
            ",\"requirements\":{\"rtoMinutes\":",
            reason.requirements.rto_minutes.into(),
        );
        whole(out, ",\"rpoMinutes\":", reason.requirements.rpo_minutes.into());
        push(out, ",\"capabilities\":");
        list(out, &reason.requirements.capabilities, |out, capability| {
            text(out, "", capability)
        });
        push(out, "},\"weights\":{");
        for (i, (dimension, weight)) in reason.weights.iter().enumerate() {
            text(out, if i == 0 { "" } else { "," }, dimension);
            fraction(out, ":", *weight);
        }
        push(out, "},\"ranking\":");
        list(out, &reason.ranking, ranking);
        whole(out, ",\"fit\":", reason.fit as u64);
        whole(out, ",\"candidates\":", reason.candidates as u64);
        if let Some(excluded) = &reason.excluded {
            push(out, ",\"excluded\":");
            list(out, excluded, exclusion);
        }
        if let Some(counts) = &reason.excluded_by_cause {
            push(out, ",\"excludedByCause\":");
            list(out, counts, count);
        }
        text(out, ",\"catalogRevision\":", &reason.catalog_revision);
        out.push(b'}');
    }

    fn winner(out: &mut Vec<u8>, winner: &Winner<'_>) {
        text(out, "{\"candidate\":", &winner.candidate);
        text(out, ",\"provider\":", &winner.provider);
        text(out, ",\"region\":", &winner.region);
        text(out, ",\"runtimeCluster\":", &winner.runtime_cluster);
        push(out, ",\"network\":{");
        for (i, (key, value)) in winner.network.iter().enumerate() {
            text(out, if i == 0 { "" } else { "," }, key);
            text(out, ":", value);
        }
        points(out, "},\"score\":", winner.score);
        out.push(b'}');
    }

    fn ranking(out: &mut Vec<u8>, ranking: &Ranking<'_>) {
        text(out, "{\"candidate\":", &ranking.candidate);
        points(out, ",\"score\":", ranking.score);
        push(out, ",\"breakdown\":");
        list(out, &ranking.breakdown, |out, part| {
            text(out, "{\"dimension\":", &part.dimension);
            fraction(out, ",\"score\":", part.score);
            fraction(out, ",\"weight\":", part.weight);
            points(out, ",\"points\":", part.points);
            out.push(b'}');
        });
        out.push(b'}');
    }

    fn exclusion(out: &mut Vec<u8>, exclusion: &Exclusion<'_>) {
        text(out, "{\"candidate\":", &exclusion.candidate);
        push(out, ",\"failures\":");
        list(out, &exclusion.failures, |out, failure| {
            text(out, "{\"gate\":", failure.gate.as_str());
            text(out, ",\"detail\":", &failure.detail);
            out.push(b'}');
        });
        out.push(b'}');
    }

    fn count(out: &mut Vec<u8>, count: &Count<'_>) {
        match &count.cause {
            Cause::Lacks(capability) => {
                text(out, "{\"cause\":{\"lacks\":", capability);
                out.push(b'}');
            }
            Cause::Cordoned => push(out, "{\"cause\":\"cordoned\""),
        }
        whole(out, ",\"count\":", count.count as u64);
        out.push(b'}');
    }

    fn push(out: &mut Vec<u8>, text: &str) {
        out.extend_from_slice(text.as_bytes());
    }

    fn list<T>(out: &mut Vec<u8>, members: &[T], mut member: impl FnMut(&mut Vec<u8>, &T)) {
        out.push(b'[');
        for (i, each) in members.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            member(out, each);
        }
        out.push(b']');
    }

    /// `before`, then `value` as a JSON string.
    fn text(out: &mut Vec<u8>, before: &str, value: &str) {
        push(out, before);
        out.push(b'"');
        escape(out, value);
        out.push(b'"');
    }

    fn whole(out: &mut Vec<u8>, before: &str, value: u64) {
        push(out, before);
        push_decimal::<0>(out, value);
    }

    fn fraction(out: &mut Vec<u8>, before: &str, value: Fraction) {
        push(out, before);
        push_decimal::<4>(out, value.units().into());
    }

    fn points(out: &mut Vec<u8>, before: &str, value: Points) {
        push(out, before);
        push_decimal::<8>(out, value.units());
    }
}
