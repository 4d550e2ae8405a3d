//! Orders that wait for a decision. The customer decides when a part is out of stock. The shop
//! decides when the customer exceeds a limit. During maintenance, orders wait, too.

use crate::{
    histories::connect,
    support::{Draft, FAST, FailPoints, Product, Shop, answer, text, until, with_own_stack, with_shared_stack},
};
use ::orders::{OrderWorkflow, workflow::OrderWorkflowType};
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;
use temporalio_client::WorkflowSignalOptions;

/// The longest time for which a worker's death may delay an order.
const TIMEOUT: Duration = Duration::from_secs(40);

/// Posts a decision about an order.
async fn decide(shop: &Shop, id: &str, what: &str, body: &str) -> Result<(StatusCode, Value)> {
    answer(shop.post(&format!("/api/orders/{id}/{what}"), body.to_owned()).await?).await
}

/// Places an order of two products: five units of a product that has only `there` units in stock,
/// and two units of another one.
async fn partly_available_order(shop: &Shop, there: i64) -> Result<(String, Product, Product)> {
    let (short, plenty) = (shop.product(1_000, there).await?, shop.product(250, 10).await?);
    let id = shop.place(&Draft::new(&shop.unique("CUST-part")).line(&short, 1).line(&plenty, 2).line(&short, 4)).await?;
    shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
    Ok((id, short, plenty))
}

/// The available units of each line, as the API shows them.
fn offered(order: &Value) -> Vec<Option<i64>> {
    order["items"].as_array().into_iter().flatten().map(|item| item["available"].as_i64()).collect()
}

async fn notification_types(shop: &Shop, id: &str) -> Result<Vec<String>> {
    let notified = "SELECT DISTINCT type FROM notifications WHERE order_id = $1 ORDER BY type";
    Ok(shop.db().await?.query(notified, &[&id]).await?.iter().map(|row| row.get(0)).collect())
}

#[test]
fn a_customer_accepts_an_offer() {
    with_shared_stack(async |shop| {
        let (id, short, plenty) = partly_available_order(shop, 3).await?;
        assert_eq!((shop.stock(&short).await?, shop.stock(&plenty).await?), ((1, 2), (8, 2)), "what is offered is held, and is not all");
        assert_eq!(offered(&shop.order(&id).await?), [Some(1), Some(2), Some(1)]);
        assert_eq!(decide(shop, &id, "amend", r#"{"items":[]}"#).await?.0, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(decide(shop, &id, "review", r#"{"approved":true}"#).await?.0, StatusCode::CONFLICT, "it waits for the customer");

        // A double click.
        let (one, other) = tokio::try_join!(decide(shop, &id, "amend", ""), decide(shop, &id, "amend", "{}"))?;
        ensure!(one.0 == StatusCode::ACCEPTED || other.0 == StatusCode::ACCEPTED, "{one:?} {other:?}");
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(order["totalAmount"], json!(25.00), "{order}");
        let lines: Vec<_> =
            order["items"].as_array().into_iter().flatten().map(|item| (&item["quantity"], &item["orderedQuantity"])).collect();
        assert_eq!(lines, [(&json!(1), &Value::Null), (&json!(2), &Value::Null), (&json!(1), &json!(4))]);
        assert_eq!((&order["payment"]["status"], &order["payment"]["amount"]), (&json!("CAPTURED"), &json!(25.00)));
        ensure!(notification_types(shop, &id).await?.contains(&"ORDER_ACTION_REQUIRED".to_owned()));
        assert_eq!(decide(shop, &id, "amend", "").await?.0, StatusCode::CONFLICT, "decided is decided");
        shop.audit_is_clean().await
    });
}

/// The worker dies twice: after the reservation, before the workflow learns that a part is missing;
/// and after the amendment, before the workflow learns of it.
#[test]
fn an_offer_accepted_after_a_workers_death_charges_only_the_offer() {
    let fail_points = FailPoints::new().expect("a folder for fail points");
    let folder = fail_points.folder();
    with_own_stack(1, &[&FAST[..], &[("FAIL_POINTS", folder.as_str())]].concat(), async |shop| {
        let worker = &shop.stack.workers[0];
        let dies = async |after: &str| {
            let died = until(&format!("the worker dies after {after}"), TIMEOUT, async || Ok(worker.pid().is_none().then_some(()))).await;
            ensure!(fail_points.armed()?.is_empty(), "it lives");
            died
        };
        let (short, plenty) = (shop.product(1_000, 1).await?, shop.product(250, 10).await?);
        fail_points.arm("CheckInventory")?;
        let id = shop.place(&Draft::new("CUST-part").line(&short, 3).line(&plenty, 2)).await?;
        dies("the reservation").await?;
        let order = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id.clone());
        order.signal(OrderWorkflow::amend, (), WorkflowSignalOptions::default()).await?;
        fail_points.arm("AmendOrder")?;
        worker.start().await?;
        dies("the amendment").await?;
        worker.start().await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((&order["totalAmount"], &order["payment"]["amount"]), (&json!(15.00), &json!(15.00)));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_line_without_stock_stays_on_record() {
    with_shared_stack(async |shop| {
        let (id, short, _) = partly_available_order(shop, 0).await?;
        decide(shop, &id, "amend", "").await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((&order["items"][0]["quantity"], &order["items"][0]["orderedQuantity"]), (&json!(0), &json!(1)), "{order}");
        assert_eq!((&order["totalAmount"], shop.stock(&short).await?), (&json!(5.00), (0, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn a_customer_cancels_instead() {
    with_shared_stack(async |shop| {
        let (id, short, plenty) = partly_available_order(shop, 2).await?;
        assert_eq!(shop.cancel(&id).await?.0, StatusCode::ACCEPTED);
        let order = shop.ends(&id, "CANCELLED").await?;
        assert!(order["payment"].is_null(), "{order}");
        assert_eq!((shop.stock(&short).await?, shop.stock(&plenty).await?), ((2, 0), (10, 0)));
        assert_eq!(decide(shop, &id, "amend", "").await?.0, StatusCode::CONFLICT);
        assert_eq!(decide(shop, "ord_01930000000070008000000000000001", "amend", "").await?.0, StatusCode::NOT_FOUND);
        shop.audit_is_clean().await
    });
}

#[test]
fn an_order_without_a_decision_in_time_is_cancelled() {
    with_own_stack(1, &[("DECISION_TIMEOUT_S", "1"), ("RISK_ORDER_LIMIT", "1")], async |shop| {
        let (id, short, plenty) = partly_available_order(shop, 2).await?;
        let order = shop.ends(&id, "CANCELLED").await?;
        ensure!(text(&order, "/failureReason")?.contains("did not say in time"), "{order}");
        assert_eq!((shop.stock(&short).await?, shop.stock(&plenty).await?), ((2, 0), (10, 0)));

        let customer = shop.unique("CUST-unanswered");
        let draft = Draft::new(&customer).line(&plenty, 1);
        shop.ends(&shop.place(&draft).await?, "COMPLETED").await?;
        let order = shop.ends(&shop.place(&draft).await?, "CANCELLED").await?;
        ensure!(text(&order, "/failureReason")?.contains("could not be checked in time"), "{order}");
        assert_eq!(shop.stock(&plenty).await?, (9, 0));
        shop.audit_is_clean().await
    });
}

const LIMITS: [(&str, &str); 2] = [("RISK_SPEND_LIMITS", "USD=100.00,EUR=1"), ("RISK_ORDER_LIMIT", "20")];

#[test]
fn an_order_beyond_a_limit_waits_for_review() {
    with_own_stack(2, &LIMITS, async |shop| {
        let product = shop.product(1_000, 1_000).await?;
        let customer = shop.unique("CUST-rich");
        shop.ends(&shop.place(&Draft::new(&customer).line(&product, 10)).await?, "COMPLETED").await?;
        let held = shop.place(&Draft::new(&customer).line(&product, 1)).await?;
        let order = shop.reaches(&held, &["IN_REVIEW"]).await?;
        assert_eq!(order["reviewReason"], "110.00 USD within 24 h; the limit is 100.00");
        assert_eq!(shop.stock(&product).await?, (990, 0), "nothing is held before the shop has looked");
        let next = shop.place(&Draft::new(&customer).line(&product, 1)).await?;
        let next = shop.reaches(&next, &["IN_REVIEW"]).await?;
        assert_eq!(next["reviewReason"], "120.00 USD within 24 h; the limit is 100.00", "what waits counts, too");
        shop.cancel(text(&next, "/id")?).await?;
        let other = shop.place(&Draft::new(&shop.unique("CUST-other")).line(&product, 10)).await?;
        shop.ends(&other, "COMPLETED").await?;

        assert_eq!(decide(shop, &held, "review", "{}").await?.0, StatusCode::UNPROCESSABLE_ENTITY);
        let (status, body) = decide(shop, &held, "review", r#"{"approved":true,"note":"known"}"#).await?;
        assert_eq!(status, StatusCode::ACCEPTED, "{body}");
        assert_eq!(decide(shop, &held, "review", r#"{"approved":false}"#).await?.0, StatusCode::CONFLICT, "one verdict counts");
        assert_eq!(shop.ends(&held, "COMPLETED").await?.get("reviewReason"), None);
        let review = "SELECT approved, decided_by, note, reason FROM reviews WHERE order_id = $1";
        let row = shop.db().await?.query_one(review, &[&held]).await?;
        assert_eq!((row.get(0), row.get(1), row.get(2)), (true, "anyone", "known"));
        assert_eq!(row.get::<_, &str>(3), "110.00 USD within 24 h; the limit is 100.00");

        let declined = shop.place(&Draft::new(&customer).line(&product, 1)).await?;
        shop.reaches(&declined, &["IN_REVIEW"]).await?;
        decide(shop, &declined, "review", r#"{"approved":false}"#).await?;
        let order = shop.ends(&declined, "FAILED").await?;
        assert_eq!(text(&order, "/failureReason")?, "the shop did not approve the order");
        assert!(order["payment"].is_null());
        assert_eq!(shop.stock(&product).await?, (979, 0));
        shop.audit_is_clean().await
    });
}

/// Temporal confirms a signal when it has stored it, not when the workflow has handled it. Of two
/// different decisions, one must still be refused, even while the only worker is away.
#[test]
fn the_second_of_two_different_reviews_is_refused() {
    with_own_stack(1, &LIMITS, async |shop| {
        let product = shop.product(1_000, 1_000).await?;
        let worker = &shop.stack.workers[0];
        let mut held = Vec::new();
        for _ in 0..4 {
            let id = shop.place(&Draft::new(&shop.unique("CUST-torn")).line(&product, 11)).await?;
            shop.reaches(&id, &["IN_REVIEW"]).await?;
            held.push(id);
        }
        worker.kill().await?;
        let mut ends = Vec::new();
        for id in &held {
            let word = async |approved: bool| decide(shop, id, "review", &json!({ "approved": approved }).to_string()).await;
            let (yes, no) = tokio::try_join!(word(true), word(false))?;
            let approved = yes.0 == StatusCode::ACCEPTED;
            let refused = if approved { no } else { yes };
            assert_eq!((refused.0, &refused.1["type"]), (StatusCode::CONFLICT, &json!("/problems/not-waiting")), "{}", refused.1);
            assert_eq!(word(approved).await?.0, StatusCode::ACCEPTED, "the same verdict again");
            assert_eq!(word(!approved).await?.0, StatusCode::CONFLICT);
            ends.push(if approved { "COMPLETED" } else { "FAILED" });
        }
        worker.start().await?;
        for (id, end) in held.iter().zip(ends) {
            shop.ends(id, end).await?;
        }
        shop.audit_is_clean().await
    });
}

/// Two workers check the orders at the same time. Each order alone is within the limit.
#[test]
fn concurrent_orders_cannot_exceed_the_limit_together() {
    with_own_stack(2, &LIMITS, async |shop| {
        let product = shop.product(1_000, 1_000).await?;
        let customer = shop.unique("CUST-at-once");
        let drafts: Vec<Draft> = (0..12).map(|_| Draft::new(&customer).line(&product, 4)).collect();
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        let orders = try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "IN_REVIEW"]))).await?;
        let completed = orders.iter().filter(|order| order["status"] == "COMPLETED").count();
        assert_eq!(completed, 2, "of 40.00 each, within 100.00");
        Ok(())
    });
}

/// The stock of an offer is held no longer than that of an unpaid order. If the customer takes the
/// offer later, they get what was offered or a new offer. If no product of the order is in stock in
/// full any more, the order fails.
#[test]
fn an_expired_offer_is_reserved_from_the_current_stock() {
    with_own_stack(1, &[&FAST[..], &[("RESERVATION_TTL_S", "1")]].concat(), async |shop| {
        let released = async |id: &str| {
            let held = "SELECT FROM reservations WHERE order_id = $1 AND state = 'HELD'";
            let db = shop.db().await?;
            until("the stock is released", TIMEOUT, async || Ok(db.query(held, &[&id]).await?.is_empty().then_some(()))).await
        };
        let sell = async |product: &Product, units: i64| {
            let id = shop.place(&Draft::new(&shop.unique("CUST-quicker")).line(product, units)).await?;
            shop.ends(&id, "COMPLETED").await
        };
        let (id, short, plenty) = partly_available_order(shop, 3).await?;
        released(&id).await?;
        assert_eq!((shop.stock(&short).await?, shop.stock(&plenty).await?), ((3, 0), (10, 0)));
        assert_eq!(shop.order(&id).await?["status"], "ACTION_REQUIRED", "the customer may still decide");
        decide(shop, &id, "amend", "").await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((&order["totalAmount"], shop.stock(&short).await?, shop.stock(&plenty).await?), (&json!(25.00), (1, 0), (8, 0)));

        let (id, short, plenty) = partly_available_order(shop, 3).await?;
        released(&id).await?;
        sell(&short, 2).await?;
        decide(shop, &id, "amend", "").await?;
        until("another offer", TIMEOUT, async || Ok((offered(&shop.order(&id).await?) == [Some(1), Some(2), Some(0)]).then_some(())))
            .await?;
        assert_eq!(shop.order(&id).await?["status"], "ACTION_REQUIRED", "nobody is sent less than they agreed to");
        decide(shop, &id, "amend", "").await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!((&order["totalAmount"], &order["payment"]["amount"], shop.stock(&short).await?), (&json!(15.00), &json!(15.00), (0, 0)));
        assert_eq!(shop.stock(&plenty).await?, (8, 0));

        let (id, short, plenty) = partly_available_order(shop, 3).await?;
        released(&id).await?;
        sell(&plenty, 9).await?;
        decide(shop, &id, "amend", "").await?;
        let order = shop.ends(&id, "FAILED").await?;
        ensure!(text(&order, "/failureReason")?.ends_with("is out of stock"), "{order}");
        assert_eq!((shop.stock(&short).await?, shop.stock(&plenty).await?), ((3, 0), (1, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn an_approved_order_is_reserved_from_the_current_stock() {
    with_own_stack(1, &[&FAST[..], &LIMITS].concat(), async |shop| {
        let (dear, rare) = (shop.product(6_000, 100).await?, shop.product(100, 5).await?);
        let in_review = async || {
            let id = shop.place(&Draft::new(&shop.unique("CUST-reviewed")).line(&dear, 2).line(&rare, 5)).await?;
            shop.reaches(&id, &["IN_REVIEW"]).await?;
            anyhow::Ok(id)
        };
        let sell = async |product: &Product, units: i64| {
            let sold = "UPDATE products SET stock = stock - $2 WHERE id = $1";
            anyhow::Ok(shop.db().await?.execute(sold, &[&product.id, &units]).await?)
        };
        let (one, other) = (in_review().await?, in_review().await?);
        assert_eq!((shop.stock(&dear).await?, shop.stock(&rare).await?), ((100, 0), (5, 0)), "nothing is held");
        sell(&rare, 2).await?;
        decide(shop, &one, "review", r#"{"approved":true}"#).await?;
        assert_eq!(offered(&shop.reaches(&one, &["ACTION_REQUIRED"]).await?), [Some(2), Some(2)]);
        decide(shop, &one, "amend", "").await?;
        let order = shop.ends(&one, "COMPLETED").await?;
        assert_eq!((&order["totalAmount"], shop.stock(&rare).await?), (&json!(122.00), (1, 0)), "and is not reviewed again");

        sell(&dear, 97).await?;
        decide(shop, &other, "review", r#"{"approved":true}"#).await?;
        let order = shop.ends(&other, "FAILED").await?;
        ensure!(text(&order, "/failureReason")?.ends_with("is out of stock"), "{order}");
        assert_eq!((shop.stock(&dear).await?, shop.stock(&rare).await?), ((1, 0), (1, 0)));
        shop.audit_is_clean().await
    });
}

/// Orders for more than the stock, from a customer who does not intend to pay.
#[test]
fn an_offer_neither_holds_nor_reveals_the_remaining_stock() {
    with_shared_stack(async |shop| {
        let (bait, wanted) = (shop.product(1_000, 100).await?, shop.product(1_000, 7).await?);
        let customer = shop.unique("CUST-hoarder");
        let mut ids = Vec::new();
        for _ in 0..3 {
            let id = shop.place(&Draft::new(&customer).line(&bait, 1).line(&wanted, 8)).await?;
            let order = shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
            ensure!(offered(&order)[1].is_some_and(|units| units < 7), "{order}");
            ids.push(id);
        }
        assert_eq!((shop.stock(&bait).await?, shop.stock(&wanted).await?), ((99, 1), (2, 5)), "one of them holds a part");
        let other = shop.place(&Draft::new(&shop.unique("CUST-other")).line(&wanted, 2)).await?;
        shop.ends(&other, "COMPLETED").await?;
        for id in ids {
            shop.cancel(&id).await?;
            shop.ends(&id, "CANCELLED").await?;
        }
        assert_eq!((shop.stock(&bait).await?, shop.stock(&wanted).await?), ((100, 0), (5, 0)));
        let again = shop.place(&Draft::new(&customer).line(&bait, 1).line(&wanted, 8)).await?;
        shop.reaches(&again, &["ACTION_REQUIRED"]).await?;
        assert_eq!((shop.stock(&bait).await?, shop.stock(&wanted).await?), ((100, 0), (5, 0)), "nothing for who has let an offer go");
        // The offered units are sold to others before the customer answers. The next offer is not
        // held, either.
        let other = shop.place(&Draft::new(&shop.unique("CUST-other")).line(&wanted, 4)).await?;
        shop.ends(&other, "COMPLETED").await?;
        decide(shop, &again, "amend", "").await?;
        until("another offer", TIMEOUT, async || Ok((offered(&shop.order(&again).await?) == [Some(1), Some(1)]).then_some(()))).await?;
        assert_eq!((shop.stock(&bait).await?, shop.stock(&wanted).await?), ((100, 0), (1, 0)), "nothing, as before");
        decide(shop, &again, "amend", "").await?;
        shop.ends(&again, "COMPLETED").await?;
        assert_eq!((shop.stock(&bait).await?, shop.stock(&wanted).await?), ((99, 0), (0, 0)));
        shop.audit_is_clean().await
    });
}

#[test]
fn unpaid_reservations_of_a_customer_are_limited() {
    let limits = [("HOLD_MAX_ORDERS", "2"), ("HOLD_MAX_UNITS", "5"), ("RESERVATION_TTL_S", "20")];
    with_own_stack(1, &[&FAST[..], &limits].concat(), async |shop| {
        let product = shop.product(1_000, 100).await?;
        let customer = shop.unique("CUST-unpaid");
        let draft = |units| Draft::new(&customer).line(&product, units);
        let unpaid = shop.place(&draft(2).payment_method("tok_down")).await?;
        shop.reaches(&unpaid, &["RESERVED"]).await?;
        let too_many = shop.place(&draft(4)).await?;
        until("it waits", TIMEOUT, async || {
            Ok(shop.logs().lines().any(|line| line.contains(&too_many) && line.contains("are not paid yet")).then_some(()))
        })
        .await?;
        assert_eq!((shop.order(&too_many).await?["status"].clone(), shop.stock(&product).await?.1), (json!("PENDING"), 2));
        let other = shop.place(&Draft::new(&shop.unique("CUST-other")).line(&product, 5)).await?;
        shop.ends(&other, "COMPLETED").await?;
        shop.ends(&unpaid, "FAILED").await?;
        shop.ends(&too_many, "COMPLETED").await?;

        let large = shop.place(&draft(6)).await?;
        let order = shop.reaches(&large, &["IN_REVIEW"]).await?;
        assert_eq!(order["reviewReason"], "6 units in one order; the limit is 5");
        assert_eq!(shop.stock(&product).await?, (91, 0));
        decide(shop, &large, "review", r#"{"approved":true}"#).await?;
        shop.ends(&large, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (85, 0));

        // The order is reviewed whatever the stock is. Otherwise its status would reveal the stock.
        let gone = shop.product(1_000, 0).await?;
        let large = shop.place(&draft(6).line(&gone, 1)).await?;
        let order = shop.reaches(&large, &["IN_REVIEW"]).await?;
        assert_eq!(order["reviewReason"], "7 units in one order; the limit is 5");
        decide(shop, &large, "review", r#"{"approved":false}"#).await?;
        shop.ends(&large, "FAILED").await?;
        assert_eq!(shop.stock(&product).await?, (85, 0));
        shop.audit_is_clean().await
    });
}

/// The customer's other orders are never paid, so the waiting order fails in the end.
#[test]
fn an_order_that_waits_too_long_for_other_payments_fails() {
    let limits = [("HOLD_MAX_ORDERS", "1"), ("RESERVATION_TTL_S", "1"), ("RETRY_MAXIMUM_INTERVAL_MS", "1000")];
    with_own_stack(1, &[&FAST[..], &limits].concat(), async |shop| {
        let (product, gone) = (shop.product(1_000, 100).await?, shop.product(1_000, 0).await?);
        let customer = shop.unique("CUST-undecided");
        let waits = shop.place(&Draft::new(&customer).line(&product, 1).line(&gone, 1)).await?;
        shop.reaches(&waits, &["ACTION_REQUIRED"]).await?;
        let order = shop.ends(&shop.place(&Draft::new(&customer).line(&product, 1)).await?, "FAILED").await?;
        ensure!(text(&order, "/failureReason")?.starts_with("too many of your orders are not paid yet"), "{order}");
        shop.cancel(&waits).await?;
        shop.ends(&waits, "CANCELLED").await?;
        shop.ends(&shop.place(&Draft::new(&customer).line(&product, 1)).await?, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}

/// Each waiting order retries its reservation, so their number is limited.
#[test]
fn waiting_orders_of_a_customer_are_limited() {
    let limits = [("HOLD_MAX_ORDERS", "1"), ("RETRY_MAXIMUM_INTERVAL_MS", "1000")];
    with_own_stack(1, &[&FAST[..], &limits].concat(), async |shop| {
        let (product, gone) = (shop.product(1_000, 100).await?, shop.product(1_000, 0).await?);
        let customer = shop.unique("CUST-crowd");
        let undecided = shop.place(&Draft::new(&customer).line(&product, 1).line(&gone, 1)).await?;
        shop.reaches(&undecided, &["ACTION_REQUIRED"]).await?;
        let mut waiting = Vec::new();
        for _ in 0..10 {
            waiting.push(shop.place(&Draft::new(&customer).line(&product, 1)).await?);
        }
        let order = shop.ends(&shop.place(&Draft::new(&customer).line(&product, 1)).await?, "FAILED").await?;
        ensure!(text(&order, "/failureReason")?.starts_with("too many of your orders are not paid yet"), "{order}");
        shop.cancel(&undecided).await?;
        shop.ends(&undecided, "CANCELLED").await?;
        for id in waiting {
            shop.ends(&id, "COMPLETED").await?;
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn orders_wait_during_maintenance() {
    with_own_stack(1, &[("RETRY_MAXIMUM_INTERVAL_MS", "1000")], async |shop| {
        let product = shop.product(1_000, 10).await?;
        let switch = async |arguments: &[&str]| {
            let ran = shop.stack.run("worker", &[&["maintenance"], arguments].concat()).await?;
            ensure!(ran.status.success(), "{ran:?}");
            anyhow::Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
        };
        let on = switch(&["on", "stocktaking"]).await?;
        ensure!(on.starts_with("on since ") && on.trim_end().ends_with(": stocktaking"), "{on}");
        let (waits, cancelled) = (
            shop.place(&Draft::new("CUST-waits").line(&product, 1)).await?,
            shop.place(&Draft::new("CUST-leaves").line(&product, 1)).await?,
        );
        until("the order meets the switch", Duration::from_secs(20), async || {
            Ok(shop.logs().lines().any(|line| line.contains(&waits) && line.contains("maintenance: stocktaking")).then_some(()))
        })
        .await?;
        assert_eq!((shop.order(&waits).await?["status"].clone(), shop.stock(&product).await?), (json!("PENDING"), (10, 0)));
        shop.cancel(&cancelled).await?;
        shop.ends(&cancelled, "CANCELLED").await?;
        assert_eq!(switch(&["off"]).await?, "off\n");
        shop.ends(&waits, "COMPLETED").await?;
        assert_eq!(switch(&[]).await?, "off\n");
        shop.audit_is_clean().await
    });
}
