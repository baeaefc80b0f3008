//! Why another candidate did not win, and what would change that.
//!
//! A *single change* is one edit, of the catalog or of the claim. Those tried, in the order from smallest to largest:
//!
//! 1. One score of the candidate raised in one dimension, to the lowest value that wins. The least raise comes first,
//!    equal ones by the name of their dimension.
//! 2. Its only gate failure gone: the capability it lacks added, or the cordon lifted, which opens every other
//!    candidate that the same cordon closes. It never competes with a raise, which helps only where no gate fails.
//! 3. `ha` turned on or off in the claim.
//! 4. Another tier in the claim, by the tier's name.
//!
//! The other fields of a claim enter no gate and no score, so changing them changes nothing. Whether a change would do
//! is found by deciding again with it, through the functions that decide; no rule is written here a second time.

mod text;

use std::borrow::Cow;
use std::cmp::Reverse;

use serde::{Serialize, Serializer};

use crate::catalog::{Candidate, Cell, Fraction, Tier, listed};

use super::decide::{Decision, Ranked, breakdown, decide, score, weigh};
use super::gate::{Failure, Gate};
use super::points::Points;
use super::request::Request;

/// Where one candidate stands in a decision, and what would make it win.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WhyNot<'a> {
    /// Name of the candidate.
    pub candidate: &'a str,
    /// Where it stands.
    pub standing: Standing<'a>,
    /// Every single change that would make it win, smallest first; none for the winner.
    pub changes: Vec<Change<'a>>,
}

/// Where a candidate stands in a decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Standing<'a> {
    /// It takes the claim.
    Winner {
        /// Its weighted score.
        score: Points,
        /// The next best, where another candidate fits.
        runner_up: Option<Rival<'a>>,
    },
    /// It does not fit.
    Excluded {
        /// All that it fails, never empty.
        failures: &'a [Failure<'a>],
        /// What it would score if it did fit.
        score: Points,
        /// Who takes the claim; absent where nobody does.
        winner: Option<Rival<'a>>,
    },
    /// It fits, and another one is better.
    Behind {
        /// Its weighted score.
        score: Points,
        /// Who takes the claim.
        winner: Rival<'a>,
        /// How many points it lacks: zero where the names alone decide.
        behind: Margin,
        /// The same for each dimension that the tier weighs, by name.
        dimensions: Vec<Dimension<'a>>,
    },
}

/// The candidate that another one is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rival<'a> {
    /// Its name.
    pub candidate: &'a str,
    /// Its weighted score.
    pub score: Points,
}

/// A candidate and the winner in one dimension.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Dimension<'a> {
    /// Which dimension.
    pub dimension: &'a str,
    /// The tier's weight for it.
    pub weight: Fraction,
    /// The candidate's score.
    pub score: Fraction,
    /// Score times weight.
    pub points: Points,
    /// The winner's score.
    pub winner_score: Fraction,
    /// The winner's score times weight.
    pub winner_points: Points,
    /// The winner's points less the candidate's.
    pub behind: Margin,
}

/// A difference in points: above zero behind the winner, below zero ahead of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Margin(i64);

/// One edit that would make the candidate win.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Change<'a> {
    /// One score of the candidate is raised.
    RaiseScore {
        /// In which dimension.
        dimension: &'a str,
        /// What it is.
        from: Fraction,
        /// The lowest value that wins.
        to: Fraction,
    },
    /// The candidate gets the one capability that it lacks.
    AddCapability {
        /// Which one.
        capability: &'a str,
    },
    /// The one cordon that closes the candidate is lifted.
    LiftCordon {
        /// Whether it is on the provider, the region or the candidate.
        gate: Gate,
        /// Name of the provider, region or candidate that is closed.
        of: &'a str,
    },
    /// The claim sets `ha` to this.
    SetHa {
        /// The other value.
        ha: bool,
    },
    /// The claim asks for another tier.
    SetTier {
        /// Which one, in capitals.
        tier: String,
    },
}

/// Why a name is not the name of one candidate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCandidate {
    /// Neither a candidate of the cell nor the provider of one.
    #[error(
        "cell {cell} has no candidate and no provider \"{}\"; its candidates: {}",
        shown(given),
        listed(candidates)
    )]
    Unknown {
        /// The name given.
        given: String,
        /// The cell asked for.
        cell: String,
        /// Every candidate of the cell.
        candidates: Vec<String>,
    },
    /// The provider of more than one candidate.
    #[error("provider {provider} has {} candidates; name one of them: {}", candidates.len(), listed(candidates))]
    Several {
        /// The provider.
        provider: String,
        /// Its candidates in the cell.
        candidates: Vec<String>,
    },
}

/// Why the candidate called `name` did not win `decision`, and what would make it win.
///
/// `name` may also be that of a provider with one candidate in the cell. Both are compared without case.
///
/// # Errors
/// [`NoCandidate`] where that is not exactly one candidate of the cell.
pub fn why_not<'a>(decision: &'a Decision<'a>, name: &str) -> Result<WhyNot<'a>, NoCandidate> {
    let candidate = find(decision.cell, name)?;
    let asked = Asked { decision, candidate };
    let standing = asked.standing();
    let changes = match &standing {
        Standing::Winner { .. } => Vec::new(),
        Standing::Excluded { failures, .. } => asked.changes(failures),
        Standing::Behind { .. } => asked.changes(&[]),
    };
    Ok(WhyNot {
        candidate: &candidate.name,
        standing,
        changes,
    })
}

impl<'a> WhyNot<'a> {
    /// The smallest single change that would make the candidate win.
    #[must_use]
    pub fn smallest(&self) -> Option<&Change<'a>> {
        self.changes.first()
    }
}

impl<'a> Standing<'a> {
    /// The dimension in which most points are lost to the winner, the first by name of equal ones.
    #[must_use]
    pub fn loses_most_in(&self) -> Option<&Dimension<'a>> {
        let Self::Behind { dimensions, .. } = self else {
            return None;
        };
        dimensions
            .iter()
            .filter(|dimension| dimension.behind > Margin::default())
            .min_by_key(|dimension| Reverse(dimension.behind))
    }
}

impl Margin {
    #[allow(clippy::cast_possible_wrap, reason = "points are at most 10^8")]
    fn between(winner: Points, candidate: Points) -> Self {
        Self(winner.units() as i64 - candidate.units() as i64)
    }

    /// This number in hundred-millionths.
    #[must_use]
    pub fn units(self) -> i64 {
        self.0
    }
}

fn find<'a>(cell: &'a Cell, name: &str) -> Result<&'a Candidate, NoCandidate> {
    let names = |candidates: &[&Candidate]| candidates.iter().map(|candidate| candidate.name.clone()).collect();
    let all: Vec<&Candidate> = cell.candidates.iter().collect();
    if let Some(candidate) = all.iter().find(|candidate| candidate.name.eq_ignore_ascii_case(name)) {
        return Ok(candidate);
    }
    let of_provider: Vec<&Candidate> = cell
        .candidates
        .iter()
        .filter(|candidate| candidate.provider.eq_ignore_ascii_case(name))
        .collect();
    match of_provider.as_slice() {
        [] => Err(NoCandidate::Unknown {
            given: name.to_owned(),
            cell: cell.name.clone(),
            candidates: names(&all),
        }),
        [candidate] => Ok(candidate),
        [first, ..] => Err(NoCandidate::Several {
            provider: first.provider.clone(),
            candidates: names(&of_provider),
        }),
    }
}

/// The candidate that is asked about, in its decision.
#[derive(Clone, Copy)]
struct Asked<'a> {
    decision: &'a Decision<'a>,
    candidate: &'a Candidate,
}

impl<'a> Asked<'a> {
    fn is(self, candidate: &Candidate) -> bool {
        candidate.name == self.candidate.name
    }

    fn standing(self) -> Standing<'a> {
        let Decision {
            tier, ranked, excluded, ..
        } = self.decision;
        let score = score(self.candidate, tier);
        let winner = self.decision.winner();
        let excluded = excluded.iter().find(|excluded| self.is(excluded.candidate));
        match (excluded, winner) {
            (None, Some(winner)) if !self.is(winner.candidate) => Standing::Behind {
                score,
                winner: Rival::of(winner),
                behind: Margin::between(winner.score, score),
                dimensions: self.dimensions(winner.candidate),
            },
            (None, _) => Standing::Winner {
                score,
                runner_up: ranked.get(1).copied().map(Rival::of),
            },
            (Some(excluded), winner) => Standing::Excluded {
                failures: &excluded.failures,
                score,
                winner: winner.map(Rival::of),
            },
        }
    }

    fn dimensions(self, winner: &'a Candidate) -> Vec<Dimension<'a>> {
        let tier = self.decision.tier;
        breakdown(self.candidate, tier)
            .zip(breakdown(winner, tier))
            .map(|((dimension, score, weight), (_, winner_score, _))| {
                let points = Points::weighed(score, weight);
                let winner_points = Points::weighed(winner_score, weight);
                Dimension {
                    dimension,
                    weight,
                    score,
                    points,
                    winner_score,
                    winner_points,
                    behind: Margin::between(winner_points, points),
                }
            })
            .collect()
    }

    /// Every single change that would do for a candidate with these failures that did not win, smallest first.
    fn changes(self, failures: &'a [Failure<'a>]) -> Vec<Change<'a>> {
        let mut changes = match failures {
            [] => self.raises(),
            [only] => self.without(only).into_iter().collect(),
            _ => Vec::new(),
        };
        changes.extend(self.other_ha());
        changes.extend(self.other_tiers());
        changes
    }

    fn raises(self) -> Vec<Change<'a>> {
        let Some(winner) = self.decision.winner() else {
            return Vec::new();
        };
        let mut raises: Vec<_> = breakdown(self.candidate, self.decision.tier)
            .filter_map(|(dimension, from, _)| {
                let to = self.least(dimension, from, winner.candidate)?;
                Some((to.units() - from.units(), Change::RaiseScore { dimension, from, to }))
            })
            .collect();
        // Dimensions come by name, and the sort is stable.
        raises.sort_by_key(|(amount, _)| *amount);
        raises.into_iter().map(|(_, change)| change).collect()
    }

    /// The lowest score in `dimension` with which the candidate wins.
    ///
    /// Whoever beats the winner beats everybody, and a higher score never does worse, so halving the range will do.
    fn least(self, dimension: &str, from: Fraction, winner: &Candidate) -> Option<Fraction> {
        let mut raised = self.candidate.clone();
        let mut wins_with = |score: Fraction| {
            raised.scores.insert(dimension.to_owned(), score);
            let mut both = [&raised, winner];
            both.sort_by(|a, b| a.name.cmp(&b.name));
            self.wins_among(both)
        };
        if !wins_with(Fraction::ONE) {
            return None;
        }
        let (mut loses, mut wins) = (from, Fraction::ONE);
        while loses.units() + 1 < wins.units() {
            let middle = Fraction::from_units(loses.units().midpoint(wins.units()))?;
            if wins_with(middle) {
                wins = middle;
            } else {
                loses = middle;
            }
        }
        Some(wins)
    }

    /// The end of `failure`, if that makes the candidate win.
    fn without(self, failure: &'a Failure<'a>) -> Option<Change<'a>> {
        let Candidate {
            name, provider, region, ..
        } = self.candidate;
        let mut candidates: Vec<Cow<'_, Candidate>> = self.decision.cell.candidates.iter().map(Cow::Borrowed).collect();
        for candidate in &mut candidates {
            match failure.gate {
                Gate::Provider if candidate.provider == *provider => candidate.to_mut().provider_cordoned = None,
                Gate::Region if candidate.provider == *provider && candidate.region == *region => {
                    candidate.to_mut().region_cordoned = None;
                }
                Gate::Candidate if candidate.name == *name => candidate.to_mut().cordoned = None,
                Gate::Capability if candidate.name == *name => {
                    candidate
                        .to_mut()
                        .capabilities
                        .insert(failure.detail.clone().into_owned());
                }
                _ => {}
            }
        }
        let change = match failure.gate {
            Gate::Provider => Change::LiftCordon {
                gate: failure.gate,
                of: provider,
            },
            Gate::Region => Change::LiftCordon {
                gate: failure.gate,
                of: region,
            },
            Gate::Candidate => Change::LiftCordon {
                gate: failure.gate,
                of: name,
            },
            Gate::Capability => Change::AddCapability {
                capability: &failure.detail,
            },
        };
        self.wins_among(candidates.iter().map(AsRef::as_ref)).then_some(change)
    }

    fn other_ha(self) -> Option<Change<'a>> {
        let ha = !self.decision.request.ha;
        let request = Request {
            ha,
            ..self.decision.request.clone()
        };
        self.wins(request).then_some(Change::SetHa { ha })
    }

    fn other_tiers(self) -> impl Iterator<Item = Change<'a>> {
        self.decision
            .catalog
            .tiers()
            .filter(move |tier| tier.name != self.decision.tier.name)
            .map(Tier::shown)
            .filter(move |tier| {
                let tier = Cow::Owned(tier.clone());
                self.wins(Request {
                    tier,
                    ..self.decision.request.clone()
                })
            })
            .map(|tier| Change::SetTier { tier })
    }

    /// Whether the candidate wins among `candidates`, which come by name, under the request as it is.
    fn wins_among<'c>(self, candidates: impl IntoIterator<Item = &'c Candidate>) -> bool
    where
        'a: 'c,
    {
        let Decision { tier, required, .. } = self.decision;
        let (ranked, _) = weigh(candidates, tier, required);
        ranked.first().is_some_and(|winner| self.is(winner.candidate))
    }

    /// Whether the candidate wins under another request, the catalog as it is.
    fn wins(self, request: Request<'a>) -> bool {
        decide(self.decision.catalog, request)
            .is_ok_and(|decision| decision.winner().is_some_and(|winner| self.is(winner.candidate)))
    }
}

impl<'a> Rival<'a> {
    fn of(ranked: Ranked<'a>) -> Self {
        Self {
            candidate: &ranked.candidate.name,
            score: ranked.score,
        }
    }
}

impl Serialize for Margin {
    #[allow(clippy::cast_precision_loss, reason = "at most 10^8, and f64 is exact to 2^53")]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / f64::from(Points::UNITS))
    }
}

/// A name somebody typed, short and harmless on a terminal.
fn shown(name: &str) -> String {
    name.chars().take(64).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests;
