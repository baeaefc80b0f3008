//! An existing database held against the decision that its request would get today. Nothing here moves it.

use super::decide::{Decision, score};
use super::gate::{Cause, Failure};
use super::points::Points;
use super::why_not::Margin;
use crate::catalog::Candidate;

/// How an existing database stands today.
#[derive(Clone, Debug)]
pub struct Audit<'a> {
    /// The gates that its candidate fails, for databases that are there as for new ones.
    pub fails: Vec<Failure<'a>>,
    /// What closes its candidate, for new ones only.
    pub closed: Vec<Failure<'a>>,
    /// Where its request would be placed.
    pub today: Today<'a>,
}

/// Where a request would be placed, seen from where its database is.
#[derive(Clone, Copy, Debug)]
pub enum Today<'a> {
    /// Where it is.
    Here,
    /// On another candidate.
    Elsewhere {
        /// Which one.
        candidate: &'a Candidate,
        /// Its weighted score.
        score: Points,
        /// By how much that beats the candidate it is on, which may be below zero where that one is out of the running;
        /// absent where the catalog does not have that one any more.
        ahead: Option<Margin>,
    },
    /// On no candidate.
    Nowhere,
}

/// Holds a database on the candidate `on` against `decision`.
#[must_use]
pub fn audit<'a>(decision: &Decision<'a>, on: Option<&'a Candidate>) -> Audit<'a> {
    let is = |candidate: &Candidate| on.is_some_and(|on| on.name == candidate.name);
    let excluded = decision.excluded.iter().find(|excluded| is(excluded.candidate));
    let failures = excluded.map(|excluded| excluded.failures.clone()).unwrap_or_default();
    let (closed, fails) = failures
        .into_iter()
        .partition(|failure| failure.cause() == Cause::Cordoned);
    let today = match decision.winner() {
        None => Today::Nowhere,
        Some(winner) if is(winner.candidate) => Today::Here,
        Some(winner) => Today::Elsewhere {
            candidate: winner.candidate,
            score: winner.score,
            ahead: on.map(|on| Margin::between(winner.score, score(on, decision.tier))),
        },
    };
    Audit { fails, closed, today }
}
