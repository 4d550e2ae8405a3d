//! Serves one connection: handles its requests one after another, and closes it so that the client
//! can still read the last answer.

use super::{ConnectionSlot, Limits, answer, wire::Wire};
use crate::http::{DirectConnection, Kind, Problem};
use axum::{
    Router,
    body::{Body, HttpBody},
    extract::Request,
    http::{HeaderValue, header},
    response::Response,
};
use futures::{StreamExt, stream};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use platform::stop;
use std::{
    convert::Infallible,
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::Poll,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    select,
    sync::watch,
    time::timeout,
};
use tower::ServiceExt;

/// The largest head of a request (request line and headers), in bytes. API Gateway accepts 10 KB.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// The size of the read buffer, in bytes. The server reads at most this much of a request before it
/// knows that the head is too large, or before a handler reads the body.
const BUFFER_BYTES: usize = 64 << 10;
/// Data that no handler has read is dropped before the connection is closed. These are the limit in
/// bytes, the time limit, and the time limit after the signal to stop.
const MAX_DISCARDED_BYTES: usize = 8 << 20;
const LINGER_TIMEOUT: Duration = Duration::from_secs(5);
const STOP_LINGER_TIMEOUT: Duration = Duration::from_millis(500);

/// Serves a connection until its end. The connection gives up its slot before it lingers, so
/// clients that do not close their side do not keep other clients out.
pub(super) async fn serve(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
    mut slot_wanted: watch::Receiver<()>,
    slot: ConnectionSlot,
) {
    // Without this option, the second answer on a connection waits until the first one is
    // acknowledged. If the option cannot be set, the connection is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(call(app.clone(), request, limits)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        // A client may close its side after the request and still read the answer.
        .half_close(true)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .writev(false)
        .serve_connection(TokioIo::new(Wire::new(stream, limits.write)), service);
    let leave = async {
        select! {
            () = stop::wait(stop.clone()) => {}
            _ = slot_wanted.changed() => {}
        }
    };
    tokio::pin!(leave);
    let mut leaving = false;
    let ended = loop {
        select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => break ended,
            () = &mut leave, if !leaving => {
                leaving = true;
                std::pin::Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    let parts = connection.into_parts();
    // The connection of a client that does not read is dropped at once.
    let Some(mut stream) = parts.io.into_inner().into_stream() else { return };
    if let Some(problem) = ended.err().and_then(|error| refusal(&error, &parts.read_buf)) {
        let _ = timeout(limits.write, stream.write_all(&answer::bytes(problem).await)).await;
    }
    let Some(_lingering) = slot.into_lingering() else { return };
    close(stream, if *stop.borrow() { STOP_LINGER_TIMEOUT } else { LINGER_TIMEOUT }).await;
}

/// Calls the handler. If it did not read the whole request, the connection is closed after the
/// answer.
async fn call(app: Router, request: Request<Incoming>, limits: Limits) -> Result<Response, Infallible> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(DirectConnection { body_timeout: limits.body });
    // A request with a transfer coding is the last one on its connection. A proxy may see the end
    // of such a request at another place, and bytes after it could then be taken for another
    // request (RFC 9112, 11.2).
    let last = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let read = Arc::new(AtomicBool::new(body.is_end_stream()));
    let body = if body.is_end_stream() { Body::new(body) } else { marked(Body::new(body), Arc::clone(&read)) };
    let mut response = app.oneshot(Request::from_parts(parts, body)).await?;
    if last || !read.load(Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// Returns the body. `read` becomes true when the body has been read to its end.
fn marked(body: Body, read: Arc<AtomicBool>) -> Body {
    let mark = stream::poll_fn(move |_| {
        read.store(true, Relaxed);
        Poll::Ready(None)
    });
    Body::from_stream(body.into_data_stream().chain(mark))
}

/// The answer to a request that hyper could not read. `None` if there was no request.
fn refusal(error: &hyper::Error, read: &[u8]) -> Option<Problem> {
    if error.is_parse_too_large() {
        let line = read.iter().position(|byte| *byte == b'\n').unwrap_or(read.len());
        return Some(if line > MAX_HEAD_BYTES { Problem::uri_too_long() } else { too_many_headers() });
    }
    if error.is_timeout() && !read.is_empty() {
        return Some(Problem::new(Kind::RequestTimeout, "The request's headers did not arrive in time."));
    }
    let unreadable = error.is_parse() || (error.is_incomplete_message() && !read.is_empty());
    unreadable.then(|| Problem::new(Kind::MalformedRequest, "This is no HTTP/1.1 request."))
}

fn too_many_headers() -> Problem {
    Problem::new(Kind::HeadersTooLarge, format!("The headers may have at most {MAX_HEAD_BYTES} bytes, and be at most 100."))
}

/// Closes a connection so that the client can still read the answer. Data that the client sends
/// meanwhile is read and dropped, for `linger` at most. Otherwise, the client would see a broken
/// connection and not the answer.
async fn close(mut stream: TcpStream, linger: Duration) {
    let _ = stream.shutdown().await;
    let discard = async {
        let (mut left, mut buffer) = (MAX_DISCARDED_BYTES, [0; 8 << 10]);
        while let Ok(read @ 1..) = stream.read(&mut buffer).await
            && read < left
        {
            left -= read;
        }
    };
    let _ = timeout(linger, discard).await;
}
