//! Payments: the gateway trait, and what Postgres keeps of an order's money.

mod record;
mod sandbox;

use futures::future::BoxFuture;
use orders::{Currency, OrderId};
pub(crate) use record::{record_captured, record_declined, record_reversed};
pub use sandbox::Sandbox;

/// Somebody who can take money. Every call carries an idempotency key and may be repeated; calls may also overlap.
pub trait Gateway: Send + Sync {
    /// The name under which payments are recorded.
    fn name(&self) -> &'static str;

    /// Captures an amount. Repeated with the same key it answers as the first time and charges nothing more; after [`Gateway::reverse`] it is
    /// refused.
    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Receipt, Error>>;

    /// Makes sure that nothing is, and nothing will be, charged under the key: refunds what was captured, voids what was not. It may be called
    /// when it is not known whether the charge happened.
    fn reverse<'a>(&'a self, idempotency_key: &'a str) -> BoxFuture<'a, anyhow::Result<Reversal>>;
}

/// What is to be charged.
#[derive(Clone, Debug)]
pub struct Charge {
    pub idempotency_key: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The gateway's token for the customer's means of payment.
    pub payment_method: String,
}

/// The gateway's word that it captured the amount.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The gateway's id of the charge.
    pub reference: String,
}

/// What reversing found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Nothing had been captured.
    Nothing,
    /// This much had been captured, and is refunded.
    Refunded { reference: String, amount_minor: i64, currency: Currency },
}

/// Why a charge did not happen, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Final; the reason is for the customer.
    #[error("{0}")]
    Declined(String),
    /// The gateway failed or did not answer: whether it charged is not known. Another attempt with the same key is safe.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
}

/// The key under which an order is charged, once.
#[must_use]
pub fn idempotency_key(order_id: OrderId) -> String {
    order_id.to_string()
}
