//! The requests of clients, and all checks of requests that need no database.

pub mod body;

use crate::{
    card_number,
    contact::Contact,
    id::OrderId,
    json::{self, FieldErrors, Object},
    money::{Currency, Money},
    order::{LineItem, OrderInput},
};
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use time::OffsetDateTime;

/// How many line items an order may have.
pub const ITEMS: RangeInclusive<usize> = 1..=100;
/// How many units a line item may have.
pub const QUANTITY: RangeInclusive<i32> = 1..=10_000;
/// The maximum length of a customer id or product id, in bytes.
pub const MAX_ID_BYTES: usize = 64;
/// The maximum length of a reason or note, in characters (Unicode code points).
pub const MAX_REASON_CHARS: usize = 200;
/// The payment token that an order without one gets: the sandbox's card that succeeds.
pub const DEFAULT_PAYMENT_METHOD: &str = "tok_visa";

/// Why a request body is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The body is not JSON (400).
    #[error("{0}")]
    Malformed(String),
    /// The body is JSON, but not a valid request (422).
    #[error("the request is not valid")]
    Invalid(Vec<json::FieldError>),
}

/// A valid order that has no id yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOrder {
    pub customer_id: String,
    pub items: Vec<LineItem>,
    /// The sum of the line items.
    pub total: Money,
    pub payment_method: String,
    pub contact: Option<Contact>,
}

impl NewOrder {
    /// Reads the body of `POST /api/orders`.
    ///
    /// # Errors
    /// [`Error::Malformed`] if the body is not JSON in UTF-8; otherwise [`Error::Invalid`] with all
    /// faults.
    pub fn parse(body: &[u8]) -> Result<Self, Error> {
        let body = document(body)?;
        let mut faults = FieldErrors::default();
        let order = Object::read(body, String::new(), &mut faults).and_then(|order| read_order(order, &mut faults));
        match order {
            Some(order) if faults.is_empty() => Ok(order),
            _ => Err(Error::Invalid(faults.into_vec())),
        }
    }

    /// The workflow's input for this order. `accepted_at` is when the request was accepted; it is
    /// kept to the millisecond.
    #[must_use]
    pub fn into_input(self, id: OrderId, accepted_at: OffsetDateTime) -> OrderInput {
        OrderInput {
            id,
            customer_id: self.customer_id,
            items: self.items,
            total_minor: self.total.minor,
            currency: self.total.currency,
            payment_method: self.payment_method,
            contact: self.contact,
            accepted_at: accepted_at.replace_millisecond(accepted_at.millisecond()).unwrap_or(accepted_at),
        }
    }
}

/// Reads the body of `POST /api/orders/{id}/cancel`: empty, or an object with an optional `reason`.
///
/// # Errors
/// As [`NewOrder::parse`].
pub fn parse_cancel(body: &[u8]) -> Result<Option<String>, Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    let body = document(body)?;
    let mut faults = FieldErrors::default();
    let reason = Object::read(body, String::new(), &mut faults).and_then(|mut request| {
        let reason = request.optional("reason").and_then(|value| reason(value, &mut faults));
        request.end(&mut faults);
        reason
    });
    if faults.is_empty() { Ok(reason) } else { Err(Error::Invalid(faults.into_vec())) }
}

/// Reads the body of `POST /api/orders/{id}/amend`: empty, or an empty object. It needs no fields,
/// because the only possible amendment is to take the offer.
///
/// # Errors
/// As [`NewOrder::parse`].
pub fn parse_amendment(body: &[u8]) -> Result<(), Error> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(());
    }
    let body = document(body)?;
    let mut faults = FieldErrors::default();
    if let Some(request) = Object::read(body, String::new(), &mut faults) {
        request.end(&mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Invalid(faults.into_vec())) }
}

/// Reads the body of `POST /api/orders/{id}/review`: whether the order is approved, and an optional
/// note for staff.
///
/// # Errors
/// As [`NewOrder::parse`].
pub fn parse_review(body: &[u8]) -> Result<(bool, Option<String>), Error> {
    let body = document(body)?;
    let mut faults = FieldErrors::default();
    let review = Object::read(body, String::new(), &mut faults).map(|mut request| {
        let approved = request.required("approved", &mut faults).and_then(|value| json::boolean(value, "/approved", &mut faults));
        let note = request.optional("note").and_then(|value| text(value, "/note", &mut faults));
        request.end(&mut faults);
        (approved, note)
    });
    match review {
        Some((Some(approved), note)) if faults.is_empty() => Ok((approved, note)),
        _ => Err(Error::Invalid(faults.into_vec())),
    }
}

/// Reads the field `reason`; `None` if the text is blank.
pub(crate) fn reason(value: &RawValue, faults: &mut FieldErrors) -> Option<String> {
    text(value, "/reason", faults)
}

fn text(value: &RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<String> {
    let text = json::string(value, pointer, faults)?;
    if text.chars().count() > MAX_REASON_CHARS || text.chars().any(char::is_control) {
        faults.add(pointer, format!("must be at most {MAX_REASON_CHARS} characters without control characters"));
    }
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

pub(crate) fn document(body: &[u8]) -> Result<&RawValue, Error> {
    let text = str::from_utf8(body).map_err(|_| Error::Malformed("the body is not UTF-8".to_owned()))?;
    serde_json::from_str(text).map_err(|error| Error::Malformed(format!("the body is not JSON: {error}")))
}

fn read_order(mut order: Object<'_>, faults: &mut FieldErrors) -> Option<NewOrder> {
    let customer_id = order.required("customerID", faults).and_then(|value| identifier(value, "/customerID", faults));
    let currency = match order.optional("currency") {
        None => Some(Currency::USD),
        Some(value) => currency(value, faults),
    };
    let total = order.required("totalAmount", faults).and_then(|value| {
        // Even if the currency is unknown, the amount must be a number.
        let number = json::number(value, "/totalAmount", faults)?;
        amount(number, currency?, "/totalAmount", faults)
    });
    let items = order.required("items", faults).and_then(|value| read_items(value, currency, faults));
    let payment_method = match order.optional("paymentMethod") {
        None => Some(DEFAULT_PAYMENT_METHOD.to_owned()),
        Some(value) => payment_method(value, faults),
    };
    let contact = order.optional("contact").and_then(|value| Contact::read(value, faults));
    order.end(faults);

    let (total, items) = (total?, items?);
    let sum = items.iter().try_fold(0_i64, |sum, item| sum.checked_add(item.total_minor()?));
    match sum {
        Some(sum) if sum == total.minor => {}
        Some(sum) => {
            let sum = Money { minor: sum, currency: total.currency };
            faults.add("/totalAmount", format!("is {total}, but the items add up to {sum}"));
        }
        None => faults.add("/items", "add up to more than can be ordered at once"),
    }
    Some(NewOrder { customer_id: customer_id?, items, total, payment_method: payment_method?, contact })
}

fn read_items(value: &RawValue, currency: Option<Currency>, faults: &mut FieldErrors) -> Option<Vec<LineItem>> {
    let elements = json::array(value, "/items", faults)?;
    if !ITEMS.contains(&elements.len()) {
        faults.add("/items", format!("must hold {} to {} items, not {}", ITEMS.start(), ITEMS.end(), elements.len()));
        return None;
    }
    let items: Vec<_> = elements.iter().enumerate().map(|(n, value)| read_item(value, n, currency, faults)).collect();
    items.into_iter().collect()
}

fn read_item(value: &RawValue, n: usize, currency: Option<Currency>, faults: &mut FieldErrors) -> Option<LineItem> {
    let mut item = Object::read(value, format!("/items/{n}"), faults)?;
    let product_id = item.required("productID", faults).and_then(|value| identifier(value, &item.at("productID"), faults));
    let quantity = item.required("quantity", faults).and_then(|value| quantity(value, &item.at("quantity"), faults));
    let unit_price = item.required("unitPrice", faults).and_then(|value| {
        let pointer = item.at("unitPrice");
        let number = json::number(value, &pointer, faults)?;
        amount(number, currency?, &pointer, faults)
    });
    item.end(faults);
    Some(LineItem { product_id: product_id?, quantity: quantity?, unit_price_minor: unit_price?.minor })
}

fn amount(number: &str, currency: Currency, pointer: &str, faults: &mut FieldErrors) -> Option<Money> {
    Money::parse(number, currency).map_err(|error| faults.add(pointer, error.to_string())).ok()
}

fn currency(value: &RawValue, faults: &mut FieldErrors) -> Option<Currency> {
    let code = json::string(value, "/currency", faults)?;
    let currency = Currency::from_code(&code);
    if currency.is_none() {
        faults.add("/currency", "is not an ISO 4217 currency code");
    }
    currency
}

pub(crate) fn quantity(value: &RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<i32> {
    whole_number(value, pointer, &QUANTITY, faults)
}

pub(crate) fn whole_number(value: &RawValue, pointer: &str, range: &RangeInclusive<i32>, faults: &mut FieldErrors) -> Option<i32> {
    let number = json::number(value, pointer, faults)?.parse().ok().filter(|number| range.contains(number));
    if number.is_none() {
        faults.add(pointer, format!("must be a whole number from {} to {}", range.start(), range.end()));
    }
    number
}

pub(crate) fn identifier(value: &RawValue, pointer: &str, faults: &mut FieldErrors) -> Option<String> {
    let text = json::string(value, pointer, faults)?;
    // `json::string` has already refused card numbers.
    if has_form_of_identifier(&text) {
        return Some(text);
    }
    faults.add(pointer, format!("must be 1 to {MAX_ID_BYTES} of the characters A-Z a-z 0-9 . _ : @ | + -"));
    None
}

/// Whether a text can be the id of a customer or a product.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    has_form_of_identifier(text) && !card_number::is_in(text)
}

fn has_form_of_identifier(text: &str) -> bool {
    (1..=MAX_ID_BYTES).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b':' | b'@' | b'|' | b'+' | b'-'))
}

fn payment_method(value: &RawValue, faults: &mut FieldErrors) -> Option<String> {
    let text = json::string(value, "/paymentMethod", faults)?;
    let known = (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if known {
        return Some(text);
    }
    // The message must not repeat the text: it may contain a card number.
    faults.add("/paymentMethod", "must be a payment token, such as tok_visa");
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str =
        r#"{"customerID":"CUST-001","totalAmount":1299.99,"items":[{"productID":"PROD-001","quantity":1,"unitPrice":1299.99}]}"#;

    fn pointers(body: &str) -> Vec<String> {
        match NewOrder::parse(body.as_bytes()) {
            Err(Error::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("expected faults, got {other:?}"),
        }
    }

    #[test]
    fn reads_the_seed_order() {
        let order = NewOrder::parse(SEED.as_bytes()).unwrap();
        assert_eq!(order.total, Money { minor: 129_999, currency: Currency::USD });
        assert_eq!(order.items, [LineItem { product_id: "PROD-001".to_owned(), quantity: 1, unit_price_minor: 129_999 }]);
        assert_eq!(order.payment_method, "tok_visa");
        assert_eq!(order.contact, None);
    }

    #[test]
    fn names_every_fault_at_once() {
        let body = r#"{"customerID":"","totalAmount":"12","currency":"XXZ","items":[{"productID":7,"quantity":0,"unitPrice":1e400},
            {"quantity":1.5,"unitPrice":-1,"colour/size":"red"}],"contact":{"email":"nobody","phone":"12"},"paymentMethod":"4242 4242"}"#;
        assert_eq!(
            pointers(body),
            [
                "/customerID",
                "/currency",
                "/totalAmount",
                "/items/0/productID",
                "/items/0/quantity",
                "/items/1/productID",
                "/items/1/quantity",
                "/items/1/colour~1size",
                "/paymentMethod",
                "/contact/email",
                "/contact/phone",
            ]
        );
    }

    #[test]
    fn a_repeated_key_is_a_fault() {
        let body = SEED.replacen(r#""totalAmount""#, r#""totalAmount":1,"totalAmount""#, 1);
        assert!(pointers(&body).contains(&"/totalAmount".to_owned()));
    }

    #[test]
    fn the_total_is_the_sum_of_the_lines() {
        assert_eq!(pointers(&SEED.replacen("1299.99", "1299.98", 1)), ["/totalAmount"]);
    }

    #[test]
    fn amounts_follow_the_currency() {
        assert_eq!(pointers(&SEED.replacen('{', r#"{"currency":"JPY","#, 1)), ["/totalAmount", "/items/0/unitPrice"]);
    }

    #[test]
    fn quantities_and_counts_are_bounded() {
        for quantity in ["0", "-1", "10001", "1.0", "1e2", "99999999999999999999", "true", "\"1\""] {
            assert_eq!(
                pointers(&SEED.replace(r#""quantity":1"#, &format!(r#""quantity":{quantity}"#))),
                ["/items/0/quantity"],
                "{quantity}"
            );
        }
        let item = r#"{"productID":"P","quantity":1,"unitPrice":1}"#;
        for n in [0, 101] {
            let items = vec![item; n].join(",");
            assert_eq!(pointers(&format!(r#"{{"customerID":"C","totalAmount":{n},"items":[{items}]}}"#)), ["/items"]);
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        let deep = "[".repeat(200_000);
        for body in ["", "{", "NaN", r#"{"totalAmount":NaN}"#, r#"{"a":1}x"#, deep.as_str()] {
            assert!(matches!(NewOrder::parse(body.as_bytes()), Err(Error::Malformed(_))), "{}", &body[..body.len().min(20)]);
        }
        assert!(matches!(NewOrder::parse(b"{\"customerID\":\"\xff\"}"), Err(Error::Malformed(_))));
        for body in ["[]", "null", "7", "\"x\""] {
            assert_eq!(pointers(body), [""], "{body}");
        }
    }

    #[test]
    fn a_cancel_may_say_why() {
        assert_eq!(parse_cancel(b""), Ok(None));
        assert_eq!(parse_cancel(b"{}"), Ok(None));
        assert_eq!(parse_cancel(br#"{"reason":" changed my mind "}"#), Ok(Some("changed my mind".to_owned())));
        assert!(matches!(parse_cancel(b"{"), Err(Error::Malformed(_))));
        assert!(matches!(parse_cancel(br#"{"reason":1}"#), Err(Error::Invalid(_))));
        assert!(matches!(parse_cancel(br#"{"why":"x"}"#), Err(Error::Invalid(_))));
        assert_eq!((parse_amendment(b""), parse_amendment(b" {} ")), (Ok(()), Ok(())));
        assert!(matches!(parse_amendment(br#"{"items":[]}"#), Err(Error::Invalid(_))));
        assert_eq!(parse_review(br#"{"approved":true,"note":" a good customer "}"#), Ok((true, Some("a good customer".to_owned()))));
        assert_eq!(parse_review(br#"{"approved":false}"#), Ok((false, None)));
        for body in ["{}", r#"{"approved":"yes"}"#, r#"{"approved":true,"by":"me"}"#, "[]"] {
            assert!(matches!(parse_review(body.as_bytes()), Err(Error::Invalid(_))), "{body}");
        }
        assert!(matches!(parse_cancel(format!(r#"{{"reason":"{}"}}"#, "x".repeat(201)).as_bytes()), Err(Error::Invalid(_))));
    }
}
