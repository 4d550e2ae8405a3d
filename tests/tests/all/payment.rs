//! Payment: what the sandbox gateway does for each payment method, and what happens to the order
//! and its money.

use crate::{
    orders::statuses,
    support::{Draft, FAST, Product, Shop, text, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(40);

/// Places an order of three units with a payment method. Returns the order at its end, and how many
/// of ten units are left and how many are held.
async fn pay_by(shop: &Shop, method: &str, end: &str) -> Result<(Value, (i64, i64))> {
    let product = shop.product(2_500, 10).await?;
    let id = shop.place(&Draft::new("CUST-payment").line(&product, 3).payment_method(method)).await?;
    let order = shop.ends(&id, end).await?;
    Ok((order, shop.stock(&product).await?))
}

/// The gateway's books about an order: the state of the charge, the number of attempts, and the net
/// amount.
pub(crate) async fn ledger(shop: &Shop, id: &str) -> Result<(String, i32, i64)> {
    let row = shop
        .db()
        .await?
        .query_one(
            "SELECT state, attempts, (
                SELECT coalesce(sum(CASE kind WHEN 'CAPTURE' THEN amount_minor ELSE -amount_minor END), 0)::bigint
                FROM sandbox.entries e WHERE e.idempotency_key = c.idempotency_key
            ) FROM sandbox.charges c WHERE idempotency_key = $1",
            &[&id],
        )
        .await?;
    Ok((row.get(0), row.get(1), row.get(2)))
}

#[test]
fn a_declined_card_fails_the_order_and_releases_its_stock() {
    with_shared_stack(async |shop| {
        for (method, reason) in [
            ("tok_declined", "the card was declined"),
            ("tok_insufficient_funds", "the card has insufficient funds"),
            ("tok_nonsense", "the payment method is not valid"),
        ] {
            let (order, stock) = pay_by(shop, method, "FAILED").await?;
            assert_eq!((text(&order, "/failureReason")?, stock), (reason, (10, 0)));
            assert_eq!(statuses(&order), ["PENDING", "RESERVED", "FAILED"]);
            assert_eq!(order["payment"], json!({ "status": "DECLINED", "amount": 75.0 }));
            assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("DECLINED".to_owned(), 1, 0));
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn a_processing_error_is_retried_until_it_succeeds() {
    with_shared_stack(async |shop| {
        let (order, stock) = pay_by(shop, "tok_processing_error", "COMPLETED").await?;
        assert_eq!((&order["payment"]["status"], stock), (&json!("CAPTURED"), (7, 0)));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("CAPTURED".to_owned(), 3, 7_500));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_retry_after_a_lost_answer_looks_up_the_charge_first() {
    with_shared_stack(async |shop| {
        let (order, stock) = pay_by(shop, "tok_timeout", "COMPLETED").await?;
        assert_eq!((&order["payment"]["status"], stock), (&json!("CAPTURED"), (7, 0)));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("CAPTURED".to_owned(), 1, 7_500));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_gateway_that_never_answers_fails_the_order_after_three_attempts() {
    with_shared_stack(async |shop| {
        let product = shop.product(2_500, 10).await?;
        let id = shop.place(&Draft::new("CUST-payment").line(&product, 3).payment_method("tok_down")).await?;
        until("it is shown that nobody knows", TIMEOUT, async || {
            let order = shop.order(&id).await?;
            Ok((order["payment"] == json!({ "status": "UNKNOWN", "amount": 75.0 })).then_some(()))
        })
        .await?;
        let order = shop.ends(&id, "FAILED").await?;
        let reason = text(&order, "/failureReason")?;
        ensure!(reason.contains("payment service did not answer"), "{reason}");
        assert_eq!(shop.stock(&product).await?, (10, 0));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("VOIDED".to_owned(), 3, 0));
        assert_eq!(order["payment"], json!({ "status": "VOIDED", "amount": 75.0 }));
        shop.audit_is_clean().await
    });
}

/// A trigger that makes it impossible to record payments of a product's orders, and counts the
/// attempts, until it is removed.
struct RecordingBlock<'a> {
    shop: &'a Shop,
    name: String,
}

impl<'a> RecordingBlock<'a> {
    async fn new(shop: &'a Shop, product: &Product) -> Result<Self> {
        let name = product.id.replace('-', "_").to_lowercase();
        let block = format!(
            "CREATE SEQUENCE {name}_refused;
            CREATE FUNCTION {name}_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                IF EXISTS (SELECT FROM order_items WHERE order_id = NEW.order_id AND product_id = '{}') THEN
                    PERFORM nextval('{name}_refused');
                    RAISE 'not now';
                END IF;
                RETURN NEW;
            END $$;
            CREATE TRIGGER {name}_refuse BEFORE INSERT OR UPDATE ON payments FOR EACH ROW EXECUTE FUNCTION {name}_refuse()",
            product.id
        );
        shop.db().await?.batch_execute(&block).await?;
        Ok(Self { shop, name })
    }

    async fn wait_for_attempts(&self, times: i64) -> Result<()> {
        let (db, attempts) = (self.shop.db().await?, format!("SELECT last_value FROM {}_refused", self.name));
        until(&format!("a payment is not recorded {times} times"), TIMEOUT, async || {
            Ok((db.query_one(&attempts, &[]).await?.get::<_, i64>(0) >= times).then_some(()))
        })
        .await
    }

    async fn remove(self) -> Result<()> {
        let remove = format!("DROP FUNCTION {name}_refuse CASCADE; DROP SEQUENCE {name}_refused", name = self.name);
        Ok(self.shop.db().await?.batch_execute(&remove).await?)
    }
}

/// An outage of Postgres is neither the customer's nor the gateway's fault, so it does not count
/// towards the attempts after which an order fails.
#[test]
fn a_payment_that_cannot_be_recorded_keeps_the_gateways_result() {
    with_shared_stack(async |shop| {
        for (method, end, reason) in [("tok_visa", "COMPLETED", Value::Null), ("tok_declined", "FAILED", json!("the card was declined"))] {
            let product = shop.product(2_500, 10).await?;
            let block = RecordingBlock::new(shop, &product).await?;
            let id = shop.place(&Draft::new("CUST-payment").line(&product, 3).payment_method(method)).await?;
            block.wait_for_attempts(6).await?;
            block.remove().await?;
            let order = shop.ends(&id, end).await?;
            assert_eq!(order["failureReason"], reason);
            assert_eq!(ledger(shop, &id).await?.1, 1);
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn cancel_during_an_unrecorded_decline_succeeds() {
    with_shared_stack(async |shop| {
        let product = shop.product(2_500, 10).await?;
        let block = RecordingBlock::new(shop, &product).await?;
        let id = shop.place(&Draft::new("CUST-payment").line(&product, 3).payment_method("tok_declined")).await?;
        block.wait_for_attempts(2).await?;
        shop.cancel(&id).await?;
        shop.ends(&id, "CANCELLED").await?;
        block.remove().await?;
        assert_eq!((ledger(shop, &id).await?, shop.stock(&product).await?), (("DECLINED".to_owned(), 1, 0), (10, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn one_allowed_attempt_is_one_attempt_and_its_charge_is_found() {
    with_own_stack(1, &[&FAST[..], &[("RETRY_MAXIMUM_ATTEMPTS", "1")]].concat(), async |shop| {
        for (method, end, state, charged) in [
            ("tok_timeout", "COMPLETED", "CAPTURED", 7_500),
            ("tok_processing_error", "FAILED", "VOIDED", 0),
            ("tok_down", "FAILED", "VOIDED", 0),
        ] {
            let (order, _) = pay_by(shop, method, end).await?;
            assert_eq!(ledger(shop, text(&order, "/id")?).await?, (state.to_owned(), 1, charged), "{method}");
        }
        shop.audit_is_clean().await
    });
}

/// Orders whose gateway does not answer use at most half of the worker's workflow tasks. Otherwise
/// a new order would wait behind all of them, for 5 s each.
#[test]
fn a_gateway_that_does_not_answer_holds_up_nobody_else() {
    with_own_stack(1, &[("WORKER_WORKFLOW_TASKS", "4")], async |shop| {
        let product = shop.product(2_500, 100).await?;
        let stuck = try_join_all((0..12).map(|n| {
            let customer = format!("CUST-stuck-{n}");
            let product = &product;
            async move { shop.place(&Draft::new(&customer).line(product, 1).payment_method("tok_down")).await }
        }))
        .await?;
        let waits = "too many long attempts are running";
        until("a step gives way", TIMEOUT, async || Ok(shop.logs().contains(waits).then_some(()))).await?;
        let id = shop.place(&Draft::new("CUST-quick").line(&product, 1)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let waiting = "SELECT count(*) FROM orders WHERE id = ANY ($1) AND status = 'RESERVED'";
        ensure!(shop.db().await?.query_one(waiting, &[&stuck]).await?.get::<_, i64>(0) > 0, "nobody waited any more");
        for id in &stuck {
            shop.ends(id, "FAILED").await?;
        }
        shop.audit_is_clean().await
    });
}
