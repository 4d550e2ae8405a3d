//! `POST /api/orders/{id}/refunds`: refunds of the whole order or a part, never of more than was
//! paid.

use crate::{
    histories::connect,
    payment::ledger,
    shipping::{MANUAL_CARRIER, product_in, send_tracking_event, shipment_statuses, tracking_event},
    support::{Draft, FAST, Product, Shop, answer, text, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, future::try_join_all, stream};
use orders::{
    RefundId,
    refund::{RefundInput, RefundRequest, What},
    workflow::RefundWorkflowType,
};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use temporalio_client::WorkflowStartOptions;
use time::OffsetDateTime;
use tokio::try_join;
use uuid::Uuid;

const TIMEOUT: Duration = Duration::from_secs(20);

/// A completed order of four units at 25.00.
async fn completed_order(shop: &Shop) -> Result<(String, Product)> {
    let product = shop.product(2_500, 10).await?;
    let id = shop.place(&Draft::new("CUST-refund").line(&product, 3).line(&product, 1)).await?;
    shop.ends(&id, "COMPLETED").await?;
    Ok((id, product))
}

/// Requests a refund. Without a given key, it uses a new one.
pub(crate) async fn refund(shop: &Shop, id: &str, body: &Value, key: Option<&str>) -> Result<(StatusCode, Value)> {
    let key = key.map_or_else(|| shop.unique("refund"), str::to_owned);
    let request = shop.request(Method::POST, &format!("/api/orders/{id}/refunds")).header(header::CONTENT_TYPE, "application/json");
    answer(request.header("Idempotency-Key", key).body(body.to_string()).send().await?).await
}

/// Requests a refund, which must be accepted. Waits for its result, and returns the order and the
/// refund.
pub(crate) async fn refunded(shop: &Shop, id: &str, body: &Value) -> Result<(Value, Value)> {
    let (status, accepted) = refund(shop, id, body, None).await?;
    ensure!(status == StatusCode::ACCEPTED, "{status} {accepted}");
    wait_for_refund(shop, id, text(&accepted, "/id")?).await
}

/// Starts a refund workflow directly, so that the worker decides about a refund that the API has
/// not checked.
async fn worker_decides(shop: &Shop, id: &str, what: What) -> Result<(Value, Value)> {
    let (refund_id, requested_at) = (RefundId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    let request = RefundRequest { what, reason: None, restock: false };
    let refund = RefundInput { id: refund_id, order_id: id.parse()?, request, requested_at };
    let options = WorkflowStartOptions::new(::orders::TASK_QUEUE, refund_id.to_string()).build();
    connect(shop).await?.start_workflow(RefundWorkflowType, refund, options).await?;
    wait_for_refund(shop, id, &refund_id.to_string()).await
}

pub(crate) async fn wait_for_refund(shop: &Shop, id: &str, refund_id: &str) -> Result<(Value, Value)> {
    until(&format!("{refund_id} is decided"), TIMEOUT, async || {
        let order = shop.order(id).await?;
        let mut refunds = order["refunds"].as_array().into_iter().flatten();
        let refund = refunds.find(|refund| refund["id"] == refund_id && refund["status"] != "PENDING").cloned();
        Ok(refund.map(|refund| (order, refund)))
    })
    .await
}

/// If units of a parcel that has not left could be restocked, they would be sold again and also
/// shipped.
#[test]
fn units_of_a_booked_parcel_cannot_be_restocked() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(2_500, 10).await?;
        let id = shop.place(&Draft::new("CUST-too-soon").line(&product, 2)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        for body in [json!({ "restock": true }), json!({ "items": [{ "productID": product.id, "quantity": 1 }], "restock": true })] {
            let (_, refused) = refunded(shop, &id, &body).await?;
            let expected = format!("{} has not left yet and cannot come back: cancel the order, or do not restock", product.id);
            assert_eq!((&refused["status"], text(&refused, "/failureReason")?), (&json!("FAILED"), expected.as_str()));
        }
        let (_, given) = refunded(shop, &id, &json!({ "items": [{ "productID": product.id, "quantity": 1 }] })).await?;
        assert_eq!((&given["status"], shop.stock(&product).await?), (&json!("SUCCEEDED"), (8, 2)));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_whole_order_is_refunded_once_and_the_customer_is_notified() {
    with_shared_stack(async |shop| {
        let (id, product) = completed_order(shop).await?;
        let (order, refund) = refunded(shop, &id, &json!({ "reason": "arrived too late" })).await?;
        assert_eq!(
            (&refund["status"], &refund["amount"], &refund["reason"]),
            (&json!("SUCCEEDED"), &json!(100.0), &json!("arrived too late"))
        );
        assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 100.0, "refundedAmount": 100.0 }));
        assert_eq!((&order["status"], shop.stock(&product).await?), (&json!("COMPLETED"), (6, 0)), "the units stay with the customer");
        assert_eq!(ledger(shop, &id).await?, ("REFUNDED".to_owned(), 1, 0));
        let notified = "SELECT count(*) FROM notifications WHERE order_id = $1 AND type = 'ORDER_REFUNDED'";
        assert_eq!(shop.db().await?.query_one(notified, &[&id]).await?.get::<_, i64>(0), 1);

        let (status, problem) = self::refund(shop, &id, &json!({}), None).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/nothing-to-refund")));
        shop.audit_is_clean().await
    });
}

#[test]
fn refunded_units_are_restocked_once() {
    with_shared_stack(async |shop| {
        let (id, product) = completed_order(shop).await?;
        let units = |quantity: i32| json!({ "items": [{ "productID": product.id, "quantity": quantity }], "restock": true });
        let (order, _) = refunded(shop, &id, &units(3)).await?;
        assert_eq!(order["payment"], json!({ "status": "PARTIALLY_REFUNDED", "amount": 100.0, "refundedAmount": 75.0 }));
        assert_eq!((shop.stock(&product).await?, ledger(shop, &id).await?.2), ((9, 0), 2_500));

        let two = What::Items(BTreeMap::from([(product.id.clone(), 2)]));
        let (order, refused) = worker_decides(shop, &id, two).await?;
        assert_eq!((&refused["status"], &order["payment"]["refundedAmount"]), (&json!("FAILED"), &json!(75.0)));
        ensure!(text(&refused, "/failureReason")?.contains("only 1 units"), "{refused}");
        let (_, refused) = worker_decides(shop, &id, What::Items(BTreeMap::from([("PROD-001".to_owned(), 1)]))).await?;
        ensure!(text(&refused, "/failureReason")?.contains("not in the order"), "{refused}");

        let (order, refund) = refunded(shop, &id, &json!({ "restock": true })).await?;
        assert_eq!((&refund["amount"], &order["payment"]["status"]), (&json!(25.0), &json!("REFUNDED")));
        assert_eq!((shop.stock(&product).await?, ledger(shop, &id).await?.2), ((10, 0), 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn units_refunded_without_restock_are_not_restocked_later() {
    with_shared_stack(async |shop| {
        let product = shop.product(2_500, 10).await?;
        let id = shop.place(&Draft::new("CUST-broken").line(&product, 3)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let broken = json!({ "items": [{ "productID": product.id, "quantity": 1 }], "restock": false });
        refunded(shop, &id, &broken).await?;
        let (order, refund) = refunded(shop, &id, &json!({ "restock": true })).await?;
        assert_eq!((&refund["amount"], &order["payment"]["status"]), (&json!(50.0), &json!("REFUNDED")));
        assert_eq!(shop.stock(&product).await?, (9, 0));
        shop.audit_is_clean().await
    });
}

/// Units that are refunded in transit still arrive. A later refund of the rest does not put them
/// back on sale.
#[test]
fn units_in_transit_cannot_be_restocked() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(2_500, 10).await?;
        let id = shop.place(&Draft::new("CUST-on-its-way").line(&product, 3)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        send_tracking_event(shop, &tracking_event(&id, 1, "IN_TRANSIT")).await?;
        shop.reaches(&id, &["SHIPPED"]).await?;
        let unit = |restock: bool| json!({ "items": [{ "productID": product.id, "quantity": 1 }], "restock": restock });
        for body in [json!({ "restock": true }), unit(true)] {
            let (_, refused) = refunded(shop, &id, &body).await?;
            let expected = format!("{} has not arrived yet and cannot come back: wait for it, or do not restock", product.id);
            assert_eq!((&refused["status"], text(&refused, "/failureReason")?), (&json!("FAILED"), expected.as_str()));
        }
        let (_, given) = refunded(shop, &id, &unit(false)).await?;
        assert_eq!((&given["status"], shop.stock(&product).await?), (&json!("SUCCEEDED"), (7, 0)));
        send_tracking_event(shop, &tracking_event(&id, 1, "DELIVERED")).await?;
        shop.ends(&id, "COMPLETED").await?;
        let (_, given) = refunded(shop, &id, &json!({ "restock": true })).await?;
        assert_eq!((&given["amount"], shop.stock(&product).await?), (&json!(50.0), (9, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn free_products_are_paid_and_refunded_without_the_gateway() {
    with_shared_stack(async |shop| {
        let (gift, lamp) = (shop.product(0, 10).await?, shop.product(2_500, 10).await?);
        let units =
            |product: &Product, quantity: i64| json!({ "items": [{ "productID": product.id, "quantity": quantity }], "restock": true });
        let free = shop.place(&Draft::new("CUST-gift").line(&gift, 2).payment_method("tok_declined")).await?;
        let order = shop.ends(&free, "COMPLETED").await?;
        assert_eq!(order["payment"], json!({ "status": "CAPTURED", "amount": 0.0 }));
        let (order, given) = refunded(shop, &free, &units(&gift, 1)).await?;
        assert_eq!(
            (&given["status"], &given["amount"], &order["payment"]["status"]),
            (&json!("SUCCEEDED"), &json!(0.0), &json!("CAPTURED"))
        );
        assert_eq!(shop.stock(&gift).await?, (9, 0));
        refunded(shop, &free, &json!({ "restock": true })).await?;
        assert_eq!(shop.stock(&gift).await?, (10, 0));
        let (_, refused) = refunded(shop, &free, &json!({ "restock": true })).await?;
        assert_eq!((&refused["status"], text(&refused, "/failureReason")?), (&json!("FAILED"), "everything has been given back"));

        let mixed = shop.place(&Draft::new("CUST-gift").line(&lamp, 1).line(&gift, 1)).await?;
        shop.ends(&mixed, "COMPLETED").await?;
        let (order, given) = refunded(shop, &mixed, &units(&gift, 1)).await?;
        assert_eq!((&given["status"], &order["payment"]["status"]), (&json!("SUCCEEDED"), &json!("CAPTURED")));
        assert_eq!((shop.stock(&gift).await?, ledger(shop, &mixed).await?.2), ((10, 0), 2_500));

        let db = shop.db().await?;
        let asked = "SELECT count(*) FROM sandbox.charges WHERE idempotency_key = $1";
        assert_eq!(db.query_one(asked, &[&free]).await?.get::<_, i64>(0), 0);
        let notified = "SELECT count(*) FROM notifications WHERE order_id = ANY ($1) AND type = 'ORDER_REFUNDED'";
        assert_eq!(db.query_one(notified, &[&vec![&free, &mixed]]).await?.get::<_, i64>(0), 0, "no money was given back");
        shop.audit_is_clean().await
    });
}

/// The gateway postpones each refund twice: the refund of a lost parcel, a refund by staff, and the
/// reversal of a failed order.
#[test]
fn a_postponed_refund_is_shown_and_paid_later() {
    with_own_stack(1, &FAST, async |shop| {
        let (near, lost) = (shop.product(1_000, 10).await?, product_in(shop, "SANDBOX-LOST", 250).await?);
        let place = async |drafted: Draft| shop.place(&drafted.payment_method("tok_refund_later")).await;
        let (parted, kept, failed) = try_join!(
            place(Draft::new("CUST-later").line(&near, 1).line(&lost, 2)),
            place(Draft::new("CUST-later").line(&near, 1)),
            place(Draft::new("CUST-later").line(&lost, 1)),
        )?;
        // The order does not wait for the refund: the other parcel completes it.
        let order = shop.ends(&parted, "COMPLETED").await?;
        assert_eq!((shipment_statuses(&order), &order["refunds"][0]["status"]), (vec!["DELIVERED", "LOST"], &json!("PENDING")));
        shop.ends(&kept, "COMPLETED").await?;
        let (status, accepted) = refund(shop, &kept, &json!({ "amount": 4.0 }), Some(&shop.unique("refund-later"))).await?;
        ensure!(status == StatusCode::ACCEPTED, "{status} {accepted}");
        let db = shop.db().await?;
        for id in [&parted, &kept] {
            until(&format!("a refund of {id} waits"), TIMEOUT, async || {
                let waits = "SELECT error FROM failing_rows WHERE loop = 'REFUNDS' AND row_id LIKE $1 || ' ref_%'";
                let refused = db.query_opt(waits, &[id]).await?.map(|row| row.get::<_, String>(0));
                Ok(refused.filter(|error| error.contains("balance")))
            })
            .await?;
        }
        for (id, minor) in [(&parted, 500), (&kept, 400)] {
            until(&format!("the refund of {id} succeeds"), TIMEOUT, async || {
                let order = shop.order(id).await?;
                Ok((order["refunds"][0]["status"] == "SUCCEEDED").then_some(()))
            })
            .await?;
            let attempts = "SELECT c.refund_attempts, r.refusals, r.amount_minor FROM refunds r JOIN sandbox.charges c ON c.idempotency_key = r.order_id
                WHERE r.order_id = $1";
            let row = db.query_one(attempts, &[id]).await?;
            assert_eq!((row.get::<_, i32>(0), row.get::<_, i32>(1), row.get::<_, i64>(2)), (3, 2, minor));
        }
        let order = shop.ends(&failed, "FAILED").await?;
        assert_eq!(order["payment"], json!({ "status": "REFUNDED", "amount": 2.5, "refundedAmount": 2.5 }));
        assert_eq!((&order["refunds"][0]["status"], ledger(shop, &failed).await?.2), (&json!("SUCCEEDED"), 0));
        until("nothing waits", TIMEOUT, async || Ok(db.query_opt("SELECT FROM failing_rows LIMIT 1", &[]).await?.is_none().then_some(())))
            .await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn ten_concurrent_refunds_return_no_more_than_was_paid() {
    with_shared_stack(async |shop| {
        let (id, _) = completed_order(shop).await?;
        let body = json!({ "amount": 30.0 });
        let answers = try_join_all((0..10).map(|_| refund(shop, &id, &body, None))).await?;
        let taken = answers.iter().filter(|(status, _)| *status == StatusCode::ACCEPTED);
        let ids: Vec<&str> = taken.map(|(_, accepted)| text(accepted, "/id")).collect::<Result<_>>()?;
        let mut given = 0;
        for refund_id in &ids {
            let (_, refund) = wait_for_refund(shop, &id, refund_id).await?;
            given += usize::from(refund["status"] == "SUCCEEDED");
        }
        assert_eq!((given, ledger(shop, &id).await?.2), (3, 1_000));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_key_makes_one_refund() {
    with_shared_stack(async |shop| {
        let (id, _) = completed_order(shop).await?;
        let (body, key) = (json!({ "amount": 10.0 }), shop.unique("refund-key"));
        let answers = try_join_all((0..20).map(|_| refund(shop, &id, &body, Some(&key)))).await?;
        ensure!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == StatusCode::ACCEPTED), "{answers:?}");
        wait_for_refund(shop, &id, text(&answers[0].1, "/id")?).await?;
        assert_eq!((refund(shop, &id, &body, Some(&key)).await?, ledger(shop, &id).await?.2), (answers[0].clone(), 9_000));
        let (status, problem) = refund(shop, &id, &json!({ "amount": 11.0 }), Some(&key)).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/idempotency-key-reused")));
        shop.audit_is_clean().await
    });
}

/// Impossible refunds leave no record, so they do not make the data grow.
#[test]
fn impossible_refunds_are_refused_at_once_and_limited() {
    with_shared_stack(async |shop| {
        let (id, product) = completed_order(shop).await?;
        let units = |product: &str, quantity: i32| json!({ "items": [{ "productID": product, "quantity": quantity }] });
        for (body, pointer) in [
            (json!({ "amount": 100.01 }), "/amount"),
            (units(&product.id, 5), "/items/0/quantity"),
            (units("PROD-001", 1), "/items/0/productID"),
        ] {
            let (status, problem) = refund(shop, &id, &body, None).await?;
            assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!(pointer)), "{problem}");
        }
        let greedy = json!({ "amount": 20_000, "reason": "👋".repeat(200) });
        let statuses: Vec<_> =
            stream::iter(0..30).then(async |_| anyhow::Ok(refund(shop, &id, &greedy, None).await?.0.as_u16())).try_collect().await?;
        assert_eq!((statuses[26], statuses[27], statuses[29]), (422, 429, 429), "{statuses:?}");
        assert_eq!((&shop.order(&id).await?["refunds"], ledger(shop, &id).await?.2), (&Value::Null, 10_000));
        // Valid requests are counted, too: a valid one between two others lifts no limit.
        assert_eq!(refund(shop, &id, &json!({ "amount": 100 }), None).await?.0, StatusCode::TOO_MANY_REQUESTS);
        Ok(())
    });
}

/// Each refund costs a workflow, a row and a notification.
#[test]
fn small_refunds_of_an_order_are_limited() {
    with_shared_stack(async |shop| {
        let (id, _) = completed_order(shop).await?;
        let small = json!({ "amount": 0.01 });
        let statuses: Vec<_> =
            stream::iter(0..31).then(async |_| anyhow::Ok(refund(shop, &id, &small, None).await?.0.as_u16())).try_collect().await?;
        assert_eq!((statuses[29], statuses[30]), (202, 429), "{statuses:?}");
        // A repeated request is not a new one.
        let (other, _) = completed_order(shop).await?;
        let key = shop.unique("refund-key");
        for _ in 0..31 {
            assert_eq!(refund(shop, &other, &small, Some(&key)).await?.0, StatusCode::ACCEPTED);
        }
        Ok(())
    });
}

/// Without a key, a lost answer looks the same as a lost request.
#[test]
fn a_refund_without_a_key_is_refused() {
    with_shared_stack(async |shop| {
        let (id, _) = completed_order(shop).await?;
        let (status, problem) = answer(shop.post(&format!("/api/orders/{id}/refunds"), r#"{"amount":10}"#).await?).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/idempotency-key-required")));
        ensure!(text(&problem, "/detail")?.contains("Idempotency-Key"), "{problem}");
        assert_eq!((&shop.order(&id).await?["refunds"], ledger(shop, &id).await?.2), (&Value::Null, 10_000));
        Ok(())
    });
}

/// The answer to the first request may have been lost.
#[test]
fn a_repeated_full_refund_returns_the_same_refund() {
    with_shared_stack(async |shop| {
        let (id, _) = completed_order(shop).await?;
        let (body, key) = (json!({}), shop.unique("refund-key"));
        let first = refund(shop, &id, &body, Some(&key)).await?;
        let (order, _) = wait_for_refund(shop, &id, text(&first.1, "/id")?).await?;
        assert_eq!((first.0, &order["payment"]["status"]), (StatusCode::ACCEPTED, &json!("REFUNDED")));
        assert_eq!(refund(shop, &id, &body, Some(&key)).await?, first);
        let (status, problem) = refund(shop, &id, &json!({ "reason": "again" }), Some(&key)).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/problems/idempotency-key-reused")));
        assert_eq!(refund(shop, &id, &body, Some(&shop.unique("refund-key"))).await?.0, StatusCode::CONFLICT);
        assert_eq!(ledger(shop, &id).await?.2, 0);
        shop.audit_is_clean().await
    });
}

#[test]
fn an_unpaid_or_unknown_order_is_not_refunded() {
    with_shared_stack(async |shop| {
        let product = shop.product(2_500, 10).await?;
        let failed = shop.place(&Draft::new("CUST-refund").line(&product, 1).payment_method("tok_declined")).await?;
        shop.ends(&failed, "FAILED").await?;
        assert_eq!(refund(shop, &failed, &json!({}), None).await?.0, StatusCode::CONFLICT);
        assert_eq!(refund(shop, "ord_01930000000070008000000000000001", &json!({}), None).await?.0, StatusCode::NOT_FOUND);
        let (id, _) = completed_order(shop).await?;
        for body in
            [json!({ "amount": 0 }), json!({ "amount": 1.001 }), json!({ "items": [] }), json!({ "amount": 1, "restock": true }), json!([])]
        {
            assert_eq!(refund(shop, &id, &body, None).await?.0, StatusCode::UNPROCESSABLE_ENTITY, "{body}");
        }
        let (_, refused) = worker_decides(shop, &id, What::Amount(10_001)).await?;
        ensure!(refused["status"] == "FAILED" && text(&refused, "/failureReason")?.contains("more than was paid"), "{refused}");
        assert_eq!(ledger(shop, &id).await?.2, 10_000);
        shop.audit_is_clean().await
    });
}
