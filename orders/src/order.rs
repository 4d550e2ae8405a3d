//! An accepted order and its line items.

use crate::{contact::Contact, id::OrderId, money::Currency};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// An order as it was accepted. It is the input of the `CreateOrder` activity and, as
/// [`crate::workflow::OrderStart::New`], of [`crate::OrderWorkflow`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderInput {
    pub id: OrderId,
    pub customer_id: String,
    pub items: Vec<LineItem>,
    /// In minor units of `currency`; the sum of the line items.
    pub total_minor: i64,
    pub currency: Currency,
    /// A token of the payment gateway, never a card number.
    pub payment_method: String,
    pub contact: Option<Contact>,
    #[serde(with = "time::serde::rfc3339")]
    pub accepted_at: OffsetDateTime,
}

/// A line item of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    pub product_id: String,
    pub quantity: i32,
    /// In minor units of the order's currency.
    pub unit_price_minor: i64,
}

impl LineItem {
    /// The price of all units of the line item, in minor units; `None` on overflow.
    #[must_use]
    pub fn total_minor(&self) -> Option<i64> {
        self.unit_price_minor.checked_mul(i64::from(self.quantity))
    }
}
