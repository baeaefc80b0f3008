//! The answer as a few lines for people.

use std::fmt;

use super::{Change, Dimension, Margin, Rival, Standing, WhyNot};
use crate::catalog::fraction::write_decimal;
use crate::placement::{Gate, Points};

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
                    Gate::Candidate | Gate::Capability | Gate::Policy => "",
                };
                write!(f, "if {what}{of} were not cordoned")
            }
            Self::DeletePolicy { policy } => write!(f, "if policy {policy} were deleted"),
            Self::SetSize { size } => write!(f, "as size {size}"),
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
