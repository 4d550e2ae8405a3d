//! Generates the OpenAPI document. `utoipa` collects the operations from the handlers and the
//! schemas from their types. This module adds what all answers have in common
//! ([`crate::http::finish`]).

use super::{examples, responses};
use crate::http::ProblemBody;
use orders::{json::FieldError, schema};
use serde_json::{Map, Value, json};
use utoipa::{IntoResponses, OpenApi, PartialSchema};

#[derive(OpenApi)]
#[openapi(paths(
    crate::order::create_order::create_order,
    crate::order::list_orders::list_orders,
    crate::order::get_order::get_order,
    crate::order::get_order_trace::get_order_trace,
    crate::order::cancel_order::cancel_order,
    crate::order::amend_order::amend_order,
    crate::order::review_order::review_order,
    crate::order::create_refund::create_refund,
    crate::shipment::scan_shipment::scan_shipment,
    crate::product::list_products::list_products,
    crate::product::restock_product::restock_product,
    crate::webhook::carrier_webhook::carrier_webhook,
    crate::webhook::stripe_webhook::stripe_webhook,
    crate::operation::get_operations::get_operations,
    crate::operation::get_operations_history::get_operations_history,
    crate::operation::health::health,
    crate::operation::health::live,
    crate::openapi::openapi,
))]
struct Handlers;

const DESCRIPTION: &str = "\
Orders are accepted at once and processed in the background. To follow an order, poll it with its entity tag.\n\n\
Every error is an RFC 9457 problem, and every answer carries `x-request-id`: name it when you report an error. Any \
other address answers 404 and any other method 405, as problems too.\n\n\
In AWS, API Gateway answers some requests before they reach OrderFlow: a token that it cannot verify (401), an address \
without a route (404), too many requests (429), a request that is too large (400, 413, 414, 431), or a function that \
did not answer (500, 503). An HTTP API does not allow these answers to be changed: their body is `{\"message\": \"…\"}`, \
and their id is in `apigw-requestid`.\n\n\
A text with a card number is refused wherever it stands: pay with a token of the payment gateway. Amounts are exact \
decimals: read and write them as decimals, not as binary floats.\n\n\
Calls for orders need an access token of the shop's OpenID Connect issuer, except where authentication is off, as on a \
developer's machine. Customers have the orders whose `customerID` is the token's subject; members of the groups `staff` \
and `admin` have all. Refunds and restocks are for `admin`.";

/// The headers of answers: the name, the component that describes the header, and the description.
fn headers() -> [(&'static str, &'static str, Value); 7] {
    let header = |description: &str, schema: Value, example: Value| json!({ "description": description, "required": true, "schema": schema, "example": example });
    let text = |description: &str, example: &str| header(description, json!({ "type": "string" }), json!(example));
    let seconds = json!({ "type": "integer", "minimum": 1 });
    [
        (
            "x-request-id",
            "RequestId",
            text("The id by which the request is found in the logs: the client's, or a new one.", examples::REQUEST_ID),
        ),
        ("Location", "Location", text("Where the order can be read.", &format!("/api/orders/{}", examples::ORDER_ID))),
        ("ETag", "ETag", text("The order's version, and whether the caller sees all of it.", "\"4\"")),
        ("Cache-Control", "CacheControl", text("How long the answer may be kept.", "private, no-cache")),
        ("Retry-After", "RetryAfter", header("Seconds after which to try again.", seconds, json!(2))),
        (
            "WWW-Authenticate",
            "WwwAuthenticate",
            text(
                "The kind of token that is needed, and what is wrong with the one that came (RFC 6750).",
                "Bearer error=\"invalid_token\"",
            ),
        ),
        ("Vary", "Vary", text("What the answer depends on besides the address.", "Authorization")),
    ]
}

/// The document as the text of `functions/openapi.json`.
pub(super) fn text() -> String {
    let handlers = json!(Handlers::openapi());
    let mut paths = handlers["paths"].clone();
    for operation in paths.as_object_mut().into_iter().flatten().flat_map(|(_, path)| path.as_object_mut()).flatten() {
        complete_operation(operation.1);
    }
    let mut components = json!({ "responses": responses::components(), "schemas": schemas(&handlers) });
    for response in members(&mut components["responses"]) {
        complete_headers(response);
    }
    components["headers"] = headers().into_iter().map(|(_, component, header)| (component.to_owned(), header)).collect();
    components["parameters"] = json!({
        "RequestId": {
            "name": "x-request-id",
            "in": "header",
            "description": "The client's own id for this request. Replaced when it does not have this form.",
            "schema": { "type": "string", "pattern": "^[A-Za-z0-9._:=-]{1,128}$" },
            "example": examples::REQUEST_ID,
        }
    });
    components["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "JWT",
            "description": "An access token of the shop's OpenID Connect issuer, signed with RS256 or ES256.",
        }
    });
    let mut document = json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "OrderFlow",
            "version": "1.0.0",
            "summary": "Order processing that survives its own outages.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/", "description": "The origin of this document." }],
        "tags": [{ "name": "orders" }, { "name": "catalogue" }, { "name": "webhooks" }, { "name": "operations" }],
        "paths": paths,
        "components": components,
    });
    schema::tidy(&mut document);
    schema::to_text(&document)
}

/// The schemas of all operations and problems.
fn schemas(handlers: &Value) -> Value {
    let mut schemas = handlers["components"]["schemas"].clone();
    schemas["Problem"] = json!(ProblemBody::schema());
    schemas["Fault"] = json!(FieldError::schema());
    // No attribute of utoipa says that two fields exclude each other.
    schemas["NewRefund"]["not"] = json!({ "required": ["amount", "items"] });
    schemas
}

/// Adds the parts that every operation has.
fn complete_operation(operation: &mut Value) {
    let parameters = operation["parameters"].take();
    let mut parameters = parameters.as_array().cloned().unwrap_or_default();
    parameters.push(json!({ "$ref": "#/components/parameters/RequestId" }));
    operation["parameters"] = json!(parameters);
    allow_no_body(operation);
    for (status, response) in responses::Everywhere::responses() {
        let answer = &mut operation["responses"][status];
        if answer.is_null() {
            *answer = json!(response);
        }
    }
    for response in members(&mut operation["responses"]).filter(|response| response.get("$ref").is_none()) {
        complete_headers(response);
    }
}

/// Marks an optional body as not required, and removes `null` from its schema. A client may leave
/// the body out, but must not send `null`.
fn allow_no_body(operation: &mut Value) {
    let Some(body) = operation.get_mut("requestBody") else { return };
    let schema = &mut body["content"]["application/json"]["schema"];
    let alternatives = schema.get("oneOf").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(object) = alternatives.into_iter().find(|alternative| alternative["type"] != "null") {
        *schema = object;
        body["required"] = json!(false);
    }
}

/// Adds references to the components that describe the headers of an answer. Every answer has the
/// request id.
fn complete_headers(response: &mut Value) {
    let named = response.get("headers").and_then(Value::as_object).cloned().unwrap_or_default();
    let names = named.keys().map(String::as_str).chain(["x-request-id"]);
    let all = headers();
    let references = names.map(|name| {
        let (_, component, _) = all.iter().find(|(known, ..)| *known == name).expect("the table has each header");
        (name.to_owned(), json!({ "$ref": format!("#/components/headers/{component}") }))
    });
    response["headers"] = Value::Object(references.collect::<Map<_, _>>());
}

fn members(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    value.as_object_mut().into_iter().flat_map(|members| members.values_mut())
}
