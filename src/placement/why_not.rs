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

use std::borrow::Cow;
use std::cmp::Reverse;
use std::fmt::{self, Write};

use serde::{Serialize, Serializer};

use crate::catalog::fraction::write_decimal;
use crate::catalog::{Candidate, Cell, Fraction, Tier};

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

impl fmt::Display for WhyNot<'_> {
    /// A few lines, the last without a line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.candidate;
        match &self.standing {
            Standing::Winner { score, runner_up } => {
                write!(f, "{name} is the winner, with {score} points")?;
                return match runner_up {
                    None => f.write_str("; no other candidate fits."),
                    Some(next) if next.score == *score => {
                        write!(f, "; {} has as many, and comes after it by name.", next.candidate)
                    }
                    Some(next) => write!(f, "; next is {} with {}.", next.candidate, next.score),
                };
            }
            Standing::Excluded {
                failures,
                score,
                winner,
            } => {
                let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
                writeln!(f, "{name} does not fit: {}.", failures.join(", "))?;
                match winner {
                    Some(Rival { candidate, score: best }) => {
                        writeln!(f, "It would score {score}; the winner, {candidate}, has {best}.")?;
                    }
                    None => writeln!(f, "It would score {score}; no candidate fits.")?,
                }
            }
            Standing::Behind {
                score, winner, behind, ..
            } => {
                let Rival { candidate, score: best } = winner;
                if *behind == Margin::default() {
                    writeln!(
                        f,
                        "{name} has as many points as {candidate} ({score}), and comes after it by name."
                    )?;
                } else {
                    writeln!(
                        f,
                        "{name} is {behind} points behind {candidate} ({score} against {best})."
                    )?;
                }
                if let Some(worst) = self.standing.loses_most_in() {
                    let Dimension {
                        dimension,
                        weight,
                        points,
                        winner_points,
                        ..
                    } = worst;
                    writeln!(
                        f,
                        "It loses most in {dimension}: {points} points ({} × {weight}) against {winner_points} ({} × {weight}).",
                        worst.score, worst.winner_score
                    )?;
                }
            }
        }
        match self.smallest() {
            Some(change) => write!(f, "It would win {change}."),
            None => f.write_str("No single change would make it win."),
        }
    }
}

impl fmt::Display for Change<'_> {
    /// What follows on "It would win".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RaiseScore { dimension, from, to } => write!(f, "with {dimension} {to} instead of {from}"),
            Self::AddCapability { capability } => write!(f, "if it had {capability}"),
            Self::LiftCordon { gate, of } => {
                let what = match gate {
                    Gate::Provider => "provider ",
                    Gate::Region => "region ",
                    Gate::Candidate | Gate::Capability => "",
                };
                write!(f, "if {what}{of} were not cordoned")
            }
            Self::SetHa { ha } => write!(f, "with ha: {ha}"),
            Self::SetTier { tier } => write!(f, "as tier {tier}"),
        }
    }
}

impl fmt::Display for Margin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        write_decimal(f, self.0.unsigned_abs(), u64::from(Points::UNITS))
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

fn listed(names: &[String]) -> String {
    const MOST: usize = 20;
    let mut text = names
        .iter()
        .take(MOST)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if let Some(more @ 1..) = names.len().checked_sub(MOST) {
        let _ = write!(text, " and {more} more");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::request::Size;
    use super::*;
    use crate::catalog::{Object, Snapshot, builtin, check};
    use serde_json::{Value, json};

    fn decided<'a>(catalog: &'a Snapshot, tier: &'a str, ha: bool) -> Decision<'a> {
        let request = Request {
            cell: "payments".into(),
            tier: tier.into(),
            environment: "prod".into(),
            size: Size::Small,
            storage_gb: 50,
            ha,
        };
        decide(catalog, request).unwrap()
    }

    /// The built-in catalog, its objects changed: two of its clouds, gcp and oci, are `[1]` and `[2]`, its cell `[6]`.
    fn builtin_with(edit: impl FnOnce(&mut [Value])) -> Snapshot {
        let mut objects = builtin::load().unwrap().objects();
        edit(&mut objects);
        let objects: Vec<Object> = objects
            .into_iter()
            .map(|value| Object {
                file: "test".to_owned(),
                value,
            })
            .collect();
        check(&objects).unwrap()
    }

    fn said(catalog: &Snapshot, tier: &str, ha: bool, name: &str) -> String {
        why_not(&decided(catalog, tier, ha), name).unwrap().to_string()
    }

    fn changes(tier: &str, ha: bool, name: &str) -> Vec<String> {
        let catalog = builtin::load().unwrap();
        let decision = decided(&catalog, tier, ha);
        let why_not = why_not(&decision, name).unwrap();
        why_not.changes.iter().map(ToString::to_string).collect()
    }

    // Scores, as latency, dr, maturity, cost: AWS .90 .95 .95 .50, GCP .88 .85 .88 .65, OCI .80 .70 .65 .85.
    // Totals: C0 AWS .8675, GCP .8365; C1 AWS .825, GCP .815, OCI .75; C2 OCI .7875, GCP .7605, AWS .715.

    #[test]
    fn gcp_for_c1_is_a_hundredth_behind_and_needs_a_little_more_than_a_tie() {
        // Weights .25 each, AWS less GCP: latency .005, dr .025, maturity .0175, cost -.0375; in all .01.
        // .01 / .25 = .04 would tie, and aws comes before gcp by name, so .0401 in whichever dimension. All four can
        // take it (.9201, .8901, .9201, .6901), and of equal raises cost is first by name.
        let catalog = builtin::load().unwrap();
        assert_eq!(
            said(&catalog, "C1", false, "gcp-us-central1"),
            "gcp-us-central1 is 0.01 points behind aws-us-east-1 (0.815 against 0.825).\n\
             It loses most in dr: 0.2125 points (0.85 × 0.25) against 0.2375 (0.95 × 0.25).\n\
             It would win with cost 0.6901 instead of 0.65."
        );
        assert_eq!(
            changes("C1", false, "gcp"),
            [
                "with cost 0.6901 instead of 0.65",
                "with dr 0.8901 instead of 0.85",
                "with latency 0.9201 instead of 0.88",
                "with maturity 0.9201 instead of 0.88",
            ]
        );
    }

    #[test]
    fn gcp_for_c2_only_has_to_tie_with_oci() {
        // .027 behind. By cost (weight .50): .054, and gcp comes before oci, so the tie at .704 wins. By latency (.20)
        // .135 would be 1.015; by dr and maturity (.15) .18 would be 1.03 and 1.06. With ha, OCI is out and GCP wins.
        assert_eq!(
            changes("C2", false, "gcp"),
            ["with cost 0.704 instead of 0.65", "with ha: true"]
        );
    }

    #[test]
    fn aws_for_c2_wins_by_cost_or_as_another_tier() {
        // .0725 behind. By cost .145: .645, a tie that aws wins. By latency .3625, by the others .48: beyond 1.
        // With ha GCP wins. C0 and C1 are AWS's.
        assert_eq!(
            changes("C2", false, "aws"),
            ["with cost 0.645 instead of 0.5", "as tier C0", "as tier C1"]
        );
    }

    #[test]
    fn the_least_raise_comes_first_and_equal_ones_by_dimension() {
        // .031 behind, and a tie goes to aws. By dr and latency (.30): .031 / .30 = .1033…, so .1034: .9534, .9834.
        // By cost (.15): .2067, so .8567. By maturity (.25): .124 ties, .1241 would be 1.0041.
        assert_eq!(
            changes("C0", false, "gcp"),
            [
                "with dr 0.9534 instead of 0.85",
                "with latency 0.9834 instead of 0.88",
                "with cost 0.8567 instead of 0.65",
            ]
        );
        // With ha, C2 is GCP's; without, it is OCI's.
        assert_eq!(changes("C0", true, "gcp").last().unwrap(), "as tier C2");
    }

    #[test]
    fn oci_for_c1_can_only_rise_in_maturity_or_be_c2() {
        // .075 behind, and a tie goes to aws: .3001 more. latency 1.1001, dr 1.0001, cost 1.1501, maturity .9501.
        assert_eq!(
            changes("C1", false, "oci"),
            ["with maturity 0.9501 instead of 0.65", "as tier C2"]
        );
    }

    #[test]
    fn a_lacking_capability_is_the_change_where_that_alone_would_do() {
        // With MultiAZ, OCI's .7875 beats GCP's .7605. Without ha nobody asks for it.
        let catalog = builtin::load().unwrap();
        assert_eq!(
            said(&catalog, "C2", true, "oci"),
            "oci-us-ashburn-1 does not fit: lacks MultiAZ.\n\
             It would score 0.7875; the winner, gcp-us-central1, has 0.7605.\n\
             It would win if it had MultiAZ."
        );
        assert_eq!(changes("C2", true, "oci"), ["if it had MultiAZ", "with ha: false"]);
    }

    #[test]
    fn a_capability_that_would_not_be_enough_is_not_offered() {
        // C0 with MultiAZ: .30×.80 + .30×.70 + .25×.65 + .15×.85 = .24 + .21 + .1625 + .1275 = .74, below AWS's .8675.
        let catalog = builtin::load().unwrap();
        assert_eq!(changes("C0", false, "oci"), ["as tier C2"]);
        // With ha, C2 asks for MultiAZ too, and C0 without ha still does.
        assert_eq!(
            said(&catalog, "C0", true, "oci"),
            "oci-us-ashburn-1 does not fit: lacks MultiAZ.\n\
             It would score 0.74; the winner, aws-us-east-1, has 0.8675.\n\
             No single change would make it win."
        );
    }

    #[test]
    fn the_winner_is_told_its_runner_up() {
        let catalog = builtin::load().unwrap();
        assert_eq!(
            said(&catalog, "C1", false, "aws"),
            "aws-us-east-1 is the winner, with 0.825 points; next is gcp-us-central1 with 0.815."
        );
        assert_eq!(changes("C1", false, "aws"), [""; 0]);
        let alone = builtin_with(|objects| {
            objects[1]["spec"]["cordoned"] = json!({"reason": "x"});
        });
        assert_eq!(
            said(&alone, "C0", false, "aws"),
            "aws-us-east-1 is the winner, with 0.8675 points; no other candidate fits."
        );
    }

    #[test]
    fn a_tie_is_said_to_be_one_on_both_sides() {
        // GCP at AWS's scores: nothing is lost in any dimension, and one ten-thousandth is enough.
        let tie = builtin_with(|objects| {
            let candidates = &mut objects[6]["spec"]["candidates"];
            candidates[1]["scores"] = candidates[0]["scores"].clone();
        });
        assert_eq!(
            said(&tie, "C1", false, "aws"),
            "aws-us-east-1 is the winner, with 0.825 points; gcp-us-central1 has as many, and comes after it by name."
        );
        assert_eq!(
            said(&tie, "C1", false, "gcp"),
            "gcp-us-central1 has as many points as aws-us-east-1 (0.825), and comes after it by name.\n\
             It would win with cost 0.5001 instead of 0.5."
        );
    }

    #[test]
    fn a_cordon_that_is_the_only_failure_is_lifted_wherever_it_is() {
        let closed = json!({"reason": "evacuation"});
        for (place, of) in [(0, "provider oci"), (1, "region us-ashburn-1"), (2, "oci-us-ashburn-1")] {
            let catalog = builtin_with(|objects| match place {
                0 => objects[2]["spec"]["cordoned"] = closed.clone(),
                1 => objects[2]["spec"]["regions"] = json!([{"name": "us-ashburn-1", "cordoned": closed}]),
                _ => objects[6]["spec"]["candidates"][2]["cordoned"] = closed.clone(),
            });
            let said = said(&catalog, "C2", false, "oci");
            assert!(
                said.ends_with(&format!("\nIt would win if {of} were not cordoned.")),
                "{said}"
            );
        }
        // Two cordons are two changes; and no change of the claim opens anything.
        let twice = builtin_with(|objects| {
            objects[2]["spec"]["cordoned"] = closed.clone();
            objects[6]["spec"]["candidates"][2]["cordoned"] = closed.clone();
        });
        assert_eq!(
            said(&twice, "C2", false, "oci"),
            "oci-us-ashburn-1 does not fit: its provider is cordoned (evacuation), cordoned (evacuation).\n\
             It would score 0.7875; the winner, gcp-us-central1, has 0.7605.\n\
             No single change would make it win."
        );
    }

    /// OCI's candidate a second time, in the same cloud and region, and better.
    fn with_a_better_sibling(objects: &mut [Value]) {
        let candidates = objects[6]["spec"]["candidates"].as_array_mut().unwrap();
        let mut sibling = candidates[2].clone();
        sibling["name"] = json!("oci-better");
        sibling["runtimeCluster"] = json!("oci-better");
        sibling["scores"]["cost"] = json!(0.9);
        candidates.push(sibling);
    }

    #[test]
    fn lifting_a_cordon_opens_the_siblings_too_and_one_of_them_may_win() {
        for (pointer, value) in [
            ("cordoned", json!({"reason": "x"})),
            (
                "regions",
                json!([{"name": "us-ashburn-1", "cordoned": {"reason": "x"}}]),
            ),
        ] {
            let catalog = builtin_with(|objects| {
                with_a_better_sibling(objects);
                objects[2]["spec"][pointer] = value;
            });
            let lifted = |name: &str| said(&catalog, "C2", false, name).contains("were not cordoned");
            assert!(lifted("oci-better"), "{pointer}");
            assert!(!lifted("oci-us-ashburn-1"), "{pointer}");
        }
        // A sibling with a cordon of its own stays closed.
        let catalog = builtin_with(|objects| {
            with_a_better_sibling(objects);
            objects[2]["spec"]["cordoned"] = json!({"reason": "x"});
            objects[6]["spec"]["candidates"][3]["cordoned"] = json!({"reason": "x"});
        });
        assert!(said(&catalog, "C2", false, "oci-us-ashburn-1").contains("were not cordoned"));
    }

    #[test]
    fn where_nobody_fits_the_one_failure_still_counts() {
        let catalog = builtin_with(|objects| {
            for candidate in objects[6]["spec"]["candidates"].as_array_mut().unwrap() {
                candidate["capabilities"] = json!(["PrivateNetworking"]);
            }
        });
        assert_eq!(
            said(&catalog, "C1", false, "gcp"),
            "gcp-us-central1 does not fit: lacks PITR.\n\
             It would score 0.815; no candidate fits.\n\
             It would win if it had PITR."
        );
        let two = said(&catalog, "C1", true, "gcp");
        assert!(two.ends_with("\nNo single change would make it win."), "{two}");
    }

    #[test]
    fn names_are_those_of_candidates_then_of_providers_without_case() {
        let catalog = builtin_with(|objects| {
            with_a_better_sibling(objects);
            // A candidate called as another one's provider: the candidate is meant.
            objects[6]["spec"]["candidates"][0]["name"] = json!("gcp");
        });
        let decision = decided(&catalog, "C1", false);
        assert_eq!(why_not(&decision, "gcp").unwrap().candidate, "gcp");
        assert_eq!(why_not(&decision, "AWS").unwrap().candidate, "gcp");
        assert_eq!(
            why_not(&decision, "GCP-US-Central1").unwrap().candidate,
            "gcp-us-central1"
        );
        assert_eq!(
            why_not(&decision, "oci").unwrap_err().to_string(),
            "provider oci has 2 candidates; name one of them: oci-better, oci-us-ashburn-1"
        );
        assert_eq!(
            why_not(&decision, "az\u{1b}ure").unwrap_err().to_string(),
            "cell payments has no candidate and no provider \"az\\u{1b}ure\"; its candidates: gcp, gcp-us-central1, \
             oci-better, oci-us-ashburn-1"
        );
    }

    #[test]
    fn long_lists_are_cut_in_words_but_not_in_data() {
        let catalog = builtin_with(|objects| {
            let candidates = objects[6]["spec"]["candidates"].as_array_mut().unwrap();
            let one = candidates[0].clone();
            *candidates = (0..22)
                .map(|i| {
                    let mut candidate = one.clone();
                    candidate["name"] = json!(format!("c{i:02}"));
                    candidate["runtimeCluster"] = json!(format!("c{i:02}"));
                    candidate
                })
                .collect();
        });
        let decision = decided(&catalog, "C1", false);
        let NoCandidate::Several { candidates, .. } = why_not(&decision, "aws").unwrap_err() else {
            panic!()
        };
        assert_eq!(candidates.len(), 22);
        let text = why_not(&decision, "aws").unwrap_err().to_string();
        assert!(text.ends_with(", c19 and 2 more"), "{text}");
    }

    #[test]
    fn as_data_it_is_all_there_with_exact_numbers() {
        let catalog = builtin::load().unwrap();
        let behind = decided(&catalog, "C2", false);
        assert_eq!(
            serde_json::to_value(why_not(&behind, "gcp").unwrap()).unwrap(),
            json!({
                "candidate": "gcp-us-central1",
                "standing": {
                    "kind": "behind",
                    "score": 0.7605,
                    "winner": {"candidate": "oci-us-ashburn-1", "score": 0.7875},
                    "behind": 0.027,
                    "dimensions": [
                        {"dimension": "cost", "weight": 0.5, "score": 0.65, "points": 0.325,
                         "winnerScore": 0.85, "winnerPoints": 0.425, "behind": 0.1},
                        {"dimension": "dr", "weight": 0.15, "score": 0.85, "points": 0.1275,
                         "winnerScore": 0.7, "winnerPoints": 0.105, "behind": -0.0225},
                        {"dimension": "latency", "weight": 0.2, "score": 0.88, "points": 0.176,
                         "winnerScore": 0.8, "winnerPoints": 0.16, "behind": -0.016},
                        {"dimension": "maturity", "weight": 0.15, "score": 0.88, "points": 0.132,
                         "winnerScore": 0.65, "winnerPoints": 0.0975, "behind": -0.0345},
                    ],
                },
                "changes": [
                    {"kind": "raiseScore", "dimension": "cost", "from": 0.65, "to": 0.704},
                    {"kind": "setHa", "ha": true},
                ],
            })
        );
        let excluded = decided(&catalog, "C2", true);
        assert_eq!(
            serde_json::to_value(why_not(&excluded, "oci").unwrap()).unwrap(),
            json!({
                "candidate": "oci-us-ashburn-1",
                "standing": {
                    "kind": "excluded",
                    "failures": [{"gate": "Capability", "detail": "MultiAZ"}],
                    "score": 0.7875,
                    "winner": {"candidate": "gcp-us-central1", "score": 0.7605},
                },
                "changes": [{"kind": "addCapability", "capability": "MultiAZ"}, {"kind": "setHa", "ha": false}],
            })
        );
        assert_eq!(
            serde_json::to_value(why_not(&excluded, "gcp").unwrap()).unwrap(),
            json!({
                "candidate": "gcp-us-central1",
                "standing": {
                    "kind": "winner",
                    "score": 0.7605,
                    "runnerUp": {"candidate": "aws-us-east-1", "score": 0.715},
                },
                "changes": [],
            })
        );
    }

    #[test]
    fn a_margin_is_shown_with_its_sign() {
        let points = |units| Points::weighed(Fraction::from_units(units).unwrap(), Fraction::ONE);
        assert_eq!(Margin::between(points(5000), points(5375)).to_string(), "-0.0375");
        assert_eq!(Margin::between(points(5375), points(5000)).to_string(), "0.0375");
        assert_eq!(Margin::between(points(1), points(1)).to_string(), "0");
    }
}
