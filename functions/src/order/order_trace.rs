//! Lets a request that concerns an order join the order's trace.

use opentelemetry::Context;
use orders::OrderId;
use platform::{error::chain, read_model::ReadModel, trace};

/// Runs a call for an order in the order's trace, as the read model has it. The request's own trace
/// and the order's trace then have links to each other.
pub(crate) async fn in_order_trace<T>(read_model: &ReadModel, id: OrderId, call: impl Future<Output = T>) -> T {
    trace::within(find(read_model, id).await, call).await
}

async fn find(read_model: &ReadModel, id: OrderId) -> Option<Context> {
    if !trace::is_on() {
        return None;
    }
    match read_model.order_trace(id).await {
        Ok(found) => trace::join(id, &found),
        Err(error) => {
            tracing::warn!(order_id = %id, cause = chain(&error), "{id}: the trace is not known, so the call does not join it");
            None
        }
    }
}
