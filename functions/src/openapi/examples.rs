//! Examples of orders. They are made with the types that the API answers with.

use orders::{
    Currency, Money, OrderStatus, OrderView, ProductView,
    request::NewOrder,
    rfc3339,
    shipping::{ShipmentId, ShipmentStatus},
    status::PaymentStatus,
    view::{PaymentView, ShipmentItemView, ShipmentView, StatusChange},
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

pub(crate) const ORDER_ID: &str = "ord_01a1fd8d2e5f7134954c66ad08d436e4";
pub(crate) const REQUEST_ID: &str = "01a1fd8d-2df2-7759-a12f-06c67bab4550";

/// The smallest body of `POST /api/orders`.
pub(crate) fn new_order() -> Value {
    json!({
        "customerID": "CUST-001",
        "totalAmount": 1299.99,
        "items": [{ "productID": "PROD-001", "quantity": 1, "unitPrice": 1299.99 }],
    })
}

/// A body of `POST /api/orders` with every field.
pub(crate) fn full_new_order() -> Value {
    json!({
        "customerID": "CUST-001",
        "totalAmount": 169.45,
        "currency": "USD",
        "items": [
            { "productID": "PROD-003", "quantity": 1, "unitPrice": 89.5 },
            { "productID": "PROD-004", "quantity": 1, "unitPrice": 79.95 },
        ],
        "paymentMethod": "tok_visa",
        "contact": { "email": "customer@example.com", "phone": "+14155550123", "channel": "EMAIL", "language": "en" },
    })
}

/// The answer to [`new_order`].
pub(crate) fn accepted(queued: bool) -> OrderView {
    let order = NewOrder::parse(new_order().to_string().as_bytes()).expect("the example is valid");
    OrderView::accepted(&order.into_input(ORDER_ID.parse().expect("an id"), at(527)), queued)
}

/// [`new_order`] after it was completed without a shipment.
pub(crate) fn completed() -> OrderView {
    paid(&[(OrderStatus::Completed, 551)])
}

/// [`new_order`] after it was delivered and completed.
pub(crate) fn delivered() -> OrderView {
    let mut order = paid(&[(OrderStatus::Shipped, 555), (OrderStatus::Delivered, 555), (OrderStatus::Completed, 557)]);
    order.shipments.push(ShipmentView {
        id: ShipmentId { order_id: order.id, number: 1 },
        warehouse: "MAIN".to_owned(),
        status: ShipmentStatus::Delivered,
        carrier: "sandbox".to_owned(),
        tracking_number: Some("SBX0000000042".to_owned()),
        tracking_url: Some("https://carrier.example/track/SBX0000000042".to_owned()),
        reason: None,
        items: vec![ShipmentItemView { product_id: "PROD-001".to_owned(), quantity: 1 }],
        updated_at: at(555),
    });
    order.version = 8;
    order
}

/// [`new_order`] after it was paid and then had these statuses.
fn paid(since: &[(OrderStatus, u16)]) -> OrderView {
    let mut order = accepted(false);
    order.payment = Some(PaymentView { status: PaymentStatus::Captured, amount: order.total_amount, refunded_amount: None });
    for (status, millisecond) in [(OrderStatus::Reserved, 548), (OrderStatus::Paid, 549)].iter().chain(since) {
        order.history.push(StatusChange { status: *status, at: at(*millisecond) });
        (order.status, order.updated_at) = (*status, at(*millisecond));
    }
    order.version = 4;
    order
}

pub(crate) fn product() -> ProductView {
    let currency = Currency::USD;
    ProductView {
        product_id: "PROD-001".to_owned(),
        name: "Aurora Laptop".to_owned(),
        unit_price: Money { minor: 129_999, currency },
        currency,
        in_stock: true,
    }
}

fn at(millisecond: u16) -> OffsetDateTime {
    rfc3339::parse("2026-11-21T10:00:50Z").expect("a time") + Duration::milliseconds(millisecond.into())
}
