//! Customers who receive refunds: each key makes one refund, and no refund exceeds what was paid.

use super::{ANSWER_TIMEOUT, Customer, PAUSE, TIMEOUT};
use crate::{
    faults::suite::{
        record::{AcceptedRefund, Answers},
        scenario::{Line, Scenario, total_minor},
    },
    support::answer,
};
use anyhow::{Result, bail, ensure};
use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Instant};
use tokio::time::sleep;

/// A refund to request.
struct RefundRequest {
    body: Value,
    /// The amount, in minor units.
    minor: i64,
    /// Units that are put back on sale.
    restocked: Vec<Line>,
}

impl Customer<'_> {
    /// Waits for the end of the order. If it is completed, requests a refund, and then a second one
    /// of more than is left.
    pub(super) async fn have_refunded(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) -> Result<()> {
        if self.wait_for_status(id, &[]).await?["status"] != "COMPLETED" {
            return Ok(());
        }
        let request = self.draw_refund(scenario);
        let Some(refund) =
            self.post_refund_until_accepted(id, &request.body, &format!("{}-refund", scenario.customer), scenario.rng.usize(1..=3)).await?
        else {
            bail!("{id} is paid, but cannot be refunded");
        };
        if !self.refund_succeeds(id, &refund).await? {
            self.record.breach(format!("{refund} of {id} was refused, though {} were paid", request.body));
        }
        answers.refunds.push(AcceptedRefund { id: refund, minor: request.minor, restocked: request.restocked });

        let all = json!({ "amount": decimal(total_minor(&scenario.lines)) });
        if let Some(greedy) = self.post_refund_until_accepted(id, &all, &format!("{}-greedy", scenario.customer), 1).await? {
            if self.refund_succeeds(id, &greedy).await? {
                self.record.breach(format!("{greedy} refunded more of {id} than was paid"));
            }
            answers.refunds.push(AcceptedRefund { id: greedy, minor: 0, restocked: Vec::new() });
        }
        Ok(())
    }

    fn draw_refund(&self, scenario: &mut Scenario) -> RefundRequest {
        let (line, total) = (scenario.lines[0], total_minor(&scenario.lines));
        let restock = scenario.rng.bool();
        match scenario.rng.u8(..3) {
            0 => RefundRequest {
                body: json!({ "restock": restock }),
                minor: total,
                restocked: if restock { vec![line] } else { Vec::new() },
            },
            1 => {
                let minor = scenario.rng.i64(1..=total);
                RefundRequest { body: json!({ "amount": decimal(minor), "reason": "scratched" }), minor, restocked: Vec::new() }
            }
            _ => {
                let line = Line { units: scenario.rng.i64(1..=line.units), ..line };
                let items = json!([{ "productID": self.catalog.product(line.product).id, "quantity": line.units }]);
                let restocked = if restock { vec![line] } else { Vec::new() };
                RefundRequest { body: json!({ "items": items, "restock": restock }), minor: total_minor(&[line]), restocked }
            }
        }
    }

    /// Posts a refund with one key, `times` times at once, until it is accepted. Returns `None`
    /// when nothing is left to refund.
    async fn post_refund_until_accepted(&self, id: &str, body: &Value, key: &str, times: usize) -> Result<Option<String>> {
        let (began, mut ids) = (Instant::now(), BTreeSet::new());
        loop {
            let mut nothing_left = false;
            for answer in join_all((0..times).map(|_| self.post_refund(id, body, key))).await {
                match answer {
                    Some((StatusCode::ACCEPTED, accepted)) if accepted["id"].is_string() => {
                        ids.extend(accepted["id"].as_str().map(ToOwned::to_owned));
                    }
                    Some((StatusCode::CONFLICT, _)) => nothing_left = true,
                    // The amount exceeds what is left to refund, according to the read model.
                    Some((StatusCode::UNPROCESSABLE_ENTITY, _)) if key.ends_with("-greedy") => nothing_left = true,
                    Some((status, problem)) if status.is_client_error() => {
                        self.record.breach(format!("the refund {body} of {id} was answered {status}: {problem}"));
                    }
                    _ => {}
                }
            }
            if ids.len() > 1 {
                self.record.breach(format!("one key, and the refunds {ids:?} of {id}"));
            }
            if let Some(refund) = ids.pop_first() {
                return Ok(Some(refund));
            }
            if nothing_left {
                // An earlier request may have refunded the rest, and its answer was lost.
                return self.refund_on_record(id, key).await;
            }
            ensure!(began.elapsed() < TIMEOUT, "no refund of {id} was accepted for {} s", TIMEOUT.as_secs());
            sleep(PAUSE).await;
        }
    }

    async fn post_refund(&self, id: &str, body: &Value, key: &str) -> Option<(StatusCode, Value)> {
        let post =
            self.shop.request(Method::POST, &format!("/api/orders/{id}/refunds")).timeout(ANSWER_TIMEOUT).header("Idempotency-Key", key);
        answer(post.json(body).send().await.ok()?).await.ok()
    }

    /// The refund that the first request made; `None` for the second refund of a customer.
    async fn refund_on_record(&self, id: &str, key: &str) -> Result<Option<String>> {
        let first = self.poll_order(id, "its refunds", |order| Some(order["refunds"][0]["id"].as_str().map(ToOwned::to_owned))).await?;
        Ok(first.filter(|_| key.ends_with("-refund")))
    }

    /// Waits for the result of a refund. Returns whether it succeeded.
    async fn refund_succeeds(&self, id: &str, refund: &str) -> Result<bool> {
        self.poll_order(id, "what came of its refund", |order| {
            let refunds = order["refunds"].as_array()?;
            let status = refunds.iter().find(|known| known["id"] == refund)?["status"].as_str()?;
            (status != "PENDING").then_some(status == "SUCCEEDED")
        })
        .await
    }
}

/// Converts minor units of a currency with two decimals to a JSON number with exactly these digits.
fn decimal(minor: i64) -> Value {
    serde_json::from_str(&format!("{}.{:02}", minor / 100, minor % 100)).unwrap_or_default()
}
