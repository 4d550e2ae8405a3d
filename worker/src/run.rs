//! `worker run`: polls Temporal and executes activities until it is asked to stop.

use crate::{
    activities::{self, Activities},
    config::{Concurrency, PaymentGateway, Payments, Run},
    db,
    events::Publisher,
    notification::{Feedback, NotificationDispatcher},
    ops::attention,
    ops::busy::Busy,
    ops::cloudwatch,
    ops::health,
    ops::health::Health,
    ops::history,
    ops::release::{self, Releaser},
    ops::resume::Resumer,
    ops::search,
    ops::system::System,
    payment::{Gateways, Sandbox, Stripe},
    projection::Projector,
    shipping::Shipping,
    stock::{self, ReservationPolicy},
    trace::{self, TracedGateway},
};
use anyhow::{Context, anyhow};
use aws_config::SdkConfig;
use deadpool_postgres::Pool;
use orders::{OrderWorkflow, ReconcileWorkflow, RefundWorkflow, RestockWorkflow, workflow::StepSettings};
use platform::{
    background::Background,
    read_model::ReadModel,
    stop,
    temporal::{Connector, Timeouts},
};
use std::{net::Ipv4Addr, sync::Arc, time::Duration};
use temporalio_client::Client;
use temporalio_common::telemetry::{PrometheusExporterOptions, TelemetryOptions, metrics::CoreMeter, start_prometheus_metric_exporter};
use temporalio_sdk::{
    Runtime, Worker, WorkerOptions,
    runtime::{
        AutoscalingOptions, PollerBehavior, RuntimeOptions,
        worker_tuner::{FixedSizeSlotSupplier, TunerHolder},
    },
};
use tokio::sync::{Notify, Semaphore, watch};

/// The wait before the next attempt to connect to Temporal.
const RECONNECT_PAUSE: Duration = Duration::from_secs(1);
/// How long after the drain the SDK's worker may take to end. It is also the time limit for the
/// last projections.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(300);
/// The time after the drain at which the process ends, even if some work is not finished.
const FORCED_EXIT_AFTER: Duration = Duration::from_millis(900);

/// Works until SIGTERM, SIGINT or SIGHUP. Then it finishes what it has begun.
///
/// # Errors
/// Fails if the configuration cannot be used, if the port is in use, or if a background task ends.
/// An unreachable dependency is no error: the worker waits for it.
pub async fn run(settings: Run) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    trace::init(&settings.trace)?;
    let stop = stop::requested()?;
    stop::enforce(stop.clone(), settings.drain + FORCED_EXIT_AFTER);
    let listener = health::bind(settings.port.address()).await?;
    let pool = tokio::select! {
        pool = db::pool(&settings.postgres) => pool?,
        () = stop::wait(stop.clone()) => return Ok(()),
    };
    let exporter = start_prometheus_metric_exporter(
        PrometheusExporterOptions::builder()
            .socket_addr((Ipv4Addr::LOCALHOST, 0).into())
            .counters_total_suffix(true)
            .unit_suffix(true)
            .use_seconds_for_durations(true)
            .build(),
    )?;
    platform::metrics::initialise(platform::metrics::Program::Worker);
    let parts = Parts::new(settings, pool, exporter.meter).await?;
    let mut work = Work::begin(&parts)?;
    let health = Health::new(work.system.clone(), parts.settings.release.worker_version.clone(), exporter.bound_addr);
    work.background.spawn("health", health::serve(listener, health));
    if let Some(stack) = parts.settings.cloudwatch.metrics_stack.clone() {
        let (period, system, withdrawn) = (parts.settings.cloudwatch.metrics_period, work.system.clone(), work.withdrawn.clone());
        work.background.spawn("metrics", cloudwatch::publish(stack, period, system, withdrawn));
    }
    work.run(None, stop).await?;
    platform::trace::shut_down().await;
    tracing::info!("stopped");
    Ok(())
}

/// What a worker is made from. It may be used for several runs, one after the other.
pub(crate) struct Parts {
    pub(crate) settings: Run,
    pub(crate) pool: Pool,
    pub(crate) read_model: ReadModel,
    pub(crate) connector: Connector,
    pub(crate) feedback: Option<Feedback>,
    aws: SdkConfig,
    gateways: Gateways,
    meter: Arc<dyn CoreMeter>,
}

impl Parts {
    /// # Errors
    /// Fails if the settings of the payment gateway cannot be used.
    pub(crate) async fn new(settings: Run, pool: Pool, meter: Arc<dyn CoreMeter>) -> anyhow::Result<Self> {
        let aws = platform::aws::config(platform::aws::Timeouts::BACKGROUND).await;
        let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
        Ok(Self {
            read_model: ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model.clone()),
            connector: Connector::new(settings.temporal.clone(), "worker", timeouts),
            feedback: match settings.notifications.notice_feedback_queue_url.clone() {
                Some(queue_url) => Some(Feedback::new(pool.clone(), queue_url).await),
                None => None,
            },
            gateways: create_gateways(&settings.payments, &pool).await?,
            settings,
            pool,
            aws,
            meter,
        })
    }

    /// `temporal` is the connection on which the worker receives tasks.
    pub(crate) fn system(&self, temporal: watch::Receiver<Option<Client>>) -> System {
        System {
            pool: self.pool.clone(),
            temporal,
            task_queue: self.settings.temporal.temporal_task_queue.clone(),
            stuck_limits: self.settings.stuck.clone(),
            has_topic: self.settings.events.events_topic_arn.is_some(),
        }
    }

    pub(crate) fn resumer(&self, temporal: watch::Receiver<Option<Client>>) -> Resumer {
        Resumer {
            pool: self.pool.clone(),
            temporal,
            task_queue: self.settings.temporal.temporal_task_queue.clone(),
            period: self.settings.resume_period,
        }
    }
}

/// A run of the worker: its loops run, and [`Work::run`] receives tasks.
pub(crate) struct Work<'a> {
    parts: &'a Parts,
    activities: Activities,
    runtime: Runtime,
    connected: watch::Sender<Option<Client>>,
    pub(crate) background: Background,
    pub(crate) system: System,
    /// Becomes true when this worker's version is withdrawn.
    withdrawn: watch::Receiver<bool>,
}

impl<'a> Work<'a> {
    /// Starts the loops over Postgres.
    ///
    /// # Errors
    /// Fails if the template of a notification has a mistake.
    pub(crate) fn begin(parts: &'a Parts) -> anyhow::Result<Self> {
        let Parts { settings, pool, read_model, aws, .. } = parts;
        let busy = Busy::default();
        let projector = Projector::new(pool.clone(), read_model.clone());
        let events_wakeup = Arc::new(Notify::new());
        let dispatcher = NotificationDispatcher::new(pool.clone(), aws, &settings.notifications, busy.clone())?;
        let activities = Activities {
            pool: pool.clone(),
            gateways: parts.gateways.clone(),
            payment_attempts: settings.steps.retry_maximum_attempts,
            projector: projector.clone(),
            notifications_wakeup: dispatcher.waker(),
            events_wakeup: events_wakeup.clone(),
            busy,
            limits: StepSettings::from(settings.steps.clone()),
            reservation_policy: ReservationPolicy::new(settings),
            shipping: Shipping::new(&settings.shipping, pool.clone()),
            // Half of the workflow tasks stay free for quick steps.
            long_attempts: Arc::new(Semaphore::new(settings.concurrency.worker_workflow_tasks / 2)),
        };
        let (connected, temporal) = watch::channel(None);
        let (is_withdrawn, withdrawn) = watch::channel(false);
        let system = parts.system(temporal.clone());
        let mut background = Background::default();
        background.spawn("projector", projector.run());
        background.spawn("notification dispatcher", dispatcher.run());
        if let Some(feedback) = parts.feedback.clone() {
            background.spawn("feedback", feedback.run());
        }
        if let Some(topic_arn) = settings.events.events_topic_arn.clone() {
            let sns = aws_sdk_sns::Client::new(aws);
            background.spawn("events", Publisher::new(pool.clone(), sns, topic_arn, events_wakeup).run());
        }
        background.spawn("resumer", parts.resumer(temporal.clone()).run());
        if let Some(version) = settings.release.worker_version.clone() {
            let (task_queue, trial) = (settings.temporal.temporal_task_queue.clone(), settings.release.trial);
            background.spawn("releaser", Releaser { temporal, task_queue, version, trial, is_withdrawn }.run());
        }
        background.spawn("expiry", stock::expiry::run(pool.clone()));
        background.spawn("refunds", activities::refund::run(activities.clone()));
        background.spawn("attention", attention::run(system.clone(), read_model.clone()));
        background.spawn("history", history::run(system.clone(), read_model.clone()));
        let telemetry = TelemetryOptions::builder().metrics(parts.meter.clone()).build();
        let options = RuntimeOptions::builder().telemetry_options(telemetry).build().map_err(anyhow::Error::msg)?;
        Ok(Self { parts, activities, runtime: Runtime::from_current_tokio(options)?, connected, background, system, withdrawn })
    }

    /// What this worker is doing.
    pub(crate) fn busy(&self) -> Busy {
        self.activities.busy.clone()
    }

    /// Receives tasks until `stop` becomes true, and then finishes what has begun. The first
    /// connection to Temporal is `client`, if there is one.
    ///
    /// # Errors
    /// Fails if a background task ends.
    pub(crate) async fn run(self, mut client: Option<Client>, stop: watch::Receiver<bool>) -> anyhow::Result<()> {
        let Self { parts, activities, runtime, connected, mut background, .. } = self;
        let projector = activities.projector.clone();
        let work = async {
            let mut last_error = String::new();
            while !*stop.borrow() {
                if let Err(error) = process_tasks(&runtime, parts, &activities, client.take(), &connected, stop.clone()).await {
                    let error = format!("{error:#}");
                    if last_error != error {
                        tracing::warn!(error, "cannot receive tasks from Temporal; retrying every second");
                        last_error = error;
                    }
                    let _ = tokio::time::timeout(RECONNECT_PAUSE, stop::wait(stop.clone())).await;
                }
            }
        };
        tokio::select! {
            () = work => {}
            // Another worker continues the work that has begun, as after a crash.
            ended = background.ended() => return Err(ended.into()),
        }
        // The next worker's sweep projects the rest.
        let _ = tokio::time::timeout(SHUTDOWN_GRACE, projector.flush()).await;
        Ok(())
    }
}

/// The gateway for new payments, and the gateways that may have taken earlier ones.
///
/// # Errors
/// Fails if the key of a gateway cannot be read.
pub(crate) async fn create_gateways(settings: &Payments, pool: &Pool) -> anyhow::Result<Gateways> {
    let sandbox = TracedGateway::around(Arc::new(Sandbox::new(pool.clone())));
    let stripe = async || anyhow::Ok(TracedGateway::around(Arc::new(Stripe::new(&settings.stripe).await?)));
    Ok(match settings.payment_gateway {
        PaymentGateway::Stripe => Gateways::new(stripe().await?, vec![sandbox]),
        PaymentGateway::Sandbox if settings.stripe.has_key() => Gateways::new(sandbox, vec![stripe().await?]),
        PaymentGateway::Sandbox => Gateways::new(sandbox, Vec::new()),
    })
}

/// Connects to Temporal, unless there is a connection, and processes tasks. Returns when `stop`
/// becomes true, or fails if the connection cannot recover.
async fn process_tasks(
    runtime: &Runtime,
    parts: &Parts,
    activities: &Activities,
    client: Option<Client>,
    connected: &watch::Sender<Option<Client>>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let Parts { settings, connector, .. } = parts;
    let client = match client {
        Some(client) => client,
        None => tokio::select! {
            client = connector.connect() => client?,
            () = stop::wait(stop.clone()) => return Ok(()),
        },
    };
    let mut worker = Worker::new(runtime, client.clone(), worker_options(settings, activities)?).map_err(|error| anyhow!("{error}"))?;
    let shut_down = worker.shutdown_handle();
    connected.send_replace(Some(client.clone()));
    if settings.temporal.search.temporal_search_attributes {
        tokio::spawn(search::create_attributes(client));
    }
    tracing::info!(task_queue = settings.temporal.temporal_task_queue, "receiving tasks from Temporal");
    let time_limit = settings.drain + SHUTDOWN_GRACE;
    let drain = async move {
        stop::wait(stop).await;
        shut_down();
        // The SDK waits half a minute for its polls to end. A frozen Temporal server does not end
        // them. Neither does a server that cannot end polls on request (sdk-rust#1297).
        tokio::time::sleep(time_limit).await;
        tracing::warn!("Temporal did not end this worker's polls in time");
    };
    let result = tokio::select! {
        result = worker.run() => result,
        () = drain => Ok(()),
    };
    connected.send_replace(None);
    if result.is_err() {
        // The SDK recovers from every polling error except a refusal. A refusal may mean that the
        // credentials have changed, so the next connection reads them again.
        connector.forget_credentials();
    }
    result.map_err(|error| anyhow!("{error}")).context("the worker stopped polling")
}

fn worker_options(settings: &Run, activities: &Activities) -> anyhow::Result<WorkerOptions> {
    let (concurrency, limits): (&Concurrency, _) = (&settings.concurrency, &activities.limits);
    let pollers = || {
        let scaling = AutoscalingOptions::builder().minimum(1).maximum(concurrency.worker_max_pollers).initial(1).build();
        PollerBehavior::Autoscaling(scaling)
    };
    let slots = TunerHolder::builder()
        .workflow_task_slot_supplier(FixedSizeSlotSupplier::new(concurrency.worker_workflow_tasks))
        .activity_task_slot_supplier(FixedSizeSlotSupplier::new(concurrency.worker_activities))
        .local_activity_task_slot_supplier(FixedSizeSlotSupplier::new(concurrency.worker_local_activities))
        .nexus_task_slot_supplier(FixedSizeSlotSupplier::new(1))
        .build();
    let (order_limits, refund_limits, event_limits, restock_limits) = (limits.clone(), limits.clone(), limits.clone(), limits.clone());
    let mut options = WorkerOptions::new(settings.temporal.temporal_task_queue.clone())
        .register_workflow_with_factory::<OrderWorkflow, _>(move || OrderWorkflow::new(order_limits.clone()))?
        .register_workflow_with_factory::<RefundWorkflow, _>(move || RefundWorkflow::new(refund_limits.clone()))?
        .register_workflow_with_factory::<ReconcileWorkflow, _>(move || ReconcileWorkflow::new(event_limits.clone()))?
        .register_workflow_with_factory::<RestockWorkflow, _>(move || RestockWorkflow::new(restock_limits.clone()))?
        .register_activities(activities.clone())
        .deployment_options(release::options(&settings.temporal.temporal_task_queue, settings.release.worker_version.as_deref()))
        .max_cached_workflows(concurrency.worker_cached_workflows)
        .workflow_task_poller_behavior(pollers())
        .activity_task_poller_behavior(pollers())
        .tuner(slots)
        .graceful_shutdown_period(settings.drain);
    if let Some(plugin) = trace::plugin() {
        options = options.worker_plugin(plugin);
    }
    Ok(options.build())
}
