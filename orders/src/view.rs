//! The JSON of `GET /api/orders/{id}` and `GET /api/products`. The read model stores the same JSON.

use crate::{
    contact::Channel,
    id::{OrderId, RefundId},
    money::{Currency, Money},
    order::{LineItem, OrderInput},
    schema::{self, Identifier, Time},
    shipping::{ShipmentId, ShipmentStatus},
    status::{OrderStatus, PaymentStatus, RefundStatus},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;
use utoipa::{ToSchema, openapi::Schema};

/// An order as readers see it. `version` only rises; the read model never replaces a version by an
/// older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Order, description = "")]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    pub id: OrderId,
    #[schema(value_type = Identifier)]
    #[serde(rename = "customerID")]
    pub customer_id: String,
    pub status: OrderStatus,
    /// For the customer to read; only of a failed or cancelled order.
    #[schema(required)]
    pub failure_reason: Option<String>,
    /// Why the shop's staff review the order. Only staff read it, and only while the order is
    /// IN_REVIEW. Left out otherwise.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_reason: Option<String>,
    #[schema(value_type = schema::Currency)]
    pub currency: Currency,
    pub total_amount: Money,
    #[schema(min_items = 1)]
    pub items: Vec<ItemView>,
    #[schema(required)]
    pub payment: Option<PaymentView>,
    #[schema(schema_with = compensating)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compensating: bool,
    #[schema(value_type = CancellationView)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<CancellationView>,
    /// Refunds that were requested, oldest first: at most 20, the pending ones and then the newest.
    /// Left out when there is none.
    #[schema(min_items = 1, max_items = 20)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundView>,
    /// How many refunds there are. Left out when all of them are shown.
    #[schema(value_type = i64, minimum = 21)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_count: Option<i64>,
    /// The order's shipments, one a warehouse. Left out when there are none.
    #[schema(min_items = 1, max_items = 100)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ShipmentView>,
    /// The messages that were written to the customer, oldest first: the newest 50. Left out when
    /// the customer gave no address.
    #[schema(min_items = 1, max_items = 50)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationView>,
    /// Every status the order has had, oldest first: the newest 100.
    #[schema(min_items = 1, max_items = 100)]
    pub history: Vec<StatusChange>,
    #[schema(schema_with = queued)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// Rises with every change; 0 until a worker has recorded the order.
    #[schema(minimum = 0)]
    pub version: i64,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub created_at: OffsetDateTime,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub updated_at: OffsetDateTime,
}

fn compensating() -> Schema {
    schema::only_true("The order is being compensated: its payment reversed, its stock released. Left out when it is not.")
}

fn queued() -> Schema {
    schema::only_true(
        "Temporal was away or busy when the order was accepted, so the order waits in the intake queue. Left out when it does not wait.",
    )
}

/// A cancellation that was requested and did not end the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Cancellation)]
#[serde(deny_unknown_fields)]
pub struct CancellationView {
    #[schema(inline)]
    pub status: CancellationStatus,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(description = "TOO_LATE: a shipment was in transit already; the order continues.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancellationStatus {
    /// A parcel was already on its way, or the order was already completed.
    TooLate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Item)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    #[schema(value_type = Identifier)]
    #[serde(rename = "productID")]
    pub product_id: String,
    /// 0 only where the customer took less than was ordered.
    #[schema(minimum = 0)]
    pub quantity: i32,
    pub unit_price: Money,
    /// What the shop offers of it, while the order is ACTION_REQUIRED. For a product that is short
    /// it is a round number below what is left. Left out otherwise.
    #[schema(value_type = i32, minimum = 0)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<i32>,
    /// What was ordered before the customer took less. Left out otherwise.
    #[schema(value_type = i32, minimum = 1)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ordered_quantity: Option<i32>,
}

impl ItemView {
    #[must_use]
    pub fn new(line: LineItem, currency: Currency) -> Self {
        let unit_price = Money { minor: line.unit_price_minor, currency };
        Self { product_id: line.product_id, quantity: line.quantity, unit_price, available: None, ordered_quantity: None }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Payment)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    #[schema(inline)]
    pub status: PaymentStatus,
    pub amount: Money,
    /// What was refunded of it. Left out when nothing was.
    #[schema(value_type = Money)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded_amount: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Refund)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    pub id: RefundId,
    #[schema(inline)]
    pub status: RefundStatus,
    pub amount: Money,
    /// As given by the person who requested the refund.
    #[schema(required)]
    pub reason: Option<String>,
    /// Why nothing was refunded.
    #[schema(required)]
    pub failure_reason: Option<String>,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub requested_at: OffsetDateTime,
}

/// A message to the customer: that it was written, not whether it has arrived.
// To show whether the message has arrived, every order would need another projection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationView {
    #[schema(pattern = "^ORDER_[A-Z_]+$", examples("ORDER_CONFIRMED"))]
    pub r#type: String,
    #[schema(schema_with = channel)]
    pub channel: String,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub at: OffsetDateTime,
}

fn channel() -> Schema {
    schema::one_of(&Channel::ALL.iter().map(|channel| channel.as_str()).collect::<Vec<_>>(), "")
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Shipment)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ShipmentView {
    pub id: ShipmentId,
    pub warehouse: String,
    pub status: ShipmentStatus,
    pub carrier: String,
    /// Null until the shipment is booked.
    #[schema(required)]
    pub tracking_number: Option<String>,
    #[schema(required)]
    pub tracking_url: Option<String>,
    /// Why the shipment does not arrive. Left out while it may arrive.
    #[schema(value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[schema(min_items = 1)]
    pub items: Vec<ShipmentItemView>,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ShipmentItem)]
#[serde(deny_unknown_fields)]
pub struct ShipmentItemView {
    #[schema(value_type = Identifier)]
    #[serde(rename = "productID")]
    pub product_id: String,
    #[schema(minimum = 1)]
    pub quantity: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct StatusChange {
    pub status: OrderStatus,
    #[schema(value_type = Time)]
    #[serde(with = "crate::rfc3339")]
    pub at: OffsetDateTime,
}

impl OrderView {
    /// The latest of all times in the view. The times come from several clocks, and `updated_at`
    /// must not be earlier than any of them.
    #[must_use]
    pub fn last_change(&self) -> OffsetDateTime {
        let history = self.history.iter().map(|change| change.at);
        let refunds = self.refunds.iter().map(|refund| refund.requested_at);
        let shipments = self.shipments.iter().map(|shipment| shipment.updated_at);
        let notifications = self.notifications.iter().map(|notification| notification.at);
        let cancellation = self.cancellation.iter().map(|cancellation| cancellation.at);
        let times = history.chain(refunds).chain(shipments).chain(notifications).chain(cancellation).chain([self.created_at]);
        times.fold(self.updated_at, Ord::max)
    }

    /// The view of an order that was accepted, by Temporal or by the intake queue, but not yet
    /// recorded by a worker. Its version is 0.
    #[must_use]
    pub fn accepted(order: &OrderInput, queued: bool) -> Self {
        Self {
            id: order.id,
            customer_id: order.customer_id.clone(),
            status: OrderStatus::Pending,
            failure_reason: None,
            review_reason: None,
            currency: order.currency,
            total_amount: Money { minor: order.total_minor, currency: order.currency },
            items: order.items.iter().map(|line| ItemView::new(line.clone(), order.currency)).collect(),
            payment: None,
            compensating: false,
            cancellation: None,
            refunds: Vec::new(),
            refund_count: None,
            shipments: Vec::new(),
            notifications: Vec::new(),
            history: vec![StatusChange { status: OrderStatus::Pending, at: order.accepted_at }],
            queued,
            version: 0,
            created_at: order.accepted_at,
            updated_at: order.accepted_at,
        }
    }
}

/// Restores an accepted order from its view. Contact and payment method are missing, because
/// readers do not see them.
///
/// # Errors
/// If the text is not the JSON of an [`OrderView`].
pub fn accepted_order(json: &str) -> Result<OrderInput, serde_json::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stored<'a> {
        id: OrderId,
        #[serde(rename = "customerID")]
        customer_id: String,
        currency: Currency,
        #[serde(borrow)]
        total_amount: &'a RawValue,
        items: Vec<Line<'a>>,
        #[serde(with = "time::serde::rfc3339")]
        created_at: OffsetDateTime,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Line<'a> {
        #[serde(rename = "productID")]
        product_id: String,
        quantity: i32,
        #[serde(borrow)]
        unit_price: &'a RawValue,
    }
    let stored: Stored<'_> = serde_json::from_str(json)?;
    let minor = |amount: &RawValue| {
        let amount = Money::parse(amount.get(), stored.currency).map_err(serde::de::Error::custom);
        amount.map(|money| money.minor)
    };
    let items = stored.items.iter().map(|line| {
        Ok(LineItem { product_id: line.product_id.clone(), quantity: line.quantity, unit_price_minor: minor(line.unit_price)? })
    });
    Ok(OrderInput {
        id: stored.id,
        customer_id: stored.customer_id.clone(),
        items: items.collect::<Result<_, serde_json::Error>>()?,
        total_minor: minor(stored.total_amount)?,
        currency: stored.currency,
        payment_method: String::new(),
        contact: None,
        accepted_at: stored.created_at,
    })
}

/// Whether the view shows an order that still waits in the intake queue.
#[must_use]
pub fn is_queued(json: &str) -> bool {
    #[derive(Deserialize)]
    struct Stored {
        #[serde(default)]
        queued: bool,
    }
    serde_json::from_str::<Stored>(json).is_ok_and(|stored| stored.queued)
}

/// A product of the catalogue as readers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Product, description = "")]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[schema(value_type = Identifier)]
    #[serde(rename = "productID")]
    pub product_id: String,
    pub name: String,
    pub unit_price: Money,
    #[schema(value_type = schema::Currency)]
    pub currency: Currency,
    /// Whether at least one unit can be reserved.
    pub in_stock: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accepted_order_is_read_back_from_what_readers_see() {
        let order = OrderInput {
            id: "ord_01930000000070008000000000000001".parse().unwrap(),
            customer_id: "CUST-1".to_owned(),
            items: vec![LineItem { product_id: "P".to_owned(), quantity: 3, unit_price_minor: 129_999 }],
            total_minor: 389_997,
            currency: Currency::USD,
            payment_method: String::new(),
            contact: None,
            accepted_at: OffsetDateTime::from_unix_timestamp(1_795_251_600).unwrap(),
        };
        let json = serde_json::to_string(&OrderView::accepted(&order, true)).unwrap();
        assert_eq!(accepted_order(&json).unwrap(), order);
        assert!(accepted_order("{}").is_err());
        assert!(is_queued(&json) && !is_queued("{}"));
        assert!(!is_queued(&serde_json::to_string(&OrderView::accepted(&order, false)).unwrap()));
    }
}
