//! Events: other systems receive every status of every order, in order, even when workers die.

use crate::support::{Draft, LOADED, Shop, text, until, with_own_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::{Client, types::QueueAttributeName};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashSet},
    time::Duration,
};

/// The topic that local mode creates from infra/data.yaml.
const TOPIC: &str = "arn:aws:sns:us-east-1:000000000000:orderflow-events.fifo";
const TIMEOUT: Duration = Duration::from_secs(30);
/// The statuses of an order that is delivered.
const COMPLETED: [&str; 6] = ["PENDING", "RESERVED", "PAID", "SHIPPED", "DELIVERED", "COMPLETED"];

/// A queue that is subscribed to the events.
struct Subscriber {
    sqs: Client,
    queue: String,
    /// The events received for each order, in the order of arrival and without repetitions.
    seen: BTreeMap<String, Vec<Value>>,
    ids: HashSet<String>,
}

impl Subscriber {
    async fn new(shop: &Shop) -> Result<Self> {
        let config = shop.aws()?;
        let (sqs, sns) = (Client::new(&config), aws_sdk_sns::Client::new(&config));
        let name = format!("{}.fifo", shop.unique("subscriber"));
        let made = sqs.create_queue().queue_name(&name).attributes(QueueAttributeName::FifoQueue, "true").send().await?;
        let queue = made.queue_url.context("no queue")?;
        let arn = format!("arn:aws:sqs:us-east-1:000000000000:{name}");
        let subscription = sns.subscribe().topic_arn(TOPIC).protocol("sqs").endpoint(arn).attributes("RawMessageDelivery", "true");
        subscription.send().await?;
        Ok(Self { sqs, queue, seen: BTreeMap::new(), ids: HashSet::new() })
    }

    /// Receives all messages that are there.
    async fn take(&mut self) -> Result<()> {
        loop {
            let received = self.sqs.receive_message().queue_url(&self.queue).max_number_of_messages(10).send().await?;
            let messages = received.messages.unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages {
                let event: Value = serde_json::from_str(message.body().context("no body")?)?;
                if self.ids.insert(text(&event, "/id")?.to_owned()) {
                    self.seen.entry(text(&event, "/data/orderID")?.to_owned()).or_default().push(event);
                }
                let handle = message.receipt_handle().context("no handle")?;
                self.sqs.delete_message().queue_url(&self.queue).receipt_handle(handle).send().await?;
            }
        }
    }

    /// Waits until the last status of an order has arrived. Returns all its statuses.
    async fn statuses(&mut self, id: &str, last: &str) -> Result<Vec<String>> {
        let mut statuses = Vec::new();
        let limit = tokio::time::Instant::now() + TIMEOUT;
        while statuses.last().is_none_or(|status| status != last) {
            ensure!(tokio::time::Instant::now() < limit, "{id}: only {statuses:?} came");
            self.take().await?;
            let events = self.seen.get(id).map_or(&[][..], Vec::as_slice);
            statuses = events.iter().map(|event| text(event, "/data/status").map(str::to_owned)).collect::<Result<_>>()?;
        }
        Ok(statuses)
    }
}

#[test]
fn every_status_is_published_in_order() {
    with_own_stack(1, &[("EVENTS_TOPIC_ARN", TOPIC)], async |shop| {
        let mut subscriber = Subscriber::new(shop).await?;
        let product = shop.product(1_000, 100).await?;
        let place = async |method: &str| shop.place(&Draft::new("CUST-events").line(&product, 2).payment_method(method)).await;
        let (bought, declined) = (place("tok_visa").await?, place("tok_declined").await?);
        assert_eq!(subscriber.statuses(&bought, "COMPLETED").await?, COMPLETED);
        assert_eq!(subscriber.statuses(&declined, "FAILED").await?, ["PENDING", "RESERVED", "FAILED"]);

        let last = subscriber.seen[&declined].last().context("nothing")?;
        let version = &last["data"]["orderVersion"];
        assert_eq!(
            (&last["id"], &last["type"], &last["version"]),
            (&json!(format!("{declined}.{version}")), &json!("order.status_changed"), &json!(1))
        );
        let data = json!({
            "orderID": declined, "customerID": "CUST-events", "status": "FAILED", "orderVersion": version,
            "totalAmount": 20.0, "currency": "USD", "failureReason": "the card was declined"
        });
        assert_eq!(last["data"], data);
        let first = &subscriber.seen[&declined][0];
        assert_eq!(first["data"]["failureReason"], Value::Null, "nobody knew it then");

        // Only the order's readers may see what a customer writes, so no event contains it.
        let short = shop.product(1_000, 1).await?;
        let draft = Draft::new("CUST-events").line(&short, 3).line(&product, 1);
        let cancelled = shop.place(&draft).await?;
        shop.reaches(&cancelled, &["ACTION_REQUIRED"]).await?;
        let reason = json!({ "reason": "win at https://evil.example" }).to_string();
        ensure!(shop.post(&format!("/api/orders/{cancelled}/cancel"), reason).await?.status().is_success(), "not cancelled");
        assert_eq!(subscriber.statuses(&cancelled, "CANCELLED").await?, ["PENDING", "ACTION_REQUIRED", "CANCELLED"]);
        let last = subscriber.seen[&cancelled].last().context("nothing")?;
        assert_eq!(last["data"]["failureReason"], "cancelled on request");

        // An event that cannot be published delays only its own order.
        let db = shop.db().await?;
        let unread = "WITH damaged AS (UPDATE orders SET currency = 'ZZZ' WHERE id = $1)
            UPDATE order_history SET published_at = NULL WHERE order_id = $1 AND status = 'CANCELLED'";
        db.execute(unread, &[&cancelled]).await?;
        let failing = "SELECT count(*) FROM failing_rows WHERE loop = 'EVENTS' AND row_id = $1";
        let fails = async || anyhow::Ok(db.query_one(failing, &[&cancelled]).await?.get::<_, i64>(0) > 0);
        until("it is known to fail", TIMEOUT, async || Ok(fails().await?.then_some(()))).await?;
        let other = place("tok_visa").await?;
        assert_eq!(subscriber.statuses(&other, "COMPLETED").await?, COMPLETED);
        db.execute("UPDATE orders SET currency = 'USD' WHERE id = $1", &[&cancelled]).await?;
        db.execute("UPDATE failing_rows SET next_attempt_at = now() WHERE row_id = $1", &[&cancelled]).await?;
        until("it is published, and fails no more", TIMEOUT, async || {
            let waiting = "SELECT FROM order_history WHERE order_id = $1 AND published_at IS NULL";
            Ok((db.query_opt(waiting, &[&cancelled]).await?.is_none() && !fails().await?).then_some(()))
        })
        .await?;
        shop.audit_is_clean().await
    });
}

/// Workers die while they publish.
#[test]
fn events_are_neither_lost_nor_reordered() {
    with_own_stack(2, &[&LOADED[..], &[("EVENTS_TOPIC_ARN", TOPIC)]].concat(), async |shop| {
        let mut subscriber = Subscriber::new(shop).await?;
        let product = shop.product(1_000, 1_000).await?;
        // Each customer may hold only a limited number of unpaid orders.
        let drafts: Vec<Draft> = (0..25).map(|_| Draft::new(&shop.unique("CUST-events")).line(&product, 1)).collect();
        let mut ids = Vec::new();
        for round in 0..4 {
            ids.extend(try_join_all(drafts.iter().map(|draft| shop.place(draft))).await?);
            let worker = &shop.stack.workers[round % 2];
            worker.kill().await?;
            worker.start().await?;
        }
        try_join_all(ids.iter().map(|id| shop.ends(id, "COMPLETED"))).await?;
        for id in &ids {
            assert_eq!(subscriber.statuses(id, "COMPLETED").await?, COMPLETED, "{id}");
        }
        let db = shop.db().await?;
        until("everything is published", TIMEOUT, async || {
            let waiting = db.query_one("SELECT count(*) FROM order_history WHERE published_at IS NULL", &[]).await?;
            Ok((waiting.get::<_, i64>(0) == 0).then_some(()))
        })
        .await?;
        shop.audit_is_clean().await
    });
}
