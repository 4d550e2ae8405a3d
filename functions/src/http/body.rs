//! Reads a request body that must be JSON.

use super::{DirectConnection, Kind, MAX_BODY_BYTES, Problem};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use futures::TryStreamExt;
use std::time::Duration;
use tokio::time::timeout;

/// The time limit for receiving a body, if the request has no [`DirectConnection`].
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes of a body that the client declares to be JSON. Only an empty body may come without a
/// content type.
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        check_coding(request.headers())?;
        let declared = declares_json(request.headers());
        if declared == Some(false) {
            return Err(unsupported());
        }
        if content_length(request.headers()).is_some_and(|length| length > MAX_BODY_BYTES) {
            return Err(too_large());
        }
        let limit = request.extensions().get::<DirectConnection>().map_or(BODY_TIMEOUT, |direct| direct.body_timeout);
        let late = |_| Problem::new(Kind::RequestTimeout, "The body did not arrive in time.");
        let body = timeout(limit, read_body(request.into_body())).await.map_err(late)??;
        if declared.is_none() && !body.is_empty() {
            return Err(unsupported());
        }
        Ok(Self(body.into()))
    }
}

/// Reads the body. Fails if it has more than [`MAX_BODY_BYTES`]; the server of the connection then
/// reads and drops the rest.
async fn read_body(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut stream, mut kept) = (body.into_data_stream(), Vec::new());
    while let Some(chunk) = stream.try_next().await.map_err(|_| Problem::new(Kind::MalformedRequest, "The body ended early."))? {
        if kept.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        kept.extend_from_slice(&chunk);
    }
    Ok(kept)
}

fn too_large() -> Problem {
    Problem::new(Kind::BodyTooLarge, format!("A body may have at most {MAX_BODY_BYTES} bytes."))
}

/// The body's length according to the header `Content-Length`.
fn content_length(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Checks that the body is not compressed. OrderFlow does not decompress bodies.
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get(header::CONTENT_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"identity") => {
            Err(Problem::new(Kind::UnsupportedMediaType, "The body must be sent without a Content-Encoding."))
        }
        _ => Ok(()),
    }
}

fn unsupported() -> Problem {
    Problem::new(Kind::UnsupportedMediaType, "The body must be sent as application/json.")
}

/// Whether the content type is JSON, with any parameters. `None` if there is no content type.
fn declares_json(headers: &HeaderMap) -> Option<bool> {
    let content_type = headers.get(header::CONTENT_TYPE)?;
    let essence = content_type.to_str().ok().and_then(|text| text.split(';').next()).unwrap_or_default();
    Some(essence.trim().eq_ignore_ascii_case("application/json"))
}
