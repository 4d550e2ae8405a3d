//! Reading a request body that must be JSON.

use super::{Kind, MAX_BODY_BYTES, Problem};
use axum::{
    body::{Body, Bytes},
    extract::{FromRequest, Request},
    http::{HeaderMap, header},
};
use futures::TryStreamExt;

/// How much of a body that is too large is read, in bytes. A client that still writes when the connection closes would see a broken connection
/// instead of the answer.
const MAX_DISCARDED_BYTES: usize = 8 << 20;

/// The bytes of a body that its sender declares to be JSON. Only an empty body may come without a content type.
pub struct JsonBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let declared = declares_json(request.headers());
        if declared == Some(false) {
            return Err(unsupported());
        }
        let body = read(request.into_body()).await?;
        if declared.is_none() && !body.is_empty() {
            return Err(unsupported());
        }
        Ok(Self(body.into()))
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Problem> {
    let (mut stream, mut kept, mut length) = (body.into_data_stream(), Vec::new(), 0);
    while let Some(chunk) = stream.try_next().await.map_err(|_| Problem::new(Kind::MalformedRequest, "The body ended early."))? {
        length += chunk.len();
        if length <= MAX_BODY_BYTES {
            kept.extend_from_slice(&chunk);
        } else if length > MAX_DISCARDED_BYTES {
            break;
        }
    }
    if length > MAX_BODY_BYTES {
        return Err(Problem::new(Kind::BodyTooLarge, format!("A body may have at most {MAX_BODY_BYTES} bytes.")));
    }
    Ok(kept)
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
