//! Sends valid and invalid requests as bytes over a socket. Every answer is a complete problem, no
//! client sees a broken connection instead of its answer, and no client occupies the server for
//! long.

use crate::common::app;
use axum::{Router, routing::get};
use functions::server::{Limits, serve};
use serde_json::Value;
use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::JoinHandle,
    time::{Instant, timeout},
};

/// Longer than any step of these tests takes.
const STEP_TIMEOUT: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        Self::start_with(limits, app()).await
    }

    async fn start_with(limits: Limits, app: Router) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopping) = watch::channel(false);
        Self { address, stop, serving: tokio::spawn(serve(listener, app, limits, stopping)) }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes on one connection. Returns all answers until the server closes the connection.
    async fn send(&self, request: impl AsRef<[u8]>) -> Vec<Answer> {
        let mut stream = self.connect().await;
        stream.write_all(request.as_ref()).await.unwrap();
        answers(&mut stream).await
    }

    async fn send_one(&self, request: impl AsRef<[u8]>) -> Answer {
        let mut answers = self.send(request).await;
        assert_eq!(answers.len(), 1);
        answers.remove(0)
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    #[track_caller]
    fn assert_problem(&self, status: u16, kind: &str) {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.headers["content-type"], "application/problem+json", "{self:?}");
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["type"], format!("/problems/{kind}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(problem["requestId"], self.headers["x-request-id"], "{self:?}");
        self.assert_common_headers();
    }

    #[track_caller]
    fn assert_common_headers(&self) {
        assert_eq!(self.headers["x-content-type-options"], "nosniff", "{self:?}");
        assert!(!self.headers["x-request-id"].is_empty() && self.headers.contains_key("date"), "{self:?}");
    }
}

/// Reads answers until the connection closes. A broken connection fails the test.
async fn answers(stream: &mut TcpStream) -> Vec<Answer> {
    let mut bytes = Vec::new();
    timeout(STEP_TIMEOUT, stream.read_to_end(&mut bytes))
        .await
        .expect("the server closes the connection")
        .expect("the connection is not broken");
    let text = String::from_utf8(bytes).unwrap();
    let (mut rest, mut answers) = (text.as_str(), Vec::new());
    while !rest.is_empty() {
        let (head, body) = rest.split_once("\r\n\r\n").unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: BTreeMap<_, _> =
            lines.map(|line| line.split_once(": ").unwrap()).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        answers.push(Answer { status, headers, body: body[..length].to_owned() });
        rest = &body[length..];
    }
    answers
}

fn get_with(headers: &str) -> String {
    format!("GET /api/health/live HTTP/1.1\r\nConnection: close\r\n{headers}\r\n")
}

#[tokio::test]
async fn a_request_has_one_host() {
    let server = Server::start(Limits::default()).await;
    for hosts in ["", "Host: a\r\nHost: a\r\n", "Host: a\r\nHost: b\r\n", "Host: \r\n", "Host: a b\r\n", "Host: me@a\r\n", "Host: a/b\r\n"]
    {
        server.send_one(get_with(hosts)).await.assert_problem(400, "malformed-request");
    }
    for host in ["Host: a\r\n", "Host: [::1]:8080\r\n", "host: a.example:80\r\n"] {
        assert_eq!(server.send_one(get_with(host)).await.status, 200, "{host}");
    }
    // An absolute address does not replace the `Host`. HTTP/1.0 does not need a `Host`.
    server.send_one("GET http://a/api/health/live HTTP/1.1\r\nConnection: close\r\n\r\n").await.assert_problem(400, "malformed-request");
    let absolute = server.send_one("GET http://a/api/health/live HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    assert_eq!(absolute.status, 200);
    assert_eq!(server.send_one("GET /api/health/live HTTP/1.0\r\n\r\n").await.status, 200);
}

/// hyper would answer these requests itself, without a body.
#[tokio::test]
async fn what_is_no_request_is_a_problem() {
    let server = Server::start(Limits::default()).await;
    let post = "POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n";
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        "GET / HTTP/9.9\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n".to_owned(),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
        "\x16\x03\x01\x02\0\x01\0\x01\x7c\x03\x03 a TLS client\r\n\r\n".to_owned(),
        "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "GET * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        "CONNECT a:80 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".to_owned(),
        // Two lengths, an invalid length, and transfer codings that are not supported.
        format!("{post}Content-Length: 2\r\nContent-Length: 3\r\n\r\n{{}}"),
        format!("{post}Content-Length: -1\r\n\r\n"),
        format!("{post}Content-Length: 2, 2\r\n\r\n{{}}"),
        format!("{post}Transfer-Encoding: gzip\r\n\r\n"),
        format!("{post}Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        format!("{post}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        format!("{post}Content-Type: application/json\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"),
    ] {
        let answer = server.send_one(&request).await;
        assert!(answer.status == 400, "{request:?}: {answer:?}");
        answer.assert_problem(400, "malformed-request");
    }
    // A valid request before an invalid one is answered, too.
    let answers = server.send("GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\nnonsense\r\n\r\n").await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200, 400]);
    answers[1].assert_problem(400, "malformed-request");
}

#[tokio::test]
async fn heads_are_bounded() {
    let server = Server::start(Limits::default()).await;
    for length in [9_000, 40_000, 200_000] {
        let request = format!("GET /{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(length));
        server.send_one(request).await.assert_problem(414, "uri-too-long");
        let request = format!("GET /?{} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "a".repeat(length));
        server.send_one(request).await.assert_problem(414, "uri-too-long");
    }
    for length in [20_000, 200_000] {
        let request = get_with(&format!("Host: a\r\nX-Long: {}\r\n", "a".repeat(length)));
        server.send_one(request).await.assert_problem(431, "headers-too-large");
    }
    server.send_one(get_with(&"X: a\r\n".repeat(101))).await.assert_problem(431, "headers-too-large");
}

#[tokio::test]
async fn smuggled_requests_are_not_read() {
    let server = Server::start(Limits::default()).await;
    let inner = "GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    for lengths in ["Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"] {
        let request = format!("POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{lengths}\r\n0\r\n\r\n{inner}");
        let answer = server.send_one(request).await;
        answer.assert_problem(400, "malformed-request");
        assert_eq!(answer.headers["connection"], "close");
    }
}

#[tokio::test]
async fn packed_bodies_are_refused() {
    let server = Server::start(Limits::default()).await;
    let post = |path: &str, coding: &str| {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json");
        format!("{head}\r\nContent-Encoding: {coding}\r\nContent-Length: 2\r\n\r\n{{}}")
    };
    for path in ["/api/orders", "/api/orders/ord_01930000000070008000000000000001/cancel", "/api/webhooks/stripe"] {
        for coding in ["gzip", "br", "identity, gzip"] {
            server.send_one(post(path, coding)).await.assert_problem(415, "unsupported-media-type");
        }
    }
    server.send_one(post("/api/orders", "Identity")).await.assert_problem(422, "invalid-request");
}

/// A client that writes its whole body before it reads must still get the answer.
#[tokio::test]
async fn a_large_body_to_a_wrong_address_gets_its_answer() {
    let server = Server::start(Limits::default()).await;
    for (method, path, status, kind) in [
        ("POST", "/nothing", 404, "not-found"),
        ("POST", "/api/nothing", 404, "not-found"),
        ("PUT", "/api/orders", 405, "method-not-allowed"),
        ("POST", "/api/orders", 413, "body-too-large"),
    ] {
        for framing in ["Content-Length: 4000000", "Transfer-Encoding: chunked"] {
            let mut stream = server.connect().await;
            let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n{framing}\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let chunk = if framing.starts_with('T') { [b"3e8\r\n", &[b' '; 1_000][..], b"\r\n"].concat() } else { vec![b' '; 1_000] };
            for _ in 0..4_000 {
                stream.write_all(&chunk).await.expect("the connection is not broken");
            }
            let answers = answers(&mut stream).await;
            assert_eq!(answers.len(), 1);
            answers[0].assert_problem(status, kind);
            assert_eq!(answers[0].headers["connection"], "close", "{method} {path}");
        }
        // A client that waits for `100 Continue` need not send the body.
        let head = format!("{method} {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 4000000");
        let answer = server.send_one(format!("{head}\r\nExpect: 100-continue\r\n\r\n")).await;
        answer.assert_problem(status, kind);
    }
}

#[tokio::test]
async fn a_body_that_is_waited_for_is_asked_for() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    let head = "POST /api/orders HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2";
    stream.write_all(format!("{head}\r\nExpect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let mut go_on = [0; 25];
    timeout(STEP_TIMEOUT, stream.read_exact(&mut go_on)).await.unwrap().unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"{}").await.unwrap();
    answers(&mut stream).await[0].assert_problem(422, "invalid-request");
}

/// The default limits with one change.
fn limits_with(change: impl FnOnce(&mut Limits)) -> Limits {
    let mut limits = Limits::default();
    change(&mut limits);
    limits
}

#[tokio::test]
async fn slow_and_idle_connections_end() {
    let server = Server::start(limits_with(|limits| limits.head = Duration::from_millis(300))).await;
    // Half a head, no byte at all, and nothing after an answer.
    server.send_one("GET /api/health/live HTTP/1.1\r\nHos").await.assert_problem(408, "request-timeout");
    assert!(server.send("").await.is_empty());
    let answers = server.send("GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(answers.iter().map(|answer| answer.status).collect::<Vec<_>>(), [200]);
}

#[tokio::test]
async fn a_head_that_trickles_in_ends() {
    let server = Server::start(limits_with(|limits| limits.head = Duration::from_millis(300))).await;
    let mut stream = server.connect().await;
    let started = Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    // The pause between two writes is shorter than the limit.
    let mut pause = tokio::time::interval(Duration::from_millis(20));
    while started.elapsed() < STEP_TIMEOUT {
        pause.tick().await;
        if stream.write_all(b"X: 1\r\n").await.is_err() || stream.try_read(&mut [0]).is_ok() {
            return;
        }
    }
    panic!("the server still waits after {STEP_TIMEOUT:?}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_a_timeout() {
    let server = Server::start(limits_with(|limits| limits.body = Duration::from_millis(300))).await;
    let answer = server
        .send_one("POST /api/orders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{\"customerID\"")
        .await;
    answer.assert_problem(408, "request-timeout");
    assert_eq!(answer.headers["connection"], "close");
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_left() {
    let large = Router::new().route("/large", get(async || vec![b'a'; 64 << 20])).route("/small", get(async || "small"));
    let server = Server::start_with(
        limits_with(|limits| {
            limits.write = Duration::from_millis(300);
            limits.connections = 1;
        }),
        large,
    )
    .await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    // The only slot becomes free, although the first client still reads nothing.
    let mut other = server.connect().await;
    other.write_all(b"GET /small HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    timeout(STEP_TIMEOUT, other.read_to_end(&mut answer)).await.expect("there is a slot").unwrap();
    assert!(answer.ends_with(b"small"));
    drop(stream);
}

#[tokio::test]
async fn idle_connections_make_room() {
    let server = Server::start(limits_with(|limits| limits.connections = 2)).await;
    let request = b"GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut idle = [server.connect().await, server.connect().await];
    for stream in &mut idle {
        stream.write_all(request).await.unwrap();
        assert_ne!(stream.read(&mut [0; 4_096]).await.unwrap(), 0);
    }
    // The new request is answered long before the idle connections reach their time limit.
    assert_eq!(server.send_one(get_with("Host: a\r\n")).await.status, 200);
}

#[tokio::test]
async fn a_client_that_closed_its_side_reads_the_answer() {
    let server = Server::start(Limits::default()).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET /api/health/live HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    assert_eq!(answers(&mut stream).await[0].status, 200);
}

#[tokio::test]
async fn a_stopped_server_answers_what_it_has_taken_and_ends() {
    let (taken, done) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (take, end) = (Arc::clone(&taken), Arc::clone(&done));
    let slow = async move || {
        take.notify_one();
        end.notified().await;
        "done"
    };
    let server = Server::start_with(Limits::default(), Router::new().route("/slow", get(slow))).await;
    let (idle, mut busy) = (server.connect().await, server.connect().await);
    busy.write_all(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    taken.notified().await;
    server.stop.send_replace(true);
    done.notify_one();
    assert_eq!(answers(&mut busy).await[0].body, "done");
    timeout(STEP_TIMEOUT, server.serving).await.expect("the server ends").unwrap();
    drop(idle);
}
