//! A customer: posts, waits, posts again, cancels.

use super::{
    record::{Answers, Purchase, Record},
    wish::{Kind, Wish},
};
use crate::support::{Shop, answer};
use anyhow::{Result, ensure};
use futures::future::join_all;
use reqwest::{Method, StatusCode, header};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How long a customer waits for an answer.
const ANSWER: Duration = Duration::from_secs(8);
/// How long a customer tries to place one order. Longer than any fault lasts.
const PATIENCE: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(250);
/// Tries at a cancellation.
const CANCEL_TRIES: usize = 5;

/// What came of one post.
enum Outcome {
    Accepted(String),
    /// The server says that it took nothing, and that it is the client's fault.
    Refused(StatusCode),
    /// The order may have been taken or not.
    Unknown,
}

pub(super) struct Customer<'a> {
    pub(super) shop: &'a Shop,
    pub(super) record: &'a Record,
}

impl Customer<'_> {
    /// Tries to get what is wished for, and enters what came of it into the record.
    pub(super) async fn buy(&self, mut wish: Wish, calm: bool) -> Result<()> {
        let mut answers = Answers::default();
        let key = wish.customer.clone();
        match wish.kind {
            Kind::Keyless => {
                self.post(&wish.body, None, ANSWER, &mut answers).await;
            }
            Kind::Invalid => self.insist_on_refusal(&wish, &mut answers).await?,
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
                self.insist(&wish, &key, &mut answers).await?;
                self.reuse_key(&wish, &key).await;
            }
            Kind::Impatient => {
                let brief = Duration::from_millis(wish.rng.u64(1..25));
                self.post(&wish.body, Some(&key), brief, &mut answers).await;
                self.insist(&wish, &key, &mut answers).await?;
            }
            Kind::Cancelled => {
                self.insist(&wish, &key, &mut answers).await?;
                sleep(Duration::from_millis(wish.rng.u64(0..2_000))).await;
                self.cancel(&mut answers, wish.rng.bool()).await;
            }
            _ => self.insist(&wish, &key, &mut answers).await?,
        }
        self.record.enter(Purchase { wish, answers, calm });
        Ok(())
    }

    /// Posts with the key until the order is acknowledged.
    async fn insist(&self, wish: &Wish, key: &str, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        loop {
            match self.post(&wish.body, Some(key), ANSWER, answers).await {
                Outcome::Accepted(_) => return Ok(()),
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

    /// Posts what is no order until somebody says so.
    async fn insist_on_refusal(&self, wish: &Wish, answers: &mut Answers) -> Result<()> {
        let began = Instant::now();
        while !matches!(self.post(&wish.body, None, ANSWER, answers).await, Outcome::Refused(StatusCode::UNPROCESSABLE_ENTITY)) {
            ensure!(began.elapsed() < PATIENCE, "{} was told nothing for {} s", wish.customer, PATIENCE.as_secs());
            sleep(PAUSE).await;
        }
        // Whatever befell the earlier posts, an invalid order exists nowhere.
        answers.unknown = 0;
        Ok(())
    }

    /// Posts another body with a key that has been used. It must not be taken, and must not be taken for the first one.
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

    /// Asks for the cancellation, perhaps twice at once, until it is taken or refused.
    async fn cancel(&self, answers: &mut Answers, twice: bool) {
        let Some(id) = answers.acknowledged.first().cloned() else { return };
        let path = format!("/api/orders/{id}/cancel");
        for _ in 0..CANCEL_TRIES {
            answers.cancel_asked = true;
            let ask = || async {
                let cancel = self.shop.request(Method::POST, &path).timeout(ANSWER).header(header::CONTENT_TYPE, "application/json");
                cancel.send().await.ok().map(|response| response.status())
            };
            let told = if twice { join_all([ask(), ask()]).await } else { vec![ask().await] };
            for status in told.iter().flatten() {
                // 404: neither the workflow nor the read model is there yet.
                if !matches!(status.as_u16(), 202 | 404 | 409 | 500..) {
                    self.record.breach(format!("the cancellation of {id} was answered {status}"));
                }
            }
            if told.iter().flatten().any(|status| [StatusCode::ACCEPTED, StatusCode::CONFLICT].contains(status)) {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}
