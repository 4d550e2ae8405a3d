//! Shipments: their ids, their tracking events and their statuses.

mod tracking_event;
use crate::id::{OrderId, RefundId};
pub use crate::status::ShipmentStatus;
use serde::{Deserialize, Serialize};
use std::{borrow::Cow, fmt, str::FromStr};
use strum::{IntoStaticStr, VariantArray};
use time::OffsetDateTime;
pub use tracking_event::{Message, Report};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};
use uuid::{Builder, Variant, Version};

/// The id of a shipment: the order's id, a hyphen, and a number. Numbers begin at 1 in each order.
/// The carrier gets the id with the booking, and repeats it in each tracking event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ShipmentId {
    pub order_id: OrderId,
    pub number: u16,
}

impl ShipmentId {
    /// The id of the refund for this shipment if it does not arrive. The id is always the same, so
    /// that the shipment is refunded only once. It is the order's UUID combined with the shipment's
    /// number by XOR, as a UUID of version 8. All other refund ids are of version 7, so they cannot
    /// be equal to it.
    #[must_use]
    pub fn refund_id(self) -> RefundId {
        let mut bytes = self.order_id.uuid().into_bytes();
        let [high, low] = self.number.to_be_bytes();
        bytes[14] ^= high;
        bytes[15] ^= low;
        RefundId::new(Builder::from_bytes(bytes).with_variant(Variant::RFC4122).with_version(Version::Custom).into_uuid())
    }
}

impl fmt::Display for ShipmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.order_id, self.number)
    }
}

/// Error: the text is not a shipment id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a shipment's id: expected an order's id, a hyphen and a number from 1")]
pub struct NotAShipment;

impl FromStr for ShipmentId {
    type Err = NotAShipment;

    fn from_str(text: &str) -> Result<Self, NotAShipment> {
        let (order_id, digits) = text.split_once('-').ok_or(NotAShipment)?;
        let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
        match (order_id.parse(), digits.parse()) {
            (Ok(order_id), Ok(number)) if canonical => Ok(Self { order_id, number }),
            _ => Err(NotAShipment),
        }
    }
}

impl TryFrom<String> for ShipmentId {
    type Error = NotAShipment;

    fn try_from(text: String) -> Result<Self, NotAShipment> {
        text.parse()
    }
}

impl From<ShipmentId> for String {
    fn from(id: ShipmentId) -> Self {
        id.to_string()
    }
}

impl PartialSchema for ShipmentId {
    fn schema() -> RefOr<Schema> {
        let description = "The order's id, a hyphen, and the shipment's number within the order.";
        crate::schema::text().pattern(Some("^ord_[0-9a-f]{32}-[1-9][0-9]{0,4}$")).description(Some(description)).into()
    }
}

impl ToSchema for ShipmentId {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("ShipmentId")
    }
}

/// A tracking event of a shipment. It is the input of the `scan` signal of the order's workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    pub shipment_id: ShipmentId,
    pub event: ScanEvent,
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Why the shipment does not arrive. The customer can read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Where a shipment is. The last three are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema, IntoStaticStr, VariantArray)]
#[schema(description = "LOST: the shipment's units are gone. RETURNED: its units are back in the warehouse.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE")]
pub enum ScanEvent {
    /// The carrier has the parcel.
    InTransit,
    Delivered,
    /// The parcel will not arrive, and its units are lost.
    Lost,
    /// The parcel will not arrive, and its units are back in the warehouse.
    Returned,
}

impl ScanEvent {
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The name used in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    #[must_use]
    pub fn is_final(self) -> bool {
        self != Self::InTransit
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_shipment_is_named_after_its_order() {
        let id = ShipmentId { order_id: OrderId::new(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001)), number: 12 };
        assert_eq!(id.to_string(), "ord_01930000000070008000000000000001-12");
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn nothing_else_names_one() {
        let order = "ord_01930000000070008000000000000001";
        for text in [
            "",
            order,
            &format!("{order}-"),
            &format!("{order}-0"),
            &format!("{order}-01"),
            &format!("{order}-+1"),
            &format!("{order}-65536"),
            "x-1",
        ] {
            assert_eq!(text.parse::<ShipmentId>(), Err(NotAShipment), "{text}");
        }
    }

    #[test]
    fn its_refund_is_always_the_same_and_no_other() {
        let order_id = OrderId::new(Uuid::from_u128(0x0193_0000_0000_7000_8000_0000_0000_0001));
        let refund = |number| ShipmentId { order_id, number }.refund_id().to_string();
        assert_eq!(
            [refund(1), refund(2), refund(1)],
            ["ref_01930000000080008000000000000000", "ref_01930000000080008000000000000003", "ref_01930000000080008000000000000000",]
        );
    }

    #[test]
    fn names_agree_everywhere() {
        for event in ScanEvent::ALL {
            assert_eq!(serde_json::to_value(event).unwrap(), event.as_str());
        }
    }
}
