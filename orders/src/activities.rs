//! The activities that the workflows call: their names, inputs and results.
//!
//! Every activity is idempotent by order id and guarded by the status table. It may therefore run
//! twice, run late, or run after the order has ended. An activity that acts on an order returns the
//! status that the order then has in Postgres. The workflow follows that status, even if it
//! expected another one.

use crate::{
    id::OrderId,
    money::Currency,
    order::{LineItem, OrderInput},
    reconciliation::PaymentEvent,
    refund::RefundInput,
    restock::{RestockInput, Restocked},
    shipping::Scan,
    status::OrderStatus,
};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use temporalio_common::ActivityError;
use temporalio_macros::activity_definitions;

/// The result of an activity that acts on an order.
///
/// Fields without a value are omitted from the JSON, for two reasons. Orders that began before a
/// field was added must continue unchanged. And results are stored in workflow histories, where
/// every byte costs money.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepResult {
    /// The order's status in Postgres after the activity.
    pub status: OrderStatus,
    /// The duration of the attempt, in milliseconds.
    pub took_ms: u64,
    /// How long the workflow waits for the customer, the shop or the carrier, in milliseconds.
    /// After that it continues without their answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
    /// The order's total in minor units, if the order has been amended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_minor: Option<i64>,
    /// True if the order must be shipped before it can be completed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ships: bool,
}

impl StepResult {
    /// A result with this status and nothing to wait for.
    #[must_use]
    pub fn at(status: OrderStatus) -> Self {
        Self { status, took_ms: 0, wait_ms: None, amount_minor: None, ships: false }
    }
}

/// The input of `CheckInventory`: the line items to check against the catalogue and to reserve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReservationRequest {
    pub order_id: OrderId,
    pub currency: Currency,
    pub items: Vec<LineItem>,
}

/// The input of `ProcessPayment`. The order id is the idempotency key at the payment gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentRequest {
    pub order_id: OrderId,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    /// Empty if the token is no longer known. In that case the activity only captures what the
    /// gateway has already authorized.
    pub payment_method: String,
    /// True if the order was started before. In that case the activity asks the gateway for an
    /// existing payment of the order before it authorizes anything.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub resumed: bool,
}

/// The input of `ResumeOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumption {
    pub order_id: OrderId,
}

/// The result of `ResumeOrder`: the order's status in Postgres, and the input of its remaining
/// steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resumed {
    pub progress: StepResult,
    /// `None` if the order has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest: Option<RemainingSteps>,
}

/// The input of an order's remaining steps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemainingSteps {
    /// In minor units of `currency`.
    pub total_minor: i64,
    pub currency: Currency,
    /// The line items. Empty once their stock is reserved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<LineItem>,
    /// Empty once the payment is settled, or if no token is on record.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub payment_method: String,
    /// The compensation in progress, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawal: Option<CompensationRequest>,
}

/// The input of `SendNotification`: which notification to record for the customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    pub order_id: OrderId,
    pub kind: NoticeKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr, VariantArray)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", prefix = "ORDER_")]
pub enum NoticeKind {
    /// Also the last step of an order without shipping: recording it completes the order.
    Confirmed,
    ActionRequired,
    InReview,
    Shipped,
    /// Also the last step of an order with shipping: recording it completes the order.
    Delivered,
    Failed,
    Cancelled,
}

impl NoticeKind {
    /// All kinds.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The name used in SQL (`notifications.type`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The input of `CancelOrder`: a compensation request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompensationRequest {
    pub order_id: OrderId,
    pub end: End,
    /// The customer can read it.
    pub reason: String,
}

/// The status in which a compensated order ends.
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

    /// The `End` with this status; `None` if the status is neither FAILED nor CANCELLED.
    #[must_use]
    pub fn from_status(status: OrderStatus) -> Option<Self> {
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

/// The input of `AmendOrder`: the customer takes the offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Amendment {
    pub order_id: OrderId,
}

/// The input of `ReviewOrder`: the review decision about an order that is IN_REVIEW.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewDecision {
    pub order_id: OrderId,
    pub approved: bool,
    /// The reviewer: the subject of their access token, or a placeholder when authentication is
    /// off.
    pub by: String,
    /// A note for staff; the customer does not see it.
    pub note: Option<String>,
}

/// The input of `ShipOrder`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub order_id: OrderId,
}

/// The input of `TrackOrder`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    pub order_id: OrderId,
    /// The tracking events received since the last call. If the list is empty, no event came for a
    /// long time, and the activity asks the carrier.
    pub scans: Vec<Scan>,
    /// True if a cancellation of the order was requested.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cancel_requested: bool,
}

/// Why an order is refused permanently. Temporal carries it as the type of a non-retryable
/// application failure. The customer reads that failure's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
pub enum Refusal {
    OutOfStock,
    InvalidOrder,
    PaymentDeclined,
    /// Every attempt failed at the gateway or got no answer.
    PaymentUnanswered,
    /// The shop declined the order in review.
    NotApproved,
    /// No parcel of the order arrives.
    NotDeliverable,
}

/// The message that the customer reads for [`Refusal::PaymentUnanswered`].
pub const PAYMENT_UNANSWERED: &str = "the payment service did not answer; nothing was charged";

/// The message of a refusal if no order has the given id.
pub const NO_SUCH_ORDER: &str = "there is no such order";

impl Refusal {
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The refusal with this name; `None` if this release does not know the name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        name.parse().ok()
    }

    /// The failure's type name in Temporal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The activity definitions that the workflows call. The worker implements them.
pub struct OrderActivities;

#[expect(clippy::unimplemented, reason = "a definition is never called, but the macro requires a body")]
#[activity_definitions]
impl OrderActivities {
    /// Records the accepted order.
    #[activity(name = "CreateOrder")]
    pub fn create_order(input: OrderInput) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Looks up an order whose workflow is started again. If only the read model has the order, it
    /// is recorded in Postgres first.
    #[activity(name = "ResumeOrder")]
    pub fn resume_order(input: Resumption) -> Result<Resumed, ActivityError> {
        unimplemented!()
    }

    /// Checks the line items against the catalogue and the customer's limits, and reserves their
    /// stock.
    ///
    /// The order becomes RESERVED, IN_REVIEW or ACTION_REQUIRED. IN_REVIEW reserves nothing.
    /// ACTION_REQUIRED means that only a part of the order is available; some of that part is
    /// reserved for a short time.
    #[activity(name = "CheckInventory")]
    pub fn check_inventory(input: ReservationRequest) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Charges the order at the payment gateway. The number of attempts is limited.
    #[activity(name = "ProcessPayment")]
    pub fn process_payment(input: PaymentRequest) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Amends the order: quantities and total become those of the offer. The order becomes RESERVED
    /// or IN_REVIEW. If the offered units are no longer available, it stays ACTION_REQUIRED with a
    /// new offer.
    #[activity(name = "AmendOrder")]
    pub fn amend_order(input: Amendment) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Records the review decision, and reserves the stock of an approved order. The order becomes
    /// RESERVED, or ACTION_REQUIRED if a part of it is no longer available. The activity refuses
    /// the order if it is declined or if nothing of it is left.
    #[activity(name = "ReviewOrder")]
    pub fn review_order(input: ReviewDecision) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Splits the paid order into shipments, one for each warehouse, and books each with a carrier.
    /// Records the confirmation for the customer.
    #[activity(name = "ShipOrder")]
    pub fn ship_order(input: Dispatch) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Records the status of the shipments, and refunds what does not arrive. The order becomes
    /// SHIPPED or DELIVERED. The activity refuses the order if nothing of it arrives.
    #[activity(name = "TrackOrder")]
    pub fn track_order(input: Tracking) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Records a notification, which is sent later. [`NoticeKind::Confirmed`] and
    /// [`NoticeKind::Delivered`] also complete the order.
    #[activity(name = "SendNotification")]
    pub fn send_notification(input: Notice) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Compensates the order: takes shipments back from the carriers, reverses the payment,
    /// releases the stock, and ends the order. Does nothing if the order has already ended, or if
    /// one of its parcels is on its way.
    #[activity(name = "CancelOrder")]
    pub fn cancel_order(input: CompensationRequest) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Refunds the payment if the refund is permitted, and records the result.
    #[activity(name = "RefundPayment")]
    pub fn refund_payment(input: RefundInput) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Compares the recorded payment with the gateway after one of the gateway's events, and
    /// corrects the record.
    #[activity(name = "ReconcilePayment")]
    pub fn reconcile_payment(input: PaymentEvent) -> Result<StepResult, ActivityError> {
        unimplemented!()
    }

    /// Adds received units to a product's stock, once for each restock id.
    #[activity(name = "RestockProduct")]
    pub fn restock_product(input: RestockInput) -> Result<Restocked, ActivityError> {
        unimplemented!()
    }
}

/// The marker types of the definitions. They name the activity that a function of the worker
/// implements.
pub mod definitions {
    pub use super::order_activities::*;
}
