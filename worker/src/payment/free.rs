//! The gateway for orders that cost nothing. It calls no other system, and no money moves. It is
//! needed because other gateways refuse an amount of 0.

use super::{ChargeStatus, Error, Gateway, Payment, Refund, Reversal, State, Statement};
use futures::{FutureExt, future::BoxFuture};

/// The name that is recorded with such payments. It is also the reference of each of them.
pub(super) const NAME: &str = "none";

pub(super) struct Free;

impl Gateway for Free {
    fn name(&self) -> &'static str {
        NAME
    }

    fn authorize<'a>(&'a self, _payment: &'a Payment, _payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>> {
        async { Ok(NAME.to_owned()) }.boxed()
    }

    fn capture<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn look_up<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>> {
        async { Ok(ChargeStatus::Authorized(NAME.to_owned())) }.boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        let is_recorded = payment.gateway.is_some();
        async move { Ok(if is_recorded { Reversal::Refunded(NAME.to_owned()) } else { Reversal::Nothing }) }.boxed()
    }

    fn refund<'a>(&'a self, _payment: &'a Payment, _refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn statement<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        async { Ok(Statement { state: State::Captured, external_refunds: Vec::new() }) }.boxed()
    }
}
