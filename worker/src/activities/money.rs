//! Charging an order's payment, and reversing it in a compensation.

use super::{Activities, Answer, attempt::Failure};
use crate::{
    db, failing,
    order::Move,
    payment::{self, Gateway, Payment, Permission, Reversal, Standing},
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
    Taken,
    NotTaken(payment::Error),
    /// The order must not be charged, or is already charged. The field is its status.
    NotNow(OrderStatus),
}

impl Activities {
    /// Authorizes the amount and then captures it, within `limit`. `again` is true if an earlier
    /// attempt may have had an effect. In that case the gateway is first asked for the state of the
    /// payment.
    pub(super) async fn pay(&self, request: &PaymentRequest, again: bool, limit: Duration) -> Result<Answer, Failure> {
        let step = self.try_to_pay(request, again, limit.mul_f32(GATEWAYS_SHARE)).await?;
        let is_paid = matches!(step.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered);
        Ok(Answer { ships: is_paid && self.shipping.ships(), ..step.into() })
    }

    /// The gateway is asked to authorize a limited number of times. Then one last attempt only
    /// captures what is already authorized. Other failures, for example when Postgres is
    /// unavailable, are retried without a limit.
    async fn try_to_pay(&self, request: &PaymentRequest, again: bool, patience: Duration) -> Result<Move, Failure> {
        let id = request.order_id;
        let mut payment = Payment::of(id, request.amount_minor, request.currency);
        let mut attempt = 1;
        if again {
            let (client, gateway) = (db::connection(&self.pool).await?, self.gateways.name_of(&payment).to_owned());
            attempt = payment::record_attempt(&client, id, &mut payment, &gateway).await?;
        } else if self.gateways.are_several() {
            // An earlier worker may have asked another gateway, which the shop used then, and died.
            // That gateway may have forgotten the idempotency key since. So the record tells which
            // gateway has the payment.
            let known = payment::load(&db::connection(&self.pool).await?, id).await?;
            (payment.gateway, payment.reference) = (known.gateway, known.reference);
        }
        let asks = attempt <= self.payment_attempts && !request.payment_method.is_empty();
        let charged = self.charge(&mut payment, request, asks, patience).await?;
        let client = db::connection(&self.pool).await?;
        match charged {
            Charged::Taken => {
                let paid =
                    payment::record_captured(&client, id, &payment, self.gateways.name_of(&payment), self.shipping.carrier_name()).await?;
                self.courier.notify_one();
                going_on(id, paid)
            }
            Charged::NotNow(status) => going_on(id, Move::none(status)),
            Charged::NotTaken(error) => match error.passing() {
                Err(reason) => match payment::record_declined(&client, id, &payment, self.gateways.name_of(&payment)).await? {
                    OrderStatus::Reserved => Err(Failure::Refused(Refusal::PaymentDeclined, reason)),
                    // An earlier attempt charged the payment but its result was lost, or the order
                    // has ended.
                    status => Ok(Move::none(status)),
                },
                Ok(error) if asks => Err(Failure::Temporary(error)),
                Ok(error) => Err(unanswered(id, &error)),
            },
        }
    }

    /// Charges the payment. If the gateway has been asked often enough, `asks` is false: the amount
    /// is captured if it is already authorized, and nothing more is authorized. All answers of the
    /// gateway together may take `patience`. If the gateway does not authorize or capture, the
    /// result is [`Charged::NotTaken`], not an error.
    async fn charge(&self, payment: &mut Payment, request: &PaymentRequest, asks: bool, mut patience: Duration) -> anyhow::Result<Charged> {
        let gateway = self.gateways.of(payment)?;
        let (reference, is_taken) = match within(&mut patience, hold(gateway, payment, asks.then_some(&request.payment_method))).await {
            Ok(held) => held,
            Err(error) => return Ok(Charged::NotTaken(error)),
        };
        payment.reference = Some(reference);
        if is_taken {
            return Ok(Charged::Taken);
        }
        let permission = {
            let client = db::connection(&self.pool).await?;
            payment::record_authorized(&client, request.order_id, payment, gateway.name()).await?
        };
        Ok(match permission {
            Permission::Take => within(&mut patience, gateway.capture(payment)).await.map_or_else(Charged::NotTaken, |()| Charged::Taken),
            // The compensation voids the authorization.
            Permission::TooLate => {
                let reason = "the payment took too long, and the stock is not held any more";
                Charged::NotTaken(payment::Error::Declined(reason.to_owned()))
            }
            // Another worker asked another gateway at the same time. The next attempt asks that
            // one.
            Permission::Elsewhere => {
                gateway.reverse(payment).await?;
                bail!("another gateway than {} has the payment", gateway.name());
            }
            Permission::Over(status) => {
                // The compensation may have asked the gateway before this authorization.
                if End::of(status).is_some() {
                    gateway.reverse(payment).await?;
                }
                Charged::NotNow(status)
            }
        })
    }

    /// Reverses an order's payment. A payment is charged only after the stock is reserved, so
    /// before that there is nothing to reverse.
    pub(super) async fn reverse_payment(&self, id: OrderId, status: OrderStatus) -> Result<(Payment, Reversal), Failure> {
        let payment = payment::load(&db::connection(&self.pool).await?, id).await?;
        let untried = matches!(status, OrderStatus::Pending | OrderStatus::ActionRequired | OrderStatus::InReview);
        if untried {
            return Ok((payment, Reversal::Nothing));
        }
        match self.gateways.of(&payment)?.reverse(&payment).await {
            Ok(reversal) => Ok((payment, reversal)),
            // The shop may owe the customer money, so staff see this failure until the reversal
            // succeeds.
            Err(error) => {
                let client = db::connection(&self.pool).await?;
                failing::record(&client, failing::REFUNDS, &[failing::Failure::new(id, &error)]).await?;
                Err(Failure::Temporary(error))
            }
        }
    }
}

/// Makes sure that the amount is authorized. If it is not, authorizes it with the payment method;
/// without a payment method, this fails. Returns the gateway's id of the payment, and whether the
/// amount is already captured.
async fn hold(gateway: &dyn Gateway, payment: &Payment, payment_method: Option<&String>) -> Result<(String, bool), payment::Error> {
    let standing = if payment.gateway.is_some() { gateway.look_up(payment).await? } else { Standing::Open };
    match (standing, payment_method) {
        (Standing::Open, Some(payment_method)) => Ok((gateway.authorize(payment, payment_method).await?, false)),
        (Standing::Open, None) => Err(payment::Error::Unavailable(anyhow!("nothing is held"))),
        (Standing::Authorized(reference), _) => Ok((reference, false)),
        (Standing::Captured(reference), _) => Ok((reference, true)),
        (Standing::Declined(reason), _) => Err(payment::Error::Declined(reason)),
    }
}

/// Waits at most `patience` for the gateway's answer, and reduces `patience` by the time that it
/// took. Without an answer, the result is [`payment::Error::Unavailable`].
async fn within<T>(patience: &mut Duration, call: impl Future<Output = Result<T, payment::Error>>) -> Result<T, payment::Error> {
    let asked = Instant::now();
    let silent = |_| Err(payment::Error::Unavailable(anyhow!("no answer within {} ms", patience.as_millis())));
    let answer = timeout(*patience, call).await.unwrap_or_else(silent);
    *patience = patience.saturating_sub(asked.elapsed());
    answer
}

/// If the order is still unpaid, its compensation has begun elsewhere: the step is refused.
fn going_on(id: OrderId, step: Move) -> Result<Move, Failure> {
    if OrderStatus::Paid.predecessors().contains(&step.status.as_str()) {
        tracing::warn!(order_id = %id, "{id}: it is not paid, since it is being withdrawn");
        return Err(Failure::Refused(Refusal::PaymentUnanswered, PAYMENT_UNANSWERED.to_owned()));
    }
    Ok(step)
}

fn unanswered(id: OrderId, error: &anyhow::Error) -> Failure {
    tracing::warn!(order_id = %id, error = format!("{error:#}"), "{id}: the payment gateway was asked often enough: {error:#}");
    Failure::Refused(Refusal::PaymentUnanswered, PAYMENT_UNANSWERED.to_owned())
}
