//! A fact about an order: a line of the report.

use orders::{Money, rfc3339};
use serde::{Serialize, Serializer};
use std::fmt;
use time::OffsetDateTime;

/// Where a fact comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Store {
    Postgres,
    /// The payment gateway's own records.
    Gateway,
    /// The sandbox carrier's own records.
    Carrier,
    ReadModel,
    Temporal,
    /// The checks of `worker audit`.
    Audit,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Postgres => "Postgres",
            Self::Gateway => "gateway",
            Self::Carrier => "carrier",
            Self::ReadModel => "read model",
            Self::Temporal => "Temporal",
            Self::Audit => "audit",
        })
    }
}

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Fact {
    /// When it happened. `None`: it is so now.
    #[serde(serialize_with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<OffsetDateTime>,
    /// Milliseconds from the acceptance of the order.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset_ms: Option<i64>,
    pub(super) store: Store,
    pub(super) subject: String,
    pub(super) state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) detail: String,
    /// In the order's currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) amount: Option<Money>,
}

impl Fact {
    pub(super) fn new(
        at: Option<OffsetDateTime>,
        store: Store,
        subject: impl Into<String>,
        state: impl Into<String>,
        detail: &str,
    ) -> Self {
        let detail = without_personal_data(detail);
        Self { at, offset_ms: None, store, subject: subject.into(), state: state.into(), detail, amount: None }
    }

    /// Sets the offset from the acceptance of the order.
    pub(super) fn count_from(&mut self, accepted_at: Option<OffsetDateTime>) {
        let offset = self.at.zip(accepted_at).map(|(at, accepted_at)| (at - accepted_at).whole_milliseconds());
        self.offset_ms = offset.and_then(|ms| i64::try_from(ms).ok());
    }
}

pub(super) fn optional_time<S: Serializer>(at: &Option<OffsetDateTime>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => rfc3339::serialize(at, serializer),
        None => serializer.serialize_none(),
    }
}

/// What replaces a word that may be personal.
const HIDDEN: &str = "[hidden]";
/// The beginnings of payment tokens: the sandbox's, and Stripe's.
const TOKENS: &[&str] = &["tok_", "pm_", "card_", "src_", "cus_", "sk_", "rk_"];
/// The number of digits from which a word that begins with + is a phone number.
const PHONE_DIGITS: usize = 6;

/// The text with each word hidden that looks like an e-mail address, a phone number or a payment
/// token. Errors of other systems may quote them.
pub(super) fn without_personal_data(text: &str) -> String {
    let is_of_word = |c: char| c.is_alphanumeric() || "@._+-%".contains(c);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let word = &rest[..rest.find(|c| !is_of_word(c)).unwrap_or(rest.len())];
        clean.push_str(if is_personal(word) { HIDDEN } else { word });
        rest = &rest[word.len()..];
        if let Some(separator) = rest.chars().next() {
            clean.push(separator);
            rest = &rest[separator.len_utf8()..];
        }
    }
    clean
}

fn is_personal(word: &str) -> bool {
    let digits = word.strip_prefix('+').map_or(0, |number| number.chars().filter(char::is_ascii_digit).count());
    word.contains('@') || digits >= PHONE_DIGITS || TOKENS.iter().any(|token| word.starts_with(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_words_are_hidden() {
        for (text, clean) in [
            ("Email address is not verified: <ann.lee+1@shop.example>.", "Email address is not verified: <[hidden]>."),
            ("No such PaymentMethod: 'pm_1Nx2'; a token tok_visa", "No such PaymentMethod: '[hidden]'; a token [hidden]"),
            ("+4915112345678 is not reachable", "[hidden] is not reachable"),
            ("+00:00:01, 3 of PROD-001, pi_3Nx é", "+00:00:01, 3 of PROD-001, pi_3Nx é"),
            ("", ""),
        ] {
            assert_eq!(without_personal_data(text), clean);
        }
    }
}
