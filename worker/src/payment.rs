//! Payments: the gateway trait, and what Postgres records about an order's payment.
//!
//! The gateway authorizes the amount once the order's stock is reserved. If the stock is still held
//! when the authorization is recorded, the gateway captures the amount, and the order is PAID. An
//! authorization can be voided, and a captured amount can be refunded.

mod free;
mod gateways;
mod measured;
mod reconcile;
mod record;
pub(crate) mod refund;
mod sandbox;
mod stripe;

use futures::future::BoxFuture;
pub use gateways::Gateways;
use orders::{Currency, OrderId};
pub(crate) use reconcile::{Remaining, reconcile_record};
pub(crate) use record::{
    CapturePermission, find_payment, load_payment, record_attempt, record_authorized, record_captured, record_declined, record_reversed,
};
pub use sandbox::Sandbox;
pub use stripe::{Settings as StripeSettings, Stripe};

/// A payment gateway. Every call may be repeated and may overlap with other calls. It takes effect
/// only once, no matter how often it is made and by which worker.
pub trait Gateway: Send + Sync {
    /// The name that is recorded with each payment.
    fn name(&self) -> &'static str;

    /// Authorizes the amount on the customer's payment method, and returns the gateway's id of the
    /// payment. A repeated call with the same idempotency key returns the same result. After
    /// [`Gateway::reverse`] the call is refused.
    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>>;

    /// Captures the authorized amount.
    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>>;

    /// Asks the gateway for the status of a charge. If an answer of the gateway may have been lost,
    /// the worker calls this before it tries anything again.
    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>>;

    /// Makes sure that nothing is charged, now or later: voids an authorization, and refunds what
    /// was captured and is not refunded yet. It may be called if it is unknown whether anything was
    /// charged.
    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>>;

    /// Refunds a part of the captured amount. A repeated call with the same idempotency key refunds
    /// nothing more.
    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>>;

    /// Reads the gateway's records of a payment whose reference is known, for comparison with the
    /// records in Postgres. Fails with [`Error::Mismatch`] if the reference is not that of the
    /// order's payment.
    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>>;
}

/// An order's payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The idempotency key under which the order is charged: the order's id.
    pub idempotency_key: String,
    /// In minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The name of the gateway that has the payment; `None` if it is not known.
    pub gateway: Option<String>,
    /// The gateway's id of the payment; `None` if it is not known.
    pub reference: Option<String>,
}

impl Payment {
    /// The payment of an order, with neither a gateway nor a reference.
    #[must_use]
    pub fn for_order(order_id: OrderId, amount_minor: i64, currency: Currency) -> Self {
        Self { idempotency_key: order_id.to_string(), amount_minor, currency, gateway: None, reference: None }
    }
}

/// A refund of a payment, whole or in part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub idempotency_key: String,
    /// In minor units of the payment's currency.
    pub amount_minor: i64,
    /// True if the gateway may have been asked for this refund before. That may be so long ago that
    /// the gateway has forgotten the idempotency key.
    pub may_be_known: bool,
    /// How often the gateway has temporarily refused this refund.
    pub refusals: i32,
}

/// The status of a payment's charge at the gateway. `Authorized` and `Captured` hold the gateway's
/// id of the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChargeStatus {
    /// The gateway has not decided: it does not know the payment, or could not process it.
    Open,
    Authorized(String),
    Captured(String),
    /// Holds the reason, which the customer can read.
    Declined(String),
}

/// The result of [`Gateway::reverse`]. `Voided` and `Refunded` hold the gateway's id of the
/// payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Nothing was authorized or captured.
    Nothing,
    /// The amount was authorized, and the authorization is now voided.
    Voided(String),
    /// The amount was captured, and all of it is now refunded.
    Refunded(String),
}

/// A payment according to the gateway's records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub state: State,
    /// The refunds that OrderFlow did not request.
    pub external_refunds: Vec<ExternalRefund>,
}

/// Where the money of a payment is, according to the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The gateway has not decided.
    Open,
    /// The amount is authorized.
    Authorized,
    /// The amount is captured, and at most a part of it is refunded.
    Captured,
    /// The whole amount is refunded.
    Refunded,
    /// Nothing is authorized, and nothing can be captured any more.
    Voided,
}

/// A refund that somebody made at the gateway itself, for example in its dashboard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalRefund {
    /// The gateway's id of the refund.
    pub id: String,
    /// In minor units of the payment's currency.
    pub amount_minor: i64,
}

/// Why a call to the gateway had no effect, or may have had none.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A final refusal. The reason is for the customer.
    #[error("{0}")]
    Declined(String),
    /// The gateway failed or did not answer. It is unknown whether the call had its effect. Another
    /// attempt is safe.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
    /// A temporary refusal: nothing was done, and a later attempt may succeed. For example, the
    /// shop's balance at the gateway does not cover a refund.
    #[error("temporarily refused: {0}")]
    TemporarilyRefused(String),
    /// The gateway's payment with this reference belongs to another order, has another amount or
    /// currency, or does not exist.
    #[error("{0}")]
    Mismatch(String),
}

impl Error {
    /// Separates temporary errors from final refusals. `Ok` holds the cause if another attempt may
    /// succeed; `Err` holds the reason of a final refusal, for the customer.
    pub(crate) fn into_temporary(self) -> Result<anyhow::Error, String> {
        match self {
            Self::Declined(reason) => Err(reason),
            Self::Unavailable(error) => Ok(error),
            other => Ok(other.into()),
        }
    }
}
