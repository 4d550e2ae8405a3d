//! The `ReconcilePayment` activity: compares a payment on record with the gateway after one of the
//! gateway's events, and corrects the difference.

use super::{Activities, attempt::Failure};
use crate::{
    db,
    ops::finding,
    order,
    order::TransitionResult,
    payment::{self, Remaining},
};
use orders::{
    activities::{NO_SUCH_ORDER, Refusal},
    reconciliation::PaymentEvent,
};

impl Activities {
    /// Asks the gateway for the payment's state, because events may come late, twice and in any
    /// order. If an event does not fit the order, it becomes a finding for staff, and nothing else
    /// is done.
    pub(super) async fn reconcile(&self, event: &PaymentEvent) -> Result<TransitionResult, Failure> {
        let id = event.order_id;
        // The order may not exist, because another system may use the same gateway account.
        let Some(mut payment) = payment::find_payment(&db::connection(&self.pool).await?, id).await? else {
            self.record_finding(event, NO_SUCH_ORDER).await?;
            return Err(Failure::Refused(Refusal::InvalidOrder, NO_SUCH_ORDER.to_owned()));
        };
        let Some(gateway) = self.gateways.by_name(&event.gateway) else {
            return self.finding_and_status(event, &format!("the gateway {} is not configured", event.gateway)).await;
        };
        if let Some(name) = payment.gateway.as_ref().filter(|name| **name != event.gateway) {
            return self.finding_and_status(event, &format!("the order is paid through {name}, not {}", event.gateway)).await;
        }
        if let Some(recorded) = payment.reference.as_ref().filter(|recorded| **recorded != event.reference) {
            return self.finding_and_status(event, &format!("the payment of the order is {recorded}")).await;
        }
        payment.reference = Some(event.reference.clone());
        let statement = match gateway.statement(&payment).await {
            Ok(statement) => statement,
            Err(payment::Error::Mismatch(reason)) => return self.finding_and_status(event, &reason).await,
            Err(error) => return Err(Failure::Temporary(error.into())),
        };
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let (status, remaining) = payment::reconcile_record(&transaction, id, &payment, gateway.name(), &statement).await?;
        transaction.commit().await?;
        drop(client);
        if remaining == Remaining::Reversal {
            let reversal = gateway.reverse(&payment).await?;
            let mut client = db::connection(&self.pool).await?;
            let transaction = client.transaction().await?;
            order::lock_order(&transaction, id).await?;
            payment::record_reversed(&transaction, id, &payment, gateway.name(), &reversal).await?;
            order::raise_version(&transaction, id).await?;
            transaction.commit().await?;
            tracing::warn!(order_id = %id, "{id}: payment reversed after the order had ended: {reversal:?}");
        }
        self.notifications_wakeup.notify_one();
        Ok(TransitionResult::unchanged(status))
    }

    /// Records the finding, and returns the order's status, which stays as it is.
    async fn finding_and_status(&self, event: &PaymentEvent, why: &str) -> Result<TransitionResult, Failure> {
        self.record_finding(event, why).await?;
        Ok(TransitionResult::unchanged(order::current_status(&db::connection(&self.pool).await?, event.order_id).await?))
    }

    async fn record_finding(&self, event: &PaymentEvent, why: &str) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let detail = format!("an event of {} names its payment {}: {why}", event.gateway, event.reference);
        finding::record_finding(&client, &format!("{} {}", event.order_id, event.reference), &detail).await
    }
}
