//! Compares the OpenAPI document with the handlers.

use crate::{
    common::{call, call_as, post, request},
    issuer::{Issuer, Key},
};
use axum::{body::Body, http::header::AUTHORIZATION};
use functions::openapi::DOCUMENT;
use orders::{
    OrderView, ProductView,
    money::Money,
    request::NewOrder,
    shipping::{ShipmentId, ShipmentStatus},
    view::{NotificationView, ShipmentItemView, ShipmentView},
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use time::OffsetDateTime;
use uuid::Uuid;

const ORDER: &str = "ord_01930000000070008000000000000001";

/// A documented path with its parameters filled in.
fn target(path: &str) -> String {
    path.replace("{id}", ORDER).replace("{shipmentID}", &format!("{ORDER}-1"))
}

pub(crate) fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap()
}

/// Every operation of the document as (path, method, operation).
pub(crate) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().iter().map(move |(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
        })
        .collect()
}

/// Follows a `$ref`.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value.get("$ref").map_or(value, |target| document.pointer(target.as_str().unwrap().strip_prefix('#').unwrap()).unwrap())
}

/// Checks a value against a schema of the document.
#[track_caller]
fn assert_valid(document: &Value, schema: &Value, value: &Value) {
    let mut schema = json!({ "allOf": [schema] });
    schema["components"] = document["components"].clone();
    let faults: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(value).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{value} is not as the document says: {faults:?}");
}

#[test]
fn the_requests_in_the_docs_are_the_operations() {
    let written = include_str!("../../../docs/api.http").replace("{{order}}-1", "{shipmentID}").replace("{{order}}", "{id}");
    let written = written.replace("{{product}}", "{id}");
    let requests: BTreeSet<(String, String)> = written
        .lines()
        .filter_map(|line| line.split_once(" {{host}}"))
        .map(|(method, target)| (target.split('?').next().unwrap_or_default().to_owned(), method.to_owned()))
        .collect();
    let documented: BTreeSet<_> = operations(&document()).into_iter().map(|(path, method, _)| (path, method)).collect();
    assert_eq!(requests, documented);
}

#[tokio::test]
async fn routes_and_methods_are_the_documents() {
    let document = document();
    let mut methods: BTreeMap<String, BTreeSet<String>> = Default::default();
    for (path, method, _) in operations(&document) {
        methods.entry(path).or_default().insert(method);
    }
    for (path, documented) in &methods {
        let answer = call(request("TRACE", &target(path))).await;
        let mut allowed: BTreeSet<_> = answer.header("allow").split(',').map(str::to_owned).collect();
        // The router adds HEAD to GET.
        allowed.remove("HEAD");
        assert_eq!((answer.status.as_u16(), &allowed), (405, documented), "{path}");
    }
    // A router has no list of its routes, but its debug output contains them.
    let printed = format!("{:?}", crate::common::routes());
    let routes: BTreeSet<_> = printed.split('"').filter(|text| text.starts_with("/api")).map(str::to_owned).collect();
    assert_eq!(routes, methods.into_keys().collect::<BTreeSet<_>>());
}

#[test]
fn every_example_is_as_its_schema_says() {
    let document = document();
    let mut seen = 0;
    for (path, method, operation) in operations(&document) {
        let answers = operation["responses"].as_object().unwrap();
        for (status, answer) in answers {
            let answer = resolve(&document, answer);
            assert!(answer["headers"]["x-request-id"].is_object(), "{method} {path} {status}");
            seen += check_examples(&document, answer);
            let problem = &answer["content"]["application/problem+json"]["example"];
            assert!(problem.is_null() || problem["status"] == json!(status.parse::<u16>().unwrap()), "{method} {path} {status}");
        }
        seen += check_examples(&document, &operation["requestBody"]);
    }
    assert!(seen > 30, "{seen}");
}

/// If Temporal and the intake queue do not answer, one of them may still have received the order.
#[tokio::test]
async fn an_order_that_nobody_confirms_is_not_said_to_be_refused() {
    let document = document();
    let orders = &document["paths"]["/api/orders"]["post"];
    let order = &orders["requestBody"]["content"]["application/json"]["examples"].as_object().unwrap().values().next().unwrap()["value"];
    let answer = call(post("/api/orders", order.to_string())).await;
    let (status, detail) = (answer.status.as_u16(), &answer.json()["detail"]);
    assert_eq!(
        (status, detail.as_str().unwrap()),
        (503, "It is not certain that the order was accepted; try again, with the same Idempotency-Key if there is one.")
    );
    let documented = resolve(&document, &orders["responses"]["503"]);
    assert_eq!(&documented["content"]["application/problem+json"]["example"]["detail"], detail);
    assert!(orders["responses"]["503"]["description"].as_str().unwrap().contains("may have been accepted all the same"));
}

/// Checks the examples of a body. Returns their number.
fn check_examples(document: &Value, body: &Value) -> usize {
    let media = body["content"].as_object().into_iter().flat_map(|media| media.values());
    media
        .map(|media| {
            let several = media["examples"].as_object().into_iter().flat_map(|examples| examples.values().map(|example| &example["value"]));
            let examples: Vec<_> = media.get("example").into_iter().chain(several).collect();
            examples.iter().for_each(|example| assert_valid(document, &media["schema"], example));
            examples.len()
        })
        .sum()
}

#[test]
fn what_the_read_model_holds_is_as_the_document_says() {
    let document = document();
    let examples = &document["paths"]["/api/orders"]["post"]["requestBody"]["content"]["application/json"]["examples"];
    for example in examples.as_object().unwrap().values() {
        let order = NewOrder::parse(example["value"].to_string().as_bytes()).unwrap();
        let order = order.into_input(ORDER.parse().unwrap(), OffsetDateTime::UNIX_EPOCH);
        let notice =
            |channel: &str| NotificationView { r#type: "ORDER_CONFIRMED".to_owned(), channel: channel.to_owned(), at: order.accepted_at };
        for (queued, notifications) in [(false, vec![notice("EMAIL"), notice("SMS")]), (true, Vec::new())] {
            let view = OrderView { notifications, ..OrderView::accepted(&order, queued) };
            assert_valid(&document, &json!({ "$ref": "#/components/schemas/Order" }), &serde_json::to_value(view).unwrap());
        }
    }
    let mut shipped = shipped();
    assert_valid(&document, &json!({ "$ref": "#/components/schemas/Order" }), &serde_json::to_value(&shipped).unwrap());
    for status in ShipmentStatus::ALL {
        shipped.shipments[0].status = *status;
        assert_valid(&document, &json!({ "$ref": "#/components/schemas/Order" }), &serde_json::to_value(&shipped).unwrap());
    }
    let currency = orders::Currency::USD;
    let product = ProductView {
        product_id: "P".to_owned(),
        name: "N".to_owned(),
        unit_price: Money { minor: 1, currency },
        currency,
        in_stock: true,
    };
    assert_valid(&document, &json!({ "$ref": "#/components/schemas/Product" }), &serde_json::to_value(product).unwrap());
    let statuses: Vec<_> = orders::OrderStatus::ALL.iter().map(|status| status.as_str()).collect();
    assert_eq!(document["components"]["schemas"]["OrderStatus"]["enum"], json!(statuses));
}

/// An order with two shipments.
fn shipped() -> OrderView {
    let body = r#"{"customerID":"C","totalAmount":1,"items":[{"productID":"P","quantity":1,"unitPrice":1}]}"#;
    let order = NewOrder::parse(body.as_bytes()).unwrap().into_input(ORDER.parse().unwrap(), OffsetDateTime::UNIX_EPOCH);
    let mut view = OrderView::accepted(&order, false);
    for (number, tracking_number, reason) in [(1, None, None), (2, Some("T".to_owned()), Some("lost".to_owned()))] {
        view.shipments.push(ShipmentView {
            id: ShipmentId { order_id: order.id, number },
            warehouse: "MAIN".to_owned(),
            status: ShipmentStatus::Pending,
            carrier: "sandbox".to_owned(),
            tracking_url: tracking_number.clone(),
            tracking_number,
            reason,
            items: vec![ShipmentItemView { product_id: "P".to_owned(), quantity: 1 }],
            updated_at: OffsetDateTime::UNIX_EPOCH,
        });
    }
    view
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let document = document();
    let id = Uuid::nil().to_string();
    let calls: [(&str, &str, Option<&str>); 23] = [
        ("GET", "/api/health", None),
        ("GET", "/api/health/live", None),
        ("GET", "/api/openapi.json", None),
        ("GET", "/api/operations", None),
        ("GET", "/api/operations/history", None),
        ("GET", "/api/products", None),
        ("GET", "/api/orders", None),
        ("GET", "/api/orders/{id}", None),
        ("GET", "/api/orders/{id}/trace", None),
        ("POST", "/api/orders", Some("{}")),
        ("POST", "/api/orders", Some("{")),
        ("POST", "/api/orders/{id}/cancel", Some("{")),
        ("POST", "/api/orders/{id}/cancel", Some("[]")),
        ("POST", "/api/orders/{id}/cancel", None),
        ("POST", "/api/orders/{id}/refunds", None),
        ("POST", "/api/orders", None),
        ("POST", "/api/orders/{id}/shipments/{shipmentID}/scans", Some("{}")),
        ("POST", "/api/orders/{id}/shipments/{shipmentID}/scans", Some(r#"{"event":"LOST"}"#)),
        ("POST", "/api/products/{id}/restock", Some("{}")),
        ("POST", "/api/products/{id}/restock", Some("{")),
        ("POST", "/api/products/{id}/restock", Some(r#"{"quantity":1}"#)),
        ("POST", "/api/webhooks/carrier", Some("{}")),
        ("POST", "/api/webhooks/stripe", Some("{}")),
    ];
    for (method, path, body) in calls {
        let target = target(path);
        let mut request = body.map_or_else(|| request(method, &target), |body| post(&target, Body::from(body.to_owned())));
        request.headers_mut().insert("x-request-id", id.parse().unwrap());
        // Without an idempotency key, all calls that move money or stock would get the same answer.
        request.headers_mut().insert("idempotency-key", id.parse().unwrap());
        let answer = call(request).await;
        let documented = &document["paths"][path][method.to_lowercase()]["responses"][answer.status.as_str()];
        assert!(!documented.is_null(), "{method} {path} answers {}", answer.status);
        let documented = resolve(&document, documented);
        for (name, header) in documented["headers"].as_object().unwrap() {
            assert!(resolve(&document, header)["required"] != true || !answer.header(name).is_empty(), "{method} {path} lacks {name}");
        }
        assert_valid(&document, &documented["content"][answer.header("content-type")]["schema"], &answer.json());
    }
}

/// Calls without a token, with a token of another customer, and with a token that lacks a scope.
#[tokio::test]
async fn refusals_are_as_the_document_says() {
    let document = document();
    let key = Key::new("one");
    let issuer = Issuer::start(&[&key]).await;
    let token = format!("Bearer {}", key.token(&issuer.claims()));
    let order = &document["paths"]["/api/orders"]["post"]["requestBody"]["content"]["application/json"]["examples"]["one line"]["value"];
    for (path, method, operation) in operations(&document) {
        let needs_token = !operation["security"].is_null();
        let target = target(&path) + if path == "/api/orders" { "?customerID=another" } else { "" };
        let of_customer = match path.as_str() {
            "/api/orders"
            | "/api/operations"
            | "/api/operations/history"
            | "/api/orders/{id}/refunds"
            | "/api/orders/{id}/review"
            | "/api/orders/{id}/trace"
            | "/api/orders/{id}/shipments/{shipmentID}/scans"
            | "/api/products/{id}/restock" => 403,
            // These operations expect another body than that of an order.
            "/api/orders/{id}/cancel" | "/api/orders/{id}/amend" => 422,
            _ => 503,
        };
        let cases = [(None, None, 401), (Some(&token), Some("orders"), 403), (Some(&token), None, of_customer)];
        for (token, scope, status) in cases {
            let mut request = if method == "POST" { post(&target, order.to_string()) } else { request(&method, &target) };
            request.headers_mut().extend(token.map(|token| (AUTHORIZATION, token.parse().unwrap())));
            let answer = call_as(issuer.identity(scope), request).await;
            if !needs_token {
                assert!(!matches!(answer.status.as_u16(), 401 | 403), "{method} {path}");
                continue;
            }
            assert_eq!(answer.status.as_u16(), status, "{method} {path}: {}", answer.json());
            let documented = resolve(&document, &operation["responses"][answer.status.as_str()]);
            assert_valid(&document, &documented["content"]["application/problem+json"]["schema"], &answer.json());
            for (name, header) in documented["headers"].as_object().unwrap() {
                assert!(resolve(&document, header)["required"] != true || !answer.header(name).is_empty(), "{method} {path} lacks {name}");
            }
        }
    }
}
