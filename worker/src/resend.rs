//! `worker notify resend`: staff send a message to a customer again, such as one that was given up while SES refused the sender.

use crate::{config, db};
use anyhow::{Context, ensure};
use deadpool_postgres::GenericClient;

/// Marks the messages of this kind about an order as due. A running worker sends them.
///
/// # Errors
/// When there is no such message, or Postgres does not answer.
pub async fn run(settings: config::Resend) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let count = record(&client, &settings.order, &settings.kind, settings.channel.as_deref()).await?;
    ensure!(count > 0, "{}: there is no {} that could be sent again", settings.order, settings.kind);
    println!("{}: {} is sent again ({count})", settings.order, settings.kind);
    Ok(())
}

/// Makes the messages due as if they were new, but admitted by all limits; answers how many. One that is being sent just now is left alone, and
/// so is one whose time has not come because an earlier one waits.
async fn record(client: &impl GenericClient, order_id: &str, kind: &str, channel: Option<&str>) -> anyhow::Result<u64> {
    let resend = client
        .prepare_cached(
            "UPDATE notifications SET state = 'PENDING', attempts = 0, admitted = true, due_since = now(), next_attempt_at = now(),
                last_error = NULL
            WHERE order_id = $1 AND type = $2 AND channel <> 'NONE' AND channel = coalesce($3, channel)
            AND (state <> 'PENDING' OR next_attempt_at > now() + interval '1 minute')",
        )
        .await?;
    Ok(client.execute(&resend, &[&order_id, &kind, &channel]).await?)
}
