//! One connection: its requests one after another, and a close that loses no answer.

use super::{Limits, Place, answer, wire::Wire};
use crate::http::{Direct, Kind, Problem};
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

/// The largest head of a request (request line and headers), in bytes; API Gateway takes 10 KB.
const MAX_HEAD_BYTES: usize = 16 << 10;
/// Bytes of a request that are read before its head is found too large, or before its body is asked for.
const BUFFER_BYTES: usize = 64 << 10;
/// How much of what nobody asked for is read before the connection closes, in bytes, and for how long.
const MAX_DISCARDED_BYTES: usize = 8 << 20;
const LINGER: Duration = Duration::from_secs(5);
const LINGER_WHILE_STOPPING: Duration = Duration::from_millis(500);

/// Serves a connection to its end. Its place is free before the connection lingers: clients that do
/// not close their side keep nobody else out.
pub(super) async fn serve(
    stream: TcpStream,
    app: Router,
    limits: Limits,
    stop: watch::Receiver<bool>,
    mut crowded: watch::Receiver<()>,
    place: Place,
) {
    // Else a second answer on a connection waits for the acknowledgement of the first. A socket that refuses is only slower.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| Box::pin(call(app.clone(), request, limits)));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        // A client that has sent its request and closed its side still reads the answer.
        .half_close(true)
        .max_buf_size(BUFFER_BYTES)
        .max_header_size(MAX_HEAD_BYTES)
        .writev(false)
        .serve_connection(TokioIo::new(Wire::new(stream, limits.write)), service);
    let leave = async {
        select! {
            () = stop::wait(stop.clone()) => {}
            _ = crowded.changed() => {}
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
    // A client that reads nothing is not waited for.
    let Some(mut stream) = parts.io.into_inner().into_stream() else { return };
    if let Some(problem) = ended.err().and_then(|error| refusal(&error, &parts.read_buf)) {
        let _ = timeout(limits.write, stream.write_all(&answer::bytes(problem).await)).await;
    }
    let Some(_lingering) = place.linger() else { return };
    close(stream, if *stop.borrow() { LINGER_WHILE_STOPPING } else { LINGER }).await;
}

/// Calls a handler, and ends the connection after its answer if a part of the request was not read.
async fn call(app: Router, request: Request<Incoming>, limits: Limits) -> Result<Response, Infallible> {
    let (mut parts, body) = request.into_parts();
    parts.extensions.insert(Direct { body_timeout: limits.body });
    // A request with a transfer coding is the last on its connection: nothing that follows can be
    // taken for a request of its own where a proxy saw other bounds (RFC 9112, 11.2).
    let last = parts.headers.contains_key(header::TRANSFER_ENCODING);
    let read = Arc::new(AtomicBool::new(body.is_end_stream()));
    let body = if body.is_end_stream() { Body::new(body) } else { marked(Body::new(body), Arc::clone(&read)) };
    let mut response = app.oneshot(Request::from_parts(parts, body)).await?;
    if last || !read.load(Relaxed) {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}

/// The body, and a mark that is set once it has been read to its end.
fn marked(body: Body, read: Arc<AtomicBool>) -> Body {
    let mark = stream::poll_fn(move |_| {
        read.store(true, Relaxed);
        Poll::Ready(None)
    });
    Body::from_stream(body.into_data_stream().chain(mark))
}

/// What a client is told whose request hyper could not take; nothing when there was none.
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

/// Closes a connection so that its client can read the answer: what the client still sends is read
/// and dropped for a while. Else the client would see a broken connection instead.
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
