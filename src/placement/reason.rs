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

/// Writes a reason as JSON, or as the content of a JSON string (`ESCAPED`).
///
/// It is the one document written at every admission, and serde_json would look at every byte of every key and format
/// every number as a float, at the price of all the rest of a decision. Names need no look: the catalog's check and the
/// claim's rules let nothing into them that JSON escapes.
mod write {
    use super::{Count, Exclusion, ROOM, Ranking, Reason, Winner};
    use crate::catalog::Fraction;
    use crate::placement::gate::Cause;
    use crate::placement::points::{Points, push_decimal};

    type Out = Vec<u8>;

    pub(super) fn text<const ESCAPED: bool>(of: &Reason<'_>) -> String {
        let mut out = Vec::with_capacity(ROOM);
        reason::<ESCAPED>(&mut out, of);
        // Only whole strings are written.
        String::from_utf8(out).unwrap_or_default()
    }

    fn reason<const ESCAPED: bool>(out: &mut Out, reason: &Reason<'_>) {
        push(out, "{");
        if let Some(winner) = &reason.winner {
            key::<ESCAPED>(out, "", "winner");
            self::winner::<ESCAPED>(out, winner);
            push(out, ",");
        }
        let request = &reason.request;
        key::<ESCAPED>(out, "", "request");
        name::<ESCAPED>(out, "{", "cell", &request.cell);
        name::<ESCAPED>(out, ",", "tier", &request.tier);
        name::<ESCAPED>(out, ",", "environment", &request.environment);
        name::<ESCAPED>(out, ",", "size", request.size.as_str());
        whole::<ESCAPED>(out, ",", "storageGB", request.storage_gb.into());
        key::<ESCAPED>(out, ",", "ha");
        push(out, if request.ha { "true}," } else { "false}," });
        key::<ESCAPED>(out, "", "requirements");
        whole::<ESCAPED>(out, "{", "rtoMinutes", reason.requirements.rto_minutes.into());
        whole::<ESCAPED>(out, ",", "rpoMinutes", reason.requirements.rpo_minutes.into());
        key::<ESCAPED>(out, ",", "capabilities");
        list(out, &reason.requirements.capabilities, |out, capability| {
            quoted::<ESCAPED>(out, capability)
        });
        push(out, "},");
        key::<ESCAPED>(out, "", "weights");
        let mut before = "{";
        for (dimension, weight) in &reason.weights {
            fraction::<ESCAPED>(out, before, dimension, *weight);
            before = ",";
        }
        push(out, "},");
        key::<ESCAPED>(out, "", "ranking");
        list(out, &reason.ranking, ranking::<ESCAPED>);
        whole::<ESCAPED>(out, ",", "fit", reason.fit as u64);
        whole::<ESCAPED>(out, ",", "candidates", reason.candidates as u64);
        if let Some(excluded) = &reason.excluded {
            key::<ESCAPED>(out, ",", "excluded");
            list(out, excluded, exclusion::<ESCAPED>);
        }
        if let Some(counts) = &reason.excluded_by_cause {
            key::<ESCAPED>(out, ",", "excludedByCause");
            list(out, counts, count::<ESCAPED>);
        }
        name::<ESCAPED>(out, ",", "catalogRevision", &reason.catalog_revision);
        push(out, "}");
    }

    fn winner<const ESCAPED: bool>(out: &mut Out, winner: &Winner<'_>) {
        name::<ESCAPED>(out, "{", "candidate", &winner.candidate);
        name::<ESCAPED>(out, ",", "provider", &winner.provider);
        name::<ESCAPED>(out, ",", "region", &winner.region);
        name::<ESCAPED>(out, ",", "runtimeCluster", &winner.runtime_cluster);
        key::<ESCAPED>(out, ",", "network");
        push(out, "{");
        let mut before = "";
        for (network_key, value) in winner.network.iter() {
            line::<ESCAPED>(out, before, network_key, value);
            before = ",";
        }
        push(out, "}");
        points::<ESCAPED>(out, ",", "score", winner.score);
        push(out, "}");
    }

    fn ranking<const ESCAPED: bool>(out: &mut Out, ranking: &Ranking<'_>) {
        name::<ESCAPED>(out, "{", "candidate", &ranking.candidate);
        points::<ESCAPED>(out, ",", "score", ranking.score);
        key::<ESCAPED>(out, ",", "breakdown");
        list(out, &ranking.breakdown, |out, part| {
            name::<ESCAPED>(out, "{", "dimension", &part.dimension);
            fraction::<ESCAPED>(out, ",", "score", part.score);
            fraction::<ESCAPED>(out, ",", "weight", part.weight);
            points::<ESCAPED>(out, ",", "points", part.points);
            push(out, "}");
        });
        push(out, "}");
    }

    fn exclusion<const ESCAPED: bool>(out: &mut Out, exclusion: &Exclusion<'_>) {
        name::<ESCAPED>(out, "{", "candidate", &exclusion.candidate);
        key::<ESCAPED>(out, ",", "failures");
        list(out, &exclusion.failures, |out, failure| {
            name::<ESCAPED>(out, "{", "gate", failure.gate.as_str());
            line::<ESCAPED>(out, ",", "detail", &failure.detail);
            push(out, "}");
        });
        push(out, "}");
    }

    fn count<const ESCAPED: bool>(out: &mut Out, count: &Count<'_>) {
        match &count.cause {
            Cause::Lacks(capability) => {
                key::<ESCAPED>(out, "{", "cause");
                name::<ESCAPED>(out, "{", "lacks", capability);
                push(out, "}");
            }
            Cause::Cordoned => name::<ESCAPED>(out, "{", "cause", "cordoned"),
        }
        whole::<ESCAPED>(out, ",", "count", count.count as u64);
        push(out, "}");
    }

    fn list<T>(out: &mut Out, members: &[T], member: impl Fn(&mut Out, &T)) {
        push(out, "[");
        for (i, each) in members.iter().enumerate() {
            if i > 0 {
                push(out, ",");
            }
            member(out, each);
        }
        push(out, "]");
    }

    fn push(out: &mut Out, text: &str) {
        out.extend_from_slice(text.as_bytes());
    }

    /// A text that JSON escapes nothing of.
    fn quoted<const ESCAPED: bool>(out: &mut Out, text: &str) {
        let quote = if ESCAPED { "\\\"" } else { "\"" };
        push(out, quote);
        push(out, text);
        push(out, quote);
    }

    fn key<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str) {
        push(out, before);
        quoted::<ESCAPED>(out, key);
        push(out, ":");
    }

    /// A member whose value is a name.
    fn name<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: &str) {
        self::key::<ESCAPED>(out, before, key);
        quoted::<ESCAPED>(out, value);
    }

    /// A member whose value is a line of printable text, which may have quotes and backslashes.
    fn line<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: &str) {
        if value.bytes().any(|byte| matches!(byte, b'"' | b'\\')) {
            let escape = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
            let once = escape(value);
            name::<ESCAPED>(out, before, key, &if ESCAPED { escape(&once) } else { once });
        } else {
            name::<ESCAPED>(out, before, key, value);
        }
    }

    fn whole<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: u64) {
        self::key::<ESCAPED>(out, before, key);
        push_decimal::<0>(out, value);
    }

    fn fraction<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: Fraction) {
        self::key::<ESCAPED>(out, before, key);
        push_decimal::<4>(out, value.units().into());
    }

    fn points<const ESCAPED: bool>(out: &mut Out, before: &str, key: &str, value: Points) {
        self::key::<ESCAPED>(out, before, key);
        push_decimal::<8>(out, value.units());
    }
}
