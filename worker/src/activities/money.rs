//! Taking an order's money, and giving it back.

use super::{Activities, Answer, attempt::Failure};
use crate::{
    db,
    order::Move,
    payment::{self, Payment, Permission, Refund, Reversal, Standing},
    refund::{self, Decision},
};
use orders::{
    OrderId, OrderStatus,
    activities::{PaymentRequest, Refusal},
    refund::RefundInput,
};

/// What came of an attempt at charging.
enum Charged {
    Taken,
    /// The order is not to be charged, or has been; it has this status.
    NotNow(OrderStatus),
}

impl Activities {
    /// Holds the amount, then takes it. `again` says that an earlier attempt may have got somewhere, so the gateway is asked first.
    pub(super) async fn pay(&self, request: &PaymentRequest, again: bool) -> Result<Answer, Failure> {
        let step = self.try_to_pay(request, again).await?;
        Ok(Answer { ships: step.status == OrderStatus::Paid && self.shipping.ships(), ..step.into() })
    }

    async fn try_to_pay(&self, request: &PaymentRequest, again: bool) -> Result<Move, Failure> {
        let id = request.order_id;
        let mut payment = Payment::of(id, request.amount_minor, request.currency);
        let charged = self.charge(&mut payment, request, again).await;
        let client = db::connection(&self.pool).await?;
        match charged {
            Ok(Charged::Taken) => Ok(payment::record_captured(&client, id, &payment, self.gateway.name()).await?),
            Ok(Charged::NotNow(status)) => Ok(Move::none(status)),
            Err(payment::Error::Declined(reason)) => {
                match payment::record_declined(&client, id, &payment, self.gateway.name()).await? {
                    OrderStatus::Reserved => Err(Failure::Refused(Refusal::PaymentDeclined, reason)),
                    // An earlier attempt got further than anybody knew, or the order is over.
                    status => Ok(Move::none(status)),
                }
            }
            Err(payment::Error::Unavailable(error)) => Err(Failure::Temporary(error)),
        }
    }

    async fn charge(&self, payment: &mut Payment, request: &PaymentRequest, again: bool) -> Result<Charged, payment::Error> {
        let id = request.order_id;
        let standing = if again {
            payment::record_unknown(&db::connection(&self.pool).await?, id, payment, self.gateway.name()).await?;
            self.gateway.look_up(payment).await?
        } else {
            Standing::Open
        };
        payment.reference = Some(match standing {
            Standing::Open => self.gateway.authorize(payment, &request.payment_method).await?,
            Standing::Authorized(reference) => reference,
            Standing::Captured(reference) => {
                payment.reference = Some(reference);
                return Ok(Charged::Taken);
            }
            Standing::Declined(reason) => return Err(payment::Error::Declined(reason)),
        });
        let client = db::connection(&self.pool).await?;
        let permission = payment::record_authorized(&client, id, payment, self.gateway.name(), self.terms.held_for).await?;
        drop(client);
        match permission {
            Permission::Take => {
                self.gateway.capture(payment).await?;
                Ok(Charged::Taken)
            }
            // The compensation voids what is held.
            Permission::TooLate => {
                Err(payment::Error::Declined("the payment took too long, and the stock is not held any more".to_owned()))
            }
            Permission::Over(status) => Ok(Charged::NotNow(status)),
        }
    }

    /// A payment is only ever tried once the stock is reserved; before that there is nothing to reverse.
    pub(super) async fn reverse_payment(&self, id: OrderId, status: OrderStatus) -> Result<(Payment, Reversal), Failure> {
        let payment = payment::load(&db::connection(&self.pool).await?, id).await?;
        let untried = matches!(status, OrderStatus::Pending | OrderStatus::ActionRequired | OrderStatus::InReview);
        let reversal = if untried { Reversal::Nothing } else { self.gateway.reverse(&payment).await? };
        Ok((payment, reversal))
    }

    /// Gives a refund back, if it may be given.
    pub(super) async fn refund(&self, refund: &RefundInput) -> Result<Move, Failure> {
        let (status, decision, payment) = {
            let mut client = db::connection(&self.pool).await?;
            let transaction = client.transaction().await?;
            let (status, decision) = refund::decide(&transaction, refund).await?;
            let payment = payment::load(&transaction, refund.order_id).await?;
            transaction.commit().await?;
            (status, decision, payment)
        };
        let Decision::Due(amount_minor) = decision else { return Ok(Move::none(status)) };
        let given = self.gateway.refund(&payment, &Refund { idempotency_key: refund.id.to_string(), amount_minor }).await;
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let status = match given {
            Ok(()) => refund::record_given(&transaction, refund).await?,
            Err(payment::Error::Declined(reason)) => refund::record_refused(&transaction, refund, &reason).await?,
            Err(payment::Error::Unavailable(error)) => return Err(Failure::Temporary(error)),
        };
        transaction.commit().await?;
        self.courier.notify_one();
        Ok(Move::none(status))
    }
}
