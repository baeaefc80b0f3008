//! Scores added up, exact: score × weight, each with four decimals, gives eight.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::catalog::Fraction;
use crate::catalog::fraction::write_decimal;

/// A number of points in whole hundred-millionths. Weights add up to 1, so a total is from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Points(u64);

impl Points {
    /// How many units make 1.
    pub const UNITS: u32 = 100_000_000;

    /// `score` times `weight`.
    #[must_use]
    pub fn weighed(score: Fraction, weight: Fraction) -> Self {
        Self(u64::from(score.units()) * u64::from(weight.units()))
    }

    /// This number in hundred-millionths.
    #[must_use]
    pub fn units(self) -> u64 {
        self.0
    }
}

/// Writes `value`, which has that many decimals, without trailing zeros.
pub(super) fn push_decimal<const DECIMALS: usize>(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    let mut digits = [b'0'; 28];
    let mut used = 0;
    for digit in digits.iter_mut().rev() {
        if used > DECIMALS && rest == 0 {
            break;
        }
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
        used += 1;
    }
    let (whole, decimals) = digits.split_at(digits.len() - DECIMALS);
    out.extend_from_slice(whole.get(whole.len() + DECIMALS - used..).unwrap_or_default());
    let decimals = decimals
        .iter()
        .rposition(|digit| *digit != b'0')
        .and_then(|last| decimals.get(..=last))
        .unwrap_or_default();
    if !decimals.is_empty() {
        out.push(b'.');
        out.extend_from_slice(decimals);
    }
}

impl Add for Points {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

/// Never below zero.
impl Sub for Points {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Points {
    fn sum<I: Iterator<Item = Self>>(points: I) -> Self {
        points.fold(Self::default(), Add::add)
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, self.0, u64::from(Self::UNITS))
    }
}

impl Serialize for Points {
    #[allow(
        clippy::cast_precision_loss,
        reason = "a total is at most 10^8, and f64 is exact to 2^53"
    )]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / f64::from(Self::UNITS))
    }
}

impl<'de> Deserialize<'de> for Points {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is checked first"
    )]
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if !(0.0..=1.0).contains(&number) {
            return Err(de::Error::custom("points must be from 0 to 1"));
        }
        Ok(Self((number * f64::from(Self::UNITS)).round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(value: f64) -> Fraction {
        Fraction::try_from(value).unwrap()
    }

    #[test]
    fn products_are_exact_and_shown_without_trailing_zeros() {
        let points = Points::weighed(fraction(0.95), fraction(0.25)) + Points::weighed(fraction(0.9), fraction(0.65));
        assert_eq!(points.units(), 82_250_000);
        assert_eq!(points.to_string(), "0.8225");
        assert_eq!(serde_json::to_string(&points).unwrap(), "0.8225");
        assert_eq!(
            Points::weighed(fraction(0.0001), fraction(0.0001)).to_string(),
            "0.00000001"
        );
        assert_eq!(Points::weighed(Fraction::ONE, Fraction::ONE).to_string(), "1");
    }

    #[test]
    fn every_sampled_total_survives_the_way_through_json() {
        for units in (0..=u64::from(Points::UNITS))
            .step_by(997)
            .chain([1, 99_999_999, 100_000_000])
        {
            let points = Points(units);
            let json = serde_json::to_string(&points).unwrap();
            assert_eq!(serde_json::from_str::<Points>(&json).unwrap(), points, "{json}");
            assert_eq!(
                points.to_string().parse::<f64>().unwrap().to_bits(),
                json.parse::<f64>().unwrap().to_bits()
            );
        }
    }
}
