//! The socket that hyper reads and writes.
//!
//! If hyper cannot parse a request, it writes an answer that has only a status. All error answers
//! of OrderFlow are problems with a request id. Therefore hyper's answer is dropped here. The
//! connection then ends with hyper's error, and [`super::connection`] writes the answer.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Sleep, sleep},
};

pub(super) struct Wire {
    stream: TcpStream,
    /// The time after which a client that reads nothing is disconnected.
    write_timeout: Duration,
    /// The timer that runs while the client reads nothing.
    blocked: Option<Pin<Box<Sleep>>>,
    timed_out: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, write_timeout: Duration) -> Self {
        Self { stream, write_timeout, blocked: None, timed_out: false }
    }

    /// Returns the socket. `None` if the client has stopped reading.
    pub(super) fn into_stream(self) -> Option<TcpStream> {
        (!self.timed_out).then_some(self.stream)
    }

    /// Writes bytes. Fails if the client has read nothing for too long.
    fn write(&mut self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = Pin::new(&mut self.stream).poll_write(context, bytes) {
            self.blocked = None;
            return Poll::Ready(written);
        }
        let write_timeout = self.write_timeout;
        let blocked = self.blocked.get_or_insert_with(|| Box::pin(sleep(write_timeout)));
        ready!(blocked.as_mut().poll(context));
        self.timed_out = true;
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let ours = without_bare_answer(bytes);
        if ours.is_empty() {
            return Poll::Ready(Ok(bytes.len()));
        }
        let written = ready!(self.write(context, ours))?;
        Poll::Ready(Ok(if written == ours.len() { bytes.len() } else { written }))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Removes hyper's own answer from the bytes. It is the last answer that hyper writes on a
/// connection. Its status is 4xx, and it has no body and, unlike all answers of OrderFlow, no
/// request id.
fn without_bare_answer(bytes: &[u8]) -> &[u8] {
    const START: &[u8] = b"HTTP/1.";
    const OURS: &[u8] = b"\r\nx-request-id: ";
    if !bytes.ends_with(b"\r\n\r\n") {
        return bytes;
    }
    let Some(at) = bytes.windows(START.len()).rposition(|window| window == START) else { return bytes };
    let head = &bytes[at..];
    let is_refusal = head.get(8..10) == Some(b" 4");
    if is_refusal && !head.windows(OURS.len()).any(|window| window == OURS) { &bytes[..at] } else { bytes }
}

#[cfg(test)]
mod tests {
    use super::without_bare_answer;

    #[test]
    fn drops_what_hyper_says_alone() {
        let bare = "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
        let ours = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: 7\r\n\r\n{}";
        let empty = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nx-request-id: 7\r\n\r\n";
        for (bytes, kept) in [
            (bare.to_owned(), ""),
            (format!("{ours}{bare}"), ours),
            (ours.to_owned(), ours),
            (empty.to_owned(), empty),
            ("HTTP/1.1 100 Continue\r\n\r\n".to_owned(), "HTTP/1.1 100 Continue\r\n\r\n"),
            ("the end of a page\r\n\r\n".to_owned(), "the end of a page\r\n\r\n"),
        ] {
            assert_eq!(without_bare_answer(bytes.as_bytes()), kept.as_bytes(), "{bytes}");
        }
    }
}
