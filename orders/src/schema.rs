//! JSON Schemas of the values that JSON writes as a string or a number. The API document refers to
//! them by name; `utoipa` collects them from the types that derive [`ToSchema`].

use crate::money::{self, Money};
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type},
    },
};

/// Declares a schema with the name of its marker type.
macro_rules! schemas {
    ($($(#[doc = $doc:literal])+ $name:ident => $schema:expr;)+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Clone, Copy, Debug)]
            pub struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    $schema.into()
                }
            }

            impl ToSchema for $name {
                fn name() -> Cow<'static, str> {
                    Cow::Borrowed(stringify!($name))
                }
            }
        )+
    };
}

schemas! {
    /// The id of a customer or a product.
    Identifier => text().min_length(Some(1)).max_length(Some(64)).pattern(Some("^[A-Za-z0-9._:@|+-]+$"));
    /// The code of a currency.
    Currency => text().pattern(Some("^[A-Z]{3}$")).description(Some("ISO 4217."));
    /// A time as [`crate::rfc3339`] writes it.
    Time => text()
        .description(Some("RFC 3339 in UTC with three fractional digits."))
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .pattern(Some(r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$"))
        .examples(["2026-11-21T10:00:50.120Z"]);
}

impl PartialSchema for Money {
    fn schema() -> RefOr<Schema> {
        let description = "Major units with at most as many decimals as the currency has: 1299.99. \
            At most 10^12 minor units: 10000000000.00 USD, 1000000000000 JPY.";
        let amount = ObjectBuilder::new().schema_type(Type::Number).description(Some(description));
        amount.minimum(Some(0)).maximum(Some(money::MAX_MINOR)).into()
    }
}

impl ToSchema for Money {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Amount")
    }
}

/// A string.
#[must_use]
pub fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// A string that has one of these values.
#[must_use]
pub fn one_of(values: &[&str], description: &str) -> Schema {
    let description = Some(description).filter(|text| !text.is_empty());
    text().enum_values(Some(values.iter().copied())).description(description).into()
}

/// A field that is left out unless it is true.
#[must_use]
pub fn only_true(description: &str) -> Schema {
    let description = Some(description).filter(|text| !text.is_empty());
    ObjectBuilder::new().schema_type(Type::Boolean).enum_values(Some([true])).description(description).into()
}

/// Joins the lines of each description, because a line of a doc comment has a maximum length.
/// Removes empty descriptions.
pub fn tidy(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for name in ["description", "summary"] {
                match members.get_mut(name) {
                    Some(Value::String(text)) if text.is_empty() => drop(members.remove(name)),
                    Some(Value::String(text)) => *text = unwrapped(text),
                    _ => {}
                }
            }
            members.values_mut().for_each(tidy);
        }
        Value::Array(elements) => elements.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Without the line breaks inside paragraphs.
fn unwrapped(text: &str) -> String {
    let paragraphs = text.split("\n\n").map(|paragraph| paragraph.lines().map(str::trim).collect::<Vec<_>>().join(" "));
    paragraphs.map(|paragraph| paragraph.trim().to_owned()).collect::<Vec<_>>().join("\n\n")
}

/// The text of a JSON document, indented. Members have a fixed order. The properties of a schema
/// begin with the required ones, in the order of `required`. The members that `FIRST` lists come
/// next, in its order, and then all others by name.
///
/// # Panics
/// Never: strings, numbers and lists always serialize.
#[must_use]
pub fn to_text(document: &Value) -> String {
    serde_json::to_string_pretty(&Ordered { value: document, first: &[] }).expect("JSON serializes") + "\n"
}

/// Members that come before others wherever they appear.
const FIRST: [&str; 19] = [
    "$schema",
    "$id",
    "openapi",
    "jsonSchemaDialect",
    "info",
    "servers",
    "tags",
    "title",
    "operationId",
    "summary",
    "name",
    "in",
    "$ref",
    "type",
    "description",
    "required",
    "security",
    "parameters",
    "requestBody",
];

struct Ordered<'a> {
    value: &'a Value,
    /// Members that come first here.
    first: &'a [Value],
}

impl Serialize for Ordered<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.value {
            Value::Object(members) => {
                let required = members.get("required").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
                let rank = |name: &str| {
                    let first = self.first.iter().position(|first| first == name);
                    first.or_else(|| FIRST.iter().position(|first| *first == name).map(|n| self.first.len() + n)).unwrap_or(usize::MAX)
                };
                let mut sorted: Vec<_> = members.iter().collect();
                sorted.sort_by_key(|(name, _)| (rank(name), *name));
                serializer.collect_map(sorted.into_iter().map(|(name, value)| {
                    let first = if name == "properties" { required } else { &[] };
                    (name, Ordered { value, first })
                }))
            }
            Value::Array(elements) => serializer.collect_seq(elements.iter().map(|value| Ordered { value, first: &[] })),
            value => value.serialize(serializer),
        }
    }
}
