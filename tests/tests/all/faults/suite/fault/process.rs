//! Processes are killed, restarted and frozen.

use super::{OPPORTUNITY, Server, Site};
use crate::support::until;
use anyhow::Result;
use std::{sync::Arc, time::Duration};

fn server(site: &Site<'_>, server: Server) -> Arc<local::Server> {
    let stack = &site.shop.stack;
    match server {
        Server::Worker => stack.workers[0].clone(),
        Server::Api => stack.api.clone(),
        Server::Temporal => stack.temporal.clone(),
        Server::Postgres => stack.postgres.clone(),
        Server::Emulator => stack.emulator.clone(),
    }
}

pub(super) async fn kill(site: &Site<'_>, which: Server) -> Result<()> {
    let server = server(site, which);
    server.kill().await?;
    server.start().await
}

pub(super) async fn restart(site: &Site<'_>, which: Server) -> Result<()> {
    server(site, which).restart().await
}

pub(super) async fn freeze(site: &Site<'_>, which: Server, duration: Duration) {
    let server = server(site, which);
    server.pause();
    tokio::time::sleep(duration).await;
    server.resume();
}

/// Arms a fail point for each activity. Whenever one has ended the worker, the worker is started
/// again.
pub(super) async fn dies_after_effect(site: &Site<'_>, activities: &[&str]) -> Result<()> {
    let worker = &site.shop.stack.workers[0];
    for activity in activities {
        site.fail_points.arm(activity)?;
    }
    until("each fail point has ended the worker", OPPORTUNITY, async || {
        if worker.pid().is_some() {
            return Ok(None);
        }
        // While the worker is dead, nothing changes the armed fail points.
        let armed = site.fail_points.armed()?;
        worker.launch()?;
        Ok(armed.is_empty().then_some(()))
    })
    .await
}
