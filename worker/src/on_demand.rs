//! `worker on-demand`: the worker as a function of AWS Lambda. A shop with few orders pays for it
//! only while it works.
//!
//! An invocation brings wake-ups from an SQS FIFO queue ([`platform::wakeup`]), at most one
//! invocation at a time. The API's functions send one for each task that they give the worker, and
//! a schedule sends one each minute, for timers and rows that are due. The invocation ends when
//! there is nothing to do, or shortly before Lambda's time limit. Then it sends a wake-up itself if
//! tasks wait.
//!
//! Lambda freezes the process between two invocations. So each invocation has a runtime of its own,
//! and everything that it has opened ends with it: no poll is left open that would take a task and
//! not process it, and no connection is used after Lambda has thawed the process. What stays is the
//! configuration, the secrets that were read, and the clients without their connections.

mod custom_resource;

use crate::{
    config::OnDemandRun,
    db,
    ops::attention::Reporter,
    ops::busy::Busy,
    ops::cloudwatch,
    ops::release,
    ops::resume::{self, Position},
    ops::system::System,
    run::{Parts, Work},
    trace,
};
use anyhow::{Context, anyhow};
pub use custom_resource::migrate;
use lambda_runtime::{LambdaEvent, service_fn};
use platform::wakeup::{REST, TASK, Wakeup};
use serde::Deserialize;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};
use temporalio_client::Client;
use temporalio_common::telemetry::metrics::NoOpCoreMeter;
use tokio::{
    runtime, select,
    sync::watch,
    task::spawn_blocking,
    time::{sleep, timeout},
};

/// The time between the end of the drain and Lambda's time limit. The last projections and the
/// wake-up of the next invocation are made in it.
const RESERVE: Duration = Duration::from_secs(5);
/// How long a worker waits for a task that it knows of: the one that it was woken for, or the rest
/// that an invocation before was cut off from. Temporal gives a workflow task to another worker 10 s
/// after it has given it to one that has ended since, and does not count it as waiting until then.
const TASK_IDLE: Duration = Duration::from_secs(12);
/// The time limit for the first connection to Temporal. Without it, the worker goes on trying, and
/// the loops over Postgres already work.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The pause between two looks at whether the worker is idle.
const LOOK_PAUSE: Duration = Duration::from_millis(200);
/// The pause between two looks at Temporal and Postgres while they have work.
const WORK_PAUSE: Duration = Duration::from_secs(1);
/// The time limit for Temporal and for Postgres to say whether they have work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);
/// The time limit for the tasks of the runtime of an invocation that cannot be cancelled.
const RUNTIME_END: Duration = Duration::from_millis(100);
/// Lambda starts the schedule's invocations a little irregularly. So what is due each minute is
/// done if almost a minute has passed.
const TOLERANCE: Duration = Duration::from_secs(10);

/// The time between two looks at whether workers with a version have ended. Temporal shows this 75 s
/// later.
const TAKE_OVER_PERIOD: Duration = Duration::from_secs(60);

/// Serves the invocations of the function.
///
/// # Errors
/// Fails if the configuration cannot be used, or if Lambda's runtime ends.
pub async fn run(settings: OnDemandRun) -> anyhow::Result<()> {
    let OnDemandRun { run, wakeup, idle } = settings;
    platform::log::init(&run.log);
    trace::init(&run.trace)?;
    let queue_url = wakeup.worker_wakeup_queue_url.context("WORKER_WAKEUP_QUEUE_URL is not set")?;
    let pool = db::pool(&run.postgres).await?;
    let sqs = aws_sdk_sqs::Client::new(&platform::aws::config(platform::aws::Timeouts::INTERACTIVE).await);
    // Nobody can read metrics from a function. Its metrics for CloudWatch are lines of its log.
    if run.cloudwatch.metrics_stack.is_some() {
        cloudwatch::begin();
    }
    let parts = Parts::new(run, pool, Arc::new(NoOpCoreMeter)).await?;
    let worker = Arc::new(Worker { parts, idle, wakeup: Wakeup::new(sqs, queue_url), memory: Mutex::default() });
    let serve = service_fn(|event: LambdaEvent<Event>| {
        let worker = worker.clone();
        async move {
            let stop_at = event.context.deadline() - worker.parts.settings.drain - RESERVE;
            let result = spawn_blocking(move || worker.invoke(&event.payload, stop_at)).await;
            // Spans are sent on this runtime, and only while the process is not frozen.
            platform::trace::flush().await;
            result?.map_err(|error| {
                // Lambda delivers the wake-ups again.
                tracing::error!(error = format!("{error:#}"), "the invocation failed");
                lambda_runtime::Error::from(format!("{error:#}"))
            })
        }
    });
    lambda_runtime::run(serve).await.map_err(|error| anyhow!(error))
}

/// An event of SQS. Another event, such as one from the console, is like the schedule's.
#[derive(Deserialize)]
struct Event {
    #[serde(rename = "Records", default)]
    records: Vec<Record>,
}

#[derive(Deserialize)]
struct Record {
    body: String,
    attributes: Attributes,
}

#[derive(Deserialize)]
struct Attributes {
    /// When SQS received the message, in milliseconds since 1970.
    #[serde(rename = "SentTimestamp")]
    sent: String,
}

impl Event {
    /// The time of the latest wake-up that says that there is a task.
    fn task_at(&self) -> Option<SystemTime> {
        let tasks = self.records.iter().filter(|record| [TASK, REST].contains(&record.body.as_str()));
        tasks.filter_map(|record| Some(SystemTime::UNIX_EPOCH + Duration::from_millis(record.attributes.sent.parse().ok()?))).max()
    }

    /// Whether an invocation before was cut off in the middle of its work.
    fn is_rest(&self) -> bool {
        self.records.iter().any(|record| record.body == REST)
    }
}

/// How long a worker waits for work before it ends.
#[derive(Clone, Copy)]
struct IdleTimeouts {
    /// Until the first piece of work.
    first: Duration,
    /// After a piece of work.
    further: Duration,
}

impl IdleTimeouts {
    fn new(idle: Duration, expects_task: bool, is_rest: bool) -> Self {
        let longer = |is_longer| if is_longer { idle.max(TASK_IDLE) } else { idle };
        Self { first: longer(expects_task || is_rest), further: longer(is_rest) }
    }

    /// Whether the worker has waited long enough.
    fn is_over(self, busy: &Busy) -> bool {
        busy.idle_for() >= if busy.has_worked() { self.further } else { self.first }
    }
}

struct Worker {
    parts: Parts,
    /// How long the worker waits for further work.
    idle: Duration,
    wakeup: Wakeup,
    memory: Mutex<Memory>,
}

/// What the process remembers of its earlier invocations. The times are those of the system's
/// clock, because others may stand still while the process is frozen.
#[derive(Clone)]
struct Memory {
    /// Until when the worker has received tasks.
    received_until: SystemTime,
    published_at: SystemTime,
    resumed_at: SystemTime,
    /// When the worker has looked for orders of versions whose workers have ended.
    took_over_at: SystemTime,
    /// The open orders after this one are checked next.
    position: Position,
}

impl Default for Memory {
    fn default() -> Self {
        let never = SystemTime::UNIX_EPOCH;
        Self { received_until: never, published_at: never, resumed_at: never, took_over_at: never, position: resume::FIRST }
    }
}

impl Memory {
    /// Whether a worker must receive tasks for a while because of a wake-up. Temporal hands out a
    /// task a moment after it was given, so a backlog of 0 does not mean that there is no task. A
    /// worker that went on for `idle` after the wake-up was sent has received its task.
    fn is_unserved(&self, task_at: Option<SystemTime>, idle: Duration) -> bool {
        task_at.is_some_and(|task_at| task_at + idle > self.received_until)
    }
}

fn has_passed(since: SystemTime, period: Duration) -> bool {
    SystemTime::now().duration_since(since).is_ok_and(|passed| passed + TOLERANCE >= period)
}

impl Worker {
    /// Serves an invocation on a runtime of its own.
    fn invoke(&self, event: &Event, stop_at: SystemTime) -> anyhow::Result<()> {
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        let result = runtime.block_on(self.serve(event, stop_at));
        runtime.shutdown_timeout(RUNTIME_END);
        result
    }

    async fn serve(&self, event: &Event, stop_at: SystemTime) -> anyhow::Result<()> {
        let mut memory = self.remembered(|memory| memory.clone());
        let client = self.connect().await;
        // Only this function uses this channel: the connection does not change any more.
        let (_connected, temporal) = watch::channel(client.clone());
        let system = self.parts.system(temporal.clone());
        let mut has_work = memory.is_unserved(event.task_at(), self.idle);
        has_work |= self.take_over(&mut memory, client.clone()).await;
        let mut timeouts = IdleTimeouts::new(self.idle, has_work, event.is_rest());
        let mut was_cut_off = false;
        loop {
            if has_work {
                was_cut_off = self.work(client.clone(), timeouts, stop_at).await?;
                timeouts.first = timeouts.further;
            }
            if SystemTime::now() >= stop_at {
                // What was cut off may come back to Temporal's backlog a moment later.
                if was_cut_off || has_tasks(&system).await {
                    tracing::info!("the time of the invocation is over; the next one goes on");
                    self.wakeup.send(REST).await;
                }
                break;
            }
            self.look_for_lost_work(&mut memory, temporal.clone()).await;
            has_work = has_tasks(&system).await || has_due_rows(&system).await;
            if !has_work {
                Reporter::default().report(&system, &self.parts.read_model).await;
                self.publish(&system).await;
                break;
            }
        }
        // Lambda may end this process, and its counters with it.
        if let Some(stack) = &self.parts.settings.cloudwatch.metrics_stack {
            cloudwatch::publish_done(stack);
        }
        self.remembered(|remembered| {
            *remembered = Memory { received_until: remembered.received_until, published_at: remembered.published_at, ..memory };
        });
        // Says goodbye to Postgres. The connections are closed in any case.
        self.parts.pool.retain(|_, _| false);
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn connect(&self) -> Option<Client> {
        let cause = match timeout(CONNECT_TIMEOUT, self.parts.connector.connect()).await {
            Ok(Ok(client)) => return Some(client),
            Ok(Err(error)) => format!("{:#}", anyhow::Error::from(error)),
            Err(_) => format!("no answer within {} s", CONNECT_TIMEOUT.as_secs()),
        };
        tracing::warn!(cause, "Temporal cannot be reached");
        None
    }

    /// Works until the worker is idle, or until `stop_at`. Then it finishes what it has begun.
    /// Returns whether it was not idle.
    async fn work(&self, client: Option<Client>, timeouts: IdleTimeouts, stop_at: SystemTime) -> anyhow::Result<bool> {
        let (stop, stopped) = watch::channel(false);
        let work = Work::begin(&self.parts)?;
        let (system, busy) = (work.system.clone(), work.busy());
        let work = work.run(client, stopped);
        tokio::pin!(work);
        let until_idle = async {
            while SystemTime::now() < stop_at {
                sleep(LOOK_PAUSE).await;
                if !timeouts.is_over(&busy) {
                    continue;
                }
                if !has_tasks(&system).await && !has_due_rows(&system).await {
                    break;
                }
                sleep(WORK_PAUSE).await;
            }
        };
        // A worker with much to do is not idle for a long time, over many invocations.
        let publishing = async {
            loop {
                sleep(WORK_PAUSE).await;
                self.publish(&system).await;
            }
        };
        select! {
            ended = &mut work => return ended.map(|()| true),
            () = until_idle => {}
            () = publishing => {}
        }
        let was_busy = !timeouts.is_over(&busy);
        self.remembered(|memory| memory.received_until = SystemTime::now());
        stop.send_replace(true);
        work.await?;
        Ok(was_busy)
    }

    /// Reads what other systems report, and starts lost workflows again. While the worker works, its
    /// loops do so, too.
    async fn look_for_lost_work(&self, memory: &mut Memory, temporal: watch::Receiver<Option<Client>>) {
        if let Some(feedback) = &self.parts.feedback
            && let Err(error) = feedback.process_batch(0).await
        {
            tracing::warn!(error = format!("{error:#}"), "e-mail feedback cannot be read now");
        }
        let period = self.parts.settings.resume_period;
        if !period.is_zero() && has_passed(memory.resumed_at, period) {
            match self.parts.resumer(temporal).check_batch(&memory.position).await {
                Ok(next) => memory.position = next.unwrap_or(resume::FIRST),
                Err(error) => tracing::warn!(error = format!("{error:#}"), "lost workflows cannot be searched for now"),
            }
            memory.resumed_at = SystemTime::now();
        }
    }

    /// Publishes the metrics if a period has passed since the last time.
    async fn publish(&self, system: &System) {
        let settings = &self.parts.settings.cloudwatch;
        if let Some(stack) = &settings.metrics_stack
            && has_passed(self.remembered(|memory| memory.published_at), settings.metrics_period)
        {
            cloudwatch::publish_now(stack, system, false).await;
            self.remembered(|memory| memory.published_at = SystemTime::now());
        }
    }

    /// Takes over from workers with a version that have ended: those that ran all the time before
    /// this worker. Returns whether it did, so that tasks may wait.
    async fn take_over(&self, memory: &mut Memory, client: Option<Client>) -> bool {
        let Some(client) = client.filter(|_| has_passed(memory.took_over_at, TAKE_OVER_PERIOD)) else { return false };
        match timeout(ANSWER_TIMEOUT, release::take_over(client, &self.parts.settings.temporal.temporal_task_queue)).await {
            Ok(Ok(took_over)) => {
                memory.took_over_at = SystemTime::now();
                return took_over;
            }
            Ok(Err(error)) => tracing::warn!(error = format!("{error:#}"), "it is not known whether other workers have ended"),
            Err(_) => tracing::warn!("Temporal does not say whether other workers have ended"),
        }
        false
    }

    fn remembered<T>(&self, use_memory: impl FnOnce(&mut Memory) -> T) -> T {
        use_memory(&mut self.memory.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Whether tasks wait in Temporal. If Temporal does not answer, there is nothing that a worker could
/// do about it.
async fn has_tasks(system: &System) -> bool {
    match timeout(ANSWER_TIMEOUT, system.read_backlog()).await {
        Ok(Ok(backlog)) => backlog.is_some_and(|backlog| backlog.tasks > 0),
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "it is not known whether tasks wait");
            false
        }
        Err(_) => false,
    }
}

/// Whether rows are due in Postgres.
async fn has_due_rows(system: &System) -> bool {
    match timeout(ANSWER_TIMEOUT, system.has_due_rows()).await {
        Ok(Ok(has_due_rows)) => has_due_rows,
        Ok(Err(error)) => {
            tracing::warn!(error = format!("{error:#}"), "it is not known whether rows are due");
            false
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::thread::sleep;

    #[test]
    fn a_wake_up_is_served_by_a_worker_that_went_on_for_a_while() {
        let (sent, idle) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_000), Duration::from_secs(5));
        let is_unserved = |received_until| Memory { received_until, ..Memory::default() }.is_unserved(Some(sent), idle);
        assert!(is_unserved(SystemTime::UNIX_EPOCH), "no worker has run");
        assert!(is_unserved(sent + Duration::from_millis(4_999)), "it may have missed the task");
        assert!(!is_unserved(sent + idle));
        assert!(!Memory::default().is_unserved(None, idle), "the schedule's");
    }

    #[test]
    fn the_latest_task_counts() {
        let record = |body: &str, sent: &str| json!({ "body": body, "attributes": { "SentTimestamp": sent } });
        let event = json!({ "Records": [record("task", "1000"), record("task", "2500"), record("{\"source\":\"aws.events\"}", "9000")] });
        let event: Event = serde_json::from_value(event).unwrap();
        assert_eq!(event.task_at(), Some(SystemTime::UNIX_EPOCH + Duration::from_millis(2_500)));
        let other: Event = serde_json::from_value(json!({ "source": "aws.events" })).unwrap();
        assert_eq!(other.task_at(), None);
        assert!(!event.is_rest());
        let cut: Event = serde_json::from_value(json!({ "Records": [record("rest", "3000")] })).unwrap();
        assert!(cut.task_at().is_some() && cut.is_rest());
    }

    #[test]
    fn a_known_task_is_waited_for_until_temporal_gives_it_to_another_worker() {
        let idle = Duration::from_millis(20);
        let (task, schedule, rest) =
            (IdleTimeouts::new(idle, true, false), IdleTimeouts::new(idle, false, false), IdleTimeouts::new(idle, true, true));
        let busy = Busy::default();
        sleep(idle);
        assert!(schedule.is_over(&busy));
        assert!(!task.is_over(&busy) && !rest.is_over(&busy), "the task has not come");
        drop(busy.begin());
        sleep(idle);
        assert!(task.is_over(&busy), "the task was done");
        assert!(!rest.is_over(&busy), "the rest may be more than one task");
    }
}
