//! What every answer has in common: problems, request ids, the request log, limits on what is read.

mod body;
mod edge;
mod order_path;
mod problem;
mod request_id;
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
pub(crate) use problem::Document;
pub use problem::{Kind, Problem};
pub use request_id::RequestId;
use std::time::Duration;
use tower_http::catch_panic::CatchPanicLayer;
pub use webhook::WebhookSecret;

/// The largest request body, in bytes. An order of 100 lines takes less than a third of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// What an answer carries that depends on who asks: others' caches keep none of it, and the caller's
/// own asks again each time.
pub const OF_CALLER: [(HeaderName, &str); 2] = [(header::CACHE_CONTROL, "private, no-cache"), (header::VARY, "Authorization")];

/// Wraps routes in what every answer has in common. What no route matches is `otherwise`'s to answer. The last thing done to a router before it
/// is served.
pub fn finish<H: Handler<T, ()>, T: 'static>(routes: Router, otherwise: H) -> Router {
    routes
        .fallback(otherwise)
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "This address does not support the method."))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::from_fn(well_formed::well_formed))
        .layer(middleware::from_fn(edge::edge))
}

/// Marks a request that came over a connection of our own server, not through API Gateway.
#[derive(Clone, Copy, Debug)]
pub struct Direct {
    /// How long its body may take to arrive.
    pub body_timeout: Duration,
}

/// The answer where there is no request that a handler could see.
pub fn refuse(problem: Problem) -> Response {
    edge::refuse(problem)
}

/// What answers where there is nothing.
pub async fn nothing_here() -> Problem {
    Problem::new(Kind::NotFound, "There is nothing at this address.")
}
