//! `worker notify resend`: staff send a message to a customer again, such as one that was given up while SES refused the sender.

use crate::{config, db, sql::notification::resend_notice};
use anyhow::{Context, ensure};

/// Makes the messages of this kind about an order due as if they were new, but admitted by all limits. A running worker sends them. One that is
/// being sent just now is left alone, and so is one whose time has not come because an earlier one waits.
///
/// # Errors
/// When there is no such message, or Postgres does not answer.
pub async fn run(settings: config::Resend) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let count = resend_notice(&client, &settings.order, &settings.kind, settings.channel.as_deref()).await?;
    ensure!(count > 0, "{}: there is no {} that could be sent again", settings.order, settings.kind);
    println!("{}: {} is sent again ({count})", settings.order, settings.kind);
    Ok(())
}
