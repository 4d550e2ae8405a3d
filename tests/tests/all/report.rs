//! `worker order`: what happened to an order, from every store.

use crate::{
    refunds::refunded,
    shipping::{MANUAL_CARRIER, send_tracking_event, shipment_statuses, tracking_event},
    support::{Draft, FAST, Shop, text, until, with_own_stack, with_shared_stack},
};
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(40);
const EMAIL: &str = "ann.lee@shop.example";
const PHONE: &str = "+4915112345678";

/// Runs `worker order`. Returns its exit status, its standard output and its standard error.
async fn order(shop: &Shop, args: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = shop.stack.run("worker", &[&["order"], args].concat()).await?;
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Ok((output.status.code(), stdout, stderr))
}

/// The report of an order as JSON. Nothing personal may be in it.
async fn report(shop: &Shop, id: &str) -> Result<Value> {
    let (status, printed, log) = order(shop, &[id, "--json"]).await?;
    ensure!(status == Some(0), "{status:?}: {printed}{log}");
    for personal in [EMAIL, PHONE, "CUST-", "tok_"] {
        ensure!(!printed.contains(personal), "{personal} is in {printed}");
    }
    Ok(serde_json::from_str(&printed)?)
}

/// The facts of a list of the report, as `store: subject: state`.
fn facts(report: &Value, list: &str) -> Vec<String> {
    let part = |fact: &Value, name: &str| fact[name].as_str().unwrap_or_default().to_owned();
    let facts = report[list].as_array().into_iter().flatten();
    facts.map(|fact| format!("{}: {}: {}", part(fact, "store"), part(fact, "subject"), part(fact, "state"))).collect()
}

/// Checks that the facts are in the list, in this sequence. Other facts may be between them.
fn has_in_sequence(report: &Value, list: &str, expected: &[&str]) -> Result<()> {
    let found = facts(report, list);
    let mut rest = found.iter();
    for fact in expected {
        ensure!(rest.any(|found| found == fact), "{fact} is not where it should be in {found:#?}");
    }
    Ok(())
}

/// The detail of a fact that is so now.
fn detail<'a>(report: &'a Value, subject: &str) -> Option<&'a str> {
    report["now"].as_array()?.iter().find(|fact| fact["subject"] == subject)?["detail"].as_str()
}

fn draft() -> Draft {
    Draft::new("CUST-report").with("contact", json!({ "email": EMAIL, "phone": PHONE }))
}

#[test]
fn a_completed_order_is_reported_from_every_store() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_999, 10).await?;
        let id = shop.place(&draft().line(&product, 2)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let read_model = "readModel: order: COMPLETED".to_owned();
        let report = until("the read model has its last version", TIMEOUT, async || {
            let report = report(shop, &id).await?;
            let settled = facts(&report, "now").contains(&read_model) && report["findings"] == json!([]);
            Ok(settled.then_some(report))
        })
        .await?;
        assert_eq!((&report["status"], &report["total"], &report["currency"]), (&json!("COMPLETED"), &json!(39.98), &json!("USD")));
        assert_eq!(report["unreadable"], json!([]));
        let statuses = ["ACCEPTED", "PENDING", "RESERVED", "PAID", "COMPLETED"].map(|status| format!("postgres: order: {status}"));
        has_in_sequence(&report, "timeline", &statuses.each_ref().map(String::as_str))?;
        let timeline = facts(&report, "timeline");
        for fact in [
            format!("temporal: workflow {id}: STARTED"),
            "temporal: local activity ProcessPayment: DONE".to_owned(),
            "gateway: money: CAPTURE".to_owned(),
            "postgres: payment: CAPTURED".to_owned(),
            format!("postgres: stock of {}: RESERVED", product.id),
            "postgres: notice ORDER_DELIVERED EMAIL: RECORDED".to_owned(),
            format!("temporal: workflow {id}: COMPLETED"),
        ] {
            ensure!(timeline.contains(&fact), "no {fact} in {timeline:#?}");
        }
        let offsets: Vec<i64> = report["timeline"].as_array().into_iter().flatten().filter_map(|fact| fact["offsetMs"].as_i64()).collect();
        ensure!(offsets.is_sorted() && offsets.contains(&0), "{offsets:?}");

        let (status, printed, log) = order(shop, &[&id]).await?;
        ensure!(status == Some(0), "{printed}{log}");
        ensure!(printed.starts_with(&format!("{id}: COMPLETED, 39.98 USD\naccepted ")), "{printed}");
        let paid = printed.lines().find(|line| line.contains("CAPTURED") && line.contains("39.98 USD"));
        ensure!(paid.is_some_and(|line| line.contains("+")), "{printed}");
        ensure!(![EMAIL, PHONE, "CUST-", "tok_"].iter().any(|personal| printed.contains(personal)), "{printed}");
        Ok(())
    });
}

#[test]
fn an_unknown_order_is_an_error() {
    with_shared_stack(async |shop| {
        let id = "ord_01930000000070008000000000000009";
        let (status, printed, log) = order(shop, &[id]).await?;
        assert_eq!((status, printed.as_str()), (Some(1), ""));
        ensure!(log.contains(&format!("there is no order {id}")), "{log}");
        Ok(())
    });
}

#[test]
fn parcels_and_refunds_are_reported() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let product = shop.product(2_500, 10).await?;
        let id = shop.place(&draft().line(&product, 2)).await?;
        until("the parcel is booked", TIMEOUT, async || Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED"]).then_some(())))
            .await?;
        for event in ["IN_TRANSIT", "DELIVERED"] {
            send_tracking_event(shop, &tracking_event(&id, 1, event)).await?;
        }
        shop.ends(&id, "COMPLETED").await?;
        let (_, refund) = refunded(shop, &id, &json!({ "amount": 10.5, "reason": format!("asked by {EMAIL}") })).await?;
        let refund = text(&refund, "/id")?;

        let report = report(shop, &id).await?;
        let expected = [
            format!("postgres: parcel {id}-1: PLANNED"),
            "temporal: signal scan: RECEIVED".to_owned(),
            format!("postgres: parcel {id}-1: DELIVERED"),
            format!("postgres: refund {refund}: REQUESTED"),
            "gateway: money: REFUND".to_owned(),
        ];
        has_in_sequence(&report, "timeline", &expected.each_ref().map(String::as_str))?;
        let timeline = facts(&report, "timeline");
        for fact in [
            format!("postgres: refund {refund}: SUCCEEDED"),
            format!("temporal: workflow {refund}: COMPLETED"),
            "postgres: payment: PARTIALLY_REFUNDED".to_owned(),
        ] {
            ensure!(timeline.contains(&fact), "no {fact} in {timeline:#?}");
        }
        let scans = report["timeline"].as_array().into_iter().flatten().filter(|fact| fact["subject"] == "signal scan");
        let scans: Vec<_> = scans.map(|scan| scan["detail"].clone()).collect();
        assert_eq!(scans, ["IN_TRANSIT", "DELIVERED"].map(|event| json!(format!("tracking event {event} of parcel {id}-1"))));
        let money = report["timeline"].as_array().into_iter().flatten().find(|fact| fact["state"] == "REFUND");
        assert_eq!(money.map(|fact| fact["amount"].clone()), Some(json!(10.5)));
        Ok(())
    });
}

/// An activity of the order fails again and again. Then one store after the other is down.
#[test]
fn a_stuck_order_is_reported_even_if_stores_are_down() {
    with_own_stack(1, &FAST, async |shop| {
        // The error quotes an address, which must not be printed.
        shop.db()
            .await?
            .batch_execute(&format!(
                "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no stock for {EMAIL}'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON reservations FOR EACH ROW EXECUTE FUNCTION refuse()"
            ))
            .await?;
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&draft().line(&product, 1)).await?;
        let is_retried = |report: &Value| {
            let detail = detail(report, "activity CheckInventory").unwrap_or_default();
            detail.contains("last failure: ") && detail.contains("no stock for [hidden]") && !detail.starts_with("attempt 1,")
        };
        let found = until("the activity is retried", TIMEOUT, async || {
            let report = report(shop, &id).await?;
            Ok(is_retried(&report).then_some(report))
        })
        .await?;
        assert_eq!(found["status"], "PENDING");
        has_in_sequence(
            &found,
            "timeline",
            &["temporal: local activity CheckInventory: FAILED", "temporal: activity CheckInventory: SCHEDULED"],
        )?;
        ensure!(facts(&found, "now").contains(&format!("temporal: workflow {id}: RUNNING")), "{found:#}");
        let (_, printed, _) = order(shop, &[&id, "--stuck-after", "1"]).await?;
        ensure!(printed.contains(&format!("no order is stuck: {id}: PENDING, for too long")), "{printed}");

        shop.stack.temporal.stop().await?;
        let (status, printed, log) = order(shop, &[&id]).await?;
        ensure!(status == Some(0), "{printed}{log}");
        let (facts, unreadable) = printed.split_once("UNREADABLE").unwrap_or_default();
        ensure!(facts.contains("Postgres") && facts.contains("read model") && unreadable.contains("Temporal: "), "{printed}");
        assert_eq!(unreadable.lines().count(), 2, "{printed}");

        shop.stack.postgres.kill().await?;
        let report = report(shop, &id).await?;
        let unreadable: Vec<_> = report["unreadable"].as_array().into_iter().flatten().map(|one| one["store"].clone()).collect();
        assert_eq!(unreadable, ["postgres", "temporal"].map(Value::from));
        assert_eq!(report["status"], "PENDING");
        ensure!(report["acceptedAt"].is_string(), "{report:#}");

        let (status, _, log) = order(shop, &["ord_01930000000070008000000000000009"]).await?;
        assert_eq!(status, Some(1));
        ensure!(log.contains("in what could be read; unreadable: Postgres (") && log.contains("Temporal ("), "{log}");
        shop.stack.postgres.start().await?;
        shop.stack.temporal.start().await
    });
}
