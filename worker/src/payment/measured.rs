//! Counts and times each call to a gateway.

use super::{ChargeStatus, Error, Gateway, Payment, Refund, Reversal, Statement};
use crate::ops::call::{Call, Outcome};
use futures::{FutureExt, future::BoxFuture};
use platform::metrics::list::{GATEWAY_REQUEST_DURATION, GATEWAY_REQUESTS};
use std::sync::Arc;

/// A gateway whose calls are counted and timed.
pub(super) struct Measured(pub(super) Arc<dyn Gateway>);

impl Measured {
    async fn measure<T>(&self, call: &'static str, answer: impl Future<Output = T>, outcome: impl FnOnce(&T) -> Outcome) -> T {
        Call::begin(&GATEWAY_REQUESTS, &GATEWAY_REQUEST_DURATION, self.0.name(), call).end(answer, outcome).await
    }
}

fn of_result<T>(result: &Result<T, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Ok,
        Err(Error::Unavailable(_)) => Outcome::Failed,
        Err(Error::Declined(_) | Error::TemporarilyRefused(_) | Error::Mismatch(_)) => Outcome::Refused,
    }
}

fn of_any<T>(result: &anyhow::Result<T>) -> Outcome {
    if result.is_ok() { Outcome::Ok } else { Outcome::Failed }
}

impl Gateway for Measured {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>> {
        self.measure("authorize", self.0.authorize(payment, payment_method), of_result).boxed()
    }

    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>> {
        self.measure("capture", self.0.capture(payment), of_result).boxed()
    }

    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>> {
        self.measure("look_up", self.0.look_up(payment), of_any).boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        self.measure("reverse", self.0.reverse(payment), of_any).boxed()
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        self.measure("refund", self.0.refund(payment, refund), of_result).boxed()
    }

    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        self.measure("statement", self.0.statement(payment), of_result).boxed()
    }
}
