//! Why another candidate did not win, and what would change that.
//!
//! A *single change* is one edit, of the catalog or of the claim. Those tried, in the order from smallest to largest:
//!
//! 1. One score of the candidate raised in one dimension, to the lowest value that wins. The least raise comes first,
//!    equal ones by the name of their dimension.
//! 2. All that it fails gone: the one capability it lacks added; the one cordon lifted, which opens every other candidate
//!    that the same cordon closes; or the one policy it fails deleted, which frees every other candidate of it. It never
//!    competes with a raise, which helps only where no gate fails.
//! 3. `ha` turned on or off in the claim.
//! 4. Another size in the claim, the smallest first.
//! 5. Another tier in the claim, by the tier's name.
//!
//! `storageGB` and the environment enter no gate and no score, save by policies, and are not tried: the one is any number,
//! the other no choice. Whether a change would do is found by deciding again with it, through the functions that decide;
//! no rule is written here a second time.

mod asked;
mod text;

use std::cmp::Reverse;

use serde::{Serialize, Serializer};

use crate::catalog::{Candidate, Cell, Fraction, listed};

use self::asked::Asked;
use super::decide::{Decision, Ranked};
use super::gate::{Failure, Gate};
use super::points::Points;
use super::request::Size;

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
    /// The one policy that the candidate fails is deleted.
    DeletePolicy {
        /// Its name.
        policy: &'a str,
    },
    /// The claim sets `ha` to this.
    SetHa {
        /// The other value.
        ha: bool,
    },
    /// The claim asks for another size.
    SetSize {
        /// Which one.
        size: Size,
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
    pub(super) fn between(winner: Points, candidate: Points) -> Self {
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
