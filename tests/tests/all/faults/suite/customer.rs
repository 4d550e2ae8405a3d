//! A customer: places an order, retries, cancels, decides about it, and asks for refunds.

mod decision;
mod gateway;
pub(super) mod hostile;
mod refund;

use super::{
    catalog::Catalog,
    kind::Kind,
    record::{Answers, Conditions, Purchase, Record},
    scenario::Scenario,
};
use crate::support::{Shop, answer};
use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a customer waits for an answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);
/// How long a customer tries to place one order. This is longer than any fault lasts.
const TIMEOUT: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(250);
/// The maximum number of attempts to cancel.
const CANCEL_ATTEMPTS: usize = 5;
/// The statuses in which an order ends.
const ENDS: [&str; 3] = ["COMPLETED", "FAILED", "CANCELLED"];

/// The result of one POST request.
enum Outcome {
    Accepted(String),
    /// The server answers that it created nothing, and that the request is wrong.
    Refused(StatusCode),
    /// The order may exist or not.
    Unknown,
}

pub(super) struct Customer<'a> {
    pub(super) shop: &'a Shop,
    pub(super) catalog: &'a Catalog,
    pub(super) record: &'a Record,
}

impl Customer<'_> {
    /// Runs the scenario, and adds its result to the record.
    pub(super) async fn buy(&self, mut scenario: Scenario, conditions: Conditions) -> Result<()> {
        let mut answers = Answers::default();
        self.order(&mut scenario, &mut answers).await?;
        if let Some(id) = answers.acknowledged.first().cloned() {
            self.follow_up(&mut scenario, &id, &mut answers).await?;
        }
        self.record.add(Purchase { scenario, answers, conditions });
        Ok(())
    }

    async fn order(&self, scenario: &mut Scenario, answers: &mut Answers) -> Result<()> {
        let key = scenario.customer.clone();
        match scenario.kind {
            Kind::Keyless => {
                self.post(&scenario.body, None, ANSWER_TIMEOUT, answers).await;
                Ok(())
            }
            Kind::Invalid => self.post_until_rejected(scenario, answers).await,
            Kind::Hostile => {
                self.attack(scenario).await?;
                self.post_until_accepted(scenario, &key, answers).await
            }
            Kind::AtOnce => {
                let posts = (0..3).map(|_| async {
                    let mut answers = Answers::default();
                    self.post(&scenario.body, Some(&key), ANSWER_TIMEOUT, &mut answers).await;
                    answers
                });
                for other in join_all(posts).await {
                    answers.acknowledged.extend(other.acknowledged);
                    answers.unknown += other.unknown;
                }
                self.post_until_accepted(scenario, &key, answers).await?;
                self.reuse_key(scenario, &key).await;
                Ok(())
            }
            Kind::Impatient => {
                let brief = Duration::from_millis(scenario.rng.u64(1..25));
                self.post(&scenario.body, Some(&key), brief, answers).await;
                self.post_until_accepted(scenario, &key, answers).await
            }
            _ => self.post_until_accepted(scenario, &key, answers).await,
        }
    }

    /// What the customer does after the order is accepted.
    async fn follow_up(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) -> Result<()> {
        match scenario.kind {
            Kind::Cancelled => {
                sleep(Duration::from_millis(scenario.rng.u64(0..2_000))).await;
                self.cancel(scenario, id, answers).await;
                Ok(())
            }
            Kind::Amended => self.amend(scenario, id, answers).await,
            Kind::CancelledInstead => self.cancel_instead(scenario, id, answers).await,
            Kind::Approved | Kind::NotApproved => self.have_reviewed(scenario, id, answers).await,
            Kind::Refunded => self.have_refunded(scenario, id, answers).await,
            Kind::Reconciled => self.have_reconciled(id).await,
            Kind::Hostile => {
                self.flood(scenario, id, answers).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Posts with the key until the order is acknowledged.
    async fn post_until_accepted(&self, scenario: &Scenario, key: &str, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.post(&scenario.body, Some(key), ANSWER_TIMEOUT, answers).await {
                Outcome::Accepted(_) => return Ok(()),
                // The API refuses a wrong price only while it can read the catalogue.
                Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY) if scenario.kind == Kind::WrongPrice => return Ok(()),
                Outcome::Refused(status) => {
                    self.record.breach(format!("{} ({}) was refused with {status}", scenario.customer, scenario.kind.name()));
                    return Ok(());
                }
                Outcome::Unknown => {}
            }
            ensure!(began.elapsed() < TIMEOUT, "{} could place no order for {} s", scenario.customer, TIMEOUT.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// Posts an invalid order until the API answers that it is invalid.
    async fn post_until_rejected(&self, scenario: &Scenario, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        while !matches!(self.post(&scenario.body, None, ANSWER_TIMEOUT, answers).await, Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY))
        {
            ensure!(began.elapsed() < TIMEOUT, "{} got no answer for {} s", scenario.customer, TIMEOUT.as_secs());
            sleep(PAUSE).await;
        }
        // An invalid order must not exist, whatever happened to the earlier requests.
        answers.unknown = 0;
        Ok(())
    }

    /// Posts another body with a key that has been used. The API must neither accept it nor answer
    /// with the first order.
    async fn reuse_key(&self, scenario: &Scenario, key: &str) {
        let other = scenario.body.replacen(&scenario.customer, "CUST-nobody", 1);
        match self.post(&other, Some(key), ANSWER_TIMEOUT, &mut Answers::default()).await {
            Outcome::Accepted(id) => {
                self.record.breach(format!("another body with the key of {} was acknowledged as {id}", scenario.customer));
            }
            Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY) | Outcome::Unknown => {}
            Outcome::Refused(status) => {
                self.record.breach(format!("another body with the key of {} was answered {status}", scenario.customer));
            }
        }
    }

    async fn post(&self, body: &str, key: Option<&str>, timeout: Duration, answers: &mut Answers) -> Outcome {
        let mut post = self.shop.request(Method::POST, "/api/orders").timeout(timeout).header(header::CONTENT_TYPE, "application/json");
        if let Some(key) = key {
            post = post.header("Idempotency-Key", key);
        }
        let answered = match post.body(body.to_owned()).send().await {
            Ok(response) => answer(response).await.ok(),
            Err(_) => None,
        };
        match answered {
            Some((StatusCode::ACCEPTED, body)) if body["id"].is_string() => {
                let id = body["id"].as_str().unwrap_or_default().to_owned();
                self.record.acknowledge(&id);
                answers.acknowledged.insert(id.clone());
                Outcome::Accepted(id)
            }
            Some((status, _)) if status.is_client_error() => Outcome::Refused(status),
            _ => {
                answers.unknown += 1;
                Outcome::Unknown
            }
        }
    }

    /// Requests the cancellation, once or twice at once, until it is accepted or refused. One
    /// customer in ten hangs up instead and never asks again.
    async fn cancel(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) {
        answers.cancel_asked = true;
        let path = format!("/api/orders/{id}/cancel");
        let times = match scenario.rng.u8(..10) {
            0 => {
                self.post_request(&path, "", Duration::from_millis(scenario.rng.u64(1..25))).await;
                return;
            }
            1..=4 => 1,
            _ => 2,
        };
        for _ in 0..CANCEL_ATTEMPTS {
            if self.post_at_once(&path, "", times).await {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends the same request `times` times at once. Returns whether one was accepted, or refused
    /// because it is too late.
    async fn post_at_once(&self, path: &str, body: &str, times: usize) -> bool {
        let statuses = join_all((0..times).map(|_| self.post_request(path, body, ANSWER_TIMEOUT))).await;
        for status in statuses.iter().flatten() {
            // 404: neither the workflow nor the read model has the order yet.
            if !matches!(status.as_u16(), 202 | 404 | 409 | 500..) {
                self.record.breach(format!("{path} was answered {status}"));
            }
        }
        statuses.iter().flatten().any(|status| [StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(status))
    }

    async fn post_request(&self, path: &str, body: &str, timeout: Duration) -> Option<StatusCode> {
        let post = self.shop.request(Method::POST, path).timeout(timeout).header(header::CONTENT_TYPE, "application/json");
        post.body(body.to_owned()).send().await.ok().map(|response| response.status())
    }

    /// Reads an order until `see` finds something in it.
    async fn poll_order<T>(&self, id: &str, what: &str, see: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let (began, mut last) = (Instant::now(), Value::Null);
        while began.elapsed() < TIMEOUT {
            // A failed read is repeated.
            if let Ok(order) = self.shop.order(id).await {
                if let Some(seen) = see(&order) {
                    return Ok(seen);
                }
                last = order;
            }
            sleep(PAUSE).await;
        }
        Err(anyhow::anyhow!("{id}: {what} could not be seen for {} s", TIMEOUT.as_secs())).with_context(|| self.shop.describe(id, &last))
    }

    /// Waits until an order has one of these statuses, or has ended.
    async fn wait_for_status(&self, id: &str, statuses: &[&str]) -> Result<Value> {
        self.poll_order(id, "its end", |order| {
            statuses.iter().chain(&ENDS).any(|status| order["status"] == **status).then(|| order.clone())
        })
        .await
    }
}
