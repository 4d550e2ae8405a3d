//! Reading a request body that must be JSON.

use super::{Kind, MAX_BODY_BYTES, Problem};
use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};

/// The bytes of a body that its sender declares to be JSON. Only an empty body may come without a content type.
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let declared = declares_json(request.headers());
        if declared == Some(false) {
            return Err(unsupported());
        }
        let body = Bytes::from_request(request, state).await.map_err(|rejection| match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::BodyTooLarge, format!("A body may have at most {MAX_BODY_BYTES} bytes.")),
            _ => Problem::new(Kind::MalformedRequest, "The body ended early."),
        })?;
        if declared.is_none() && !body.is_empty() {
            return Err(unsupported());
        }
        Ok(Self(body))
    }
}

fn unsupported() -> Problem {
    Problem::new(Kind::UnsupportedMediaType, "The body must be sent as application/json.")
}

/// Whether the content type is JSON, with any parameters; `None` when there is no content type.
fn declares_json(headers: &HeaderMap) -> Option<bool> {
    let content_type = headers.get(header::CONTENT_TYPE)?;
    let essence = content_type.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default();
    Some(essence.trim().eq_ignore_ascii_case("application/json"))
}
