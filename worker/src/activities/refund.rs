//! Giving money back: what was decided is asked of the gateway until it is known what came of it.
//!
//! A refund that the gateway refuses for now, or whose gateway does not answer, stays `PENDING` and
//! is a failing row (loop REFUNDS), so staff see it. Whoever decided on it goes on; [`run`] asks again.

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

/// How often refunds are looked for that are to be asked for again.
const PERIOD: Duration = Duration::from_secs(1);
/// Refunds asked for in one go.
const BATCH: i64 = 20;
/// For how long others leave a refund alone that a worker has taken.
const TAKEN_FOR: Duration = Duration::from_secs(60);

/// What came of asking.
pub(super) enum Settled {
    /// The refund is given, or refused for good.
    Done(OrderStatus),
    /// Refused for now: nothing was done.
    NotNow,
    /// Whether it was done is not known.
    Unanswered(anyhow::Error),
}

impl Activities {
    /// Gives a refund back, if it may be given.
    pub(super) async fn refund(&self, refund: &RefundInput) -> Result<Move, Failure> {
        let (status, decision) = self.decide(refund).await?;
        let Decision::Due(due) = decision else { return Ok(Move::none(status)) };
        // The attempt itself is limited.
        match self.settle(refund.order_id, &due, self.limits.attempt_limit).await? {
            Settled::Done(status) => Ok(Move::none(status)),
            Settled::NotNow => Ok(Move::none(status)),
            Settled::Unanswered(error) => Err(Failure::Temporary(error)),
        }
    }

    /// Gives back what did not arrive, or leaves it to [`run`]: the order does not wait for it. The gateway may take `patience`.
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

    /// Asks the gateway, and records what it answers.
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

/// Asks again for refunds that were refused for now or not answered, each when it is due. Any number of workers may.
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
            // One that cannot be dealt with does not keep the others waiting.
            tracing::warn!(%order_id, refund_id = %due.id, error = format!("{error:#}"), "{}: it cannot be asked for", due.id);
        }
        activities.projector.changed(order_id, true);
    }
    Ok(())
}
