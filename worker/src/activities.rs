//! The activities that the workflows call. Each is idempotent and guarded by the status table; see
//! [`orders::activities`].

mod attempt;
mod charge;
mod decision;
mod reconcile;
pub(crate) mod refund;
mod restock;
mod resume;
mod shipping;

use crate::{
    db, notification, ops::busy::Busy, order, order::TransitionResult, payment, payment::Gateways, payment::refund as refunds,
    projection::Projector, shipping::Shipping, stock, stock::ReservationPolicy, trace,
};
use anyhow::anyhow;
use attempt::Failure;
use deadpool_postgres::Pool;
use orders::{
    OrderInput, OrderStatus,
    activities::{
        Amendment, CompensationRequest, Dispatch, End, Notice, PaymentRequest, ReservationRequest, Resumed, Resumption, ReviewDecision,
        StepResult, Tracking, definitions,
    },
    reconciliation::PaymentEvent,
    refund::RefundInput,
    restock::{RestockInput, Restocked},
    workflow::StepSettings,
};
use platform::metrics::list;
use std::{sync::Arc, time::Duration};
use temporalio_macros::activities;
use temporalio_sdk::activities::{ActivityContext, ActivityError};
use tokio::sync::{Notify, Semaphore};

/// The connections and settings that the activities use.
#[derive(Clone)]
pub struct Activities {
    pub(crate) pool: Pool,
    pub(crate) gateways: Gateways,
    /// The maximum number of attempts at charging an order's payment. If all of them fail, one more
    /// attempt captures what the gateway has already authorized, and authorizes nothing.
    pub(crate) payment_attempts: i32,
    pub(crate) projector: Projector,
    /// Wakes the notification dispatcher when a notification is recorded.
    pub(crate) notifications_wakeup: Arc<Notify>,
    /// Wakes the publisher of events after each successful attempt, because the order's status may
    /// have changed.
    pub(crate) events_wakeup: Arc<Notify>,
    pub(crate) busy: Busy,
    pub(crate) limits: StepSettings,
    pub(crate) reservation_policy: ReservationPolicy,
    pub(crate) shipping: Shipping,
    /// Permits for local attempts that take long; see [`attempt::LONG_ATTEMPT`].
    pub(crate) long_attempts: Arc<Semaphore>,
}

/// The result of an attempt, from which the [`StepResult`] for the workflow is made.
struct StepOutcome {
    step: TransitionResult,
    /// How long the workflow waits for the customer, the shop or the carrier.
    wait: Option<Duration>,
    /// The order's total in minor units, if it may have changed.
    amount_minor: Option<i64>,
    /// True if the order must be shipped before it can be completed.
    ships: bool,
}

impl From<TransitionResult> for StepOutcome {
    fn from(step: TransitionResult) -> Self {
        Self { step, wait: None, amount_minor: None, ships: false }
    }
}

#[activities]
impl Activities {
    #[activity(definition = definitions::CreateOrder)]
    pub async fn create_order(self: Arc<Self>, ctx: ActivityContext, order: OrderInput) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, order.id, self.record_order(&order)).await
    }

    #[activity(definition = definitions::ResumeOrder)]
    pub async fn resume_order(self: Arc<Self>, ctx: ActivityContext, resumption: Resumption) -> Result<Resumed, ActivityError> {
        let mut rest = None;
        let progress = self.attempt(&ctx, resumption.order_id, self.resume(resumption.order_id, &mut rest)).await?;
        Ok(Resumed { progress, rest })
    }

    #[activity(definition = definitions::CheckInventory)]
    pub async fn check_inventory(self: Arc<Self>, ctx: ActivityContext, request: ReservationRequest) -> Result<StepResult, ActivityError> {
        // A local activity has a single attempt, so it has not waited. A regular activity may have
        // many, and has waited since it was scheduled.
        let scheduled = ctx.info().scheduled_time.filter(|_| !ctx.info().is_local);
        let waited = scheduled.and_then(|scheduled| scheduled.elapsed().ok()).unwrap_or_default();
        self.attempt(&ctx, request.order_id, self.reserve(&request, waited)).await
    }

    #[activity(definition = definitions::AmendOrder)]
    pub async fn amend_order(self: Arc<Self>, ctx: ActivityContext, amendment: Amendment) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, amendment.order_id, self.amend(amendment)).await
    }

    #[activity(definition = definitions::ReviewOrder)]
    pub async fn review_order(self: Arc<Self>, ctx: ActivityContext, decision: ReviewDecision) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, decision.order_id, self.review(&decision)).await
    }

    #[activity(definition = definitions::ProcessPayment)]
    pub async fn process_payment(self: Arc<Self>, ctx: ActivityContext, request: PaymentRequest) -> Result<StepResult, ActivityError> {
        let is_retry = ctx.info().attempt > 1 || !ctx.info().is_local || request.resumed;
        self.attempt(&ctx, request.order_id, self.pay(&request, is_retry, self.limit(&ctx))).await
    }

    #[activity(definition = definitions::ShipOrder)]
    pub async fn ship_order(self: Arc<Self>, ctx: ActivityContext, dispatch: Dispatch) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, dispatch.order_id, self.ship(dispatch)).await
    }

    #[activity(definition = definitions::TrackOrder)]
    pub async fn track_order(self: Arc<Self>, ctx: ActivityContext, tracking: Tracking) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, tracking.order_id, self.track(tracking)).await
    }

    #[activity(definition = definitions::SendNotification)]
    pub async fn send_notification(self: Arc<Self>, ctx: ActivityContext, notice: Notice) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, notice.order_id, self.record_notification(notice)).await
    }

    #[activity(definition = definitions::CancelOrder)]
    pub async fn cancel_order(self: Arc<Self>, ctx: ActivityContext, request: CompensationRequest) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, request.order_id, self.compensate(request)).await
    }

    #[activity(definition = definitions::RefundPayment)]
    pub async fn refund_payment(self: Arc<Self>, ctx: ActivityContext, refund: RefundInput) -> Result<StepResult, ActivityError> {
        self.attempt(&ctx, refund.order_id, self.refund(&refund)).await
    }

    #[activity(definition = definitions::ReconcilePayment)]
    pub async fn reconcile_payment(self: Arc<Self>, ctx: ActivityContext, event: PaymentEvent) -> Result<StepResult, ActivityError> {
        let work = trace::in_order_trace(&self.pool, event.order_id, "reconcile payment", self.reconcile(&event));
        self.attempt(&ctx, event.order_id, work).await
    }

    #[activity(definition = definitions::RestockProduct)]
    pub async fn restock_product(self: Arc<Self>, ctx: ActivityContext, restock: RestockInput) -> Result<Restocked, ActivityError> {
        self.add_units(&ctx, &restock).await
    }
}

impl Activities {
    async fn record_order(&self, order: &OrderInput) -> Result<TransitionResult, Failure> {
        let client = db::connection(&self.pool).await?;
        Ok(TransitionResult::unchanged(order::record_order(&client, order).await?))
    }

    async fn record_notification(&self, notice: Notice) -> Result<TransitionResult, Failure> {
        let client = db::connection(&self.pool).await?;
        let step = notification::record_notification(&client, notice).await?;
        self.notifications_wakeup.notify_one();
        Ok(step)
    }

    /// Compensates an order: undoes the forward steps in reverse order, and ends the order. No
    /// other code does this.
    async fn compensate(&self, mut request: CompensationRequest) -> Result<TransitionResult, Failure> {
        let id = request.order_id;
        let status = {
            let mut client = db::connection(&self.pool).await?;
            let transaction = client.transaction().await?;
            let status = order::begin_compensation(&transaction, &mut request).await?;
            transaction.commit().await?;
            status
        };
        if status.is_final() {
            self.record_late_cancellation(&request).await?;
            return Ok(TransitionResult::unchanged(status));
        }
        if matches!(status, OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered)
            && let Some(status) = self.cancel_shipments(id, request.end).await?
        {
            self.record_late_cancellation(&request).await?;
            return Ok(TransitionResult::unchanged(status));
        }
        let (payment, reversal) = self.reverse_payment(id, status).await?;
        let mut client = db::connection(&self.pool).await?;
        let transaction = client.transaction().await?;
        let now = order::lock_order(&transaction, id).await?;
        if now.is_final() {
            return Ok(TransitionResult::unchanged(now));
        }
        if now != status {
            return Err(Failure::Temporary(anyhow!("the order went from {status} to {now} during its compensation")));
        }
        payment::record_reversed(&transaction, id, &payment, self.gateways.name_of(&payment), &reversal).await?;
        refunds::close_pending_refunds(&transaction, id).await?;
        stock::release(&transaction, id).await?;
        let step = order::advance(&transaction, id, request.end.status(), Some(&request.reason)).await?;
        transaction.commit().await?;
        Ok(step)
    }

    /// Records that a requested cancellation came too late, so that readers see it.
    async fn record_late_cancellation(&self, request: &CompensationRequest) -> Result<(), Failure> {
        if request.end == End::Cancelled {
            order::record_late_cancellation(&db::connection(&self.pool).await?, request.order_id).await?;
        }
        Ok(())
    }
}

fn to_failure(error: stock::Error) -> Failure {
    match error {
        stock::Error::OutOfStock(_) => list::STOCK_OUTS.increment(&["refused"]),
        stock::Error::TooManyUnpaidOrders { .. } => list::LIMITS_HIT.increment(&["unpaid_orders"]),
        _ => {}
    }
    match error.refusal() {
        Some(refusal) => Failure::Refused(refusal, error.to_string()),
        None => Failure::Temporary(error.into()),
    }
}
