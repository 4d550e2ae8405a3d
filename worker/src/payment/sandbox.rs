//! The sandbox gateway: takes no real money, but keeps real books. Its ledger (schema `sandbox`) stands for another company's system, so it is
//! written in transactions of its own, and it can lose its answers like one. The payment method chooses what happens.

mod script;

use super::{Error, Gateway, Payment, Refund, Reversal, Standing, State, Statement};
use crate::db;
use anyhow::{anyhow, bail};
use deadpool_postgres::{Pool, Transaction};
use futures::{FutureExt, future::BoxFuture};
use script::{Answer, Script, decline_reason};
use std::future::pending;
use tokio_postgres::{Row, types::ToSql};

#[derive(Clone)]
pub struct Sandbox {
    ledger: Pool,
}

impl Sandbox {
    #[must_use]
    pub fn new(ledger: Pool) -> Self {
        Self { ledger }
    }

    /// Runs one statement on the books; at most one row.
    async fn books(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> anyhow::Result<Option<Row>> {
        let client = db::connection(&self.ledger).await?;
        let statement = client.prepare_cached(sql).await?;
        Ok(client.query_opt(&statement, values).await?)
    }

    async fn hold(&self, payment: &Payment, payment_method: &str) -> Result<String, Error> {
        let script = Script::of(payment_method);
        let decided = if script.decline_code.is_some() { "DECLINED" } else { "AUTHORIZED" };
        let row = self
            .books(
                "INSERT INTO sandbox.charges AS c (idempotency_key, amount_minor, currency, payment_method, state, decline_code, attempts)
                VALUES ($1, $2, $3, $4, CASE WHEN $7::int <= 1 THEN $5::text ELSE 'ATTEMPTED' END, $6, 1)
                ON CONFLICT (idempotency_key) DO UPDATE SET
                    attempts = c.attempts + 1,
                    state = CASE WHEN c.state = 'ATTEMPTED' AND c.attempts + 1 >= $7 THEN $5 ELSE c.state END
                RETURNING id::text, amount_minor, currency, state, decline_code",
                &[
                    &payment.idempotency_key,
                    &payment.amount_minor,
                    &payment.currency.code(),
                    &payment_method,
                    &decided,
                    &script.decline_code,
                    &script.decides_at,
                ],
            )
            .await?
            .ok_or_else(|| anyhow!("the books took nothing"))?;
        if script.answer == Answer::Never {
            pending::<()>().await;
        }
        let same = row.get::<_, i64>(1) == payment.amount_minor && row.get::<_, &str>(2) == payment.currency.code();
        match row.get(3) {
            "AUTHORIZED" | "CAPTURED" if same => Ok(row.get(0)),
            "AUTHORIZED" | "CAPTURED" => Err(Error::Declined("this order has been charged another amount".to_owned())),
            "ATTEMPTED" => Err(Error::Unavailable(anyhow!("the gateway reports a processing error"))),
            _ => Err(Error::Declined(decline_reason(row.get(4)))),
        }
    }

    async fn take(&self, payment: &Payment) -> Result<(), Error> {
        let row = self
            .books(
                "WITH charge AS (
                    UPDATE sandbox.charges SET captures = captures + 1, state = CASE state WHEN 'AUTHORIZED' THEN 'CAPTURED' ELSE state END
                    WHERE idempotency_key = $1
                    RETURNING idempotency_key, amount_minor, currency, state, payment_method, captures
                ), entry AS (
                    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
                    SELECT idempotency_key, 'CAPTURE', amount_minor, currency FROM charge WHERE state = 'CAPTURED'
                    ON CONFLICT DO NOTHING
                )
                SELECT state, payment_method, captures FROM charge",
                &[&payment.idempotency_key],
            )
            .await?
            .ok_or_else(|| Error::Declined("nothing was authorized".to_owned()))?;
        let script = Script::of(row.get::<_, Option<&str>>(1).unwrap_or_default());
        if script.answer == Answer::FirstCaptureIsLost && row.get::<_, i32>(2) == 1 {
            pending::<()>().await;
        }
        match row.get(0) {
            "CAPTURED" => Ok(()),
            _ => Err(Error::Declined("the authorization is not valid any more".to_owned())),
        }
    }

    async fn standing(&self, payment: &Payment) -> anyhow::Result<Standing> {
        let row = self
            .books("SELECT id::text, state, decline_code FROM sandbox.charges WHERE idempotency_key = $1", &[&payment.idempotency_key])
            .await?;
        let Some(row) = row else { return Ok(Standing::Open) };
        Ok(match row.get(1) {
            "ATTEMPTED" => Standing::Open,
            "AUTHORIZED" => Standing::Authorized(row.get(0)),
            "CAPTURED" => Standing::Captured(row.get(0)),
            _ => Standing::Declined(decline_reason(row.get(2))),
        })
    }

    async fn stated(&self, payment: &Payment) -> anyhow::Result<Statement> {
        let row = self.books("SELECT state FROM sandbox.charges WHERE idempotency_key = $1", &[&payment.idempotency_key]).await?;
        let state = match row.as_ref().map(|row| row.get(0)) {
            None | Some("ATTEMPTED") => State::Open,
            Some("AUTHORIZED") => State::Held,
            Some("CAPTURED" | "PARTIALLY_REFUNDED") => State::Taken,
            Some("REFUNDED") => State::Returned,
            Some(_) => State::Void,
        };
        // Nobody else gives back there.
        Ok(Statement { state, returns: Vec::new() })
    }

    async fn void_or_refund(&self, payment: &Payment) -> anyhow::Result<Reversal> {
        let mut client = db::connection(&self.ledger).await?;
        let transaction = client.transaction().await?;
        if !may_give_back(&transaction, payment).await? {
            transaction.commit().await?;
            bail!("{NO_BALANCE}");
        }
        // A key that was never charged is voided all the same: a charge that is still on its way will then be refused.
        let row = transaction
            .query_one(
                "WITH was AS (
                    SELECT state FROM sandbox.charges WHERE idempotency_key = $1
                ), charge AS (
                    INSERT INTO sandbox.charges AS c (idempotency_key, amount_minor, currency, state) VALUES ($1, 0, $2, 'VOIDED')
                    ON CONFLICT (idempotency_key) DO UPDATE SET state = CASE
                        WHEN c.state IN ('CAPTURED', 'PARTIALLY_REFUNDED') THEN 'REFUNDED'
                        WHEN c.state IN ('ATTEMPTED', 'AUTHORIZED') THEN 'VOIDED' ELSE c.state END
                    RETURNING idempotency_key, id::text, amount_minor, currency, state, attempts
                ), given AS (
                    SELECT coalesce(sum(amount_minor), 0)::bigint AS back FROM sandbox.entries WHERE idempotency_key = $1 AND kind = 'REFUND'
                ), entry AS (
                    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
                    SELECT idempotency_key, 'REFUND', amount_minor - back, currency FROM charge, given WHERE state = 'REFUNDED' AND amount_minor > back
                    ON CONFLICT DO NOTHING
                )
                SELECT id, state, (SELECT state FROM was) FROM charge",
                &[&payment.idempotency_key, &payment.currency.code()],
            )
            .await?;
        transaction.commit().await?;
        Ok(match (row.get(1), row.get(2)) {
            ("REFUNDED", _) => Reversal::Refunded(row.get(0)),
            ("VOIDED", Some("AUTHORIZED")) => Reversal::Voided(row.get(0)),
            _ => Reversal::Nothing,
        })
    }

    async fn give_back(&self, payment: &Payment, refund: &Refund) -> Result<(), Error> {
        let mut client = db::connection(&self.ledger).await?;
        let transaction = client.transaction().await.map_err(anyhow::Error::from)?;
        if !may_give_back(&transaction, payment).await? {
            transaction.commit().await.map_err(anyhow::Error::from)?;
            return Err(Error::NotNow(NO_BALANCE.to_owned()));
        }
        let row = transaction
            .query_opt(
                "WITH earlier AS (
                    SELECT coalesce(sum(amount_minor), 0)::bigint AS back, coalesce(bool_or(refund_key = $2), false) AS done
                    FROM sandbox.entries WHERE idempotency_key = $1 AND kind = 'REFUND'
                ), charge AS (
                    UPDATE sandbox.charges c SET state = CASE WHEN back + $3 = c.amount_minor THEN 'REFUNDED' ELSE 'PARTIALLY_REFUNDED' END
                    FROM earlier WHERE c.idempotency_key = $1 AND c.state IN ('CAPTURED', 'PARTIALLY_REFUNDED') AND NOT done
                        AND back + $3 <= c.amount_minor
                    RETURNING c.idempotency_key, c.currency
                ), entry AS (
                    INSERT INTO sandbox.entries (idempotency_key, kind, refund_key, amount_minor, currency)
                    SELECT idempotency_key, 'REFUND', $2, $3, currency FROM charge RETURNING 1
                )
                SELECT done OR EXISTS (SELECT FROM entry) FROM earlier",
                &[&payment.idempotency_key, &refund.idempotency_key, &refund.amount_minor],
            )
            .await
            .map_err(anyhow::Error::from)?;
        transaction.commit().await.map_err(anyhow::Error::from)?;
        match row {
            Some(row) if row.get(0) => Ok(()),
            _ => Err(Error::Declined("there is not that much left to give back".to_owned())),
        }
    }
}

const NO_BALANCE: &str = "the shop's balance with the gateway does not cover it";

/// Waits for its turn to give back of a charge: each then sees what the others gave back. Says whether the shop's balance covers it now.
async fn may_give_back(transaction: &Transaction<'_>, payment: &Payment) -> anyhow::Result<bool> {
    let lock =
        "SELECT payment_method, state IN ('CAPTURED', 'PARTIALLY_REFUNDED') FROM sandbox.charges WHERE idempotency_key = $1 FOR UPDATE";
    let Some(row) = transaction.query_opt(lock, &[&payment.idempotency_key]).await? else { return Ok(true) };
    let script = Script::of(row.get::<_, Option<&str>>(0).unwrap_or_default());
    if script.gives_back_at <= 1 || !row.get::<_, bool>(1) {
        return Ok(true);
    }
    let count = "UPDATE sandbox.charges SET refund_attempts = refund_attempts + 1 WHERE idempotency_key = $1 RETURNING refund_attempts";
    let row = transaction.query_one(count, &[&payment.idempotency_key]).await?;
    Ok(row.get::<_, i32>(0) >= script.gives_back_at)
}

impl Gateway for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>> {
        self.hold(payment, payment_method).boxed()
    }

    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>> {
        self.take(payment).boxed()
    }

    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Standing>> {
        self.standing(payment).boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        self.void_or_refund(payment).boxed()
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        self.give_back(payment, refund).boxed()
    }

    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        async { Ok(self.stated(payment).await?) }.boxed()
    }
}
