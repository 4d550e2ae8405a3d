//! Payments: the gateway trait, and what Postgres keeps of an order's money.
//!
//! An amount is held (authorized) when the order's stock is reserved, and taken (captured) when the order is confirmed. What is held can be
//! voided, what is taken can be refunded.

mod free;
mod gateways;
mod reconcile;
mod record;
mod sandbox;
mod stripe;

use futures::future::BoxFuture;
pub use gateways::Gateways;
use orders::{Currency, OrderId};
pub(crate) use reconcile::{Due, compare};
pub(crate) use record::{Permission, find, load, record_attempt, record_authorized, record_captured, record_declined, record_reversed};
pub use sandbox::Sandbox;
pub use stripe::{Settings as StripeSettings, Stripe};

/// Somebody who can take money. Every call may be repeated and may overlap with others: each has its effect once, whoever asks how often.
pub trait Gateway: Send + Sync {
    /// The name under which payments are recorded.
    fn name(&self) -> &'static str;

    /// Holds the amount on the customer's means of payment, and answers with the gateway's id of it. Repeated with the same key it answers as
    /// the first time; after [`Gateway::reverse`] it is refused.
    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>>;

    /// Takes the amount that is held.
    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>>;

    /// What the gateway knows of a payment; asked when an answer of its was lost, before anything is tried again.
    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Standing>>;

    /// Makes sure that nothing is, and nothing will be, charged: voids what is held, refunds what was taken and not refunded yet. It may be
    /// called when it is not known whether anything happened.
    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>>;

    /// Gives back a part of what was taken. Repeated with the same key it gives back nothing more.
    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>>;

    /// What the gateway's books say of a payment whose reference is known; to hold our records against. [`Error::Mismatch`] when that is not the
    /// order's payment.
    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>>;
}

/// An order's payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// The one key under which the order is charged.
    pub idempotency_key: String,
    /// Minor units of `currency`.
    pub amount_minor: i64,
    pub currency: Currency,
    /// The name of the gateway that has it, as far as it is known.
    pub gateway: Option<String>,
    /// The gateway's id of it, as far as it is known.
    pub reference: Option<String>,
}

impl Payment {
    #[must_use]
    pub fn of(order_id: OrderId, amount_minor: i64, currency: Currency) -> Self {
        Self { idempotency_key: order_id.to_string(), amount_minor, currency, gateway: None, reference: None }
    }
}

/// A part of a payment that is given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    pub idempotency_key: String,
    /// Minor units of the payment's currency.
    pub amount_minor: i64,
    /// It may have been asked for before, so long ago that the gateway has forgotten the key.
    pub again: bool,
    /// How often the gateway has refused it for now.
    pub refusals: i32,
}

/// Where a payment stands with the gateway. The text is the gateway's id of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is decided: the gateway never heard of it, or could not process it.
    Open,
    Authorized(String),
    Captured(String),
    /// With the reason for the customer.
    Declined(String),
}

/// What reversing found. The text is the gateway's id of the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reversal {
    /// Nothing had been held or taken.
    Nothing,
    /// The amount was held, and is free again.
    Voided(String),
    /// The amount had been taken, and all of it is given back.
    Refunded(String),
}

/// What a gateway's books say of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    pub state: State,
    /// What was given back without our asking.
    pub returns: Vec<Return>,
}

/// Where the money of a payment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is decided.
    Open,
    /// The amount is held.
    Held,
    /// It was taken, and not all of it is given back.
    Taken,
    /// All of it was given back.
    Returned,
    /// Nothing is held, and nothing can be taken any more.
    Void,
}

/// Money that somebody gave back at the gateway itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Return {
    /// The gateway's id of it.
    pub id: String,
    /// Minor units of the payment's currency.
    pub amount_minor: i64,
}

/// Why a call did not do what was asked, or may not have.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Final; the reason is for the customer.
    #[error("{0}")]
    Declined(String),
    /// The gateway failed or did not answer: whether it did it is not known. Another attempt is safe.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
    /// Refused for now, as a refund while the shop's balance does not cover it: nothing was done, and a later attempt may work.
    #[error("refused for now: {0}")]
    NotNow(String),
    /// What the gateway has under the payment's reference is another order's, or of another amount or currency.
    #[error("{0}")]
    Mismatch(String),
}

impl Error {
    /// Why it was not done, if another attempt may do it; else the reason for the customer.
    pub(crate) fn passing(self) -> Result<anyhow::Error, String> {
        match self {
            Self::Declined(reason) => Err(reason),
            Self::Unavailable(error) => Ok(error),
            other => Ok(other.into()),
        }
    }
}
