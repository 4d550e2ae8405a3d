//! Delivers recorded notices by e-mail (SES) and SMS (SNS).
//!
//! Any number of workers take due notices from the table. A notice that cannot be delivered is given up after [`MAX_ATTEMPTS`], or at once when the
//! provider refuses it for good; the order does not care.

use super::{
    notice::{Notice, TAKE},
    provider::{Failure, Provider},
    templates::Templates,
};
use crate::{config::Notices, db};
use anyhow::anyhow;
use aws_config::SdkConfig;
use deadpool_postgres::Pool;
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;

/// Attempts to deliver a notice before it is given up.
const MAX_ATTEMPTS: i32 = 5;
/// Notices taken at once, and delivered side by side.
const BATCH: i64 = 20;
/// How often the table is looked at without being woken.
const SWEEP: Duration = Duration::from_secs(5);
/// How long a notice may wait for others that are recorded about then, so that one look finds them all.
const GATHER: Duration = Duration::from_millis(100);

/// Takes notices to their customers.
pub(crate) struct Courier {
    pool: Pool,
    provider: Provider,
    templates: Templates,
    page_url: Option<String>,
    woken: Arc<Notify>,
}

impl Courier {
    /// # Errors
    /// When a template has a mistake.
    pub(crate) fn new(pool: Pool, aws: &SdkConfig, settings: &Notices) -> anyhow::Result<Self> {
        let provider = Provider {
            ses: aws_sdk_ses::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            email_from: settings.email_from.clone(),
            configuration_set: settings.email_configuration_set.clone(),
        };
        let templates = Templates::new(settings.notice_templates.as_deref())?;
        Ok(Self { pool, provider, templates, page_url: settings.page_url.clone(), woken: Arc::default() })
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
                    tokio::time::sleep(GATHER).await;
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
        let take = client.prepare_cached(TAKE).await?;
        let rows = client.query(&take, &[&BATCH]).await?;
        drop(client);
        let notices: Vec<Notice> = rows.iter().map(|row| Notice::read(row, self.page_url.as_deref())).collect::<Result<_, _>>()?;
        let count = notices.len();
        let deliveries = stream::iter(notices).map(|notice| self.deliver(notice)).buffer_unordered(BATCH as usize);
        deliveries.collect::<Vec<anyhow::Result<()>>>().await.into_iter().collect::<anyhow::Result<()>>()?;
        Ok(count)
    }

    async fn deliver(&self, notice: Notice) -> anyhow::Result<()> {
        let sent = self.send(&notice).await;
        let (order_id, kind, channel, attempt) = (&notice.facts.order_id, &notice.kind, &notice.channel, notice.attempt);
        let (state, provider_id, error) = match sent {
            Ok(provider_id) => {
                tracing::info!(%order_id, kind, channel, attempt, "{order_id}: {kind} sent by {channel}");
                ("SENT", Some(provider_id), None)
            }
            Err(failure) => {
                let (state, error) = match failure {
                    Failure::Temporary(error) if attempt < MAX_ATTEMPTS => ("PENDING", error),
                    Failure::Temporary(error) | Failure::Refused(error) => ("FAILED", error),
                };
                let error = without(&notice.recipient, &format!("{error:#}"));
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

    /// Answers the message's id at the provider.
    async fn send(&self, notice: &Notice) -> Result<String, Failure> {
        let (kind, recipient) = (notice.template(), &notice.recipient);
        match notice.channel.as_str() {
            "EMAIL" => self.provider.email(recipient, &self.templates.mail(&kind, &notice.facts)?).await,
            "SMS" => self.provider.sms(recipient, &self.templates.sms(&kind, &notice.facts)?).await,
            other => Err(Failure::Refused(anyhow!("unknown channel {other}"))),
        }
    }
}

/// A text in which an address does not appear.
fn without(address: &str, text: &str) -> String {
    if address.is_empty() { text.to_owned() } else { text.replace(address, "…") }
}
