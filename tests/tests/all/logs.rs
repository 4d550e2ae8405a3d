//! Logs: the id of an order finds what happened to it, and the logs never contain personal data or
//! secrets.

use crate::support::{Draft, answer, with_own_stack, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use reqwest::{Method, header};
use serde_json::{Value, json};

const EMAIL: &str = "ada.lovelace@customer.example";
const PHONE: &str = "+14155550187";
const CARD: &str = "4242 4242 4242 4242";

#[test]
fn json_logs_follow_an_order_and_contain_no_secrets() {
    with_own_stack(1, &[("LOG_FORMAT", "json"), ("LOG_LEVEL", "debug")], async |shop| {
        let product = shop.product(1_000, 100).await?;
        let contact = || json!({ "email": EMAIL, "phone": PHONE });
        let mut ids = Vec::new();
        for (method, end) in [("tok_visa", "COMPLETED"), ("tok_declined", "FAILED"), ("tok_processing_error", "COMPLETED")] {
            let id = shop.place(&Draft::new("CUST-log").line(&product, 1).payment_method(method).with("contact", contact())).await?;
            shop.ends(&id, end).await?;
            // For a delivered order, ShipOrder also records the notification.
            ids.push((id, if end == "COMPLETED" { "ShipOrder" } else { "SendNotification" }));
        }
        let card = Draft::new("CUST-log").line(&product, 1).payment_method(CARD).with("contact", contact()).body().to_string();
        assert_eq!(shop.post("/api/orders", card.clone()).await?.status(), 422);
        let cut = card[..card.len() - 3].to_owned();
        assert_eq!(shop.post("/api/orders", cut).await?.status(), 400);
        shop.stack.workers[0].stop().await?;
        shop.stack.api.stop().await?;

        let (api, worker) = (lines(&shop.log(shop.stack.api.log()))?, lines(&shop.log(shop.stack.workers[0].log()))?);
        for (id, last) in &ids {
            let about = |lines: &[Value]| lines.iter().filter(|line| line["order_id"] == id.as_str()).cloned().collect::<Vec<_>>();
            let post = about(&api).into_iter().find(|line| line["method"] == "POST").context("no line about the POST")?;
            assert_eq!((&post["route"], &post["status"]), (&json!("/api/orders"), &json!(202)));
            ensure!(post["duration_ms"].is_number() && post["request_id"].is_string(), "{post}");
            let activities: Vec<Value> = about(&worker).iter().map(|line| line["activity"].clone()).collect();
            for activity in ["CreateOrder", "CheckInventory", "ProcessPayment", *last] {
                ensure!(activities.contains(&json!(activity)), "nothing about {activity} of {id}: {activities:?}");
            }
        }
        let attempts = worker.iter().filter(|line| line["order_id"] == ids[2].0.as_str() && line["activity"] == "ProcessPayment");
        ensure!(attempts.count() >= 3, "not every attempt is logged");

        for server in shop.stack.servers() {
            let log = shop.log(server.log());
            let password = shop.stack.settings().get("POSTGRES_PASSWORD")?;
            for secret in [EMAIL, PHONE, CARD, password, "tok_visa", "tok_declined", "tok_processing_error"] {
                let found = log.lines().find(|line| line.contains(secret));
                ensure!(found.is_none(), "{secret} is in the log of {}: {found:?}", server.name());
            }
        }
        Ok(())
    });
}

/// Parses the lines. Each must be a JSON object with time and level.
fn lines(log: &str) -> Result<Vec<Value>> {
    log.lines()
        .map(|line| {
            let value: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
            for field in ["timestamp", "level"] {
                ensure!(value[field].is_string(), "no {field}: {line}");
            }
            Ok(value)
        })
        .collect()
}

#[test]
fn every_answer_has_a_request_id_that_is_logged() {
    with_shared_stack(async |shop| {
        for (method, path) in [
            (Method::GET, "/"),
            (Method::GET, "/api/health"),
            (Method::GET, "/api/health/live"),
            (Method::GET, "/api/products"),
            (Method::GET, "/api/openapi.json"),
            (Method::GET, "/api/orders?customerID=C"),
            (Method::GET, "/api/orders/nothing"),
            (Method::POST, "/api/orders"),
            (Method::DELETE, "/api/orders"),
            (Method::GET, "/api/nothing"),
        ] {
            let own = shop.unique("request");
            let given = shop.request(method.clone(), path).header("x-request-id", &own).send().await?;
            assert_eq!(given.headers().get("x-request-id").context("no request id")?, own.as_str(), "{method} {path}");
            if given.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/problem+json") {
                assert_eq!(answer(given).await?.1["requestId"], own.as_str());
            }
            ensure!(shop.log(shop.stack.api.log()).contains(&own), "{own} of {method} {path} is not in the log");
            let made = shop.request(method.clone(), path).send().await?;
            ensure!(made.headers().get("x-request-id").is_some_and(|id| id.len() > 20), "{method} {path}");
        }
        Ok(())
    });
}

#[test]
fn the_page_and_the_description_of_the_api_are_served() {
    with_shared_stack(async |shop| {
        let page = shop.get("/").await?;
        ensure!(
            page.status() == 200 && page.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"))
        );
        let (status, description) = answer(shop.get("/api/openapi.json").await?).await?;
        ensure!(status == 200 && description["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")), "{description}");
        Ok(())
    });
}
