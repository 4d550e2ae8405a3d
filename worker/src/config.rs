//! The worker's configuration; every key is explained in `env.example`.

mod shipping;

use crate::{
    inventory::Terms,
    notification::{DEFAULT_SMS_PREFIXES, Prefix},
    payment::StripeSettings,
    risk::Limits,
};
use clap::{Args, builder::RangedU64ValueParser};
use orders::{Currency, Money, OrderId, RestockId, restock::QUANTITY, workflow::StepSettings};
pub use shipping::{Carrier, Shipping};
use std::{
    net::{IpAddr, SocketAddr},
    num::{NonZeroU64, ParseIntError},
    path::PathBuf,
    time::Duration,
};

/// Where the business facts are.
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
    /// Role to connect as, unless a secret says so.
    #[arg(long, env = "POSTGRES_USER", required_unless_present = "postgres_secret_arn")]
    pub postgres_user: Option<String>,
    /// The role's password, unless a secret has it.
    #[arg(long, env = "POSTGRES_PASSWORD", hide_env_values = true, required_unless_present = "postgres_secret_arn")]
    pub postgres_password: Option<String>,
    /// ARN of the secret with username and password, as RDS makes it; used instead of the two above.
    #[arg(long, env = "POSTGRES_SECRET_ARN")]
    pub postgres_secret_arn: Option<String>,
    /// Whether to speak TLS.
    #[arg(long, env = "POSTGRES_TLS", value_enum, default_value = "disable")]
    pub postgres_tls: Tls,
    /// PEM file of the certificates that the server's must be signed by; the system's public roots when not set.
    #[arg(long, env = "POSTGRES_TLS_CA")]
    pub postgres_tls_ca: Option<PathBuf>,
    /// Connections a process holds at most.
    #[arg(long, env = "POSTGRES_POOL_SIZE", default_value_t = 16)]
    pub postgres_pool_size: usize,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// No TLS; for a server on this machine.
    Disable,
    /// TLS, and the server must prove with its certificate that it has this name.
    VerifyFull,
}

#[derive(Args)]
pub struct Migrate {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Username and password of the master as JSON, as RDS keeps them: who makes the role to connect as when that cannot log in.
    #[arg(long, env = "POSTGRES_ADMIN_SECRET", hide_env_values = true)]
    pub postgres_admin_secret: Option<String>,
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
    /// Start lost workflows again, and project again what the read model lacks; with an empty read model, all of it.
    #[arg(long)]
    pub repair: bool,
    #[command(flatten)]
    pub stuck: Stuck,
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

/// Where other systems are told of orders.
#[derive(Args, Clone)]
pub struct Events {
    /// ARN of the SNS FIFO topic for every change of an order's status; without it, they are kept until there is one.
    #[arg(long, env = "EVENTS_TOPIC_ARN")]
    pub events_topic_arn: Option<String>,
}

/// Units that came in.
#[derive(Args)]
pub struct Restock {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Id of the product.
    pub product: String,
    /// How many units can be sold in addition.
    #[arg(value_parser = clap::value_parser!(i32).range(i64::from(*QUANTITY.start())..=i64::from(*QUANTITY.end())))]
    pub quantity: i32,
    /// Why; for people to read.
    #[arg(long)]
    pub reason: Option<String>,
    /// The restock's id, to repeat one whose end is not known: its units are added once.
    #[arg(long)]
    pub id: Option<RestockId>,
}

/// Messages to customers.
#[derive(clap::Subcommand)]
pub enum Notify {
    /// Sends a message about an order again, whatever the limits are; a running worker does it within seconds.
    Resend(Resend),
}

/// A message that is to be sent again.
#[derive(Args)]
pub struct Resend {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// Id of the order.
    pub order: String,
    /// What the message tells, such as ORDER_CONFIRMED (table notifications, column type).
    pub kind: String,
    /// EMAIL or SMS; both where it is not said.
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
    /// How to turn it; without it, it stays as it is.
    pub switch: Option<Switch>,
    /// Why it is on; for the log of whoever wonders.
    #[arg(default_value = "no reason given")]
    pub reason: String,
}

/// A finding that was looked into.
#[derive(Args)]
pub struct Dismiss {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    /// As `worker audit` names it.
    pub subject: String,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Orders are accepted and wait; nothing is reserved or charged.
    On,
    /// Those that wait go on.
    Off,
}

/// What a customer may order before somebody of the shop looks at it. Without limits, nobody need.
#[derive(Args, Clone)]
pub struct Risk {
    /// Amounts for each currency within the window, such as USD=5000.00,EUR=4500; currencies that are not named have no limit.
    #[arg(long, env = "RISK_SPEND_LIMITS", value_delimiter = ',', value_parser = spend_limit)]
    pub risk_spend_limits: Vec<Money>,
    /// Orders within the window.
    #[arg(long, env = "RISK_ORDER_LIMIT", value_parser = clap::value_parser!(i64).range(1..))]
    pub risk_order_limit: Option<i64>,
    /// The window, in seconds.
    #[arg(long, env = "RISK_WINDOW_S", value_parser = period, default_value = "86400")]
    pub risk_window: Duration,
}

/// Who takes the money.
#[derive(Args, Clone)]
pub struct Payments {
    /// The payment gateway.
    #[arg(long, env = "PAYMENT_GATEWAY", value_enum, default_value = "sandbox")]
    pub payment_gateway: PaymentGateway,
    #[command(flatten)]
    pub stripe: StripeSettings,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum PaymentGateway {
    /// Takes no real money.
    Sandbox,
    Stripe,
}

/// What counts as stuck.
#[derive(Args, Clone)]
pub struct Stuck {
    /// An order that has been open, or a compensation that has been tried, for longer than this is stuck, in seconds.
    #[arg(long, env = "AUDIT_STUCK_AFTER_S", value_parser = seconds, default_value = "900")]
    pub stuck_after: Duration,
    /// A parcel of which the carrier has told nothing new for longer than this is stuck, in seconds.
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
    pub stuck: Stuck,
    /// Ids of orders.
    #[arg(required_unless_present = "all")]
    pub orders: Vec<OrderId>,
    /// All orders that have not ended and have no running workflow.
    #[arg(long, conflicts_with = "orders")]
    pub all: bool,
}

/// What CloudWatch is told.
#[derive(Args, Clone)]
pub struct CloudWatch {
    /// The stack's name: with it, the metrics that alarms and scaling need are published; without it, none are.
    #[arg(long, env = "METRICS_STACK")]
    pub metrics_stack: Option<String>,
    /// How often they are published, in seconds.
    #[arg(long, env = "METRICS_PERIOD_S", value_parser = period, default_value = "60")]
    pub metrics_period: Duration,
}

/// The worker's own port.
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
    /// Where it is listened on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.worker_host, self.worker_port)
    }
}

#[derive(Args)]
pub struct Healthcheck {
    #[command(flatten)]
    pub port: Port,
    /// Ask whether it is ready (Postgres takes writes, its schema is up to date, Temporal answers) instead of whether it is alive.
    #[arg(long)]
    pub ready: bool,
}

#[derive(Args)]
pub struct Run {
    #[command(flatten)]
    pub log: platform::log::Settings,
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
    pub stuck: Stuck,
    #[command(flatten)]
    pub cloudwatch: CloudWatch,
    /// How long running activities may take to finish after SIGTERM, SIGINT or SIGHUP, in seconds.
    #[arg(long, env = "WORKER_DRAIN_S", value_parser = seconds, default_value = "15")]
    pub drain: Duration,
    /// Seconds between two searches for orders that have not ended and whose workflow is gone, to start it again; 0: none.
    #[arg(long, env = "RESUME_PERIOD_S", value_parser = seconds, default_value = "60")]
    pub resume_period: Duration,
    /// How long stock is held for an order whose payment is not authorized, in seconds.
    #[arg(long, env = "RESERVATION_TTL_S", value_parser = period, default_value = "900")]
    pub reservation_ttl: Duration,
    /// How long an order waits for its customer, or for the shop, to decide before it is cancelled, in seconds.
    #[arg(long, env = "DECISION_TIMEOUT_S", value_parser = period, default_value = "86400")]
    pub decision_timeout: Duration,
    /// Orders of a customer that may be unpaid at once; those beyond wait for the others to be paid.
    #[arg(long, env = "HOLD_MAX_ORDERS", default_value_t = 50, value_parser = clap::value_parser!(i64).range(1..))]
    pub hold_max_orders: i64,
    /// Units that a customer's unpaid orders may hold together; a single order of more waits for the shop to approve it.
    #[arg(long, env = "HOLD_MAX_UNITS", default_value_t = 10_000, value_parser = clap::value_parser!(i64).range(1..))]
    pub hold_max_units: i64,
    #[command(flatten)]
    pub risk: Risk,
    #[command(flatten)]
    pub shipping: Shipping,
    #[command(flatten)]
    pub events: Events,
    #[command(flatten)]
    pub notices: Notices,
}

/// How customers are told.
#[derive(Args, Clone)]
pub struct Notices {
    /// The sender of e-mails; SES must know it.
    #[arg(long, env = "EMAIL_FROM", default_value = "orders@orderflow.example")]
    pub email_from: String,
    /// SES's configuration set for e-mails, which says where SES tells of bounces; none without it.
    #[arg(long, env = "EMAIL_CONFIGURATION_SET")]
    pub email_configuration_set: Option<String>,
    /// URL of the SQS queue in which SES's bounces and complaints arrive; without it, none are read.
    #[arg(long, env = "NOTICE_FEEDBACK_QUEUE_URL")]
    pub notice_feedback_queue_url: Option<String>,
    /// Where the page is: messages link to the order there. Without it, there is no link.
    #[arg(long, env = "PAGE_URL")]
    pub page_url: Option<String>,
    /// How the phone numbers begin that SMS go to, such as +4915,+4916; those with ! get none, such as !+1900. The longest that fits decides.
    /// `none`: no SMS at all.
    #[arg(long, env = "SMS_PREFIXES", value_delimiter = ',', default_value = DEFAULT_SMS_PREFIXES)]
    pub sms_prefixes: Vec<Prefix>,
    #[command(flatten)]
    pub limits: NoticeLimits,
    /// How long the delivery of a message is tried, in seconds.
    #[arg(long, env = "NOTICE_MAX_AGE_S", value_parser = period, default_value = "259200")]
    pub notice_max_age: Duration,
    /// Folder with templates that take the place of the built-in ones of the same name.
    #[arg(long, env = "NOTICE_TEMPLATES")]
    pub notice_templates: Option<PathBuf>,
}

/// How many messages customers get within a window of time. What is beyond is not sent.
#[derive(Args, Clone)]
pub struct NoticeLimits {
    /// The window, in seconds.
    #[arg(long, env = "NOTICE_WINDOW_S", value_parser = period, default_value = "86400")]
    pub notice_window: Duration,
    /// Messages to one e-mail address or phone number.
    #[arg(long, env = "NOTICE_RECIPIENT_LIMIT", default_value_t = 50, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_recipient_limit: i32,
    /// Messages about one customer's orders.
    #[arg(long, env = "NOTICE_CUSTOMER_LIMIT", default_value_t = 200, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_customer_limit: i32,
    /// Messages about orders that took no money: to one address or number, and about one customer's orders.
    #[arg(long, env = "NOTICE_UNPAID_LIMIT", default_value_t = 10, value_parser = clap::value_parser!(i32).range(0..))]
    pub notice_unpaid_limit: i32,
    /// SMS about orders that took no money, of all customers together.
    #[arg(long, env = "SMS_UNPAID_LIMIT", default_value_t = 200, value_parser = clap::value_parser!(i32).range(0..))]
    pub sms_unpaid_limit: i32,
}

impl Run {
    /// On what terms stock is held.
    pub(crate) fn terms(&self) -> Terms {
        let risk = &self.risk;
        let spend = risk.risk_spend_limits.iter().map(|limit| (limit.currency.code(), limit.minor)).collect();
        let limits = Limits { spend, orders: risk.risk_order_limit, window: risk.risk_window };
        let (max_orders, max_units) = (self.hold_max_orders, self.hold_max_units);
        Terms { held_for: self.reservation_ttl, decision_timeout: self.decision_timeout, limits, max_orders, max_units }
    }
}

/// Limits and retries of an order's steps.
#[derive(Args, Clone)]
pub struct Steps {
    /// Limit of a step's first attempt, in milliseconds.
    #[arg(long, env = "STEP_LOCAL_LIMIT_MS", value_parser = millis, default_value = "5000")]
    pub step_local_limit: Duration,
    /// Limit of a step's later attempts, in milliseconds.
    #[arg(long, env = "STEP_ATTEMPT_LIMIT_MS", value_parser = millis, default_value = "10000")]
    pub step_attempt_limit: Duration,
    /// A later attempt silent for this long is given to another worker, in milliseconds.
    #[arg(long, env = "STEP_HEARTBEAT_LIMIT_MS", value_parser = millis, default_value = "5000")]
    pub step_heartbeat_limit: Duration,
    /// Wait before the second attempt, in milliseconds.
    #[arg(long, env = "RETRY_INITIAL_INTERVAL_MS", value_parser = millis, default_value = "1000")]
    pub retry_initial_interval: Duration,
    /// Factor by which the wait grows.
    #[arg(long, env = "RETRY_BACKOFF", default_value_t = 2.0)]
    pub retry_backoff: f64,
    /// Longest wait between two attempts, in milliseconds.
    #[arg(long, env = "RETRY_MAXIMUM_INTERVAL_MS", value_parser = millis, default_value = "30000")]
    pub retry_maximum_interval: Duration,
    /// How often the payment gateway is asked to take an order's money; when it then does not say that it holds any, the order fails. What fails for
    /// another reason is tried until it works.
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

/// How much a worker does at once.
#[derive(Args, Clone)]
pub struct Concurrency {
    /// Workflow tasks at once; each carries an order through all of its quick steps. More than keep the machine busy only slow down the placing
    /// of orders. One of them waits for tasks of cached workflows, so there are two at least.
    #[arg(long, env = "WORKER_WORKFLOW_TASKS", default_value_t = 12, value_parser = at_least(2))]
    pub worker_workflow_tasks: usize,
    /// Local activities at once.
    #[arg(long, env = "WORKER_LOCAL_ACTIVITIES", default_value_t = 100, value_parser = at_least(1))]
    pub worker_local_activities: usize,
    /// Regular activities at once.
    #[arg(long, env = "WORKER_ACTIVITIES", default_value_t = 100, value_parser = at_least(1))]
    pub worker_activities: usize,
    /// Polls for tasks at once, at most; their number follows the load.
    #[arg(long, env = "WORKER_MAX_POLLERS", default_value_t = 50, value_parser = at_least(1))]
    pub worker_max_pollers: usize,
    /// Workflows kept in memory; others are replayed from history when they go on. The SDK (temporalio-sdk-core 0.10) takes no more workflow tasks at
    /// once than this, and with none a few orders in a thousand were seen to stand for good.
    #[arg(long, env = "WORKER_CACHED_WORKFLOWS", default_value_t = 2000, value_parser = at_least(2))]
    pub worker_cached_workflows: usize,
}

fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}

fn seconds(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(Duration::from_secs)
}

/// Seconds, at least one.
fn period(text: &str) -> Result<Duration, ParseIntError> {
    text.parse().map(|seconds: NonZeroU64| Duration::from_secs(seconds.get()))
}

/// A currency and an amount in it: `USD=5000.00`.
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
