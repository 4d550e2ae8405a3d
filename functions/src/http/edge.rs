//! The outermost layer. It gives each request its id, writes the bodies of problems, and logs and
//! counts each request.

use super::{Problem, RequestId, request_id, request_metrics, request_span::RequestSpan};
use axum::{
    extract::{FromRequestParts, MatchedPath, RawPathParams, Request},
    http::{HeaderValue, Method, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use orders::OrderId;
use std::time::Instant;

/// What the log says about a request.
struct RequestLog {
    method: Method,
    /// The route's pattern, so that the log lines of one route can be found together.
    route: Option<MatchedPath>,
    order_id: Option<OrderId>,
    request_id: RequestId,
    started: Instant,
}

pub(super) async fn edge(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let (mut parts, body) = request.into_parts();
    let request_id = RequestId::from_headers(&parts.headers);
    let order_id = match RawPathParams::from_request_parts(&mut parts, &()).await {
        Ok(params) => params.iter().find(|(name, _)| *name == "id").and_then(|(_, id)| id.parse().ok()),
        Err(_) => None,
    };
    let route = parts.extensions.get::<MatchedPath>().cloned();
    let mut request_log = RequestLog { method: parts.method.clone(), route, order_id, request_id, started };
    parts.extensions.insert(request_log.request_id.clone());

    let span = RequestSpan::start(&request_log.method, request_log.route.as_ref(), &parts.headers, &request_log.request_id);
    let mut response = span.around(next.run(Request::from_parts(parts, body))).await;
    // A handler that creates an order adds the order's id to the extensions of its response.
    request_log.order_id = request_log.order_id.or_else(|| response.extensions_mut().remove());
    let problem = response.extensions_mut().remove::<Problem>();
    if let Some(problem) = &problem {
        response = problem.render(response, &request_log.request_id);
    }
    let status = response.status().as_u16();
    span.end(status, request_log.order_id, || {
        request_metrics::count(&request_log.method, request_log.route.as_ref(), status, request_log.started.elapsed());
        log_answer(&request_log, status, problem.as_ref().and_then(Problem::cause));
    });
    add_common_headers(response, request_log.request_id)
}

/// Answers bytes that are not a complete and valid request.
pub(super) fn refuse(problem: Problem) -> Response {
    let request_id = RequestId::make();
    let status = problem.status().as_u16();
    tracing::info!(status, request_id = request_id.as_str(), "a request that cannot be read was answered {status}");
    let response = problem.render(problem.clone().into_response(), &request_id);
    add_common_headers(response, request_id)
}

/// Adds the headers of every answer.
fn add_common_headers(mut response: Response, request_id: RequestId) -> Response {
    let headers = response.headers_mut();
    headers.insert(request_id::HEADER, request_id.into_header());
    // A browser must use the declared content type and must not guess another one.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn log_answer(request_log: &RequestLog, status: u16, cause: Option<&str>) {
    let route = request_log.route.as_ref().map_or("(none)", MatchedPath::as_str);
    let (method, request_id) = (request_log.method.as_str(), request_log.request_id.as_str());
    let order_id = request_log.order_id.map(tracing::field::display);
    let duration_ms = u64::try_from(request_log.started.elapsed().as_millis()).unwrap_or(u64::MAX);
    if status >= 500 {
        tracing::error!(method, route, status, duration_ms, request_id, order_id, cause, "{method} {route} failed with {status}");
    } else {
        tracing::info!(method, route, status, duration_ms, request_id, order_id, "{method} {route} answered {status}");
    }
}
