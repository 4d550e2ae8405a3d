//! The sandbox gateway. It moves no real money but keeps real books. Its ledger (schema `sandbox`)
//! plays the part of another company's system. So it is written in its own transactions, and the
//! sandbox can lose its answers as such a system can. The payment method determines what happens.

mod script;

use super::{ChargeStatus, Error, Gateway, Payment, Refund, Reversal, State, Statement};
use crate::{db, sql::sandbox_gateway as sql};
use anyhow::{anyhow, bail};
use deadpool_postgres::{Pool, Transaction};
use futures::{FutureExt, future::BoxFuture};
use script::{Answer, Script, decline_reason};
use std::future::pending;

#[derive(Clone)]
pub struct Sandbox {
    ledger: Pool,
}

impl Sandbox {
    #[must_use]
    pub fn new(ledger: Pool) -> Self {
        Self { ledger }
    }

    async fn authorize(&self, payment: &Payment, payment_method: &str) -> Result<String, Error> {
        let script = Script::for_payment_method(payment_method);
        let decided_state = if script.decline_code.is_some() { "DECLINED" } else { "AUTHORIZED" };
        let client = db::connection(&self.ledger).await?;
        let attempt = sql::Attempt {
            idempotency_key: &payment.idempotency_key,
            amount_minor: payment.amount_minor,
            currency: payment.currency.code(),
            payment_method,
            decided_state,
            decline_code: script.decline_code,
            decides_at: script.decides_at,
        };
        let charge = sql::authorize_charge(&client, attempt).await.map_err(anyhow::Error::from)?;
        let charge = charge.ok_or_else(|| anyhow!("the ledger recorded no charge"))?;
        drop(client);
        if script.answer == Answer::Never {
            pending::<()>().await;
        }
        let is_same_amount = charge.amount_minor == payment.amount_minor && charge.currency == payment.currency.code();
        match charge.state.as_str() {
            "AUTHORIZED" | "CAPTURED" if is_same_amount => Ok(charge.id),
            "AUTHORIZED" | "CAPTURED" => Err(Error::Declined("this order has been charged another amount".to_owned())),
            "ATTEMPTED" => Err(Error::Unavailable(anyhow!("the gateway reports a processing error"))),
            _ => Err(Error::Declined(decline_reason(charge.decline_code.as_deref()))),
        }
    }

    async fn capture(&self, payment: &Payment) -> Result<(), Error> {
        let client = db::connection(&self.ledger).await?;
        let charge = sql::capture_charge(&client, &payment.idempotency_key)
            .await
            .map_err(anyhow::Error::from)?
            .ok_or_else(|| Error::Declined("nothing was authorized".to_owned()))?;
        drop(client);
        let script = Script::for_payment_method(charge.payment_method.as_deref().unwrap_or_default());
        if script.answer == Answer::FirstCaptureIsLost && charge.captures == 1 {
            pending::<()>().await;
        }
        match charge.state.as_str() {
            "CAPTURED" => Ok(()),
            _ => Err(Error::Declined("the authorization is not valid any more".to_owned())),
        }
    }

    async fn look_up(&self, payment: &Payment) -> anyhow::Result<ChargeStatus> {
        let client = db::connection(&self.ledger).await?;
        let Some(charge) = sql::find_charge(&client, &payment.idempotency_key).await? else { return Ok(ChargeStatus::Open) };
        Ok(match charge.state.as_str() {
            "ATTEMPTED" => ChargeStatus::Open,
            "AUTHORIZED" => ChargeStatus::Authorized(charge.id),
            "CAPTURED" => ChargeStatus::Captured(charge.id),
            _ => ChargeStatus::Declined(decline_reason(charge.decline_code.as_deref())),
        })
    }

    async fn statement(&self, payment: &Payment) -> anyhow::Result<Statement> {
        let client = db::connection(&self.ledger).await?;
        let charge = sql::charge_state(&client, &payment.idempotency_key).await?;
        let state = match charge.as_ref().map(|charge| charge.state.as_str()) {
            None | Some("ATTEMPTED") => State::Open,
            Some("AUTHORIZED") => State::Authorized,
            Some("CAPTURED" | "PARTIALLY_REFUNDED") => State::Captured,
            Some("REFUNDED") => State::Refunded,
            Some(_) => State::Voided,
        };
        // In the sandbox, all refunds are requested by OrderFlow.
        Ok(Statement { state, external_refunds: Vec::new() })
    }

    async fn reverse(&self, payment: &Payment) -> anyhow::Result<Reversal> {
        let mut client = db::connection(&self.ledger).await?;
        let transaction = client.transaction().await?;
        if !lock_for_refund(&transaction, payment).await? {
            transaction.commit().await?;
            bail!("{NO_BALANCE}");
        }
        // This also voids a key that was never charged. An authorization that is still on its way
        // is then refused.
        let charge = sql::reverse_charge(&transaction, &payment.idempotency_key, payment.currency.code()).await?;
        transaction.commit().await?;
        Ok(match (charge.state.as_str(), charge.state_before.as_deref()) {
            ("REFUNDED", _) => Reversal::Refunded(charge.id),
            ("VOIDED", Some("AUTHORIZED")) => Reversal::Voided(charge.id),
            _ => Reversal::Nothing,
        })
    }

    async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<(), Error> {
        let mut client = db::connection(&self.ledger).await?;
        let transaction = client.transaction().await.map_err(anyhow::Error::from)?;
        if !lock_for_refund(&transaction, payment).await? {
            transaction.commit().await.map_err(anyhow::Error::from)?;
            return Err(Error::TemporarilyRefused(NO_BALANCE.to_owned()));
        }
        let charge = sql::refund_charge(&transaction, &payment.idempotency_key, &refund.idempotency_key, refund.amount_minor)
            .await
            .map_err(anyhow::Error::from)?;
        transaction.commit().await.map_err(anyhow::Error::from)?;
        match charge {
            Some(charge) if charge.is_refunded => Ok(()),
            _ => Err(Error::Declined("there is not that much left to give back".to_owned())),
        }
    }
}

const NO_BALANCE: &str = "the shop's balance with the gateway does not cover it";

/// Locks the charge, so that its refunds run one after another and each sees the earlier ones.
/// Returns whether the shop's balance covers a refund now. If the payment method delays refunds,
/// each call counts as an attempt.
async fn lock_for_refund(transaction: &Transaction<'_>, payment: &Payment) -> anyhow::Result<bool> {
    let Some(charge) = sql::lock_charge(transaction, &payment.idempotency_key).await? else { return Ok(true) };
    let script = Script::for_payment_method(charge.payment_method.as_deref().unwrap_or_default());
    if script.refunds_at <= 1 || !charge.is_captured {
        return Ok(true);
    }
    let attempts = sql::count_refund_attempt(transaction, &payment.idempotency_key).await?.refund_attempts;
    Ok(attempts >= script.refunds_at)
}

/// Each method calls the inherent method of the same name.
impl Gateway for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>> {
        self.authorize(payment, payment_method).boxed()
    }

    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>> {
        self.capture(payment).boxed()
    }

    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>> {
        self.look_up(payment).boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        self.reverse(payment).boxed()
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        self.refund(payment, refund).boxed()
    }

    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        async { Ok(self.statement(payment).await?) }.boxed()
    }
}
