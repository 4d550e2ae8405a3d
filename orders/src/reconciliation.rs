//! Reconciliation: comparing a recorded payment with the payment gateway.

use crate::id::OrderId;
use serde::{Deserialize, Serialize};

/// An event at the payment gateway that concerns a payment. It is the input of
/// [`crate::ReconcileWorkflow`] and of the `ReconcilePayment` activity. It does not say what
/// happened: the activity asks the gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentEvent {
    /// The name of the gateway, as it is recorded with payments.
    pub gateway: String,
    pub order_id: OrderId,
    /// The gateway's id of the payment.
    pub reference: String,
}
