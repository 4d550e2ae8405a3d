//! A customer: places an order, retries, cancels, decides about it, and asks for refunds.

mod decision;
mod gateway;
pub(super) mod hostile;
mod refund;

use super::{
    kind::Kind,
    record::{Answers, Purchase, Record, Weather},
    shelf::Shelf,
    wish::Wish,
};
use crate::support::{Shop, answer};
use anyhow::{Context as _, Result, ensure};
use futures::future::join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a customer waits for an answer.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a customer tries to place one order. This is longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(250);
/// The maximum number of attempts to cancel.
const CANCEL_TRIES: usize = 5;
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
    pub(super) shelf: &'a Shelf,
    pub(super) record: &'a Record,
}

impl Customer<'_> {
    /// Runs the scenario, and adds its result to the record.
    pub(super) async fn buy(&self, mut wish: Wish, weather: Weather) -> Result<()> {
        let mut answers = Answers::default();
        self.order(&mut wish, &mut answers).await?;
        if let Some(id) = answers.acknowledged.first().cloned() {
            self.follow_up(&mut wish, &id, &mut answers).await?;
        }
        self.record.enter(Purchase { wish, answers, weather });
        Ok(())
    }

    async fn order(&self, wish: &mut Wish, answers: &mut Answers) -> Result<()> {
        let key = wish.customer.clone();
        match wish.kind {
            Kind::Keyless => {
                self.post(&wish.body, None, ANSWER, answers).await;
                Ok(())
            }
            Kind::Invalid => self.insist_on_refusal(wish, answers).await,
            Kind::Hostile => {
                self.attack(wish).await?;
                self.insist(wish, &key, answers).await
            }
            Kind::AtOnce => {
                let posts = (0..3).map(|_| async {
                    let mut answers = Answers::default();
                    self.post(&wish.body, Some(&key), ANSWER, &mut answers).await;
                    answers
                });
                for other in join_all(posts).await {
                    answers.acknowledged.extend(other.acknowledged);
                    answers.unknown += other.unknown;
                }
                self.insist(wish, &key, answers).await?;
                self.reuse_key(wish, &key).await;
                Ok(())
            }
            Kind::Impatient => {
                let brief = Duration::from_millis(wish.rng.u64(1..25));
                self.post(&wish.body, Some(&key), brief, answers).await;
                self.insist(wish, &key, answers).await
            }
            _ => self.insist(wish, &key, answers).await,
        }
    }

    /// What the customer does after the order is accepted.
    async fn follow_up(&self, wish: &mut Wish, id: &str, answers: &mut Answers) -> Result<()> {
        match wish.kind {
            Kind::Cancelled => {
                sleep(Duration::from_millis(wish.rng.u64(0..2_000))).await;
                self.cancel(wish, id, answers).await;
                Ok(())
            }
            Kind::Amended => self.amend(wish, id, answers).await,
            Kind::CancelledInstead => self.cancel_instead(wish, id, answers).await,
            Kind::Approved | Kind::NotApproved => self.have_reviewed(wish, id, answers).await,
            Kind::Refunded => self.have_refunded(wish, id, answers).await,
            Kind::Reconciled => self.have_reconciled(id).await,
            Kind::Hostile => {
                self.flood(wish, id, answers).await;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Posts with the key until the order is acknowledged.
    async fn insist(&self, wish: &Wish, key: &str, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.post(&wish.body, Some(key), ANSWER, answers).await {
                Outcome::Accepted(_) => return Ok(()),
                // The API refuses a wrong price only while it can read the catalogue.
                Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY) if wish.kind == Kind::WrongPrice => return Ok(()),
                Outcome::Refused(status) => {
                    self.record.breach(format!("{} ({}) was refused with {status}", wish.customer, wish.kind.name()));
                    return Ok(());
                }
                Outcome::Unknown => {}
            }
            ensure!(began.elapsed() < PATIENCE, "{} could place no order for {} s", wish.customer, PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// Posts an invalid order until the API answers that it is invalid.
    async fn insist_on_refusal(&self, wish: &Wish, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        while !matches!(self.post(&wish.body, None, ANSWER, answers).await, Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY)) {
            ensure!(began.elapsed() < PATIENCE, "{} was told nothing for {} s", wish.customer, PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
        // An invalid order must not exist, whatever happened to the earlier requests.
        answers.unknown = 0;
        Ok(())
    }

    /// Posts another body with a key that has been used. The API must neither accept it nor answer
    /// with the first order.
    async fn reuse_key(&self, wish: &Wish, key: &str) {
        let other = wish.body.replacen(&wish.customer, "CUST-nobody", 1);
        match self.post(&other, Some(key), ANSWER, &mut Answers::default()).await {
            Outcome::Accepted(id) => self.record.breach(format!("another body with the key of {} was acknowledged as {id}", wish.customer)),
            Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY) | Outcome::Unknown => {}
            Outcome::Refused(status) => self.record.breach(format!("another body with the key of {} was answered {status}", wish.customer)),
        }
    }

    async fn post(&self, body: &str, key: Option<&str>, patience: Duration, answers: &mut Answers) -> Outcome {
        let mut post = self.shop.request(Method::POST, "/api/orders").timeout(patience).header(header::CONTENT_TYPE, "application/json");
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
    async fn cancel(&self, wish: &mut Wish, id: &str, answers: &mut Answers) {
        answers.cancel_asked = true;
        let path = format!("/api/orders/{id}/cancel");
        let times = match wish.rng.u8(..10) {
            0 => {
                self.ask(&path, "", Duration::from_millis(wish.rng.u64(1..25))).await;
                return;
            }
            1..=4 => 1,
            _ => 2,
        };
        for _ in 0..CANCEL_TRIES {
            if self.asks(&path, "", times).await {
                return;
            }
            sleep(PAUSE).await;
        }
    }

    /// Sends the same request `times` times at once. Returns whether one was accepted, or refused
    /// because it is too late.
    async fn asks(&self, path: &str, body: &str, times: usize) -> bool {
        let told = join_all((0..times).map(|_| self.ask(path, body, ANSWER))).await;
        for status in told.iter().flatten() {
            // 404: neither the workflow nor the read model has the order yet.
            if !matches!(status.as_u16(), 202 | 404 | 409 | 500..) {
                self.record.breach(format!("{path} was answered {status}"));
            }
        }
        told.iter().flatten().any(|status| [StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(status))
    }

    async fn ask(&self, path: &str, body: &str, patience: Duration) -> Option<StatusCode> {
        let post = self.shop.request(Method::POST, path).timeout(patience).header(header::CONTENT_TYPE, "application/json");
        post.body(body.to_owned()).send().await.ok().map(|response| response.status())
    }

    /// Reads an order until `see` finds something in it.
    async fn sees<T>(&self, id: &str, what: &str, see: impl Fn(&Value) -> Option<T>) -> Result<T> {
        let (began, mut last) = (Instant::now(), Value::Null);
        while began.elapsed() < PATIENCE {
            // A failed read is repeated.
            if let Ok(order) = self.shop.order(id).await {
                if let Some(seen) = see(&order) {
                    return Ok(seen);
                }
                last = order;
            }
            sleep(PAUSE).await;
        }
        Err(anyhow::anyhow!("{id}: {what} could not be seen for {} s", PATIENCE.as_secs())).with_context(|| self.shop.story(id, &last))
    }

    /// Waits until an order has one of these statuses, or has ended.
    async fn waits(&self, id: &str, statuses: &[&str]) -> Result<Value> {
        self.sees(id, "its end", |order| statuses.iter().chain(&ENDS).any(|status| order["status"] == **status).then(|| order.clone()))
            .await
    }
}
