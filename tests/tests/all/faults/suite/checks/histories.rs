//! Replays the histories of a run's workflows with other timeouts than those of the run.

use crate::{
    faults::suite::context::FaultContext,
    histories::{self, connect},
};
use ::orders::workflow::OrderWorkflowType;
use anyhow::{Context as _, Result};
use serde_json::Value;

/// A timeout that no worker of a run has.
const LIMIT_MS: u64 = 40_000;

/// Replays up to `count` workflows of orders and up to `count` of refunds, spread evenly over the
/// run. Returns how many were replayed.
pub(super) async fn replay(context: &FaultContext<'_>, count: usize) -> Result<usize> {
    let db = context.shop.db().await?;
    let client = connect(context.shop).await?;
    let mut replayed = 0;
    for query in ["SELECT id FROM orders ORDER BY id", "SELECT id FROM refunds ORDER BY id"] {
        let ids: Vec<String> = db.query(query, &[]).await?.iter().map(|row| row.get(0)).collect();
        for id in ids.iter().step_by(ids.len().div_ceil(count).max(1)) {
            let handle = client.get_workflow_handle::<OrderWorkflowType>(id.clone());
            let history = handle.fetch_history(Default::default()).to_json().await.with_context(|| format!("the history of {id}"))?;
            let history: Value = serde_json::from_slice(&history)?;
            if let Err(error) = histories::replay(&history, histories::settings(LIMIT_MS)).await {
                context.record.breach(format!("the history of {id} does not replay: {error:#}"));
            }
            replayed += 1;
        }
    }
    Ok(replayed)
}
