//! Stripe's webhook accepts only what Stripe has signed. The effects of its events are tested in
//! the workspace's `tests/`.

use crate::common::{STRIPE_SECRET, call, post, signature};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};
use serde_json::{Value, json};

const PATH: &str = "/api/webhooks/stripe";

fn event(r#type: &str) -> String {
    let intent = json!({ "id": "pi_1", "object": "payment_intent", "metadata": { "order_id": "ord_01930000000070008000000000000001" } });
    json!({ "id": "evt_1", "object": "event", "type": r#type, "data": { "object": intent } }).to_string()
}

fn signed(body: &str, signature: &str) -> Request<Body> {
    let mut request = post(PATH, body.to_owned());
    request.headers_mut().insert("stripe-signature", signature.parse().unwrap());
    request
}

async fn answer(request: Request<Body>) -> (StatusCode, Value) {
    let answer = call(request).await;
    (answer.status, answer.json())
}

#[tokio::test]
async fn events_that_do_not_matter_are_taken_and_ignored() {
    for r#type in ["payment_intent.created", "invoice.paid", "something.new"] {
        let body = event(r#type);
        let (status, answer) = answer(signed(&body, &signature(STRIPE_SECRET, &body, 0))).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "received": true })), "{type}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_taken_is_to_be_sent_again() {
    let body = event("payment_intent.succeeded");
    let (status, problem) = answer(signed(&body, &signature(STRIPE_SECRET, &body, 0))).await;
    assert_eq!((status, &problem["type"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("/problems/unavailable")));
}

#[tokio::test]
async fn what_stripe_did_not_sign_just_now_is_refused() {
    let body = event("payment_intent.succeeded");
    let good = signature(STRIPE_SECRET, &body, 0);
    let refused = [
        post(PATH, body.clone()),
        signed(&body, ""),
        signed(&body, "t=1795251600"),
        signed(&body, &signature("whsec_other", &body, 0)),
        signed(&body, &signature(STRIPE_SECRET, &body, 400)),
        signed(&body.replace("pi_1", "pi_2"), &good),
    ];
    for request in refused {
        let header = request.headers().get("stripe-signature").cloned();
        let (status, problem) = answer(request).await;
        assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/invalid-signature")), "{header:?}");
    }
}

#[tokio::test]
async fn a_signed_body_must_still_be_an_event_of_some_size() {
    for body in ["", "{}", "[]", r#"{"id":"evt_1","type":"x","data":{}}"#] {
        let (status, problem) = answer(signed(body, &signature(STRIPE_SECRET, body, 0))).await;
        assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/malformed-request")), "{body}");
    }
    let large = " ".repeat(64 * 1024 + 1);
    assert_eq!(answer(signed(&large, &signature(STRIPE_SECRET, &large, 0))).await.0, StatusCode::PAYLOAD_TOO_LARGE);
    let mut form = signed("a=b", &signature(STRIPE_SECRET, "a=b", 0));
    form.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    assert_eq!(answer(form).await.0, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
