//! The phone numbers to which SMS may be sent. The shop lists their prefixes.
//!
//! The list has prefixes and not country codes, because 25 countries share +1. Besides, in some
//! ranges within a country, such as +1900, the owner of a number gets money for each message. The
//! longest prefix that matches decides.

use std::str::FromStr;

/// The value of `SMS_PREFIXES` that allows no SMS at all.
const NONE: &str = "none";
/// The default of `SMS_PREFIXES`: the United States and Canada. It allows +1, without its
/// premium-rate and toll-free ranges and without the other countries that share +1.
pub(crate) const DEFAULT: &str = "+1,!+1900,!+1976,!+1800,!+1833,!+1844,!+1855,!+1866,!+1877,!+1888,!+1242,!+1246,!+1264,!+1268,!+1284,\
    !+1345,!+1441,!+1473,!+1649,!+1658,!+1664,!+1721,!+1758,!+1767,!+1784,!+1809,!+1829,!+1849,!+1868,!+1869,!+1876";

/// A prefix of phone numbers in E.164 form, and whether SMS may be sent to these numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    start: String,
    allowed: bool,
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text == NONE {
            return Ok(Self { start: String::new(), allowed: false });
        }
        let start = text.strip_prefix('!').unwrap_or(text);
        let digits = start.strip_prefix('+').unwrap_or_default();
        if digits.is_empty() || digits.starts_with('0') || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(format!("{text:?} is not a phone number prefix: expected one such as +4915, one with ! such as !+1900, or {NONE}"));
        }
        Ok(Self { start: start.to_owned(), allowed: !text.starts_with('!') })
    }
}

/// Whether SMS may be sent to a number in E.164 form. A number that matches no prefix gets none.
pub(super) fn is_allowed(phone: &str, prefixes: &[Prefix]) -> bool {
    let matching = prefixes.iter().filter(|prefix| phone.starts_with(&prefix.start));
    matching.max_by_key(|prefix| prefix.start.len()).is_some_and(|prefix| prefix.allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(phone: &str, prefixes: &str) -> bool {
        is_allowed(phone, &prefixes.split(',').map(|prefix| prefix.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn the_longest_prefix_decides() {
        for (phone, allowed) in
            [("+4915112345678", true), ("+491900123456", false), ("+4930123456", false), ("+436641234567", true), ("+79161234567", false)]
        {
            assert_eq!(allows(phone, "+49,!+4930,!+491900,+43"), allowed, "{phone}");
        }
        assert!(allows("+1900555", "!+1,+1900") && !allows("+4915112345678", NONE));
    }

    #[test]
    fn by_default_neither_premium_numbers_nor_other_countries_are_reached() {
        assert!(allows("+14155550123", DEFAULT) && allows("+16135550123", DEFAULT));
        for phone in ["+19005550123", "+18005550123", "+18765550123", "+18095550123", "+4915112345678", "+88213123456"] {
            assert!(!allows(phone, DEFAULT), "{phone}");
        }
    }

    #[test]
    fn invalid_prefixes_are_refused() {
        for text in ["", "49", "+", "!", "DE", "+0", "+49 15"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
