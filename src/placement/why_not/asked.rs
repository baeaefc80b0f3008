//! One candidate in its decision: where it stands, and each single change tried.

use std::borrow::Cow;

use super::{Change, Dimension, Margin, Rival, Standing};
use crate::catalog::{Candidate, Fraction, Policy, Tier};
use crate::placement::decide::{Decision, breakdown, decide, score, weigh};
use crate::placement::gate::{Demands, Failure, Gate};
use crate::placement::points::Points;
use crate::placement::request::{Request, Size};

/// The candidate that is asked about, in its decision.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) decision: &'a Decision<'a>,
    pub(super) candidate: &'a Candidate,
}

impl<'a> Asked<'a> {
    fn is(self, candidate: &Candidate) -> bool {
        candidate.name == self.candidate.name
    }

    pub(super) fn standing(self) -> Standing<'a> {
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
    pub(super) fn changes(self, failures: &'a [Failure<'a>]) -> Vec<Change<'a>> {
        let mut changes = match failures {
            [] => self.raises(),
            [only] if only.gate != Gate::Policy => self.without(only).into_iter().collect(),
            [first, ..] => first
                .policy()
                .and_then(|policy| self.without_policy(policy))
                .into_iter()
                .collect(),
        };
        changes.extend(self.other_ha());
        changes.extend(self.other_sizes());
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
    /// Whoever beats the winner beats everybody, and a higher score never does worse, so halving the range will do; save
    /// where a policy looks at scores, which may have its own mind.
    fn least(self, dimension: &str, from: Fraction, winner: &Candidate) -> Option<Fraction> {
        let mut raised = self.candidate.clone();
        let mut wins_with = |score: Fraction| {
            raised.scores.insert(dimension.to_owned(), score);
            let mut both = [&raised, winner];
            both.sort_by(|a, b| a.name.cmp(&b.name));
            self.wins_among(both)
        };
        if self.decision.policies.iter().any(|policy| policy.reads_scores()) {
            let mut higher = (from.units() + 1..=Fraction::UNITS).filter_map(Fraction::from_units);
            return higher.find(|score| wins_with(*score));
        }
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
            Gate::Policy => return None,
        };
        self.wins_among(candidates.iter().map(AsRef::as_ref)).then_some(change)
    }

    /// The end of `policy`, if that makes the candidate win.
    fn without_policy(self, policy: &'a str) -> Option<Change<'a>> {
        let Decision { policies, cell, .. } = self.decision;
        let others: Vec<&Policy> = policies.iter().copied().filter(|other| other.name != policy).collect();
        let demands = Demands {
            policies: &others,
            ..self.decision.demands()
        };
        let wins = self.wins_among_with(&cell.candidates, &demands);
        wins.then_some(Change::DeletePolicy { policy })
    }

    fn other_sizes(self) -> impl Iterator<Item = Change<'a>> {
        let asked = self.decision.request.size;
        let others = Size::ALL.into_iter().filter(move |size| *size != asked);
        let others = others.filter(move |size| {
            self.wins(Request {
                size: *size,
                ..self.decision.request.clone()
            })
        });
        others.map(|size| Change::SetSize { size })
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
        self.wins_among_with(candidates, &self.decision.demands())
    }

    fn wins_among_with<'c>(
        self,
        candidates: impl IntoIterator<Item = &'c Candidate>,
        demands: &Demands<'_, 'c>,
    ) -> bool {
        let (ranked, _) = weigh(candidates, self.decision.tier, demands);
        ranked.first().is_some_and(|winner| self.is(winner.candidate))
    }

    /// Whether the candidate wins under another request, the catalog as it is.
    fn wins(self, request: Request<'a>) -> bool {
        decide(self.decision.catalog, request)
            .is_ok_and(|decision| decision.winner().is_some_and(|winner| self.is(winner.candidate)))
    }
}
