//! `GET /api/operations`: how much work is waiting, and where.

use crate::support::{Draft, FAST, Function, Pool, Shop, answer, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::Client;
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
/// The maximum time for an answer, even while a dependency is unreachable. Each call to a
/// dependency has half a second, and at most two calls follow each other.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

async fn overview(shop: &Shop) -> Result<Value> {
    let (status, overview) = answer(shop.request(reqwest::Method::GET, "/api/operations").timeout(ANSWER_TIMEOUT).send().await?).await?;
    ensure!(status == StatusCode::OK, "{status} {overview}");
    Ok(overview)
}

async fn shows(shop: &Shop, what: &str, queues: &Value, workflows: impl Fn(&Value) -> bool) -> Result<()> {
    let mut last = Value::Null;
    let shown = until(what, TIMEOUT, async || {
        last = overview(shop).await?;
        Ok((last["queues"] == *queues && workflows(&last["workflows"])).then_some(()))
    });
    shown.await.with_context(|| format!("{last:#}"))
}

#[test]
fn the_overview_shows_waiting_work_and_outages() {
    with_own_stack(1, &FAST, async |shop| {
        let settings = shop.stack.settings();
        let (sqs, intake) = (Client::new(&shop.aws()?), settings.get("INTAKE_QUEUE_URL")?);
        let quiet = json!([
            { "name": "intake", "waiting": 0, "inFlight": 0, "dead": 0 },
            { "name": "notice-feedback", "waiting": 0, "inFlight": 0, "dead": 0 },
        ]);
        shows(shop, "nothing waits", &quiet, |tasks| tasks["backlog"] == 0 && tasks["polled"] == true).await?;

        for (queue, count) in [(format!("{intake}-dlq"), 2), (settings.get("NOTICE_FEEDBACK_QUEUE_URL")?.to_owned() + "-dlq", 1)] {
            for _ in 0..count {
                sqs.send_message().queue_url(&queue).message_body("given up").send().await?;
            }
        }
        let dead = json!([
            { "name": "intake", "waiting": 0, "inFlight": 0, "dead": 2 },
            { "name": "notice-feedback", "waiting": 0, "inFlight": 0, "dead": 1 },
        ]);
        shows(shop, "dead letters", &dead, |tasks| tasks["backlog"] == 0).await?;

        // A customer sees none of it. The function shows the same as the server.
        let pool = Pool::create(shop).await?;
        let (ada, staff) = (pool.user("ada", None).await?, pool.user("sue", Some("staff")).await?);
        let mut function = Function::start_with(shop, "get-operations", &pool.settings()).await?;
        for (user, expected) in [(&ada, 403), (&staff, 200)] {
            let mut event = Function::event("GET", "/api/operations", None);
            event["headers"]["authorization"] = format!("Bearer {}", user.access).into();
            let (status, body) = function.answer(&event).await?;
            assert_eq!(status, expected, "{body}");
            ensure!(expected == 403 || body["queues"] == dead, "{body}");
        }

        // Orders wait for a worker.
        let product = shop.product(1_000, 10).await?;
        shop.stack.workers[0].stop().await?;
        for _ in 0..3 {
            shop.place(&Draft::new("CUST-backlog").line(&product, 1)).await?;
        }
        shows(shop, "orders wait", &dead, |tasks| tasks["backlog"] == 3).await?;

        // Orders wait for Temporal.
        shop.stack.temporal.stop().await?;
        let id = shop.place(&Draft::new("CUST-queued").line(&product, 1)).await?;
        let waiting = json!([
            { "name": "intake", "waiting": 1, "inFlight": 0, "dead": 2 },
            { "name": "notice-feedback", "waiting": 0, "inFlight": 0, "dead": 1 },
        ]);
        shows(shop, "an order waits for Temporal", &waiting, Value::is_null).await?;

        shop.stack.emulator.pause();
        let unknown = json!([
            { "name": "intake", "waiting": null, "inFlight": null, "dead": null },
            { "name": "notice-feedback", "waiting": null, "inFlight": null, "dead": null },
        ]);
        shows(shop, "the queues are away", &unknown, Value::is_null).await?;
        shop.stack.emulator.resume();

        shop.stack.temporal.start().await?;
        shop.stack.workers[0].start().await?;
        shop.ends(&id, "COMPLETED").await?;
        Ok(())
    });
}
