//! Counts and times requests. `api` serves the metrics ([`crate::server`]). Of a Lambda function,
//! nobody reads them: API Gateway counts and times its requests.

use crate::openapi;
use anyhow::Context;
use axum::{
    extract::MatchedPath,
    http::{Method, StatusCode},
};
use platform::metrics::list::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, LIMITS_HIT};
use serde_json::Value;
use std::time::Duration;

/// The label of requests that match no route: the page, and addresses that do not exist.
const NO_ROUTE: &str = "(none)";
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Creates the counters of each route, at 0.
///
/// # Errors
/// Fails if openapi.json cannot be read.
pub(crate) fn initialise() -> anyhow::Result<()> {
    let routes: Value = serde_json::from_str(openapi::DOCUMENT).context("functions/openapi.json")?;
    for (path, methods) in routes["paths"].as_object().into_iter().flatten() {
        for method in methods.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()) {
            CLASSES.iter().for_each(|class| HTTP_REQUESTS.create(&[&method, path, class]));
        }
    }
    Ok(())
}

/// Counts a request that was answered.
pub(super) fn count(method: &Method, route: Option<&MatchedPath>, status: u16, took: Duration) {
    let (method, route) = (method.as_str(), route.map_or(NO_ROUTE, MatchedPath::as_str));
    let class = match status {
        100..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    HTTP_REQUESTS.increment(&[method, route, class]);
    HTTP_REQUEST_DURATION.observe(took, &[method, route]);
    if status == StatusCode::TOO_MANY_REQUESTS.as_u16() {
        LIMITS_HIT.increment(&["requests"]);
    }
}
