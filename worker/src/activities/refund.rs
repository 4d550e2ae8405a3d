//! Refunds: the gateway is asked for each refund that was decided on, until the result is known.
//!
//! If the gateway temporarily refuses a refund or does not answer, the refund stays `PENDING`. It
//! becomes a failing row (loop REFUNDS), so staff see it. An order does not wait for it: [`run`]
//! asks the gateway again.

use super::{Activities, attempt::Failure};
use crate::{
    db, failing,
    order::Move,
    payment::{self, Refund},
    refund::{self, Decision, Due},
};
use anyhow::anyhow;
use orders::{OrderId, OrderStatus, refund::RefundInput};
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The pause between two searches for refunds that are due.
const PERIOD: Duration = Duration::from_secs(1);
/// The maximum number of refunds that one search takes.
const BATCH: i64 = 20;
/// After a worker has taken a refund, no other worker takes it for this long.
const TAKEN_FOR: Duration = Duration::from_secs(60);

/// The result of asking the gateway for a refund.
pub(super) enum Settled {
    /// The refund is made, or refused for good. The field is the order's status.
    Done(OrderStatus),
    /// The refund is temporarily refused; nothing was done.
    NotNow,
    /// It is unknown whether the refund was made.
    Unanswered(anyhow::Error),
}

impl Activities {
    /// Decides on a refund and, if it is permitted, asks the gateway for it.
    pub(super) async fn refund(&self, refund: &RefundInput) -> Result<Move, Failure> {
        let (status, decision) = self.decide(refund).await?;
        let Decision::Due(due) = decision else { return Ok(Move::none(status)) };
        // The gateway may take the whole limit here, because the attempt itself is limited, too.
        match self.settle(refund.order_id, &due, self.limits.attempt_limit).await? {
            Settled::Done(status) => Ok(Move::none(status)),
            Settled::NotNow => Ok(Move::none(status)),
            Settled::Unanswered(error) => Err(Failure::Temporary(error)),
        }
    }

    /// Refunds units that did not arrive. If the gateway does not do so within `patience`, the
    /// refund is left to [`run`], and the order does not wait for it.
    pub(super) async fn refund_or_put_off(&self, refund: &RefundInput, patience: Duration) -> Result<(), Failure> {
        if let (_, Decision::Due(due)) = self.decide(refund).await?
            && !due.is_put_off
        {
            self.settle(refund.order_id, &due, patience).await?;
        }
        Ok(())
    }

    async fn decide(&self, refund: &RefundInput) -> anyhow::Result<(OrderStatus, Decision)> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let decided = refund::decide(&transaction, refund).await?;
        transaction.commit().await?;
        Ok(decided)
    }

    /// Asks the gateway for a refund, and records the answer. The gateway may take `patience`.
    async fn settle(&self, order_id: OrderId, due: &Due, patience: Duration) -> anyhow::Result<Settled> {
        let given = if due.amount_minor == 0 { Ok(()) } else { self.ask_gateway(order_id, due, patience).await? };
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let settled = match given {
            Ok(()) => Settled::Done(refund::record_given(&transaction, order_id, due.id).await?),
            Err(payment::Error::NotNow(reason)) => {
                refund::record_put_off(&transaction, order_id, due, &anyhow!(reason)).await?;
                Settled::NotNow
            }
            Err(error) => match error.passing() {
                Err(reason) => Settled::Done(refund::record_refused(&transaction, order_id, due.id, &reason).await?),
                Ok(error) => {
                    failing::record(&transaction, failing::REFUNDS, &[failing::Failure::new(due.row_id(order_id), &error)]).await?;
                    Settled::Unanswered(error)
                }
            },
        };
        transaction.commit().await?;
        self.courier.notify_one();
        Ok(settled)
    }

    async fn ask_gateway(&self, order_id: OrderId, due: &Due, patience: Duration) -> anyhow::Result<Result<(), payment::Error>> {
        let payment = payment::load(&db::connection(&self.pool).await?, order_id).await?;
        let refund =
            Refund { idempotency_key: due.id.to_string(), amount_minor: due.amount_minor, again: due.again, refusals: due.refusals };
        let silent = |_| Err(payment::Error::Unavailable(anyhow!("no answer within {} ms", patience.as_millis())));
        Ok(timeout(patience, self.gateways.of(&payment)?.refund(&payment, &refund)).await.unwrap_or_else(silent))
    }
}

/// Repeats refunds that the gateway temporarily refused or did not answer, each when it is due. It
/// never returns. Any number of workers may run it at the same time.
pub(crate) async fn run(activities: Activities) {
    loop {
        sleep(PERIOD).await;
        if let Err(error) = ask_again(&activities).await {
            tracing::warn!(error = format!("{error:#}"), "refunds that wait cannot be asked for now");
            sleep(PERIOD).await;
        }
    }
}

async fn ask_again(activities: &Activities) -> anyhow::Result<()> {
    let due = refund::take_put_off(&db::connection(&activities.pool).await?, BATCH, TAKEN_FOR).await?;
    for (order_id, due) in due {
        if let Err(error) = activities.settle(order_id, &due, activities.limits.attempt_limit).await {
            // A refund that cannot be handled does not delay the others.
            tracing::warn!(%order_id, refund_id = %due.id, error = format!("{error:#}"), "{}: it cannot be asked for", due.id);
        }
        activities.projector.changed(order_id, true);
    }
    Ok(())
}
