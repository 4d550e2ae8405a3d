//! Charging an order's payment, and reversing it in a compensation.

use super::{Activities, StepOutcome, attempt::Failure};
use crate::{
    db,
    ops::{failing, metrics},
    order::TransitionResult,
    payment::{self, CapturePermission, ChargeStatus, Gateway, Payment, Reversal},
};
use anyhow::{anyhow, bail};
use orders::{
    OrderId, OrderStatus,
    activities::{End, PAYMENT_UNANSWERED, PaymentRequest, Refusal},
};
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// The share of an attempt's time limit in which the gateway must answer. The rest is for recording
/// the answer.
const GATEWAYS_SHARE: f32 = 0.8;

/// The result of an attempt at charging the payment.
enum Charged {
    Captured,
    NotCaptured(payment::Error),
    /// The order must not be charged, or is already charged. The field is its status.
    NotChargeable(OrderStatus),
}

impl Activities {
    /// Authorizes the amount and then captures it, within `limit`. `is_retry` is true if an earlier
    /// attempt may have had an effect. In that case the gateway is first asked for the state of the
    /// payment.
    pub(super) async fn pay(&self, request: &PaymentRequest, is_retry: bool, limit: Duration) -> Result<StepOutcome, Failure> {
        let step = self.try_to_pay(request, is_retry, limit.mul_f32(GATEWAYS_SHARE)).await?;
        let is_paid = matches!(step.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered);
        Ok(StepOutcome { ships: is_paid && self.shipping.ships(), ..step.into() })
    }

    /// The gateway is asked to authorize a limited number of times. Then one last attempt only
    /// captures what is already authorized. Other failures, for example when Postgres is
    /// unavailable, are retried without a limit.
    async fn try_to_pay(&self, request: &PaymentRequest, is_retry: bool, budget: Duration) -> Result<TransitionResult, Failure> {
        let id = request.order_id;
        let mut payment = Payment::for_order(id, request.amount_minor, request.currency);
        let mut attempt = 1;
        if is_retry {
            let (client, gateway) = (db::connection(&self.pool).await?, self.gateways.name_of(&payment).to_owned());
            attempt = payment::record_attempt(&client, id, &mut payment, &gateway).await?;
        } else if self.gateways.has_others() {
            // A worker that died may have asked another gateway, which the shop used at that time.
            // That gateway may have forgotten the idempotency key since. So the record decides
            // which gateway has the payment.
            let recorded = payment::load_payment(&db::connection(&self.pool).await?, id).await?;
            (payment.gateway, payment.reference) = (recorded.gateway, recorded.reference);
        }
        let may_authorize = attempt <= self.payment_attempts && !request.payment_method.is_empty();
        let charged = self.charge(&mut payment, request, may_authorize, budget).await?;
        let client = db::connection(&self.pool).await?;
        match charged {
            Charged::Captured => {
                let paid =
                    payment::record_captured(&client, id, &payment, self.gateways.name_of(&payment), self.shipping.carrier_name()).await?;
                if paid.moved_after.is_some() {
                    metrics::count_captured(payment.amount_minor, payment.currency);
                }
                self.notifications_wakeup.notify_one();
                ensure_not_compensating(id, paid)
            }
            Charged::NotChargeable(status) => ensure_not_compensating(id, TransitionResult::unchanged(status)),
            Charged::NotCaptured(error) => match error.into_temporary() {
                Err(reason) => match payment::record_declined(&client, id, &payment, self.gateways.name_of(&payment)).await? {
                    OrderStatus::Reserved => Err(Failure::Refused(Refusal::PaymentDeclined, reason)),
                    // An earlier attempt charged the payment but its result was lost, or the order
                    // has ended.
                    status => Ok(TransitionResult::unchanged(status)),
                },
                Ok(error) if may_authorize => Err(Failure::Temporary(error)),
                Ok(error) => Err(payment_unanswered(id, &error)),
            },
        }
    }

    /// Charges the payment. If no attempts are left, `may_authorize` is false: the amount is
    /// captured if it is already authorized, and nothing more is authorized. All answers of the
    /// gateway together may take `budget`. If the gateway does not authorize or capture, the result
    /// is [`Charged::NotCaptured`], not an error.
    async fn charge(
        &self,
        payment: &mut Payment,
        request: &PaymentRequest,
        may_authorize: bool,
        mut budget: Duration,
    ) -> anyhow::Result<Charged> {
        let gateway = self.gateways.for_payment(payment)?;
        let payment_method = may_authorize.then_some(&request.payment_method);
        let (reference, is_captured) = match with_budget(&mut budget, ensure_authorized(gateway, payment, payment_method)).await {
            Ok(authorized) => authorized,
            Err(error) => return Ok(Charged::NotCaptured(error)),
        };
        payment.reference = Some(reference);
        if is_captured {
            return Ok(Charged::Captured);
        }
        let permission = {
            let client = db::connection(&self.pool).await?;
            payment::record_authorized(&client, request.order_id, payment, gateway.name()).await?
        };
        Ok(match permission {
            CapturePermission::Capture => {
                with_budget(&mut budget, gateway.capture(payment)).await.map_or_else(Charged::NotCaptured, |()| Charged::Captured)
            }
            // The compensation voids the authorization.
            CapturePermission::StockReleased => {
                let reason = "the payment took too long, and the stock is not held any more";
                Charged::NotCaptured(payment::Error::Declined(reason.to_owned()))
            }
            // Another worker asked another gateway at the same time. The next attempt asks that
            // gateway.
            CapturePermission::OtherGateway => {
                gateway.reverse(payment).await?;
                bail!("the payment is at another gateway, not at {}", gateway.name());
            }
            CapturePermission::NotPayable(status) => {
                // The compensation may have reversed the payment before this authorization, so
                // reverse it again.
                if End::from_status(status).is_some() {
                    gateway.reverse(payment).await?;
                }
                Charged::NotChargeable(status)
            }
        })
    }

    /// Reverses an order's payment. A payment is charged only after the stock is reserved, so
    /// before that there is nothing to reverse.
    pub(super) async fn reverse_payment(&self, id: OrderId, status: OrderStatus) -> Result<(Payment, Reversal), Failure> {
        let payment = payment::load_payment(&db::connection(&self.pool).await?, id).await?;
        let not_charged_yet = matches!(status, OrderStatus::Pending | OrderStatus::ActionRequired | OrderStatus::InReview);
        if not_charged_yet {
            return Ok((payment, Reversal::Nothing));
        }
        match self.gateways.for_payment(&payment)?.reverse(&payment).await {
            Ok(reversal) => Ok((payment, reversal)),
            // The shop may owe the customer money, so staff see this failure until the reversal
            // succeeds.
            Err(error) => {
                let client = db::connection(&self.pool).await?;
                failing::record_failures(&client, failing::REFUNDS, &[failing::Failure::new(id, &error)]).await?;
                Err(Failure::Temporary(error))
            }
        }
    }
}

/// Makes sure that the amount is authorized. If it is not, authorizes it with the payment method;
/// without a payment method, this fails. Returns the gateway's id of the payment, and whether the
/// amount is already captured.
async fn ensure_authorized(
    gateway: &dyn Gateway,
    payment: &Payment,
    payment_method: Option<&String>,
) -> Result<(String, bool), payment::Error> {
    let status = if payment.gateway.is_some() { gateway.look_up(payment).await? } else { ChargeStatus::Open };
    match (status, payment_method) {
        (ChargeStatus::Open, Some(payment_method)) => Ok((gateway.authorize(payment, payment_method).await?, false)),
        (ChargeStatus::Open, None) => Err(payment::Error::Unavailable(anyhow!("nothing is authorized"))),
        (ChargeStatus::Authorized(reference), _) => Ok((reference, false)),
        (ChargeStatus::Captured(reference), _) => Ok((reference, true)),
        (ChargeStatus::Declined(reason), _) => Err(payment::Error::Declined(reason)),
    }
}

/// Waits at most `budget` for the gateway's answer, and reduces `budget` by the time that it took.
/// Without an answer, the result is [`payment::Error::Unavailable`].
async fn with_budget<T>(budget: &mut Duration, call: impl Future<Output = Result<T, payment::Error>>) -> Result<T, payment::Error> {
    let asked = Instant::now();
    let no_answer = |_| Err(payment::Error::Unavailable(anyhow!("no answer within {} ms", budget.as_millis())));
    let answer = timeout(*budget, call).await.unwrap_or_else(no_answer);
    *budget = budget.saturating_sub(asked.elapsed());
    answer
}

/// Refuses the step if the order is still unpaid: its compensation has begun elsewhere.
fn ensure_not_compensating(id: OrderId, step: TransitionResult) -> Result<TransitionResult, Failure> {
    if OrderStatus::Paid.predecessors().contains(&step.status.as_str()) {
        tracing::warn!(order_id = %id, "{id}: not paid, because the order is being compensated");
        return Err(Failure::Refused(Refusal::PaymentUnanswered, PAYMENT_UNANSWERED.to_owned()));
    }
    Ok(step)
}

fn payment_unanswered(id: OrderId, error: &anyhow::Error) -> Failure {
    tracing::warn!(order_id = %id, error = format!("{error:#}"), "{id}: no attempts left at the payment gateway: {error:#}");
    Failure::Refused(Refusal::PaymentUnanswered, PAYMENT_UNANSWERED.to_owned())
}
