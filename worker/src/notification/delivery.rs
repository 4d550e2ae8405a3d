//! Sends recorded notifications by e-mail (SES) and SMS (SNS).
//!
//! Any number of workers lease due notifications from the table. A failed notification is retried
//! with growing pauses for `NOTICE_MAX_AGE_S` seconds, because somebody may first have to correct
//! the sender's setup. If the provider reports that the recipient is at fault, the notification is
//! given up at once. Neither outcome affects the order.

use super::{
    limits::{self, Suppression},
    notice::{DueNotification, NotificationKey},
    provider::{Failure, Provider},
    templates::Templates,
};
use crate::{
    config::Notifications,
    db::{self, millis},
    ops::busy::Busy,
    sql::notification as sql,
};
use anyhow::anyhow;
use aws_config::SdkConfig;
use deadpool_postgres::Pool;
use platform::{metrics::list, trace};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::Notify,
    task::JoinSet,
    time::{sleep, timeout},
};

/// How many notifications are sent at the same time.
const MAX_CONCURRENT: usize = 20;
/// The interval at which the table is read if nothing wakes the dispatcher.
const POLL_INTERVAL: Duration = Duration::from_secs(5);
/// The pause between a wake-up and the next read. Notifications that are recorded in this time are
/// found by the same read.
const GATHER_PAUSE: Duration = Duration::from_millis(100);
/// The pause after the first failed attempt. Each further failed attempt doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(30);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// The interval at which the counts of past windows are deleted.
const COUNT_CLEANUP_INTERVAL: Duration = Duration::from_secs(3600);

/// The notification dispatcher: sends recorded notifications to customers.
pub(crate) struct NotificationDispatcher {
    pool: Pool,
    provider: Provider,
    templates: Templates,
    settings: Notifications,
    busy: Busy,
    woken: Arc<Notify>,
}

/// The result of an attempt to send a notification.
enum Outcome {
    /// The field is the message's id at the provider.
    Sent(String),
    Failed(Failure),
    Suppressed(Suppression),
}

impl NotificationDispatcher {
    /// Creates the dispatcher and checks all templates.
    ///
    /// # Errors
    /// Fails if a template has a mistake.
    pub(crate) fn new(pool: Pool, aws: &SdkConfig, settings: &Notifications, busy: Busy) -> anyhow::Result<Self> {
        let provider = Provider {
            ses: aws_sdk_ses::Client::new(aws),
            sns: aws_sdk_sns::Client::new(aws),
            email_from: settings.email_from.clone(),
            configuration_set: settings.email_configuration_set.clone(),
        };
        let templates = Templates::load(settings.notice_templates.as_deref())?;
        Ok(Self { pool, provider, templates, settings: settings.clone(), busy, woken: Arc::default() })
    }

    /// The handle that wakes the dispatcher after a notification was recorded.
    pub(crate) fn waker(&self) -> Arc<Notify> {
        self.woken.clone()
    }

    /// Sends notifications for ever. A slow delivery delays only the later notifications of its own
    /// order.
    pub(crate) async fn run(self) {
        let dispatcher = Arc::new(self);
        let mut deliveries = JoinSet::new();
        let mut last_cleanup = Instant::now();
        loop {
            // Wait until half of the slots are free. One read of the table then serves several
            // notifications.
            if deliveries.len() <= MAX_CONCURRENT / 2 {
                match dispatcher.lease_due(MAX_CONCURRENT - deliveries.len()).await {
                    Ok(due) => {
                        for (key, notice) in due {
                            let dispatcher = dispatcher.clone();
                            let begun = dispatcher.busy.begin();
                            deliveries.spawn(async move {
                                let span = key.span();
                                trace::within(span.clone(), dispatcher.deliver(&key, notice)).await;
                                trace::end(span, None);
                                drop(begun);
                            });
                        }
                    }
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "notifications cannot be sent now");
                        sleep(POLL_INTERVAL).await;
                    }
                }
            }
            if last_cleanup.elapsed() > COUNT_CLEANUP_INTERVAL {
                last_cleanup = Instant::now();
                if let Err(error) = limits::delete_old_counts(&dispatcher.pool, &dispatcher.settings.limits).await {
                    tracing::warn!(error = format!("{error:#}"), "old notification counts cannot be deleted now");
                }
            }
            tokio::select! {
                Some(_) = deliveries.join_next() => while deliveries.try_join_next().is_some() {},
                _ = timeout(POLL_INTERVAL, dispatcher.woken.notified()) => sleep(GATHER_PAUSE).await,
            }
        }
    }

    /// Leases up to `count` due notifications. Only the earliest pending notification of each order
    /// and channel is due. A notification that cannot be read is an error in the list; it does not
    /// affect the others.
    async fn lease_due(&self, count: usize) -> anyhow::Result<Vec<(NotificationKey, anyhow::Result<DueNotification>)>> {
        let client = db::connection(&self.pool).await?;
        let due = sql::lease_due_notices(&client, i64::try_from(count)?).await?;
        due.iter().map(|row| Ok((NotificationKey::read(row)?, DueNotification::read(row, self.settings.page_url.as_deref())))).collect()
    }

    async fn deliver(&self, key: &NotificationKey, notice: anyhow::Result<DueNotification>) {
        let recipient = notice.as_ref().map(|notice| notice.recipient.clone()).unwrap_or_default();
        let outcome = match notice {
            Ok(notice) => self.send(key, &notice).await.unwrap_or_else(Outcome::Failed),
            Err(error) => Outcome::Failed(Failure::Temporary(error.context("the notification cannot be read"))),
        };
        if let Err(error) = self.record_attempt(key, &recipient, outcome).await {
            // The notification is sent again when its lease ends.
            let order_id = &key.order_id;
            tracing::warn!(
                order_id,
                error = format!("{error:#}"),
                "{order_id}: the result of a notification could not be recorded; it is sent again"
            );
        }
    }

    async fn send(&self, key: &NotificationKey, notice: &DueNotification) -> Result<Outcome, Failure> {
        if let Some(suppression) = self.suppression_for(key, notice).await? {
            return Ok(Outcome::Suppressed(suppression));
        }
        let (kind, recipient) = (key.template_kind(), &notice.recipient);
        let provider_id = match key.channel.as_str() {
            "EMAIL" => self.provider.send_email(recipient, &self.templates.render_mail(&kind, &notice.facts)?).await,
            "SMS" => self.provider.send_sms(recipient, &self.templates.render_sms(&kind, &notice.facts)?).await,
            other => Err(Failure::Refused(anyhow!("unknown channel {other}"))),
        }?;
        Ok(Outcome::Sent(provider_id))
    }

    /// Why the notification must not be sent, or `None` if it may be sent. A notification that may
    /// be sent is counted towards its limits, unless it was counted before.
    async fn suppression_for(&self, key: &NotificationKey, notice: &DueNotification) -> anyhow::Result<Option<Suppression>> {
        if notice.is_out_of_date {
            return Ok(Some(Suppression::out_of_date()));
        }
        if key.channel == "SMS"
            && let Some(suppression) = Suppression::blocked_destination(&notice.recipient, &self.settings)
        {
            return Ok(Some(suppression));
        }
        if notice.skips_limits { Ok(None) } else { limits::count_towards_limits(&self.pool, key, &self.settings.limits).await }
    }

    /// Records the result of an attempt, without the recipient's address. The order's later
    /// notifications on the channel have waited for this one. They become due together with it if
    /// it is still PENDING, and otherwise at once.
    async fn record_attempt(&self, key: &NotificationKey, recipient: &str, outcome: Outcome) -> anyhow::Result<()> {
        let NotificationKey { order_id, kind, channel, about, attempt, trace: _ } = key;
        let (state, provider_id, error) = match outcome {
            Outcome::Sent(provider_id) => {
                tracing::info!(order_id, kind, channel, attempt, "{order_id}: {kind} sent by {channel}");
                ("SENT", Some(provider_id), None)
            }
            Outcome::Suppressed(Suppression { reason, text }) => {
                tracing::warn!(order_id, kind, channel, reason, "{order_id}: {kind} by {channel} suppressed: {text}");
                list::NOTIFICATIONS_SUPPRESSED.increment(&[reason]);
                ("SUPPRESSED", None, Some(text))
            }
            Outcome::Failed(failure) => {
                let (state, error) = match failure {
                    Failure::Temporary(error) => ("PENDING", error),
                    Failure::Refused(error) => ("FAILED", error),
                };
                trace::fail(if state == "FAILED" { "refused" } else { "failed" });
                let error = redact(recipient, &format!("{error:#}"));
                tracing::warn!(order_id, kind, channel, attempt, state, error, "{order_id}: {kind} could not be sent by {channel}");
                (state, None, Some(error))
            }
        };
        list::NOTIFICATION_ATTEMPTS.increment(&[channel, state]);
        let client = db::connection(&self.pool).await?;
        let attempt = sql::Attempt {
            order_id,
            kind,
            channel,
            about,
            state,
            provider_id: provider_id.as_deref(),
            error: error.as_deref(),
            pause_ms: millis(pause_after(*attempt)),
            max_age_ms: millis(self.settings.notice_max_age),
        };
        sql::record_attempt(&client, attempt).await?;
        Ok(())
    }
}

/// The pause before the next attempt, after `attempts` failed ones.
fn pause_after(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts - 1).unwrap_or_default().min(16);
    FIRST_PAUSE.saturating_mul(1 << doublings).min(LONGEST_PAUSE)
}

/// Replaces each occurrence of `address` in `text` by `…`.
fn redact(address: &str, text: &str) -> String {
    if address.is_empty() { text.to_owned() } else { text.replace(address, "…") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_an_hour() {
        let pauses: Vec<u64> = [1, 2, 3, 7, 8, 100].into_iter().map(|attempts| pause_after(attempts).as_secs()).collect();
        assert_eq!(pauses, [30, 60, 120, 1_920, 3_600, 3_600]);
    }
}
