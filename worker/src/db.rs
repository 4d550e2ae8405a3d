//! Connections to Postgres.

use crate::config;
use anyhow::Context;
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::time::Duration;
use tokio_postgres::NoTls;

/// How long a statement may run. Shorter than a step's first attempt, so that Postgres gives up before we do and nothing lingers.
const STATEMENT_TIMEOUT_MS: u32 = 4_500;

/// The options of a connection to the configured database.
pub(crate) fn options(settings: &config::Postgres) -> tokio_postgres::Config {
    let mut options = tokio_postgres::Config::new();
    options
        .host(&settings.postgres_host)
        .port(settings.postgres_port)
        .dbname(&settings.postgres_db)
        .user(&settings.postgres_user)
        .password(&settings.postgres_password)
        .application_name("orderflow-worker")
        .connect_timeout(Duration::from_secs(3))
        .keepalives_idle(Duration::from_secs(10))
        .tcp_user_timeout(Duration::from_secs(15));
    options
}

/// The connections that the activities share. They are made as needed and replaced when lost.
///
/// # Errors
/// When the size is 0.
pub(crate) fn pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    let mut options = options(settings);
    options.options(format!("-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000"));
    let manager = Manager::from_config(options, NoTls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
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
