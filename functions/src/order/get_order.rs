//! `GET /api/orders/{id}`: returns an order as the read model has it.
//!
//! The entity tag is the order's version, so a client that polls gets a body only if something has
//! changed. The tag has a suffix if the caller does not see the whole order, so that the body for
//! one caller is never used for another.

use crate::{
    http::{OrderPath, PER_CALLER_CACHING, Problem},
    identity::{Caller, Identity},
};
use axum::{
    Router,
    extract::{FromRef, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use platform::read_model::ReadModel;
use std::sync::Arc;

const PATH: &str = "/api/orders/{id}";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, get(get_order))
}

/// Read an order
///
/// The order with its items, payment and history.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "getOrder",
        tag = "orders",
        security(("token" = [])),
        params(
            OrderPath,
            crate::openapi::IfNoneMatch
        ),
        responses(
            (
                status = 200,
                description = "The order.",
                body = orders::OrderView,
                headers(("ETag"), ("Cache-Control"), ("Vary")),
                example = json!(crate::openapi::examples::delivered())
            ),
            (
                status = 304,
                description = "The order has not changed since the client read it.",
                headers(("ETag"), ("Cache-Control"), ("Vary"))
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::InsufficientScope,
            crate::openapi::OrderNotFound,
            crate::openapi::Unavailable
        )
    )
)]
async fn get_order(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    OrderPath(id): OrderPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let order = read_model.order(id).await?;
    caller.ensure_may_see(order.as_ref())?;
    let order = order.ok_or_else(Problem::no_such_order)?;
    let tag = if caller.sees_staff_fields() { format!("\"{}\"", order.version) } else { format!("\"{}-own\"", order.version) };
    let caching = ([(header::ETAG, tag.clone())], PER_CALLER_CACHING);
    if has_version(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, caching).into_response());
    }
    let json = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    Ok((caching, json, caller.visible_json(order)?).into_response())
}

/// Whether the client already has the version with this tag (RFC 9110, 13.1.2). The header is a
/// list of tags; weak tags match, and `*` matches any tag.
fn has_version(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
    tags.map(str::trim).any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_entity_tags_weakly() {
        let has_version =
            |value: &'static str| has_version(&HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_static(value))]), "\"3\"");
        assert!(has_version("\"3\"") && has_version("W/\"3\"") && has_version("\"1\", W/\"3\"") && has_version("*"));
        assert!(!has_version("\"33\"") && !has_version("3") && !has_version("") && !has_version("W/\"4\""));
    }
}
