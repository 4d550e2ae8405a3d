//! Authentication and authorization. All dependencies are away, so a call that is let in is
//! answered 503.

use crate::{
    common::{Answer, call_as, post, request},
    issuer::{AUDIENCE, Issuer, Key, SUBJECT, hmac_token, settings, signed},
};
use axum::{body::Body, http::Request};
use functions::identity::{Identity, Settings};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const ORDER: &str = "/api/orders/ord_01930000000070008000000000000001";

fn order_of(customer: &str) -> String {
    let item = json!({ "productID": "P", "quantity": 1, "unitPrice": 1 });
    json!({ "customerID": customer, "totalAmount": 1, "items": [item] }).to_string()
}

fn with_token(mut request: Request<Body>, token: &str) -> Request<Body> {
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

/// Reads an order with this token.
async fn get_with(identity: &Arc<Identity>, token: &str) -> Answer {
    call_as(identity.clone(), with_token(request("GET", ORDER), token)).await
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, kind: &str, challenge: &str, what: &str) {
    let problem = answer.json();
    assert_eq!((answer.status.as_u16(), &problem["type"]), (status, &json!(format!("/problems/{kind}"))), "{what}: {problem}");
    assert_eq!(answer.header("www-authenticate"), challenge, "{what}");
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
}

#[track_caller]
fn assert_let_in(answer: &Answer, what: &str) {
    assert_eq!(answer.status.as_u16(), 503, "{what}: {}", answer.json());
}

#[tokio::test]
async fn calls_for_orders_need_a_token_and_others_none() {
    let issuer = Issuer::start(&[]).await;
    let identity = issuer.identity(None);
    let needing = || {
        [request("GET", ORDER), request("GET", "/api/orders?customerID=C"), post("/api/orders", "{"), post(&format!("{ORDER}/cancel"), "")]
    };
    for request in needing() {
        let what = format!("{} {}", request.method(), request.uri());
        assert_refused(&call_as(identity.clone(), request).await, 401, "unauthenticated", "Bearer", &what);
    }
    for mut request in needing() {
        request.headers_mut().insert("authorization", "Basic YWRhOnB3".parse().unwrap());
        assert_refused(&call_as(identity.clone(), request).await, 401, "unauthenticated", "Bearer", "Basic");
    }
    for (path, status) in [("/api/health", 503), ("/api/health/live", 200), ("/api/products", 503), ("/api/openapi.json", 200), ("/x", 404)]
    {
        assert_eq!(call_as(identity.clone(), request("GET", path)).await.status.as_u16(), status, "{path}");
    }
    assert_eq!(issuer.reads(), 0, "nobody came with a token");
}

#[tokio::test]
async fn customers_act_for_themselves_and_staff_for_everybody() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let identity = issuer.identity(None);
    let customer = key.token(&issuer.claims());
    let staff = [json!({ "groups": ["x", "staff"] }), json!({ "groups": "admin" }), json!({ "cognito:groups": ["admin"] })];
    for (token, others) in std::iter::once((customer, false)).chain(staff.map(|groups| (key.token(&issuer.claims_with(groups)), true))) {
        for (whose, allowed) in [(SUBJECT, true), ("another", others)] {
            for request in [post("/api/orders", order_of(whose)), request("GET", &format!("/api/orders?customerID={whose}"))] {
                let what = format!("{} of {whose}", request.method());
                let answer = call_as(identity.clone(), with_token(request, &token)).await;
                if allowed {
                    assert_let_in(&answer, &what);
                } else {
                    assert_refused(&answer, 403, "forbidden", "", &what);
                }
            }
        }
        assert_let_in(&get_with(&identity, &token).await, "an order");
    }
    assert_eq!(issuer.reads(), 1, "the keys are kept");
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused() {
    let (key, other) = (Key::new("one"), Key::new("other"));
    let issuer = Issuer::start(&[&key]).await;
    let identity = issuer.identity(None);
    let claims = issuer.claims();
    let good = key.token(&claims);
    assert_let_in(&get_with(&identity, &good).await, "good");

    let header = |algorithm: &str| json!({ "alg": algorithm, "kid": "one" });
    let changed = |changes: Value| key.token(&issuer.claims_with(changes));
    let now = claims["iat"].as_i64().unwrap();
    let (start, signature) = good.rsplit_once('.').unwrap();
    let staff_claims = issuer.claims_with(json!({ "groups": ["staff"] }));
    let forged = signed(&header("ES256"), &staff_claims, |_| Vec::new()) + signature;
    for (token, what) in [
        (changed(json!({ "exp": now - 61 })), "expired"),
        (changed(json!({ "exp": null })), "without end"),
        (changed(json!({ "exp": "later" })), "with an end that is no time"),
        (changed(json!({ "nbf": now + 120 })), "not valid yet"),
        (changed(json!({ "aud": "other" })), "for another audience"),
        (changed(json!({ "aud": null })), "for no audience"),
        (changed(json!({ "aud": "other", "client_id": AUDIENCE })), "for another audience, by our client"),
        (changed(json!({ "iss": "https://other.example" })), "of another issuer"),
        (changed(json!({ "iss": null })), "of no issuer"),
        (changed(json!({ "iss": [issuer.url] })), "of several issuers"),
        (changed(json!({ "sub": null })), "of nobody"),
        (changed(json!({ "sub": "" })), "of nobody at all"),
        (changed(json!({ "token_use": "id" })), "that tells a client who signed in"),
        (signed(&header("none"), &claims, |_| Vec::new()), "without signature"),
        (signed(&header("None"), &claims, |_| Vec::new()), "without signature, written otherwise"),
        (signed(&header("ES256"), &claims, |_| Vec::new()), "with an empty signature"),
        (hmac_token(key.public(), &header("HS256"), &claims), "with the public key as shared secret"),
        (hmac_token(key.public(), &header("ES256"), &claims), "with the public key as shared secret, in disguise"),
        (key.token_with(&header("RS256"), &claims), "with another algorithm's name"),
        (key.token_with(&json!({ "alg": "ES256" }), &claims), "without key id"),
        (key.token_with(&json!({ "alg": "ES256", "kid": "one", "crit": ["exp"] }), &claims), "with a critical extension"),
        (other.token(&claims), "with an unknown key"),
        (other.token_with(&header("ES256"), &claims), "with another key under a known id"),
        (forged, "with the signature of another token"),
        (start.to_owned(), "with two parts"),
        (format!("{good}.x"), "with four parts"),
        ("x".repeat(4_000), "that is none"),
        (String::new(), "that is empty"),
    ] {
        let what = format!("a token {what}");
        assert_refused(&get_with(&identity, &token).await, 401, "invalid-token", r#"Bearer error="invalid_token""#, &what);
    }
    let mut two = with_token(request("GET", ORDER), &good);
    two.headers_mut().append("authorization", format!("Bearer {good}").parse().unwrap());
    assert_refused(&call_as(identity.clone(), two).await, 401, "invalid-token", r#"Bearer error="invalid_token""#, "two tokens");
    let client = changed(json!({ "aud": null, "client_id": AUDIENCE, "token_use": "access" }));
    assert_let_in(&get_with(&identity, &client).await, "a client's token, as Cognito makes it");
}

#[tokio::test]
async fn a_scope_may_be_asked_for() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let identity = issuer.identity(Some("orders"));
    for scope in [json!(null), json!("openid orders:read"), json!(["openid"])] {
        let answer = get_with(&identity, &key.token(&issuer.claims_with(json!({ "scope": scope })))).await;
        assert_refused(&answer, 403, "insufficient-scope", r#"Bearer error="insufficient_scope""#, &scope.to_string());
    }
    for (name, scope) in [("scope", json!("openid orders")), ("scp", json!(["orders"]))] {
        assert_let_in(&get_with(&identity, &key.token(&issuer.claims_with(json!({ name: scope })))).await, name);
    }
}

/// Waits until a call with this token is answered with this status.
async fn wait_for_status(identity: &Arc<Identity>, token: &str, status: u16) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let answer = get_with(identity, token).await;
        if answer.status.as_u16() == status {
            return;
        }
        assert!(Instant::now() < deadline, "still {}: {}", answer.status, answer.json());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn new_keys_are_found_and_made_up_ones_ask_the_issuer_seldom() {
    let (old, new) = (Key::new("old"), Key::new("new"));
    let issuer = Issuer::start(&[&old]).await;
    let identity = issuer.identity(None);
    assert_let_in(&get_with(&identity, &old.token(&issuer.claims())).await, "old key");
    issuer.publish(&[&new]);
    let (old, new) = (old.token(&issuer.claims()), new.token(&issuer.claims()));
    let before = Instant::now();
    for _ in 0..200 {
        assert_eq!(get_with(&identity, &Key::new("made up").token(&issuer.claims())).await.status, 401);
    }
    let at_most = 2 + u32::try_from(before.elapsed().as_secs() / 5).unwrap();
    assert!(issuer.reads() <= at_most, "{} reads", issuer.reads());
    wait_for_status(&identity, &new, 503).await;
    assert_refused(&get_with(&identity, &old).await, 401, "invalid-token", r#"Bearer error="invalid_token""#, "a key that was given up");
}

#[tokio::test]
async fn an_issuer_that_is_away_is_no_reason_to_refuse_or_believe_anybody() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let token = key.token(&issuer.claims());
    // Both cases are answered 503. If only a dependency is away, the token has already been
    // verified.
    let is_verified = |answer: &Answer| !answer.json()["detail"].as_str().unwrap().starts_with("Tokens cannot be verified");
    let identity = issuer.identity(None);
    issuer.set_away(true);
    let answer = get_with(&identity, &token).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after"), is_verified(&answer)), (503, "2", false));
    issuer.set_away(false);
    let deadline = Instant::now() + Duration::from_secs(10);
    while !is_verified(&get_with(&identity, &token).await) {
        assert!(Instant::now() < deadline, "the issuer is back");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    issuer.set_away(true);
    assert!(is_verified(&get_with(&identity, &token).await), "known keys are still used");

    let identity = issuer.identity(None);
    issuer.set_away(false);
    issuer.set_issuer("https://other.example");
    let answer = get_with(&identity, &token).await;
    assert_eq!((answer.status.as_u16(), is_verified(&answer)), (503, false), "its configuration is another issuer's");
}

#[tokio::test]
async fn settings_that_leave_the_api_open_by_mistake_are_refused() {
    let refusal = |settings: Settings| Identity::new(settings).err().map(|error| error.to_string()).unwrap_or_default();
    let none = || settings(None);
    assert!(refusal(none()).starts_with("AUTH_ISSUER is not set"));
    let emulated = Settings { aws_endpoint_url: Some("http://127.0.0.1:4566".to_owned()), ..none() };
    assert!(matches!(Identity::new(emulated), Ok(Identity::Open)));

    let of = |issuer: &str| settings(Some(issuer));
    assert!(refusal(Settings { auth_audience: vec![String::new()], ..of("https://i.example") }).starts_with("AUTH_AUDIENCE is not set"));
    assert!(refusal(of("http://i.example")).starts_with("AUTH_ISSUER must be"));
    assert!(refusal(of("i.example")).starts_with("AUTH_ISSUER must be"));
    let discovery = Settings { auth_discovery_url: Some("http://i.example".to_owned()), ..of("https://i.example") };
    assert!(refusal(discovery).starts_with("AUTH_DISCOVERY_URL must be"));
    assert!(matches!(Identity::new(of("https://i.example/")), Ok(Identity::Required(_))));
}
