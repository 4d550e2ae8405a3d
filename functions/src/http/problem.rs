//! Error answers: problem details (RFC 9457).
//!
//! A problem has two messages: `detail` for the client, and `cause` for the log only. Handlers
//! return problems. The body is written in the outermost layer, where the request id is known.

use super::RequestId;
use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use orders::{json::FieldError, request};
use serde::Serialize;
use std::{any::Any, borrow::Cow, time::Duration};

/// The kinds of problems. A client may distinguish them by the type URI, so the type URI and the
/// title of a kind never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    MalformedRequest,
    InvalidSignature,
    InvalidRequest,
    IdempotencyKeyRequired,
    IdempotencyKeyReused,
    UnsupportedMediaType,
    BodyTooLarge,
    UriTooLong,
    HeadersTooLarge,
    RequestTimeout,
    NotFound,
    OrderNotFound,
    ProductNotFound,
    ShipmentNotFound,
    TraceNotFound,
    MethodNotAllowed,
    OrderEnded,
    NothingToRefund,
    TooManyRequests,
    NotWaiting,
    Unauthenticated,
    InvalidToken,
    InsufficientScope,
    Forbidden,
    StaffOnly,
    AdminOnly,
    Unavailable,
    Internal,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 28] = [
        Self::MalformedRequest,
        Self::InvalidSignature,
        Self::InvalidRequest,
        Self::IdempotencyKeyRequired,
        Self::IdempotencyKeyReused,
        Self::UnsupportedMediaType,
        Self::BodyTooLarge,
        Self::UriTooLong,
        Self::HeadersTooLarge,
        Self::RequestTimeout,
        Self::NotFound,
        Self::OrderNotFound,
        Self::ProductNotFound,
        Self::ShipmentNotFound,
        Self::TraceNotFound,
        Self::MethodNotAllowed,
        Self::OrderEnded,
        Self::NothingToRefund,
        Self::TooManyRequests,
        Self::NotWaiting,
        Self::Unauthenticated,
        Self::InvalidToken,
        Self::InsufficientScope,
        Self::Forbidden,
        Self::StaffOnly,
        Self::AdminOnly,
        Self::Unavailable,
        Self::Internal,
    ];

    /// Returns the status, the last part of the type URI, and the title.
    fn properties(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::MalformedRequest => (StatusCode::BAD_REQUEST, "malformed-request", "The request cannot be read"),
            Self::InvalidSignature => (StatusCode::BAD_REQUEST, "invalid-signature", "The signature is not valid"),
            Self::InvalidRequest => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid"),
            Self::IdempotencyKeyRequired => (StatusCode::BAD_REQUEST, "idempotency-key-required", "An idempotency key is needed"),
            Self::IdempotencyKeyReused => {
                (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The idempotency key belongs to another request")
            }
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not JSON"),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large"),
            Self::UriTooLong => (StatusCode::URI_TOO_LONG, "uri-too-long", "The address is too long"),
            Self::HeadersTooLarge => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers-too-large", "The headers are too large"),
            Self::RequestTimeout => (StatusCode::REQUEST_TIMEOUT, "request-timeout", "The request did not arrive in time"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Self::OrderNotFound => (StatusCode::NOT_FOUND, "order-not-found", "There is no such order"),
            Self::ProductNotFound => (StatusCode::NOT_FOUND, "product-not-found", "There is no such product"),
            Self::ShipmentNotFound => (StatusCode::NOT_FOUND, "shipment-not-found", "There is no such shipment"),
            Self::TraceNotFound => (StatusCode::NOT_FOUND, "trace-not-found", "There is no trace of this order"),
            Self::MethodNotAllowed => (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "Method not allowed"),
            Self::OrderEnded => (StatusCode::CONFLICT, "order-ended", "The order has ended or is on its way"),
            Self::NothingToRefund => (StatusCode::CONFLICT, "nothing-to-refund", "There is nothing to refund"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "too-many-requests", "Too many requests"),
            Self::NotWaiting => (StatusCode::CONFLICT, "not-waiting", "The order waits for no such decision"),
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", "A token is needed"),
            Self::InvalidToken => (StatusCode::UNAUTHORIZED, "invalid-token", "The token is not valid"),
            Self::InsufficientScope => (StatusCode::FORBIDDEN, "insufficient-scope", "The token does not allow this"),
            Self::Forbidden => (StatusCode::FORBIDDEN, "forbidden", "This is another customer's"),
            Self::StaffOnly => (StatusCode::FORBIDDEN, "staff-only", "This is for the shop's own people"),
            Self::AdminOnly => (StatusCode::FORBIDDEN, "admin-only", "This is for the shop's admins"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error"),
        }
    }

    fn type_uri(self) -> String {
        format!("/problems/{}", self.properties().1)
    }

    /// The header `WWW-Authenticate`, which tells a client which token it needs (RFC 6750, 3).
    fn challenge(self) -> Option<&'static str> {
        match self {
            Self::Unauthenticated => Some("Bearer"),
            Self::InvalidToken => Some(r#"Bearer error="invalid_token""#),
            Self::InsufficientScope => Some(r#"Bearer error="insufficient_scope""#),
            _ => None,
        }
    }
}

#[cfg(test)]
const _: () = assert!(Kind::ALL.len() == Kind::Internal as usize + 1, "Kind::ALL has every kind");

/// An error answer.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    cause: Option<String>,
    /// The time after which a client may repeat the request.
    retry_after: Option<Duration>,
}

/// The time after which a client may repeat a request that was answered 503.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(2);

/// RFC 9457.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Problem))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProblemBody<'a> {
    #[cfg_attr(test, schema(schema_with = type_uri))]
    r#type: String,
    title: &'static str,
    #[cfg_attr(test, schema(minimum = 400, maximum = 599))]
    status: u16,
    detail: &'a str,
    #[cfg_attr(test, schema(value_type = Vec<FieldError>, min_items = 1))]
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
    request_id: &'a str,
}

#[cfg(test)]
fn type_uri() -> utoipa::openapi::Object {
    use utoipa::openapi::schema::SchemaFormat;
    let uris = Kind::ALL.iter().map(|kind| kind.type_uri());
    let schema = orders::schema::text().format(Some(SchemaFormat::Custom("uri-reference".to_owned()))).enum_values(Some(uris));
    schema.description(Some("What clients may tell apart.")).build()
}

impl Problem {
    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    pub fn new(kind: Kind, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = (kind == Kind::Unavailable).then_some(UNAVAILABLE_RETRY_AFTER);
        Self { kind, detail: detail.into(), errors: Vec::new(), cause: None, retry_after }
    }

    /// A request that can be read, but has these faults.
    #[must_use]
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail: Cow<'static, str> = if errors.len() == 1 {
            "One thing is wrong with the request.".into()
        } else {
            format!("{} things are wrong with the request.", errors.len()).into()
        };
        Self { errors, ..Self::new(Kind::InvalidRequest, detail) }
    }

    /// A dependency is away, and the client may try again. `cause` is for the log.
    pub fn unavailable(detail: &'static str, cause: impl Into<anyhow::Error>) -> Self {
        let cause = Some(format!("{:#}", cause.into()));
        Self { cause, ..Self::new(Kind::Unavailable, detail) }
    }

    /// The client has made too many requests. It may repeat this one after `retry_after`.
    pub fn too_many_requests(detail: &'static str, retry_after: Duration) -> Self {
        Self { retry_after: Some(retry_after), ..Self::new(Kind::TooManyRequests, detail) }
    }

    #[must_use]
    pub fn uri_too_long() -> Self {
        Self::new(Kind::UriTooLong, "The address, with its query, is too long.")
    }

    pub(super) fn status(&self) -> StatusCode {
        self.kind.properties().0
    }

    /// The last part of the type URI, and the pointers of the faults.
    #[cfg(test)]
    pub(crate) fn type_and_pointers(&self) -> (String, Vec<String>) {
        (self.kind.properties().1.to_owned(), self.errors.iter().map(|fault| fault.pointer.clone()).collect())
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    /// Writes the body into the response that [`IntoResponse`] has made without one.
    pub(super) fn render(&self, mut response: Response, request_id: &RequestId) -> Response {
        // Strings and numbers always serialize.
        *response.body_mut() = Body::from(serde_json::to_vec(&self.body(request_id.as_str())).unwrap_or_default());
        response
    }

    fn body<'a>(&'a self, request_id: &'a str) -> ProblemBody<'a> {
        let (status, _, title) = self.kind.properties();
        let (status, detail, errors) = (status.as_u16(), &*self.detail, &*self.errors);
        ProblemBody { r#type: self.kind.type_uri(), title, status, detail, errors, request_id }
    }

    /// The problem's body, as an example in the OpenAPI document.
    #[cfg(test)]
    pub(crate) fn example(&self) -> serde_json::Value {
        serde_json::json!(self.body(crate::openapi::examples::REQUEST_ID))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.properties().0.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(time) = self.retry_after {
            headers.insert(header::RETRY_AFTER, time.as_secs().into());
        }
        if let Some(challenge) = self.kind.challenge() {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<request::Error> for Problem {
    fn from(error: request::Error) -> Self {
        match error {
            request::Error::Malformed(detail) => Self::new(Kind::MalformedRequest, format!("In the request, {detail}.")),
            request::Error::Invalid(faults) => Self::invalid(faults),
        }
    }
}

impl From<platform::read_model::Error> for Problem {
    fn from(error: platform::read_model::Error) -> Self {
        Self::unavailable("The orders cannot be read right now.", error)
    }
}

/// The answer if a handler panicked.
pub(super) fn from_panic(panic: Box<dyn Any + Send>) -> Response {
    let message = panic.downcast_ref::<String>().cloned().or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    let cause = Some(format!("panicked: {}", message.unwrap_or_default()));
    Problem { cause, ..Problem::new(Kind::Internal, "Something went wrong on our side.") }.into_response()
}
