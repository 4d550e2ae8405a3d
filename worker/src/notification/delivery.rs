//! Delivers recorded notices by e-mail (SES) and SMS (SNS).
//!
//! Any number of workers take due notices from the table; taking one moves its next attempt away, so that the others leave it alone and it comes
//! back by itself should this worker die. A notice that cannot be delivered is given up after [`MAX_ATTEMPTS`]; the order does not care.

use crate::{db, inventory::currency};
use anyhow::{Context, anyhow};
use aws_sdk_ses::types::{Body, Content, Destination, Message};
use deadpool_postgres::Pool;
use futures::{StreamExt, stream};
use orders::Money;
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_postgres::Row;

/// Attempts to deliver a notice before it is given up.
const MAX_ATTEMPTS: i32 = 5;
/// Notices taken at once, and delivered side by side.
const BATCH: i64 = 20;
/// How often the table is looked at without being woken.
const SWEEP: Duration = Duration::from_secs(5);

/// Takes notices to their customers.
pub(crate) struct Courier {
    pool: Pool,
    ses: aws_sdk_ses::Client,
    sns: aws_sdk_sns::Client,
    email_from: String,
    woken: Arc<Notify>,
}

struct Notice {
    order_id: String,
    kind: String,
    channel: String,
    /// The refund that it tells of; empty for all else.
    about: String,
    attempt: i32,
    /// The e-mail address or phone number. Never logged.
    recipient: String,
    text: String,
}

impl Courier {
    pub(crate) fn new(pool: Pool, ses: aws_sdk_ses::Client, sns: aws_sdk_sns::Client, email_from: String) -> Self {
        Self { pool, ses, sns, email_from, woken: Arc::default() }
    }

    /// Wakes the courier: something was recorded.
    pub(crate) fn waker(&self) -> Arc<Notify> {
        self.woken.clone()
    }

    /// Delivers for ever.
    pub(crate) async fn run(self) {
        loop {
            match self.deliver_due().await {
                Ok(0) => {
                    let _ = tokio::time::timeout(SWEEP, self.woken.notified()).await;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "notices cannot be delivered now");
                    tokio::time::sleep(SWEEP).await;
                }
            }
        }
    }

    async fn deliver_due(&self) -> anyhow::Result<usize> {
        let client = db::connection(&self.pool).await?;
        let take = client
            .prepare_cached(
                "UPDATE notifications n SET attempts = n.attempts + 1, next_attempt_at = now() + interval '30 seconds' * (n.attempts + 1)
                FROM (
                    SELECT order_id, type, channel, about FROM notifications WHERE state = 'PENDING' AND next_attempt_at <= now()
                    ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
                ) due JOIN orders o ON o.id = due.order_id LEFT JOIN refunds r ON r.id = due.about
                WHERE (n.order_id, n.type, n.channel, n.about) = (due.order_id, due.type, due.channel, due.about)
                RETURNING n.order_id, n.type, n.channel, n.attempts,
                    CASE n.channel WHEN 'EMAIL' THEN o.contact_email ELSE o.contact_phone END, o.failure_reason,
                    n.about, o.currency, r.amount_minor",
            )
            .await?;
        let notices: Vec<Notice> = client.query(&take, &[&BATCH]).await?.iter().map(notice).collect::<Result<_, _>>()?;
        drop(client);
        let count = notices.len();
        let deliveries = stream::iter(notices).map(|notice| self.deliver(notice)).buffer_unordered(BATCH as usize);
        deliveries.collect::<Vec<anyhow::Result<()>>>().await.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(count)
    }

    async fn deliver(&self, notice: Notice) -> anyhow::Result<()> {
        let sent = match notice.channel.as_str() {
            "EMAIL" => self.email(&notice).await,
            "SMS" => self.sms(&notice).await,
            other => Err(anyhow!("unknown channel {other}")),
        };
        let (order_id, kind, channel, attempt) = (&notice.order_id, &notice.kind, &notice.channel, notice.attempt);
        let (state, provider_id, error) = match sent {
            Ok(provider_id) => {
                tracing::info!(%order_id, kind, channel, attempt, "{order_id}: {kind} sent by {channel}");
                ("SENT", Some(provider_id), None)
            }
            Err(error) => {
                let state = if attempt >= MAX_ATTEMPTS { "FAILED" } else { "PENDING" };
                let error = format!("{error:#}").replace(&notice.recipient, "…");
                tracing::warn!(%order_id, kind, channel, attempt, state, error, "{order_id}: {kind} could not be sent by {channel}");
                (state, None, Some(error))
            }
        };
        let client = db::connection(&self.pool).await?;
        let note = client
            .prepare_cached(
                "UPDATE notifications SET state = $4, provider_id = $5, last_error = $6
                WHERE (order_id, type, channel, about) = ($1, $2, $3, $7) AND state = 'PENDING'",
            )
            .await?;
        client.execute(&note, &[order_id, kind, channel, &state, &provider_id, &error, &notice.about]).await?;
        Ok(())
    }

    async fn email(&self, notice: &Notice) -> anyhow::Result<String> {
        let content = |text: &str| Content::builder().data(text).charset("UTF-8").build();
        let body = Body::builder().text(content(&notice.text)?).build();
        let message = Message::builder().subject(content(&format!("Your order {}", notice.order_id))?).body(body).build();
        let destination = Destination::builder().to_addresses(&notice.recipient).build();
        let sent = self.ses.send_email().source(&self.email_from).destination(destination).message(message).send().await;
        Ok(sent.context("SES")?.message_id)
    }

    async fn sms(&self, notice: &Notice) -> anyhow::Result<String> {
        let sent = self.sns.publish().phone_number(&notice.recipient).message(&notice.text).send().await;
        sent.context("SNS")?.message_id.context("SNS gave no message id")
    }
}

fn notice(row: &Row) -> anyhow::Result<Notice> {
    let (order_id, kind): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let reason: Option<String> = row.try_get(5)?;
    let text = match kind.as_str() {
        "ORDER_CONFIRMED" => format!("Your order {order_id} is confirmed. Thank you."),
        "ORDER_SHIPPED" => format!("A parcel of your order {order_id} is on its way."),
        "ORDER_DELIVERED" => format!("Your order {order_id} has arrived. Thank you."),
        "ORDER_CANCELLED" => format!("Your order {order_id} is cancelled. Nothing is charged."),
        "ORDER_REFUNDED" => {
            let currency = currency(row.try_get(7)?)?;
            let amount = Money { minor: row.try_get::<_, Option<i64>>(8)?.unwrap_or_default(), currency };
            format!("{amount} {} of your order {order_id} are on their way back to you.", currency.code())
        }
        _ => format!("Your order {order_id} could not be completed: {}. Nothing is charged.", reason.unwrap_or_default()),
    };
    Ok(Notice {
        order_id,
        kind,
        channel: row.try_get(2)?,
        about: row.try_get(6)?,
        attempt: row.try_get(3)?,
        recipient: row.try_get(4)?,
        text,
    })
}
