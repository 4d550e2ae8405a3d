//! The behaviour of payment intents, charges and refunds according to Stripe's documentation.

use super::documented_answer;
use anyhow::{Context as _, Result};
use axum::http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) type Form = BTreeMap<String, String>;

/// The status and body of an answer.
pub(super) type Answer = (u16, Value);

#[derive(Default)]
pub(super) struct Ledger {
    pub(super) intents: BTreeMap<String, Intent>,
    refunds: Vec<Refund>,
    made: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) status: &'static str,
    pub(crate) amount: i64,
    pub(crate) currency: String,
    pub(crate) captured: i64,
    pub(crate) refunded: i64,
    /// How often the amount was authorized, and how often it was captured.
    pub(crate) authorizations: u32,
    pub(crate) captures: u32,
    pub(crate) order_id: String,
    error: Option<Value>,
}

struct Refund {
    id: String,
    intent: String,
    amount: i64,
    metadata: Value,
    /// Why the refund failed after Stripe had accepted it.
    failure: Option<&'static str>,
}

/// The document with the error of a test card (<https://docs.stripe.com/testing>); `None` if the
/// card is accepted.
fn refusal(payment_method: &str) -> Option<&'static str> {
    Some(match payment_method {
        "pm_card_visa" => return None,
        "pm_card_visa_chargeDeclined" => "card_declined",
        "pm_card_visa_chargeDeclinedInsufficientFunds" => "insufficient_funds",
        "pm_card_visa_chargeDeclinedLostCard" => "lost_card",
        "pm_card_chargeDeclinedExpiredCard" => "expired_card",
        "pm_card_chargeDeclinedIncorrectCvc" => "incorrect_cvc",
        "pm_card_chargeDeclinedProcessingError" => "processing_error",
        "pm_card_authenticationRequired" => "authentication_required",
        _ => "no_such_payment_method",
    })
}

impl Ledger {
    /// Executes a request. `shape` is an answer with the right fields but without the right values.
    pub(super) fn execute(&mut self, method: &Method, path: &str, form: &Form, shape: Value) -> Result<Answer> {
        let segments: Vec<&str> = path.trim_start_matches("/v1/").split('/').collect();
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["payment_intents"]) => self.create(form, shape),
            ("GET", ["payment_intents", id]) => self.show(id, shape),
            ("POST", ["payment_intents", id, "confirm"]) => self.confirm(id, form, shape),
            ("POST", ["payment_intents", id, "capture"]) => self.capture(id, shape),
            ("POST", ["payment_intents", id, "cancel"]) => self.cancel(id, shape),
            ("POST", ["refunds"]) => self.refund(form, shape),
            ("GET", ["refunds"]) => self.list(form, shape),
            _ => anyhow::bail!("nobody was to ask for {method} {path}"),
        }
    }

    fn id(&mut self, prefix: &str) -> String {
        self.made += 1;
        format!("{prefix}_{:024}", self.made)
    }

    fn create(&mut self, form: &Form, shape: Value) -> Result<Answer> {
        let amount: i64 = form["amount"].parse()?;
        if amount < 50 {
            return documented_answer("amount_too_small");
        }
        let id = self.id("pi");
        let intent = Intent {
            status: "requires_payment_method",
            amount,
            currency: form["currency"].clone(),
            captured: 0,
            refunded: 0,
            authorizations: 0,
            captures: 0,
            order_id: form.get("metadata[order_id]").cloned().unwrap_or_default(),
            error: None,
        };
        self.intents.insert(id.clone(), intent);
        self.show(&id, shape)
    }

    fn show(&self, id: &str, mut shape: Value) -> Result<Answer> {
        let Some(intent) = self.intents.get(id) else { return documented_answer("no_such_payment_intent") };
        // The charge is an object only if the request asked for that.
        let mut charge = match shape["latest_charge"].take() {
            Value::Object(charge) => Value::Object(charge),
            _ => json!("ch_of_it"),
        };
        if charge.is_object() {
            charge["amount_captured"] = intent.captured.into();
            charge["amount_refunded"] = intent.refunded.into();
        }
        shape["id"] = id.into();
        shape["status"] = intent.status.into();
        shape["amount"] = intent.amount.into();
        shape["currency"] = intent.currency.clone().into();
        shape["amount_received"] = intent.captured.into();
        shape["metadata"] = json!({ "order_id": intent.order_id });
        shape["last_payment_error"] = intent.error.clone().unwrap_or_default();
        shape["latest_charge"] = if intent.authorizations > 0 || intent.error.is_some() { charge } else { Value::Null };
        Ok((200, shape))
    }

    fn confirm(&mut self, id: &str, form: &Form, shape: Value) -> Result<Answer> {
        let Some(intent) = self.intents.get_mut(id) else { return documented_answer("no_such_payment_intent") };
        if intent.status != "requires_payment_method" {
            return documented_answer("payment_intent_unexpected_state");
        }
        if let Some(name) = refusal(&form["payment_method"]) {
            let (status, answer) = documented_answer(name)?;
            // An invalid request is no attempt to pay.
            intent.error = (status == 402).then(|| answer["error"].clone());
            return Ok((status, answer));
        }
        (intent.status, intent.error, intent.authorizations) = ("requires_capture", None, intent.authorizations + 1);
        self.show(id, shape)
    }

    pub(super) fn capture(&mut self, id: &str, shape: Value) -> Result<Answer> {
        let Some(intent) = self.intents.get_mut(id) else { return documented_answer("no_such_payment_intent") };
        if intent.status != "requires_capture" {
            return documented_answer("payment_intent_unexpected_state");
        }
        (intent.status, intent.captured, intent.captures) = ("succeeded", intent.amount, intent.captures + 1);
        self.show(id, shape)
    }

    pub(super) fn cancel(&mut self, id: &str, shape: Value) -> Result<Answer> {
        let Some(intent) = self.intents.get_mut(id) else { return documented_answer("no_such_payment_intent") };
        if matches!(intent.status, "succeeded" | "canceled") {
            return documented_answer("payment_intent_unexpected_state");
        }
        intent.status = "canceled";
        self.show(id, shape)
    }

    pub(super) fn refund(&mut self, form: &Form, mut shape: Value) -> Result<Answer> {
        let id = form.get("payment_intent").context("whose refund?")?;
        let Some(intent) = self.intents.get_mut(id) else { return documented_answer("no_such_payment_intent") };
        let left = intent.captured - intent.refunded;
        if left == 0 {
            return documented_answer("charge_already_refunded");
        }
        let amount = form.get("amount").map_or(Ok(left), |amount| amount.parse())?;
        if amount > left {
            return documented_answer("refund_too_large");
        }
        intent.refunded += amount;
        let metadata = form.iter().filter_map(|(name, value)| Some((name.strip_prefix("metadata[")?.strip_suffix(']')?, value)));
        let metadata: BTreeMap<&str, &String> = metadata.collect();
        let (metadata, refund) = (json!(metadata), self.id("re"));
        self.refunds.push(Refund { id: refund.clone(), intent: id.clone(), amount, metadata: metadata.clone(), failure: None });
        (shape["id"], shape["amount"], shape["metadata"], shape["status"]) = (refund.into(), amount.into(), metadata, "succeeded".into());
        Ok((200, shape))
    }

    /// The bank of the customer does not take back the newest refund of an intent.
    pub(super) fn fail_refund(&mut self, intent: &str, reason: &'static str) -> Result<()> {
        let refund = self.refunds.iter_mut().rfind(|refund| refund.intent == intent && refund.failure.is_none());
        let refund = refund.context("no refund that could fail")?;
        refund.failure = Some(reason);
        self.intents.get_mut(intent).context("no such intent")?.refunded -= refund.amount;
        Ok(())
    }

    /// A page of an intent's refunds, newest first.
    fn list(&self, form: &Form, mut shape: Value) -> Result<Answer> {
        let template = shape["data"][0].take();
        let limit: usize = form.get("limit").map_or(Ok(10), |limit| limit.parse())?;
        let of_intent = self.refunds.iter().rev().filter(|refund| Some(&refund.intent) == form.get("payment_intent"));
        let mut left: Vec<_> = match form.get("starting_after") {
            Some(last) => of_intent.skip_while(|refund| refund.id != *last).skip(1).collect(),
            None => of_intent.collect(),
        };
        shape["has_more"] = (left.len() > limit).into();
        left.truncate(limit);
        let refunds: Vec<Value> = left
            .into_iter()
            .map(|refund| {
                let mut shape = template.clone();
                (shape["id"], shape["amount"], shape["metadata"]) =
                    (refund.id.clone().into(), refund.amount.into(), refund.metadata.clone());
                shape["status"] = if refund.failure.is_some() { "failed" } else { "succeeded" }.into();
                shape["failure_reason"] = refund.failure.into();
                shape
            })
            .collect();
        shape["data"] = refunds.into();
        Ok((200, shape))
    }
}
