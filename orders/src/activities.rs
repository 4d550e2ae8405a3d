//! What the workflows ask of the worker: the activities, what each takes and what it answers.
//!
//! Every activity is idempotent by order id and guarded by the status table, so it may run twice, late, or after the order has ended. It
//! answers with the status that the order then has in Postgres: the facts decide, not what the workflow hoped for.

pub use crate::contact::Contact;
use crate::{
    id::OrderId,
    money::Currency,
    reconciliation::PaymentEvent,
    refund::RefundInput,
    restock::{RestockInput, Restocked},
    shipping::Scan,
    status::OrderStatus,
};
use serde::{Deserialize, Serialize};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;
use time::OffsetDateTime;

/// An order as it was accepted: the input of the `CreateOrder` activity, and of [`crate::OrderWorkflow`] in
/// [`crate::workflow::OrderStart::New`].
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

/// What every activity answers. What is not there is left out: orders that began before a field was added go on as they began, and the answers
/// stand in histories, where each byte costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The order's status in Postgres after the activity.
    pub status: OrderStatus,
    /// How long the attempt took, in milliseconds.
    pub took_ms: u64,
    /// How long to wait for somebody's word before going on without it, in milliseconds: the customer's, the shop's or the carrier's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// What the order comes to now, in minor units, where it has been amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
    /// The order is to be shipped before it is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ships: bool,
}

impl Progress {
    /// An order's status, and nothing to wait for.
    #[must_use]
    pub fn at(status: OrderStatus) -> Self {
        Self { status, took_ms: 0, wait_ms: None, amount_minor: None, ships: false }
    }
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
    /// Empty when it is not known any more: then only what the gateway holds already is captured.
    pub payment_method: String,
    /// The order was begun before: the gateway is asked what it holds before anything is authorized.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

/// What `ResumeOrder` looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    pub order_id: OrderId,
}

/// What `ResumeOrder` answers: where an order stands in Postgres, and what its remaining steps need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    pub progress: Progress,
    /// Of an order that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<Rest>,
}

/// What the remaining steps of an order need.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rest {
    /// Minor units of `currency`.
    pub total_minor: i64,
    pub currency: Currency,
    /// The lines; none once stock was reserved for them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<LineItem>,
    /// Empty once the payment is settled, or when it is not on record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payment_method: String,
    /// How the order is being compensated, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<Withdrawal>,
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
    /// Also the last forward step of an order that is not shipped: it completes the order.
    Confirmed,
    ActionRequired,
    InReview,
    Shipped,
    /// Also the last forward step of an order that is shipped: it completes the order.
    Delivered,
    Failed,
    Cancelled,
}

impl NoticeKind {
    /// The name used in SQL (`notifications.type`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "ORDER_CONFIRMED",
            Self::ActionRequired => "ORDER_ACTION_REQUIRED",
            Self::InReview => "ORDER_IN_REVIEW",
            Self::Shipped => "ORDER_SHIPPED",
            Self::Delivered => "ORDER_DELIVERED",
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

/// What `AmendOrder` does: the customer takes the part of the order that there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    pub order_id: OrderId,
}

/// What `ReviewOrder` records: what the shop's people say to an order that waits for them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    pub order_id: OrderId,
    pub approved: bool,
    /// Who says so: their subject at the issuer.
    pub by: String,
    /// For the shop's own people; the customer does not read it.
    pub note: Option<String>,
}

/// What `ShipOrder` hands to the carriers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub order_id: OrderId,
}

/// What `TrackOrder` looks into: where the order's parcels are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    pub order_id: OrderId,
    /// What the carriers have said since; none when nothing was heard for long and they are to be asked.
    pub scans: Vec<Scan>,
    /// Somebody has asked for the order to be cancelled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
}

/// Why an order is refused for good. Travels as the type of a non-retryable application failure, whose message the customer reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    OutOfStock,
    InvalidOrder,
    PaymentDeclined,
    /// As often as the gateway was asked, it failed or did not answer.
    PaymentUnanswered,
    /// By the shop's people.
    NotApproved,
    /// No parcel of it arrives.
    NotDeliverable,
}

/// What the customer reads of [`Refusal::PaymentUnanswered`].
pub const PAYMENT_UNANSWERED: &str = "the payment service did not answer; nothing was charged";

/// The message of a refusal of what concerns no order of ours.
pub const NO_SUCH_ORDER: &str = "there is no such order";

impl Refusal {
    pub const ALL: &[Self] =
        &[Self::OutOfStock, Self::InvalidOrder, Self::PaymentDeclined, Self::PaymentUnanswered, Self::NotApproved, Self::NotDeliverable];

    /// The refusal of this name; `None` when this release does not know it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|refusal| refusal.as_str() == name).copied()
    }

    /// The failure's type name in Temporal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OutOfStock => "OutOfStock",
            Self::InvalidOrder => "InvalidOrder",
            Self::PaymentDeclined => "PaymentDeclined",
            Self::PaymentUnanswered => "PaymentUnanswered",
            Self::NotApproved => "NotApproved",
            Self::NotDeliverable => "NotDeliverable",
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

    /// Looks up where an order stands whose workflow is started again. An order that only the read model knows is recorded first.
    #[activity(name = "ResumeOrder")]
    pub fn resume_order(input: Resumption) -> Result<Resumed, ActivityError> {
        unimplemented!()
    }

    /// Holds the order's lines against the catalogue and the customer's limits, and reserves their stock. It leads to RESERVED, to IN_REVIEW with
    /// nothing reserved, or, where there is only a part of the order, to ACTION_REQUIRED with some of that part reserved for a short time.
    #[activity(name = "CheckInventory")]
    pub fn check_inventory(input: ReservationRequest) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Charges the order at the payment gateway, which is asked a limited number of times.
    #[activity(name = "ProcessPayment")]
    pub fn process_payment(input: PaymentRequest) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Makes the order what was offered of it. Leads to RESERVED, or to IN_REVIEW; stays ACTION_REQUIRED, with another offer, when that is gone.
    #[activity(name = "AmendOrder")]
    pub fn amend_order(input: Amendment) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Records what the shop's people say, and reserves what they approve. Leads to RESERVED, or to ACTION_REQUIRED when a part of it is sold by then;
    /// refused when they decline, or there is nothing left.
    #[activity(name = "ReviewOrder")]
    pub fn review_order(input: Verdict) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Splits the paid order into shipments, one a warehouse, and books each with a carrier. Confirms the order to the customer.
    #[activity(name = "ShipOrder")]
    pub fn ship_order(input: Dispatch) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Records where the shipments are, and gives back the money for what does not arrive. Leads to SHIPPED, DELIVERED; refused when nothing
    /// arrives.
    #[activity(name = "TrackOrder")]
    pub fn track_order(input: Tracking) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Records what the customer is told, for delivery; [`NoticeKind::Confirmed`] and [`NoticeKind::Delivered`] complete the order with it.
    #[activity(name = "SendNotification")]
    pub fn send_notification(input: Notice) -> Result<Progress, ActivityError> {
        unimplemented!()
    }

    /// Compensates: takes shipments back from the carriers, reverses the payment, releases the stock and ends the order. Does nothing to an order
    /// that has already ended, or of which a parcel is on its way.
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

    /// Adds units that came in to a product's stock, once for each id.
    #[activity(name = "RestockProduct")]
    pub fn restock_product(input: RestockInput) -> Result<Restocked, ActivityError> {
        unimplemented!()
    }
}

/// The markers by which the worker names the definition that it implements.
pub mod definitions {
    pub use super::order_activities::*;
}
