//! The workflow of one order.
//!
//! On the happy path, the first four steps are local activities inside a single workflow task. The
//! work of the Temporal server is the most expensive part of an order. A single regular activity
//! would cost more than a third of what all four local activities cost together.
//!
//! Every step follows one rule ([`step::run_step`]). It is tried once as a local activity with a
//! short timeout. If that attempt fails with an error that may be retried, or takes longer than the
//! timeout, the step continues as a regular activity. Operators can see the retries of a regular
//! activity, and signals reach the workflow in the meantime.

mod decision;
mod delivery;
mod reconcile;
mod refund;
mod restock;
mod resume;
mod step;

use crate::{
    activities::{
        CompensationRequest, End, Notice, NoticeKind, OrderActivities, PAYMENT_UNANSWERED, PaymentRequest, Refusal, ReservationRequest,
        StepResult,
    },
    id::OrderId,
    order::OrderInput,
    search,
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
use step::{Stepping, detached, run_step};
use temporalio_common::search_attributes::SearchAttributeUpdate;
use temporalio_macros::{workflow, workflow_methods};
use temporalio_workflow::{
    ActivityExecutionError, SyncWorkflowContext, TimerOptions, WaitConditionOptions, WorkflowCancellationToken, WorkflowContext,
    WorkflowContextView, WorkflowResult, workflows::select,
};

/// The marker of the workflow's type for client handles. `OrderWorkflow` itself is not `Send`.
pub use order_workflow::Run as OrderWorkflowType;

/// The duration from which a step counts as slow, in milliseconds. Signals reach a workflow only
/// between its workflow tasks, so a cancellation may be waiting behind a slow step.
const SLOW_STEP_MS: u64 = 500;

/// The reason that the customer reads if a cancellation was requested without a reason.
pub const CANCELLED_ON_REQUEST: &str = "cancelled on request";

/// The cancellation reasons that OrderFlow writes itself. Any other reason was written by the
/// person who cancelled.
pub const CANCELLATION_REASONS: [&str; 3] = [CANCELLED_ON_REQUEST, decision::NOT_AMENDED, decision::NOT_REVIEWED];

/// The `cancel` signal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cancel {
    /// For people to read; no code depends on it.
    pub reason: Option<String>,
}

/// The `review` signal: a review decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    pub approved: bool,
    /// The reviewer: the subject of their access token, or a placeholder when authentication is
    /// off.
    pub by: String,
    pub note: Option<String>,
}

/// The answer to the `status` query.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusAnswer {
    pub status: OrderStatus,
    pub cancel_requested: bool,
    /// True while the order is being compensated.
    pub compensating: bool,
}

/// How many tracking events the workflow keeps until the next `TrackOrder` call. It drops further
/// events; `TrackOrder` asks the carrier later and finds what they reported.
const MAX_SCANS: usize = 100;

/// The workflow's result: how the order ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub order_id: OrderId,
    pub status: OrderStatus,
    /// Why the order did not complete.
    pub reason: Option<String>,
}

/// Processes one order. The workflow id is the order's id.
#[workflow]
pub struct OrderWorkflow {
    settings: StepSettings,
    status: OrderStatus,
    compensating: bool,
    cancel: Option<Cancel>,
    /// True if the customer has taken the offer.
    amended: bool,
    review: Option<Review>,
    /// The tracking events received since the last `TrackOrder` call.
    scans: Vec<Scan>,
    /// The type of the last refusal.
    failure: Option<Refusal>,
    /// True if the history has become long. The workflow then continues as new at its next wait.
    is_long: bool,
    /// The cancellation scope of the forward steps; compensations run outside it. The scope is
    /// cancelled by the `cancel` signal, and if the whole workflow is cancelled.
    scope: WorkflowCancellationToken,
}

impl Stepping for OrderWorkflow {
    fn settings(&self) -> &StepSettings {
        &self.settings
    }
}

/// Why the forward path stopped.
enum Halt {
    /// The order has already ended according to Postgres. This happens, for example, if an attempt
    /// is repeated because its result was lost.
    Ended(OrderStatus),
    Cancelled,
    /// A decision did not come in time. The field is the reason that the customer reads.
    Unanswered(&'static str),
    /// A step was refused. The field is the reason that the customer reads.
    Refused(String),
    /// The order was already being compensated when its workflow was started again.
    Compensating(CompensationRequest),
    /// The order to resume does not exist. The field is the reason.
    Unknown(String),
    /// The history is long: the workflow continues as new.
    Long,
}

/// The order's final status, and why it did not complete.
type Ended = (OrderStatus, Option<String>);

impl OrderWorkflow {
    /// Creates the instance for one execution. The worker registers this function as the workflow's
    /// factory.
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
            failure: None,
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
            Ok(_) => (Self::send_notification(ctx, order_id, NoticeKind::Confirmed).await?, None),
            Err(Halt::Ended(OrderStatus::Completed)) if Self::is_cancelled_too_late(ctx) => Self::cancelled(ctx, order_id).await?,
            Err(Halt::Ended(status)) => Self::ended(ctx, order_id, status).await?,
            Err(Halt::Refused(reason)) => Self::compensate(ctx, order_id, End::Failed, reason).await?,
            Err(Halt::Unanswered(reason)) => Self::compensate(ctx, order_id, End::Cancelled, reason.to_owned()).await?,
            Err(Halt::Cancelled) => Self::cancelled(ctx, order_id).await?,
            Err(Halt::Compensating(request)) => Self::compensate(ctx, order_id, request.end, request.reason).await?,
            Err(Halt::Unknown(reason)) => (OrderStatus::Failed, Some(reason)),
            Err(Halt::Long) => return Err(Self::continue_as_new(ctx, order_id)),
        };
        if !status.is_final() {
            // An earlier worker shipped the order before the cancellation was seen, and then died.
            (status, reason) = Self::deliver(ctx, order_id, true).await?;
        }
        if status != OrderStatus::Completed {
            Self::publish_end(ctx, status);
        }
        ctx.state_mut(|s| s.status = status);
        Ok(Outcome { order_id, status, reason })
    }

    /// Requests a cancellation. It takes effect before the next step. It does not change an order
    /// that has ended or is on its way.
    #[signal(name = "cancel")]
    pub fn cancel(&mut self, ctx: &mut SyncWorkflowContext<Self>, cancel: Cancel) {
        self.record_length(ctx);
        if self.cancel.is_none() {
            self.scope.cancel();
            self.cancel = Some(cancel);
        }
    }

    /// Takes the offer of an order that is [`OrderStatus::ActionRequired`].
    #[signal(name = "amend")]
    pub fn amend(&mut self, ctx: &mut SyncWorkflowContext<Self>) {
        self.record_length(ctx);
        self.amended = true;
    }

    /// Approves or declines an order that is [`OrderStatus::InReview`]. The first decision counts.
    #[signal(name = "review")]
    pub fn review(&mut self, ctx: &mut SyncWorkflowContext<Self>, review: Review) {
        self.record_length(ctx);
        self.review.get_or_insert(review);
    }

    /// Receives a tracking event from a carrier or from staff.
    #[signal(name = "scan")]
    pub fn scan(&mut self, ctx: &mut SyncWorkflowContext<Self>, scan: Scan) {
        self.record_length(ctx);
        if self.scans.len() < MAX_SCANS && !self.scans.contains(&scan) {
            self.scans.push(scan);
        }
    }

    #[query(name = "status")]
    pub fn status(&self, _ctx: &WorkflowContextView) -> StatusAnswer {
        StatusAnswer { status: self.status, cancel_requested: self.cancel.is_some(), compensating: self.compensating }
    }

    /// Runs the forward steps up to the payment.
    async fn forward(ctx: &WorkflowContext<Self>, order: OrderInput) -> Result<StepResult, Halt> {
        let order_id = order.id;
        let reservation = ReservationRequest { order_id, currency: order.currency, items: order.items.clone() };
        let mut payment = PaymentRequest {
            order_id,
            amount_minor: order.total_minor,
            currency: order.currency,
            payment_method: order.payment_method.clone(),
            resumed: false,
        };
        // An accepted order is always recorded, even if it is already cancelled: its result must be
        // visible.
        let recorded = run_step(ctx, || OrderActivities::create_order, order, detached()).await;
        // If the order has already left PENDING, the workflow may have been started again long
        // afterwards, when the gateway has forgotten the order's idempotency key.
        payment.resumed = Self::advance(ctx, recorded).await?.status != OrderStatus::Pending;
        Self::reserve_and_pay(ctx, reservation, payment).await
    }

    /// Reserves the order's stock, waits for a decision if one is needed, and charges the payment.
    async fn reserve_and_pay(
        ctx: &WorkflowContext<Self>,
        reservation: ReservationRequest,
        mut payment: PaymentRequest,
    ) -> Result<StepResult, Halt> {
        let order_id = reservation.order_id;
        let scope = ctx.state(|s| s.scope.clone());
        let reserved = run_step(ctx, || OrderActivities::check_inventory, reservation, scope.clone()).await;
        let mut progress = Self::advance(ctx, reserved).await?;
        payment.amount_minor = progress.amount_minor.unwrap_or(payment.amount_minor);
        while matches!(progress.status, OrderStatus::ActionRequired | OrderStatus::InReview) {
            progress = Self::decide(ctx, order_id, progress).await?;
            payment.amount_minor = progress.amount_minor.unwrap_or(payment.amount_minor);
        }
        let paid = run_step(ctx, || OrderActivities::process_payment, payment, scope).await;
        Self::advance(ctx, paid).await
    }

    /// Records the result of a step, and checks whether the order may continue.
    async fn advance(ctx: &WorkflowContext<Self>, result: Result<StepResult, ActivityExecutionError>) -> Result<StepResult, Halt> {
        let progress = match result {
            Ok(progress) => progress,
            Err(ActivityExecutionError::Cancelled(_)) => return Err(Halt::Cancelled),
            // The attempt that was running when the cancellation came has failed. It is not
            // repeated.
            Err(error) if refusal(&error).is_none() && ctx.state(|s| s.scope.is_cancelled()) => return Err(Halt::Cancelled),
            Err(error) => return Err(Self::refused(ctx, &error)),
        };
        ctx.state_mut(|s| s.status = progress.status);
        if progress.status.is_final() {
            return Err(Halt::Ended(progress.status));
        }
        if progress.took_ms >= SLOW_STEP_MS {
            // Ends the workflow task, so that a signal that has arrived meanwhile is handled before
            // the next step.
            let _ = ctx.timer(Duration::from_millis(1)).await;
        }
        if ctx.state(|s| s.scope.is_cancelled()) {
            return Err(Halt::Cancelled);
        }
        Ok(progress)
    }

    fn refused(ctx: &WorkflowContext<Self>, error: &ActivityExecutionError) -> Halt {
        ctx.state_mut(|s| s.failure = refusal_kind(error));
        Halt::Refused(reason(error))
    }

    /// Updates the search attributes, if the workflow was started with them ([`search`]).
    fn publish(ctx: &WorkflowContext<Self>, updates: impl IntoIterator<Item = SearchAttributeUpdate>) {
        if ctx.search_attributes().contains_key(&search::CURRENCY) {
            ctx.upsert_search_attributes(updates);
        }
    }

    fn publish_end(ctx: &WorkflowContext<Self>, status: OrderStatus) {
        let failure = ctx.state(|s| s.failure).filter(|_| status == OrderStatus::Failed);
        let failure = failure.map(|failure| search::FAILURE.value_set(failure.as_str().to_owned()));
        Self::publish(ctx, [search::STATUS.value_set(status.to_string())].into_iter().chain(failure));
    }

    /// Waits until `condition` is true, `scope` is cancelled, or `limit` has passed. Returns
    /// whether the condition is true.
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

    /// Records a notification. Returns the order's status after that.
    async fn send_notification(
        ctx: &WorkflowContext<Self>,
        order_id: OrderId,
        kind: NoticeKind,
    ) -> Result<OrderStatus, ActivityExecutionError> {
        let notice = Notice { order_id, kind };
        let notified = run_step(ctx, || OrderActivities::send_notification, notice, detached()).await?;
        Ok(notified.status)
    }

    /// Ends the workflow of an order that has already ended. The notification is recorded again,
    /// because a worker may have died after it ended the order and before it recorded the
    /// notification.
    async fn ended(ctx: &WorkflowContext<Self>, order_id: OrderId, status: OrderStatus) -> Result<Ended, ActivityExecutionError> {
        if let Some(end) = End::from_status(status) {
            Self::send_notification(ctx, order_id, end.notice()).await?;
        }
        Ok((status, None))
    }

    /// Whether a cancellation was requested for an order that is already completed. `CancelOrder`
    /// then records that the cancellation came too late.
    fn is_cancelled_too_late(ctx: &WorkflowContext<Self>) -> bool {
        // The histories of earlier releases end without this step.
        ctx.state(|s| s.cancel.is_some()) && ctx.patched("refuse-cancellation-of-completed-order")
    }

    async fn cancelled(ctx: &WorkflowContext<Self>, order_id: OrderId) -> Result<Ended, ActivityExecutionError> {
        let asked = ctx.state(|s| s.cancel.as_ref().and_then(|cancel| cancel.reason.clone()));
        Self::compensate(ctx, order_id, End::Cancelled, asked.unwrap_or_else(|| CANCELLED_ON_REQUEST.to_owned())).await
    }

    /// Compensates the order and ends it, unless it has already ended or is on its way. This step
    /// cannot be cancelled, and is retried until it succeeds.
    async fn compensate(ctx: &WorkflowContext<Self>, order_id: OrderId, end: End, reason: String) -> Result<Ended, ActivityExecutionError> {
        ctx.state_mut(|s| s.compensating = true);
        let request = CompensationRequest { order_id, end, reason: reason.clone() };
        let ended = run_step(ctx, || OrderActivities::cancel_order, request, detached()).await?;
        let is_compensated = ended.status == end.status();
        if let Some(end) = End::from_status(ended.status) {
            // The order may have ended with the other status: a worker may have ended it, and died
            // before it recorded the notification.
            Self::send_notification(ctx, order_id, end.notice()).await?;
        }
        ctx.state_mut(|s| s.compensating = false);
        Ok((ended.status, is_compensated.then_some(reason)))
    }
}

/// The reason that the customer reads for a failed step: the text of a refusal, or a general text
/// for any other error.
fn reason(error: &ActivityExecutionError) -> String {
    refusal(error).unwrap_or(PAYMENT_UNANSWERED).to_owned()
}

fn refusal_kind(error: &ActivityExecutionError) -> Option<Refusal> {
    Refusal::named(&step::reported(error)?.0.r#type)
}

/// The text of a refusal; `None` for any other error.
fn refusal(error: &ActivityExecutionError) -> Option<&str> {
    let (failure, message) = step::reported(error)?;
    Refusal::named(&failure.r#type).map(|_| message)
}
