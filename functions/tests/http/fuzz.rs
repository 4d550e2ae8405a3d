//! Random requests. Whatever a stranger sends, the API does not fail, and it answers a bad request
//! with a problem. All dependencies are away, so a request that is good is answered 503.
//!
//! A short run is part of all tests; `make fuzz` runs for an hour. A run prints its seed if it fails.
//! `FUZZ_SEED=… make fuzz` repeats its requests.

use crate::{
    common::{CARRIER_SECRET, STRIPE_SECRET, app, signature},
    openapi::{document, operations, target},
};
use axum::{
    body::{Body, to_bytes},
    http::{HeaderName, HeaderValue, Request, Uri},
};
use fastrand::Rng;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    str::FromStr,
    time::{Duration, Instant},
};
use tower::ServiceExt;

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 34] = [
    b"\"",
    b"'",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"=",
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\\u0000",
    b"\\ud800",
    b"null",
    b"true",
    b"-0",
    b"1e309",
    b"0.1e-400",
    b"9223372036854775808",
    b"NaN",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":",
    b"__proto__",
    b"../../",
    b"%00",
    b"%ff",
    b"%2e%2e%2f",
    b"4242424242424242",
    b"' OR 1=1 --",
    b"\r\nX: y",
    "\u{202e}\u{feff}\u{0301}".as_bytes(),
];
/// The body of a request of each of two webhooks.
const MESSAGES: [(&str, &str, &str, &str); 2] = [
    (
        "/api/webhooks/carrier",
        "carrier-signature",
        CARRIER_SECRET,
        r#"{"shipmentID":"ord_01930000000070008000000000000001-1","event":"DELIVERED","at":"2026-11-21T10:00:00Z","trackingNumber":"T1"}"#,
    ),
    (
        "/api/webhooks/stripe",
        "stripe-signature",
        STRIPE_SECRET,
        r#"{"id":"evt_1","object":"event","type":"payment_intent.succeeded","data":{"object":{"id":"pi_1","object":"payment_intent","metadata":{"order_id":"ord_01930000000070008000000000000001"}}}}"#,
    ),
];
/// Headers that the API or its edge reads.
const HEADERS: [&str; 9] = [
    "authorization",
    "content-length",
    "content-type",
    "idempotency-key",
    "if-none-match",
    "origin",
    "traceparent",
    "x-forwarded-for",
    "x-request-id",
];

/// Changes a text at some places.
fn change(rng: &mut Rng, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..rng.usize(0..5) {
        let place = rng.usize(0..=text.len());
        let end = rng.usize(place..=text.len().min(place + 12));
        match rng.u8(0..6) {
            0 => drop(text.splice(place..end, [])),
            1 => text.truncate(place),
            2 => {
                let piece = text[place..end].repeat(rng.usize(1..200));
                text.splice(place..place, piece);
            }
            3 if end > place => text[place] = rng.u8(..),
            _ => {
                let piece = rng.choice(PIECES).unwrap_or_default();
                text.splice(place..end, piece.iter().copied());
            }
        }
    }
    text
}

/// A path and query with percent signs where a client would put them.
fn change_target(rng: &mut Rng, target: &str) -> Uri {
    let changed = change(rng, target.as_bytes());
    let written: String =
        changed.iter().map(|byte| if byte.is_ascii_graphic() { char::from(*byte).to_string() } else { format!("%{byte:02X}") }).collect();
    Uri::from_str(&written).unwrap_or_else(|_| Uri::from_str(target).unwrap())
}

/// The example bodies of an operation in the OpenAPI document.
fn examples(operation: &Value) -> Vec<Vec<u8>> {
    let examples = operation["requestBody"]["content"]["application/json"]["examples"].as_object();
    let mut bodies: Vec<Vec<u8>> = examples.into_iter().flatten().map(|(_, example)| example["value"].to_string().into_bytes()).collect();
    bodies.push(json!({ "reason": "r", "quantity": 1, "event": "DELIVERED", "approved": true, "amount": 1.5 }).to_string().into_bytes());
    bodies
}

fn random_request(rng: &mut Rng, operations: &[(String, String, Value)]) -> (Request<Body>, String) {
    let (path, method, operation) = &operations[rng.usize(..operations.len())];
    let query =
        if method == "GET" && rng.bool() { "?customerID=C&status=PAID&sort=newest&limit=20&cursor=eyJ2IjoxfQ&period=day" } else { "" };
    let target = target(path) + query;
    // Most changes of a path lead nowhere.
    let uri = if rng.u8(0..4) == 0 { change_target(rng, &target) } else { Uri::from_str(&target).unwrap() };
    let mut request = Request::builder().method(method.as_str()).uri(uri);
    let mut body = Vec::new();
    if method == "POST" {
        request = request.header("content-type", "application/json");
        if let Some((_, header, secret, message)) = MESSAGES.iter().find(|(of, ..)| of == path) {
            body = change(rng, message.as_bytes());
            let signed = signature(secret, &body, 0).into_bytes();
            let signed = if rng.u8(0..4) == 0 { change(rng, &signed) } else { signed };
            request = request.header(*header, HeaderValue::from_bytes(&signed).unwrap_or(HeaderValue::from_static("")));
        } else {
            let example = rng.choice(examples(operation)).unwrap_or_default();
            body = change(rng, &example);
            request = request.header("idempotency-key", "key");
        }
    }
    for _ in 0..rng.usize(0..3) {
        let name = rng.choice(HEADERS).unwrap_or_default();
        if let Ok(value) = HeaderValue::from_bytes(&change(rng, b"Bearer eyJhbGciOiJub25lIn0.e30., W/\"1-a\", 12")) {
            request = request.header(HeaderName::from_static(name), value);
        }
    }
    let request = request.body(Body::from(body.clone())).unwrap();
    let about = format!("{} {} {:?}\n{}", request.method(), request.uri(), request.headers(), String::from_utf8_lossy(&body));
    (request, about)
}

#[tokio::test]
async fn no_request_makes_the_api_fail() {
    let number = |name: &str| env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let seed = number("FUZZ_SEED").unwrap_or_else(|| fastrand::u64(..));
    let limit = Duration::from_secs(number("FUZZ_S").unwrap_or(10));
    let (mut rng, begun, mut requests) = (Rng::with_seed(seed), Instant::now(), 0_u64);
    let (operations, api) = (operations(&document()), app());
    let mut answers = BTreeMap::<u16, u64>::new();
    while begun.elapsed() < limit {
        requests += 1;
        let (request, about) = random_request(&mut rng, &operations);
        let answer = api.clone().oneshot(request).await.unwrap();
        let status = answer.status().as_u16();
        *answers.entry(status).or_default() += 1;
        let is_json = answer.headers().get("content-type").is_some_and(|media| media.as_bytes().ends_with(b"json"));
        assert!(answer.headers().contains_key("x-request-id"), "FUZZ_SEED={seed}, request {requests}: {about}");
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        let text = String::from_utf8_lossy(&body);
        assert!(
            [200, 304, 400, 401, 403, 404, 405, 408, 413, 414, 415, 422, 431, 503].contains(&status),
            "FUZZ_SEED={seed}, request {requests}: {status} {text}\n{about}"
        );
        // The health names what is down instead.
        let is_problem = is_json && (text.contains("/problems/") || text.contains("\"dependencies\""));
        assert!(status < 400 || is_problem, "FUZZ_SEED={seed}, request {requests}: {status} {text}\n{about}");
        assert!(status != 422 || text.len() < 64 * 1024, "FUZZ_SEED={seed}: {} bytes about {about}", text.len());
    }
    println!("{requests} requests; answers by status: {answers:?}");
    // Requests get as far as the dependencies, too.
    assert!([200, 400, 404, 422, 503].iter().all(|status| answers.contains_key(status)), "{answers:?}");
}
