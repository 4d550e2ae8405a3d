//! The port of `api`'s metrics: requests by route, and the depths of the queues. They have a port of
//! their own, so that nobody who reaches the API reaches them.

use super::Settings;
use crate::{http::request_metrics, operation::queues::Queues};
use anyhow::Context;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::metrics::{CONTENT_TYPE, Program, Readings, build_info, encode, initialise, list::QUEUE_MESSAGES};
use std::sync::Arc;
use tokio::net::TcpListener;

/// Opens the port, and creates the counters.
pub(super) async fn bind(settings: &Settings) -> anyhow::Result<TcpListener> {
    initialise(Program::Api);
    request_metrics::initialise()?;
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
