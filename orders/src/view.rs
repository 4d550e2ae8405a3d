//! The JSON of `GET /api/orders/{id}` and `GET /api/products`. The read model stores the same JSON.

use crate::{
    activities::{LineItem, OrderInput},
    id::{OrderId, RefundId},
    money::{Currency, Money},
    shipping::{ShipmentId, ShipmentStatus},
    status::OrderStatus,
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use time::OffsetDateTime;

/// An order as readers see it. `version` only rises, and the read model never replaces a version by
/// an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderView {
    pub id: OrderId,
    #[serde(rename = "customerID")]
    pub customer_id: String,
    pub status: OrderStatus,
    /// The customer can read it. Only a failed or cancelled order has it.
    pub failure_reason: Option<String>,
    /// The review reason, for staff only. Omitted unless the order is in review.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub review_reason: Option<String>,
    pub currency: Currency,
    pub total_amount: Money,
    pub items: Vec<ItemView>,
    pub payment: Option<PaymentView>,
    /// True while the order is being compensated. Omitted if false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub compensating: bool,
    /// The result of a cancellation that did not end the order. Omitted if there was none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cancellation: Option<CancellationView>,
    /// The refunds, oldest first. If there are many, only the newest are shown. Omitted if there
    /// are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refunds: Vec<RefundView>,
    /// The number of all refunds. Omitted if `refunds` shows all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_count: Option<i64>,
    /// The order's shipments, one for each warehouse. Omitted if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipments: Vec<ShipmentView>,
    /// The recorded notifications, oldest first. If there are many, only the newest are shown.
    /// Omitted if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notifications: Vec<NotificationView>,
    /// Every status of the order so far, oldest first. If there are many, only the newest are
    /// shown.
    pub history: Vec<StatusChange>,
    /// True while the order waits in the intake queue, because Temporal was unavailable or busy
    /// when it was accepted. Omitted if false.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub queued: bool,
    /// 0 until a worker has recorded the order.
    pub version: i64,
    #[serde(with = "crate::rfc3339")]
    pub created_at: OffsetDateTime,
    #[serde(with = "crate::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A cancellation that did not end the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CancellationView {
    pub status: CancellationStatus,
    /// When the cancellation was found to be too late.
    #[serde(with = "crate::rfc3339")]
    pub at: OffsetDateTime,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CancellationStatus {
    /// A parcel was already on its way, or the order was already completed.
    TooLate,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemView {
    #[serde(rename = "productID")]
    pub product_id: String,
    pub quantity: i32,
    pub unit_price: Money,
    /// The offered quantity, while the order is ACTION_REQUIRED. Omitted otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<i32>,
    /// The quantity before the amendment. Omitted if it was not amended.
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentView {
    /// `AUTHORIZED`, `CAPTURED`, `PARTIALLY_REFUNDED`, `REFUNDED`, `VOIDED`, `DECLINED`, or
    /// `UNKNOWN` while the gateway has not answered.
    pub status: String,
    pub amount: Money,
    /// The refunded part of the amount. Omitted if nothing was refunded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refunded_amount: Option<Money>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RefundView {
    pub id: RefundId,
    /// `PENDING`, `SUCCEEDED` or `FAILED`.
    pub status: String,
    pub amount: Money,
    /// The reason given with the request.
    pub reason: Option<String>,
    /// Why the refund failed.
    pub failure_reason: Option<String>,
    #[serde(with = "crate::rfc3339")]
    pub requested_at: OffsetDateTime,
}

/// A notification that was recorded. The view does not show whether it has arrived: that would need
/// another projection of every order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NotificationView {
    /// The type, such as `ORDER_CONFIRMED`.
    pub r#type: String,
    /// `EMAIL` or `SMS`.
    pub channel: String,
    #[serde(with = "crate::rfc3339")]
    pub at: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ShipmentView {
    pub id: ShipmentId,
    pub warehouse: String,
    pub status: ShipmentStatus,
    pub carrier: String,
    /// `None` until the shipment is booked.
    pub tracking_number: Option<String>,
    pub tracking_url: Option<String>,
    /// Why the shipment does not arrive. Omitted while it may still arrive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub items: Vec<ShipmentItemView>,
    #[serde(with = "crate::rfc3339")]
    pub updated_at: OffsetDateTime,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShipmentItemView {
    #[serde(rename = "productID")]
    pub product_id: String,
    pub quantity: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StatusChange {
    pub status: OrderStatus,
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

/// A product of the catalogue, as readers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductView {
    #[serde(rename = "productID")]
    pub product_id: String,
    pub name: String,
    pub unit_price: Money,
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
