//! `worker notify resend`: sends a message to a customer again. An example is a message that was
//! given up while SES refused the sender.

use crate::{config, db, sql::notification::resend_notice};
use anyhow::{Context, ensure};

/// Makes the messages of one kind about an order due as if they were new, but without limits. A
/// running worker then sends them. A message that is being sent at this moment is not changed. A
/// message still waits for the earlier messages of its order and channel.
///
/// # Errors
/// Fails if there is no such message, or Postgres does not answer.
pub async fn run(settings: config::Resend) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let count = resend_notice(&client, &settings.order, &settings.kind, settings.channel.as_deref()).await?;
    ensure!(count > 0, "{}: no {} can be sent again: none recorded, or it is being sent now", settings.order, settings.kind);
    println!("{}: {} is sent again ({count})", settings.order, settings.kind);
    Ok(())
}
