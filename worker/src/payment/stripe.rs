//! Stripe as a payment gateway. Each order has one payment intent, which is captured manually
//! (<https://docs.stripe.com/payments/place-a-hold-on-a-payment-method>).
//!
//! The request that creates an intent contains only data of the order, and the order's idempotency
//! key. So every worker that knows the order finds its intent by sending that request again, even
//! if an answer was lost. A worker sends the request again to look up the intent, and to cancel an
//! intent that is not confirmed yet.
//!
//! An intent can be confirmed and captured only once, and a cancelled intent cannot be used any
//! more. This, in addition to the idempotency keys, prevents an order from being charged twice.

mod amount;
mod client;
mod failure;
mod intent;
mod key;
mod refusal;
mod settings;

use super::{ChargeStatus, Error, ExternalRefund, Gateway, Payment, Refund, Reversal, State, Statement};
use anyhow::{Context, anyhow, ensure};
use client::Client;
use failure::Failure;
use futures::{FutureExt, future::BoxFuture};
use intent::{Intent, List, Status};
pub use settings::Settings;

/// The metadata key of the order's id. It marks the intents and refunds of OrderFlow, because the
/// Stripe account may have others.
const ORDER_ID: &str = "order_id";
/// The metadata key of the refund's id.
const REFUND_ID: &str = "refund_id";
/// The maximum number of pages of refunds to read. Each has 100 refunds.
const REFUND_PAGES: u32 = 10;
/// The maximum number of steps of a reversal. One step may not be enough, because the intent may be
/// captured during the reversal.
const MAX_REVERSAL_STEPS: u8 = 3;

pub struct Stripe {
    client: Client,
}

impl Stripe {
    /// Creates the gateway without calling Stripe.
    ///
    /// # Errors
    /// Fails if there is no key, if the secret with the key cannot be read, or if `STRIPE_URL`
    /// would send the key unencrypted to another machine.
    pub async fn new(settings: &Settings) -> anyhow::Result<Self> {
        Ok(Self { client: Client::new(settings).await? })
    }

    /// Creates the order's intent, or finds it if it exists. The result is the intent as it was
    /// when it was created, so it only shows that the intent exists. The content of the request
    /// must never change. Otherwise an order in progress could not find its intent any more.
    async fn create_intent(&self, payment: &Payment) -> Result<Intent, Failure> {
        let key = &payment.idempotency_key;
        let Some(amount) = amount::to_stripe(payment.amount_minor, payment.currency) else {
            let refusal = refusal::Refusal { code: Some(refusal::TOO_PRECISE.to_owned()), ..Default::default() };
            return Err(Failure::Refused(refusal));
        };
        let form = [
            ("amount", amount.to_string()),
            ("currency", payment.currency.code().to_lowercase()),
            ("capture_method", "manual".to_owned()),
            ("automatic_payment_methods[enabled]", "true".to_owned()),
            // The customer is not present, so no redirect to another page is possible.
            ("automatic_payment_methods[allow_redirects]", "never".to_owned()),
            ("metadata[order_id]", key.clone()),
        ];
        let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        Ok(self.client.post_guarded("/v1/payment_intents", &form, key).await?.content)
    }

    /// Reads an intent as it is now, and checks that it belongs to the order.
    async fn retrieve_intent(&self, payment: &Payment, id: &str) -> anyhow::Result<Intent> {
        let path = format!("/v1/payment_intents/{id}");
        let intent: Intent = self.client.get(&path, &[("expand[]", "latest_charge")]).await.map_err(Failure::into_unexpected_error)?;
        let order = intent.metadata.get(ORDER_ID);
        ensure!(order == Some(&payment.idempotency_key), "{id} is not the payment of {}", payment.idempotency_key);
        Ok(intent)
    }

    /// The order's intent as it is now. It is created if there is none. `None` if Stripe refuses to
    /// create it.
    async fn find_or_create_intent(&self, payment: &Payment) -> anyhow::Result<Option<Intent>> {
        let id = match &payment.reference {
            Some(id) => id.clone(),
            None => match self.create_intent(payment).await {
                Ok(intent) => intent.id,
                Err(Failure::Refused(_)) => return Ok(None),
                Err(failure) => return Err(failure.into_unexpected_error()),
            },
        };
        Ok(Some(self.retrieve_intent(payment, &id).await?))
    }

    async fn authorize(&self, payment: &Payment, payment_method: &str) -> Result<String, Error> {
        let id = match &payment.reference {
            Some(id) => id.clone(),
            None => self.create_intent(payment).await?.id,
        };
        let path = format!("/v1/payment_intents/{id}/confirm");
        // The customer is not present. If the bank requires the customer's confirmation, it
        // declines the payment.
        let form = [("payment_method", payment_method), ("off_session", "true")];
        let confirmed = self.client.post_guarded(&path, &form, &format!("{}:confirm", payment.idempotency_key)).await;
        let intent = match confirmed {
            Ok(answer) if !answer.replayed => answer.content,
            Ok(_) => self.retrieve_intent(payment, &id).await?,
            Err(Failure::Refused(refusal)) if refusal.has_code("payment_intent_unexpected_state") => {
                self.retrieve_intent(payment, &id).await?
            }
            Err(failure) => return Err(failure.into()),
        };
        match intent.charge_status() {
            ChargeStatus::Authorized(id) | ChargeStatus::Captured(id) => Ok(id),
            ChargeStatus::Declined(reason) => Err(Error::Declined(reason)),
            ChargeStatus::Open => Err(Error::Unavailable(anyhow!("Stripe has not decided yet: {id} is {:?}", intent.status))),
        }
    }

    async fn capture(&self, payment: &Payment) -> Result<(), Error> {
        let id = payment.reference.as_ref().ok_or_else(|| Error::Declined("nothing was authorized".to_owned()))?;
        let path = format!("/v1/payment_intents/{id}/capture");
        let captured = self.client.post_guarded::<Intent>(&path, &[], &format!("{}:capture", payment.idempotency_key)).await;
        let intent = match captured {
            Ok(answer) => answer.content,
            Err(Failure::Refused(_)) => self.retrieve_intent(payment, id).await?,
            Err(failure) => return Err(failure.into()),
        };
        match intent.status {
            Status::Succeeded => Ok(()),
            Status::Processing | Status::Other => {
                Err(Error::Unavailable(anyhow!("Stripe has not captured yet: {id} is {:?}", intent.status)))
            }
            _ => Err(Error::Declined("the authorization is not valid any more".to_owned())),
        }
    }

    async fn look_up(&self, payment: &Payment) -> anyhow::Result<ChargeStatus> {
        // If Stripe refuses to create the intent, the payment counts as open here. Stripe gives the
        // reason when the payment is authorized.
        Ok(self.find_or_create_intent(payment).await?.map_or(ChargeStatus::Open, |intent| intent.charge_status()))
    }

    async fn reverse(&self, payment: &Payment) -> anyhow::Result<Reversal> {
        let key = &payment.idempotency_key;
        let Some(mut intent) = self.find_or_create_intent(payment).await? else { return Ok(Reversal::Nothing) };
        for _ in 0..MAX_REVERSAL_STEPS {
            let id = intent.id.clone();
            match intent.status {
                Status::Canceled if intent.was_charged() => return Ok(Reversal::Voided(id)),
                Status::Canceled => return Ok(Reversal::Nothing),
                Status::Succeeded if intent.is_refunded() => return Ok(Reversal::Refunded(id)),
                Status::Succeeded => {
                    // Without an amount, Stripe refunds everything that is not refunded yet.
                    let form = [("payment_intent", id.as_str()), ("metadata[order_id]", key.as_str())];
                    match self.client.post_unkeyed::<intent::Refund>("/v1/refunds", &form).await {
                        Ok(refund) if refund.is_valid() => return Ok(Reversal::Refunded(id)),
                        Ok(refund) => return Err(anyhow!("the refund {} failed", refund.id)),
                        Err(Failure::Refused(refusal)) if refusal.has_code("charge_already_refunded") => return Ok(Reversal::Refunded(id)),
                        Err(failure) => return Err(failure.into_unexpected_error()),
                    }
                }
                _ => {
                    let path = format!("/v1/payment_intents/{id}/cancel");
                    match self.client.post_unkeyed::<Intent>(&path, &[]).await {
                        Ok(_) | Err(Failure::Refused(_)) => intent = self.retrieve_intent(payment, &id).await?,
                        Err(failure) => return Err(failure.into_unexpected_error()),
                    }
                }
            }
        }
        Err(anyhow!("{} is {:?} and cannot be cancelled yet", intent.id, intent.status))
    }

    async fn refund(&self, payment: &Payment, refund: &Refund) -> Result<(), Error> {
        let id = payment.reference.as_ref().ok_or_else(|| Error::Declined("nothing was captured".to_owned()))?;
        let amount = amount::to_stripe(refund.amount_minor, payment.currency)
            .ok_or_else(|| Error::Declined("no such amount can be given back".to_owned()))?
            .to_string();
        let refund_id = refund.idempotency_key.as_str();
        // Stripe repeats a stored refusal for a day under the same key, even if its cause is gone.
        // So each temporary refusal requires a new key.
        let key = &match refund.refusals {
            0 => refund_id.to_owned(),
            refusals => format!("{refund_id}:after{refusals}"),
        };
        let form = [("payment_intent", id.as_str()), ("amount", amount.as_str()), ("metadata[refund_id]", refund_id)];
        // Finds this refund at Stripe. Stripe may have several refunds with this id in their
        // metadata; all of them have failed except at most one. `refusals` counts the temporary
        // failures. If more refunds than that have failed, one of them is a new result.
        let find_earlier = async || {
            let mut found = self.list_refunds(id).await?;
            found.retain(|found| found.has_metadata(REFUND_ID, refund_id));
            let valid = found.iter().position(intent::Refund::is_valid);
            let counted = usize::try_from(refund.refusals).unwrap_or_default();
            // The newest refund is the first one, so the oldest failure that is not counted yet
            // stands before the counted ones.
            let at = valid.or_else(|| found.len().checked_sub(counted + 1));
            anyhow::Ok(at.map(|at| found.swap_remove(at)))
        };
        if refund.may_be_known
            && let Some(earlier) = find_earlier().await?
        {
            return earlier.result();
        }
        let made = match self.client.post::<intent::Refund>("/v1/refunds", &form, key).await {
            Ok(answer) => answer.content,
            // Stripe has stored an internal error for this key. It may have made the refund
            // nevertheless, so look for it before asking under another key.
            Err(Failure::Unavailable { stored: true, .. }) => match find_earlier().await? {
                Some(earlier) => earlier,
                None => self.client.post("/v1/refunds", &form, &format!("{key}:2")).await?.content,
            },
            Err(Failure::Refused(refusal)) if !refusal.is_temporary() && refusal.param.as_deref() == Some("amount") => {
                return Err(Error::Declined("there is not that much left to give back".to_owned()));
            }
            Err(failure) => return Err(failure.into()),
        };
        made.result()
    }

    /// The refunds of an intent, newest first (<https://docs.stripe.com/api/refunds/list>).
    ///
    /// # Errors
    /// Fails if Stripe cannot be asked, or if the intent has more refunds than fit on
    /// [`REFUND_PAGES`] pages.
    async fn list_refunds(&self, id: &str) -> anyhow::Result<Vec<intent::Refund>> {
        let mut refunds: Vec<intent::Refund> = Vec::new();
        for _ in 0..REFUND_PAGES {
            let mut query = vec![("payment_intent", id), ("limit", "100")];
            query.extend(refunds.last().map(|last| ("starting_after", last.id.as_str())));
            let page: List<intent::Refund> = self.client.get("/v1/refunds", &query).await.map_err(Failure::into_unexpected_error)?;
            let is_last = !page.has_more || page.data.is_empty();
            refunds.extend(page.data);
            if is_last {
                return Ok(refunds);
            }
        }
        Err(anyhow!("{id} has more than {} refunds", refunds.len()))
    }

    async fn statement(&self, payment: &Payment) -> Result<Statement, Error> {
        let id = payment.reference.as_ref().context("the payment has no reference")?;
        let path = format!("/v1/payment_intents/{id}");
        let intent: Intent = match self.client.get(&path, &[("expand[]", "latest_charge")]).await {
            Ok(intent) => intent,
            Err(Failure::Refused(refusal)) if refusal.has_code("resource_missing") => {
                return Err(Error::Mismatch(format!("Stripe knows no payment {id}")));
            }
            Err(failure) => return Err(failure.into_unexpected_error().into()),
        };
        let order = intent.metadata.get(ORDER_ID).map_or("no order", String::as_str);
        if order != payment.idempotency_key {
            return Err(Error::Mismatch(format!("{id} is the payment of {order}")));
        }
        let expected = amount::to_stripe(payment.amount_minor, payment.currency);
        if Some(intent.amount) != expected || !intent.currency.eq_ignore_ascii_case(payment.currency.code()) {
            return Err(Error::Mismatch(format!("{id} is of {} {}, in Stripe's units", intent.amount, intent.currency)));
        }
        let state = match intent.status {
            Status::RequiresCapture => State::Authorized,
            Status::Succeeded if intent.is_refunded() => State::Refunded,
            Status::Succeeded => State::Captured,
            Status::Canceled => State::Voided,
            _ => State::Open,
        };
        let mut external_refunds = Vec::new();
        if matches!(state, State::Captured | State::Refunded) {
            for refund in self.list_refunds(id).await?.into_iter().filter(|refund| refund.is_valid() && !refund.is_ours()) {
                let amount_minor = amount::from_stripe(refund.amount, payment.currency)
                    .context("a refund's amount is not a whole number of minor units")?;
                external_refunds.push(ExternalRefund { id: refund.id, amount_minor });
            }
        }
        Ok(Statement { state, external_refunds })
    }
}

/// Each method calls the inherent method of the same name.
impl Gateway for Stripe {
    fn name(&self) -> &'static str {
        "stripe"
    }

    fn authorize<'a>(&'a self, payment: &'a Payment, payment_method: &'a str) -> BoxFuture<'a, Result<String, Error>> {
        self.authorize(payment, payment_method).boxed()
    }

    fn capture<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<(), Error>> {
        self.capture(payment).boxed()
    }

    fn look_up<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<ChargeStatus>> {
        self.look_up(payment).boxed()
    }

    fn reverse<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, anyhow::Result<Reversal>> {
        self.reverse(payment).boxed()
    }

    fn refund<'a>(&'a self, payment: &'a Payment, refund: &'a Refund) -> BoxFuture<'a, Result<(), Error>> {
        self.refund(payment, refund).boxed()
    }

    fn statement<'a>(&'a self, payment: &'a Payment) -> BoxFuture<'a, Result<Statement, Error>> {
        self.statement(payment).boxed()
    }
}
