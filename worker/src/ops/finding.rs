//! Findings: things that somebody should look into and that no loop retries, such as a message of
//! another system that contradicts the records. Findings are stored as failing rows, so the audit
//! lists them and staff see them. `worker dismiss` deletes a finding once somebody has looked into
//! it.

use crate::{config, db, ops::failing::FINDINGS, sql::Client, sql::failing as sql};
use anyhow::{Context, ensure};

/// The maximum number of stored findings. Other systems can send any number of wrong messages.
const MAX_FINDINGS: i64 = 1_000;
/// The longest subject, in bytes.
const MAX_SUBJECT_BYTES: usize = 200;

/// Records a finding, once for each subject. Neither text may contain personal data.
///
/// # Errors
/// Fails if Postgres does not accept the record.
pub(crate) async fn record_finding(client: &dyn Client, subject: &str, detail: &str) -> anyhow::Result<()> {
    let subject = &subject[..subject.floor_char_boundary(MAX_SUBJECT_BYTES)];
    sql::record_finding(client, FINDINGS, subject, detail, MAX_FINDINGS).await?;
    tracing::warn!(subject, detail, "{subject}: {detail}");
    Ok(())
}

/// `worker dismiss`: deletes a finding.
///
/// # Errors
/// Fails if Postgres does not answer, or there is no such finding.
pub async fn dismiss(settings: config::Dismiss) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let client = db::pool(&settings.postgres).await?.get().await.context("Postgres cannot be reached")?;
    let dismissed = sql::dismiss_finding(&client, FINDINGS, &settings.subject).await?;
    ensure!(dismissed == 1, "there is no finding {:?}", settings.subject);
    Ok(())
}
