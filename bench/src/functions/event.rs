//! The events for which functions are started.

use anyhow::{Result, bail};
use serde_json::json;

/// A well-formed id. No order has it.
const UNKNOWN: &str = "ord_01930000000070008000000000000001";

/// The two events of a function, each with a label: a request to a path that no function has, and a
/// real request.
///
/// # Errors
/// Fails if no real request is known for the function.
pub(crate) fn of(function: &str) -> Result<[(&'static str, String); 2]> {
    let made_for = match function {
        "create-order" => http("POST", "/api/orders", "", &order()),
        "get-order" => http("GET", &format!("/api/orders/{UNKNOWN}"), "", ""),
        "get-order-trace" => http("GET", &format!("/api/orders/{UNKNOWN}/trace"), "", ""),
        "list-orders" => http("GET", "/api/orders", "customerID=CUST-001", ""),
        "list-products" => http("GET", "/api/products", "", ""),
        "cancel-order" => http("POST", &format!("/api/orders/{UNKNOWN}/cancel"), "", "{}"),
        "amend-order" => http("POST", &format!("/api/orders/{UNKNOWN}/amend"), "", ""),
        "review-order" => http("POST", &format!("/api/orders/{UNKNOWN}/review"), "", r#"{"approved":true}"#),
        "create-refund" => http("POST", &format!("/api/orders/{UNKNOWN}/refunds"), "", "{}"),
        "carrier-webhook" => http("POST", "/api/webhooks/carrier", "", "{}"),
        "stripe-webhook" => http("POST", "/api/webhooks/stripe", "", "{}"),
        "scan-shipment" => http("POST", &format!("/api/orders/{UNKNOWN}/shipments/{UNKNOWN}-1/scans"), "", r#"{"event":"DELIVERED"}"#),
        "restock-product" => http("POST", "/api/products/PROD-001/restock", "", "{}"),
        "get-operations" => http("GET", "/api/operations", "", ""),
        "get-operations-history" => http("GET", "/api/operations/history", "period=week", ""),
        "health" => http("GET", "/api/health/live", "", ""),
        _ => bail!("no event is known for a function {function}"),
    };
    Ok([("by itself", http("GET", "/nothing-here", "", "")), ("with servers", made_for)])
}

fn order() -> String {
    let line = json!({"productID": "PROD-001", "quantity": 1, "unitPrice": 1299.99});
    json!({"customerID": "CUST-001", "totalAmount": 1299.99, "items": [line]}).to_string()
}

/// An HTTP request as API Gateway's HTTP API passes it to a function (payload format 2.0).
fn http(method: &str, path: &str, query: &str, body: &str) -> String {
    json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "host": "bench.test", "idempotency-key": "bench"},
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "bench",
            "domainName": "bench.test",
            "domainPrefix": "bench",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "bench"},
            "requestId": "bench",
            "routeKey": "$default",
            "stage": "$default",
            "time": "01/Jan/2026:00:00:00 +0000",
            "timeEpoch": 1_767_225_600_000_u64
        },
        "body": body,
        "isBase64Encoded": false
    })
    .to_string()
}
