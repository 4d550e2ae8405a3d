//! Compares the documented request bodies with the parsers, which are written by hand. If an
//! example is changed at one place, both must refuse it because of that place, or both must accept
//! it.

use crate::openapi::document;
use jsonschema::Validator;
use orders::{
    Currency,
    refund::RefundRequest,
    request::{self, NewOrder},
    restock::RestockRequest,
    shipping::{Message, Report},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

type Parse = fn(&[u8]) -> Result<(), request::Error>;

/// The places whose values the parsers restrict further than a schema can. At these places, only
/// the types are compared.
const RESTRICTED: [&str; 5] = ["/contact/email", "/contact/phone", "/totalAmount", "/amount", "/time"];

/// The example of an order in the document that has every field.
const FULL_ORDER: &str = "/paths/~1api~1orders/post/requestBody/content/application~1json/examples/everything/value";

/// The schema and the parser of each body, and examples that together have all of its fields.
fn bodies() -> [(&'static str, Parse, Vec<Value>); 8] {
    let order = document().pointer(FULL_ORDER).expect("the document has an order with every field").clone();
    let refunded = json!([{ "productID": "PROD-001", "quantity": 1 }]);
    let refunds = vec![json!({ "items": refunded, "restock": true, "reason": "r" }), json!({ "amount": 1, "reason": "r" })];
    let message = json!({
        "id": "evt-1",
        "shipmentID": "ord_01930000000070008000000000000001-1",
        "event": "LOST",
        "time": "2026-11-23T10:15:00Z",
        "reason": "r",
    });
    [
        ("NewOrder", |body| NewOrder::parse(body).map(drop), vec![order]),
        ("Cancel", |body| request::parse_cancel(body).map(drop), vec![json!({ "reason": "r" })]),
        ("Amend", request::parse_amendment, vec![json!({})]),
        ("Review", |body| request::parse_review(body).map(drop), vec![json!({ "approved": true, "note": "n" })]),
        ("NewRefund", |body| RefundRequest::parse(body, Currency::USD).map(drop), refunds),
        ("Restock", |body| RestockRequest::parse(body).map(drop), vec![json!({ "quantity": 1, "reason": "r" })]),
        ("CarrierMessage", |body| Message::parse(body).map(drop), vec![message]),
        ("Scan", |body| Report::parse(body).map(drop), vec![json!({ "event": "LOST", "reason": "r" })]),
    ]
}

/// The values with which each value of an example is replaced.
fn values() -> Vec<Value> {
    let texts = ["".to_owned(), "x".repeat(64), "x".repeat(65), "x".repeat(200), "x".repeat(201)].map(Value::from);
    let numbers = [-1, 0, 1, 10_000, 10_001, 1_000_000, 1_000_001].map(Value::from);
    let types = [Value::Null, json!(true), json!([]), json!({}), json!(1.5)];
    texts.into_iter().chain(numbers).chain(types).collect()
}

/// The places of all values inside a value, as JSON pointers.
fn places(value: &Value, at: &str) -> Vec<String> {
    let inside: Vec<(String, &Value)> = match value {
        Value::Object(members) => members.iter().map(|(name, value)| (format!("{at}/{name}"), value)).collect(),
        Value::Array(elements) => elements.iter().enumerate().map(|(n, value)| (format!("{at}/{n}"), value)).collect(),
        _ => Vec::new(),
    };
    inside.into_iter().flat_map(|(at, value)| places(value, &at).into_iter().chain([at])).collect()
}

/// Asserts that the schema refuses the body if, and only if, the parser finds a fault at this place
/// or inside it.
fn assert_agree(name: &str, schema: &Validator, parse: Parse, body: &Value, place: &str) {
    let faults = match parse(body.to_string().as_bytes()) {
        Err(request::Error::Invalid(faults)) => faults,
        _ => Vec::new(),
    };
    let is_refused = faults.iter().any(|fault| fault.pointer.starts_with(place));
    assert_eq!(schema.is_valid(body), !is_refused, "{name} {place}: {body} {faults:?}");
}

#[test]
fn the_documented_bodies_are_those_that_the_parsers_accept() {
    let document = document();
    for (name, parse, examples) in bodies() {
        let schema = json!({ "$ref": format!("#/components/schemas/{name}"), "components": document["components"] });
        let schema = jsonschema::validator_for(&schema).unwrap();
        let documented: BTreeSet<_> =
            document["components"]["schemas"][name]["properties"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let fields: BTreeSet<_> = examples.iter().flat_map(|example| example.as_object().unwrap().keys()).collect();
        assert_eq!(documented, fields, "{name}");
        for example in &examples {
            assert!(parse(example.to_string().as_bytes()).is_ok() && schema.is_valid(example), "{name}: {example}");
            let mut unknown = example.clone();
            unknown["unknown"] = json!(1);
            assert_agree(name, &schema, parse, &unknown, "/unknown");
            for place in places(example, "") {
                let is_restricted = RESTRICTED.contains(&place.as_str());
                for value in values().into_iter().filter(|value| !is_restricted || !(value.is_string() || value.is_number())) {
                    // Null counts as missing, and the parser refuses a channel without its address.
                    if is_restricted && value.is_null() {
                        continue;
                    }
                    let mut changed = example.clone();
                    *changed.pointer_mut(&place).unwrap() = value;
                    assert_agree(name, &schema, parse, &changed, &place);
                }
                let (parent, member) = place.rsplit_once('/').unwrap();
                let mut changed = example.clone();
                match changed.pointer_mut(parent).unwrap() {
                    Value::Object(members) if !place.starts_with("/contact/") => drop(members.remove(member)),
                    _ => continue,
                }
                assert_agree(name, &schema, parse, &changed, &place);
            }
            for count in [0, 1, 100, 101] {
                let mut changed = example.clone();
                let Some(items) = changed.get_mut("items") else { continue };
                let element = items[0].clone();
                let numbered = (0..count).map(|n| {
                    let mut element = element.clone();
                    element["productID"] = json!(format!("PROD-{n}"));
                    element
                });
                *items = numbered.collect();
                assert_agree(name, &schema, parse, &changed, "/items");
            }
        }
    }
}
