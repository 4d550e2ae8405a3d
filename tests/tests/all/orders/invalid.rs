//! Invalid input: the answer names each error, is never a 500, and nothing is stored.

use crate::support::{Draft, Shop, answer, seed_order, with_shared_stack};
use anyhow::{Result, ensure};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// The order of the README for another customer, with one part of its text replaced.
fn seed_with(customer: &str, from: &str, to: &str) -> String {
    let body = seed_order().replace("CUST-001", customer);
    assert!(body.contains(from), "{from}");
    body.replacen(from, to, 1)
}

/// Posts a body. The answer must be this problem, with exactly these pointers.
async fn assert_refused(shop: &Shop, body: impl Into<Vec<u8>>, status: StatusCode, pointers: &[&str]) -> Result<()> {
    let body: Vec<u8> = body.into();
    let shown = String::from_utf8_lossy(&body[..body.len().min(200)]).into_owned();
    let answered = shop.post("/api/orders", body).await?;
    let content_type = answered.headers().get(header::CONTENT_TYPE).cloned();
    let (answered, problem) = answer(answered).await?;
    ensure!(answered == status, "{shown} was answered with {answered}, not {status}: {problem}");
    ensure!(content_type.is_some_and(|kind| kind == "application/problem+json"), "{shown}");
    for field in ["type", "title", "detail", "requestId"] {
        ensure!(problem[field].is_string(), "{shown}: no {field} in {problem}");
    }
    assert_eq!(problem["status"], status.as_u16());
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let found: Vec<&Value> = errors.iter().map(|error| &error["pointer"]).collect();
    assert_eq!(found, pointers, "{shown}");
    ensure!(errors.iter().all(|error| error["message"].as_str().is_some_and(|message| !message.is_empty())), "{problem}");
    Ok(())
}

async fn assert_nothing_stored(shop: &Shop, customer: &str) -> Result<()> {
    let (status, list) = answer(shop.get(&format!("/api/orders?customerID={customer}")).await?).await?;
    assert_eq!((status, &list["items"]), (StatusCode::OK, &json!([])));
    let count = "SELECT count(*) FROM orders WHERE customer_id = $1";
    assert_eq!(shop.db().await?.query_one(count, &[&customer]).await?.get::<_, i64>(0), 0);
    Ok(())
}

#[test]
fn a_body_that_is_not_json_is_malformed() {
    with_shared_stack(async |shop| {
        let customer = shop.unique("CUST-malformed");
        let nan = seed_with(&customer, ":1299.99,", ":NaN,");
        let infinite = seed_with(&customer, ":1299.99,", ":Infinity,");
        let truncated = &seed_order()[..40];
        for body in ["", "{", "not json", truncated, &nan, &infinite, "{\"a\":1}x", "{'customerID':'C'}"] {
            assert_refused(shop, body, StatusCode::BAD_REQUEST, &[]).await?;
        }
        assert_refused(shop, "[".repeat(60_000), StatusCode::BAD_REQUEST, &[]).await?;
        assert_refused(shop, b"{\"customerID\":\"\xff\xfe\"}".to_vec(), StatusCode::BAD_REQUEST, &[]).await?;
        assert_nothing_stored(shop, &customer).await
    });
}

#[test]
fn each_error_is_named_by_its_pointer() {
    with_shared_stack(async |shop| {
        let customer = shop.unique("CUST-invalid");
        let seed = |from: &str, to: &str| seed_with(&customer, from, to);
        let quantity = |value: &str| seed("\"quantity\":1", &format!("\"quantity\":{value}"));
        let total = |value: &str| seed("\"totalAmount\":1299.99", &format!("\"totalAmount\":{value}"));
        let price = |value: &str| seed("\"unitPrice\":1299.99", &format!("\"unitPrice\":{value}"));
        let mut cases: Vec<(String, &[&str])> = vec![
            ("{}".to_owned(), &["/customerID", "/totalAmount", "/items"]),
            ("null".to_owned(), &[""]),
            ("[]".to_owned(), &[""]),
            ("7".to_owned(), &[""]),
            (seed("\"customerID\":", "\"customer\":"), &["/customerID", "/customer"]),
            (seed("\"productID\":\"PROD-001\",", ""), &["/items/0/productID"]),
            (seed("\"quantity\":1,", ""), &["/items/0/quantity"]),
            (seed(",\"unitPrice\":1299.99", ""), &["/items/0/unitPrice"]),
            (seed(&format!("\"{customer}\""), "7"), &["/customerID"]),
            (seed(&format!("\"{customer}\""), "\"\""), &["/customerID"]),
            (seed(&format!("\"{customer}\""), "\"a/../b\""), &["/customerID"]),
            (seed("\"PROD-001\"", "{}"), &["/items/0/productID"]),
            (seed("[{", "[[{").replace("}]", "}]]"), &["/items/0"]),
            (seed("\"totalAmount\":1299.99,", "\"totalAmount\":1299.99,\"totalAmount\":1299.99,"), &["/totalAmount"]),
            (seed("\"quantity\":1,", "\"quantity\":1,\"quantity\":2,"), &["/items/0/quantity"]),
            (seed("{\"customerID\"", "{\"currency\":\"XXZ\",\"customerID\""), &["/currency"]),
            (seed("{\"customerID\"", "{\"currency\":\"usd\",\"customerID\""), &["/currency"]),
            (seed("{\"customerID\"", "{\"currency\":7,\"customerID\""), &["/currency"]),
            (seed("{\"customerID\"", "{\"paymentMethod\":\"4242 4242 4242 4242\",\"customerID\""), &["/paymentMethod"]),
            (
                seed("{\"customerID\"", "{\"contact\":{\"email\":\"nobody\",\"phone\":\"1\"},\"customerID\""),
                &["/contact/email", "/contact/phone"],
            ),
            (price("1e400"), &["/items/0/unitPrice"]),
            (price("-1299.99"), &["/items/0/unitPrice"]),
            (price("1299.999"), &["/items/0/unitPrice"]),
            (price("\"1299.99\""), &["/items/0/unitPrice"]),
        ];
        for value in ["1e400", "-1299.99", "99999999999999999999999999", "1299.991", "\"1299.99\"", "true", "1300"] {
            cases.push((total(value), &["/totalAmount"]));
        }
        for value in ["0", "-1", "10001", "99999999999999999999", "1.5", "1e2", "\"1\"", "null", "[]"] {
            cases.push((quantity(value), &["/items/0/quantity"]));
        }
        for (body, pointers) in cases {
            assert_refused(shop, body, StatusCode::UNPROCESSABLE_ENTITY, pointers).await?;
        }
        assert_nothing_stored(shop, &customer).await
    });
}

#[test]
fn an_order_has_one_to_a_hundred_lines() {
    with_shared_stack(async |shop| {
        let customer = shop.unique("CUST-many");
        let draft = |lines| (0..lines).fold(Draft::new(&customer), |draft, _| draft.line_at("PROD-010", 1, 2_995)).body().to_string();
        assert_refused(shop, draft(0), StatusCode::UNPROCESSABLE_ENTITY, &["/items"]).await?;
        assert_refused(shop, draft(101), StatusCode::UNPROCESSABLE_ENTITY, &["/items"]).await?;
        assert_nothing_stored(shop, &customer).await?;
        let (status, body) = answer(shop.post("/api/orders", draft(100)).await?).await?;
        ensure!(status == StatusCode::ACCEPTED, "{body}");
        shop.ends(body["id"].as_str().unwrap_or_default(), "COMPLETED").await?;
        Ok(())
    });
}

#[test]
fn a_body_of_two_megabytes_is_too_large() {
    with_shared_stack(async |shop| {
        let customer = shop.unique("CUST-large");
        let padded = seed_with(&customer, "{", &format!("{{{}", " ".repeat(2_000_000)));
        assert_refused(shop, padded, StatusCode::PAYLOAD_TOO_LARGE, &[]).await?;
        // The limit also applies to a body of unknown length.
        let head = "POST /api/orders HTTP/1.1\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked";
        let (status, _) = send_raw(shop, head, &format!("15f90\r\n{}\r\n0\r\n\r\n", " ".repeat(0x15f90))).await?;
        assert_eq!(status, 413);
        // A client that writes slowly can still read the answer.
        let mut connection = TcpStream::connect(("127.0.0.1", shop.stack.settings().port("API_PORT")?)).await?;
        let head = "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2000000";
        connection.write_all(format!("{head}\r\n\r\n").as_bytes()).await?;
        for _ in 0..2_000 {
            connection.write_all(&[b' '; 1_000]).await?;
            tokio::task::yield_now().await;
        }
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
        assert_nothing_stored(shop, &customer).await
    });
}

#[test]
fn only_json_is_accepted() {
    with_shared_stack(async |shop| {
        let customer = shop.unique("CUST-type");
        let body = seed_with(&customer, "CUST", "CUST");
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", "multipart/form-data; boundary=x", "json"] {
            let request = shop.request(Method::POST, "/api/orders").header(header::CONTENT_TYPE, kind);
            let (status, problem) = answer(request.body(body.clone()).send().await?).await?;
            assert_eq!((status, &problem["status"]), (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!(415)), "{kind}");
        }
        let untyped = shop.request(Method::POST, "/api/orders").body(body.into_bytes()).send().await?;
        assert_eq!(untyped.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        assert_nothing_stored(shop, &customer).await
    });
}

/// The paths are sent unchanged; an HTTP client would normalize them.
#[test]
fn malicious_paths_are_refused() {
    with_shared_stack(async |shop| {
        let real = shop.place(&Draft::new("CUST-path").line(&shop.product(100, 1).await?, 1)).await?;
        shop.ends(&real, "COMPLETED").await?;
        let long = format!("/api/orders/{}", "a".repeat(4_000));
        for path in [
            "/api/orders/../../../etc/passwd",
            "/api/orders/..%2f..%2fetc%2fpasswd",
            "/..%2f..%2fCargo.toml",
            "/../Cargo.toml",
            "/%2e%2e/Cargo.toml",
            "//etc/passwd",
            "/api/orders/%00",
            "/api/orders/%ff%fe",
            "/api/orders/'%20OR%201=1",
            "/api/orders/%3Cscript%3E",
            "/api/orders/ord_",
            "/api/orders/ORD_01930000000070008000000000000001",
            "/api/orders/ord_01930000000070008000000000000001%0d%0aX:%20y",
            &format!("/api/orders/{real}/"),
            &format!("/api/orders/{real}%20"),
            &format!("/api/orders/{}", real.to_uppercase()),
            &format!("/api/orders/x/../{real}"),
            &long,
        ] {
            let (status, answer) = send_raw(shop, &format!("GET {path} HTTP/1.1"), "").await?;
            // Outside the API, a path without a dot may be the address of a view. Then the page
            // itself is served, and it shows that nothing is there.
            let is_page = status == 200 && !path.starts_with("/api") && answer.contains("<title>OrderFlow</title>");
            ensure!(is_page || (400..500).contains(&status), "{path} was answered with {status}: {answer}");
            ensure!(!answer.contains("[workspace]") && !answer.contains("root:"), "{path} reads files: {answer}");
        }
        Ok(())
    });
}

/// Sends a request exactly as written.
async fn send_raw(shop: &Shop, head: &str, body: &str) -> Result<(u16, String)> {
    let mut connection = TcpStream::connect(("127.0.0.1", shop.stack.settings().port("API_PORT")?)).await?;
    connection.write_all(format!("{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n{body}").as_bytes()).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Ok((answer.get(9..12).unwrap_or_default().parse()?, answer))
}

#[test]
fn a_list_names_its_invalid_parameters() {
    with_shared_stack(async |shop| {
        for (query, pointers) in [
            ("", &["customerID"] as &[&str]),
            ("?customerID=", &["customerID"]),
            ("?customerID=a/b", &["customerID"]),
            ("?customerID=C&limit=0", &["limit"]),
            ("?customerID=C&limit=101", &["limit"]),
            ("?customerID=C&limit=x", &["limit"]),
            ("?customerID=C&status=POSTED", &["status"]),
            ("?customerID=C&cursor=nonsense", &["cursor"]),
            ("?customerID=C&customerID=D", &["customerID"]),
            ("?status=x&limit=x&cursor=x", &["status", "limit", "cursor"]),
            ("?customerID=&status=x&limit=x", &["customerID", "status", "limit"]),
        ] {
            let (status, problem) = answer(shop.get(&format!("/api/orders{query}")).await?).await?;
            let found: Vec<&str> =
                problem["errors"].as_array().into_iter().flatten().filter_map(|error| error["pointer"].as_str()).collect();
            assert_eq!((status, found.as_slice()), (StatusCode::UNPROCESSABLE_ENTITY, pointers), "{query}: {problem}");
        }
        Ok(())
    });
}

#[test]
fn unknown_paths_and_methods_are_problems() {
    with_shared_stack(async |shop| {
        for (method, path, status) in [
            (Method::GET, "/api/nothing", StatusCode::NOT_FOUND),
            (Method::GET, "/api/orders/ord_01930000000070008000000000000001", StatusCode::NOT_FOUND),
            (Method::DELETE, "/api/orders", StatusCode::METHOD_NOT_ALLOWED),
            (Method::PUT, "/api/products", StatusCode::METHOD_NOT_ALLOWED),
        ] {
            let (answered, problem) = answer(shop.request(method.clone(), path).send().await?).await?;
            assert_eq!((answered, &problem["status"]), (status, &json!(status.as_u16())), "{method} {path}");
        }
        Ok(())
    });
}
