//! Taking an order's money, and giving it back.

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

/// The part of an attempt's limit that a gateway has to answer; the rest is for recording what it says.
const GATEWAYS_SHARE: f32 = 0.8;

/// What came of an attempt at charging.
enum Charged {
    Taken,
    NotTaken(payment::Error),
    /// The order is not to be charged, or has been; it has this status.
    NotNow(OrderStatus),
}

impl Activities {
    /// Holds the amount, then takes it, within `limit`. `again` says that an earlier attempt may have got somewhere, so the gateway is asked first.
    pub(super) async fn pay(&self, request: &PaymentRequest, again: bool, limit: Duration) -> Result<Answer, Failure> {
        let step = self.try_to_pay(request, again, limit.mul_f32(GATEWAYS_SHARE)).await?;
        let is_paid = matches!(step.status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered);
        Ok(Answer { ships: is_paid && self.shipping.ships(), ..step.into() })
    }

    /// The gateway is asked a limited number of times, and then only for what it holds already; what fails for another reason, as when Postgres is
    /// away, is tried until it works.
    async fn try_to_pay(&self, request: &PaymentRequest, again: bool, patience: Duration) -> Result<Move, Failure> {
        let id = request.order_id;
        let mut payment = Payment::of(id, request.amount_minor, request.currency);
        let mut attempt = 1;
        if again {
            let (client, gateway) = (db::connection(&self.pool).await?, self.gateways.name_of(&payment).to_owned());
            attempt = payment::record_attempt(&client, id, &mut payment, &gateway).await?;
        } else if self.gateways.are_several() {
            // A worker may have died that went to the gateway that the shop had then, which may have forgotten the key since.
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
                    // An earlier attempt got further than anybody knew, or the order is over.
                    status => Ok(Move::none(status)),
                },
                Ok(error) if asks => Err(Failure::Temporary(error)),
                Ok(error) => Err(unanswered(id, &error)),
            },
        }
    }

    /// `asks` is false when the gateway has been asked often enough: then what it holds is taken, and nothing more is held. Its answers may take
    /// `patience` altogether. An error is none of the gateway's.
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
            // The compensation voids what is held.
            Permission::TooLate => {
                let reason = "the payment took too long, and the stock is not held any more";
                Charged::NotTaken(payment::Error::Declined(reason.to_owned()))
            }
            // At the same time another worker went to another one; the next attempt goes there.
            Permission::Elsewhere => {
                gateway.reverse(payment).await?;
                bail!("another gateway than {} has the payment", gateway.name());
            }
            Permission::Over(status) => {
                // Whoever ended it may have looked before this was held.
                if End::of(status).is_some() {
                    gateway.reverse(payment).await?;
                }
                Charged::NotNow(status)
            }
        })
    }

    /// A payment is only ever tried once the stock is reserved; before that there is nothing to reverse.
    pub(super) async fn reverse_payment(&self, id: OrderId, status: OrderStatus) -> Result<(Payment, Reversal), Failure> {
        let payment = payment::load(&db::connection(&self.pool).await?, id).await?;
        let untried = matches!(status, OrderStatus::Pending | OrderStatus::ActionRequired | OrderStatus::InReview);
        if untried {
            return Ok((payment, Reversal::Nothing));
        }
        match self.gateways.of(&payment)?.reverse(&payment).await {
            Ok(reversal) => Ok((payment, reversal)),
            // Money is owed: staff see it until it works.
            Err(error) => {
                let client = db::connection(&self.pool).await?;
                failing::record(&client, failing::REFUNDS, &[failing::Failure::new(id, &error)]).await?;
                Err(Failure::Temporary(error))
            }
        }
    }
}

/// Holds the amount, by a payment method if it is not held already. Answers with the gateway's id of it, and whether it was even taken.
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

/// What a gateway answers, unless it takes longer than `patience`, of which what it took is used up.
async fn within<T>(patience: &mut Duration, call: impl Future<Output = Result<T, payment::Error>>) -> Result<T, payment::Error> {
    let asked = Instant::now();
    let silent = |_| Err(payment::Error::Unavailable(anyhow!("no answer within {} ms", patience.as_millis())));
    let answer = timeout(*patience, call).await.unwrap_or_else(silent);
    *patience = patience.saturating_sub(asked.elapsed());
    answer
}

/// An order that is not paid after all is being withdrawn, by a worker that died or by another one: it goes no further than that.
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
