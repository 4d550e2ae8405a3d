//! Payment: what the sandbox gateway does by its payment methods, and what becomes of the order and its money.

use crate::{
    orders::statuses,
    support::{Draft, Shop, shared, text},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

/// Places an order for three units with a payment method; gives it at its end, and what stock is left of ten and what is held.
async fn pay_by(shop: &Shop, method: &str, end: &str) -> Result<(Value, (i64, i64))> {
    let product = shop.product(2_500, 10).await?;
    let id = shop.place(&Draft::new("CUST-payment").line(&product, 3).payment_method(method)).await?;
    let order = shop.ends(&id, end).await?;
    Ok((order, shop.stock(&product).await?))
}

/// The gateway's books about an order: state and attempts of the charge, and the money that moved.
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
    shared(async |shop| {
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
fn a_processing_error_is_tried_again_until_it_succeeds() {
    shared(async |shop| {
        let (order, stock) = pay_by(shop, "tok_processing_error", "COMPLETED").await?;
        assert_eq!((&order["payment"]["status"], stock), (&json!("CAPTURED"), (7, 0)));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("CAPTURED".to_owned(), 3, 7_500));
        shop.audit_is_clean().await
    });
}

#[test]
fn after_a_lost_answer_the_gateway_is_asked_before_anything_is_charged_again() {
    shared(async |shop| {
        let (order, stock) = pay_by(shop, "tok_timeout", "COMPLETED").await?;
        assert_eq!((&order["payment"]["status"], stock), (&json!("CAPTURED"), (7, 0)));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("CAPTURED".to_owned(), 1, 7_500));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_gateway_that_never_answers_fails_the_order_after_three_attempts() {
    shared(async |shop| {
        let (order, stock) = pay_by(shop, "tok_down", "FAILED").await?;
        let reason = text(&order, "/failureReason")?;
        ensure!(reason.contains("payment service did not answer"), "{reason}");
        assert_eq!(stock, (10, 0));
        assert_eq!(ledger(shop, text(&order, "/id")?).await?, ("VOIDED".to_owned(), 3, 0));
        assert_eq!(order["payment"], json!({ "status": "VOIDED", "amount": 75.0 }));
        shop.audit_is_clean().await
    });
}
