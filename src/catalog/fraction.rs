//! The numbers of a catalog: from 0 to 1, at most four decimals, held exactly.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A score or a weight: a number from 0 to 1 in whole ten-thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fraction(u16);

/// Why a number is no [`Fraction`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FractionError {
    /// Below 0, above 1, or not finite.
    #[error("must be from 0 to 1")]
    OutOfRange,
    /// Finer than a ten-thousandth.
    #[error("must have at most four decimals")]
    TooFine,
}

impl Fraction {
    /// The number 0.
    pub const ZERO: Self = Self(0);
    /// The number 1.
    pub const ONE: Self = Self(Self::UNITS);
    /// How many units make 1.
    pub const UNITS: u16 = 10_000;

    /// `units` ten-thousandths; `None` above 1.
    #[must_use]
    pub fn from_units(units: u16) -> Option<Self> {
        (units <= Self::UNITS).then_some(Self(units))
    }

    /// This number in ten-thousandths.
    #[must_use]
    pub fn units(self) -> u16 {
        self.0
    }
}

impl TryFrom<f64> for Fraction {
    type Error = FractionError;

    /// Takes the shortest decimal that reads back as `value`, which is what its author wrote.
    fn try_from(value: f64) -> Result<Self, FractionError> {
        if !(0.0..=1.0).contains(&value) {
            return Err(FractionError::OutOfRange);
        }
        let shortest = value.abs().to_string();
        let (whole, decimals) = shortest.split_once('.').unwrap_or((&shortest, ""));
        if decimals.len() > 4 {
            return Err(FractionError::TooFine);
        }
        format!("{whole}{decimals:0<4}")
            .parse()
            .ok()
            .and_then(Self::from_units)
            .ok_or(FractionError::OutOfRange)
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(f, u64::from(self.0), u64::from(Self::UNITS))
    }
}

impl Serialize for Fraction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The division is rounded to the nearest f64, whose shortest form is the decimal itself.
        serializer.serialize_f64(f64::from(self.0) / f64::from(Self::UNITS))
    }
}

impl<'de> Deserialize<'de> for Fraction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Writes `value / scale` as a decimal without trailing zeros; `scale` is a power of ten.
pub(crate) fn write_decimal(f: &mut fmt::Formatter<'_>, value: u64, scale: u64) -> fmt::Result {
    let (whole, mut rest) = (value / scale, value % scale);
    if rest == 0 {
        return f.pad(&whole.to_string());
    }
    let mut digits = scale.ilog10() as usize;
    while rest.is_multiple_of(10) {
        rest /= 10;
        digits -= 1;
    }
    f.pad(&format!("{whole}.{rest:0digits$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ten_thousandth_survives_the_way_through_f64() {
        for units in 0..=Fraction::UNITS {
            let fraction = Fraction(units);
            let written = serde_json::to_string(&fraction).unwrap();
            let read: f64 = serde_json::from_str(&written).unwrap();
            assert_eq!(Fraction::try_from(read), Ok(fraction), "{written}");
            assert_eq!(fraction.to_string().parse::<f64>().unwrap().to_bits(), read.to_bits());
        }
    }

    #[test]
    fn numbers_outside_or_too_fine_are_refused() {
        for bad in [-0.1, 1.0001, 2.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Fraction::try_from(bad), Err(FractionError::OutOfRange), "{bad}");
        }
        for bad in [0.12345, 0.000_01, 1e-300, 0.1 + 0.2] {
            assert_eq!(Fraction::try_from(bad), Err(FractionError::TooFine), "{bad}");
        }
        assert_eq!(Fraction::try_from(-0.0), Ok(Fraction::ZERO));
    }
}
