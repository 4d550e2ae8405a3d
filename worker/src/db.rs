//! Connections to Postgres.
//!
//! A Postgres server may become read-only while connections to it are open, because another server
//! has become the primary. Nothing closes these connections. When the worker notices this
//! ([`drop_connections_if_read_only`]), it drops all connections that it has opened so far. New
//! connections go to a server that accepts writes.

mod access;
pub(crate) mod role;
mod tls;

use crate::config;
pub(crate) use access::Access;
use anyhow::Context;
use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime, Timeouts};
use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio_postgres::{config::TargetSessionAttrs, error::SqlState};

/// The time limit for one statement, in milliseconds. It is shorter than the timeout of a step's
/// first attempt. So Postgres cancels a slow statement before the attempt ends, and no statement
/// stays behind.
const STATEMENT_TIMEOUT_MS: u32 = 4_500;

/// The time limit for a connection: to wait for a free one, to open one, or to check one.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(3);

/// The time of the last call of [`drop_connections`]. Connections that this process opened until
/// then are not used again, because their Postgres is read-only.
static CONNECTIONS_DROPPED_AT: Mutex<Option<Instant>> = Mutex::new(None);

/// Creates the connection pool that the activities share. Its connections go to a Postgres server
/// that accepts writes. They are opened when needed and replaced when lost.
///
/// # Errors
/// Fails if the settings do not allow a connection, or the pool's size is 0. It does not fail if
/// Postgres is unreachable.
pub(crate) async fn pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    create_pool(settings, TargetSessionAttrs::ReadWrite).await
}

/// Creates a connection pool for reading. Its connections may go to a replica.
///
/// # Errors
/// As [`pool`].
pub(crate) async fn reading_pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    create_pool(settings, TargetSessionAttrs::Any).await
}

async fn create_pool(settings: &config::Postgres, target: TargetSessionAttrs) -> anyhow::Result<Pool> {
    let access = Access::new(settings).await?;
    let mut options = access.options();
    // The statements of an order find rows by their keys. A new plan for each order's values would
    // cost more than the statement itself.
    options.options(format!(
        "-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000 -c plan_cache_mode=force_generic_plan"
    ));
    options.target_session_attrs(target);
    let manager = Manager::from_connect(options, access, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let timeout = Some(CONNECTION_TIMEOUT);
    Pool::builder(manager)
        .max_size(settings.postgres_pool_size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { wait: timeout, create: timeout, recycle: timeout })
        .pre_recycle(Hook::sync_fn(|_, connection| {
            let dropped_at = *CONNECTIONS_DROPPED_AT.lock().unwrap_or_else(PoisonError::into_inner);
            if dropped_at.is_some_and(|dropped_at| connection.created <= dropped_at) {
                Err(HookError::message("Postgres is read-only"))
            } else {
                Ok(())
            }
        }))
        .build()
        .context("POSTGRES_POOL_SIZE")
}

/// Takes a connection from the pool.
pub(crate) async fn connection(pool: &Pool) -> anyhow::Result<Object> {
    pool.get().await.context("Postgres cannot be reached")
}

/// If the error says that Postgres does not accept writes, drops all connections that are open now.
pub(crate) fn drop_connections_if_read_only(pool: &Pool, error: &anyhow::Error) {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    if causes.any(|cause| cause.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)) {
        drop_connections(pool);
    }
}

/// Drops all connections that are open now. A connection in use is dropped when it returns to the
/// pool.
pub(crate) fn drop_connections(pool: &Pool) {
    *CONNECTIONS_DROPPED_AT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    let dropped = pool.retain(|_, _| false).removed.len();
    tracing::warn!(dropped, "Postgres is read-only; dropped the connections to it");
}

/// The duration in milliseconds, as the SQL statements take it.
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
