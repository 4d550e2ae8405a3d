//! Orders in every known currency, from the page to the parser and back. This test also writes the
//! page's table of decimal places.

use orders::{
    Currency, Money,
    money::{MAX_MINOR, minor_digits},
    request::NewOrder,
};
use std::{collections::BTreeMap, fs, path::Path};

fn currencies() -> impl Iterator<Item = Currency> {
    let letters = || (b'A'..=b'Z').map(char::from);
    let codes = letters().flat_map(move |a| letters().flat_map(move |b| letters().map(move |c| String::from_iter([a, b, c]))));
    codes.filter_map(|code| Currency::from_code(&code))
}

/// `UPDATE_CURRENCIES=1 cargo test --package orders` writes the table again.
#[test]
fn the_page_has_the_decimal_places_of_every_currency() {
    let digits: BTreeMap<&str, u32> = currencies().map(|currency| (currency.code(), minor_digits(currency))).collect();
    assert!(digits.len() > 150 && digits["HUF"] == 2 && digits["IQD"] == 3 && digits["JPY"] == 0, "{digits:?}");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../web/src/currency-digits.json");
    let table = serde_json::to_string_pretty(&digits).unwrap() + "\n";
    if std::env::var_os("UPDATE_CURRENCIES").is_some() {
        fs::write(&file, &table).unwrap();
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), table, "{} is out of date", file.display());
}

/// The test web/src/money.test.ts uses the same amounts. The texts have the form that a browser
/// writes: no zeros at the end of the decimals.
#[test]
fn an_order_in_each_currency_is_read_exactly() {
    for currency in currencies() {
        let one = 10_i64.pow(minor_digits(currency));
        for minor in [1, 7 * one + 5, 99_950, 333_333_333_333] {
            let money = |minor| Money { minor, currency };
            let (price, total) = (as_a_browser_writes(money(minor)), as_a_browser_writes(money(3 * minor)));
            let body = format!(
                r#"{{"customerID":"C","currency":"{}","totalAmount":{total},"items":[{{"productID":"P","quantity":3,"unitPrice":{price}}}]}}"#,
                currency.code()
            );
            let order = NewOrder::parse(body.as_bytes()).unwrap_or_else(|error| panic!("{body}: {error:?}"));
            assert_eq!((order.total, order.items[0].unit_price_minor), (money(3 * minor), minor), "{body}");
            assert_eq!(serde_json::to_string(&order.total).unwrap(), order.total.to_string());
            assert!(3 * minor <= MAX_MINOR);
        }
    }
}

fn as_a_browser_writes(money: Money) -> String {
    let text = money.to_string();
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}
