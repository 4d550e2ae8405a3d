//! What every answer has in common: problems, request ids, the request log, limits on what is read.

mod body;
mod edge;
mod order_path;
mod problem;
mod request_id;
pub mod signature;
mod webhook;

use axum::{Router, handler::Handler, middleware};
pub use body::JsonBody;
pub use order_path::OrderPath;
pub use problem::{Kind, Problem};
pub use request_id::RequestId;
use tower_http::catch_panic::CatchPanicLayer;
pub use webhook::WebhookSecret;

/// The largest request body, in bytes. An order of 100 lines takes less than a third of it.
pub const MAX_BODY_BYTES: usize = 64 * 1024;

/// Wraps routes in what every answer has in common. What no route matches is `otherwise`'s to answer. The last thing done to a router before it
/// is served.
pub fn finish<H: Handler<T, ()>, T: 'static>(routes: Router, otherwise: H) -> Router {
    routes
        .fallback(otherwise)
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed, "This address does not support the method."))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(middleware::from_fn(edge::edge))
}

/// What answers where there is nothing.
pub async fn nothing_here() -> Problem {
    Problem::new(Kind::NotFound, "There is nothing at this address.")
}
