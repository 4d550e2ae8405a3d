//! The `ReconcilePayment` activity: compares a payment on record with the gateway after one of the
//! gateway's events, and corrects the difference.

use super::{Activities, attempt::Failure};
use crate::{
    db, finding, order,
    order::Move,
    payment::{self, Due},
};
use orders::{
    activities::{NO_SUCH_ORDER, Refusal},
    reconciliation::PaymentEvent,
};

impl Activities {
    /// Asks the gateway for the payment's state, because events may come late, twice and in any
    /// order. If an event does not fit the order, it becomes a finding for staff, and nothing else
    /// is done.
    pub(super) async fn reconcile(&self, event: &PaymentEvent) -> Result<Move, Failure> {
        let id = event.order_id;
        // The order may not exist, because another system may use the same gateway account.
        let Some(mut payment) = payment::find(&db::connection(&self.pool).await?, id).await? else {
            self.find(event, NO_SUCH_ORDER).await?;
            return Err(Failure::Refused(Refusal::InvalidOrder, NO_SUCH_ORDER.to_owned()));
        };
        let Some(gateway) = self.gateways.named(&event.gateway) else {
            return self.does_not_fit(event, &format!("payments are not taken by {}", event.gateway)).await;
        };
        if let Some(name) = payment.gateway.as_ref().filter(|name| **name != event.gateway) {
            return self.does_not_fit(event, &format!("the order is paid through {name}, not {}", event.gateway)).await;
        }
        if let Some(recorded) = payment.reference.as_ref().filter(|recorded| **recorded != event.reference) {
            return self.does_not_fit(event, &format!("the payment of the order is {recorded}")).await;
        }
        payment.reference = Some(event.reference.clone());
        let statement = match gateway.statement(&payment).await {
            Ok(statement) => statement,
            Err(payment::Error::Mismatch(reason)) => return self.does_not_fit(event, &reason).await,
            Err(error) => return Err(Failure::Temporary(error.into())),
        };
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let (status, due) = payment::compare(&transaction, id, &payment, gateway.name(), &statement).await?;
        transaction.commit().await?;
        drop(client);
        if due == Due::Reversal {
            let reversal = gateway.reverse(&payment).await?;
            let mut client = db::connection(&self.pool).await?;
            let transaction = client.transaction().await?;
            order::lock(&transaction, id).await?;
            payment::record_reversed(&transaction, id, &payment, gateway.name(), &reversal).await?;
            order::touch(&transaction, id).await?;
            transaction.commit().await?;
            tracing::warn!(order_id = %id, "{id}: {reversal:?} after the order had ended");
        }
        self.courier.notify_one();
        Ok(Move::none(status))
    }

    async fn does_not_fit(&self, event: &PaymentEvent, why: &str) -> Result<Move, Failure> {
        self.find(event, why).await?;
        Ok(Move::none(order::current_status(&db::connection(&self.pool).await?, event.order_id).await?))
    }

    async fn find(&self, event: &PaymentEvent, why: &str) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let detail = format!("an event of {} names its payment {}: {why}", event.gateway, event.reference);
        finding::record(&client, &format!("{} {}", event.order_id, event.reference), &detail).await
    }
}
