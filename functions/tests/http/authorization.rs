//! Who may call which operation. The table has every operation of the OpenAPI document, so an
//! operation that is added must say who may call it.
//!
//! Whose order an operation is about is not decided here: identity.rs and the end-to-end tests show
//! that a customer reaches no other customer's order.

use crate::{
    common::{call_as, post, request},
    issuer::{Issuer, Key, SUBJECT},
    openapi::{document, operations, target},
};
use axum::http::StatusCode;
use serde_json::json;

/// The least that a caller must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    Anyone,
    Customer,
    Staff,
    Admin,
}

const CALLERS: [Caller; 4] = [Caller::Anyone, Caller::Customer, Caller::Staff, Caller::Admin];

/// Who may call the operation. None if the table does not have it.
fn least(method: &str, path: &str) -> Option<Caller> {
    let least = match (method, path) {
        ("GET", "/api/health" | "/api/health/live" | "/api/openapi.json" | "/api/products") => Caller::Anyone,
        // A signature says who calls.
        ("POST", "/api/webhooks/carrier" | "/api/webhooks/stripe") => Caller::Anyone,
        ("GET" | "POST", "/api/orders") | ("GET", "/api/orders/{id}") => Caller::Customer,
        ("POST", "/api/orders/{id}/amend" | "/api/orders/{id}/cancel") => Caller::Customer,
        ("GET", "/api/operations" | "/api/operations/history" | "/api/orders/{id}/trace") => Caller::Staff,
        ("POST", "/api/orders/{id}/review" | "/api/orders/{id}/shipments/{shipmentID}/scans") => Caller::Staff,
        ("POST", "/api/orders/{id}/refunds" | "/api/products/{id}/restock") => Caller::Admin,
        _ => return None,
    };
    Some(least)
}

#[tokio::test]
async fn each_operation_is_for_its_callers_only() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let identity = issuer.identity(None);
    let token_of = |caller| match caller {
        Caller::Anyone => None,
        Caller::Customer => Some(key.token(&issuer.claims())),
        Caller::Staff => Some(key.token(&issuer.claims_with(json!({ "groups": ["staff"] })))),
        Caller::Admin => Some(key.token(&issuer.claims_with(json!({ "groups": ["admin"] })))),
    };
    for (path, method, operation) in operations(&document()) {
        let least = least(&method, &path).unwrap_or_else(|| panic!("who may call {method} {path}?"));
        assert_eq!(operation["security"].is_array(), least > Caller::Anyone, "{method} {path}: what the document says");
        for caller in CALLERS {
            let target = if (method.as_str(), path.as_str()) == ("GET", "/api/orders") {
                format!("{path}?customerID={SUBJECT}")
            } else {
                target(&path)
            };
            let mut call = if method == "GET" { request("GET", &target) } else { post(&target, "{}") };
            call.headers_mut().insert("idempotency-key", "key".parse().unwrap());
            if let Some(token) = token_of(caller) {
                call.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
            }
            let answer = call_as(identity.clone(), call).await;
            let status = answer.status;
            if caller >= least {
                let is_refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(&status);
                assert!(!is_refused, "{method} {path} by {caller:?}: {status}");
            } else {
                let refusal = if caller == Caller::Anyone { StatusCode::UNAUTHORIZED } else { StatusCode::FORBIDDEN };
                assert_eq!(status, refusal, "{method} {path} by {caller:?}");
            }
        }
    }
}

#[tokio::test]
async fn only_staff_list_the_orders_of_all_customers() {
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let identity = issuer.identity(None);
    for (groups, status) in [(json!([]), StatusCode::FORBIDDEN), (json!(["staff"]), StatusCode::SERVICE_UNAVAILABLE)] {
        let mut call = request("GET", "/api/orders?status=PAID");
        let token = key.token(&issuer.claims_with(json!({ "groups": groups })));
        call.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        assert_eq!(call_as(identity.clone(), call).await.status, status, "{groups}");
    }
}
