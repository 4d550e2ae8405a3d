//! The parameters that several operations have.

use crate::http::OrderPath;
use serde_json::json;
use utoipa::{
    IntoParams,
    openapi::{
        Ref, Required,
        path::{Parameter, ParameterBuilder, ParameterIn},
    },
};

impl IntoParams for OrderPath {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let id = ParameterBuilder::new().name("id").parameter_in(ParameterIn::Path).required(Required::True);
        vec![id.schema(Some(Ref::from_schema_name("OrderId"))).example(Some(json!(super::examples::ORDER_ID))).build()]
    }
}

/// The header with which a client tells [`crate::order::get_order`] which version it has.
pub(crate) struct IfNoneMatch;

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let tags = ParameterBuilder::new().name("If-None-Match").parameter_in(ParameterIn::Header).required(Required::False);
        let tags = tags.description(Some("Entity tags that the client has.")).schema(Some(orders::schema::text()));
        vec![tags.example(Some(json!("\"4\""))).build()]
    }
}

/// The header that [`crate::idempotency::Key::from_headers`] reads.
pub(crate) struct IdempotencyKey;

impl IntoParams for IdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Makes a retry safe: 1 to 255 visible ASCII characters, one key an order.";
        vec![idempotency_key(Required::False, description)]
    }
}

/// The header that [`crate::idempotency::required_key`] reads.
pub(crate) struct RequiredIdempotencyKey;

impl IntoParams for RequiredIdempotencyKey {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let description = "Makes a retry safe: 1 to 255 visible ASCII characters. A new key for each effect; \
            the same key and body to repeat a call whose answer was lost.";
        vec![idempotency_key(Required::True, description)]
    }
}

fn idempotency_key(required: Required, description: &str) -> Parameter {
    let schema = orders::schema::text().pattern(Some("^[!-~]{1,255}$"));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(required)
        .description(Some(description))
        .schema(Some(schema))
        .example(Some(json!("8e03978e-40d5-43dd-bc93-6894a57f9324")))
        .build()
}
