//! Making our records agree with the gateway's.

use crate::id::OrderId;
use serde::{Deserialize, Serialize};

/// Something happened to a payment at the gateway: the input of [`crate::ReconcileWorkflow`] and of the `ReconcilePayment` activity. It does not
/// say what, since that is asked of the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvent {
    /// Name of the gateway, as payments are recorded with it.
    pub gateway: String,
    pub order_id: OrderId,
    /// The gateway's id of the payment.
    pub reference: String,
}
