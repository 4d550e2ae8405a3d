//! The `RestockProduct` activity. It does not act on an order, so it cannot use the code for
//! attempts of an order's activities. It writes its own log line and metrics.

use super::Activities;
#[cfg(debug_assertions)]
use super::attempt::fail_point;
use crate::{db, ops::metrics, stock::restock};
use anyhow::anyhow;
use orders::restock::{RestockInput, Restocked};
use std::time::Instant;
use temporalio_common::error::ApplicationFailure;
use temporalio_sdk::activities::{ActivityContext, ActivityError};

impl Activities {
    /// Adds the units of a restock. This is one statement, so it sends no heartbeats. Its time
    /// limit is shorter than the heartbeat timeout.
    pub(super) async fn add_units(&self, ctx: &ActivityContext, restock: &RestockInput) -> Result<Restocked, ActivityError> {
        let (started, _begun) = (Instant::now(), self.busy.begin());
        let (activity, attempt) = (ctx.info().activity_type.as_str(), ctx.info().attempt);
        let limit = self.limits.local_limit.min(self.limits.attempt_limit).min(self.limits.heartbeat_limit).mul_f32(0.95);
        let work = async { restock::record_restock(&db::connection(&self.pool).await?, restock).await };
        let result = tokio::time::timeout(limit, work).await;
        let result = result.unwrap_or_else(|_| Err(anyhow!("no answer within {} ms", limit.as_millis())));
        let (id, product_id, took) = (restock.id, &restock.product_id, started.elapsed());
        match result {
            Ok(restocked) => {
                #[cfg(debug_assertions)]
                fail_point::reached(activity);
                metrics::count_attempt(activity, "ok", took);
                let (quantity, stock) = (restock.request.quantity, restocked.stock);
                tracing::info!(restock_id = %id, product_id, attempt, quantity, stock, "{id}: restock of {quantity} units of {product_id} completed");
                Ok(restocked)
            }
            Err(error) => {
                metrics::count_attempt(activity, "failed", took);
                db::drop_connections_if_read_only(&self.pool, &error);
                let error = format!("{error:#}");
                tracing::warn!(restock_id = %id, product_id, attempt, error, "{id}: {activity} failed, will be tried again: {error}");
                Err(ActivityError::application(ApplicationFailure::new(anyhow!(error))))
            }
        }
    }
}
