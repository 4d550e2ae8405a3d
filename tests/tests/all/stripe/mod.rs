//! Stripe: the requests to it, the handling of its answers, and orders that are paid with it. No
//! test talks to Stripe itself. [`stand_in`] behaves as Stripe's documentation says, and
//! `tests/stripe` has the errors that the documentation shows.

mod faults;
mod gateway;
mod ledger;
mod mock;
mod orders;
mod reversal;
mod stand_in;

use anyhow::{Context as _, Result};
use ledger::Answer;
use local::project;
use serde_json::Value;
use stand_in::StandIn;
use std::fs;
use worker::payment::{Payment, Stripe, StripeSettings};

const API_KEY: &str = "sk_test_OnlyTheTestsKnow";
const ORDER: &str = "ord_01930000000070008000000000000001";
const VISA: &str = "pm_card_visa";

fn read(name: &str) -> Result<Value> {
    let path = project().join(format!("tests/stripe/{name}.json"));
    Ok(serde_json::from_slice(&fs::read(&path).with_context(|| format!("no {}", path.display()))?)?)
}

/// One of the answers in `tests/stripe`.
fn documented_answer(name: &str) -> Result<Answer> {
    let mut document = read(name)?;
    let status = document["status"].as_u64().and_then(|status| u16::try_from(status).ok()).context("no status")?;
    Ok((status, document["body"].take()))
}

/// The headers of one of the answers in `tests/stripe`.
fn headers_of(name: &str) -> Result<Vec<(String, String)>> {
    let document = read(name)?;
    let headers = document["headers"].as_object().into_iter().flatten();
    Ok(headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect())
}

/// A gateway with its own stand-in.
async fn stripe() -> Result<(StandIn, Stripe)> {
    let stand_in = StandIn::start(API_KEY, 0).await?;
    let stripe = stripe_at(&stand_in.url, API_KEY).await?;
    Ok((stand_in, stripe))
}

async fn stripe_at(url: &str, key: &str) -> Result<Stripe> {
    let settings = StripeSettings { stripe_secret_arn: None, stripe_secret_key: Some(key.to_owned()), stripe_url: url.to_owned() };
    Stripe::new(&settings).await
}

/// A payment of 75.00 USD for an order.
fn payment() -> Payment {
    Payment { idempotency_key: ORDER.to_owned(), amount_minor: 7_500, currency: ::orders::Currency::USD, gateway: None, reference: None }
}
