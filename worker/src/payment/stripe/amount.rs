//! Conversion between minor units and Stripe's units. Stripe mostly uses the minor units of ISO
//! 4217; <https://docs.stripe.com/currencies> lists the exceptions.

use orders::Currency;
use orders::money::minor_digits;

/// The number of decimal places of Stripe's amounts in this currency.
fn places(currency: Currency) -> u32 {
    match currency {
        // ISO 4217 says 2, but Stripe only accepts whole ariary.
        Currency::MGA => 0,
        // ISO 4217 says 0, but Stripe keeps the former 2 for compatibility.
        Currency::ISK | Currency::UGX => 2,
        other => minor_digits(other).min(3),
    }
}

/// Converts minor units to Stripe's units; `None` if Stripe cannot take exactly this amount.
pub(super) fn to_stripe(minor: i64, currency: Currency) -> Option<i64> {
    let amount = scale(minor, minor_digits(currency), places(currency))?;
    // Card networks do not support three decimal places, so Stripe requires the last digit to be 0.
    (places(currency) < 3 || amount % 10 == 0).then_some(amount)
}

/// Converts Stripe's units to minor units; `None` if the result is not a whole number.
pub(super) fn from_stripe(amount: i64, currency: Currency) -> Option<i64> {
    scale(amount, places(currency), minor_digits(currency))
}

fn scale(amount: i64, from: u32, to: u32) -> Option<i64> {
    if to >= from {
        return amount.checked_mul(10_i64.checked_pow(to - from)?);
    }
    let factor = 10_i64.checked_pow(from - to)?;
    (amount % factor == 0).then_some(amount / factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_as_stripe_documents_them() {
        for (currency, minor, amount) in [
            (Currency::USD, 1_000, Some(1_000)),
            (Currency::JPY, 500, Some(500)),
            (Currency::CLP, 500, Some(500)),
            (Currency::HUF, 1_045, Some(1_045)),
            (Currency::TWD, 80_045, Some(80_045)),
            (Currency::ISK, 5, Some(500)),
            (Currency::UGX, 5, Some(500)),
            (Currency::MGA, 500, Some(5)),
            (Currency::MGA, 520, None),
            (Currency::KWD, 5_120, Some(5_120)),
            (Currency::KWD, 5_124, None),
        ] {
            assert_eq!(to_stripe(minor, currency), amount, "{minor} {}", currency.code());
            if let Some(amount) = amount {
                assert_eq!(from_stripe(amount, currency), Some(minor), "{amount} {}", currency.code());
            }
        }
        assert_eq!(from_stripe(550, Currency::ISK), None);
        assert_eq!(to_stripe(i64::MAX, Currency::ISK), None);
    }
}
