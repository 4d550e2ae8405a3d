//! The process of one order.
//!
//! The happy path is four local activities inside a single workflow task. The Temporal server's work
//! is the most expensive part of an order, and each regular activity adds more than a third of what the
//! whole happy path costs. Every step follows one rule ([`step::take`]). It is tried once as a local
//! activity with a short timeout. If that fails and may be retried, or takes longer, the step
//! continues as a regular activity: operators see its retries there, and signals get through.

mod decision;
mod delivery;
mod reconcile;
mod refund;
mod restock;
mod resume;
mod step;

use crate::{
    activities::{
        End, Notice, NoticeKind, OrderActivities, OrderInput, PAYMENT_UNANSWERED, PaymentRequest, Progress, Refusal, ReservationRequest,
        Withdrawal,
    },
    id::OrderId,
    shipping::Scan,
    status::OrderStatus,
};
pub use reconcile::{ReconcileWorkflow, ReconcileWorkflowType};
pub use refund::{RefundWorkflow, RefundWorkflowType};
pub use restock::{RestockWorkflow, RestockWorkflowType};
pub use resume::{Carried, OrderStart, Resume};
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub use step::StepSettings;
use step::{Stepping, detached, take};
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, SyncWorkflowContext, TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, workflows::select,
};

/// The marker of the workflow's type for client handles; `OrderWorkflow` itself is not `Send`.
pub use order_workflow::Run as OrderWorkflowType;

/// A step that took at least this long may have a cancellation waiting behind it: signals reach a workflow only between its tasks.
const SLOW_STEP_MS: u64 = 500;

/// What a customer reads who cancelled without saying why.
pub const CANCELLED_ON_REQUEST: &str = "cancelled on request";

/// The reasons for a cancellation that are the shop's own sentences. Any other is what somebody wrote
/// who cancelled.
pub const CANCELLATION_REASONS: [&str; 3] = [CANCELLED_ON_REQUEST, decision::NOT_AMENDED, decision::NOT_REVIEWED];

/// The `cancel` signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// For people to read; nothing depends on it.
    pub reason: Option<String>,
}

/// The `review` signal: what the shop's people say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub approved: bool,
    /// Who says so: their subject at the issuer.
    pub by: String,
    pub note: Option<String>,
}

/// The answer of the `status` query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    pub status: OrderStatus,
    pub cancel_requested: bool,
    /// The order is being withdrawn: its payment reversed, its stock released.
    pub compensating: bool,
}

/// Scans that are kept until the next look; a carrier that says more is asked.
const MAX_SCANS: usize = 100;

/// How the order ended; the workflow's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub order_id: OrderId,
    pub status: OrderStatus,
    /// Why it did not complete.
    pub reason: Option<String>,
}

/// Processes one order; its workflow id is the order's id.
#[workflow]
pub struct OrderWorkflow {
    settings: StepSettings,
    status: OrderStatus,
    compensating: bool,
    cancel: Option<Cancel>,
    /// The customer takes what there is.
    amended: bool,
    review: Option<Review>,
    /// What the carriers said since they were last listened to.
    scans: Vec<Scan>,
    /// The history is long enough: the workflow continues as new at its next wait.
    is_long: bool,
    /// Cancelled by the `cancel` signal, and with the whole workflow; forward steps run under it, compensations do not.
    scope: WorkflowCancellationToken,
}

impl Stepping for OrderWorkflow {
    fn settings(&self) -> &StepSettings {
        &self.settings
    }
}

/// Why the forward path stopped.
enum Halt {
    /// Postgres says that the order has ended already, for instance when an attempt is repeated after its answer was lost.
    Ended(OrderStatus),
    Cancelled,
    /// Somebody was asked and did not answer in time; with the reason for the customer.
    Unanswered(&'static str),
    /// With the reason for the customer.
    Refused(String),
    /// The order was being compensated when its workflow was started again.
    Withdrawn(Withdrawal),
    /// There is no such order to resume.
    Unknown(String),
    /// The history is long: the workflow continues as new.
    Long,
}

/// Where an order stands at its end, and why it did not complete.
type Ended = (OrderStatus, Option<String>);

impl OrderWorkflow {
    /// An instance for one execution; the worker registers this as the workflow's factory.
    #[must_use]
    pub fn new(settings: StepSettings) -> Self {
        Self {
            settings,
            status: OrderStatus::Pending,
            compensating: false,
            cancel: None,
            amended: false,
            review: None,
            scans: Vec::new(),
            is_long: false,
            scope: WorkflowCancellationToken::new(),
        }
    }
}

#[workflow_methods(factory_only)]
impl OrderWorkflow {
    #[run(name = "OrderWorkflow")]
    pub async fn run(ctx: &mut WorkflowContext<Self>, start: OrderStart) -> WorkflowResult<Outcome> {
        let order_id = start.order_id();
        let scope = ctx.cancellation_token().child_token();
        ctx.state_mut(|s| {
            if let OrderStart::Again(resume) = &start {
                s.take_over(resume.carried.clone());
            }
            if s.cancel.is_some() {
                scope.cancel();
            }
            s.scope = scope;
        });
        let advanced = match start {
            OrderStart::New(order) => Self::forward(ctx, order).await,
            OrderStart::Again(_) => Self::resume(ctx, order_id).await,
        };
        let (mut status, mut reason) = match advanced {
            Ok(paid) if paid.ships => Self::deliver(ctx, order_id, false).await?,
            Ok(_) => (Self::tell(ctx, order_id, NoticeKind::Confirmed).await?, None),
            Err(Halt::Ended(OrderStatus::Completed)) if Self::is_cancelled_too_late(ctx) => Self::cancelled(ctx, order_id).await?,
            Err(Halt::Ended(status)) => Self::ended(ctx, order_id, status).await?,
            Err(Halt::Refused(reason)) => Self::compensate(ctx, order_id, End::Failed, reason).await?,
            Err(Halt::Unanswered(reason)) => Self::compensate(ctx, order_id, End::Cancelled, reason.to_owned()).await?,
            Err(Halt::Cancelled) => Self::cancelled(ctx, order_id).await?,
            Err(Halt::Withdrawn(withdrawal)) => Self::compensate(ctx, order_id, withdrawal.end, withdrawal.reason).await?,
            Err(Halt::Unknown(reason)) => (OrderStatus::Failed, Some(reason)),
            Err(Halt::Long) => return Err(Self::continue_as_new(ctx, order_id)),
        };
        if !status.is_final() {
            // A worker died that had shipped the order already, before the cancellation was seen.
            (status, reason) = Self::deliver(ctx, order_id, true).await?;
        }
        ctx.state_mut(|s| s.status = status);
        Ok(Outcome { order_id, status, reason })
    }

    /// Asks for the order to be cancelled. Takes effect before the next step; an order that has ended, or is on its way, stays as it is.
    #[signal(name = "cancel")]
    pub fn cancel(&mut self, ctx: &mut SyncWorkflowContext<Self>, cancel: Cancel) {
        self.note_length(ctx);
        if self.cancel.is_none() {
            self.scope.cancel();
            self.cancel = Some(cancel);
        }
    }

    /// The customer takes what there is of an order that is [`OrderStatus::ActionRequired`].
    #[signal(name = "amend")]
    pub fn amend(&mut self, ctx: &mut SyncWorkflowContext<Self>) {
        self.note_length(ctx);
        self.amended = true;
    }

    /// Approves or declines an order that is [`OrderStatus::InReview`]. The first word counts.
    #[signal(name = "review")]
    pub fn review(&mut self, ctx: &mut SyncWorkflowContext<Self>, review: Review) {
        self.note_length(ctx);
        self.review.get_or_insert(review);
    }

    /// A carrier says where a shipment is.
    #[signal(name = "scan")]
    pub fn scan(&mut self, ctx: &mut SyncWorkflowContext<Self>, scan: Scan) {
        self.note_length(ctx);
        if self.scans.len() < MAX_SCANS && !self.scans.contains(&scan) {
            self.scans.push(scan);
        }
    }

    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> StatusAnswer {
        StatusAnswer { status: self.status, cancel_requested: self.cancel.is_some(), compensating: self.compensating }
    }

    /// The forward steps, up to the payment.
    async fn forward(ctx: &WorkflowContext<Self>, order: OrderInput) -> Result<Progress, Halt> {
        let order_id = order.id;
        let reservation = ReservationRequest { order_id, currency: order.currency, items: order.items.clone() };
        let mut payment = PaymentRequest {
            order_id,
            amount_minor: order.total_minor,
            currency: order.currency,
            payment_method: order.payment_method.clone(),
            resumed: false,
        };
        // An accepted order is always recorded, even one that is already cancelled: it must be possible to see what became of it.
        let recorded = take(ctx, || OrderActivities::create_order, order, detached()).await;
        // The workflow may have been started again long after, when a gateway has forgotten the order's idempotency key.
        payment.resumed = Self::advance(ctx, recorded).await?.status != OrderStatus::Pending;
        Self::reserve_and_pay(ctx, reservation, payment).await
    }

    /// Reserves the order's stock, waits for the decision if there is one to wait for, and has the order paid.
    async fn reserve_and_pay(
        ctx: &WorkflowContext<Self>,
        reservation: ReservationRequest,
        mut payment: PaymentRequest,
    ) -> Result<Progress, Halt> {
        let order_id = reservation.order_id;
        let scope = ctx.state(|s| s.scope.clone());
        let reserved = take(ctx, || OrderActivities::check_inventory, reservation, scope.clone()).await;
        let mut progress = Self::advance(ctx, reserved).await?;
        payment.amount_minor = progress.amount_minor.unwrap_or(payment.amount_minor);
        while matches!(progress.status, OrderStatus::ActionRequired | OrderStatus::InReview) {
            progress = Self::decide(ctx, order_id, progress).await?;
            payment.amount_minor = progress.amount_minor.unwrap_or(payment.amount_minor);
        }
        let paid = take(ctx, || OrderActivities::process_payment, payment, scope).await;
        Self::advance(ctx, paid).await
    }

    /// Takes note of a step's result and says whether to go on.
    async fn advance(ctx: &WorkflowContext<Self>, result: Result<Progress, ActivityExecutionError>) -> Result<Progress, Halt> {
        let progress = match result {
            Ok(progress) => progress,
            Err(ActivityExecutionError::Cancelled(_)) => return Err(Halt::Cancelled),
            // The attempt that was under way when the cancellation came has failed, and there is no other.
            Err(error) if refusal(&error).is_none() && ctx.state(|s| s.scope.is_cancelled()) => return Err(Halt::Cancelled),
            Err(error) => return Err(Halt::Refused(reason(&error))),
        };
        ctx.state_mut(|s| s.status = progress.status);
        if progress.status.is_final() {
            return Err(Halt::Ended(progress.status));
        }
        if progress.took_ms >= SLOW_STEP_MS {
            // Ends the workflow task, so that a signal that arrived meanwhile is seen before the next step.
            let _ = ctx.timer(Duration::from_millis(1)).await;
        }
        if ctx.state(|s| s.scope.is_cancelled()) {
            return Err(Halt::Cancelled);
        }
        Ok(progress)
    }

    /// Waits until something holds, or the scope is cancelled, or so much time has passed; says whether it holds.
    async fn wait(
        ctx: &WorkflowContext<Self>,
        scope: WorkflowCancellationToken,
        limit: Duration,
        condition: impl Fn(&Self) -> bool + Copy,
    ) -> bool {
        let timer = WorkflowCancellationToken::new();
        let options = WaitConditionOptions::builder().cancellation_token(scope).build();
        select! {
            _ = ctx.wait_condition_with_options(condition, options) => {}
            _ = ctx.timer(TimerOptions::builder(limit).cancellation_token(timer.clone()).build()) => {}
        }
        timer.cancel();
        ctx.state(condition)
    }

    /// Tells the customer; answers where the order then stands.
    async fn tell(ctx: &WorkflowContext<Self>, order_id: OrderId, kind: NoticeKind) -> Result<OrderStatus, ActivityExecutionError> {
        let notice = Notice { order_id, kind };
        let told = take(ctx, || OrderActivities::send_notification, notice, detached()).await?;
        Ok(told.status)
    }

    /// The order was found to have ended. The worker may have died between the step that ended it and the notice of it.
    async fn ended(ctx: &WorkflowContext<Self>, order_id: OrderId, status: OrderStatus) -> Result<Ended, ActivityExecutionError> {
        if let Some(end) = End::of(status) {
            Self::tell(ctx, order_id, end.notice()).await?;
        }
        Ok((status, None))
    }

    /// Whether a cancellation waits that a completed order has to refuse. `CancelOrder` then records that it came too late.
    fn is_cancelled_too_late(ctx: &WorkflowContext<Self>) -> bool {
        // Histories of earlier releases end without it.
        ctx.state(|s| s.cancel.is_some()) && ctx.patched("refuse-cancellation-of-completed-order")
    }

    async fn cancelled(ctx: &WorkflowContext<Self>, order_id: OrderId) -> Result<Ended, ActivityExecutionError> {
        let asked = ctx.state(|s| s.cancel.as_ref().and_then(|cancel| cancel.reason.clone()));
        Self::compensate(ctx, order_id, End::Cancelled, asked.unwrap_or_else(|| CANCELLED_ON_REQUEST.to_owned())).await
    }

    /// Undoes what the order holds and ends it, unless it has ended or is on its way. Runs on a detached scope and is retried until it works.
    async fn compensate(ctx: &WorkflowContext<Self>, order_id: OrderId, end: End, reason: String) -> Result<Ended, ActivityExecutionError> {
        ctx.state_mut(|s| s.compensating = true);
        let withdrawal = Withdrawal { order_id, end, reason: reason.clone() };
        let ended = take(ctx, || OrderActivities::cancel_order, withdrawal, detached()).await?;
        let withdrawn = ended.status == end.status();
        if let Some(end) = End::of(ended.status) {
            // It may have ended otherwise, by a worker that died before it could tell.
            Self::tell(ctx, order_id, end.notice()).await?;
        }
        ctx.state_mut(|s| s.compensating = false);
        Ok((ended.status, withdrawn.then_some(reason)))
    }
}

/// What the customer reads about a failed step: our own refusals word for word, anything else in general terms.
fn reason(error: &ActivityExecutionError) -> String {
    refusal(error).unwrap_or(PAYMENT_UNANSWERED).to_owned()
}

/// One of our own refusals, word for word.
fn refusal(error: &ActivityExecutionError) -> Option<&str> {
    let (failure, message) = step::reported(error)?;
    Refusal::named(&failure.r#type).map(|_| message)
}
