//! `GET /api/operations/history`: what happened, in buckets of time.

use crate::support::{FAST, Shop, answer, until, with_own_stack, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration as StdDuration;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use tokio_postgres::Client;
use uuid::{Builder, Uuid};

/// A worker finds within ten seconds what is missing, and counts it in a fifth of the time.
const TIMEOUT: StdDuration = StdDuration::from_secs(60);
/// A minute is settled 65 seconds after its end.
const SETTLED: StdDuration = StdDuration::from_secs(100);

/// Records an order as if it had been accepted at this time. `history` has the statuses after
/// PENDING, and how long after the acceptance the order reached each.
async fn record(db: &Client, accepted_at: OffsetDateTime, history: &[(&str, Duration)]) -> Result<String> {
    let millis = u64::try_from(accepted_at.unix_timestamp_nanos() / 1_000_000)?;
    let random = Uuid::now_v7().into_bytes();
    let random = random.last_chunk().context("a UUID has 16 bytes")?;
    let id = format!("ord_{}", Builder::from_unix_timestamp_millis(millis, random).into_uuid().simple());
    let (status, _) = history.last().context("no status")?;
    let order = "INSERT INTO orders (id, customer_id, status, total_minor, currency, created_at, version)
        VALUES ($1, 'CUST-past', $2, 1050, 'USD', $3, 10)";
    db.execute(order, &[&id, status, &accepted_at]).await?;
    for (version, (status, after)) in (1_i64..).zip([("PENDING", Duration::ZERO)].iter().chain(history)) {
        let entry = "INSERT INTO order_history (order_id, version, status, at, published_at) VALUES ($1, $2, $3, $4, now())";
        db.execute(entry, &[&id, &version, status, &(accepted_at + *after)]).await?;
    }
    Ok(id)
}

async fn record_payment(db: &Client, order_id: &str, status: &str, refunded_minor: i64) -> Result<()> {
    let payment = "INSERT INTO payments (order_id, status, amount_minor, currency, refunded_minor, gateway)
        VALUES ($1, $2, 1050, 'USD', $3, 'sandbox')";
    db.execute(payment, &[&order_id, &status, &refunded_minor]).await?;
    Ok(())
}

async fn history(shop: &Shop, period: &str) -> Result<Value> {
    let (status, history) = answer(shop.get(&format!("/api/operations/history?period={period}")).await?).await?;
    ensure!(status == StatusCode::OK, "{status} {history}");
    Ok(history)
}

/// The bucket to which a time belongs; null if it is not counted.
fn bucket_at(history: &Value, at: OffsetDateTime) -> Result<Value> {
    let seconds = history["bucketSeconds"].as_i64().context("no length")?;
    let start = OffsetDateTime::from_unix_timestamp(at.unix_timestamp() / seconds * seconds)?;
    let is_it = |bucket: &&Value| bucket["at"].as_str().and_then(|at| OffsetDateTime::parse(at, &Rfc3339).ok()) == Some(start);
    Ok(history["buckets"].as_array().context("no buckets")?.iter().find(is_it).cloned().unwrap_or_default())
}

/// Waits until the bucket of a time fulfils the condition.
async fn counted(
    shop: &Shop,
    what: &str,
    period: &str,
    at: OffsetDateTime,
    limit: StdDuration,
    is_so: impl Fn(&Value) -> bool,
) -> Result<Value> {
    let mut last = Value::Null;
    let found = until(what, limit, async || {
        last = bucket_at(&history(shop, period).await?, at)?;
        Ok(is_so(&last).then(|| last.clone()))
    });
    found.await.with_context(|| format!("{last:#}"))
}

#[test]
fn the_history_has_what_happened_each_minute() {
    with_own_stack(1, &FAST, async |shop| {
        let db = shop.db().await?;
        let now = OffsetDateTime::now_utc();
        let minute = (now - Duration::minutes(20)).replace_second(0)?.replace_nanosecond(0)?;
        let (second, hours_ago) = (Duration::SECOND, now - Duration::minutes(130));
        let paid = |after| [("RESERVED", second / 10), ("PAID", after)];

        let completed = record(&db, minute + second, &[&paid(second / 5)[..], &[("COMPLETED", second * 3)]].concat()).await?;
        record_payment(&db, &completed, "PARTIALLY_REFUNDED", 200).await?;
        record(&db, minute + second * 2, &[("FAILED", second)]).await?;
        // This order is paid in the same minute, and cancelled two minutes later. Its payment is reversed.
        let cancelled = record(&db, minute + second * 3, &[&paid(second / 5)[..], &[("CANCELLED", Duration::minutes(2))]].concat()).await?;
        record_payment(&db, &cancelled, "REFUNDED", 1_050).await?;
        // An authorization that was never captured is no revenue.
        let unpaid = record(&db, minute + second * 4, &[("CANCELLED", second)]).await?;
        record_payment(&db, &unpaid, "VOIDED", 0).await?;
        let refund = "INSERT INTO refunds (id, order_id, state, amount_minor, restock, requested_at, updated_at)
            VALUES ('ref_01930000000070008000000000000001', $1, 'SUCCEEDED', 200, false, $2, $2)";
        db.execute(refund, &[&completed, &(minute + Duration::minutes(1))]).await?;
        record(&db, hours_ago, &[("FAILED", second)]).await?;

        let first = counted(shop, "the first minute", "hour", minute, TIMEOUT, |bucket| bucket["accepted"] == 4).await?;
        let ends = [&first["completed"], &first["failed"], &first["cancelled"]];
        assert_eq!(ends, [&json!(1), &json!(1), &json!(1)], "{first:#}");
        assert_eq!(first["revenue"], json!([{ "currency": "USD", "captured": 21.0, "refunded": 0.0 }]));
        for (duration, least, most) in [("/payment/p50Ms", 190, 210), ("/payment/p99Ms", 190, 210), ("/completion/p50Ms", 2_850, 3_150)] {
            let millis = first.pointer(duration).and_then(Value::as_i64).context("no duration")?;
            ensure!((least..=most).contains(&millis), "{duration} is {millis}");
        }
        assert_eq!(first["waiting"], Value::Null, "nobody looked at that time");

        let hour = history(shop, "hour").await?;
        let second_minute = bucket_at(&hour, minute + Duration::minutes(1))?;
        let refunded = |amount: f64| json!([{ "currency": "USD", "captured": 0.0, "refunded": amount }]);
        assert_eq!((&second_minute["accepted"], &second_minute["revenue"]), (&json!(0), &refunded(2.0)), "{second_minute:#}");
        let third_minute = bucket_at(&hour, minute + Duration::minutes(2))?;
        assert_eq!((&third_minute["cancelled"], &third_minute["revenue"]), (&json!(1), &refunded(10.5)), "{third_minute:#}");

        let old = counted(shop, "an hour of the week", "week", hours_ago, TIMEOUT, |bucket| bucket["accepted"] == 1).await?;
        assert_eq!((&old["failed"], &old["completed"]), (&json!(1), &json!(0)), "{old:#}");
        let before = bucket_at(&history(shop, "week").await?, hours_ago - Duration::hours(2))?;
        assert_eq!(before, Value::Null, "before the first order, nothing is counted");

        // An order of the first minute is recorded only now. When its last minute is settled, the
        // first minute is counted again, and so is the quarter of an hour.
        counted(shop, "the quarter of an hour", "day", minute, TIMEOUT, |bucket| bucket["accepted"] == 4).await?;
        record(&db, minute + second * 5, &[("FAILED", OffsetDateTime::now_utc() - minute - second * 5)]).await?;
        counted(shop, "the late order", "hour", minute, SETTLED, |bucket| bucket["accepted"] == 5 && bucket["failed"] == 1).await?;
        counted(shop, "the late order", "day", minute, TIMEOUT, |bucket| bucket["accepted"] == 5).await?;

        // What waited is known for the minutes that ended while the worker ran.
        let last = counted(shop, "what waited", "hour", now, TIMEOUT, |bucket| !bucket["waiting"].is_null()).await?;
        assert_eq!((&last["waiting"]["tasks"], &last["waiting"]["projectionSeconds"]), (&json!(0), &json!(0)), "{last:#}");
        Ok(())
    });
}

/// A chart must not show a time without workers as a time without orders.
#[test]
fn without_a_worker_the_history_has_a_gap() {
    with_own_stack(1, &FAST, async |shop| {
        let worker = &shop.stack.workers[0];
        worker.stop().await?;
        let stopped_at = OffsetDateTime::now_utc();
        // Nothing is counted before the first order.
        record(&shop.db().await?, stopped_at - Duration::MINUTE, &[("FAILED", Duration::SECOND)]).await?;
        let is_over = async || {
            let until = history(shop, "hour").await?["until"].as_str().and_then(|until| OffsetDateTime::parse(until, &Rfc3339).ok());
            Ok(until.is_some_and(|until| until > stopped_at + Duration::minutes(1)).then_some(()))
        };
        until("a minute without a worker is over", StdDuration::from_secs(150), is_over).await?;
        let gap = stopped_at + Duration::MINUTE;
        assert_eq!(bucket_at(&history(shop, "hour").await?, gap)?, Value::Null);

        // Later, the orders of that minute are known.
        worker.start().await?;
        let filled = counted(shop, "the minute is counted later", "hour", gap, TIMEOUT, |bucket| !bucket.is_null()).await?;
        assert_eq!(filled["accepted"], 0, "{filled:#}");
        Ok(())
    });
}

#[test]
fn a_period_is_an_hour_a_day_or_a_week() {
    with_shared_stack(async |shop| {
        for (period, seconds, count) in [("hour", 60, 60), ("day", 900, 96), ("week", 3_600, 168)] {
            let history = history(shop, period).await?;
            assert_eq!((&history["period"], &history["bucketSeconds"]), (&json!(period), &json!(seconds)));
            let [from, until] = ["from", "until"].map(|bound| OffsetDateTime::parse(history[bound].as_str().unwrap_or_default(), &Rfc3339));
            assert_eq!((until? - from?).whole_seconds(), seconds * count);
        }
        let (status, problem) = answer(shop.get("/api/operations/history?period=month").await?).await?;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("period")), "{problem}");
        Ok(())
    });
}
