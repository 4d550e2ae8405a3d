//! The status of a refund.

use super::{UnknownStatus, state_machine};
use serde::{Deserialize, Serialize};
use strum::{EnumString, IntoStaticStr, VariantArray};
use utoipa::ToSchema;

/// The status of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, EnumString, IntoStaticStr, VariantArray)]
#[schema(description = "`PENDING`: not decided yet, or the payment gateway refuses it for now.")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
pub enum RefundStatus {
    /// The amount is decided, and the gateway is being asked for it.
    Pending,
    /// The gateway has refunded the amount.
    Succeeded,
    /// Nothing was refunded: the refund is not permitted, or the gateway refused it permanently.
    Failed,
}

state_machine! {
    RefundStatus starts as [Pending, Succeeded, Failed];
    Pending => [Succeeded, Failed] by [Gateway];
}
