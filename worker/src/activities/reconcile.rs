//! Making our records agree with the gateway's when it tells that something happened to a payment.

use super::{Activities, attempt::Failure};
use crate::{
    db, order,
    order::Move,
    payment::{self, Due},
};
use orders::{
    activities::{NO_SUCH_ORDER, Refusal},
    reconciliation::PaymentEvent,
};

impl Activities {
    /// What happened is not believed but looked up: events come late, twice and in any order.
    pub(super) async fn reconcile(&self, event: &PaymentEvent) -> Result<Move, Failure> {
        let id = event.order_id;
        let Some(gateway) = self.gateways.named(&event.gateway) else {
            return Err(Failure::Refused(Refusal::InvalidOrder, format!("payments are not taken by {}", event.gateway)));
        };
        // Another system may share the gateway's account.
        let Some(mut payment) = payment::find(&db::connection(&self.pool).await?, id).await? else {
            return Err(Failure::Refused(Refusal::InvalidOrder, NO_SUCH_ORDER.to_owned()));
        };
        if payment.gateway.as_ref().is_some_and(|name| *name != event.gateway) {
            return Err(Failure::Refused(Refusal::InvalidOrder, format!("the order is not paid through {}", event.gateway)));
        }
        payment.reference.get_or_insert_with(|| event.reference.clone());
        let statement = gateway.statement(&payment).await?;
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
}
