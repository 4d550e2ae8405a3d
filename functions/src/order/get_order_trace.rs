//! `GET /api/orders/{id}/trace`: returns the spans of an order's trace. Only for staff.

use crate::{
    http::{OrderPath, PER_CALLER_CACHING, Problem},
    identity::{Caller, Identity},
    traces::Traces,
};
use axum::{
    Json, Router,
    extract::{FromRef, State},
    response::IntoResponse,
    routing::get,
};
use platform::read_model::ReadModel;
use std::sync::Arc;

const PATH: &str = "/api/orders/{id}/trace";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
    Arc<Traces>: FromRef<S>,
{
    Router::new().route(PATH, get(get_order_trace))
}

/// Read an order's trace
///
/// Where the time of an order was spent, for the shop's staff: the spans of its trace, from the
/// request that placed it, in the sequence in which they began. In AWS, the answer has no spans but
/// only the trace's id, with which X-Ray shows them. The answer is 404 if the order was placed while
/// tracing was off, or if nothing of the trace is kept any more.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "getOrderTrace",
        tag = "orders",
        security(("token" = [])),
        params(OrderPath),
        responses(
            (
                status = 200,
                description = "The trace.",
                body = crate::traces::OrderTraceView,
                headers(("Cache-Control"), ("Vary")),
                example = json!({
                    "traceID": "4bf92f3577b34da6a3ce929d0e0e4736",
                    "sampled": true,
                    "spans": [
                        { "id": "00f067aa0ba902b7", "part": "api", "name": "POST /api/orders", "startMicros": 0, "durationMicros": 9120 },
                        {
                            "id": "53995c3f42cd8ad8",
                            "parentID": "00f067aa0ba902b7",
                            "part": "worker",
                            "name": "RunActivity:ProcessPayment",
                            "startMicros": 31000,
                            "durationMicros": 5100,
                            "attempt": 1,
                            "error": "failed"
                        }
                    ],
                    "truncated": false
                })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::StaffOnly,
            crate::openapi::TraceNotFound,
            crate::openapi::Unavailable
        )
    )
)]
async fn get_order_trace(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    State(traces): State<Arc<Traces>>,
    OrderPath(id): OrderPath,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_staff()?;
    let trace = read_model.order_trace(id).await?;
    let trace = trace.parent().ok_or_else(Problem::no_trace)?;
    Ok((PER_CALLER_CACHING, Json(traces.read(trace).await?)))
}
