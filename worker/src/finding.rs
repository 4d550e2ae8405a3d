//! What somebody should look into and no loop tries again: a message of another system that does not fit what is on record. Findings stand among the
//! failing rows, so the audit names them and staff see them; `worker dismiss` takes one away once it is looked into.

use crate::{config, db, failing::FINDINGS, sql::Client, sql::failing as sql};
use anyhow::{Context, ensure};

/// The most findings that are kept: others may send what they like.
const MOST: i64 = 1_000;
/// The longest subject, in bytes.
const SUBJECT_BYTES: usize = 200;

/// Records a finding, once for each subject. It must hold nothing personal.
///
/// # Errors
/// When Postgres does not take it.
pub(crate) async fn record(client: &dyn Client, subject: &str, detail: &str) -> anyhow::Result<()> {
    let subject = &subject[..subject.floor_char_boundary(SUBJECT_BYTES)];
    sql::record_finding(client, FINDINGS, subject, detail, MOST).await?;
    tracing::warn!(subject, detail, "{subject}: {detail}");
    Ok(())
}

/// `worker dismiss`: takes a finding away.
///
/// # Errors
/// When Postgres does not answer, or there is no such finding.
pub async fn dismiss(settings: config::Dismiss) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let dismissed = sql::dismiss_finding(&client, FINDINGS, &settings.subject).await?;
    ensure!(dismissed == 1, "there is no finding {:?}", settings.subject);
    Ok(())
}
