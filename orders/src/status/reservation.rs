//! The state of a reservation.

use super::{UnknownStatus, state_machine};
use strum::{EnumString, IntoStaticStr, VariantArray};

/// The state of the units of a product that an order has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "SCREAMING_SNAKE_CASE", parse_err_ty = UnknownStatus, parse_err_fn = UnknownStatus::new)]
pub enum ReservationState {
    /// The units are held for the order.
    Held,
    /// The units have left the shop.
    Committed,
    /// The units are back in stock, because the order does not need them.
    Released,
    /// The units are back in stock, because the order was not paid in time.
    Expired,
}

state_machine! {
    ReservationState starts as [Held];
    Held => [Committed] by [Workflow, Carrier];
    Held => [Released] by [Customer, Staff, Workflow, Gateway, Carrier];
    Held => [Expired] by [Deadline];
    // The customer takes the offer, or staff approve the order, after the units were given back.
    Released => [Held] by [Customer, Staff];
    Expired => [Held] by [Customer, Staff];
}
