//! Processes are killed, restarted and frozen.

use super::{FaultContext, Server, TARGET_TIMEOUT};
use crate::support::until;
use anyhow::Result;
use std::{sync::Arc, time::Duration};

fn server(context: &FaultContext<'_>, server: Server) -> Arc<local::Server> {
    let stack = &context.shop.stack;
    match server {
        Server::Worker => stack.workers[0].clone(),
        Server::Api => stack.api.clone(),
        Server::Temporal => stack.temporal.clone(),
        Server::Postgres => stack.postgres.clone(),
        Server::Emulator => stack.emulator.clone(),
    }
}

pub(super) async fn kill(context: &FaultContext<'_>, which: Server) -> Result<()> {
    let server = server(context, which);
    server.kill().await?;
    server.start().await
}

pub(super) async fn restart(context: &FaultContext<'_>, which: Server) -> Result<()> {
    server(context, which).restart().await
}

pub(super) async fn freeze(context: &FaultContext<'_>, which: Server, duration: Duration) {
    let server = server(context, which);
    server.pause();
    tokio::time::sleep(duration).await;
    server.resume();
}

/// Arms a fail point for each activity. Whenever one has ended the worker, the worker is started
/// again.
pub(super) async fn kill_after_effect(context: &FaultContext<'_>, activities: &[&str]) -> Result<()> {
    let worker = &context.shop.stack.workers[0];
    for activity in activities {
        context.fail_points.arm(activity)?;
    }
    until("each fail point has ended the worker", TARGET_TIMEOUT, async || {
        if worker.pid().is_some() {
            return Ok(None);
        }
        // While the worker is dead, nothing changes the armed fail points.
        let armed = context.fail_points.armed()?;
        worker.launch()?;
        Ok(armed.is_empty().then_some(()))
    })
    .await
}
