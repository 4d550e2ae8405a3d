//! Reports of SES about mails that it accepted: bounces and complaints, as its mailbox simulator
//! makes them and as its documentation shows them.

use super::TIMEOUT;
use crate::support::{Draft, Shop, until, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::{Client, types::QueueAttributeName};
use serde_json::{Value, json};
use std::time::Duration;

/// The queue that receives the reports from SES's topic.
struct Queue {
    sqs: Client,
    url: String,
}

impl Queue {
    fn new(shop: &Shop) -> Result<Self> {
        let url = shop.stack.settings().get("NOTICE_FEEDBACK_QUEUE_URL")?.to_owned();
        Ok(Self { sqs: Client::new(&shop.aws()?), url })
    }

    async fn send(&self, body: impl ToString) -> Result<()> {
        self.sqs.send_message().queue_url(&self.url).message_body(body.to_string()).send().await?;
        Ok(())
    }

    /// Waits until every message has been handled.
    async fn is_empty(&self) -> Result<()> {
        let counts = [QueueAttributeName::ApproximateNumberOfMessages, QueueAttributeName::ApproximateNumberOfMessagesNotVisible];
        until("the queue is empty", Duration::from_secs(40), async || {
            let asked = self.sqs.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(counts.to_vec())).send().await?;
            let attributes = asked.attributes.context("no attributes")?;
            Ok(attributes.values().all(|count| count == "0").then_some(()))
        })
        .await
    }

    /// The bodies of the dead letters.
    async fn dead_letters(&self) -> Result<Vec<String>> {
        let url = format!("{}-dlq", self.url);
        let received = self.sqs.receive_message().queue_url(url).max_number_of_messages(10).visibility_timeout(0).send().await?;
        Ok(received.messages.unwrap_or_default().into_iter().filter_map(|message| message.body).collect())
    }
}

/// Completes an order whose customer is notified at this address. Returns the ids of the order and
/// of the mail.
async fn completed_order_with_mail(shop: &Shop, email: &str) -> Result<(String, String)> {
    let product = shop.product(1_000, 100).await?;
    let id = shop.place(&Draft::new("CUST-feedback").line(&product, 1).with("contact", json!({ "email": email }))).await?;
    let db = shop.db().await?;
    let mail = until("the mail is sent", TIMEOUT, async || {
        let row = db
            .query_opt(
                "SELECT provider_id FROM notifications WHERE order_id = $1 AND type = 'ORDER_CONFIRMED' AND provider_id IS NOT NULL",
                &[&id],
            )
            .await?;
        Ok(row.map(|row| row.get(0)))
    })
    .await?;
    Ok((id, mail))
}

/// Waits until an order's confirmation has this state and this reason.
async fn becomes(shop: &Shop, id: &str, state: &str, why: &str) -> Result<()> {
    let db = shop.db().await?;
    let query = "SELECT FROM notifications
        WHERE order_id = $1 AND type = 'ORDER_CONFIRMED' AND state = $2 AND last_error = $3 AND attempts = 1";
    until(&format!("{id} is {state}: {why}"), TIMEOUT, async || Ok(db.query_opt(query, &[&id, &state, &why]).await?.map(drop))).await
}

/// An event of SES, as its documentation shows it.
fn event(kind: &str, mail: &str, detail: &Value) -> Value {
    let mut event = json!({
        "eventType": kind,
        "mail": {
            "timestamp": "2017-08-05T00:40:02.012Z", "source": "Sender Name <sender@example.com>", "messageId": mail,
            "sourceArn": "arn:aws:ses:us-east-1:123456789012:identity/sender@example.com", "sendingAccountId": "123456789012",
            "destination": ["jane@customer.example"], "headersTruncated": false,
            "headers": [{ "name": "To", "value": "jane@customer.example" }],
            "commonHeaders": { "from": ["Sender Name <sender@example.com>"], "to": ["jane@customer.example"], "messageId": mail },
            "tags": { "ses:configuration-set": ["ConfigSet"], "ses:from-domain": ["example.com"] }
        }
    });
    event[kind.to_lowercase()] = detail.clone();
    event
}

fn bounce(kind: &str, mail: &str) -> Value {
    let recipient = json!({
        "emailAddress": "jane@customer.example", "action": "failed", "status": "5.1.1",
        "diagnosticCode": "smtp; 550 5.1.1 <jane@customer.example> user unknown"
    });
    let detail = json!({
        "bounceType": kind, "bounceSubType": "General", "bouncedRecipients": [recipient], "timestamp": "2017-08-05T00:41:02.669Z",
        "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000", "reportingMTA": "dsn; mta.example.com"
    });
    event("Bounce", mail, &detail)
}

#[test]
fn bounces_and_complaints_of_the_simulator_are_on_record() {
    with_shared_stack(async |shop| {
        for (who, state, why) in [("bounce", "BOUNCED", "Permanent/General 5.1.1"), ("complaint", "COMPLAINED", "abuse")] {
            let email = format!("{who}+{}@simulator.amazonses.com", shop.unique("back"));
            let (id, _) = completed_order_with_mail(shop, &email).await?;
            becomes(shop, &id, state, why).await?;
            ensure!(
                shop.ends(&id, "COMPLETED").await.is_ok() && !shop.logs().contains(&email),
                "the order suffers, or the address is shown"
            );
        }
        Ok(())
    });
}

#[test]
fn each_event_has_its_effect_once() {
    with_shared_stack(async |shop| {
        let queue = Queue::new(shop)?;
        let (id, mail) = completed_order_with_mail(shop, "jane@customer.example").await?;
        let db = shop.db().await?;

        // These events report no problem, or they are about mails of other systems.
        let delivery =
            json!({ "timestamp": "2016-10-19T23:21:04.133Z", "processingTimeMillis": 11_893, "recipients": ["jane@customer.example"] });
        queue.send(event("Delivery", &mail, &delivery)).await?;
        queue.send(event("Complaint", &mail, &json!({ "complaintFeedbackType": "not-spam" }))).await?;
        queue.send(bounce("Permanent", "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000")).await?;
        queue.is_empty().await?;
        let untouched =
            "SELECT FROM notifications WHERE order_id = $1 AND type = 'ORDER_CONFIRMED' AND state = 'SENT' AND last_error IS NULL";
        ensure!(db.query_opt(untouched, &[&id]).await?.is_some(), "{id} was touched");

        queue.send(bounce("Transient", &mail)).await?;
        becomes(shop, &id, "SENT", "Transient/General 5.1.1").await?;
        for _ in 0..3 {
            queue.send(bounce("Permanent", &mail)).await?;
        }
        becomes(shop, &id, "BOUNCED", "Permanent/General 5.1.1").await?;
        queue.is_empty().await?;
        let bounced = format!("{id}: ORDER_CONFIRMED: e-mail BOUNCED: Permanent");
        assert_eq!(shop.logs().matches(&bounced).count(), 1);

        queue.send(event("Complaint", &mail, &json!({ "complaintFeedbackType": "abuse" }))).await?;
        becomes(shop, &id, "COMPLAINED", "abuse").await?;
        queue.send(bounce("Permanent", &mail)).await?;
        queue.is_empty().await?;
        becomes(shop, &id, "COMPLAINED", "abuse").await?;
        shop.audit_is_clean().await
    });
}

#[test]
fn an_unreadable_message_becomes_a_dead_letter() {
    with_shared_stack(async |shop| {
        let queue = Queue::new(shop)?;
        let garbage = [
            "garbage of garbage@customer.example".to_owned(),
            json!({ "eventType": "Bounce", "mail": { "messageId": "garbage@customer.example" } }).to_string(),
            event("Send", "x", &json!({})).to_string().replace("\"Send\"", "\"Bounce\""),
        ];
        for body in &garbage {
            queue.send(body).await?;
        }
        until("they are dead letters", Duration::from_secs(60), async || {
            let dead = queue.dead_letters().await?;
            Ok(garbage.iter().all(|body| dead.contains(body)).then_some(()))
        })
        .await?;
        ensure!(!shop.logs().contains("garbage@customer.example"), "a message is in the logs");
        Ok(())
    });
}
