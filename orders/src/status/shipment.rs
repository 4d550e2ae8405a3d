//! The status of a shipment.

use super::{UnknownStatus, state_machine};
use crate::shipping::ScanEvent;
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

/// The status of a shipment. It only moves forward: booked, in transit, final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantArray)]
#[schema(description = "PENDING: not booked with the carrier yet. REFUSED: the carrier does not take it. CANCELLED: cancelled \
        before it left. What is LOST, RETURNED, REFUSED or CANCELLED of an order that continues is refunded.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
pub enum ShipmentStatus {
    /// Not booked with the carrier yet.
    Pending,
    /// Booked: the carrier will fetch the parcel. Until then the booking can be cancelled.
    Booked,
    InTransit,
    Delivered,
    Lost,
    Returned,
    /// The carrier does not accept the parcel.
    Refused,
    /// Cancelled before the parcel left.
    Cancelled,
}

state_machine! {
    ShipmentStatus starts as [Pending];
    Pending => [Booked, Refused] by [Carrier];
    Pending => [Cancelled] by [Customer, Staff, Workflow];
    // An event may arrive before the answer to the booking.
    Pending => [InTransit, Delivered, Lost, Returned] by [Carrier];
    Booked => [Refused] by [Carrier];
    Booked => [Cancelled] by [Customer, Staff, Workflow];
    Booked => [InTransit, Delivered, Lost, Returned] by [Carrier];
    InTransit => [Delivered, Lost, Returned] by [Carrier];
}

impl ShipmentStatus {
    /// The names of the statuses of a shipment that has left the shop.
    #[must_use]
    pub fn left_shop() -> Vec<&'static str> {
        let left = |status: &&Self| **status == Self::InTransit || Self::InTransit.leads_to(**status);
        Self::ALL.iter().filter(left).map(|status| status.as_str()).collect()
    }

    /// The names of the final statuses of a shipment that the customer does not get.
    #[must_use]
    pub fn failed() -> Vec<&'static str> {
        Self::ALL.iter().filter(|status| status.is_final() && **status != Self::Delivered).map(|status| status.as_str()).collect()
    }

    /// Whether the customer has the parcel or may still get it. It is then too late to cancel.
    #[must_use]
    pub fn is_out(self) -> bool {
        matches!(self, Self::InTransit | Self::Delivered)
    }
}

impl From<ScanEvent> for ShipmentStatus {
    fn from(event: ScanEvent) -> Self {
        match event {
            ScanEvent::InTransit => Self::InTransit,
            ScanEvent::Delivered => Self::Delivered,
            ScanEvent::Lost => Self::Lost,
            ScanEvent::Returned => Self::Returned,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_named_like_its_status() {
        for event in ScanEvent::ALL {
            let status = ShipmentStatus::from(*event);
            assert_eq!((status.as_str(), status.is_final()), (event.as_str(), event.is_final()));
        }
    }
}
