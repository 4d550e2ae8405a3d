//! Refunds: giving back a captured amount, whole or in part.

use crate::{
    id::{OrderId, RefundId},
    json::{self, FieldErrors, Object},
    money::{Currency, Money},
    request::{self, Error},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use time::OffsetDateTime;

/// The input of [`crate::RefundWorkflow`] and of the `RefundPayment` activity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundInput {
    pub id: RefundId,
    pub order_id: OrderId,
    pub request: RefundRequest,
    #[serde(with = "time::serde::rfc3339")]
    pub requested_at: OffsetDateTime,
}

/// A requested refund.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequest {
    pub what: What,
    /// The customer can read it.
    pub reason: Option<String>,
    /// True if the refunded units are back in stock and can be sold again.
    pub restock: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// Everything that has not been refunded yet.
    Rest,
    /// An amount in minor units of the order's currency.
    Amount(i64),
    /// The number of units of each product, at the prices of the order. The keys are product ids.
    Items(BTreeMap<String, i32>),
    /// Units that did not arrive, as in [`Self::Items`]. What is already refunded is subtracted.
    /// Clients cannot request this; it results from a failed shipment.
    Undelivered(BTreeMap<String, i32>),
}

impl RefundRequest {
    /// Reads the body of `POST /api/orders/{id}/refunds` for an order in this currency. The body is
    /// empty, or an object with optional `reason`, `restock`, and either `amount` or `items`.
    ///
    /// # Errors
    /// As [`request::NewOrder::parse`].
    pub fn parse(body: &[u8], currency: Currency) -> Result<Self, Error> {
        if body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { what: What::Rest, reason: None, restock: false });
        }
        let mut faults = FieldErrors::default();
        let request =
            Object::read(request::document(body)?, String::new(), &mut faults).and_then(|object| read(object, currency, &mut faults));
        match request {
            Some(request) if faults.is_empty() => Ok(request),
            _ => Err(Error::Invalid(faults.into_vec())),
        }
    }
}

fn read(mut object: Object<'_>, currency: Currency, faults: &mut FieldErrors) -> Option<RefundRequest> {
    let reason = object.optional("reason").and_then(|value| request::reason(value, faults));
    let restock = object.optional("restock").map(|value| json::boolean(value, "/restock", faults));
    let amount = object.optional("amount").map(|value| amount(value, currency, faults));
    let items = object.optional("items").map(|value| items(value, faults));
    object.end(faults);
    let what = match (amount, items) {
        (None, None) => What::Rest,
        (Some(amount), None) => What::Amount(amount?),
        (None, Some(items)) => What::Items(items?),
        (Some(_), Some(_)) => {
            faults.add("/items", "cannot be given together with an amount");
            return None;
        }
    };
    if restock == Some(Some(true)) && matches!(what, What::Amount(_)) {
        faults.add("/restock", "needs items, because an amount does not say which units");
    }
    Some(RefundRequest { what, reason, restock: restock.unwrap_or(Some(false))? })
}

fn amount(value: &RawValue, currency: Currency, faults: &mut FieldErrors) -> Option<i64> {
    let number = json::number(value, "/amount", faults)?;
    match Money::parse(number, currency) {
        Ok(money) if money.minor > 0 => Some(money.minor),
        Ok(_) => {
            faults.add("/amount", "must be more than nothing");
            None
        }
        Err(error) => {
            faults.add("/amount", error.to_string());
            None
        }
    }
}

fn items(value: &RawValue, faults: &mut FieldErrors) -> Option<BTreeMap<String, i32>> {
    let elements = json::array(value, "/items", faults)?;
    if !request::ITEMS.contains(&elements.len()) {
        faults.add("/items", format!("must hold {} to {} items, not {}", request::ITEMS.start(), request::ITEMS.end(), elements.len()));
        return None;
    }
    let mut items = BTreeMap::new();
    for (n, value) in elements.iter().enumerate() {
        let Some(mut item) = Object::read(value, format!("/items/{n}"), faults) else { continue };
        let product_id = item.required("productID", faults).and_then(|value| request::identifier(value, &item.at("productID"), faults));
        let quantity = item.required("quantity", faults).and_then(|value| request::quantity(value, &item.at("quantity"), faults));
        let pointer = item.at("productID");
        item.end(faults);
        if let (Some(product_id), Some(quantity)) = (product_id, quantity)
            && items.insert(product_id, quantity).is_some()
        {
            faults.add(pointer, "appears more than once");
        }
    }
    Some(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &str) -> Result<RefundRequest, Vec<String>> {
        RefundRequest::parse(body.as_bytes(), Currency::USD).map_err(|error| match error {
            Error::Invalid(faults) => faults.into_iter().map(|fault| fault.pointer).collect(),
            Error::Malformed(text) => vec![text],
        })
    }

    #[test]
    fn asks_for_the_rest_an_amount_or_items() {
        let rest = RefundRequest { what: What::Rest, reason: None, restock: false };
        assert_eq!((parse(""), parse("{}")), (Ok(rest.clone()), Ok(rest)));
        let damaged = RefundRequest { what: What::Amount(1_250), reason: Some("damaged".to_owned()), restock: false };
        assert_eq!(parse(r#"{"amount":12.50,"reason":" damaged "}"#), Ok(damaged));
        let returned = RefundRequest { what: What::Items(BTreeMap::from([("PROD-001".to_owned(), 2)])), reason: None, restock: true };
        assert_eq!(parse(r#"{"items":[{"productID":"PROD-001","quantity":2}],"restock":true}"#), Ok(returned));
    }

    #[test]
    fn names_every_fault() {
        for (body, pointers) in [
            (r#"{"amount":0}"#, &["/amount"][..]),
            (r#"{"amount":1.001,"restock":"yes"}"#, &["/restock", "/amount"]),
            (r#"{"amount":1,"items":[{"productID":"A","quantity":1}]}"#, &["/items"]),
            (r#"{"amount":1,"restock":true}"#, &["/restock"]),
            (r#"{"items":[]}"#, &["/items"]),
            (r#"{"items":[{"productID":"A","quantity":0},{"productID":"A"}],"x":1}"#, &["/items/0/quantity", "/items/1/quantity", "/x"]),
            (r#"{"items":[{"productID":"A","quantity":1},{"productID":"A","quantity":1}]}"#, &["/items/1/productID"]),
        ] {
            assert_eq!(parse(body), Err(pointers.iter().map(|&pointer| pointer.to_owned()).collect()), "{body}");
        }
    }
}
