//! Connections to Postgres.
//!
//! A Postgres may turn read-only under connections that stand: its primary was demoted, and another server is primary now. Nothing closes these
//! connections, so whoever notices says so ([`note`]): all that were made until then are dropped, and new ones go to a server that takes writes.

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

/// How long a statement may run. Shorter than a step's first attempt, so that Postgres gives up before we do and nothing lingers.
const STATEMENT_TIMEOUT_MS: u32 = 4_500;

/// Connections of this process that were made until then are not used again: their Postgres is read-only.
static LEFT: Mutex<Option<Instant>> = Mutex::new(None);

/// The connections that the activities share, to a Postgres that takes writes. They are made as needed and replaced when lost.
///
/// # Errors
/// When the settings do not say how to get into Postgres, or the size is 0. That Postgres is away is no error.
pub(crate) async fn pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    pool_to(settings, TargetSessionAttrs::ReadWrite).await
}

/// Connections for who reads only; a replica will do.
///
/// # Errors
/// As [`pool`].
pub(crate) async fn reading_pool(settings: &config::Postgres) -> anyhow::Result<Pool> {
    pool_to(settings, TargetSessionAttrs::Any).await
}

async fn pool_to(settings: &config::Postgres, target: TargetSessionAttrs) -> anyhow::Result<Pool> {
    let access = Access::new(settings).await?;
    let mut options = access.options();
    // The statements of an order find rows by their keys: planning them anew for each order's values costs more than running them.
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

/// A connection from the pool.
pub(crate) async fn connection(pool: &Pool) -> anyhow::Result<Object> {
    pool.get().await.context("Postgres cannot be reached")
}

/// Takes note of an error: when it says that Postgres does not take writes, all connections of now are left.
pub(crate) fn note(pool: &Pool, error: &anyhow::Error) {
    let mut causes = error.chain().filter_map(|cause| cause.downcast_ref::<tokio_postgres::Error>());
    if causes.any(|cause| cause.code() == Some(&SqlState::READ_ONLY_SQL_TRANSACTION)) {
        leave(pool);
    }
}

/// Drops all connections of now. Those in use are dropped when they come back.
pub(crate) fn leave(pool: &Pool) {
    *LEFT.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    let dropped = pool.retain(|_, _| false).removed.len();
    tracing::warn!(dropped, "Postgres turned read-only: the connections to it are dropped");
}
