//! The gateway of what costs nothing: it asks nobody, and no money moves. Gateways refuse amounts of 0.

use super::{Error, Gateway, Payment, Refund, Reversal, Standing, State, Statement};
use futures::{FutureExt, future::BoxFuture};

/// The name under which such payments are recorded, and its id of each.
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

    fn look_up<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Standing>> {
        async { Ok(Standing::Authorized(NAME.to_owned())) }.boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        let is_recorded = payment.gateway.is_some();
        async move { Ok(if is_recorded { Reversal::Refunded(NAME.to_owned()) } else { Reversal::Nothing }) }.boxed()
    }

    fn refund<'a>(&'a self, _payment: &'a Payment, _refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        async { Ok(()) }.boxed()
    }

    fn statement<'a>(&'a self, _payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        async { Ok(Statement { state: State::Taken, returns: Vec::new() }) }.boxed()
    }
}
