//! The order id in a request's path.

use super::{Kind, Problem};
use axum::{
    extract::{FromRequestParts, Path},
    http::request::Parts,
};
use orders::OrderId;

/// The order id in the path. A text that is not an order id is answered 404, because no order has
/// it.
pub struct OrderPath(pub OrderId);

impl<S: Send + Sync> FromRequestParts<S> for OrderPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(id)| id.parse().ok()).map(Self).ok_or_else(Problem::no_such_order)
    }
}

impl Problem {
    #[must_use]
    pub fn no_such_order() -> Self {
        Self::new(Kind::OrderNotFound, "No order has this id.")
    }

    /// Tracing is off, or no span of the order is kept.
    #[must_use]
    pub fn no_trace() -> Self {
        Self::new(Kind::TraceNotFound, "Tracing is off, or nothing of the order was traced or is still kept.")
    }

    /// The order does not wait for this decision, or waits for it no longer.
    #[must_use]
    pub fn not_waiting() -> Self {
        Self::new(Kind::NotWaiting, "The order does not, or not any more, wait for this decision.")
    }
}
