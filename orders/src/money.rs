//! Exact money: an integer number of minor units (cents for USD, yen for JPY) and an ISO 4217
//! currency.
//!
//! A JSON number such as `1299.99` is read and written as text, never as a binary float. The sum
//! `0.1 + 0.2` has no exact `f64`, and an amount that is wrong by a cent is a wrong charge.

pub use iso_currency::Currency;
use rust_decimal::Decimal;
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::value::RawValue;

/// The largest accepted amount in minor units: 10 billion in a currency with cents. The sum of 100
/// line items stays far below the limit of an `i64`.
pub const MAX_MINOR: i64 = 1_000_000_000_000;

/// An amount in one currency. It serializes as an exact JSON number of major units: 129999 minor
/// units of USD are `1299.99`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    /// In minor units of `currency`.
    pub minor: i64,
    pub currency: Currency,
}

/// Why a JSON number is not an amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// The field is the largest amount in the currency.
    #[error("must be an amount between 0 and {0}")]
    OutOfRange(Money),
    /// The field is the number of decimal places that the currency has.
    #[error("must have {} decimal places", if *.0 == 0 { "no".to_owned() } else { format!("at most {}", .0) })]
    TooPrecise(u32),
}

impl Money {
    /// Reads the text of a JSON number exactly. The number may have an exponent.
    ///
    /// # Errors
    /// If the amount is negative, above [`MAX_MINOR`], or finer than the currency's minor unit.
    pub fn parse(number: &str, currency: Currency) -> Result<Self, AmountError> {
        let out_of_range = AmountError::OutOfRange(Self { minor: MAX_MINOR, currency });
        let number = Decimals::read(number).ok_or(out_of_range)?;
        let places = minor_digits(currency);
        if number.digits.is_empty() {
            return Ok(Self { minor: 0, currency });
        }
        if number.negative {
            return Err(out_of_range);
        }
        if number.places > i64::from(places) {
            return Err(AmountError::TooPrecise(places));
        }
        let zeros = usize::try_from(i64::from(places).saturating_sub(number.places)).map_err(|_| out_of_range)?;
        // An i64 has at most 19 digits. The check precedes `repeat`, so that a large exponent does
        // not allocate a long string of zeros.
        let minor = (number.digits.len().saturating_add(zeros) <= 19)
            .then(|| format!("{}{}", number.digits, "0".repeat(zeros)))
            .and_then(|digits| digits.parse().ok())
            .filter(|minor| (0..=MAX_MINOR).contains(minor))
            .ok_or(out_of_range)?;
        Ok(Self { minor, currency })
    }
}

/// A JSON number of any size, split into its parts. `rust_decimal` cannot be used here: it has at
/// most 28 decimal places, and reports a number with more of them as too large.
struct Decimals {
    negative: bool,
    /// The digits without zeros at either end; empty for zero.
    digits: String,
    /// How many of the digits follow the decimal point. Negative if zeros stand between the digits
    /// and the point.
    places: i64,
}

impl Decimals {
    fn read(number: &str) -> Option<Self> {
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (negative, mantissa) = mantissa.strip_prefix('-').map_or((false, mantissa), |mantissa| (true, mantissa));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let significant = digits.trim_end_matches('0');
        let dropped = digits.len() - significant.len();
        // An exponent beyond the range of an i64 is replaced by the limit of the range. No amount
        // comes near that limit.
        let exponent = exponent.parse().unwrap_or(if exponent.starts_with('-') { i64::MIN } else { i64::MAX });
        let places = i64::try_from(fraction.len()).ok()?.saturating_sub(i64::try_from(dropped).ok()?).saturating_sub(exponent);
        Some(Self { negative, digits: significant.trim_start_matches('0').to_owned(), places })
    }
}

/// The number of decimal places of the currency (ISO 4217); 2 if the standard defines none.
#[must_use]
pub fn minor_digits(currency: Currency) -> u32 {
    currency.exponent().map_or(2, u32::from)
}

impl std::fmt::Display for Money {
    /// The amount in major units with the currency's decimal places, without the currency:
    /// `1299.99`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Decimal::from_i128_with_scale(i128::from(self.minor), minor_digits(self.currency)).fmt(f)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usd(number: &str) -> Result<i64, AmountError> {
        Money::parse(number, Currency::USD).map(|m| m.minor)
    }

    #[test]
    fn reads_decimals_exactly() {
        assert_eq!(usd("1299.99"), Ok(129_999));
        assert_eq!(usd("1299.990"), Ok(129_999));
        assert_eq!(usd("1.29999e3"), Ok(129_999));
        assert_eq!(usd("0.1"), Ok(10));
        assert_eq!(usd("-0"), Ok(0));
        assert_eq!(usd("10000000000"), Ok(MAX_MINOR));
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for number in ["1e400", "1e99999999999999999999", "-1", "10000000000.01", "99999999999999999999999999999999"] {
            assert_eq!(usd(number), Err(AmountError::OutOfRange(Money { minor: MAX_MINOR, currency: Currency::USD })), "{number}");
        }
        assert_eq!(usd("0.001"), Err(AmountError::TooPrecise(2)));
        assert_eq!(usd("1e-9"), Err(AmountError::TooPrecise(2)));
        assert_eq!(usd("-0.001"), Err(AmountError::OutOfRange(Money { minor: MAX_MINOR, currency: Currency::USD })));
    }

    /// The error is the same for any number of decimal places.
    #[test]
    fn too_many_decimal_places_are_told_as_that() {
        for places in [3, 27, 28, 29, 30, 60_000] {
            for zeros in [0, 5] {
                let number = format!("1.{}1{}", "0".repeat(places - 1), "0".repeat(zeros));
                assert_eq!(usd(&number), Err(AmountError::TooPrecise(2)), "{places}");
            }
            assert_eq!(usd(&format!("1.25{}", "0".repeat(places))), Ok(125), "{places}");
        }
        for number in ["1e-30", "125e-3", "1E-99999999999999999999", "0.1e-2"] {
            assert_eq!(usd(number), Err(AmountError::TooPrecise(2)), "{number}");
        }
        assert_eq!((usd("12500e-4"), usd("0.00125E+3"), usd("0e-99999999999999999999")), (Ok(125), Ok(125), Ok(0)));
        let fault = |currency| Money::parse("0.00001", currency).unwrap_err().to_string();
        assert_eq!(fault(Currency::USD), "must have at most 2 decimal places");
        assert_eq!(fault(Currency::JPY), "must have no decimal places");
    }

    #[test]
    fn follows_the_currency() {
        assert_eq!(Money::parse("1500", Currency::JPY).map(|m| m.minor), Ok(1500));
        assert_eq!(Money::parse("1.5", Currency::JPY), Err(AmountError::TooPrecise(0)));
        assert_eq!(Money::parse("1.234", Currency::KWD).map(|m| m.minor), Ok(1234));
        for (currency, text) in [(Currency::USD, "10000000000.00"), (Currency::JPY, "1000000000000"), (Currency::KWD, "1000000000.000")] {
            let fault = Money::parse("1e20", currency).unwrap_err().to_string();
            assert_eq!(fault, format!("must be an amount between 0 and {text}"));
        }
    }

    #[test]
    fn writes_what_it_read() {
        for (minor, text) in [(129_999, "1299.99"), (0, "0.00"), (5, "0.05"), (130_000, "1300.00")] {
            let money = Money { minor, currency: Currency::USD };
            assert_eq!(serde_json::to_string(&money).unwrap(), text);
            assert_eq!(Money::parse(text, Currency::USD), Ok(money));
        }
    }
}
