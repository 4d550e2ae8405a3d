//! Finds refunds that cannot succeed according to the read model. The worker decides about all
//! other refunds, while it holds the lock of the order.

use crate::http::{Kind, Problem};
use orders::{
    Currency, Money,
    json::{FieldError, FieldErrors},
    refund::{RefundRequest, What},
    status::PaymentStatus,
};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::{cell::OnceCell, collections::HashMap};

/// The fields of an order's JSON that decide about refunds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refundable<'a> {
    pub(crate) currency: Currency,
    #[serde(borrow)]
    items: Vec<Line<'a>>,
    #[serde(borrow)]
    payment: Option<Payment<'a>>,
    #[serde(default, borrow)]
    refunds: Vec<Refund<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    #[serde(rename = "productID")]
    product_id: String,
    quantity: i64,
    #[serde(borrow)]
    unit_price: &'a RawValue,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payment<'a> {
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
    #[serde(borrow)]
    refunded_amount: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Refund<'a> {
    status: String,
    #[serde(borrow)]
    amount: &'a RawValue,
}

impl Refundable<'_> {
    /// Why a refund cannot succeed. `None` if the read model shows no reason. `body` is the
    /// request's text.
    pub(crate) fn refusal(&self, request: &RefundRequest, body: &[u8]) -> Option<Problem> {
        let nothing = |detail: &'static str| Some(Problem::new(Kind::NothingToRefund, detail));
        let payment = self.payment.as_ref().filter(|payment| payment.status.parse().is_ok_and(PaymentStatus::was_captured));
        let Some(payment) = payment else { return nothing("The order is not paid.") };
        let units = match &request.what {
            What::Items(units) => self.cost(units.iter().map(|(id, quantity)| (id.as_str(), i64::from(*quantity))), body),
            _ => Ok(None),
        };
        let cost = match units {
            Ok(cost) => cost,
            Err(faults) => return Some(Problem::invalid(faults)),
        };
        let refundable = self.refundable_minor(payment)?;
        match (&request.what, cost) {
            // Units that cost nothing are returned without a refund of money.
            (_, Some(0)) => None,
            // Units may be returned even if their money was refunded earlier.
            _ if refundable <= 0 && !request.restock => nothing("Everything has been refunded, or is about to be."),
            (What::Amount(amount), _) if *amount > refundable => {
                Some(invalid("/amount", format!("must be at most {}, which has not been given back yet", self.money(refundable))))
            }
            (_, Some(cost)) if cost > refundable => Some(invalid(
                "/items",
                format!("come to {}, but only {} has not been given back yet", self.money(cost), self.money(refundable)),
            )),
            _ => None,
        }
    }

    /// The part of the captured amount that is neither refunded nor in a pending refund, in minor
    /// units. `None` if an amount cannot be read.
    fn refundable_minor(&self, payment: &Payment<'_>) -> Option<i64> {
        let mut refundable = self.minor(payment.amount)? - payment.refunded_amount.map_or(Some(0), |amount| self.minor(amount))?;
        for pending in self.refunds.iter().filter(|refund| refund.status == "PENDING") {
            refundable -= self.minor(pending.amount)?;
        }
        Some(refundable)
    }

    /// The cost of the requested units, in minor units. `None` if a price cannot be read.
    ///
    /// # Errors
    /// A fault for each product that is not in the order, and for each quantity that exceeds the
    /// order's.
    fn cost<'u>(&self, units: impl Iterator<Item = (&'u str, i64)>, body: &[u8]) -> Result<Option<i64>, Vec<FieldError>> {
        let mut bought: HashMap<&str, (Option<i64>, i64)> = HashMap::new();
        for line in &self.items {
            let (price, quantity) = bought.entry(&line.product_id).or_insert((self.minor(line.unit_price), 0));
            // All line items of one product have the same price.
            *price = price.or_else(|| self.minor(line.unit_price));
            *quantity += line.quantity;
        }
        let (mut faults, mut cost) = (FieldErrors::default(), Some(0_i64));
        let pointers = OnceCell::new();
        for (product_id, quantity) in units {
            let pointer = || pointers.get_or_init(|| ItemPointers::read(body)).pointer(product_id);
            match bought.get(product_id) {
                None => faults.add(format!("{}/productID", pointer()), "is not in the order"),
                Some((_, most)) if quantity > *most => {
                    faults.add(format!("{}/quantity", pointer()), format!("must be at most {most}, as the order has it"));
                }
                Some((price, _)) => cost = cost.zip(*price).and_then(|(cost, price)| cost.checked_add(price.checked_mul(quantity)?)),
            }
        }
        if faults.is_empty() { Ok(cost) } else { Err(faults.into_vec()) }
    }

    fn minor(&self, amount: &RawValue) -> Option<i64> {
        Money::parse(amount.get(), self.currency).ok().map(|money| money.minor)
    }

    fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.currency }
    }
}

fn invalid(pointer: &str, message: String) -> Problem {
    Problem::invalid(vec![FieldError { pointer: pointer.to_owned(), message }])
}

/// The items of a request, to find the place of a fault.
#[derive(Default, Deserialize)]
struct ItemPointers {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "productID")]
    product_id: String,
}

impl ItemPointers {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    /// The JSON pointer of the first item with this product.
    fn pointer(&self, product_id: &str) -> String {
        let at = self.items.iter().position(|item| item.product_id == product_id);
        at.map_or_else(|| "/items".to_owned(), |n| format!("/items/{n}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// The type and the pointers of the problem with which a refund is refused.
    fn refusal(change: Value, body: &str) -> Option<(String, Vec<String>)> {
        let mut order = json!({
            "currency": "USD",
            "items": [
                { "productID": "LAMP", "quantity": 3, "unitPrice": 25.0 }, { "productID": "LAMP", "quantity": 1, "unitPrice": 25.0 },
                { "productID": "GIFT", "quantity": 1, "unitPrice": 0.0 }
            ],
            "payment": { "status": "CAPTURED", "amount": 100.0 }
        });
        order.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let order = order.to_string();
        let order: Refundable<'_> = serde_json::from_str(&order).unwrap();
        let request = RefundRequest::parse(body.as_bytes(), order.currency).unwrap();
        order.refusal(&request, body.as_bytes()).map(|problem| problem.type_and_pointers())
    }

    fn refund(status: &str, amount: f64) -> Value {
        json!({ "id": "ref_1", "status": status, "amount": amount, "requestedAt": "2026-11-29T12:00:00.000Z" })
    }

    #[test]
    fn what_may_succeed_is_left_to_the_worker() {
        for body in [
            "",
            r#"{"amount":100}"#,
            r#"{"items":[{"productID":"LAMP","quantity":4}]}"#,
            r#"{"items":[{"productID":"GIFT","quantity":1}]}"#,
        ] {
            assert_eq!(refusal(json!({}), body), None, "{body}");
        }
        let partly = json!({ "payment": { "status": "PARTIALLY_REFUNDED", "amount": 100.0, "refundedAmount": 75.0 } });
        assert_eq!(refusal(partly, r#"{"amount":25}"#), None);
        let all = json!({ "payment": { "status": "REFUNDED", "amount": 100.0, "refundedAmount": 100.0 } });
        assert_eq!(refusal(all, r#"{"items":[{"productID":"GIFT","quantity":1}],"restock":true}"#), None);
        assert_eq!(
            refusal(json!({ "payment": { "status": "REFUNDED", "amount": 100.0, "refundedAmount": 100.0 } }), r#"{"restock":true}"#),
            None
        );
        // An amount that this release cannot read.
        assert_eq!(refusal(json!({ "payment": { "status": "CAPTURED", "amount": 0.001 } }), r#"{"amount":25}"#), None);
    }

    #[test]
    fn what_cannot_succeed_is_named() {
        let invalid =
            |pointers: &[&str]| Some(("invalid-request".to_owned(), pointers.iter().map(|&pointer| pointer.to_owned()).collect()));
        let nothing = || Some(("nothing-to-refund".to_owned(), vec![]));
        assert_eq!(refusal(json!({}), r#"{"amount":100.01}"#), invalid(&["/amount"]));
        let items = r#"{"items":[{"productID":"LAMP","quantity":5},{"productID":"SOFA","quantity":1}]}"#;
        assert_eq!(refusal(json!({}), items), invalid(&["/items/0/quantity", "/items/1/productID"]));
        let partly = json!({ "payment": { "status": "PARTIALLY_REFUNDED", "amount": 100.0, "refundedAmount": 75.0 } });
        assert_eq!(refusal(partly.clone(), r#"{"amount":25.01}"#), invalid(&["/amount"]));
        assert_eq!(refusal(partly, r#"{"items":[{"productID":"LAMP","quantity":2}]}"#), invalid(&["/items"]));
        let pending = json!({ "refunds": [refund("PENDING", 90.0), refund("FAILED", 90.0)] });
        assert_eq!(refusal(pending, r#"{"amount":11}"#), invalid(&["/amount"]));
        let all_pending = json!({ "refunds": [refund("PENDING", 100.0)] });
        assert_eq!((refusal(all_pending.clone(), ""), refusal(all_pending, r#"{"amount":1}"#)), (nothing(), nothing()));
        for payment in [Value::Null, json!({ "status": "DECLINED", "amount": 100.0 }), json!({ "status": "VOIDED", "amount": 100.0 })] {
            assert_eq!(refusal(json!({ "payment": payment }), ""), nothing());
        }
    }
}
