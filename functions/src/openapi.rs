//! `GET /api/openapi.json`: the API's description.

use axum::{Router, http::header, response::IntoResponse, routing::get};

/// OpenAPI 3.1.
pub const DOCUMENT: &str = include_str!("../openapi.json");

pub fn route<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/api/openapi.json", get(openapi))
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "max-age=300")], DOCUMENT)
}
