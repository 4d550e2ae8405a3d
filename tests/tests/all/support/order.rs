//! Orders, as a client writes them.

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A product of the catalogue that only one test uses.
#[derive(Clone, Debug)]
pub(crate) struct Product {
    pub(crate) id: String,
    pub(crate) price_minor: i64,
}

/// An order to place. Its total is the sum of its lines.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    customer: String,
    total_minor: i64,
    items: Vec<Value>,
    more: Vec<(&'static str, Value)>,
}

impl Draft {
    pub(crate) fn new(customer: &str) -> Self {
        Self { customer: customer.to_owned(), total_minor: 0, items: Vec::new(), more: Vec::new() }
    }

    pub(crate) fn line(self, product: &Product, quantity: i64) -> Self {
        let price = product.price_minor;
        self.line_at(&product.id, quantity, price)
    }

    /// Adds a line at any price, which need not be the catalogue's.
    pub(crate) fn line_at(mut self, product_id: &str, quantity: i64, price_minor: i64) -> Self {
        self.total_minor += quantity * price_minor;
        self.items.push(json!({ "productID": product_id, "quantity": quantity, "unitPrice": decimal(price_minor) }));
        self
    }

    pub(crate) fn payment_method(self, token: &str) -> Self {
        self.with("paymentMethod", token)
    }

    pub(crate) fn with(mut self, field: &'static str, value: impl Into<Value>) -> Self {
        self.more.push((field, value.into()));
        self
    }

    pub(crate) fn body(&self) -> Value {
        let mut body = json!({ "customerID": self.customer, "totalAmount": decimal(self.total_minor), "items": self.items });
        for (field, value) in &self.more {
            body[*field] = value.clone();
        }
        body
    }
}

/// The order of the README.
pub(crate) fn seed_order() -> &'static str {
    r#"{"customerID":"CUST-001","totalAmount":1299.99,"items":[{"productID":"PROD-001","quantity":1,"unitPrice":1299.99}]}"#
}

/// Converts minor units of a currency with two decimals to a JSON number with exactly these digits.
fn decimal(minor: i64) -> Value {
    let text = format!("{}.{:02}", minor / 100, minor % 100);
    serde_json::from_str(&text).expect("digits are a JSON number")
}

/// Whether no time in the order is after `updatedAt`.
pub(crate) fn is_updated_last(order: &Value) -> bool {
    let time = |value: &Value| OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok();
    let all = |field: &'static str, name: &'static str| order[field].as_array().into_iter().flatten().map(move |one| &one[name]);
    let shown =
        all("history", "at").chain(all("refunds", "requestedAt")).chain(all("shipments", "updatedAt")).chain(all("notifications", "at"));
    let updated = time(&order["updatedAt"]);
    updated.is_some() && shown.chain([&order["createdAt"]]).all(|at| time(at).is_some() && time(at) <= updated)
}
