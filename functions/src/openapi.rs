//! `GET /api/openapi.json`: the OpenAPI document of the API.
//!
//! The document is generated from the handlers and their types. `make contract` writes it to
//! `functions/openapi.json`, and a test fails if that file is out of date. The functions contain
//! the file as it was when they were built, and do not contain the generator.

#[cfg(test)]
mod document;
#[cfg(test)]
pub(crate) mod examples;
#[cfg(test)]
mod parameters;
#[cfg(test)]
mod responses;

#[cfg(test)]
pub(crate) use self::{parameters::*, responses::*};
use axum::{Router, http::header, response::IntoResponse, routing::get};

const PATH: &str = "/api/openapi.json";

/// The OpenAPI 3.1 document.
pub const DOCUMENT: &str = include_str!("../openapi.json");

pub fn route<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route(PATH, get(openapi))
}

/// This document
///
/// OpenAPI 3.1.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "openapi",
        tag = "operations",
        responses((status = 200, description = "This document.", body = Object, content_type = "application/json", headers(("Cache-Control"))))
    )
)]
async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "max-age=300")], DOCUMENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs, path::PathBuf};

    #[test]
    fn the_document_is_up_to_date() {
        let generated = document::text();
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        if env::var_os("UPDATE_CONTRACT").is_some() {
            fs::write(&path, generated).unwrap();
            return;
        }
        assert!(DOCUMENT == generated, "functions/openapi.json is stale: run `make contract`");
    }
}
