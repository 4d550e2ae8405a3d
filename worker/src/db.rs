//! Connections to Postgres.

mod access;
pub(crate) mod role;
mod tls;

use crate::config;
pub(crate) use access::Access;
use anyhow::Context;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::time::Duration;

/// How long a statement may run. Shorter than a step's first attempt, so that Postgres gives up before we do and nothing lingers.
const STATEMENT_TIMEOUT_MS: u32 = 4_500;

/// The connections that the activities share. They are made as needed and replaced when lost.
///
/// # Errors
/// When the settings do not say how to get into Postgres, or the size is 0. That Postgres is away is no error.
pub(crate) async fn pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    let access = Access::new(settings).await?;
    let mut options = access.options();
    // The statements of an order find rows by their keys: planning them anew for each order's values costs more than running them.
    options.options(format!(
        "-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000 -c plan_cache_mode=force_generic_plan"
    ));
    let manager = Manager::from_connect(options, access, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let limit = Some(Duration::from_secs(3));
    Pool::builder(manager)
        .max_size(settings.postgres_pool_size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
        .build()
        .context("POSTGRES_POOL_SIZE")
}

/// A connection from the pool.
pub(crate) async fn connection(pool: &Pool) -> anyhow::Result<Object> {
    pool.get().await.context("Postgres cannot be reached")
}
