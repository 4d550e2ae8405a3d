//! Starting and signalling order workflows.
//!
//! Somebody waits for each call, and an order that Temporal does not take goes to the intake queue, so everything towards Temporal, connecting
//! included, has [`LIMIT`] to succeed. The connection is made once, by whoever needs it first, and heals itself; it is made anew when Temporal
//! refuses its credentials, which somebody may have rotated, and when it has been [`Unreached`] for so long that they may be the reason. While
//! Temporal is away a [`Breaker`] spares all but one request a second the wait.

mod breaker;
mod unreached;

use breaker::Breaker;
use orders::{
    OrderId, OrderInput,
    reconciliation::PaymentEvent,
    refund::RefundInput,
    restock::{RestockInput, Restocked},
    shipping::Scan,
    workflow::{
        Cancel, OrderStart, OrderWorkflow, OrderWorkflowType, ReconcileWorkflowType, RefundWorkflowType, RestockWorkflowType, Resume,
        Review,
    },
};
use platform::temporal::{self, Backlog};
use std::time::{Duration, Instant};
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions, WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError},
    tonic,
};
use temporalio_common::SignalDefinition;
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};
use unreached::Unreached;

/// How long everything towards Temporal may take.
pub const LIMIT: Duration = Duration::from_secs(2);
/// Orders that wait for Temporal at once while somebody waits for them, in one process. A Temporal that has these keeps its processors busy; more would
/// only make each other wait.
pub const STARTS_AT_ONCE: usize = 16;
/// How long somebody who started something is kept waiting for its end.
const MOMENT: Duration = Duration::from_secs(2);
/// Retries within a call bridge a lost connection; longer absences are the intake queue's business.
const PATIENCE: temporal::Patience = temporal::Patience { connect: Duration::from_secs(1), call: Duration::from_millis(500) };

/// Temporal did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Temporal was away a moment ago")]
    Resting,
    #[error("{STARTS_AT_ONCE} orders wait for Temporal already")]
    Busy,
    #[error("Temporal did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    #[error(transparent)]
    Connect(#[from] temporal::Error),
    #[error("Temporal did not start the workflow")]
    Start(#[source] WorkflowStartError),
    #[error("Temporal did not take the signal")]
    Signal(#[source] WorkflowInteractionError),
    #[error("Temporal did not answer")]
    Ping(#[source] tonic::Status),
}

impl Error {
    /// Whether asking again is no use: Temporal is there and will not have it.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Start(WorkflowStartError::Rpc(status)) => status.code() == tonic::Code::InvalidArgument,
            Self::Start(WorkflowStartError::PayloadConversion(_)) => true,
            _ => false,
        }
    }

    /// What Temporal, or the way to it, says of a call.
    fn status(&self) -> Option<&tonic::Status> {
        match self {
            Self::Start(WorkflowStartError::Rpc(status)) | Self::Signal(WorkflowInteractionError::Rpc(status)) | Self::Ping(status) => {
                Some(status)
            }
            _ => None,
        }
    }

    /// Whether Temporal does not let us in any more.
    fn refuses_credentials(&self) -> bool {
        self.status().is_some_and(temporal::refuses_credentials)
    }

    /// The error and what lies beneath it, for the log.
    #[must_use]
    pub fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            text = format!("{text}: {error}");
            source = error.source();
        }
        text
    }
}

/// What became of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    Delivered,
    /// No workflow of this order is running: it has ended, or has not been started yet.
    NotRunning,
}

/// The order workflows in Temporal.
pub struct Workflows {
    task_queue: String,
    connector: temporal::Connector,
    client: Mutex<Option<Client>>,
    breaker: Breaker,
    unreached: Unreached,
    /// A permit for each start that somebody may wait for.
    starts: Semaphore,
}

impl Workflows {
    #[must_use]
    pub fn new(settings: temporal::Settings) -> Self {
        let task_queue = settings.temporal_task_queue.clone();
        let connector = temporal::Connector::new(settings, "orderflow-functions", PATIENCE);
        let starts = Semaphore::new(STARTS_AT_ONCE);
        Self { task_queue, connector, client: Mutex::default(), breaker: Breaker::default(), unreached: Unreached::default(), starts }
    }

    /// Connects ahead of the first call. When Temporal is away, the first call that finds it back connects.
    pub async fn warm(&self) {
        // What failed has been logged, and is tried again.
        let _ = self.call(|_| async { Ok(()) }).await;
    }

    /// Makes sure that the order's workflow has been started; a workflow that runs or has ended counts.
    ///
    /// # Errors
    /// When Temporal does not confirm it in time. The workflow may have been started nevertheless.
    pub async fn start(&self, order: OrderInput) -> Result<(), Error> {
        let options = self.once(order.id.to_string());
        let start = OrderStart::New(order);
        self.call(|client| async move { started(client.start_workflow(OrderWorkflowType, start, options).await) }).await
    }

    /// As [`Self::start`], unless as many orders as may ([`STARTS_AT_ONCE`]) wait for that already.
    ///
    /// # Errors
    /// As [`Self::start`], and [`Error::Busy`].
    pub async fn start_unless_busy(&self, order: OrderInput) -> Result<(), Error> {
        let _turn = self.starts.try_acquire().map_err(|_| Error::Busy)?;
        self.start(order).await
    }

    /// Makes sure that the refund's workflow has been started.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn refund(&self, refund: RefundInput) -> Result<(), Error> {
        let options = self.once(refund.id.to_string());
        self.call(|client| async move { started(client.start_workflow(RefundWorkflowType, refund, options).await) }).await
    }

    /// Makes sure that the restock's workflow has been started, and waits a moment for its end; `None` when it goes on for longer.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn restock(&self, restock: RestockInput) -> Result<Option<Restocked>, Error> {
        let id = restock.id.to_string();
        let options = self.once(id.clone());
        self.call(|client| async move { started(client.start_workflow(RestockWorkflowType, restock, options).await) }).await?;
        let end = timeout(MOMENT, async {
            let handle = self.client().await.ok()?.get_workflow_handle::<RestockWorkflowType>(&id);
            let end = handle.get_result(WorkflowGetResultOptions::default()).await;
            end.inspect_err(|error| tracing::warn!(restock_id = id, %error, "{id}: it was started, and its end is not known")).ok()
        });
        Ok(end.await.unwrap_or_default())
    }

    /// Makes sure that an event at the payment gateway is looked into, once for each id.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn reconcile(&self, id: String, event: PaymentEvent) -> Result<(), Error> {
        let options = self.once(id);
        self.call(|client| async move { started(client.start_workflow(ReconcileWorkflowType, event, options).await) }).await
    }

    /// To start a workflow that is never to be started a second time.
    fn once(&self, id: String) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.clone(), id)
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build()
    }

    /// Asks the order's workflow to cancel it.
    ///
    /// # Errors
    /// When Temporal does not confirm it in time.
    pub async fn cancel(&self, order: OrderId, reason: Option<String>) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::cancel, Cancel { reason }).await
    }

    /// Starts the workflow of an order again that has not ended though no workflow of it is running, and asks it to cancel the order. It goes on from
    /// what Postgres knows. One that has been started meanwhile is asked.
    ///
    /// # Errors
    /// As [`Self::cancel`].
    pub async fn resume_and_cancel(&self, order: OrderId, reason: Option<String>) -> Result<(), Error> {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), order.to_string())
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let (start, cancel) = (OrderStart::Again(Resume::of(order)), Cancel { reason });
        self.call(|client| async move {
            started(client.signal_with_start_workflow(OrderWorkflowType, start, OrderWorkflow::cancel, cancel, options).await)
        })
        .await
    }

    /// Tells the order's workflow that the customer takes what there is.
    ///
    /// # Errors
    /// As [`Self::cancel`].
    pub async fn amend(&self, order: OrderId) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::amend, ()).await
    }

    /// Tells the order's workflow what the shop's people say.
    ///
    /// # Errors
    /// As [`Self::cancel`].
    pub async fn review(&self, order: OrderId, review: Review) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::review, review).await
    }

    /// Tells the order's workflow where a shipment is.
    ///
    /// # Errors
    /// As [`Self::cancel`].
    pub async fn scan(&self, scan: Scan) -> Result<Signalled, Error> {
        self.signal(scan.shipment_id.order_id, OrderWorkflow::scan, scan).await
    }

    async fn signal<S>(&self, order: OrderId, signal: S, input: S::Input) -> Result<Signalled, Error>
    where
        S: SignalDefinition<Workflow = OrderWorkflowType>,
        S::Input: Send,
    {
        self.call(|client| async move {
            let handle = client.get_workflow_handle::<OrderWorkflowType>(order.to_string());
            match handle.signal(signal, input, WorkflowSignalOptions::default()).await {
                Ok(()) => Ok(Signalled::Delivered),
                Err(WorkflowInteractionError::NotFound(_)) => Ok(Signalled::NotRunning),
                Err(error) => Err(Error::Signal(error)),
            }
        })
        .await
    }

    /// Asks Temporal for a sign of life, also while the breaker is open.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn ping(&self) -> Result<(), Error> {
        self.attempt(|client| async move { temporal::ping(&client).await.map_err(Error::Ping) }).await
    }

    /// What waits for a worker, also while the breaker is open.
    ///
    /// # Errors
    /// When Temporal does not tell in time.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        self.attempt(|client| async move { Backlog::read(&client, &self.task_queue).await.map_err(Error::Ping) }).await
    }

    /// One attempt, unless Temporal was away a moment ago.
    async fn call<T, F: Future<Output = Result<T, Error>>>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Error> {
        if self.breaker.allows() { self.attempt(work).await } else { Err(Error::Resting) }
    }

    async fn attempt<T, F: Future<Output = Result<T, Error>>>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Error> {
        let attempt = timeout(LIMIT, async { work(self.client().await?).await });
        let result = attempt.await.unwrap_or(Err(Error::TimedOut));
        self.breaker.record(&result);
        let is_refused = result.as_ref().is_err_and(Error::refuses_credentials);
        if is_refused {
            self.connector.forget_credentials();
        }
        // Should the secret have to be read again, the connector finds out.
        if is_refused || (self.unreached.for_too_long(&result, Instant::now()) && self.connector.has_secret()) {
            *self.client.lock().await = None;
        }
        result
    }

    /// The client; made by the first who asks, while the others wait for the same connection.
    async fn client(&self) -> Result<Client, temporal::Error> {
        let mut client = self.client.lock().await;
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(self.connector.connect().await?).clone()),
        }
    }
}

fn started<T>(result: Result<T, WorkflowStartError>) -> Result<(), Error> {
    match result {
        Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
        Err(error) => Err(Error::Start(error)),
    }
}
