//! The parts that all requests and answers share: problems, request ids, the request log, and
//! limits on requests.

mod body;
mod edge;
mod order_path;
mod problem;
mod request_id;
pub(crate) mod request_metrics;
mod request_span;
pub mod signature;
mod webhook;
mod well_formed;

use axum::{
    Router,
    handler::Handler,
    http::{HeaderName, header},
    middleware,
    response::Response,
};
pub use body::JsonBody;
pub use order_path::OrderPath;
#[cfg(test)]
pub(crate) use problem::ProblemBody;
pub use problem::{Kind, Problem};
pub use request_id::RequestId;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
pub use webhook::WebhookSecret;

/// The largest request body, in bytes. An order of 100 line items needs less than a third of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// The headers of an answer that depends on the caller. Shared caches must not store the answer,
/// and the caller's own cache must ask again each time.
pub const PER_CALLER_CACHING: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "private, no-cache"), (header::VARY, "Authorization")];

/// Adds to the routes the layers that every request passes: the request id, the request log, the
/// bodies of problems, and the first checks. `fallback` answers requests that match no route. Call
/// this function last, before the router is served.
pub fn finish<H: Handler<T, ()>, T: 'static>(routes: Router, fallback: H) -> Router {
    routes
        .fallback(fallback)
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "This address does not support the method."))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::from_fn(well_formed::well_formed))
        .layer(middleware::from_fn(edge::edge))
}

/// Marks a request that came over a connection of OrderFlow's own server, and not through API
/// Gateway.
#[derive(Clone, Copy, Debug)]
pub struct DirectConnection {
    /// The time limit for receiving the request's body.
    pub body_timeout: Duration,
}

/// Makes the answer to bytes that are not a complete and valid request. Such bytes reach no
/// handler.
pub fn refuse(problem: Problem) -> Response {
    edge::refuse(problem)
}

/// Answers requests that match no route.
pub async fn not_found() -> Problem {
    Problem::new(Kind::NotFound, "There is nothing at this address.")
}
