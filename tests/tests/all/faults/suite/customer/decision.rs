//! Orders that wait for a decision of the customer or of the shop.

use super::{Customer, PAUSE, TIMEOUT};
use crate::faults::suite::{
    kind::Kind,
    record::Answers,
    scenario::{Line, Scenario},
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Instant;
use tokio::time::sleep;

impl Customer<'_> {
    /// Accepts the offer when only a part of the order is in stock.
    pub(super) async fn amend(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) -> Result<()> {
        let mut order = self.wait_for_status(id, &["ACTION_REQUIRED"]).await?;
        // The offered units may be gone when the customer accepts; then there is another offer.
        while order["status"] == "ACTION_REQUIRED" {
            let agreed = offered(&order, &scenario.lines);
            if agreed == scenario.lines || agreed.iter().any(|line| line.units < 0) {
                self.record.breach(format!("{id} waits for its customer, who is offered {agreed:?} of {:?}", scenario.lines));
            }
            self.post_until_decided(&format!("/api/orders/{id}/amend"), "", scenario.rng.usize(1..=2)).await?;
            order = self
                .poll_order(id, "what came of the amendment", |order| {
                    (order["status"] != "ACTION_REQUIRED" || offered(order, &scenario.lines) != agreed).then(|| order.clone())
                })
                .await?;
            answers.agreed = Some(agreed);
        }
        Ok(())
    }

    pub(super) async fn cancel_instead(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) -> Result<()> {
        if self.wait_for_status(id, &["ACTION_REQUIRED"]).await?["status"] == "ACTION_REQUIRED" {
            answers.cancel_asked = true;
            self.post_until_decided(&format!("/api/orders/{id}/cancel"), "", scenario.rng.usize(1..=2)).await?;
        }
        Ok(())
    }

    /// Waits for the review, and posts the shop's decision.
    pub(super) async fn have_reviewed(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) -> Result<()> {
        if self.wait_for_status(id, &["IN_REVIEW"]).await?["status"] == "IN_REVIEW" {
            answers.reviewed = true;
            let body = if scenario.kind == Kind::Approved { r#"{"approved":true}"# } else { r#"{"approved":false}"# };
            self.post_until_decided(&format!("/api/orders/{id}/review"), body, scenario.rng.usize(1..=2)).await?;
        }
        Ok(())
    }

    /// Posts a decision, `times` times at once, until it is accepted or was made before.
    async fn post_until_decided(&self, path: &str, body: &str, times: usize) -> Result<()> {
        let began = Instant::now();
        while !self.post_at_once(path, body, times).await {
            ensure!(began.elapsed() < TIMEOUT, "nobody took {path} for {} s", TIMEOUT.as_secs());
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// The units of each line that the order offers to its customer.
fn offered(order: &Value, ordered: &[Line]) -> Vec<Line> {
    let available = |n: usize| order["items"][n]["available"].as_i64().unwrap_or(-1);
    ordered.iter().enumerate().map(|(n, line)| Line { units: available(n), ..*line }).collect()
}
