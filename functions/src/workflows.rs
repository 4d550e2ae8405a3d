//! Starts and signals workflows.
//!
//! A client waits for each call, and an order that Temporal does not take goes to the intake queue.
//! Therefore every call has the time limit [`CALL_TIMEOUT`], which includes connecting.
//!
//! The first call opens the connection, and later the connection reconnects by itself. The
//! connection is replaced if Temporal refuses its credentials, because the credentials may have
//! been rotated. The connection is also replaced if no call has reached Temporal for a while
//! ([`ReconnectWatch`]), because outdated credentials may be the reason.
//!
//! While Temporal is away, a circuit breaker ([`Breaker`]) lets one request a second try, and the
//! other requests do not wait.
//!
//! If the worker runs on demand, a call that gives it a task also wakes it ([`Wakeup`]).

mod breaker;
mod reconnect;
mod search;

use breaker::Breaker;
use orders::{
    OrderId, OrderInput,
    reconciliation::PaymentEvent,
    refund::RefundInput,
    restock::{RestockInput, Restocked},
    search::summary,
    shipping::Scan,
    workflow::{
        Cancel, OrderStart, OrderWorkflow, OrderWorkflowType, ReconcileWorkflowType, RefundWorkflowType, RestockWorkflowType, Resume,
        Review,
    },
};
use platform::{
    error::chain,
    temporal::{self, Backlog},
    wakeup::{TASK, Wakeup},
};
use reconnect::ReconnectWatch;
use search::SearchAttributesOfOrders;
use std::time::{Duration, Instant};
use temporalio_client::{
    Client, WorkflowGetResultOptions, WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowSignalOptions, WorkflowStartOptions,
    errors::{WorkflowInteractionError, WorkflowStartError},
    tonic,
};
use temporalio_common::{SignalDefinition, search_attributes::SearchAttributes};
use tokio::{
    sync::{Mutex, Semaphore},
    time::timeout,
};

/// The time limit for each call to Temporal.
pub const CALL_TIMEOUT: Duration = Duration::from_secs(2);
/// The maximum number of orders that one process starts at the same time while their clients wait.
/// This number keeps Temporal's processors busy. With more orders, each order would only wait
/// longer.
pub const MAX_CONCURRENT_STARTS: usize = 16;
/// How long a call waits for the end of the workflow that it has started.
const RESULT_TIMEOUT: Duration = Duration::from_secs(2);
/// The time limits of the client. The retries within one call are enough for a lost connection.
/// During longer outages, the intake queue takes the orders.
const TIMEOUTS: temporal::Timeouts = temporal::Timeouts { connect: Duration::from_secs(1), call: Duration::from_millis(500) };

/// A call to Temporal failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("Temporal was away a moment ago")]
    CircuitOpen,
    #[error("{MAX_CONCURRENT_STARTS} orders wait for Temporal already")]
    Busy,
    #[error("Temporal did not answer within {} s", CALL_TIMEOUT.as_secs())]
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
    /// Whether a repeated call would fail, too: Temporal answered, and it will never accept this
    /// input.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Start(WorkflowStartError::Rpc(status)) => status.code() == tonic::Code::InvalidArgument,
            Self::Start(WorkflowStartError::PayloadConversion(_)) => true,
            _ => false,
        }
    }

    /// The status of the call, if Temporal or the connection gave one.
    fn status(&self) -> Option<&tonic::Status> {
        match self {
            Self::Start(WorkflowStartError::Rpc(status)) | Self::Signal(WorkflowInteractionError::Rpc(status)) | Self::Ping(status) => {
                Some(status)
            }
            _ => None,
        }
    }

    /// Whether Temporal refused the credentials.
    fn refuses_credentials(&self) -> bool {
        self.status().is_some_and(temporal::refuses_credentials)
    }
}

/// The result of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    Delivered,
    /// No workflow of this order is running. It has ended, or it has not been started yet.
    NotRunning,
}

/// Starts and signals workflows in Temporal.
pub struct Workflows {
    task_queue: String,
    connector: temporal::Connector,
    client: Mutex<Option<Client>>,
    breaker: Breaker,
    reconnect_watch: ReconnectWatch,
    search: SearchAttributesOfOrders,
    /// One permit for each start while a client waits.
    starts: Semaphore,
    /// `None` if workers run all the time.
    wakeup: Option<Wakeup>,
}

impl Workflows {
    #[must_use]
    pub fn new(settings: temporal::Settings, wakeup: Option<Wakeup>) -> Self {
        let task_queue = settings.temporal_task_queue.clone();
        let search = SearchAttributesOfOrders::new(&settings.search);
        let connector = temporal::Connector::new(settings, "orderflow-functions", TIMEOUTS);
        let starts = Semaphore::new(MAX_CONCURRENT_STARTS);
        Self {
            task_queue,
            connector,
            client: Mutex::default(),
            breaker: Breaker::default(),
            reconnect_watch: ReconnectWatch::default(),
            search,
            starts,
            wakeup,
        }
    }

    /// Whether the worker runs only while there is work.
    #[must_use]
    pub fn is_worker_on_demand(&self) -> bool {
        self.wakeup.is_some()
    }

    /// Connects before the first call. If Temporal is away, a later call connects.
    pub async fn warm(&self) {
        // A failure has been logged, and the next call tries again.
        let _ = self.call(|_| async { Ok(()) }).await;
    }

    /// Ensures that the order's workflow has been started. It may be running or have ended.
    ///
    /// # Errors
    /// Fails if Temporal does not confirm this in time. The workflow may have been started
    /// nevertheless.
    pub async fn start_order(&self, order: OrderInput) -> Result<(), Error> {
        let Some(attributes) = self.search.of(&order) else { return self.start_order_with(order, None).await };
        match self.start_order_with(order.clone(), Some(attributes)).await {
            // The namespace may lack the attributes.
            Err(refused) if refused.is_final() => {
                self.start_order_with(order, None).await?;
                self.search.pause(&refused);
                Ok(())
            }
            result => result,
        }
    }

    async fn start_order_with(&self, order: OrderInput, attributes: Option<SearchAttributes>) -> Result<(), Error> {
        let mut options = self.start_once_options(order.id.to_string());
        options.static_summary = attributes.is_some().then(|| summary(&order));
        options.search_attributes = attributes;
        let start = OrderStart::New(order);
        self.give_task(|client| async move { ok_if_started(client.start_workflow(OrderWorkflowType, start, options).await) }).await
    }

    /// As [`Self::start_order`], but fails at once if [`MAX_CONCURRENT_STARTS`] orders are already
    /// waiting.
    ///
    /// # Errors
    /// As for [`Self::start_order`], and [`Error::Busy`].
    pub async fn start_order_unless_busy(&self, order: OrderInput) -> Result<(), Error> {
        let _turn = self.starts.try_acquire().map_err(|_| Error::Busy)?;
        self.start_order(order).await
    }

    /// Ensures that the refund's workflow has been started.
    ///
    /// # Errors
    /// As for [`Self::start_order`].
    pub async fn start_refund(&self, refund: RefundInput) -> Result<(), Error> {
        let mut options = self.start_once_options(refund.id.to_string());
        options.static_summary = Some(format!("of {}", refund.order_id));
        self.give_task(|client| async move { ok_if_started(client.start_workflow(RefundWorkflowType, refund, options).await) }).await
    }

    /// Ensures that the restock's workflow has been started, and waits a moment for its end.
    /// Returns `None` if it is still running then.
    ///
    /// # Errors
    /// As for [`Self::start_order`].
    pub async fn start_restock(&self, restock: RestockInput) -> Result<Option<Restocked>, Error> {
        let id = restock.id.to_string();
        let mut options = self.start_once_options(id.clone());
        options.static_summary = Some(format!("{} of {}", restock.request.quantity, restock.product_id));
        self.give_task(|client| async move { ok_if_started(client.start_workflow(RestockWorkflowType, restock, options).await) }).await?;
        let end = timeout(RESULT_TIMEOUT, async {
            let handle = self.client().await.ok()?.get_workflow_handle::<RestockWorkflowType>(&id);
            let end = handle.get_result(WorkflowGetResultOptions::default()).await;
            end.inspect_err(|error| {
                tracing::warn!(restock_id = id, error = chain(error), "restock {id} was started, but its result is not known");
            })
            .ok()
        });
        Ok(end.await.unwrap_or_default())
    }

    /// Ensures that the workflow with this id has been started. It reconciles a payment after an
    /// event of the payment gateway.
    ///
    /// # Errors
    /// As for [`Self::start_order`].
    pub async fn start_reconciliation(&self, id: String, event: PaymentEvent) -> Result<(), Error> {
        let mut options = self.start_once_options(id);
        options.static_summary = Some(format!("about {}", event.order_id));
        self.give_task(|client| async move { ok_if_started(client.start_workflow(ReconcileWorkflowType, event, options).await) }).await
    }

    /// The options of a workflow that must never be started a second time.
    fn start_once_options(&self, id: String) -> WorkflowStartOptions {
        WorkflowStartOptions::new(self.task_queue.clone(), id)
            .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build()
    }

    /// Asks the order's workflow to cancel the order.
    ///
    /// # Errors
    /// Fails if Temporal does not confirm the signal in time.
    pub async fn cancel(&self, order: OrderId, reason: Option<String>) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::cancel, Cancel { reason }).await
    }

    /// Starts the workflow of an order again and asks it to cancel the order. Call it if the order
    /// has not ended although no workflow of it is running. The workflow continues from the facts
    /// in Postgres. If a workflow has been started meanwhile, the request goes to that workflow.
    ///
    /// # Errors
    /// As for [`Self::cancel`].
    pub async fn resume_and_cancel(&self, order: OrderId, reason: Option<String>) -> Result<(), Error> {
        let options = WorkflowStartOptions::new(self.task_queue.clone(), order.to_string())
            .id_reuse_policy(WorkflowIdReusePolicy::AllowDuplicate)
            .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
            .build();
        let (start, cancel) = (OrderStart::Again(Resume::for_order(order)), Cancel { reason });
        self.give_task(|client| async move {
            ok_if_started(client.signal_with_start_workflow(OrderWorkflowType, start, OrderWorkflow::cancel, cancel, options).await)
        })
        .await
    }

    /// Tells the order's workflow that the customer takes the offer.
    ///
    /// # Errors
    /// As for [`Self::cancel`].
    pub async fn amend(&self, order: OrderId) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::amend, ()).await
    }

    /// Passes a review decision to the order's workflow.
    ///
    /// # Errors
    /// As for [`Self::cancel`].
    pub async fn review(&self, order: OrderId, review: Review) -> Result<Signalled, Error> {
        self.signal(order, OrderWorkflow::review, review).await
    }

    /// Passes a tracking event to the order's workflow.
    ///
    /// # Errors
    /// As for [`Self::cancel`].
    pub async fn signal_tracking_event(&self, scan: Scan) -> Result<Signalled, Error> {
        self.signal(scan.shipment_id.order_id, OrderWorkflow::scan, scan).await
    }

    async fn signal<S>(&self, order: OrderId, signal: S, input: S::Input) -> Result<Signalled, Error>
    where
        S: SignalDefinition<Workflow = OrderWorkflowType>,
        S::Input: Send,
    {
        self.give_task(|client| async move {
            let handle = client.get_workflow_handle::<OrderWorkflowType>(order.to_string());
            match handle.signal(signal, input, WorkflowSignalOptions::default()).await {
                Ok(()) => Ok(Signalled::Delivered),
                Err(WorkflowInteractionError::NotFound(_)) => Ok(Signalled::NotRunning),
                Err(error) => Err(Error::Signal(error)),
            }
        })
        .await
    }

    /// Checks that Temporal answers, even while the circuit breaker is open.
    ///
    /// # Errors
    /// Fails if Temporal does not answer in time.
    pub async fn ping(&self) -> Result<(), Error> {
        self.attempt(|client| async move { temporal::ping(&client).await.map_err(Error::Ping) }).await
    }

    /// Reads the tasks that wait for a worker, even while the circuit breaker is open.
    ///
    /// # Errors
    /// Fails if Temporal does not answer in time.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        self.attempt(|client| async move { Backlog::read(&client, &self.task_queue).await.map_err(Error::Ping) }).await
    }

    /// Makes a call that gives the worker a task, and wakes the worker if it runs on demand. After a
    /// call whose result is not known, the schedule wakes the worker.
    async fn give_task<T, F: Future<Output = Result<T, Error>>>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Error> {
        let result = self.call(work).await?;
        if let Some(wakeup) = &self.wakeup {
            wakeup.send(TASK).await;
        }
        Ok(result)
    }

    /// Makes one attempt, unless the circuit breaker is open.
    async fn call<T, F: Future<Output = Result<T, Error>>>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Error> {
        if self.breaker.allows() { self.attempt(work).await } else { Err(Error::CircuitOpen) }
    }

    async fn attempt<T, F: Future<Output = Result<T, Error>>>(&self, work: impl FnOnce(Client) -> F) -> Result<T, Error> {
        let attempt = timeout(CALL_TIMEOUT, async { work(self.client().await?).await });
        let result = attempt.await.unwrap_or(Err(Error::TimedOut));
        self.breaker.record_result(&result);
        let is_refused = result.as_ref().is_err_and(Error::refuses_credentials);
        if is_refused {
            self.connector.forget_credentials();
        }
        // The next call opens a new connection. The connector decides whether it reads the secret
        // again.
        if is_refused || (self.reconnect_watch.should_reconnect(&result, Instant::now()) && self.connector.has_secret()) {
            *self.client.lock().await = None;
        }
        result
    }

    /// Returns the client. The first call opens the connection, and concurrent calls wait for the
    /// same connection.
    async fn client(&self) -> Result<Client, temporal::Error> {
        let mut client = self.client.lock().await;
        match &*client {
            Some(client) => Ok(client.clone()),
            None => Ok(client.insert(self.connector.connect().await?).clone()),
        }
    }
}

fn ok_if_started<T>(result: Result<T, WorkflowStartError>) -> Result<(), Error> {
    match result {
        Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => Ok(()),
        Err(error) => Err(Error::Start(error)),
    }
}
