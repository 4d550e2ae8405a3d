//! What Temporal knows about an order: the workflows of the order and of its refunds, with the
//! history of each run, and what they wait for now.

use super::fact::{Fact, Store};
use futures::TryStreamExt as _;
use orders::{OrderId, shipping::Scan};
use platform::temporal::{Connector, Settings, Timeouts};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    iter,
    time::{Duration, SystemTime},
};
use temporalio_client::{
    Client, NamespacedClient as _, UntypedWorkflow, WorkflowDescribeOptions, WorkflowExecutionDescription, WorkflowExecutionInfo,
    WorkflowExecutionStatus, WorkflowFetchHistoryOptions, WorkflowListOptions, errors::WorkflowInteractionError,
};
use temporalio_common::protos::temporal::api::{
    common::v1::{ActivityType, Payloads},
    failure::v1::Failure,
    history::v1::{HistoryEvent, history_event::Attributes},
};
use time::OffsetDateTime;

/// The name of the markers in which the SDK records local activities.
const LOCAL_ACTIVITY: &str = "core_local_activity";

pub(super) struct Workflows {
    pub(super) facts: Vec<Fact>,
    /// Whether Temporal knows a workflow of the order.
    pub(super) is_known: bool,
    /// The state of the order's workflow: `running`, `closed`, or `unknown to Temporal`.
    pub(super) state: &'static str,
}

/// Reads the workflows of the order and of its refunds.
///
/// # Errors
/// Fails if Temporal does not answer.
pub(super) async fn read(settings: Settings, order: OrderId, refunds: &[String]) -> anyhow::Result<Workflows> {
    let timeouts = Timeouts { connect: Duration::from_secs(5), call: Duration::from_secs(5) };
    let client = Connector::new(settings, "order", timeouts).connect().await?;
    let mut found = Workflows { facts: Vec::new(), is_known: false, state: "unknown to Temporal" };
    for id in iter::once(&order.to_string()).chain(refunds) {
        let described = client.get_workflow_handle::<UntypedWorkflow>(id).describe(WorkflowDescribeOptions::default()).await;
        let described = match described {
            Ok(described) => described,
            Err(WorkflowInteractionError::NotFound(_)) => {
                found.facts.push(fact(None, format!("workflow {id}"), "UNKNOWN", "it was never started, or its retention has passed"));
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if *id == order.to_string() {
            found.is_known = true;
            found.state = if described.status() == WorkflowExecutionStatus::Running { "running" } else { "closed" };
        }
        for run_id in runs(&client, id, described.run_id()).await? {
            let info =
                WorkflowExecutionInfo::builder().namespace(client.namespace()).workflow_id(id.clone()).run_id(run_id.clone()).build();
            let history = info.bind_untyped(client.clone()).fetch_history(WorkflowFetchHistoryOptions::default()).into_events().await?;
            let mut run = Run { id, run_id: &run_id, facts: &mut found.facts, activities: BTreeMap::new(), timers: BTreeMap::new() };
            history.iter().for_each(|event| run.add(event));
            if run_id == described.run_id() && described.status() == WorkflowExecutionStatus::Running {
                run.add_timers();
            }
        }
        found.facts.extend(pending(&described));
    }
    Ok(found)
}

/// The ids of the workflow's runs, oldest first. Temporal's list may lack the latest run for a
/// moment.
async fn runs(client: &Client, id: &str, latest: &str) -> anyhow::Result<Vec<String>> {
    let listed = client.list_workflows(format!("WorkflowId = '{id}'"), WorkflowListOptions::default());
    let mut runs: Vec<(Option<SystemTime>, String)> =
        listed.map_ok(|run| (run.start_time(), run.run_id().to_owned())).try_collect().await?;
    runs.retain(|(_, run)| run != latest);
    runs.sort();
    Ok(runs.into_iter().map(|(_, run)| run).chain([latest.to_owned()]).collect())
}

/// One run of a workflow.
struct Run<'a> {
    id: &'a str,
    run_id: &'a str,
    facts: &'a mut Vec<Fact>,
    /// The names of the activities, by the event that scheduled them.
    activities: BTreeMap<i64, String>,
    /// When the running timers fire, by the event that started them.
    timers: BTreeMap<i64, OffsetDateTime>,
}

impl Run<'_> {
    fn add(&mut self, event: &HistoryEvent) {
        let (at, Some(attributes)) = (event.event_time.and_then(time_of), &event.attributes) else { return };
        let workflow = format!("workflow {}", self.id);
        let closed = |state: &str, detail: &str| Some(fact(at, workflow.clone(), state, detail));
        let activity = |run: &Self, scheduled: i64, state: &str, detail: &str| {
            let name = run.activities.get(&scheduled).map_or("?", String::as_str);
            Some(fact(at, format!("activity {name}"), state, detail))
        };
        let new = match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => {
                let continued = if started.continued_execution_run_id.is_empty() { "" } else { ", continues an earlier run" };
                closed("STARTED", &format!("run {}{continued}", self.run_id))
            }
            Attributes::WorkflowExecutionSignaledEventAttributes(signal) => {
                let detail = if signal.signal_name == "scan" { tracking_event(signal.input.as_ref()) } else { String::new() };
                Some(fact(at, format!("signal {}", signal.signal_name), "RECEIVED", &detail))
            }
            Attributes::MarkerRecordedEventAttributes(marker) if marker.marker_name == LOCAL_ACTIVITY => {
                let local = marker.details.get("data").and_then(read_json::<LocalActivity>).unwrap_or_default();
                // The event is recorded when the workflow task ends, so the activity's own time is
                // more exact.
                let at = local.complete_time.as_ref().and_then(Seconds::time).or(at);
                let (state, detail) = marker.failure.as_ref().map_or(("DONE", String::new()), |failure| ("FAILED", message(failure)));
                Some(fact(at, format!("local activity {}", local.activity_type), state, &detail))
            }
            Attributes::ActivityTaskScheduledEventAttributes(scheduled) => {
                self.activities.insert(event.event_id, name_of(scheduled.activity_type.as_ref()));
                activity(self, event.event_id, "SCHEDULED", "")
            }
            Attributes::ActivityTaskStartedEventAttributes(started) => {
                let failed = started.last_failure.as_ref().map_or_else(String::new, |failure| format!(", before: {}", message(failure)));
                activity(self, started.scheduled_event_id, "STARTED", &format!("attempt {}{failed}", started.attempt))
            }
            Attributes::ActivityTaskCompletedEventAttributes(ended) => activity(self, ended.scheduled_event_id, "DONE", ""),
            Attributes::ActivityTaskFailedEventAttributes(ended) => {
                activity(self, ended.scheduled_event_id, "FAILED", &optional_message(ended.failure.as_ref()))
            }
            Attributes::ActivityTaskTimedOutEventAttributes(ended) => {
                activity(self, ended.scheduled_event_id, "TIMED_OUT", &optional_message(ended.failure.as_ref()))
            }
            Attributes::ActivityTaskCanceledEventAttributes(ended) => activity(self, ended.scheduled_event_id, "CANCELLED", ""),
            Attributes::TimerStartedEventAttributes(timer) => {
                let wait = timer.start_to_fire_timeout.and_then(|wait| Duration::try_from(wait).ok());
                self.timers.extend(at.zip(wait).map(|(at, wait)| (event.event_id, at + wait)));
                None
            }
            Attributes::TimerFiredEventAttributes(timer) => {
                self.timers.remove(&timer.started_event_id);
                None
            }
            Attributes::TimerCanceledEventAttributes(timer) => {
                self.timers.remove(&timer.started_event_id);
                None
            }
            Attributes::WorkflowTaskFailedEventAttributes(failed) => {
                Some(fact(at, format!("workflow task of {}", self.id), "FAILED", &optional_message(failed.failure.as_ref())))
            }
            Attributes::WorkflowTaskTimedOutEventAttributes(_) => {
                Some(fact(at, format!("workflow task of {}", self.id), "TIMED_OUT", "a worker took it and did not answer, or had ended"))
            }
            Attributes::WorkflowExecutionCompletedEventAttributes(_) => closed("COMPLETED", ""),
            Attributes::WorkflowExecutionFailedEventAttributes(failed) => closed("FAILED", &optional_message(failed.failure.as_ref())),
            Attributes::WorkflowExecutionTimedOutEventAttributes(_) => closed("TIMED_OUT", ""),
            Attributes::WorkflowExecutionTerminatedEventAttributes(ended) => closed("TERMINATED", &ended.reason),
            Attributes::WorkflowExecutionCanceledEventAttributes(_) => closed("CANCELLED", ""),
            Attributes::WorkflowExecutionContinuedAsNewEventAttributes(next) => {
                closed("CONTINUED_AS_NEW", &format!("run {}", next.new_execution_run_id))
            }
            _ => None,
        };
        self.facts.extend(new);
    }

    /// Adds the timers that are still running.
    fn add_timers(&mut self) {
        let waits = self.timers.values().filter_map(|at| orders::rfc3339::text(*at).ok());
        self.facts.extend(waits.map(|until| fact(None, format!("workflow {}", self.id), "WAITING", &format!("at most until {until}"))));
    }
}

/// What a workflow waits for now, according to the server.
fn pending(described: &WorkflowExecutionDescription) -> Vec<Fact> {
    let (raw, id) = (described.raw(), described.id());
    let workflow = format!("{:?}", described.status()).to_uppercase();
    let summary = format!("run {}, {} events", described.run_id(), described.history_length());
    let mut facts = vec![fact(None, format!("workflow {id}"), workflow, &summary)];
    facts.extend(raw.pending_activities.iter().map(|activity| {
        let state = activity.state().as_str_name().trim_start_matches("PENDING_ACTIVITY_STATE_");
        let failed = activity.last_failure.as_ref().map_or_else(String::new, |failure| format!(", last failure: {}", message(failure)));
        let next = activity.next_attempt_schedule_time.and_then(time_of).and_then(|at| orders::rfc3339::text(at).ok());
        let next = next.map_or_else(String::new, |at| format!(", not before {at}"));
        let detail = format!("attempt {}{next}{failed}", activity.attempt);
        fact(None, format!("activity {}", name_of(activity.activity_type.as_ref())), state, &detail)
    }));
    facts.extend(raw.pending_workflow_task.as_ref().map(|task| {
        let state = task.state().as_str_name().trim_start_matches("PENDING_WORKFLOW_TASK_STATE_");
        fact(None, format!("workflow task of {id}"), state, &format!("attempt {}", task.attempt))
    }));
    facts
}

fn fact(at: Option<OffsetDateTime>, subject: String, state: impl Into<String>, detail: &str) -> Fact {
    Fact::new(at, Store::Temporal, subject, state, detail)
}

fn time_of(at: impl TryInto<SystemTime>) -> Option<OffsetDateTime> {
    at.try_into().ok().map(OffsetDateTime::from)
}

fn name_of(activity: Option<&ActivityType>) -> String {
    activity.map_or_else(|| "?".to_owned(), |activity| activity.name.clone())
}

/// The messages of a failure and of its causes.
fn message(failure: &Failure) -> String {
    let mut messages = vec![failure.message.as_str()];
    let mut cause = failure.cause.as_deref();
    while let Some(failure) = cause {
        messages.push(&failure.message);
        cause = failure.cause.as_deref();
    }
    messages.join(": ")
}

fn optional_message(failure: Option<&Failure>) -> String {
    failure.map_or_else(String::new, message)
}

/// What a tracking event says.
fn tracking_event(input: Option<&Payloads>) -> String {
    let scan = input.and_then(read_json::<Scan>);
    scan.map_or_else(String::new, |scan| format!("tracking event {} of parcel {}", scan.event.as_str(), scan.shipment_id))
}

/// The part of a local activity's marker that is reported.
#[derive(Default, Deserialize)]
struct LocalActivity {
    activity_type: String,
    complete_time: Option<Seconds>,
}

#[derive(Deserialize)]
struct Seconds {
    seconds: i64,
    nanos: i32,
}

impl Seconds {
    fn time(&self) -> Option<OffsetDateTime> {
        let at = OffsetDateTime::from_unix_timestamp(self.seconds).ok()?;
        Some(at + time::Duration::nanoseconds(self.nanos.into()))
    }
}

fn read_json<T: for<'a> Deserialize<'a>>(payloads: &Payloads) -> Option<T> {
    serde_json::from_slice(&payloads.payloads.first()?.data).ok()
}
