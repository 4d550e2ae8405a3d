//! The status of a shipment in Postgres.

use super::ScanEvent;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use utoipa::ToSchema;

/// A shipment's status. It only moves forward: booked, in transit, final. The SQL function
/// `move_shipments` applies these rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(description = "PENDING: not booked with the carrier yet. REFUSED: the carrier does not take it. CANCELLED: cancelled \
        before it left. What is LOST, RETURNED, REFUSED or CANCELLED of an order that continues is refunded.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
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

impl ShipmentStatus {
    pub const ALL: &[Self] =
        &[Self::Pending, Self::Booked, Self::InTransit, Self::Delivered, Self::Lost, Self::Returned, Self::Refused, Self::Cancelled];

    /// The name used in JSON and SQL.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Booked => "BOOKED",
            Self::InTransit => "IN_TRANSIT",
            Self::Delivered => "DELIVERED",
            Self::Lost => "LOST",
            Self::Returned => "RETURNED",
            Self::Refused => "REFUSED",
            Self::Cancelled => "CANCELLED",
        }
    }

    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Booked | Self::InTransit)
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

impl fmt::Display for ShipmentStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Error: the text is not the name of a shipment status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a shipment's status")]
pub struct UnknownStatus;

impl FromStr for ShipmentStatus {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::ALL.iter().find(|status| status.as_str() == text).copied().ok_or(UnknownStatus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_agree_everywhere() {
        for status in ShipmentStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse(), Ok(*status));
        }
        for event in ScanEvent::ALL {
            let status = ShipmentStatus::from(*event);
            assert_eq!((status.as_str(), status.is_final()), (event.as_str(), event.is_final()));
        }
    }
}
