//! Stock: no unit is sold twice or lost.

mod model;
mod units;

use crate::support::{Draft, FAST, Load, text, until, with_own_stack, with_shared_stack};
use anyhow::{Context as _, ensure};
use futures::future::try_join_all;
use serde_json::json;
use std::time::{Duration, Instant};

/// The number of bursts of orders of one product, and the orders of each burst.
const BURSTS: usize = 4;
const BURST: usize = 50;

#[test]
fn sixty_orders_for_five_units_sell_exactly_five() {
    with_shared_stack(async |shop| {
        let scarce = shop.product(1_000, 5).await?;
        let drafts = (0..60).map(|n| {
            let draft = Draft::new("CUST-race");
            match n % 6 {
                4 => draft.line(&scarce, 1).line(&scarce, 1),
                5 => draft.line(&scarce, 1).line(&scarce, 2),
                _ => draft.line(&scarce, 1),
            }
        });
        let drafts: Vec<Draft> = drafts.collect();
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        let orders = try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "FAILED"]))).await?;

        // Orders of one unit fit as long as there is stock, so all of it is sold.
        let sold: i64 = orders.iter().filter(|order| order["status"] == "COMPLETED").map(|order| units(order, &scarce.id)).sum();
        assert_eq!((sold, shop.stock(&scarce).await?), (5, (0, 0)));
        for order in orders.iter().filter(|order| order["status"] == "FAILED") {
            assert_eq!(text(order, "/failureReason")?, format!("{} is out of stock", scarce.id));
        }
        shop.audit_is_clean().await
    });
}

/// A burst of orders of one product runs all their steps at the same time. Their transactions must
/// not deadlock, which Postgres would detect after a second.
#[test]
fn orders_of_one_product_do_not_deadlock() {
    with_own_stack(1, &[("CARRIER_SANDBOX_DELAY_MS", "0")], async |shop| {
        let (hot, beside) = (shop.product(1_000, 10_000).await?, shop.product(500, 10_000).await?);
        let (db, load) = (shop.db().await?, Load::default());
        let draft = |n: usize| {
            let draft = Draft::new(&shop.unique("CUST-burst"));
            match n % 5 {
                3 => draft.line(&hot, 1).line(&beside, 1),
                4 => draft.line(&beside, 1).line(&hot, 2),
                _ => draft.line(&hot, 1),
            }
        };
        let began = Instant::now();
        for _ in 0..BURSTS {
            load.place(shop, BURST, 40, draft).await;
            load.ends(shop).await?;
        }
        println!("{:.1} orders of one product a second", (BURSTS * BURST) as f64 / began.elapsed().as_secs_f64());
        assert_eq!(load.accepted().len(), BURSTS * BURST);
        let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
        assert_eq!(db.query_one(deadlocks, &[]).await?.get::<_, i64>(0), 0);
        // A Postgres backend reports its statistics only when it is idle. The log shows a deadlock
        // at once.
        ensure!(!shop.log(shop.stack.postgres.log()).contains("deadlock detected"), "Postgres has seen a deadlock");
        assert_eq!(shop.stock(&hot).await?.1, 0);
        shop.audit_is_clean().await
    });
}

/// The orders name the products in both sequences, so two orders could wait for each other.
#[test]
fn a_short_product_is_never_sold_twice() {
    with_shared_stack(async |shop| {
        let (scarce, plenty) = (shop.product(1_000, 5).await?, shop.product(500, 1_000).await?);
        let drafts = (0..30).map(|n| {
            let draft = Draft::new("CUST-beside");
            match n % 3 {
                0 => draft.line(&scarce, 1).line(&plenty, 1),
                1 => draft.line(&plenty, 1).line(&scarce, 1),
                _ => draft.line(&scarce, 1).line(&plenty, 2).line(&scarce, 2),
            }
        });
        let drafts: Vec<Draft> = drafts.collect();
        let ids = try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?;
        let orders = try_join_all(ids.iter().map(|id| shop.reaches(id, &["COMPLETED", "ACTION_REQUIRED"]))).await?;
        let sold: i64 = orders.iter().filter(|order| order["status"] == "COMPLETED").map(|order| units(order, &scarce.id)).sum();
        let held = orders.iter().filter(|order| order["status"] == "ACTION_REQUIRED").flat_map(|order| order["items"].as_array()).flatten();
        let held: i64 = held.filter(|line| line["productID"] == *scarce.id).filter_map(|line| line["available"].as_i64()).sum();
        // All waiting orders show an offer, but only one of them holds it.
        let (left, reserved) = shop.stock(&scarce).await?;
        ensure!(sold + left + reserved == 5 && reserved <= held, "{sold} sold, {held} offered, {left} left, {reserved} held");
        shop.audit_is_clean().await
    });
}

/// The reservation expires at the moment of the payment's authorization. The second of the two
/// transactions must see the result of the first.
#[test]
fn an_expiring_reservation_is_not_paid_for() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 5).await?;
        let id = shop.place(&Draft::new("CUST-last-moment").line(&product, 1).payment_method("tok_down")).await?;
        shop.reaches(&id, &["RESERVED"]).await?;
        shop.stack.workers[0].kill().await?;
        let (mut sweeping, paying) = (shop.db().await?, shop.db().await?);
        let sweep = sweeping.transaction().await?;
        sweep.execute("SELECT FROM orders WHERE id = $1 FOR NO KEY UPDATE", &[&id]).await?;
        sweep.execute("UPDATE reservations SET state = 'EXPIRED' WHERE order_id = $1", &[&id]).await?;
        let authorize = "SELECT permission, status FROM authorize_payment($1, '{RESERVED}', 1000, 'USD', 'sandbox', 'a reference')";
        let waiting = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%authorize_payment%'";
        let end = async {
            until("it waits", Duration::from_secs(20), async || Ok(shop.db().await?.query_opt(waiting, &[]).await?.map(|_| ()))).await?;
            Ok(sweep.commit().await?)
        };
        let (row, ()) = tokio::try_join!(async { anyhow::Ok(paying.query_one(authorize, &[&id]).await?) }, end)?;
        assert_eq!((row.get::<_, &str>(0), row.get::<_, &str>(1)), ("TOO_LATE", "RESERVED"));
        Ok(())
    });
}

/// The units of a product on an order's lines.
fn units(order: &serde_json::Value, product: &str) -> i64 {
    let lines = order["items"].as_array().into_iter().flatten();
    lines.filter(|line| line["productID"] == product).filter_map(|line| line["quantity"].as_i64()).sum()
}

#[test]
fn two_lines_of_a_product_are_reserved_together() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 5).await?;
        let id = shop.place(&Draft::new("CUST-two-lines").line(&product, 3).line(&product, 3)).await?;
        shop.ends(&id, "FAILED").await?;
        assert_eq!(shop.stock(&product).await?, (5, 0));
        let id = shop.place(&Draft::new("CUST-two-lines").line(&product, 3).line(&product, 2)).await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (0, 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn an_order_out_of_stock_fails_with_a_reason_and_holds_nothing() {
    with_shared_stack(async |shop| {
        let (gone, there) = (shop.product(1_000, 0).await?, shop.product(1_000, 9).await?);
        let id = shop.place(&Draft::new("CUST-gone").line(&gone, 1).line(&there, 10)).await?;
        let order = shop.ends(&id, "FAILED").await?;
        assert_eq!(text(&order, "/failureReason")?, format!("{} is out of stock", gone.id));
        assert_eq!((shop.stock(&gone).await?, shop.stock(&there).await?), ((0, 0), (9, 0)));
        assert!(order["payment"].is_null());
        shop.audit_is_clean().await
    });
}

/// The gateway fails twice. Before it succeeds, the reservation has expired.
#[test]
fn an_expired_reservation_is_released_and_the_order_not_charged() {
    with_own_stack(1, &[("RESERVATION_TTL_S", "1")], async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-slow").line(&product, 4).payment_method("tok_processing_error")).await?;
        let order = shop.ends(&id, "FAILED").await?;
        let reason = text(&order, "/failureReason")?;
        ensure!(reason.contains("took too long"), "{reason}");
        assert_eq!((&order["payment"]["status"], shop.stock(&product).await?), (&json!("VOIDED"), (10, 0)));
        let state = "SELECT state FROM reservations WHERE order_id = $1";
        assert_eq!(shop.db().await?.query_one(state, &[&id]).await?.get::<_, &str>(0), "EXPIRED");
        shop.audit_is_clean().await
    });
}

/// The gateway captures the amount, and its answer is lost. The reservation must not expire
/// meanwhile, so the order completes.
#[test]
fn stock_is_not_released_during_the_capture() {
    with_own_stack(1, &[&FAST[..], &[("RESERVATION_TTL_S", "1")]].concat(), async |shop| {
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-patient").line(&product, 4).payment_method("tok_timeout")).await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!(shop.stock(&product).await?, (6, 0));
        shop.audit_is_clean().await
    });
}

#[test]
fn restocked_units_are_sold_and_every_movement_is_on_record() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 1).await?;
        for (order, end) in [(1, "COMPLETED"), (3, "FAILED")] {
            let id = shop.place(&Draft::new("CUST-restock").line(&product, order)).await?;
            shop.ends(&id, end).await?;
        }
        let restocked = shop.stack.run("worker", &["restock", &product.id, "4"]).await?;
        ensure!(restocked.status.success(), "{restocked:?}");
        let id = shop.place(&Draft::new("CUST-restock").line(&product, 3)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let movements = "SELECT array_agg(reason || ' ' || quantity ORDER BY id) FROM stock_movements WHERE product_id = $1";
        let movements: Vec<String> = shop.db().await?.query_one(movements, &[&product.id]).await?.get(0);
        assert_eq!(movements, ["OPENING 1", "RESERVED -1", "RESTOCKED 4", "RESERVED -3"]);
        for arguments in [["restock", "NO-SUCH-PRODUCT", "1"], ["restock", &product.id, "0"]] {
            ensure!(!shop.stack.run("worker", &arguments).await?.status.success(), "{arguments:?}");
        }
        // A restock with an unknown result is repeated with its id.
        let printed = String::from_utf8_lossy(&restocked.stderr).into_owned();
        let id = printed.split("--id ").nth(1).context("it names no id")?.trim();
        let before = shop.stock(&product).await?;
        ensure!(shop.stack.run("worker", &["restock", &product.id, "4", "--id", id]).await?.status.success(), "{id}");
        ensure!(!shop.stack.run("worker", &["restock", &product.id, "5", "--id", id]).await?.status.success(), "another quantity");
        assert_eq!(shop.stock(&product).await?, before);
        shop.audit_is_clean().await
    });
}
