//! Reads JSON requests by hand. All faults of a request are reported at once, each with the JSON
//! pointer (RFC 6901) of its place.
//!
//! Derived `serde` code stops at the first fault, reads numbers as `f64`, and keeps the last of two
//! equal keys. This module keeps the text of numbers, and reports repeated and unknown keys as
//! faults.
//!
//! Every string of a request is read here. This is therefore where card numbers are refused
//! ([`card_number`]). A field name that contains one is not repeated in the answer.

use crate::card_number;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};
use utoipa::ToSchema;

/// One thing wrong with a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Fault)]
#[serde(deny_unknown_fields)]
pub struct FieldError {
    /// JSON pointer into the body, empty for the whole body; or the name of a query parameter or
    /// header.
    pub pointer: String,
    /// The error message; the client can read it.
    pub message: String,
}

/// The faults found in one request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct FieldErrors {
    faults: Vec<FieldError>,
    /// True if strings are not searched for card numbers.
    any_number: bool,
}

/// How many faults of one request are reported. Without a limit, an answer could be many times as
/// long as its request.
const MAX_FAULTS: usize = 100;

impl FieldErrors {
    /// For a message that a program has signed. Its strings contain tracking numbers, which may
    /// look like card numbers.
    #[must_use]
    pub fn of_signed() -> Self {
        Self { any_number: true, ..Self::default() }
    }

    /// Adds a fault, unless [`MAX_FAULTS`] faults have been added already.
    pub fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        if self.faults.len() < MAX_FAULTS {
            self.faults.push(FieldError { pointer: pointer.into(), message: message.into() });
        }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.faults.is_empty()
    }

    #[must_use]
    pub fn into_vec(self) -> Vec<FieldError> {
        self.faults
    }
}

/// The message for a string that contains a card number. It does not repeat the string.
pub const CARD_NUMBER: &str = "must not contain a card number";
/// Replaces a field name that contains a card number.
const HIDDEN: &str = "(card number)";

/// The members of a JSON object in their order. The values are not parsed yet.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

/// A JSON object that is being read. The caller takes each known member once. A repeated, missing
/// or unknown member becomes a fault.
pub struct Object<'a> {
    members: Vec<(String, &'a RawValue)>,
    pointer: String,
}

/// The maximum number of members in an object. Valid requests have far fewer. Without the limit, a
/// small request could cause thousands of fault messages.
const MAX_MEMBERS: usize = 100;

impl<'a> Object<'a> {
    /// Reads the object at `pointer`. Adds a fault and returns `None` if the value is not an object
    /// or has more than [`MAX_MEMBERS`] members.
    pub fn read(value: &'a RawValue, pointer: String, faults: &mut FieldErrors) -> Option<Self> {
        match serde_json::from_str::<Members<'a>>(value.get()) {
            Ok(Members(members)) if members.len() > MAX_MEMBERS => {
                faults.add(pointer, format!("must have at most {MAX_MEMBERS} fields, not {}", members.len()));
                None
            }
            Ok(Members(members)) => {
                let mut object = Self { members, pointer };
                object.refuse_repeated(faults);
                Some(object)
            }
            Err(_) => {
                faults.add(pointer, "must be an object");
                None
            }
        }
    }

    fn refuse_repeated(&mut self, faults: &mut FieldErrors) {
        let mut kept: Vec<(String, &'a RawValue)> = Vec::with_capacity(self.members.len());
        for (name, value) in std::mem::take(&mut self.members) {
            if kept.iter().any(|(known, _)| *known == name) {
                faults.add(self.at(&name), "appears more than once");
            } else {
                kept.push((name, value));
            }
        }
        self.members = kept;
    }

    /// The JSON pointer of a member of this object.
    #[must_use]
    pub fn at(&self, name: &str) -> String {
        let name = if card_number::is_in(name) { HIDDEN } else { name };
        let escaped = if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) };
        format!("{}/{escaped}", self.pointer)
    }

    /// Takes an optional member. `null` counts as missing.
    pub fn optional(&mut self, name: &str) -> Option<&'a RawValue> {
        let at = self.members.iter().position(|(known, _)| known == name)?;
        let (_, value) = self.members.remove(at);
        (value.get() != "null").then_some(value)
    }

    /// Takes a required member. Adds a fault if it is missing.
    pub fn required(&mut self, name: &str, faults: &mut FieldErrors) -> Option<&'a RawValue> {
        let value = self.optional(name);
        if value.is_none() {
            faults.add(self.at(name), "is required");
        }
        value
    }

    /// Ends reading. Every member that was not taken becomes a fault.
    pub fn end(self, faults: &mut FieldErrors) {
        for (name, _) in &self.members {
            faults.add(self.at(name), "is not a known field");
        }
    }
}

/// Reads an array. Adds a fault if the value is of another type.
pub fn array<'a>(value: &'a RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<Vec<&'a RawValue>> {
    let elements = serde_json::from_str(value.get()).ok();
    if elements.is_none() {
        faults.add(pointer, "must be an array");
    }
    elements
}

/// Reads a string. Adds a fault if the value is of another type or contains a card number.
pub fn string(value: &RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<String> {
    let Ok(text) = serde_json::from_str::<String>(value.get()) else {
        faults.add(pointer, "must be a string");
        return None;
    };
    if !faults.any_number && card_number::is_in(&text) {
        faults.add(pointer, CARD_NUMBER);
        return None;
    }
    Some(text)
}

/// Reads a boolean. Adds a fault if the value is of another type.
pub fn boolean(value: &RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<bool> {
    match value.get() {
        "true" => Some(true),
        "false" => Some(false),
        _ => {
            faults.add(pointer, "must be true or false");
            None
        }
    }
}

/// Reads a number as its text in the request. Adds a fault if the value is of another type.
pub fn number<'a>(value: &'a RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<&'a str> {
    let text = value.get();
    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        Some(text)
    } else {
        faults.add(pointer, "must be a number");
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The faults of an object from which no member is taken.
    fn faults(members: impl Iterator<Item = String>) -> Vec<(String, String)> {
        let text = format!("{{{}}}", members.map(|name| format!(r#""{name}":1"#)).collect::<Vec<_>>().join(","));
        let mut faults = FieldErrors::default();
        if let Some(object) = Object::read(serde_json::from_str(&text).unwrap(), "/at".to_owned(), &mut faults) {
            object.end(&mut faults);
        }
        faults.into_vec().into_iter().map(|fault| (fault.pointer, fault.message)).collect()
    }

    #[test]
    fn a_text_with_a_card_number_is_refused_and_not_repeated() {
        let read = |json: &str, mut faults: FieldErrors| {
            let text = string(serde_json::from_str(json).unwrap(), "/reason", &mut faults);
            (text, faults.into_vec())
        };
        let refused = FieldError { pointer: "/reason".to_owned(), message: CARD_NUMBER.to_owned() };
        for json in [r#""4242424242424242""#, r#""card: 4242-4242 4242.4242!""#, r#""\u0034242424242424242""#] {
            assert_eq!(read(json, FieldErrors::default()), (None, vec![refused.clone()]), "{json}");
            assert!(read(json, FieldErrors::of_signed()).0.is_some(), "{json}");
        }
        let named = faults(["4242424242424242".to_owned(), "note".to_owned()].into_iter());
        assert_eq!(named[0], ("/at/(card number)".to_owned(), "is not a known field".to_owned()));
    }

    #[test]
    fn a_fault_is_named_for_each_of_so_many_members_and_no_more() {
        let names = |count: usize| (0..count).map(|n| format!("n{n}"));
        let named = faults(names(99).chain(["n7".to_owned()]));
        assert_eq!(named.len(), 100);
        assert_eq!(named[0], ("/at/n7".to_owned(), "appears more than once".to_owned()));
        for count in [101, 8_000] {
            assert_eq!(faults(names(count)), [("/at".to_owned(), format!("must have at most 100 fields, not {count}"))]);
        }
    }
}
