//! Detects card numbers in text. Requests that contain one are refused, because data that must
//! never be stored must never be accepted.
//!
//! A card number has 13 to 19 digits of any script, with or without separators between them. Every
//! character that is neither a letter nor a digit is a separator, including invisible characters.
//! The first digits and the length of a card number belong to a payment network, and its last digit
//! is a valid check digit (Luhn). Other long numbers are common in requests, and one in ten of them
//! has a valid last digit by chance. The following are therefore not treated as card numbers:
//!
//! - Ids of 24 or more hexadecimal digits, and UUIDs.
//! - Article numbers of 13 digits with a valid check digit (GTIN-13).
//! - Phone numbers: a `+` and at most 15 digits. The exception is a number that is too long for its
//!   country. An American Express number is longer than any phone number of the countries +34 and
//!   +37x. A Diners Club number is longer than any of +30, +36, +38x and +39.

use std::ops::RangeInclusive;

/// The payment networks: the first four digits of their numbers, and the lengths (ISO/IEC 7812).
const NETWORKS: &[(RangeInclusive<u32>, RangeInclusive<usize>)] = &[
    // Mir, Borica, Mastercard.
    (2200..=2205, 16..=19),
    (2221..=2720, 16..=16),
    // Diners Club, American Express, JCB.
    (3000..=3059, 14..=19),
    (3095..=3095, 14..=19),
    (3400..=3499, 15..=15),
    (3528..=3589, 16..=19),
    (3600..=3699, 14..=19),
    (3700..=3799, 15..=15),
    (3800..=3999, 14..=19),
    // Visa.
    (4000..=4999, 13..=19),
    // Maestro, Mastercard, Maestro.
    (5000..=5099, 13..=19),
    (5100..=5599, 16..=16),
    (5600..=5999, 13..=19),
    // Discover, Maestro, RuPay, UnionPay.
    (6000..=6999, 13..=19),
    (8100..=8299, 16..=19),
    // UzCard, Troy, Humo.
    (8600..=8600, 16..=16),
    (9792..=9792, 16..=16),
    (9860..=9860, 16..=16),
];

/// How many digits a card number has.
const DIGITS: RangeInclusive<usize> = 13..=19;
/// How many digits the longest phone number has (E.164).
const PHONE_DIGITS: usize = 15;
/// How many separators may stand next to each other within a number.
const MAX_SEPARATORS: usize = 8;
/// The shortest length of a hexadecimal id, in digits.
const HEX_ID: usize = 24;
/// The positions of the hyphens in a UUID, and its length in characters.
const UUID_HYPHENS: [usize; 4] = [8, 13, 18, 23];
const UUID: usize = 36;

/// The digit zero of every script (Unicode category Nd), in ascending order. The digits 1 to 9
/// follow each zero directly.
const ZEROS: &[char] = &[
    '0',
    '\u{660}',
    '\u{6f0}',
    '\u{7c0}',
    '\u{966}',
    '\u{9e6}',
    '\u{a66}',
    '\u{ae6}',
    '\u{b66}',
    '\u{be6}',
    '\u{c66}',
    '\u{ce6}',
    '\u{d66}',
    '\u{de6}',
    '\u{e50}',
    '\u{ed0}',
    '\u{f20}',
    '\u{1040}',
    '\u{1090}',
    '\u{17e0}',
    '\u{1810}',
    '\u{1946}',
    '\u{19d0}',
    '\u{1a80}',
    '\u{1a90}',
    '\u{1b50}',
    '\u{1bb0}',
    '\u{1c40}',
    '\u{1c50}',
    '\u{a620}',
    '\u{a8d0}',
    '\u{a900}',
    '\u{a9d0}',
    '\u{a9f0}',
    '\u{aa50}',
    '\u{abf0}',
    '\u{ff10}',
    '\u{104a0}',
    '\u{10d30}',
    '\u{10d40}',
    '\u{11066}',
    '\u{110f0}',
    '\u{11136}',
    '\u{111d0}',
    '\u{112f0}',
    '\u{11450}',
    '\u{114d0}',
    '\u{11650}',
    '\u{116c0}',
    '\u{116d0}',
    '\u{116da}',
    '\u{11730}',
    '\u{118e0}',
    '\u{11950}',
    '\u{11bf0}',
    '\u{11c50}',
    '\u{11d50}',
    '\u{11da0}',
    '\u{11f50}',
    '\u{16a60}',
    '\u{16ac0}',
    '\u{16b50}',
    '\u{1ccf0}',
    '\u{1d7ce}',
    '\u{1d7d8}',
    '\u{1d7e2}',
    '\u{1d7ec}',
    '\u{1d7f6}',
    '\u{1e140}',
    '\u{1e2f0}',
    '\u{1e4f0}',
    '\u{1e5f1}',
    '\u{1e950}',
    '\u{1fbf0}',
];

/// Whether the text contains a card number.
#[must_use]
pub fn is_in(text: &str) -> bool {
    // A quick check, as most texts are short and have few digits. Non-ASCII digits take at least
    // two bytes, so every non-ASCII byte counts as a possible digit.
    if text.len() < *DIGITS.start() || text.bytes().filter(|byte| byte.is_ascii_digit() || !byte.is_ascii()).count() < *DIGITS.start() {
        return false;
    }
    let text: Vec<char> = text.chars().collect();
    let (mut run, mut separators, mut at) = (Run::default(), 0, 0);
    while at < text.len() {
        let id = id_at(&text, at);
        if id > 0 {
            if std::mem::take(&mut run).has_card_number() {
                return true;
            }
            at += id;
            continue;
        }
        // A plus sign directly after a digit is a separator. Any other plus sign begins a phone
        // number.
        let begins_phone = text[at] == '+' && (at == 0 || digit(text[at - 1]).is_none());
        if let Some(digit) = digit(text[at]) {
            run.add(digit, separators > 0);
            separators = 0;
        } else if is_separator(text[at]) && !begins_phone && !run.groups.is_empty() && separators < MAX_SEPARATORS {
            separators += 1;
        } else {
            if std::mem::take(&mut run).has_card_number() {
                return true;
            }
            separators = 0;
            run.is_phone = text[at] == '+';
        }
        at += 1;
    }
    run.has_card_number()
}

/// The value of a decimal digit of any script.
fn digit(char: char) -> Option<u8> {
    if char.is_ascii() {
        return char.to_digit(10).and_then(|digit| u8::try_from(digit).ok());
    }
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= char)].last()?;
    u8::try_from(u32::from(char) - u32::from(*zero)).ok().filter(|digit| *digit <= 9)
}

/// Whether this character may stand between the digits of a number: everything except letters and
/// digits. Spaces, punctuation, marks and invisible characters are separators. The Hangul fillers
/// are letters to Unicode, but invisible.
fn is_separator(char: char) -> bool {
    !char.is_alphanumeric() || matches!(char, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

/// The length in characters of an id that begins at this position: a UUID, or at least 24
/// hexadecimal digits with a letter among them. Returns 0 if no id begins here.
fn id_at(text: &[char], at: usize) -> usize {
    let is_part = |at: usize| text.get(at).is_some_and(char::is_ascii_alphanumeric);
    if !is_part(at) || (at > 0 && is_part(at - 1)) {
        return 0;
    }
    let is_uuid = text.get(at..at + UUID).is_some_and(|id| {
        let mut chars = id.iter().enumerate();
        chars.all(|(n, char)| if UUID_HYPHENS.contains(&n) { *char == '-' } else { char.is_ascii_hexdigit() })
    });
    if is_uuid && !is_part(at + UUID) {
        return UUID;
    }
    let word = text[at..].iter().take_while(|char| char.is_ascii_alphanumeric());
    let (mut length, mut has_letters, mut is_hex) = (0, false, true);
    for char in word {
        length += 1;
        has_letters |= char.is_ascii_alphabetic();
        is_hex &= char.is_ascii_hexdigit();
    }
    if length >= HEX_ID && has_letters && is_hex { length } else { 0 }
}

/// A sequence of digit groups with separators between them.
#[derive(Default)]
struct Run {
    groups: Vec<Vec<u8>>,
    /// True if a plus sign precedes the digits.
    is_phone: bool,
}

impl Run {
    fn add(&mut self, digit: u8, after_separator: bool) {
        match self.groups.last_mut() {
            Some(group) if !after_separator => group.push(digit),
            _ => self.groups.push(vec![digit]),
        }
    }

    fn has_card_number(self) -> bool {
        let all = self.groups.concat();
        if self.is_phone && all.len() <= PHONE_DIGITS {
            return is_no_phone_number(&all) && is_card_number(&all);
        }
        // Try every group as the first one: text before or after a card number, such as a date, may
        // look like a part of it.
        (0..self.groups.len()).any(|first| {
            let mut digits = Vec::<u8>::new();
            for group in &self.groups[first..] {
                // Stop at the maximum length. Otherwise the time would grow with the square of the
                // number of groups.
                if digits.len() + group.len() > *DIGITS.end() {
                    return false;
                }
                digits.extend_from_slice(group);
                if !(digits.len() == group.len() && is_article_number(group)) && is_card_number(&digits) {
                    return true;
                }
            }
            false
        })
    }
}

/// Whether these digits after a plus sign are too many for the country code with which they begin.
fn is_no_phone_number(digits: &[u8]) -> bool {
    matches!((digits.len(), digits), (15, [3, 4 | 7, ..]) | (14, [3, 0 | 6 | 8 | 9, ..]))
}

fn is_card_number(digits: &[u8]) -> bool {
    if !DIGITS.contains(&digits.len()) {
        return false;
    }
    let first = digits[..4].iter().fold(0, |number, digit| number * 10 + u32::from(*digit));
    NETWORKS.iter().any(|(begins, lengths)| begins.contains(&first) && lengths.contains(&digits.len()))
        && sum(digits, doubled).is_multiple_of(10)
}

/// Whether this is a GTIN-13. EAN-13 and ISBN-13 have the same form.
fn is_article_number(digits: &[u8]) -> bool {
    digits.len() == 13 && sum(digits, |digit| 3 * digit).is_multiple_of(10)
}

/// The sum of the digits, in which `more` replaces every second digit, beginning with the one
/// before the last.
fn sum(digits: &[u8], more: impl Fn(u32) -> u32) -> u32 {
    let digits = digits.iter().rev().map(|digit| u32::from(*digit)).enumerate();
    digits.map(|(n, digit)| if n % 2 == 1 { more(digit) } else { digit }).sum()
}

/// The value of a doubled digit in the Luhn algorithm: the sum of the digits of the product.
fn doubled(digit: u32) -> u32 {
    if digit < 5 { 2 * digit } else { 2 * digit - 9 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test numbers that payment networks and gateways have published.
    const NUMBERS: &[&str] = &[
        "4242424242424242",
        "4000056655665556",
        "4222222222222",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "371449635398431",
        "30569309025904",
        "36227206271667",
        "3566002020360505",
        "6011111111111117",
        "6205500000000000004",
        "6304000000000000",
        "2200000000000004",
        "9792030394440796",
    ];

    #[test]
    fn the_digits_of_every_script_are_known() {
        assert!(ZEROS.is_sorted());
        for zero in ZEROS {
            for value in 0..10 {
                let char = char::from_u32(u32::from(*zero) + value).unwrap();
                assert!(char.is_numeric(), "{char:?}");
                assert_eq!(digit(char), u8::try_from(value).ok(), "{char:?}");
            }
        }
        for other in ['a', '²', '½', 'Ⅳ', '\u{66a}', '/', ':'] {
            assert_eq!(digit(other), None, "{other:?}");
        }
    }

    #[test]
    fn card_numbers_are_found_however_they_are_written() {
        for number in NUMBERS {
            let spaced = |separator: &str| {
                let digits: Vec<char> = number.chars().collect();
                digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(separator)
            };
            let arabic: String = number.chars().map(|digit| char::from_u32(digit.to_digit(10).unwrap() + 0x660).unwrap()).collect();
            let wide: String = number.chars().map(|digit| char::from_u32(digit.to_digit(10).unwrap() + 0xff10).unwrap()).collect();
            for text in [
                (*number).to_owned(),
                spaced(" "),
                spaced("-"),
                spaced("."),
                spaced("\u{a0}"),
                spaced(" \u{2013} "),
                spaced("\u{200b}"),
                arabic,
                wide,
                format!("my card is {number}."),
                format!("{} 12/27 123", spaced(" ")),
                format!("{number} 12 27 123"),
                format!("order 7, {number}"),
                format!("tok_{number}"),
                format!("card{number}x"),
                format!("{number}@example.com"),
                format!("é{number}é"),
            ] {
                assert!(is_in(&text), "{text}");
            }
        }
    }

    #[test]
    fn a_wrong_last_digit_makes_another_number() {
        for number in NUMBERS {
            let (rest, last) = number.split_at(number.len() - 1);
            let last = last.parse::<u32>().unwrap();
            for other in (0..10).filter(|other| *other != last) {
                let text = format!("{rest}{other}");
                assert!(!is_in(&text), "{text}");
            }
        }
    }

    #[test]
    fn other_numbers_are_let_through() {
        for text in [
            "",
            "tok_visa",
            "ord_01930000000070008000000000000001",
            "ord_01930000000070008000000000000001-1",
            "a4242424242424242000000000000000b",
            "12345678-4242-4242-4242-424212345678",
            "8e03978e-40d5-43dd-4242-424242424242",
            "google-oauth2|103547991597142817347",
            // Unix times in milliseconds and nanoseconds, and an id like those of Twitter. The last
            // digit of each is a valid Luhn check digit.
            "1764446400004",
            "1764446400000000004",
            "1234567812345670",
            "0000000000000000",
            // Article numbers. The last digit of the first one is also a valid Luhn check digit.
            "4000000000006",
            "4006381333931",
            "9780306406157",
            "2026-11-29T10:11:12.345Z",
            "99 bottles, 100 cups, 12 plates",
            "42424242424242424242424",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }

    /// The detector reads each digit together with only a few that follow it. If it read all of
    /// them together, this test would take minutes.
    #[test]
    fn a_long_text_of_many_groups_is_read_in_one_go() {
        assert!(!is_in(&"1 ".repeat(200_000)));
        assert!(is_in(&format!("{}4242 4242 4242 4242", "1 ".repeat(200_000))));
    }

    #[test]
    fn phone_numbers_are_none_unless_they_cannot_be_one() {
        let valid = |digits: &str| {
            (0..10).map(|last| format!("{digits}{last}")).find(|number| {
                let digits: Vec<u8> = number.bytes().map(|byte| byte - b'0').collect();
                sum(&digits, doubled).is_multiple_of(10)
            })
        };
        // Numbers of Germany, Brazil and Indonesia, and one of the maximum length.
        for phone in ["491511234567", "551199876543", "62812345678", "49151123456789"] {
            let number = valid(phone).unwrap();
            assert!(!is_in(&format!("+{number}")), "{number}");
            assert!(!is_in(&format!("call +{} {}", &number[..2], &number[2..])), "{number}");
        }
        for number in ["378282246310005", "30569309025904", "4242424242424242"] {
            assert!(is_in(&format!("+{number}")), "{number}");
        }
        assert!(is_in("+49 151 1234567 4242424242424242"));
    }
}
