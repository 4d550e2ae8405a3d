//! What the workflows ask of the worker: the activities, what each takes and what it answers.
//!
//! Every activity is idempotent by order id and guarded by the status table, so it may run twice, late, or after the order has ended. It
//! answers with the status that the order then has in Postgres: the facts decide, not what the workflow hoped for.

use crate::{id::OrderId, money::Currency, reconciliation::PaymentEvent, refund::RefundInput, status::OrderStatus};
use serde::{Deserialize, Serialize};
use std::fmt;
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;
use time::OffsetDateTime;

/// The input of [`crate::OrderWorkflow`] and of the `CreateOrder` activity: an order as it was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderInput {
    pub id: OrderId,
    pub customer_id: String,
    pub items: Vec<LineItem>,
    /// Minor units of `currency`; the sum of the lines.
    pub total_minor: i64,
    pub currency: Currency,
    /// A token of the payment gateway, never a card number.
    pub payment_method: String,
    pub contact: Option<Contact>,
    #[serde(with = "time::serde::rfc3339")]
    pub accepted_at: OffsetDateTime,
}

/// One line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineItem {
    pub product_id: String,
    pub quantity: i32,
    /// Minor units of the order's currency.
    pub unit_price_minor: i64,
}

impl LineItem {
    /// Price of the whole line in minor units; `None` on overflow.
    #[must_use]
    pub fn total_minor(&self) -> Option<i64> {
        self.unit_price_minor.checked_mul(i64::from(self.quantity))
    }
}

/// Where to tell the customer about the order. Personal: never logged, never in the read model.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub email: Option<String>,
    pub phone: Option<String>,
}

impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contact(…)")
    }
}

/// What every activity answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The order's status in Postgres after the activity.
    pub status: OrderStatus,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u64,
}

/// What `CheckInventory` holds against the catalogue and reserves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationRequest {
    pub order_id: OrderId,
    pub currency: Currency,
    pub items: Vec<LineItem>,
}

/// What `ProcessPayment` charges. The order id is the gateway's idempotency key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequest {
    pub order_id: OrderId,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    pub payment_method: String,
}

/// What `SendNotification` tells the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub order_id: OrderId,
    pub kind: NoticeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum NoticeKind {
    /// Also the last forward step: it completes the order.
    Confirmed,
    Failed,
    Cancelled,
}

impl NoticeKind {
    /// The name used in SQL (`notifications.type`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "ORDER_CONFIRMED",
            Self::Failed => "ORDER_FAILED",
            Self::Cancelled => "ORDER_CANCELLED",
        }
    }
}

/// What `CancelOrder` undoes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Withdrawal {
    pub order_id: OrderId,
    pub end: End,
    /// For the customer to read.
    pub reason: String,
}

/// How a withdrawn order ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum End {
    Failed,
    Cancelled,
}

impl End {
    #[must_use]
    pub fn status(self) -> OrderStatus {
        match self {
            Self::Failed => OrderStatus::Failed,
            Self::Cancelled => OrderStatus::Cancelled,
        }
    }

    /// The end that a status is; `None` for the others.
    #[must_use]
    pub fn of(status: OrderStatus) -> Option<Self> {
        [Self::Failed, Self::Cancelled].into_iter().find(|end| end.status() == status)
    }

    #[must_use]
    pub fn notice(self) -> NoticeKind {
        match self {
            Self::Failed => NoticeKind::Failed,
            Self::Cancelled => NoticeKind::Cancelled,
        }
    }
}

/// Why an order is refused for good. Travels as the type of a non-retryable application failure, whose message the customer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    OutOfStock,
    InvalidOrder,
    PaymentDeclined,
}

impl Refusal {
    pub const ALL: &[Self] = &[Self::OutOfStock, Self::InvalidOrder, Self::PaymentDeclined];

    /// The failure's type name in Temporal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "OutOfStock",
            Self::InvalidOrder => "InvalidOrder",
            Self::PaymentDeclined => "PaymentDeclined",
        }
    }
}

/// The definitions that the workflow calls; the worker implements them.
pub struct OrderActivities;

#[expect(clippy::unimplemented, reason = "definitions have no bodies: the macro asks for this one")]
#[activity_definitions]
impl OrderActivities {
    /// Records the accepted order.
    #[activity(name = "CreateOrder")]
    pub fn create_order(input: OrderInput) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Holds the order's lines against the catalogue and reserves their stock, all or nothing.
    #[activity(name = "CheckInventory")]
    pub fn check_inventory(input: ReservationRequest) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Charges the order at the payment gateway.
    #[activity(name = "ProcessPayment")]
    pub fn process_payment(input: PaymentRequest) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Records what the customer is told, for delivery; [`NoticeKind::Confirmed`] completes the order with it.
    #[activity(name = "SendNotification")]
    pub fn send_notification(input: Notice) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Compensates: reverses the payment, releases the stock and ends the order. Does nothing to an order that has already ended.
    #[activity(name = "CancelOrder")]
    pub fn cancel_order(input: Withdrawal) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Gives back what a refund is for, if it may be given back, and records what came of it.
    #[activity(name = "RefundPayment")]
    pub fn refund_payment(input: RefundInput) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Makes what is on record of a payment agree with the gateway, which tells that something happened to it.
    #[activity(name = "ReconcilePayment")]
    pub fn reconcile_payment(input: PaymentEvent) -> Result<Progress, ActivityError> {
        unimplemented!()
    }
}

/// The markers by which the worker names the definition that it implements.
pub mod definitions {
    pub use super::order_activities::*;
}
