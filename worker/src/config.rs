//! The worker's configuration. `env.example` explains every key.

mod order;
mod shipping;

use crate::{
    notification::{DEFAULT_SMS_PREFIXES, Prefix},
    payment::StripeSettings,
};
use clap::{Args, builder::RangedU64ValueParser};
pub use order::Order;
use orders::{Currency, Money, OrderId, RestockId, restock::QUANTITY, workflow::StepSettings};
pub use shipping::{Carrier, Shipping};
use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU64, ParseIntError},
    path::PathBuf,
    time::Duration,
};

/// The database that holds the business facts.
#[derive(Args, Clone)]
pub struct Postgres {
    /// Host name of Postgres.
    #[arg(long, env = "POSTGRES_HOST", default_value = "127.0.0.1")]
    pub postgres_host: String,
    /// Port of Postgres.
    #[arg(long, env = "POSTGRES_PORT", default_value_t = 5432)]
    pub postgres_port: u16,
    /// Name of the database.
    #[arg(long, env = "POSTGRES_DB")]
    pub postgres_db: String,
    /// Role to connect as. Not needed with a secret.
    #[arg(long, env = "POSTGRES_USER", required_unless_present = "postgres_secret_arn")]
    pub postgres_user: Option<String>,
    /// Password of the role. Not needed with a secret.
    #[arg(long, env = "POSTGRES_PASSWORD", hide_env_values = true, required_unless_present = "postgres_secret_arn")]
    pub postgres_password: Option<String>,
    /// ARN of a secret with username and password, as RDS creates it. It replaces the two settings
    /// above.
    #[arg(long, env = "POSTGRES_SECRET_ARN")]
    pub postgres_secret_arn: Option<String>,
    /// Whether to use TLS.
    #[arg(long, env = "POSTGRES_TLS", value_enum, default_value = "disable")]
    pub postgres_tls: Tls,
    /// PEM file with the certificates to trust. Without it, the system's public root certificates
    /// are trusted.
    #[arg(long, env = "POSTGRES_TLS_CA")]
    pub postgres_tls_ca: Option<PathBuf>,
    /// Maximum number of connections of a process.
    #[arg(long, env = "POSTGRES_POOL_SIZE", default_value_t = 16)]
    pub postgres_pool_size: usize,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// No TLS. Use it only for a server on the same machine.
    Disable,
    /// TLS. The server's certificate must be trusted and must match the server's host name.
    VerifyFull,
}

#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Username and password of the master user as JSON, as RDS stores them. The master creates the
    /// worker's role if that role cannot log in.
    #[arg(long, env = "POSTGRES_ADMIN_SECRET", hide_env_values = true)]
    pub postgres_admin_secret: Option<String>,
    /// ARN of the secret with the master user's credentials. It replaces the setting above.
    #[arg(long, env = "POSTGRES_ADMIN_SECRET_ARN")]
    pub postgres_admin_secret_arn: Option<String>,
    /// Fill an empty catalogue with the sample products of local mode.
    #[arg(long)]
    pub seed: bool,
}

#[derive(Args)]
pub struct Audit {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    #[command(flatten)]
    pub read_model: platform::read_model::Settings,
    #[command(flatten)]
    pub temporal: platform::temporal::Settings,
    /// Start lost workflows again, and write to the read model what it lacks. An empty read model
    /// is filled completely.
    #[arg(long)]
    pub repair: bool,
    #[command(flatten)]
    pub stuck: StuckLimits,
    #[command(flatten)]
    pub events: Events,
}

#[derive(Args)]
pub struct Project {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    #[command(flatten)]
    pub read_model: platform::read_model::Settings,
}

/// The publication of events for other systems.
#[derive(Args, Clone)]
pub struct Events {
    /// ARN of the SNS FIFO topic to which every change of an order's status is published. Without
    /// it, the changes are kept until a topic is set.
    #[arg(long, env = "EVENTS_TOPIC_ARN")]
    pub events_topic_arn: Option<String>,
}

/// A restock: units that are added to a product's stock.
#[derive(Args)]
pub struct Restock {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Id of the product.
    pub product: String,
    /// Number of units to add.
    #[arg(value_parser = clap::value_parser!(i32).range(i64::from(*QUANTITY.start())..=i64::from(*QUANTITY.end())))]
    pub quantity: i32,
    /// Reason, for people to read.
    #[arg(long)]
    pub reason: Option<String>,
    /// Id of the restock. Use it to repeat a restock whose result is unknown: its units are added
    /// only once.
    #[arg(long)]
    pub id: Option<RestockId>,
}

/// Messages to customers.
#[derive(clap::Subcommand)]
pub enum Notify {
    /// Sends a message about an order again, regardless of the limits. A running worker sends it
    /// within seconds.
    Resend(Resend),
}

/// A message to send again.
#[derive(Args)]
pub struct Resend {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Id of the order.
    pub order: String,
    /// Type of the message, such as ORDER_CONFIRMED (table notifications, column type).
    pub kind: String,
    /// EMAIL or SMS. Without it, both.
    #[arg(long)]
    pub channel: Option<String>,
}

/// The maintenance switch.
#[derive(Args)]
pub struct Maintenance {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// The new state. Without it, the state does not change and is printed.
    pub switch: Option<Switch>,
    /// Reason for the maintenance, for people to read.
    #[arg(default_value = "no reason given")]
    pub reason: String,
}

/// A finding to remove, because somebody has looked into it.
#[derive(Args)]
pub struct Dismiss {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Subject of the finding, as `worker audit` prints it.
    pub subject: String,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// New orders are accepted and wait. Nothing is reserved or charged.
    On,
    /// Waiting orders continue.
    Off,
}

/// Limits on a customer's orders. The shop must review an order that exceeds one of them. If none
/// is set, the shop reviews only single orders with more units than HOLD_MAX_UNITS, and offers that
/// the customer's unpaid orders leave no room for.
#[derive(Args, Clone)]
pub struct Risk {
    /// Amount that a customer may spend within the window, for each currency, such as
    /// USD=5000.00,EUR=4500. A currency that is not listed has no limit.
    #[arg(long, env = "RISK_SPEND_LIMITS", value_delimiter = ',', value_parser = spend_limit)]
    pub risk_spend_limits: Vec<Money>,
    /// Number of orders that a customer may place within the window.
    #[arg(long, env = "RISK_ORDER_LIMIT", value_parser = clap::value_parser!(i64).range(1..))]
    pub risk_order_limit: Option<i64>,
    /// Length of the window, in seconds.
    #[arg(long, env = "RISK_WINDOW_S", value_parser = period, default_value = "86400")]
    pub risk_window: Duration,
}

/// The payment gateway and its settings.
#[derive(Args, Clone)]
pub struct Payments {
    /// Payment gateway for new payments.
    #[arg(long, env = "PAYMENT_GATEWAY", value_enum, default_value = "sandbox")]
    pub payment_gateway: PaymentGateway,
    #[command(flatten)]
    pub stripe: StripeSettings,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentGateway {
    /// Moves no real money.
    Sandbox,
    Stripe,
}

/// The limits from which an order counts as stuck.
#[derive(Args, Clone)]
pub struct StuckLimits {
    /// Seconds after which an order counts as stuck: an open order whose status does not change, or
    /// an order whose compensation is still running.
    #[arg(long, env = "AUDIT_STUCK_AFTER_S", value_parser = seconds, default_value = "900")]
    pub stuck_after: Duration,
    /// Seconds without a new tracking event after which the order of a parcel counts as stuck.
    #[arg(long, env = "PARCEL_SILENT_AFTER_S", value_parser = period, default_value = "604800")]
    pub parcel_silent_after: Duration,
}

/// Starts the workflows of orders again.
#[derive(Args)]
pub struct Resume {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    #[command(flatten)]
    pub read_model: platform::read_model::Settings,
    #[command(flatten)]
    pub temporal: platform::temporal::Settings,
    #[command(flatten)]
    pub stuck: StuckLimits,
    /// Ids of the orders.
    #[arg(required_unless_present = "all")]
    pub orders: Vec<OrderId>,
    /// All orders that have not ended and have no running workflow.
    #[arg(long, conflicts_with = "orders")]
    pub all: bool,
}

/// The version of a worker, and the trial of a new version.
#[derive(Args, Clone)]
pub struct Release {
    /// Version of this worker, such as the commit that it was built from. New versions begin with a
    /// part of the new orders. Without it, the worker takes every order.
    #[arg(long, env = "WORKER_VERSION")]
    pub worker_version: Option<String>,
    #[command(flatten)]
    pub trial: Trial,
}

/// The trial of a new version.
#[derive(Args, Clone, Copy)]
pub struct Trial {
    /// Percentage of the new orders that a version on trial receives.
    #[arg(long = "worker-trial-percent", env = "WORKER_TRIAL_PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u8).range(1..=99))]
    pub percent: u8,
    /// Seconds of the trial. If no order fails to proceed in this time, the version receives all
    /// orders.
    #[arg(long = "worker-trial-s", env = "WORKER_TRIAL_S", value_parser = period, default_value = "600")]
    pub duration: Duration,
}

/// The versions of the workers.
#[derive(Args)]
pub struct Versions {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub temporal: platform::temporal::Settings,
}

/// A version that receives new orders.
#[derive(Args)]
pub struct Promote {
    #[command(flatten)]
    pub versions: Versions,
    /// Name of the version (WORKER_VERSION).
    pub version: String,
    /// Percentage of the new orders. With less than 100, the version is on trial.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u8).range(1..=100))]
    pub percent: u8,
}

/// A version that receives no orders any more.
#[derive(Args)]
pub struct Withdraw {
    #[command(flatten)]
    pub versions: Versions,
    /// Name of the version (WORKER_VERSION).
    pub version: String,
}

/// Metrics for CloudWatch.
#[derive(Args, Clone)]
pub struct CloudWatch {
    /// Name of the stack under which the metrics for alarms and scaling are published. Without it,
    /// no metrics are published.
    #[arg(long, env = "METRICS_STACK")]
    pub metrics_stack: Option<String>,
    /// Seconds between two publications of the metrics.
    #[arg(long, env = "METRICS_PERIOD_S", value_parser = period, default_value = "60")]
    pub metrics_period: Duration,
}

/// The address and port on which the worker serves health and metrics.
#[derive(Args, Clone)]
pub struct Port {
    /// Address on which health and metrics are served.
    #[arg(long, env = "WORKER_HOST", default_value = "127.0.0.1")]
    pub worker_host: IpAddr,
    /// Port on which health and metrics are served.
    #[arg(long, env = "WORKER_PORT", default_value_t = 8081)]
    pub worker_port: u16,
}

impl Port {
    /// The socket address to listen on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.worker_host, self.worker_port)
    }
}

#[derive(Args)]
pub struct Healthcheck {
    #[command(flatten)]
    pub port: Port,
    /// Check whether the worker is ready instead of whether it is alive. It is ready if Postgres
    /// accepts writes, the schema is up to date and Temporal answers.
    #[arg(long)]
    pub ready: bool,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub trace: platform::trace::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    #[command(flatten)]
    pub read_model: platform::read_model::Settings,
    #[command(flatten)]
    pub temporal: platform::temporal::Settings,
    #[command(flatten)]
    pub steps: Steps,
    #[command(flatten)]
    pub concurrency: Concurrency,
    #[command(flatten)]
    pub payments: Payments,
    #[command(flatten)]
    pub port: Port,
    #[command(flatten)]
    pub stuck: StuckLimits,
    #[command(flatten)]
    pub cloudwatch: CloudWatch,
    #[command(flatten)]
    pub release: Release,
    /// Seconds that running activities have to finish after SIGTERM, SIGINT or SIGHUP.
    #[arg(long, env = "WORKER_DRAIN_S", value_parser = seconds, default_value = "15")]
    pub drain: Duration,
    /// Seconds between two searches for open orders whose workflow is gone. The worker starts their
    /// workflows again. 0: no search.
    #[arg(long, env = "RESUME_PERIOD_S", value_parser = seconds, default_value = "60")]
    pub resume_period: Duration,
    /// Seconds that stock is held for an order whose payment is not authorized.
    #[arg(long, env = "RESERVATION_TTL_S", value_parser = period, default_value = "900")]
    pub reservation_ttl: Duration,
    /// Seconds that an order waits for a decision of its customer or of the shop before it is
    /// cancelled.
    #[arg(long, env = "DECISION_TIMEOUT_S", value_parser = period, default_value = "86400")]
    pub decision_timeout: Duration,
    /// Maximum number of unpaid orders of one customer. Further orders wait until others are paid.
    #[arg(long, env = "HOLD_MAX_ORDERS", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    pub hold_max_orders: i64,
    /// Maximum number of units that one customer's unpaid orders hold together. A single order with
    /// more units waits for the shop's approval.
    #[arg(long, env = "HOLD_MAX_UNITS", default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
    pub hold_max_units: i64,
    #[command(flatten)]
    pub risk: Risk,
    #[command(flatten)]
    pub shipping: Shipping,
    #[command(flatten)]
    pub events: Events,
    #[command(flatten)]
    pub notifications: Notifications,
}

/// The worker as a function of AWS Lambda.
#[derive(clap::Subcommand)]
pub enum OnDemand {
    /// Works at each invocation until there is nothing to do. The invocations are the messages of
    /// the queue WORKER_WAKEUP_QUEUE_URL.
    Run(Box<OnDemandRun>),
    /// Brings the database's schema up to date when CloudFormation asks for it (custom resource).
    Migrate(Box<Migrate>),
}

#[derive(Args)]
pub struct OnDemandRun {
    #[command(flatten)]
    pub run: Run,
    #[command(flatten)]
    pub wakeup: platform::wakeup::Settings,
    /// Seconds without any work after which the worker ends.
    #[arg(long, env = "WORKER_IDLE_S", value_parser = period, default_value = "5")]
    pub idle: Duration,
}

/// Notifications to customers.
#[derive(Args, Clone)]
pub struct Notifications {
    /// Sender of e-mails. SES must have verified it.
    #[arg(long, env = "EMAIL_FROM", default_value = "orders@orderflow.example")]
    pub email_from: String,
    /// SES configuration set for e-mails. It says where SES publishes bounces and complaints.
    /// Without it, no configuration set is used.
    #[arg(long, env = "EMAIL_CONFIGURATION_SET")]
    pub email_configuration_set: Option<String>,
    /// URL of the SQS queue that receives SES's bounces and complaints. Without it, the worker
    /// reads none.
    #[arg(long, env = "NOTICE_FEEDBACK_QUEUE_URL")]
    pub notice_feedback_queue_url: Option<String>,
    /// Address of the page. Messages link to their order there. Without it, messages have no link.
    #[arg(long, env = "PAGE_URL")]
    pub page_url: Option<String>,
    /// Prefixes of the phone numbers that get SMS, such as +4915,+4916. Numbers with a prefix after
    /// ! get none, such as !+1900. The longest matching prefix decides. `none`: no SMS at all.
    #[arg(long, env = "SMS_PREFIXES", value_delimiter = ',', default_value = DEFAULT_SMS_PREFIXES)]
    pub sms_prefixes: Vec<Prefix>,
    #[command(flatten)]
    pub limits: NotificationLimits,
    /// Seconds for which the delivery of a message is retried.
    #[arg(long, env = "NOTICE_MAX_AGE_S", value_parser = period, default_value = "259200")]
    pub notice_max_age: Duration,
    /// Folder with templates that replace the built-in templates of the same name.
    #[arg(long, env = "NOTICE_TEMPLATES")]
    pub notice_templates: Option<PathBuf>,
}

/// How many messages customers get within a window of time. Messages beyond a limit are not sent.
#[derive(Args, Clone)]
pub struct NotificationLimits {
    /// Length of the window, in seconds.
    #[arg(long, env = "NOTICE_WINDOW_S", value_parser = period, default_value = "86400")]
    pub notice_window: Duration,
    /// Maximum number of messages to one e-mail address or phone number.
    #[arg(long, env = "NOTICE_RECIPIENT_LIMIT", default_value_t = 50, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_recipient_limit: i32,
    /// Maximum number of messages about one customer's orders.
    #[arg(long, env = "NOTICE_CUSTOMER_LIMIT", default_value_t = 200, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_customer_limit: i32,
    /// Maximum number of messages about orders without a captured payment: to one e-mail address or
    /// phone number, and about one customer's orders.
    #[arg(long, env = "NOTICE_UNPAID_LIMIT", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_unpaid_limit: i32,
    /// Maximum number of SMS about orders without a captured payment, to all customers together.
    #[arg(long, env = "SMS_UNPAID_LIMIT", default_value_t = 200, value_parser = clap::value_parser!(i32).range(0..))]
    pub sms_unpaid_limit: i32,
}

/// Timeouts and retries of an order's steps.
#[derive(Args, Clone)]
pub struct Steps {
    /// Timeout of a step's first attempt, a local activity, in milliseconds.
    #[arg(long, env = "STEP_LOCAL_LIMIT_MS", value_parser = millis, default_value = "5000")]
    pub step_local_limit: Duration,
    /// Timeout of each later attempt of a step, in milliseconds.
    #[arg(long, env = "STEP_ATTEMPT_LIMIT_MS", value_parser = millis, default_value = "10000")]
    pub step_attempt_limit: Duration,
    /// Heartbeat timeout of a later attempt, in milliseconds. If no heartbeat comes for this long,
    /// another worker gets the step.
    #[arg(long, env = "STEP_HEARTBEAT_LIMIT_MS", value_parser = millis, default_value = "5000")]
    pub step_heartbeat_limit: Duration,
    /// Wait before the second attempt, in milliseconds.
    #[arg(long, env = "RETRY_INITIAL_INTERVAL_MS", value_parser = millis, default_value = "1000")]
    pub retry_initial_interval: Duration,
    /// Factor by which the wait grows from attempt to attempt.
    #[arg(long, env = "RETRY_BACKOFF", default_value_t = 2.0)]
    pub retry_backoff: f64,
    /// Maximum wait between two attempts, in milliseconds.
    #[arg(long, env = "RETRY_MAXIMUM_INTERVAL_MS", value_parser = millis, default_value = "30000")]
    pub retry_maximum_interval: Duration,
    /// Maximum number of attempts to charge an order at the payment gateway. If the gateway then
    /// reports no authorization, the order fails. Failures with another cause are retried until
    /// they succeed.
    #[arg(long, env = "RETRY_MAXIMUM_ATTEMPTS", default_value_t = 3, value_parser = clap::value_parser!(i32).range(1..))]
    pub retry_maximum_attempts: i32,
}

impl From<Steps> for StepSettings {
    fn from(steps: Steps) -> Self {
        Self {
            local_limit: steps.step_local_limit,
            attempt_limit: steps.step_attempt_limit,
            heartbeat_limit: steps.step_heartbeat_limit,
            initial_interval: steps.retry_initial_interval,
            backoff: steps.retry_backoff,
            maximum_interval: steps.retry_maximum_interval,
        }
    }
}

/// The limits of a worker's concurrent work.
#[derive(Args, Clone)]
pub struct Concurrency {
    /// Maximum number of concurrent workflow tasks. One workflow task runs all quick steps of an
    /// order. On a busy machine, more workflow tasks only delay the answers to new orders. One of
    /// them waits for tasks of cached workflows, so the minimum is 2.
    #[arg(long, env = "WORKER_WORKFLOW_TASKS", default_value_t = 12, value_parser = at_least(2))]
    pub worker_workflow_tasks: usize,
    /// Maximum number of concurrent local activities.
    #[arg(long, env = "WORKER_LOCAL_ACTIVITIES", default_value_t = 100, value_parser = at_least(1))]
    pub worker_local_activities: usize,
    /// Maximum number of concurrent regular activities.
    #[arg(long, env = "WORKER_ACTIVITIES", default_value_t = 100, value_parser = at_least(1))]
    pub worker_activities: usize,
    /// Maximum number of concurrent polls for tasks. The actual number follows the load.
    #[arg(long, env = "WORKER_MAX_POLLERS", default_value_t = 50, value_parser = at_least(1))]
    pub worker_max_pollers: usize,
    /// Number of workflows kept in memory. Other workflows are replayed from their history when
    /// they continue. The SDK (temporalio-sdk-core 0.10) runs no more concurrent workflow tasks
    /// than this. With 0, a few orders in a thousand were observed to stop forever.
    #[arg(long, env = "WORKER_CACHED_WORKFLOWS", default_value_t = 2000, value_parser = at_least(2))]
    pub worker_cached_workflows: usize,
}

fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

fn seconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_secs)
}

/// Parses a number of seconds that is at least 1.
fn period(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(|seconds: NonZeroU64| Duration::from_secs(seconds.get()))
}

/// Parses a currency and an amount in it, such as `USD=5000.00`.
fn spend_limit(text: &str) -> Result<Money, String> {
    let (code, amount) = text.split_once('=').ok_or("expected a currency and an amount, such as USD=5000.00")?;
    let currency = Currency::from_code(code.trim()).ok_or_else(|| format!("{code:?} is no currency"))?;
    Money::parse(amount.trim(), currency).map_err(|error| format!("{amount:?}: {error}"))
}

fn millis(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Only {
        #[command(flatten)]
        concurrency: Concurrency,
    }

    #[test]
    fn a_worker_that_could_not_do_its_work_is_refused() {
        let with = |flag: &str, value: &str| Only::try_parse_from(["worker", flag, value]).map(|only| only.concurrency);
        for flag in ["--worker-cached-workflows", "--worker-workflow-tasks"] {
            assert!(with(flag, "1").is_err_and(|error| error.to_string().contains(flag)));
            assert!(with(flag, "2").is_ok());
        }
        assert!(with("--worker-activities", "0").is_err());
    }
}
