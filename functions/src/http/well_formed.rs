//! Checks of every request before a handler sees it (RFC 9112).

use super::{DirectConnection, Kind, Problem};
use axum::{
    extract::Request,
    http::{HeaderName, Version, header, request::Parts, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// The longest request target, in bytes. A request for a page of orders needs less than 400 bytes.
const MAX_TARGET_BYTES: usize = 8 << 10;

/// Headers that a request may have only once. For `Idempotency-Key` and `Authorization`, this is
/// checked where they are read.
const SINGLE: [HeaderName; 3] = [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::TRANSFER_ENCODING];

pub(super) async fn well_formed(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    match check(&parts) {
        Ok(()) => next.run(Request::from_parts(parts, body)).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(parts: &Parts) -> Result<(), Problem> {
    // API Gateway has checked these headers itself.
    if parts.extensions.get::<DirectConnection>().is_some() {
        check_host(parts)?;
        check_transfer_coding(parts)?;
    }
    if parts.uri.path_and_query().map_or(0, |target| target.as_str().len()) > MAX_TARGET_BYTES {
        return Err(Problem::uri_too_long());
    }
    // A target of the form `*` or `host:port` is not a path.
    if !parts.uri.path().starts_with('/') {
        return Err(malformed("The request's target must be a path."));
    }
    if let Some(name) = SINGLE.iter().find(|name| parts.headers.get_all(*name).iter().nth(1).is_some()) {
        return Err(Problem::new(Kind::MalformedRequest, format!("The header {name} appears more than once.")));
    }
    Ok(())
}

/// Checks that there is exactly one `Host`, and that it is a valid host (RFC 9112, 3.2). In
/// HTTP/1.0 it may be missing.
fn check_host(parts: &Parts) -> Result<(), Problem> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) if parts.version < Version::HTTP_11 => Ok(()),
        (None, _) => Err(malformed("The request has no Host.")),
        (Some(_), Some(_)) => Err(malformed("The request has more than one Host.")),
        (Some(host), None) => {
            let host = Authority::try_from(host.as_bytes());
            let names_a_host = host.is_ok_and(|host| !host.host().is_empty() && !host.as_str().contains('@'));
            if names_a_host { Ok(()) } else { Err(malformed("The Host names no host.")) }
        }
    }
}

/// Checks that the transfer coding, if there is one, is `chunked`. The server decodes no other.
fn check_transfer_coding(parts: &Parts) -> Result<(), Problem> {
    match parts.headers.get(header::TRANSFER_ENCODING) {
        Some(coding) if !coding.as_bytes().eq_ignore_ascii_case(b"chunked") => {
            Err(malformed("The only Transfer-Encoding that is read is chunked."))
        }
        _ => Ok(()),
    }
}

fn malformed(detail: &'static str) -> Problem {
    Problem::new(Kind::MalformedRequest, detail)
}
