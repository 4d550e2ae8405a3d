//! The events that other systems receive (docs/events.md).

use crate::{
    id::OrderId,
    money::Money,
    schema::{self, Currency, Identifier, Time},
    status::OrderStatus,
};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::{ToSchema, openapi::Schema};

/// The type of [`StatusChanged`].
pub const STATUS_CHANGED: &str = "order.status_changed";
/// The version of the format of [`StatusChanged`]. It rises when a field changes its meaning or is
/// removed.
pub const STATUS_CHANGED_VERSION: u32 = 1;

/// An order has a new status.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusChanged {
    /// The same whenever the event is published again: the order's id, a dot, and `orderVersion`.
    #[schema(pattern = r"^ord_[0-9a-f]{32}\.[1-9][0-9]*$")]
    pub id: String,
    #[schema(schema_with = status_changed)]
    pub r#type: &'static str,
    /// The version of the event's format. It rises when a field changes its meaning or is removed.
    #[schema(minimum = 1, maximum = 1)]
    pub version: u32,
    /// When the order got the status.
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub time: OffsetDateTime,
    pub data: StatusChangedData,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusChangedData {
    #[serde(rename = "orderID")]
    pub order_id: OrderId,
    #[schema(value_type = Identifier)]
    #[serde(rename = "customerID")]
    pub customer_id: String,
    pub status: OrderStatus,
    /// Rises with each event of an order, not by one.
    #[schema(minimum = 1)]
    pub order_version: i64,
    pub total_amount: Money,
    #[schema(value_type = Currency)]
    pub currency: String,
    /// Why the order failed or was cancelled, in the shop's own sentences alone.
    #[schema(required)]
    pub failure_reason: Option<String>,
}

fn status_changed() -> Schema {
    schema::one_of(&[STATUS_CHANGED], "")
}
