//! Search attributes: an operator finds orders in Temporal's list of workflows.

use crate::{
    histories::{connect, replay, settings},
    support::{Draft, FAST, SecondApi, Shop, text, until, with_own_stack},
};
use anyhow::{Result, ensure};
use orders::workflow::OrderWorkflowType;
use reqwest::{Method, StatusCode};
use serde_json::Value;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(40);

/// Waits until the query finds this number of workflows. Temporal's list follows a moment later.
async fn finds(shop: &Shop, number: u32, query: &str) -> Result<()> {
    let mut last = String::new();
    let wanted = format!("{number} workflows with {query}");
    let found = until(&wanted, TIMEOUT, async || {
        last = shop.stack.temporal.service().cli(&["workflow", "count", "--query", query]).await?;
        Ok((last.trim() == format!("Total: {number}")).then_some(()))
    });
    found.await.map_err(|error| error.context(last))
}

/// The events of an order's workflow that changed search attributes, and its whole history.
async fn upserts(shop: &Shop, id: &str) -> Result<(usize, Value)> {
    let handle = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id);
    let history: Value = serde_json::from_slice(&handle.fetch_history(Default::default()).to_json().await?)?;
    let events = history["events"].as_array().into_iter().flatten();
    let upserts = events.filter(|event| event["attributes"]["UpsertWorkflowSearchAttributesEventAttributes"].is_object());
    Ok((upserts.count(), history))
}

#[test]
#[ignore = "search attributes are off until these tests pass on a loaded machine"]
fn orders_are_found_by_status_total_currency_customer_and_failure() {
    let limits = [("RISK_SPEND_LIMITS", "USD=900.00"), ("TEMPORAL_SEARCH_ATTRIBUTES", "true")];
    with_own_stack(1, &[&FAST[..], &limits].concat(), async |shop| {
        let product = shop.product(50_000, 100).await?;
        // The first orders may start before the attributes exist.
        until("orders have search attributes", TIMEOUT, async || {
            let id = shop.place(&Draft::new(&shop.unique("CUST-early")).line(&product, 1)).await?;
            shop.ends(&id, "COMPLETED").await?;
            let described = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id).describe(Default::default()).await?;
            Ok((!described.search_attributes().is_empty()).then_some(()))
        })
        .await?;
        let draft = |units| Draft::new("CUST-found").line(&product, units);
        let small = shop.place(&draft(1)).await?;
        shop.ends(&small, "COMPLETED").await?;
        let review = shop.place(&draft(3)).await?;
        shop.reaches(&review, &["IN_REVIEW"]).await?;
        let in_review = "OrderStatus = 'IN_REVIEW' AND OrderCurrency = 'USD'";
        finds(shop, 1, &format!("{in_review} AND OrderTotal > 100000 AND WorkflowId = '{review}'")).await?;
        finds(shop, 0, &format!("{in_review} AND OrderTotal > 150000")).await?;
        shop.post(&format!("/api/orders/{review}/review"), r#"{"approved":true}"#).await?.error_for_status()?;
        shop.ends(&review, "COMPLETED").await?;
        finds(shop, 0, in_review).await?;

        let declined = shop.place(&Draft::new("CUST-other").line(&product, 1).payment_method("tok_declined")).await?;
        shop.ends(&declined, "FAILED").await?;
        let failed = format!("OrderStatus = 'FAILED' AND OrderFailure = 'PaymentDeclined' AND WorkflowId = '{declined}'");
        finds(shop, 1, &failed).await?;

        let described = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(&small).describe(Default::default()).await?;
        assert_eq!(described.static_summary(), Some("500.00 USD, units: 1"));
        let hash = described.search_attributes().get(&orders::search::CUSTOMER);
        let hash = hash.filter(|hash| hash.len() == 32 && !hash.contains("CUST"));
        ensure!(hash.is_some(), "{:?}", described.search_attributes());
        finds(shop, 2, &format!("OrderCustomer = '{}'", hash.unwrap_or_default())).await?;

        // An order without trouble costs the server no change of its attributes.
        for (id, changes) in [(&small, 0), (&review, 2), (&declined, 1)] {
            let (count, history) = upserts(shop, id).await?;
            assert_eq!(count, changes, "{id}");
            replay(&history, settings(1_500)).await?;
        }
        Ok(())
    });
}

/// The namespace does not have the attributes, because no worker creates them.
#[test]
#[ignore = "search attributes are off until these tests pass on a loaded machine"]
fn an_order_starts_without_attributes_if_temporal_refuses_them() {
    with_own_stack(1, &FAST, async |shop| {
        let product = shop.product(1_000, 10).await?;
        let on = [("TEMPORAL_SEARCH_ATTRIBUTES".to_owned(), "true".to_owned())];
        let api = SecondApi::start(shop, &on).await?;
        let order = Draft::new("CUST-plain").line(&product, 1).body().to_string();
        let request = api.request(Method::POST, "/api/orders").header("content-type", "application/json").body(order);
        let answer = request.send().await?;
        ensure!(answer.status() == StatusCode::ACCEPTED, "{}", answer.status());
        let id = text(&answer.json::<Value>().await?, "/id")?.to_owned();
        let order = shop.ends(&id, "COMPLETED").await?;
        ensure!(order["queued"].is_null(), "{order}");
        ensure!(shop.log(&api.log).contains("Temporal refuses the search attributes of orders"), "{}", shop.log(&api.log));
        let described = connect(shop).await?.get_workflow_handle::<OrderWorkflowType>(id).describe(Default::default()).await?;
        ensure!(described.search_attributes().is_empty());
        Ok(())
    });
}
