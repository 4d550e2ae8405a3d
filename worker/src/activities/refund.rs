//! Refunds: asks the gateway for each decided refund until the result is known.
//!
//! If the gateway temporarily refuses a refund or does not answer, the refund stays `PENDING`. It
//! becomes a failing row (loop REFUNDS), so staff see it. An order does not wait for the refund:
//! [`run`] asks the gateway again.

use super::{Activities, attempt::Failure};
use crate::{
    db,
    ops::failing,
    order::TransitionResult,
    payment::refund::{self, Decision, Due},
    payment::{self, Refund},
};
use anyhow::anyhow;
use opentelemetry::trace::SpanKind;
use orders::{OrderId, OrderStatus, refund::RefundInput};
use platform::trace;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// The pause between two searches for refunds that are due.
const SEARCH_INTERVAL: Duration = Duration::from_secs(1);
/// The maximum number of refunds that one search finds.
const MAX_BATCH: i64 = 20;
/// After a search has given a refund to a worker, no other worker gets it for this long.
const LEASE: Duration = Duration::from_secs(60);

/// The result of asking the gateway for a refund.
pub(super) enum RefundResult {
    /// The refund is made, or refused for good. The field is the order's status.
    Done(OrderStatus),
    /// The refund is temporarily refused; nothing was done.
    TemporarilyRefused,
    /// It is unknown whether the refund was made.
    Unanswered(anyhow::Error),
}

impl Activities {
    /// Decides on a refund and, if it is permitted, asks the gateway for it.
    pub(super) async fn refund(&self, refund: &RefundInput) -> Result<TransitionResult, Failure> {
        let (status, decision) = self.decide_refund(refund).await?;
        let Decision::Due(due) = decision else { return Ok(TransitionResult::unchanged(status)) };
        // The gateway may take the whole limit here, because the attempt itself is limited, too.
        match self.request_refund(refund.order_id, &due, self.limits.attempt_limit).await? {
            RefundResult::Done(status) => Ok(TransitionResult::unchanged(status)),
            RefundResult::TemporarilyRefused => Ok(TransitionResult::unchanged(status)),
            RefundResult::Unanswered(error) => Err(Failure::Temporary(error)),
        }
    }

    /// Refunds units that did not arrive. If the gateway does not do so within `budget`, the
    /// refund is left to [`run`], and the order does not wait for it.
    pub(super) async fn refund_or_defer(&self, refund: &RefundInput, budget: Duration) -> Result<(), Failure> {
        if let (_, Decision::Due(due)) = self.decide_refund(refund).await?
            && !due.is_failing
        {
            self.request_refund(refund.order_id, &due, budget).await?;
        }
        Ok(())
    }

    async fn decide_refund(&self, refund: &RefundInput) -> anyhow::Result<(OrderStatus, Decision)> {
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let decided = refund::decide_refund(&transaction, refund).await?;
        transaction.commit().await?;
        Ok(decided)
    }

    /// Asks the gateway for a refund, and records the answer. The gateway may take `budget`.
    async fn request_refund(&self, order_id: OrderId, due: &Due, budget: Duration) -> anyhow::Result<RefundResult> {
        let answer = if due.amount_minor == 0 { Ok(()) } else { self.ask_gateway(order_id, due, budget).await? };
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let result = match answer {
            Ok(()) => RefundResult::Done(refund::record_succeeded(&transaction, order_id, due.id).await?),
            Err(payment::Error::TemporarilyRefused(reason)) => {
                refund::record_temporary_refusal(&transaction, order_id, due, &anyhow!(reason)).await?;
                RefundResult::TemporarilyRefused
            }
            Err(error) => match error.into_temporary() {
                Err(reason) => RefundResult::Done(refund::record_refused(&transaction, order_id, due.id, &reason).await?),
                Ok(error) => {
                    failing::record_failures(&transaction, failing::REFUNDS, &[failing::Failure::new(due.row_id(order_id), &error)])
                        .await?;
                    RefundResult::Unanswered(error)
                }
            },
        };
        transaction.commit().await?;
        self.notifications_wakeup.notify_one();
        Ok(result)
    }

    async fn ask_gateway(&self, order_id: OrderId, due: &Due, budget: Duration) -> anyhow::Result<Result<(), payment::Error>> {
        let payment = payment::load_payment(&db::connection(&self.pool).await?, order_id).await?;
        let refund = Refund {
            idempotency_key: due.id.to_string(),
            amount_minor: due.amount_minor,
            may_be_known: due.may_be_known,
            refusals: due.refusals,
        };
        let no_answer = |_| Err(payment::Error::Unavailable(anyhow!("no answer within {} ms", budget.as_millis())));
        Ok(timeout(budget, self.gateways.for_payment(&payment)?.refund(&payment, &refund)).await.unwrap_or_else(no_answer))
    }
}

/// Repeats refunds that the gateway temporarily refused or did not answer, each when it is due. It
/// never returns. Any number of workers may run it at the same time.
pub(crate) async fn run(activities: Activities) {
    loop {
        sleep(SEARCH_INTERVAL).await;
        if let Err(error) = retry_due_refunds(&activities).await {
            tracing::warn!(error = format!("{error:#}"), "pending refunds cannot be retried now");
            sleep(SEARCH_INTERVAL).await;
        }
    }
}

async fn retry_due_refunds(activities: &Activities) -> anyhow::Result<()> {
    let due = refund::lease_due_refunds(&db::connection(&activities.pool).await?, MAX_BATCH, LEASE).await?;
    let _begun = (!due.is_empty()).then(|| activities.busy.begin());
    for (order_id, order_trace, due) in due {
        let span = trace::order_span(SpanKind::Internal, "retry refund", None, order_id, &order_trace);
        let request = activities.request_refund(order_id, &due, activities.limits.attempt_limit);
        if let Err(error) = trace::run(span, request, |error| Some(crate::trace::code(error))).await {
            // A refund that cannot be handled does not delay the others.
            tracing::warn!(%order_id, refund_id = %due.id, error = format!("{error:#}"), "{}: the refund cannot be retried now", due.id);
        }
        activities.projector.report_change(order_id, true);
    }
    Ok(())
}
