//! Amounts as readers of a language write them.

use orders::{Currency, Money, contact::Language};

/// Formats an amount: `$1,299.99` in English, `1 299,99 $` in Russian. The result is exact, because
/// its digits come from the integer number of minor units.
pub(super) fn format_amount(amount: Money, language: Language) -> String {
    let digits = amount.to_string();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let (separator, point) = match language {
        Language::En => (',', '.'),
        Language::Ru => ('\u{a0}', ','),
    };
    let mut number = group_digits(whole, separator);
    if !fraction.is_empty() {
        number.push(point);
        number.push_str(fraction);
    }
    let symbol = currency_symbol(amount.currency, language);
    match (language, symbol) {
        (Language::En, Some(symbol)) => format!("{symbol}{number}"),
        (Language::En, None) => format!("{} {number}", amount.currency.code()),
        (Language::Ru, symbol) => format!("{number}\u{a0}{}", symbol.unwrap_or(amount.currency.code())),
    }
}

/// Separates digits into groups of three.
fn group_digits(digits: &str, separator: char) -> String {
    let mut grouped = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            grouped.push(separator);
        }
        grouped.push(digit);
    }
    grouped
}

/// The currency's symbol, if every reader of the language knows it. For `None`, the amount shows
/// the currency code.
fn currency_symbol(currency: Currency, language: Language) -> Option<&'static str> {
    match (currency, language) {
        (Currency::USD, _) => Some("$"),
        (Currency::EUR, _) => Some("€"),
        (Currency::GBP, _) => Some("£"),
        (Currency::JPY, _) => Some("¥"),
        (Currency::RUB, Language::Ru) => Some("₽"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_formatted_by_language() {
        for (minor, currency, english, russian) in [
            (129_999, Currency::USD, "$1,299.99", "1 299,99 $"),
            (5, Currency::EUR, "€0.05", "0,05 €"),
            (123_456_789, Currency::JPY, "¥123,456,789", "123 456 789 ¥"),
            (100_000, Currency::RUB, "RUB 1,000.00", "1 000,00 ₽"),
            (1_234, Currency::KWD, "KWD 1.234", "1,234 KWD"),
            (i64::MAX, Currency::USD, "$92,233,720,368,547,758.07", "92 233 720 368 547 758,07 $"),
        ] {
            let amount = Money { minor, currency };
            assert_eq!(format_amount(amount, Language::En), english);
            assert_eq!(format_amount(amount, Language::Ru).replace('\u{a0}', " "), russian);
        }
    }
}
