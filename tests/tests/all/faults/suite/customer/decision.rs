//! Orders that wait for a decision of the customer or of the shop.

use super::{Customer, PATIENCE, PAUSE};
use crate::faults::suite::{
    kind::Kind,
    record::Answers,
    wish::{Line, Wish},
};
use anyhow::{Result, ensure};
use serde_json::Value;
use std::time::Instant;
use tokio::time::sleep;

impl Customer<'_> {
    /// Accepts the offer when only a part of the order is in stock.
    pub(super) async fn amend(&self, wish: &mut Wish, id: &str, answers: &mut Answers) -> Result<()> {
        let mut order = self.waits(id, &["ACTION_REQUIRED"]).await?;
        // The offered units may be gone when the customer accepts; then there is another offer.
        while order["status"] == "ACTION_REQUIRED" {
            let agreed = offered(&order, &wish.lines);
            if agreed == wish.lines || agreed.iter().any(|line| line.units < 0) {
                self.record.breach(format!("{id} waits for its customer, who is offered {agreed:?} of {:?}", wish.lines));
            }
            self.insist_on(&format!("/api/orders/{id}/amend"), "", wish.rng.usize(1..=2)).await?;
            order = self
                .sees(id, "what came of the amendment", |order| {
                    (order["status"] != "ACTION_REQUIRED" || offered(order, &wish.lines) != agreed).then(|| order.clone())
                })
                .await?;
            answers.agreed = Some(agreed);
        }
        Ok(())
    }

    pub(super) async fn cancel_instead(&self, wish: &mut Wish, id: &str, answers: &mut Answers) -> Result<()> {
        if self.waits(id, &["ACTION_REQUIRED"]).await?["status"] == "ACTION_REQUIRED" {
            answers.cancel_asked = true;
            self.insist_on(&format!("/api/orders/{id}/cancel"), "", wish.rng.usize(1..=2)).await?;
        }
        Ok(())
    }

    /// Waits for the review, and posts the shop's decision.
    pub(super) async fn have_reviewed(&self, wish: &mut Wish, id: &str, answers: &mut Answers) -> Result<()> {
        if self.waits(id, &["IN_REVIEW"]).await?["status"] == "IN_REVIEW" {
            answers.reviewed = true;
            let body = if wish.kind == Kind::Approved { r#"{"approved":true}"# } else { r#"{"approved":false}"# };
            self.insist_on(&format!("/api/orders/{id}/review"), body, wish.rng.usize(1..=2)).await?;
        }
        Ok(())
    }

    /// Posts a decision, `times` times at once, until it is accepted or was made before.
    async fn insist_on(&self, path: &str, body: &str, times: usize) -> Result<()> {
        let began = Instant::now();
        while !self.asks(path, body, times).await {
            ensure!(began.elapsed() < PATIENCE, "nobody took {path} for {} s", PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
        Ok(())
    }
}

/// The units of each line that the order offers to its customer.
fn offered(order: &Value, wished: &[Line]) -> Vec<Line> {
    let available = |n: usize| order["items"][n]["available"].as_i64().unwrap_or(-1);
    wished.iter().enumerate().map(|(n, line)| Line { units: available(n), ..*line }).collect()
}
