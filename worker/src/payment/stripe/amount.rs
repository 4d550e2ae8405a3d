//! Amounts as Stripe counts them. Mostly ISO 4217's minor units; <https://docs.stripe.com/currencies> lists where not.

use orders::Currency;
use orders::money::minor_digits;

/// How many decimal places Stripe's amounts of a currency have.
fn places(currency: Currency) -> u32 {
    match currency {
        // ISO says 2; Stripe has no fifths of an ariary.
        Currency::MGA => 0,
        // ISO says 0, as Stripe once did not.
        Currency::ISK | Currency::UGX => 2,
        other => minor_digits(other).min(3),
    }
}

/// What is asked of Stripe for so many minor units; `None` when Stripe cannot take exactly that.
pub(super) fn to_stripe(minor: i64, currency: Currency) -> Option<i64> {
    let amount = scale(minor, minor_digits(currency), places(currency))?;
    // Card networks know no thousandths: Stripe wants their last digit to be 0.
    (places(currency) < 3 || amount % 10 == 0).then_some(amount)
}

/// How many minor units an amount of Stripe's is.
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
