//! The paths of orders whose workflow has more than one run.

use super::{connect, folder, save, write};
use crate::{
    shipping::{MANUAL_CARRIER, send_tracking_event, tracking_event},
    support::{Draft, FAST, until, with_own_stack},
};
use ::orders::workflow::OrderWorkflowType;
use anyhow::Context as _;
use serde_json::Value;
use std::{fs, time::Duration};
use temporalio_client::{WorkflowDescribeOptions, WorkflowExecutionInfo};

const TIMEOUT: Duration = Duration::from_secs(30);

/// The first run of a workflow with a long history, and the run that follows it.
pub(super) const PATHS: &[&str] = &["continued_as_new", "resumed_on_its_way"];

#[test]
#[ignore = "records histories: make record-histories"]
fn record() {
    if PATHS.iter().all(|path| folder().join(format!("{path}.json")).exists()) {
        return;
    }
    let short = [("TEMPORAL_DYNAMIC_CONFIG", "limit.historyCount.suggestContinueAsNew=30"), ("CARRIER_POLL_S", "1")];
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER, &short].concat(), async |shop| {
        fs::create_dir_all(folder())?;
        let product = shop.product(1_000, 10).await?;
        let id = shop.place(&Draft::new("CUST-001").line(&product, 1)).await?;
        shop.reaches(&id, &["PAID"]).await?;
        let client = connect(shop).await?;
        let handle = client.get_workflow_handle::<OrderWorkflowType>(id.clone());
        let run = async || anyhow::Ok(handle.describe(WorkflowDescribeOptions::default()).await?.run_id().to_owned());
        let first = run().await?;
        send_tracking_event(shop, &tracking_event(&id, 1, "IN_TRANSIT")).await?;
        until("it is continued as new", TIMEOUT, async || Ok((run().await? != first).then_some(()))).await?;
        let info = WorkflowExecutionInfo::builder().namespace("default").workflow_id(id.clone()).run_id(first).build();
        let history = info.bind_untyped(client).fetch_history(Default::default()).to_json().await?;
        let history: Value = serde_json::from_slice(&history).context("the first run's history")?;
        write("continued_as_new", history)?;
        send_tracking_event(shop, &tracking_event(&id, 1, "DELIVERED")).await?;
        shop.ends(&id, "COMPLETED").await?;
        save(shop, "resumed_on_its_way", &id).await?;
        shop.audit_is_clean().await
    });
}
