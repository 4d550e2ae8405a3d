//! The sandbox gateway: takes no real money, but keeps real books. Its ledger (schema `sandbox`) stands for another company's system, so it is
//! written in transactions of its own, and it can lose its answers like one. The payment method chooses what happens.

use super::{Charge, Error, Gateway, Receipt, Reversal};
use crate::{db, inventory};
use anyhow::anyhow;
use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use std::future::pending;

#[derive(Clone)]
pub struct Sandbox {
    ledger: Pool,
}

/// What a payment method does.
struct Script {
    /// The charge's state once it is decided.
    outcome: &'static str,
    decline_code: Option<&'static str>,
    /// The attempt that decides it; earlier ones fail.
    decides_at: i32,
    answer: Answer,
}

#[derive(PartialEq, Eq)]
enum Answer {
    Prompt,
    FirstIsLost,
    Never,
}

fn script(payment_method: &str) -> Script {
    let decline = |code| Script { outcome: "DECLINED", decline_code: Some(code), decides_at: 1, answer: Answer::Prompt };
    let capture = |decides_at, answer| Script { outcome: "CAPTURED", decline_code: None, decides_at, answer };
    match payment_method {
        "tok_visa" => capture(1, Answer::Prompt),
        "tok_processing_error" => capture(3, Answer::Prompt),
        "tok_timeout" => capture(1, Answer::FirstIsLost),
        "tok_down" => capture(i32::MAX, Answer::Never),
        "tok_declined" => decline("card_declined"),
        "tok_insufficient_funds" => decline("insufficient_funds"),
        _ => decline("invalid_payment_method"),
    }
}

/// What the customer reads.
fn decline_reason(code: Option<&str>) -> String {
    match code {
        Some("card_declined") => "the card was declined",
        Some("insufficient_funds") => "the card has insufficient funds",
        Some("invalid_payment_method") => "the payment method is not valid",
        _ => "the payment was declined",
    }
    .to_owned()
}

impl Sandbox {
    #[must_use]
    pub fn new(ledger: Pool) -> Self {
        Self { ledger }
    }

    async fn capture(&self, charge: &Charge) -> Result<Receipt, Error> {
        let script = script(&charge.payment_method);
        let client = db::connection(&self.ledger).await?;
        let statement = client
            .prepare_cached(
                "WITH charge AS (
                    INSERT INTO sandbox.charges (idempotency_key, amount_minor, currency, state, decline_code, attempts)
                    VALUES ($1, $2, $3, CASE WHEN $6::int <= 1 THEN $4::text ELSE 'ATTEMPTED' END, $5, 1)
                    ON CONFLICT (idempotency_key) DO UPDATE SET
                        attempts = charges.attempts + 1,
                        state = CASE WHEN charges.state = 'ATTEMPTED' AND charges.attempts + 1 >= $6 THEN $4 ELSE charges.state END
                    RETURNING idempotency_key, id::text, amount_minor, currency, state, decline_code, attempts
                ), entry AS (
                    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
                    SELECT idempotency_key, 'CAPTURE', amount_minor, currency FROM charge WHERE state = 'CAPTURED'
                    ON CONFLICT DO NOTHING
                )
                SELECT id, amount_minor, currency, state, decline_code, attempts FROM charge",
            )
            .await
            .map_err(anyhow::Error::from)?;
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 6] = [
            &charge.idempotency_key,
            &charge.amount_minor,
            &charge.currency.code(),
            &script.outcome,
            &script.decline_code,
            &script.decides_at,
        ];
        let row = client.query_one(&statement, &values).await.map_err(anyhow::Error::from)?;
        drop(client);
        let (reference, amount, currency): (String, i64, &str) = (row.get(0), row.get(1), row.get(2));
        let (state, decline_code, attempts): (&str, Option<&str>, i32) = (row.get(3), row.get(4), row.get(5));
        if script.answer == Answer::Never || (script.answer == Answer::FirstIsLost && attempts == 1) {
            pending::<()>().await;
        }
        match state {
            "CAPTURED" if amount == charge.amount_minor && currency == charge.currency.code() => Ok(Receipt { reference }),
            "CAPTURED" => Err(Error::Declined("this order has been charged another amount".to_owned())),
            "ATTEMPTED" => Err(Error::Unavailable(anyhow!("the gateway reports a processing error"))),
            _ => Err(Error::Declined(decline_reason(decline_code))),
        }
    }

    async fn void_or_refund(&self, idempotency_key: &str) -> anyhow::Result<Reversal> {
        let client = db::connection(&self.ledger).await?;
        // A key that was never charged is voided all the same: a charge that is still on its way will then be refused.
        let statement = client
            .prepare_cached(
                "WITH charge AS (
                    INSERT INTO sandbox.charges (idempotency_key, amount_minor, currency, state) VALUES ($1, 0, 'USD', 'VOIDED')
                    ON CONFLICT (idempotency_key) DO UPDATE SET
                        state = CASE charges.state WHEN 'CAPTURED' THEN 'REFUNDED' WHEN 'ATTEMPTED' THEN 'VOIDED' ELSE charges.state END
                    RETURNING idempotency_key, id::text, amount_minor, currency, state
                ), entry AS (
                    INSERT INTO sandbox.entries (idempotency_key, kind, amount_minor, currency)
                    SELECT idempotency_key, 'REFUND', amount_minor, currency FROM charge WHERE state = 'REFUNDED'
                    ON CONFLICT DO NOTHING
                )
                SELECT id, amount_minor, currency FROM charge WHERE state = 'REFUNDED'",
            )
            .await?;
        match client.query_opt(&statement, &[&idempotency_key]).await? {
            None => Ok(Reversal::Nothing),
            Some(row) => Ok(Reversal::Refunded {
                reference: row.try_get(0)?,
                amount_minor: row.try_get(1)?,
                currency: inventory::currency(row.try_get(2)?)?,
            }),
        }
    }
}

impl Gateway for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn charge<'a>(&'a self, charge: &'a Charge) -> BoxFuture<'a, Result<Receipt, Error>> {
        Box::pin(self.capture(charge))
    }

    fn reverse<'a>(&'a self, idempotency_key: &'a str) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        Box::pin(self.void_or_refund(idempotency_key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payment_methods_do_what_the_documents_say() {
        for (method, outcome, decides_at) in [
            ("tok_visa", "CAPTURED", 1),
            ("tok_timeout", "CAPTURED", 1),
            ("tok_processing_error", "CAPTURED", 3),
            ("tok_declined", "DECLINED", 1),
            ("tok_insufficient_funds", "DECLINED", 1),
            ("4242424242424242", "DECLINED", 1),
        ] {
            let script = script(method);
            assert_eq!((script.outcome, script.decides_at), (outcome, decides_at), "{method}");
        }
    }

    #[test]
    fn every_decline_has_a_reason_of_its_own() {
        let reasons = ["tok_declined", "tok_insufficient_funds", "tok_nonsense"].map(|method| decline_reason(script(method).decline_code));
        assert_eq!(reasons, ["the card was declined", "the card has insufficient funds", "the payment method is not valid"]);
    }
}
