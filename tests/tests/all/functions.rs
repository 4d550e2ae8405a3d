//! The Lambda functions, each in a process of its own behind the runtime API. They must answer like
//! the API server.

use crate::support::{Draft, Function, Shop, answer, text, with_shared_stack};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

#[test]
fn an_order_is_placed_read_listed_and_cancelled_through_functions() {
    with_shared_stack(async |shop| {
        let (product, customer) = (shop.product(1_000, 10).await?, shop.unique("CUST-function"));
        let mut create = Function::start(shop, "create-order").await?;
        let draft = Draft::new(&customer).line(&product, 1).payment_method("tok_down");
        let (status, accepted) = create.request("POST", "/api/orders", Some(&draft.body().to_string())).await?;
        assert_eq!((status, &accepted["status"]), (202, &json!("PENDING")), "{accepted}");
        let id = text(&accepted, "/id")?;
        let (status, problem) = create.request("POST", "/api/orders", Some("{}")).await?;
        assert_eq!((status, &problem["errors"][0]["pointer"]), (422, &json!("/customerID")));

        shop.reaches(id, &["RESERVED"]).await?;
        let mut cancel = Function::start(shop, "cancel-order").await?;
        let (status, body) = cancel.request("POST", &format!("/api/orders/{id}/cancel"), Some(r#"{"reason":"by function"}"#)).await?;
        assert_eq!((status, body), (202, json!({ "id": id, "status": "RESERVED" })));
        let order = shop.ends(id, "CANCELLED").await?;
        assert_eq!(order["failureReason"], "by function");
        assert_eq!(cancel.request("POST", &format!("/api/orders/{id}/cancel"), None).await?.0, 409);

        for (function, path) in [
            ("get-order", format!("/api/orders/{id}")),
            ("get-order", "/api/orders/nothing".to_owned()),
            ("list-orders", format!("/api/orders?customerID={customer}")),
            ("list-orders", "/api/orders?limit=x".to_owned()),
            ("list-products", "/api/products".to_owned()),
            ("health", "/api/health/live".to_owned()),
            ("health", "/api/openapi.json".to_owned()),
        ] {
            assert_same_answer(shop, function, &path).await?;
        }
        let (status, health) = Function::start(shop, "health").await?.request("GET", "/api/health", None).await?;
        assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
        Ok(())
    });
}

/// A function answers a GET as the server does, except for the request's id.
async fn assert_same_answer(shop: &Shop, function: &str, path: &str) -> Result<()> {
    let (status, mut body) = Function::start(shop, function).await?.request("GET", path, None).await?;
    let (expected_status, mut expected) = answer(shop.get(path).await?).await?;
    for body in [&mut body, &mut expected] {
        if let Some(id) = body.get_mut("requestId") {
            *id = Value::Null;
        }
    }
    // Other tests create products at the same time, so only the first one is compared.
    if path == "/api/products" {
        (body, expected) = (body["items"][0].take(), expected["items"][0].take());
    }
    assert_eq!((status, body), (u64::from(expected_status.as_u16()), expected), "{function} {path}");
    Ok(())
}

/// `sam local` also passes the variables that the template lists and that have no value. Their
/// value is then an empty text (local/compose/sam.json).
#[test]
fn an_empty_variable_counts_as_unset() {
    with_shared_stack(async |shop| {
        let empty =
            ["TEMPORAL_SECRET_ARN", "CARRIER_SECRET_ARN", "STRIPE_SECRET_ARN", "AUTH_ISSUER", "AUTH_AUDIENCE", "AUTH_SCOPE", "LOG_FORMAT"];
        let empty = empty.map(|name| (name.to_owned(), String::new()));
        let (status, health) = Function::start_with(shop, "health", &empty).await?.request("GET", "/api/health", None).await?;
        assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
        let webhook =
            Function::start_with(shop, "carrier-webhook", &empty).await?.request("POST", "/api/webhooks/carrier", Some("{}")).await?;
        assert_eq!(webhook.0, 404, "{}", webhook.1);
        Ok(())
    });
}

/// No order proceeds in a namespace that Temporal does not have, even though Temporal answers.
#[test]
fn without_its_namespace_temporal_is_down() {
    with_shared_stack(async |shop| {
        let elsewhere = [("TEMPORAL_NAMESPACE".to_owned(), "nowhere".to_owned())];
        let (status, health) = Function::start_with(shop, "health", &elsewhere).await?.request("GET", "/api/health", None).await?;
        assert_eq!((status, &health["status"], &health["dependencies"][1]["state"]), (200, &json!("degraded"), &json!("down")), "{health}");
        Ok(())
    });
}

/// Calls the function as Lambda's event source mapping does. A message may be delivered twice.
#[test]
fn queued_orders_are_started_and_bad_messages_reported() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 10).await?;
        let mut function = Function::start(shop, "start-queued-orders").await?;
        let id = "ord_01930000000070008000000000000042";
        let order = json!({
            "id": id,
            "customer_id": "CUST-sqs",
            "items": [{ "product_id": product.id, "quantity": 2, "unit_price_minor": 1_000 }],
            "total_minor": 2_000,
            "currency": "USD",
            "payment_method": "tok_visa",
            "contact": null,
            "accepted_at": "2026-11-21T09:00:00Z"
        });
        let message = |id: &str, body: String| {
            json!({
                "messageId": id, "receiptHandle": id, "body": body, "attributes": {}, "messageAttributes": {}, "md5OfBody": "",
                "eventSource": "aws:sqs", "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orderflow-intake", "awsRegion": "us-east-1"
            })
        };
        let records = [
            message("good", order.to_string()),
            message("garbage", "not an order".to_owned()),
            message("again", order.to_string()),
            message("incomplete", "{}".to_owned()),
        ];
        let answer = function.invoke(&json!({ "Records": records })).await?;
        let failed: Vec<&str> =
            answer["batchItemFailures"].as_array().into_iter().flatten().filter_map(|item| item["itemIdentifier"].as_str()).collect();
        assert_eq!(failed, ["garbage", "incomplete"], "{answer}");
        let mut seen = String::new();
        crate::support::until("the order completes", std::time::Duration::from_secs(20), async || {
            seen = shop.order(id).await.map_or_else(|error| error.to_string(), |order| order["status"].to_string());
            Ok((seen == "\"COMPLETED\"").then_some(()))
        })
        .await?;
        ensure!(shop.stock(&product).await? == (8, 0), "{:?}", shop.stock(&product).await?);
        shop.audit_is_clean().await
    });
}
