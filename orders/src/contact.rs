//! The addresses at which a customer receives notifications.

use crate::json::{self, FieldErrors, Object};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use strum::{IntoStaticStr, VariantArray};
use utoipa::ToSchema;

/// Where notifications about an order are sent. This is personal data: it is never logged, and
/// never in the read model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub email: Option<String>,
    pub phone: Option<String>,
    /// The only channel to use. If it is not given, every given address is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The language of the notifications; English if not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

/// A way to reach a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name used in JSON and in SQL (`orders.contact_channel`, `notifications.channel`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A language in which notifications are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, IntoStaticStr, VariantArray)]
#[schema(description = "ISO 639.")]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Ru,
}

impl Language {
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name used in JSON and in SQL (`orders.contact_language`): an ISO 639 code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

impl Contact {
    /// Reads the field `contact` of an order request; `None` if it has no address.
    pub(crate) fn read(value: &RawValue, faults: &mut FieldErrors) -> Option<Self> {
        let mut contact = Object::read(value, "/contact".to_owned(), faults)?;
        let email = contact.optional("email").and_then(|value| json::string(value, "/contact/email", faults));
        let phone = contact.optional("phone").and_then(|value| json::string(value, "/contact/phone", faults));
        let channel =
            contact.optional("channel").and_then(|value| one_of(value, "/contact/channel", Channel::ALL, Channel::as_str, faults));
        let language =
            contact.optional("language").and_then(|value| one_of(value, "/contact/language", Language::ALL, Language::as_str, faults));
        contact.end(faults);
        match channel {
            Some(Channel::Email) if email.is_none() => faults.add("/contact/email", "is required for the channel EMAIL"),
            Some(Channel::Sms) if phone.is_none() => faults.add("/contact/phone", "is required for the channel SMS"),
            _ => {}
        }
        if email.as_deref().is_some_and(|email| !is_email(email)) {
            faults.add("/contact/email", "must be an e-mail address");
        }
        if phone.as_deref().is_some_and(|phone| !is_phone(phone)) {
            faults.add("/contact/phone", "must be a phone number in E.164 form, such as +14155550123");
        }
        (email.is_some() || phone.is_some()).then_some(Self { email, phone, channel, language })
    }
}

/// Reads one of the known names. Adds a fault that lists them if the value is none of them.
fn one_of<T: Copy>(value: &RawValue, pointer: &str, all: &[T], name: impl Fn(T) -> &'static str, faults: &mut FieldErrors) -> Option<T> {
    let text = json::string(value, pointer, faults)?;
    let found = all.iter().copied().find(|known| name(*known) == text);
    if found.is_none() {
        let names: Vec<_> = all.iter().map(|known| name(*known)).collect();
        faults.add(pointer, format!("must be {}", names.join(" or ")));
    }
    found
}

/// Whether this is a plain address: a dot-atom, `@`, and a host name of at least two labels (RFC
/// 5322, section 3.4.1; lengths from RFC 5321, section 4.5.3.1). Display names, comments, quoted
/// names and encoded words are refused: with them, one mailbox has many spellings, and the customer
/// could write text into a message. Only a sent message shows whether the address exists.
fn is_email(text: &str) -> bool {
    let is_atom = |part: &str| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
        !part.is_empty() && part.bytes().all(allowed)
    };
    let is_label = |part: &str| {
        let inner = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (1..=63).contains(&part.len()) && inner && !part.starts_with('-') && !part.ends_with('-')
    };
    let parts = text.split_once('@').filter(|(name, host)| text.len() <= 254 && name.len() <= 64 && host.contains('.'));
    parts.is_some_and(|(name, host)| !name.contains("=?") && name.split('.').all(is_atom) && host.split('.').all(is_label))
}

/// E.164: a plus sign and at most 15 digits, the first of which is not 0. Fewer than 7 digits are
/// refused.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contact: &str) -> (Option<Contact>, Vec<String>) {
        let mut faults = FieldErrors::default();
        let contact = Contact::read(serde_json::from_str(contact).unwrap(), &mut faults);
        (contact, faults.into_vec().into_iter().map(|fault| fault.pointer).collect())
    }

    #[test]
    fn channel_and_language_may_be_chosen() {
        let (contact, faults) = read(r#"{"email":"a@b.example","phone":"+14155550123","channel":"SMS","language":"ru"}"#);
        let contact = contact.unwrap();
        assert_eq!((contact.channel, contact.language, faults), (Some(Channel::Sms), Some(Language::Ru), vec![]));
        let contact = read(r#"{"email":"a@b.example","channel":null}"#).0.unwrap();
        assert_eq!((contact.channel, contact.language), (None, None));
        assert_eq!(read(r#"{"language":"ru"}"#), (None, vec![]));
    }

    #[test]
    fn an_address_is_a_plain_one() {
        for email in ["a@b.example", "first.last+tag@sub.b-c.example", "o'neil_1@b.example"] {
            assert!(is_email(email), "{email}");
        }
        let (long_name, long_label) = (format!("{}@b.example", "a".repeat(65)), format!("a@{}.example", "b".repeat(64)));
        for email in [
            "WIN1-at-evil.example<victim@b.example>",
            "victim(1)@b.example",
            "\"victim 1\"@b.example",
            "=?utf-8?q?x?=@b.example",
            "a@b.example,c@d.example",
            ".a@b.example",
            "a..b@c.example",
            "a.@b.example",
            "a@b",
            "a@-b.example",
            "a@b..example",
            "a@b@c.example",
            "a@[127.0.0.1]",
            "a@b_c.example",
            "a b@c.example",
            &long_name,
            &long_label,
        ] {
            assert!(!is_email(email), "{email}");
        }
    }

    #[test]
    fn a_channel_needs_its_address() {
        for (contact, fault) in [
            (r#"{"email":"a@b.example","channel":"SMS"}"#, "/contact/phone"),
            (r#"{"phone":"+14155550123","channel":"EMAIL"}"#, "/contact/email"),
            (r#"{"email":"a@b.example","channel":"PIGEON"}"#, "/contact/channel"),
            (r#"{"email":"a@b.example","language":"EN"}"#, "/contact/language"),
        ] {
            assert_eq!(read(contact).1, [fault], "{contact}");
        }
    }

    #[test]
    fn one_of_an_earlier_version_is_still_read() {
        let contact: Contact = serde_json::from_str(r#"{"email":"a@b.example","phone":null}"#).unwrap();
        assert_eq!((contact.channel, contact.language), (None, None));
        assert_eq!(serde_json::to_string(&contact).unwrap(), r#"{"email":"a@b.example","phone":null}"#);
    }
}
