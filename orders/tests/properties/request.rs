//! The request parser accepts any input. It returns an order that follows every rule, or faults
//! with their places.

use orders::{
    Currency, Money,
    json::FieldError,
    refund::{RefundRequest, What},
    request::{Error, ITEMS, MAX_REASON_CHARS, NewOrder, QUANTITY, is_identifier, parse_amendment, parse_cancel, parse_review},
    restock::{self, RestockRequest},
    shipping::{Message, Report},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};
use serde_json::{Value, json};

/// The (product, quantity, price in cents) of each line item.
fn lines() -> impl Strategy<Value = Vec<(String, i32, i64)>> {
    vec(("[A-Za-z0-9._:@|+-]{1,64}", QUANTITY, 0_i64..1_000_000), 1..8)
}

/// A valid order request.
fn valid_body() -> impl Strategy<Value = Value> {
    ("[A-Za-z0-9]{1,64}", lines(), any::<bool>()).prop_map(|(customer, lines, contact)| {
        let total: i64 = lines.iter().map(|(_, quantity, price)| i64::from(*quantity) * price).sum();
        let items: Vec<Value> = lines
            .iter()
            .map(|(product, quantity, price)| json!({ "productID": product, "quantity": quantity, "unitPrice": number(*price) }))
            .collect();
        let mut body = json!({ "customerID": customer, "totalAmount": number(total), "items": items });
        if contact {
            body["contact"] = json!({ "email": "somebody@example.com", "phone": "+14155550123" });
        }
        body
    })
}

fn number(cents: i64) -> Value {
    let money = Money { minor: cents, currency: Currency::USD };
    serde_json::from_str(&money.to_string()).unwrap()
}

/// A random value that replaces another one.
fn intruder() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,80}".prop_map(Value::from),
        select(vec![Value::Null, json!(true), json!([]), json!({}), json!([[[]]]), json!({ "items": [] })]),
    ]
}

/// The JSON pointers of all places of a document, the outermost first.
fn places(value: &Value, here: &str, found: &mut Vec<String>) {
    found.push(here.to_owned());
    match value {
        Value::Object(members) => members.iter().for_each(|(name, member)| places(member, &format!("{here}/{name}"), found)),
        Value::Array(elements) => elements.iter().enumerate().for_each(|(n, element)| places(element, &format!("{here}/{n}"), found)),
        _ => {}
    }
}

/// Checks that the result is an order that follows the rules, or an error with a message.
fn check(body: &[u8]) -> Result<(), TestCaseError> {
    match NewOrder::parse(body) {
        Ok(order) => {
            prop_assert!(is_identifier(&order.customer_id));
            prop_assert!(ITEMS.contains(&order.items.len()));
            let mut sum = 0;
            for item in &order.items {
                prop_assert!(is_identifier(&item.product_id) && QUANTITY.contains(&item.quantity) && item.unit_price_minor >= 0);
                sum += i128::from(item.unit_price_minor) * i128::from(item.quantity);
            }
            prop_assert_eq!(sum, i128::from(order.total.minor));
        }
        Err(Error::Malformed(message)) => prop_assert!(!message.is_empty()),
        Err(Error::Invalid(faults)) => check_pointers(&faults)?,
    }
    Ok(())
}

/// The same check for the bodies of the other requests.
fn check_others(body: &[u8]) -> Result<(), TestCaseError> {
    let refund = RefundRequest::parse(body, Currency::USD);
    match refund.as_ref().map(|refund| &refund.what) {
        Ok(What::Amount(minor)) => prop_assert!(*minor > 0),
        Ok(What::Items(items)) => {
            prop_assert!(ITEMS.contains(&items.len()));
            prop_assert!(items.iter().all(|(product, quantity)| is_identifier(product) && QUANTITY.contains(quantity)));
        }
        Ok(What::Undelivered(_)) => return Err(TestCaseError::fail("clients cannot request this")),
        Ok(What::Rest) | Err(_) => {}
    }
    let is_short = |reason: &Option<String>| reason.as_ref().is_none_or(|reason| reason.chars().count() <= MAX_REASON_CHARS);
    let (restock, report) = (RestockRequest::parse(body), Report::parse(body));
    if let Ok(request) = &restock {
        prop_assert!(restock::QUANTITY.contains(&request.quantity) && is_short(&request.reason));
    }
    if let Ok(report) = &report {
        prop_assert!(is_short(&report.reason));
    }
    let others = [parse_cancel(body).err(), parse_amendment(body).err(), parse_review(body).err(), Message::parse(body).err()];
    for refused in others.into_iter().chain([refund.err(), restock.err(), report.err()]) {
        match refused {
            Some(Error::Malformed(message)) => prop_assert!(!message.is_empty()),
            Some(Error::Invalid(faults)) => check_pointers(&faults)?,
            None => {}
        }
    }
    Ok(())
}

/// Random bodies, some of which are valid for the other requests.
fn other_body() -> impl Strategy<Value = Value> {
    let field = prop_oneof![
        intruder().prop_map(|value| ("reason", value)),
        any::<bool>().prop_map(|value| ("restock", json!(value))),
        any::<bool>().prop_map(|value| ("approved", json!(value))),
        (-5_i64..1_000_000).prop_map(|cents| ("amount", number(cents))),
        intruder().prop_map(|value| ("amount", value)),
        vec(("[A-Z-]{0,8}", -1_i32..20), 0..4).prop_map(|items| {
            ("items", items.into_iter().map(|(product, quantity)| json!({ "productID": product, "quantity": quantity })).collect())
        }),
        intruder().prop_map(|value| ("items", value)),
    ];
    vec(field, 0..4)
        .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>().into())
}

fn check_pointers(faults: &[FieldError]) -> Result<(), TestCaseError> {
    prop_assert!(!faults.is_empty(), "the body is refused without a fault");
    for fault in faults {
        prop_assert!(fault.pointer.is_empty() || fault.pointer.starts_with('/'), "{:?}", fault);
        prop_assert!(!fault.message.is_empty(), "{:?}", fault);
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_body_that_breaks_no_rule_is_an_order(body in valid_body()) {
        let order = NewOrder::parse(body.to_string().as_bytes());
        prop_assert!(order.is_ok(), "{:?}", order);
        check(body.to_string().as_bytes())?;
    }

    #[test]
    fn any_bytes_are_answered(body in vec(any::<u8>(), 0..400)) {
        check(&body)?;
        check_others(&body)?;
    }

    #[test]
    fn any_text_is_answered(body in "[\\[\\]{}\",:0-9.eE+a-z \\\\/-]{0,200}") {
        check(body.as_bytes())?;
        check_others(body.as_bytes())?;
    }

    #[test]
    fn bodies_of_other_calls_are_answered(body in other_body(), cut: Index) {
        let text = body.to_string();
        check_others(text.as_bytes())?;
        check_others(&text.as_bytes()[..cut.index(text.len())])?;
    }

    #[test]
    fn a_value_in_anothers_place_is_answered(body in valid_body(), place: Index, intruder in intruder()) {
        let (mut body, mut found) = (body, Vec::new());
        places(&body, "", &mut found);
        let at: &String = place.get(&found);
        *body.pointer_mut(at).unwrap() = intruder;
        check(body.to_string().as_bytes())?;
    }

    #[test]
    fn what_comes_in_is_read_or_refused(quantity in any::<i64>(), field in prop_oneof!["quantity", "reason", "[a-z]{1,9}"], intruder in intruder()) {
        let mut body = json!({ "quantity": quantity });
        let request = RestockRequest::parse(body.to_string().as_bytes());
        prop_assert_eq!(request.is_ok(), i32::try_from(quantity).is_ok_and(|quantity| restock::QUANTITY.contains(&quantity)));
        body[field] = intruder;
        check_others(body.to_string().as_bytes())?;
    }

    #[test]
    fn an_unknown_field_is_found_wherever_it_is(body in valid_body(), place: Index) {
        let (mut body, mut found) = (body, Vec::new());
        places(&body, "", &mut found);
        found.retain(|pointer| body.pointer(pointer).is_some_and(Value::is_object));
        let at: &String = place.get(&found);
        body.pointer_mut(at).unwrap()["un/known~"] = json!(1);
        let Err(Error::Invalid(faults)) = NewOrder::parse(body.to_string().as_bytes()) else {
            return Err(TestCaseError::fail("the invalid body is accepted"));
        };
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        prop_assert_eq!(pointers, [format!("{at}/un~1known~0")]);
    }

    #[test]
    fn damaged_bytes_are_answered(body in valid_body(), damage in vec((any::<Index>(), any::<u8>()), 1..6), cut: Index) {
        let mut bytes = body.to_string().into_bytes();
        for (place, byte) in damage {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        check(&bytes)?;
        check(&bytes[..cut.index(bytes.len())])?;
    }

    #[test]
    fn another_total_is_refused(body in valid_body(), wrong in 0_i64..100_000_000) {
        let mut body = body;
        let right = body["totalAmount"].clone();
        body["totalAmount"] = number(wrong);
        prop_assume!(body["totalAmount"] != right);
        let Err(Error::Invalid(faults)) = NewOrder::parse(body.to_string().as_bytes()) else {
            return Err(TestCaseError::fail("the invalid body is accepted"));
        };
        prop_assert_eq!(&faults[0].pointer, "/totalAmount");
    }
}
