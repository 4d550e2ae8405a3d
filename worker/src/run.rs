//! `worker run`: polls Temporal and executes activities until it is asked to stop.

use crate::{
    activities::{self, Activities},
    config::{Concurrency, PaymentGateway, Payments, Run},
    db,
    events::Publisher,
    notification::{Feedback, NotificationDispatcher},
    ops::attention,
    ops::cloudwatch,
    ops::health,
    ops::health::Health,
    ops::release::{self, Releaser},
    ops::resume::Resumer,
    ops::system::System,
    payment::{Gateway, Gateways, Sandbox, Stripe},
    projection::Projector,
    shipping::Shipping,
    stock::{self, ReservationPolicy},
};
use anyhow::{Context, anyhow};
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
    let meter: Arc<dyn CoreMeter> = exporter.meter;
    platform::metrics::initialise(platform::metrics::Program::Worker);

    let aws = platform::aws::config(platform::aws::Timeouts::BACKGROUND).await;
    let read_model = ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model.clone());
    let projector = Projector::new(pool.clone(), read_model.clone());
    let (sns, events_wakeup) = (aws_sdk_sns::Client::new(&aws), Arc::new(Notify::new()));
    let dispatcher = NotificationDispatcher::new(pool.clone(), &aws, &settings.notifications)?;
    let limits = StepSettings::from(settings.steps.clone());
    let activities = Activities {
        pool: pool.clone(),
        gateways: create_gateways(&settings.payments, &pool).await?,
        payment_attempts: settings.steps.retry_maximum_attempts,
        projector: projector.clone(),
        notifications_wakeup: dispatcher.waker(),
        events_wakeup: events_wakeup.clone(),
        limits: limits.clone(),
        reservation_policy: ReservationPolicy::new(&settings),
        shipping: Shipping::new(&settings.shipping, pool.clone()),
        // Half of the workflow tasks stay free for quick steps.
        long_attempts: Arc::new(Semaphore::new(settings.concurrency.worker_workflow_tasks / 2)),
    };

    let (connected, temporal) = watch::channel(None);
    let task_queue = settings.temporal.temporal_task_queue.clone();
    let resumer =
        Resumer { pool: pool.clone(), temporal: temporal.clone(), task_queue: task_queue.clone(), period: settings.resume_period };
    let (is_withdrawn, withdrawn) = watch::channel(false);
    let releaser = settings.release.worker_version.clone().map(|version| Releaser {
        temporal: temporal.clone(),
        task_queue: task_queue.clone(),
        version,
        trial: settings.release.trial,
        is_withdrawn,
    });
    let system =
        System { pool, temporal, task_queue, stuck_limits: settings.stuck.clone(), has_topic: settings.events.events_topic_arn.is_some() };
    let health = Health::new(system.clone(), settings.release.worker_version.clone(), exporter.bound_addr);
    let mut background = Background::default();
    background.spawn("health", health::serve(listener, health));
    background.spawn("projector", projector.clone().run());
    background.spawn("notification dispatcher", dispatcher.run());
    if let Some(queue_url) = settings.notifications.notice_feedback_queue_url.clone() {
        background.spawn("feedback", Feedback::new(system.pool.clone(), queue_url).await.run());
    }
    if let Some(topic_arn) = settings.events.events_topic_arn.clone() {
        background.spawn("events", Publisher::new(system.pool.clone(), sns, topic_arn, events_wakeup).run());
    }
    background.spawn("resumer", resumer.run());
    if let Some(releaser) = releaser {
        background.spawn("releaser", releaser.run());
    }
    background.spawn("expiry", stock::expiry::run(system.pool.clone()));
    background.spawn("refunds", activities::refund::run(activities.clone()));
    background.spawn("attention", attention::run(system.clone(), read_model));
    if let Some(stack) = settings.cloudwatch.metrics_stack.clone() {
        background.spawn("metrics", cloudwatch::publish(stack, settings.cloudwatch.metrics_period, system, withdrawn));
    }

    let telemetry = TelemetryOptions::builder().metrics(meter).build();
    let runtime = Runtime::from_current_tokio(RuntimeOptions::builder().telemetry_options(telemetry).build().map_err(anyhow::Error::msg)?)?;
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(10) };
    let connector = Connector::new(settings.temporal.clone(), "worker", timeouts);
    let work = async {
        let mut last_error = String::new();
        while !*stop.borrow() {
            if let Err(error) = process_tasks(&runtime, &connector, &settings, &activities, &limits, &connected, stop.clone()).await {
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
    drop(background);
    tracing::info!("stopped");
    Ok(())
}

/// The gateway for new payments, and the gateways that may have taken earlier ones.
async fn create_gateways(settings: &Payments, pool: &Pool) -> anyhow::Result<Gateways> {
    let sandbox: Arc<dyn Gateway> = Arc::new(Sandbox::new(pool.clone()));
    let stripe = async || anyhow::Ok(Arc::new(Stripe::new(&settings.stripe).await?) as Arc<dyn Gateway>);
    Ok(match settings.payment_gateway {
        PaymentGateway::Stripe => Gateways::new(stripe().await?, vec![sandbox]),
        PaymentGateway::Sandbox if settings.stripe.has_key() => Gateways::new(sandbox, vec![stripe().await?]),
        PaymentGateway::Sandbox => Gateways::new(sandbox, Vec::new()),
    })
}

/// Connects to Temporal and processes tasks. Returns when `stop` becomes true, or fails if the
/// connection cannot recover.
async fn process_tasks(
    runtime: &Runtime,
    connector: &Connector,
    settings: &Run,
    activities: &Activities,
    limits: &StepSettings,
    connected: &watch::Sender<Option<Client>>,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<()> {
    let client = tokio::select! {
        client = connector.connect() => client?,
        () = stop::wait(stop.clone()) => return Ok(()),
    };
    let mut worker =
        Worker::new(runtime, client.clone(), worker_options(settings, activities, limits)?).map_err(|error| anyhow!("{error}"))?;
    let shut_down = worker.shutdown_handle();
    connected.send_replace(Some(client));
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
    // The SDK recovers from every polling error except a refusal. A refusal may mean that the
    // credentials have changed, so the next connection reads them again.
    connector.forget_credentials();
    result.map_err(|error| anyhow!("{error}")).context("the worker stopped polling")
}

fn worker_options(settings: &Run, activities: &Activities, limits: &StepSettings) -> anyhow::Result<WorkerOptions> {
    let concurrency: &Concurrency = &settings.concurrency;
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
    Ok(WorkerOptions::new(settings.temporal.temporal_task_queue.clone())
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
        .graceful_shutdown_period(settings.drain)
        .build())
}
