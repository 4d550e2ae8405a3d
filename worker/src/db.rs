//! Connections to Postgres.
//!
//! A Postgres server may become read-only while connections to it are open: its primary was
//! demoted, and another server is now the primary. Nothing closes these connections. When the
//! worker notices this ([`note`]), it drops all connections that it has opened so far. New
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

/// The time of the last call of [`leave`]. Connections that this process opened until then are not
/// used again, because their Postgres is read-only.
static LEFT: Mutex<Option<Instant>> = Mutex::new(None);

/// Creates the connection pool that the activities share. Its connections go to a Postgres server
/// that accepts writes. They are opened when needed and replaced when lost.
///
/// # Errors
/// Fails if the settings do not allow a connection, or the pool's size is 0. It does not fail if
/// Postgres is unreachable.
pub(crate) async fn pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    pool_to(settings, TargetSessionAttrs::ReadWrite).await
}

/// Creates a connection pool for reading. Its connections may go to a replica.
///
/// # Errors
/// As [`pool`].
pub(crate) async fn reading_pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    pool_to(settings, TargetSessionAttrs::Any).await
}

async fn pool_to(settings: &config::Postgres, target: TargetSessionAttrs) -> anyhow::Result<Pool> {
    let access = Access::new(settings).await?;
    let mut options = access.options();
    // The statements of an order find rows by their keys. A new plan for each order's values would
    // cost more than the statement itself.
    options.options(format!(
        "-c statement_timeout={STATEMENT_TIMEOUT_MS} -c idle_in_transaction_session_timeout=10000 -c plan_cache_mode=force_generic_plan"
    ));
    options.target_session_attrs(target);
    let manager = Manager::from_connect(options, access, ManagerConfig { recycling_method: RecyclingMethod::Fast });
    let limit = Some(Duration::from_secs(3));
    Pool::builder(manager)
        .max_size(settings.postgres_pool_size)
        .runtime(Runtime::Tokio1)
        .timeouts(Timeouts { wait: limit, create: limit, recycle: limit })
        .pre_recycle(Hook::sync_fn(|_, connection| {
            let left = *LEFT.lock().unwrap_or_else(PoisonError::into_inner);
            if left.is_some_and(|left| connection.created <= left) { Err(HookError::message("Postgres turned read-only")) } else { Ok(()) }
        }))
        .build()
        .context("POSTGRES_POOL_SIZE")
}

/// Takes a connection from the pool.
pub(crate) async fn connection(pool: &Pool) -> anyhow::Result<Object> {
    pool.get().await.context("Postgres cannot be reached")
}

/// If the error says that Postgres does not accept writes, drops all connections that are open now.
pub(crate) fn note(pool: &Pool, error: &anyhow::Error) {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    if causes.any(|cause| cause.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)) {
        leave(pool);
    }
}

/// Drops all connections that are open now. A connection in use is dropped when it returns to the
/// pool.
pub(crate) fn leave(pool: &Pool) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    let dropped = pool.retain(|_, _| false).removed.len();
    tracing::warn!(dropped, "Postgres turned read-only: the connections to it are dropped");
}
