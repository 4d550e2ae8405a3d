//! Money is exact: an amount reads back as it was written, and is never rounded, wrapped or
//! changed.

use orders::{
    Currency, Money,
    money::{AmountError, MAX_MINOR, minor_digits},
    order::LineItem,
};
use proptest::{prelude::*, sample::select};

/// Currencies with 0, 2, 3 and 4 decimal places.
fn currency() -> impl Strategy<Value = Currency> {
    select(vec![Currency::JPY, Currency::USD, Currency::EUR, Currency::KWD, Currency::CLF])
}

fn amount() -> impl Strategy<Value = Money> {
    (0..=MAX_MINOR, currency()).prop_map(|(minor, currency)| Money { minor, currency })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(money in amount()) {
        prop_assert_eq!(Money::parse(&money.to_string(), money.currency), Ok(money));
        prop_assert_eq!(serde_json::to_string(&money).unwrap(), money.to_string());
    }

    #[test]
    fn zeros_at_the_end_and_exponents_change_nothing(money in amount(), zeros in 0_usize..6) {
        let places = minor_digits(money.currency);
        let point = if places == 0 && zeros > 0 { "." } else { "" };
        let longer = format!("{money}{point}{}", "0".repeat(zeros));
        prop_assert_eq!(Money::parse(&longer, money.currency), Ok(money), "{}", longer);
        let scientific = format!("{}e-{places}", money.minor);
        prop_assert_eq!(Money::parse(&scientific, money.currency), Ok(money), "{}", scientific);
    }

    #[test]
    fn half_a_minor_unit_is_refused_and_not_rounded(money in amount()) {
        let point = if minor_digits(money.currency) == 0 { "." } else { "" };
        let finer = format!("{money}{point}5");
        prop_assert_eq!(Money::parse(&finer, money.currency), Err(AmountError::TooPrecise(minor_digits(money.currency))), "{}", finer);
    }

    #[test]
    fn what_is_too_much_or_below_zero_is_refused(beyond in 1..=i64::MAX - MAX_MINOR, currency in currency()) {
        let above = Money { minor: MAX_MINOR + beyond, currency };
        let below = Money { minor: -beyond, currency };
        let largest = Money { minor: MAX_MINOR, currency };
        prop_assert_eq!(Money::parse(&above.to_string(), currency), Err(AmountError::OutOfRange(largest)));
        prop_assert_eq!(Money::parse(&below.to_string(), currency), Err(AmountError::OutOfRange(largest)));
    }

    #[test]
    fn any_number_of_json_is_an_amount_or_a_refusal(number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,4})?", currency in currency()) {
        if let Ok(money) = Money::parse(&number, currency) {
            prop_assert!((0..=MAX_MINOR).contains(&money.minor));
            prop_assert_eq!(Money::parse(&money.to_string(), currency), Ok(money));
        }
    }

    #[test]
    fn any_text_is_read_without_harm(text in ".{0,40}", currency in currency()) {
        let _ = Money::parse(&text, currency);
    }

    #[test]
    fn a_line_costs_its_units_or_is_too_much(quantity: i32, price: i64) {
        let line = LineItem { product_id: "P".to_owned(), quantity, unit_price_minor: price };
        prop_assert_eq!(line.total_minor(), i64::try_from(i128::from(quantity) * i128::from(price)).ok());
    }
}
