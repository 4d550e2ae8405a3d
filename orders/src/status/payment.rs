//! The status of a payment.

use super::{UnknownStatus, state_machine};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

/// The status of an order's payment. An order has at most one payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantArray)]
#[schema(description = "`AUTHORIZED`: the amount is held. `CAPTURED`: it is taken. `VOIDED`: it is not held any more, and was not \
        taken. `UNKNOWN`: the gateway has not answered yet.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
pub enum PaymentStatus {
    /// The amount is held on the customer's payment method.
    Authorized,
    /// The amount is taken.
    Captured,
    /// A part of the captured amount is refunded.
    PartiallyRefunded,
    /// The whole captured amount is refunded.
    Refunded,
    /// Nothing is held, and nothing was taken.
    Voided,
    /// The gateway refused the payment.
    Declined,
    /// The gateway was asked, and no answer is on record.
    Unknown,
}

state_machine! {
    PaymentStatus starts as [Unknown, Authorized, Captured, Declined, Voided, Refunded];
    Unknown => [Authorized, Captured, Declined] by [Gateway];
    Unknown => [Voided, Refunded] by [Customer, Staff, Workflow, Gateway];
    Authorized => [Captured, Declined] by [Gateway];
    Authorized => [Voided, Refunded] by [Customer, Staff, Workflow, Gateway];
    Captured => [PartiallyRefunded, Refunded] by [Staff, Workflow, Carrier, Gateway];
    PartiallyRefunded => [Refunded] by [Staff, Workflow, Carrier, Gateway];
    // The gateway reports later that it had held or taken the amount, contrary to its answer.
    Declined => [Voided, Refunded] by [Gateway];
    Voided => [Refunded] by [Gateway];
}

impl PaymentStatus {
    /// The names of the statuses in which a part of the captured amount can still be refunded.
    #[must_use]
    pub fn refundable() -> [&'static str; 2] {
        [Self::Captured.as_str(), Self::PartiallyRefunded.as_str()]
    }

    /// Whether the amount was captured. It may have been refunded since.
    #[must_use]
    pub fn was_captured(self) -> bool {
        matches!(self, Self::Captured | Self::PartiallyRefunded | Self::Refunded)
    }
}
