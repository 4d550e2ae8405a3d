//! A bad request is answered with a problem that names its faults, and it never reaches a
//! dependency. Every dependency is away in these tests, so a request that reached one would be
//! answered 503.

use crate::common::{Answer, call, post, request};
use axum::{
    body::Body,
    http::{Request, StatusCode},
};

const SEED: &str = r#"{"customerID":"CUST-001","totalAmount":1299.99,"items":[{"productID":"PROD-001","quantity":1,"unitPrice":1299.99}]}"#;

/// Asserts that the answer is a complete problem with this status and type.
fn assert_problem(answer: &Answer, status: u16, kind: &str, what: &str) {
    assert_eq!(answer.status.as_u16(), status, "{what}: {}", String::from_utf8_lossy(&answer.body));
    assert_eq!(answer.header("content-type"), "application/problem+json", "{what}");
    let problem = answer.json();
    assert_eq!(problem["type"], format!("/problems/{kind}"), "{what}");
    assert_eq!(problem["status"], status, "{what}");
    assert_eq!(problem["requestId"], answer.header("x-request-id"), "{what}");
    assert!(!problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty(), "{what}");
}

fn pointers(answer: &Answer) -> Vec<String> {
    let problem = answer.json();
    problem["errors"].as_array().unwrap().iter().map(|fault| fault["pointer"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn orders_that_cannot_be_read_are_malformed() {
    let bodies: [&[u8]; 6] = [b"", b"{", b"NaN", br#"{"totalAmount":NaN}"#, b"{\"customerID\":\"\xff\"}", br#"{"customerID":"C"} x"#];
    for body in bodies {
        let answer = call(post("/api/orders", body.to_vec())).await;
        assert_problem(&answer, 400, "malformed-request", &String::from_utf8_lossy(body));
    }
}

#[tokio::test]
async fn invalid_orders_are_told_every_fault() {
    let item = r#"{"productID":"P","quantity":1,"unitPrice":1}"#;
    let cases = [
        ("{}".to_owned(), vec!["/customerID", "/totalAmount", "/items"]),
        ("[]".to_owned(), vec![""]),
        (r#"{"customerID":7,"totalAmount":"1","items":{}}"#.to_owned(), vec!["/customerID", "/totalAmount", "/items"]),
        (SEED.replace("1299.99", "1e400"), vec!["/totalAmount", "/items/0/unitPrice"]),
        (SEED.replace(r#""quantity":1"#, r#""quantity":0"#), vec!["/items/0/quantity"]),
        (SEED.replace(r#""quantity":1"#, r#""quantity":-1"#), vec!["/items/0/quantity"]),
        (SEED.replace(r#""quantity":1"#, r#""quantity":99999999999"#), vec!["/items/0/quantity"]),
        (SEED.replacen('{', r#"{"customerID":"C","#, 1), vec!["/customerID"]),
        (SEED.replacen('{', r#"{"currency":"XXZ","#, 1), vec!["/currency"]),
        (format!(r#"{{"customerID":"C","totalAmount":101,"items":[{}]}}"#, vec![item; 101].join(",")), vec!["/items"]),
    ];
    for (body, expected) in cases {
        let answer = call(post("/api/orders", body.clone())).await;
        assert_problem(&answer, 422, "invalid-request", &body);
        assert_eq!(pointers(&answer), expected, "{body}");
    }
}

#[tokio::test]
async fn bad_idempotency_keys_are_named() {
    for key in ["", "two words", &"k".repeat(256)] {
        let mut request = post("/api/orders", SEED);
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        let answer = call(request).await;
        assert_problem(&answer, 422, "invalid-request", key);
        assert_eq!(pointers(&answer), ["Idempotency-Key"]);
    }
}

/// Card numbers must not be stored or logged, and the answer must not contain them either.
#[tokio::test]
async fn card_numbers_are_refused_and_not_repeated() {
    let order = "/api/orders/ord_01930000000070008000000000000001";
    let seed = |field: &str| SEED.replacen('{', &format!("{{{field},"), 1);
    let (cancel, review, scan) =
        (format!("{order}/cancel"), format!("{order}/review"), format!("{order}/shipments/{}-1/scans", &order[12..]));
    for number in ["4242424242424242", "4242 4242 4242 4242", "3782-822463-10005", "my card: 5555.5555.5555.4444", "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"]
    {
        let cases = [
            ("/api/orders", seed(&format!(r#""paymentMethod":"{number}""#)), "/paymentMethod"),
            ("/api/orders", SEED.replace("CUST-001", number), "/customerID"),
            ("/api/orders", SEED.replace("PROD-001", number), "/items/0/productID"),
            ("/api/orders", seed(&format!(r#""currency":"{number}""#)), "/currency"),
            ("/api/orders", seed(&format!(r#""contact":{{"email":"{number}@example.com"}}"#)), "/contact/email"),
            ("/api/orders", seed(&format!(r#""contact":{{"phone":"{number}"}}"#)), "/contact/phone"),
            ("/api/orders", seed(&format!(r#""{number}":1"#)), "/(card number)"),
            (&cancel, format!(r#"{{"reason":"{number}"}}"#), "/reason"),
            (&review, format!(r#"{{"approved":true,"note":"{number}"}}"#), "/note"),
            (&scan, format!(r#"{{"event":"LOST","reason":"{number}"}}"#), "/reason"),
            ("/api/products/PROD-001/restock", format!(r#"{{"quantity":1,"reason":"{number}"}}"#), "/reason"),
        ];
        for (path, body, pointer) in cases {
            let mut request = post(path, body.clone());
            request.headers_mut().insert("idempotency-key", "k".parse().unwrap());
            let answer = call(request).await;
            assert_problem(&answer, 422, "invalid-request", &body);
            assert!(pointers(&answer).contains(&pointer.to_owned()), "{body}: {}", String::from_utf8_lossy(&answer.body));
            assert!(!String::from_utf8_lossy(&answer.body).contains(number), "{body}");
        }
    }
    let number = "4242424242424242";
    let mut keyed = post("/api/orders", SEED);
    keyed.headers_mut().insert("idempotency-key", number.parse().unwrap());
    let listed = request("GET", &format!("/api/orders?customerID={number}"));
    let restocked = post(&format!("/api/products/{number}/restock"), r#"{"quantity":1}"#);
    for (request, status) in [(keyed, 422), (listed, 422), (restocked, 404)] {
        let mut request = request;
        request.headers_mut().insert("x-request-id", number.parse().unwrap());
        let answer = call(request).await;
        assert_eq!(answer.status.as_u16(), status);
        assert!(!String::from_utf8_lossy(&answer.body).contains(number) && answer.header("x-request-id") != number);
    }
}

#[tokio::test]
async fn calls_that_move_money_or_stock_need_a_key() {
    let restock = "/api/products/PROD-001/restock";
    assert_problem(&call(post(restock, r#"{"quantity":1}"#)).await, 400, "idempotency-key-required", restock);
    let refund = "/api/orders/ord_01930000000070008000000000000001/refunds";
    assert_problem(&call(post(refund, "{}")).await, 400, "idempotency-key-required", refund);
}

#[tokio::test]
async fn large_bodies_are_refused() {
    for path in ["/api/orders", "/api/orders/ord_01930000000070008000000000000001/cancel"] {
        assert_problem(&call(post(path, vec![b' '; 2 << 20])).await, 413, "body-too-large", path);
    }
}

#[tokio::test]
async fn bodies_must_be_declared_json() {
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded"), Some("application/jsonp"), Some("json")] {
        let mut request = Request::builder().method("POST").uri("/api/orders");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let answer = call(request.body(Body::from(SEED)).unwrap()).await;
        assert_problem(&answer, 415, "unsupported-media-type", content_type.unwrap_or("none"));
    }
    let mut parameters = post("/api/orders", "{}");
    parameters.headers_mut().insert("content-type", "Application/JSON; charset=utf-8".parse().unwrap());
    assert_problem(&call(parameters).await, 422, "invalid-request", "with parameters");
}

#[tokio::test]
async fn what_is_no_order_id_names_no_order() {
    for id in [
        "x",
        "ord_",
        "..%2f..%2fetc%2fpasswd",
        "%ff",
        "ord_0193000000007000800000000000000A",
        "ord_01930000000070008000000000000001%00",
        "%2e%2e",
    ] {
        assert_problem(&call(request("GET", &format!("/api/orders/{id}"))).await, 404, "order-not-found", id);
        assert_problem(&call(post(&format!("/api/orders/{id}/cancel"), "{}")).await, 404, "order-not-found", id);
    }
}

#[tokio::test]
async fn listings_name_each_bad_parameter() {
    let cases = [
        ("", vec!["customerID"]),
        ("?customerID=", vec!["customerID"]),
        ("?customerID=%ff", vec!["customerID"]),
        ("?customerID=C&customerID=D", vec!["customerID"]),
        ("?customerID=C&status=paid&limit=0&cursor=x", vec!["status", "limit", "cursor"]),
        ("?customerID=C&limit=101", vec!["limit"]),
        ("?customerID=C&limit=ten", vec!["limit"]),
    ];
    for (query, expected) in cases {
        let answer = call(request("GET", &format!("/api/orders{query}"))).await;
        assert_problem(&answer, 422, "invalid-request", query);
        assert_eq!(pointers(&answer), expected, "{query}");
    }
}

#[tokio::test]
async fn bad_cancellations_are_told_why() {
    let path = "/api/orders/ord_01930000000070008000000000000001/cancel";
    assert_problem(&call(post(path, "{")).await, 400, "malformed-request", "{");
    let answer = call(post(path, r#"{"reason":7,"why":1}"#)).await;
    assert_problem(&answer, 422, "invalid-request", "faults");
    assert_eq!(pointers(&answer), ["/reason", "/why"]);
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_problems_too() {
    for path in ["/nothing", "/api", "/api/orders/", "/api/../etc/passwd"] {
        assert_problem(&call(request("GET", path)).await, 404, "not-found", path);
    }
    let answer = call(request("DELETE", "/api/orders")).await;
    assert_problem(&answer, 405, "method-not-allowed", "DELETE");
    assert_eq!(answer.header("allow"), "POST,GET,HEAD");
}

#[tokio::test]
async fn what_cannot_be_done_now_may_be_tried_again() {
    let mut keyed = post("/api/orders", SEED);
    keyed.headers_mut().insert("idempotency-key", "k".parse().unwrap());
    let order = "/api/orders/ord_01930000000070008000000000000001";
    let requests = [
        post("/api/orders", SEED),
        keyed,
        request("GET", order),
        request("GET", "/api/orders?customerID=C"),
        request("GET", "/api/products"),
        post(&format!("{order}/cancel"), ""),
    ];
    for request in requests {
        let what = format!("{} {}", request.method(), request.uri());
        let answer = call(request).await;
        assert_problem(&answer, 503, "unavailable", &what);
        assert_eq!(answer.header("retry-after"), "2", "{what}");
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(!body.contains("127.0.0.1") && !body.contains("Temporal") && !body.contains("DynamoDB"), "no internals: {body}");
    }
}

#[tokio::test]
async fn the_request_id_is_the_clients_if_it_sent_one() {
    let mut own = request("GET", "/api/health/live");
    own.headers_mut().insert("x-request-id", "client-7".parse().unwrap());
    let answer = call(own).await;
    assert_eq!((answer.status, answer.header("x-request-id")), (StatusCode::OK, "client-7"));
    assert_eq!(call(request("GET", "/nothing")).await.header("x-request-id").len(), 36);
}
