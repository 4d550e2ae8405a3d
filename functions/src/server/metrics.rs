//! The metrics of `api`: requests by route, and the depths of the queues. They have a port of their
//! own, so that nobody who reaches the API reaches them.

use super::Settings;
use crate::{openapi, operation::queues::Queues};
use anyhow::Context;
use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};
use platform::metrics::{
    CONTENT_TYPE, Program, Readings, build_info, encode, initialise,
    list::{HTTP_REQUEST_DURATION, HTTP_REQUESTS, LIMITS_HIT, QUEUE_MESSAGES},
};
use serde_json::Value;
use std::{sync::Arc, time::Instant};
use tokio::net::TcpListener;

/// The label of requests that match no route: the page, and addresses that do not exist.
const NO_ROUTE: &str = "(none)";
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// Opens the port, and creates the counters of each route.
pub(super) async fn bind(settings: &Settings) -> anyhow::Result<TcpListener> {
    initialise(Program::Api);
    let routes: Value = serde_json::from_str(openapi::DOCUMENT).context("functions/openapi.json")?;
    for (path, methods) in routes["paths"].as_object().into_iter().flatten() {
        for method in methods.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase()) {
            CLASSES.iter().for_each(|class| HTTP_REQUESTS.create(&[&method, path, class]));
        }
    }
    let (host, port) = (settings.api_metrics_host, settings.api_metrics_port);
    TcpListener::bind((host, port)).await.with_context(|| format!("cannot listen on {host}, API_METRICS_PORT {port}"))
}

pub(super) async fn serve(listener: TcpListener, queues: Arc<Queues>) -> anyhow::Result<()> {
    axum::serve(listener, Router::new().route("/metrics", get(answer)).with_state(queues)).await.context("the metrics are not served")
}

async fn answer(State(queues): State<Arc<Queues>>) -> Response {
    let mut readings = build_info("api", None);
    read_queues(&queues, &mut readings).await;
    match encode(&readings, "") {
        Ok(text) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn read_queues(queues: &Queues, readings: &mut Readings) {
    for depth in queues.depths().await {
        for (state, count) in [("waiting", depth.waiting), ("in_flight", depth.in_flight), ("dead", depth.dead)] {
            if let Some(count) = count {
                readings.count(&QUEUE_MESSAGES, &[depth.name, state], count);
            }
        }
    }
}

/// Counts and times a request.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let (began, method) = (Instant::now(), request.method().clone());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let (method, route) = (method.as_str(), route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str));
    let class = match response.status().as_u16() {
        100..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    };
    HTTP_REQUESTS.increment(&[method, route, class]);
    HTTP_REQUEST_DURATION.observe(began.elapsed(), &[method, route]);
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        LIMITS_HIT.increment(&["requests"]);
    }
    response
}
