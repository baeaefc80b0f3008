//! The one decision function: every gate on every candidate, then the weighted score of those that pass.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::catalog::{Candidate, Cell, Fraction, Policy, Snapshot, Tier};

use super::gate::{Cause, Demands, Failure, Notice, notices, required, tried};
use super::points::Points;
use super::request::Request;

/// How many policies are counted by name, those that exclude most.
const MOST_POLICIES: usize = 8;

/// Everything a decision weighed. Text and JSON are rendered from this and from nothing else.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// The catalog it was made from.
    pub catalog: &'a Snapshot,
    /// What was asked for.
    pub request: Request<'a>,
    /// The cell asked for.
    pub cell: &'a Cell,
    /// The tier asked for.
    pub tier: &'a Tier,
    /// What a candidate had to have.
    pub required: BTreeSet<&'a str>,
    /// The policies, of every mode, that may have something to say of such a claim, by name.
    pub policies: Vec<&'a Policy>,
    /// The candidates that pass every gate, best first; the first one wins.
    pub ranked: Vec<Ranked<'a>>,
    /// The others, by name, each with all that it fails.
    pub excluded: Vec<Excluded<'a>>,
    pub(super) digest: OnceLock<String>,
}

/// A candidate that passes every gate.
#[derive(Clone, Copy, Debug)]
pub struct Ranked<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// Its weighted score.
    pub score: Points,
}

/// A candidate that does not.
#[derive(Clone, Debug)]
pub struct Excluded<'a> {
    /// The candidate.
    pub candidate: &'a Candidate,
    /// All that it fails, never empty.
    pub failures: Vec<Failure<'a>>,
    /// The policies that have no verdict on it, which is a fault of theirs.
    pub broken: Vec<&'a str>,
}

/// Why nothing can be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Undecided<'a> {
    /// The catalog does not have a name in the request.
    Unknown {
        /// What is named.
        named: Named,
        /// The name given.
        given: Cow<'a, str>,
        /// The names there are.
        known: Vec<&'a str>,
    },
    /// The catalog has something that the request needs, but it is not accepted.
    NotAccepted {
        /// The field that names it; none for what no claim names, such as a policy.
        named: Option<Named>,
        /// Which object, and that it is not, as the beginning of a sentence.
        what: String,
        /// What is wrong with it.
        why: &'a str,
    },
}

/// The fields of a request that name something in the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the field of the request with that name")]
pub enum Named {
    Cell,
    Tier,
    Environment,
}

/// Decides where a claim with this request goes.
///
/// An unschedulable claim is no error: it is a decision without a [`winner`](Decision::winner).
///
/// # Errors
/// Every name of the request that this catalog does not know, and everything the request needs that is not accepted.
pub fn decide<'a>(catalog: &'a Snapshot, request: Request<'a>) -> Result<Decision<'a>, Vec<Undecided<'a>>> {
    let mut undecided = unknown(
        catalog,
        Some(&request.cell),
        Some(&request.tier),
        Some(&request.environment),
    );
    undecided.extend(refused(catalog, &request));
    let (Some(cell), Some(tier), true) = (
        catalog.cell(&request.cell),
        catalog.tier(&request.tier),
        undecided.is_empty(),
    ) else {
        return Err(undecided);
    };
    let required = required(tier, request.ha);
    let policies = catalog.policies_on(&request.subject());
    let demands = Demands {
        capabilities: &required,
        policies: &policies,
        subject: request.subject(),
    };
    let (ranked, excluded) = weigh(&cell.candidates, tier, &demands);
    Ok(Decision {
        catalog,
        request,
        cell,
        tier,
        required,
        policies,
        ranked,
        excluded,
        digest: OnceLock::new(),
    })
}

/// Tries every gate on every one of `candidates`, which come by name, and scores those that pass: best first.
pub(super) fn weigh<'a>(
    candidates: impl IntoIterator<Item = &'a Candidate>,
    tier: &Tier,
    demands: &Demands<'_, 'a>,
) -> (Vec<Ranked<'a>>, Vec<Excluded<'a>>) {
    let candidates = candidates.into_iter();
    let mut ranked = Vec::with_capacity(candidates.size_hint().0);
    let mut excluded = Vec::new();
    for candidate in candidates {
        let (failures, broken) = tried(candidate, demands);
        if failures.is_empty() {
            ranked.push(Ranked {
                candidate,
                score: score(candidate, tier),
            });
        } else {
            excluded.push(Excluded {
                candidate,
                failures,
                broken,
            });
        }
    }
    // Candidates come by name and the sort is stable, so ties stay in the order of their names.
    ranked.sort_by_key(|ranked| Reverse(ranked.score));
    (ranked, excluded)
}

/// The first gate: whether the catalog has what a request names. Names left out are not asked about.
#[must_use]
pub fn unknown<'a>(
    catalog: &'a Snapshot,
    cell: Option<&Cow<'a, str>>,
    tier: Option<&Cow<'a, str>>,
    environment: Option<&Cow<'a, str>>,
) -> Vec<Undecided<'a>> {
    let mut undecided = Vec::new();
    let mut unknown = |named, given: &Cow<'a, str>, known| {
        let given = given.clone();
        undecided.push(Undecided::Unknown { named, given, known });
    };
    let refused = catalog.not_accepted();
    let mut not_accepted = Vec::new();
    if let Some(given) = cell {
        match (catalog.cell(given), refused.cells.get(given.as_ref())) {
            (None, None) => unknown(
                Named::Cell,
                given,
                catalog.cells().map(|cell| cell.name.as_str()).collect(),
            ),
            (None, Some(why)) => not_accepted.push(Undecided::NotAccepted {
                named: Some(Named::Cell),
                what: format!("Cell {given} is there but not accepted"),
                why,
            }),
            (Some(cell), _) => {
                if let Some(given) = environment.filter(|name| !cell.environments.contains(name.as_ref())) {
                    let known = cell.environments.iter().map(String::as_str).collect();
                    unknown(Named::Environment, given, known);
                }
            }
        }
    }
    if let Some(given) = tier.filter(|name| catalog.tier(name).is_none()) {
        match refused.tiers.get(&given.to_ascii_lowercase()) {
            None => unknown(
                Named::Tier,
                given,
                catalog.tiers().map(|tier| tier.name.as_str()).collect(),
            ),
            Some(why) => not_accepted.push(Undecided::NotAccepted {
                named: Some(Named::Tier),
                what: format!("Tier {} is there but not accepted", given.to_ascii_lowercase()),
                why,
            }),
        }
    }
    undecided.extend(not_accepted);
    undecided
}

/// What is not accepted though no field of `request` names it: policies, and scores that its tier weighs.
#[must_use]
pub fn refused<'a>(catalog: &'a Snapshot, request: &Request<'_>) -> Vec<Undecided<'a>> {
    let not_accepted = catalog.not_accepted();
    let mut refused = Vec::new();
    if let Some(gaps) = not_accepted.unscored.get(request.cell.as_ref())
        && let Some(why) = gaps.get(&request.tier.to_ascii_lowercase())
    {
        refused.push(Undecided::NotAccepted {
            named: Some(Named::Tier),
            what: format!("Cell {} does not score all that this tier weighs", request.cell),
            why,
        });
    }
    let subject = request.subject();
    let policies = not_accepted.policies.iter();
    refused.extend(
        policies
            .filter(|policy| policy.matches.has(&subject))
            .map(|policy| Undecided::NotAccepted {
                named: None,
                what: format!("PlacementPolicy {} is there but not accepted", policy.name),
                why: &policy.why,
            }),
    );
    refused
}

/// The weighted score of `candidate` under `tier`.
#[must_use]
pub fn score(candidate: &Candidate, tier: &Tier) -> Points {
    breakdown(candidate, tier)
        .map(|(_, score, weight)| Points::weighed(score, weight))
        .sum()
}

/// Dimension, score and weight of everything that `tier` weighs.
pub fn breakdown<'a>(candidate: &'a Candidate, tier: &'a Tier) -> impl Iterator<Item = (&'a str, Fraction, Fraction)> {
    tier.weights.iter().map(|(dimension, weight)| {
        // The check saw to it that every weighed dimension is scored.
        let score = candidate.scores.get(dimension).copied().unwrap_or(Fraction::ZERO);
        (dimension.as_str(), score, *weight)
    })
}

impl<'a> Decision<'a> {
    /// The candidate that takes the claim; `None` where the claim is unschedulable.
    #[must_use]
    pub fn winner(&self) -> Option<Ranked<'a>> {
        self.ranked.first().copied()
    }

    /// What is demanded of every candidate.
    #[must_use]
    pub fn demands(&self) -> Demands<'_, 'a> {
        Demands {
            capabilities: &self.required,
            policies: &self.policies,
            subject: self.request.subject(),
        }
    }

    /// What the policies that only warn or audit say of the winner.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice<'a>> {
        let winner = self.winner();
        winner.map_or_else(Vec::new, |winner| notices(winner.candidate, &self.demands()))
    }

    /// How many candidates each cause excludes, the commonest first. One with several causes counts under each.
    #[must_use]
    pub fn causes(&self) -> Vec<(Cause<'_>, usize)> {
        let mut causes = self.counted(Failure::cause);
        // Policies are any number, and a reason has a bound.
        let is_policy = |(cause, _): &&(Cause<'_>, usize)| matches!(cause, Cause::Policy(_));
        if causes.iter().filter(is_policy).count() > MOST_POLICIES {
            let named = causes.iter().filter(is_policy).take(MOST_POLICIES);
            let named: BTreeSet<Cause<'_>> = named.map(|(cause, _)| cause.clone()).collect();
            causes = self.counted(|failure| match failure.cause() {
                cause @ Cause::Policy(_) if !named.contains(&cause) => Cause::OtherPolicies,
                cause => cause,
            });
        }
        causes
    }

    fn counted<'s>(&'s self, cause: impl Fn(&'s Failure<'a>) -> Cause<'s>) -> Vec<(Cause<'s>, usize)> {
        let mut counts = BTreeMap::new();
        for excluded in &self.excluded {
            let causes: BTreeSet<Cause<'_>> = excluded.failures.iter().map(&cause).collect();
            for cause in causes {
                *counts.entry(cause).or_insert(0) += 1;
            }
        }
        let mut causes: Vec<_> = counts.into_iter().collect();
        causes.sort_by_key(|(_, count)| Reverse(*count));
        causes
    }

    /// "2/3 candidates fit", and why the others do not.
    #[must_use]
    pub fn summary(&self) -> String {
        let fit = self.ranked.len();
        let total = fit + self.excluded.len();
        let fitting = if total == 1 { "candidate fits" } else { "candidates fit" };
        let mut text = format!("{fit}/{total} {fitting}");
        for (i, (cause, count)) in self.causes().into_iter().enumerate() {
            text.push_str(if i == 0 { ": " } else { ", " });
            text.push_str(&cause.counted(count));
        }
        text
    }

    /// The summary, then the excluded one by one as far as they fit a message: what a refused claim's author reads.
    #[must_use]
    pub fn refusal(&self) -> String {
        const MOST: usize = 20;
        const MOST_BYTES: usize = 4096;
        let mut text = self.summary();
        let mut left = self.excluded.len();
        for Excluded {
            candidate, failures, ..
        } in self.excluded.iter().take(MOST)
        {
            let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
            let line = format!("; {}: {}", candidate.name, failures.join(", "));
            if text.len() + line.len() > MOST_BYTES {
                break;
            }
            text.push_str(&line);
            left -= 1;
        }
        if left > 0 {
            text = format!("{text}; and {left} more");
        }
        text
    }
}

#[cfg(test)]
mod tests;
