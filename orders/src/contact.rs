//! How a customer wants to be told about an order.

use crate::json::{self, Faults, Object};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::fmt;
use utoipa::ToSchema;

/// Where to tell the customer about the order. Personal: never logged, never in the read model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub email: Option<String>,
    pub phone: Option<String>,
    /// The only one to use; without it, each address that there is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// English, when not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<Language>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

/// A way to reach a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Channel {
    Email,
    Sms,
}

impl Channel {
    pub const ALL: &[Self] = &[Self::Email, Self::Sms];

    /// The name used in JSON and in SQL (`orders.contact_channel`, `notifications.channel`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Sms => "SMS",
        }
    }
}

/// A language that customers are written to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "ISO 639.")]
#[serde(rename_all = "lowercase")]
pub enum Language {
    #[default]
    En,
    Ru,
}

impl Language {
    pub const ALL: &[Self] = &[Self::En, Self::Ru];

    /// The name used in JSON and in SQL (`orders.contact_language`), an ISO 639 code.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::Ru => "ru",
        }
    }
}

impl Contact {
    /// Reads the member `contact` of an order's request; nothing when it has no address.
    pub(crate) fn read(value: &RawValue, faults: &mut Faults) -> Option<Self> {
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

/// One of a few names, or a fault that lists them.
fn one_of<T: Copy>(value: &RawValue, pointer: &str, all: &[T], name: impl Fn(T) -> &'static str, faults: &mut Faults) -> Option<T> {
    let text = json::string(value, pointer, faults)?;
    let found = all.iter().copied().find(|known| name(*known) == text);
    if found.is_none() {
        let names: Vec<_> = all.iter().map(|known| name(*known)).collect();
        faults.add(pointer, format!("must be {}", names.join(" or ")));
    }
    found
}

/// A coarse check; whether the address exists only a message shows. 254 bytes: RFC 5321, 4.5.3.1.3.
fn is_email(text: &str) -> bool {
    let printable = text.len() <= 254 && text.bytes().all(|b| b.is_ascii_graphic());
    let parts = text.split_once('@');
    printable
        && parts.is_some_and(|(name, host)| {
            !name.is_empty() && !host.contains('@') && host.split('.').count() > 1 && !host.split('.').any(str::is_empty)
        })
}

/// E.164: a plus sign, then up to 15 digits, the first not 0.
fn is_phone(text: &str) -> bool {
    text.strip_prefix('+')
        .is_some_and(|digits| (7..=15).contains(&digits.len()) && !digits.starts_with('0') && digits.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(contact: &str) -> (Option<Contact>, Vec<String>) {
        let mut faults = Faults::default();
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
