//! The bodies of requests as clients write them, for the API document.
//!
//! Nothing reads JSON into these types. The parsers of this crate read JSON themselves, so that
//! they can report every fault of a body at once, each with its place.
//! `functions/tests/http/bodies.rs` compares these types with what the parsers accept.

use crate::{
    contact::{Channel, Language},
    money::Money,
    schema::{Currency, Identifier},
    shipping::{ScanEvent, ShipmentId},
};
use utoipa::{ToSchema, openapi::Schema};

/// The body of `POST /api/orders`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewOrder {
    #[serde(rename = "customerID")]
    pub customer_id: Identifier,
    /// The sum of the line items.
    pub total_amount: Money,
    #[schema(min_items = 1, max_items = 100)]
    pub items: Vec<NewItem>,
    #[schema(default = "USD")]
    pub currency: Option<Currency>,
    /// A token of the payment gateway; never a card number.
    #[schema(min_length = 1, max_length = 64, pattern = "^[A-Za-z0-9_-]+$", default = "tok_visa")]
    pub payment_method: Option<String>,
    pub contact: Option<Contact>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NewItem {
    #[serde(rename = "productID")]
    pub product_id: Identifier,
    #[schema(minimum = 1, maximum = 10000)]
    pub quantity: i32,
    /// The catalogue's price.
    pub unit_price: Money,
}

/// How to notify the customer about the order. Readers of the order do not see it.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// An e-mail address.
    #[schema(max_length = 254)]
    pub email: Option<String>,
    /// E.164.
    #[schema(pattern = r"^\+[1-9][0-9]{6,14}$")]
    pub phone: Option<String>,
    /// The only channel to use. Its address must be given. If left out, every address is used.
    pub channel: Option<Channel>,
    /// The language of the messages. If left out, English.
    pub language: Option<Language>,
}

/// The body of `POST /api/orders/{id}/cancel`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// For people to read; without control characters.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
}

/// There is one way to amend an order: to take what is offered.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Amend {}

/// The body of `POST /api/orders/{id}/review`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields)]
pub struct Review {
    pub approved: bool,
    /// For the shop's staff; the customer does not see it.
    #[schema(max_length = 200)]
    pub note: Option<String>,
}

/// Either an amount, or items, or neither. Neither means all that has not been refunded yet.
#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRefund {
    /// More than 0.
    pub amount: Option<Money>,
    /// Units, at the order's prices; each product once.
    #[schema(min_items = 1, max_items = 100)]
    pub items: Option<Vec<RefundedItem>>,
    /// Whether the units are back and can be sold again. Not with an amount, and only for units
    /// that have arrived. Units that are refunded without it are written off.
    pub restock: Option<bool>,
    /// For people to read; without control characters.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
}

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefundedItem {
    #[serde(rename = "productID")]
    pub product_id: Identifier,
    #[schema(minimum = 1, maximum = 10000)]
    pub quantity: i32,
}

/// The body of `POST /api/products/{id}/restock`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields)]
pub struct Restock {
    /// Units that came in.
    #[schema(minimum = 1, maximum = 1000000)]
    pub quantity: i32,
    /// For people to read; without control characters.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
}

/// The body of `POST /api/webhooks/carrier`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields)]
pub struct CarrierMessage {
    /// The carrier's id of the message, for the logs.
    pub id: Identifier,
    #[serde(rename = "shipmentID")]
    pub shipment_id: ShipmentId,
    pub event: ScanEvent,
    #[schema(schema_with = any_time)]
    pub time: String,
    /// Why the shipment does not arrive; for the customer to read.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
}

/// The body of `POST /api/orders/{id}/shipments/{shipmentID}/scans`.
#[derive(ToSchema)]
#[schema(description = "")]
#[serde(deny_unknown_fields)]
pub struct Scan {
    pub event: ScanEvent,
    /// Why the shipment does not arrive; for the customer to read.
    #[schema(max_length = 200)]
    pub reason: Option<String>,
}

/// RFC 3339 in any form, as carriers write it.
fn any_time() -> Schema {
    use utoipa::openapi::schema::{KnownFormat, SchemaFormat};
    crate::schema::text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime))).into()
}
