//! Who may do what, on an API that requires tokens of a Cognito user pool. The handlers' own tests,
//! in functions/tests, check which tokens are valid.

use crate::support::{Draft, Function, Pool, SecondApi, Shop, User, answer, claims, text, unsigned, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

/// A call with a token.
async fn call(api: &SecondApi, token: &str, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
    let request = api.request(method, path).bearer_auth(token);
    let request = body.into_iter().fold(request, |request, body| request.json(&body));
    answer(request.send().await?).await
}

/// Places an order that stays open until it is cancelled.
async fn open_order(shop: &Shop, api: &SecondApi, user: &User) -> Result<String> {
    let product = shop.product(1_000, 10).await?;
    let draft = Draft::new(&user.id).line(&product, 1).payment_method("tok_down");
    let (status, order) = call(api, &user.access, Method::POST, "/api/orders", Some(draft.body())).await?;
    ensure!(status == StatusCode::ACCEPTED, "{status}: {order}");
    let id = text(&order, "/id")?.to_owned();
    shop.reaches(&id, &["RESERVED"]).await?;
    Ok(id)
}

#[test]
fn customers_see_and_cancel_their_own_orders_and_staff_all() {
    with_shared_stack(async |shop| {
        let pool = Pool::create(shop).await?;
        let api = SecondApi::start(shop, &pool.settings()).await?;
        let (ada, bob) = (pool.user("ada", None).await?, pool.user("bob", Some("buyers")).await?);
        let (staff, admin) = (pool.user("sue", Some("staff")).await?, pool.user("root", Some("admin")).await?);
        let id = open_order(shop, &api, &ada).await?;
        let (order, cancel, list) =
            (format!("/api/orders/{id}"), format!("/api/orders/{id}/cancel"), format!("/api/orders?customerID={}", ada.id));

        // For another customer, the order does not exist.
        let nothing = "/api/orders/ord_01930000000070008000000000000009";
        for (method, path, nothing) in [(Method::GET, &order, nothing.to_owned()), (Method::POST, &cancel, format!("{nothing}/cancel"))] {
            let (status, mut found) = call(&api, &bob.access, method.clone(), path, None).await?;
            let (_, mut absent) = call(&api, &bob.access, method, &nothing, None).await?;
            for problem in [&mut found, &mut absent] {
                problem["requestId"] = Value::Null;
            }
            assert_eq!((status, found), (StatusCode::NOT_FOUND, absent));
        }
        let etag = api.request(Method::GET, &order).bearer_auth(&bob.access).header(header::IF_NONE_MATCH, "*").send().await?;
        assert_eq!(etag.status(), StatusCode::NOT_FOUND);
        assert_eq!(call(&api, &bob.access, Method::GET, &list, None).await?.0, StatusCode::FORBIDDEN);
        let product = shop.product(1_000, 10).await?;
        let in_adas_name = Draft::new(&ada.id).line(&product, 1).body();
        let (status, problem) = call(&api, &bob.access, Method::POST, "/api/orders", Some(in_adas_name.clone())).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::FORBIDDEN, &json!("/problems/forbidden")));

        let all = "/api/orders?status=RESERVED";
        assert_eq!(call(&api, &ada.access, Method::GET, all, None).await?.0, StatusCode::FORBIDDEN);
        assert_eq!(call(&api, &staff.access, Method::GET, all, None).await?.0, StatusCode::OK);
        for user in [&ada, &staff, &admin] {
            let (status, seen) = call(&api, &user.access, Method::GET, &order, None).await?;
            assert_eq!((status, &seen["status"]), (StatusCode::OK, &json!("RESERVED")), "Bob has not cancelled it");
            let (status, listed) = call(&api, &user.access, Method::GET, &list, None).await?;
            let ids: Vec<_> = listed["items"].as_array().into_iter().flatten().map(|order| &order["id"]).collect();
            assert_eq!((status, ids), (StatusCode::OK, vec![&json!(id)]));
        }
        // Staff and customers get different answers, so no cache may serve one to the other.
        let mut tags = Vec::new();
        for user in [&ada, &staff] {
            let read = api.request(Method::GET, &order).bearer_auth(&user.access).send().await?;
            let header = |name: header::HeaderName| read.headers().get(&name).and_then(|value| value.to_str().ok()).unwrap_or_default();
            assert_eq!((header(header::CACHE_CONTROL), header(header::VARY)), ("private, no-cache", "Authorization"));
            tags.push(header(header::ETAG).to_owned());
        }
        for (user, expected) in [(&ada, [StatusCode::NOT_MODIFIED, StatusCode::OK]), (&staff, [StatusCode::OK, StatusCode::NOT_MODIFIED])] {
            for (tag, expected) in tags.iter().zip(expected) {
                let read = api.request(Method::GET, &order).bearer_auth(&user.access).header(header::IF_NONE_MATCH, tag).send().await?;
                assert_eq!(read.status(), expected, "{tag}");
            }
        }
        assert_eq!(call(&api, &ada.access, Method::POST, &cancel, None).await?.0, StatusCode::ACCEPTED);
        shop.ends(&id, "CANCELLED").await?;
        let of_ada = open_order(shop, &api, &ada).await?;
        assert_eq!(call(&api, &staff.access, Method::POST, &format!("/api/orders/{of_ada}/cancel"), None).await?.0, StatusCode::ACCEPTED);
        shop.ends(&of_ada, "CANCELLED").await?;
        let (status, placed) = call(&api, &admin.access, Method::POST, "/api/orders", Some(in_adas_name)).await?;
        assert_eq!((status, &placed["customerID"]), (StatusCode::ACCEPTED, &json!(ada.id)));
        shop.ends(text(&placed, "/id")?, "COMPLETED").await?;

        let log = shop.log(&api.log);
        for secret in [&ada, &bob, &staff, &admin].into_iter().flat_map(|user| [user.access.rsplit('.').next().unwrap_or("?"), &user.id]) {
            ensure!(!log.contains(secret), "{secret} is in the log");
        }
        ensure!(!log.contains("AUTH_ISSUER"), "it is not open");
        Ok(())
    });
}

#[test]
fn only_access_tokens_of_the_pool_for_the_api_are_accepted() {
    with_shared_stack(async |shop| {
        let (pool, other_pool) = (Pool::create(shop).await?, Pool::create(shop).await?);
        let mut settings = pool.settings();
        let api = SecondApi::start(shop, &settings).await?;
        let (ada, stranger) = (pool.user("ada", None).await?, other_pool.user("ada", Some("admin")).await?);
        let other_client = pool.sign_in("ada", &pool.new_client("other").await?).await?;
        let list = format!("/api/orders?customerID={}", ada.id);
        assert_eq!(call(&api, &ada.access, Method::GET, &list, None).await?.0, StatusCode::OK);
        for (token, what) in [
            (ada.identity.clone(), "identity token"),
            (ada.refresh.clone(), "refresh token"),
            (other_client.access, "token for another client"),
            (stranger.access, "token of another pool"),
            (unsigned(&ada.access, &json!({ "alg": "none" }))?, "token without signature"),
            (format!("{}AAAA", ada.access), "token with another signature"),
        ] {
            let refused = api.request(Method::GET, &list).bearer_auth(token).send().await?;
            let challenge = refused.headers().get(header::WWW_AUTHENTICATE).cloned();
            assert_eq!(
                (refused.status(), challenge.context("no challenge")?.to_str()?),
                (StatusCode::UNAUTHORIZED, r#"Bearer error="invalid_token""#),
                "{what}"
            );
        }
        for (path, status) in [(list.as_str(), 401), ("/", 200), ("/api/products", 200), ("/api/health", 200), ("/api/openapi.json", 200)] {
            assert_eq!(api.request(Method::GET, path).send().await?.status().as_u16(), status, "{path} without a token");
        }

        for (scope, status) in [("orders", StatusCode::FORBIDDEN), ("aws.cognito.signin.user.admin", StatusCode::OK)] {
            settings.push(("AUTH_SCOPE".to_owned(), scope.to_owned()));
            let api = SecondApi::start(shop, &settings).await?;
            assert_eq!(call(&api, &ada.access, Method::GET, &list, None).await?.0, status, "{scope}");
        }
        Ok(())
    });
}

#[test]
fn idempotency_keys_belong_to_their_caller() {
    with_shared_stack(async |shop| {
        let pool = Pool::create(shop).await?;
        let api = SecondApi::start(shop, &pool.settings()).await?;
        let product = shop.product(1_000, 10).await?;
        let mut ids = Vec::new();
        for name in ["ada", "bob"] {
            let user = pool.user(name, None).await?;
            let order = Draft::new(&user.id).line(&product, 1).body();
            let mut of_user = Vec::new();
            for _ in 0..2 {
                let post = api.request(Method::POST, "/api/orders").bearer_auth(&user.access).header("Idempotency-Key", "the-same-key");
                let (status, accepted) = answer(post.json(&order).send().await?).await?;
                ensure!(status == StatusCode::ACCEPTED, "{name}: {status}: {accepted}");
                of_user.push(text(&accepted, "/id")?.to_owned());
            }
            assert_eq!(of_user[0], of_user[1]);
            shop.ends(&of_user[0], "COMPLETED").await?;
            ids.extend(of_user.pop());
        }
        assert_ne!(ids[0], ids[1]);
        assert_eq!(shop.stock(&product).await?, (8, 0));
        Ok(())
    });
}

/// What API Gateway's JWT authorizer adds to the event of a request: every claim as text, and lists
/// in brackets.
fn authorizer(token: &str) -> Result<Value> {
    let flat = |value: &Value| match value {
        Value::Array(values) => format!("[{}]", values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let claims = claims(token)?;
    let claims = claims.as_object().context("no claims")?.iter().map(|(name, value)| (name.clone(), flat(value).into()));
    Ok(json!({ "jwt": { "claims": Value::Object(claims.collect()), "scopes": null } }))
}

#[test]
fn functions_trust_the_gateway_or_verify_the_token() {
    with_shared_stack(async |shop| {
        let (pool, other_pool) = (Pool::create(shop).await?, Pool::create(shop).await?);
        let (ada, bob, staff) = (pool.user("ada", None).await?, pool.user("bob", None).await?, pool.user("sue", Some("staff")).await?);
        let (stranger, admin) = (other_pool.user("sue", Some("staff")).await?, pool.user("eve", Some("admin")).await?);
        let product = shop.product(1_000, 10).await?;
        let settings = pool.settings();

        let mut create = Function::start_with(shop, "create-order", &settings).await?;
        let mut event = Function::event("POST", "/api/orders", Some(&Draft::new(&ada.id).line(&product, 1).body().to_string()));
        assert_eq!(create.answer(&event).await?.0, 401);
        event["requestContext"]["authorizer"] = authorizer(&bob.access)?;
        assert_eq!(create.answer(&event).await?.0, 403);
        event["requestContext"]["authorizer"] = authorizer(&ada.access)?;
        let (status, order) = create.answer(&event).await?;
        assert_eq!(status, 202, "{order}");
        let id = text(&order, "/id")?;
        shop.ends(id, "COMPLETED").await?;

        let unknown = "ord_01930000000070008000000000000001";
        for (function, method, path, of_ada, of_staff, of_admin, of_bob) in [
            ("get-order", "GET", format!("/api/orders/{id}"), 200, 200, 200, 404),
            ("get-order-trace", "GET", format!("/api/orders/{id}/trace"), 403, 404, 404, 403),
            ("list-orders", "GET", format!("/api/orders?customerID={}", ada.id), 200, 200, 200, 403),
            ("cancel-order", "POST", format!("/api/orders/{id}/cancel"), 409, 409, 409, 404),
            ("create-refund", "POST", format!("/api/orders/{unknown}/refunds"), 403, 403, 404, 403),
            ("restock-product", "POST", "/api/products/NONE/restock".to_owned(), 403, 403, 400, 403),
            ("review-order", "POST", format!("/api/orders/{unknown}/review"), 403, 400, 400, 403),
            ("scan-shipment", "POST", format!("/api/orders/{unknown}/shipments/{unknown}-1/scans"), 403, 400, 400, 403),
            ("get-operations", "GET", "/api/operations".to_owned(), 403, 200, 200, 403),
            ("get-operations-history", "GET", "/api/operations/history".to_owned(), 403, 200, 200, 403),
        ] {
            let mut function = Function::start_with(shop, function, &settings).await?;
            let mut event = Function::event(method, &path, None);
            event["headers"]["idempotency-key"] = "k".into();
            assert_eq!(function.answer(&event).await?.0, 401, "{path} without anything");
            for (user, status) in [(&ada, of_ada), (&staff, of_staff), (&admin, of_admin), (&bob, of_bob), (&stranger, 401)] {
                let mut by_gateway = event.clone();
                by_gateway["requestContext"]["authorizer"] = authorizer(&user.access)?;
                assert_eq!(function.answer(&by_gateway).await?.0, status, "{path} by the gateway");
                let mut by_token = event.clone();
                by_token["headers"]["authorization"] = format!("Bearer {}", user.access).into();
                assert_eq!(function.answer(&by_token).await?.0, status, "{path} by token");
            }
        }
        for (function, path) in [("list-products", "/api/products"), ("health", "/api/health/live")] {
            assert_eq!(Function::start_with(shop, function, &settings).await?.request("GET", path, None).await?.0, 200, "{path}");
        }
        Ok(())
    });
}

#[test]
fn an_api_on_aws_does_not_start_without_authentication() {
    with_shared_stack(async |shop| {
        for (function, missing, expected) in
            [("get-order", "AWS_ENDPOINT_URL", "AUTH_ISSUER is not set"), ("api", "AUTH_AUDIENCE", "AUTH_AUDIENCE is not set")]
        {
            let mut settings = shop.stack.env();
            settings.extend(Pool::create(shop).await?.settings());
            settings.retain(|(key, _)| key != missing && (missing != "AWS_ENDPOINT_URL" || !key.starts_with("AUTH_")));
            let mut command = tokio::process::Command::new(local::Tools::built(function)?);
            command.env_clear().envs(settings).current_dir("/").kill_on_drop(true);
            command.env("API_PORT", local::free_port()?.to_string()).env("API_METRICS_PORT", local::free_port()?.to_string());
            command.env("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9").env("AWS_LAMBDA_FUNCTION_NAME", function);
            command.env("AWS_LAMBDA_FUNCTION_VERSION", "1").env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128");
            let ended = tokio::time::timeout(std::time::Duration::from_secs(10), command.output()).await??;
            let printed = String::from_utf8_lossy(&ended.stderr).into_owned();
            ensure!(!ended.status.success() && printed.contains(expected), "{function}: {}: {printed}", ended.status);
        }
        Ok(())
    });
}
