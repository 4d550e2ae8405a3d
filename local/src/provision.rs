//! Creates the tables, the queues and the sender's identity in the AWS emulator. The tables and
//! queues come from the same template as in AWS.

mod cloudformation;

use crate::{Settings, settings::project};
use anyhow::{Context, Result, anyhow, bail};
use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Credentials, Region},
    operation::describe_table::DescribeTableError,
    types::TimeToLiveSpecification,
};
use aws_sdk_ses::types::NotificationType;
use aws_smithy_http_client::Builder;
use cloudformation::{CloudFormation, Stack};
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

const TEMPLATE: &str = "infra/data.yaml";
/// The name of the CloudFormation stack in the emulator.
const STACK: &str = "orderflow-data";
/// The ending of `ORDERS_TABLE`. The part before it is the template's parameter `Name`, with which
/// the names of all resources begin.
const ORDERS_TABLE_ENDING: &str = "-orders";
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// Brings the emulator to the state that infra/data.yaml describes. Doing it again changes nothing.
pub(crate) struct Provision {
    cloudformation: CloudFormation,
    dynamodb: aws_sdk_dynamodb::Client,
    ses: aws_sdk_ses::Client,
    settings: Settings,
}

/// Creates the client of one AWS service. Each SDK crate has its own types, but they are used
/// alike.
macro_rules! client {
    ($sdk:ident, $settings:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(Builder::new().build_http())
                .endpoint_url($settings.get("AWS_ENDPOINT_URL")?)
                .region(Region::new($settings.get("AWS_REGION")?.to_owned()))
                .credentials_provider(Credentials::new(
                    $settings.get("AWS_ACCESS_KEY_ID")?,
                    $settings.get("AWS_SECRET_ACCESS_KEY")?,
                    None,
                    None,
                    "local",
                ))
                .build(),
        )
    };
}

impl Provision {
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            cloudformation: CloudFormation::new(settings)?,
            dynamodb: client!(aws_sdk_dynamodb, settings),
            ses: client!(aws_sdk_ses, settings),
            settings: settings.clone(),
        })
    }

    pub(crate) async fn run(&self) -> Result<()> {
        let stack = self.deploy().await?;
        self.restore_tables(&stack).await?;
        self.expire_idempotency_keys(&stack).await?;
        self.introduce_sender(&stack).await?;
        self.agrees(&stack)
    }

    async fn deploy(&self) -> Result<Stack> {
        let body = std::fs::read_to_string(project().join(TEMPLATE)).with_context(|| format!("cannot read {TEMPLATE}"))?;
        let name = self.settings.get("ORDERS_TABLE")?;
        let name = name.strip_suffix(ORDERS_TABLE_ENDING).ok_or_else(|| anyhow!("ORDERS_TABLE must end with {ORDERS_TABLE_ENDING}"))?;
        let parameters = HashMap::from([("Name".to_owned(), name.to_owned())]);
        if self.cloudformation.stack(STACK).await?.is_none() {
            self.cloudformation.create_stack(STACK, &body, &parameters).await?;
        } else {
            self.cloudformation.update_stack(STACK, &body, &parameters).await?;
        }
        self.deployed().await
    }

    async fn deployed(&self) -> Result<Stack> {
        let deadline = Instant::now() + LIMIT;
        loop {
            let stack = self.cloudformation.stack(STACK).await?.context("the stack of tables and queues has gone")?;
            match stack.status.as_str() {
                "CREATE_COMPLETE" | "UPDATE_COMPLETE" => return Ok(stack),
                "CREATE_IN_PROGRESS" | "UPDATE_IN_PROGRESS" | "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS" if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                status => bail!("the stack of tables and queues is {status}: {}", stack.reason),
            }
        }
    }

    /// Creates tables again that somebody has deleted. CloudFormation does not notice that they are
    /// missing. The caller then runs `worker project`, which fills the read model from Postgres.
    async fn restore_tables(&self, stack: &Stack) -> Result<()> {
        for resource in ["OrdersTable", "IdempotencyTable", "ProductsTable"] {
            let described = self.dynamodb.describe_table().table_name(output(stack, resource)?).send().await;
            let Err(error) = described else { continue };
            if !error.as_service_error().is_some_and(DescribeTableError::is_resource_not_found_exception) {
                return Err(error).with_context(|| format!("cannot describe {resource}"));
            }
            // A temporary CloudFormation stack creates the table. Deleting that stack keeps the
            // table.
            let name = format!("{STACK}-{resource}");
            let body = std::fs::read_to_string(project().join(TEMPLATE)).with_context(|| format!("cannot read {TEMPLATE}"))?;
            let body = with_one_resource(&body, resource).with_context(|| format!("{TEMPLATE} has no resource {resource}"))?;
            let create = self.cloudformation.create_stack(&name, &body, &stack.parameters);
            create.await.with_context(|| format!("cannot make {resource} again"))?;
            let deadline = Instant::now() + LIMIT;
            while self.dynamodb.describe_table().table_name(output(stack, resource)?).send().await.is_err() {
                if Instant::now() > deadline {
                    bail!("{resource} was deleted, and cannot be made again");
                }
                tokio::time::sleep(PAUSE).await;
            }
            self.cloudformation.delete_stack(&name).await?;
        }
        Ok(())
    }

    /// Makes SES accept mail from the sender and report bounces and complaints. In AWS, a
    /// configuration set turns these reports on. In the emulator, they are turned on for the
    /// sender's address, and they cover only mail to the addresses of SES's mailbox simulator, such
    /// as bounce@simulator.amazonses.com.
    async fn introduce_sender(&self, stack: &Stack) -> Result<()> {
        let sender = self.settings.get("EMAIL_FROM")?;
        self.ses.verify_email_identity().email_address(sender).send().await.context("cannot verify EMAIL_FROM")?;
        let topic = output(stack, "NoticeFeedbackTopicArn")?;
        for kind in [NotificationType::Bounce, NotificationType::Complaint] {
            let tell = self.ses.set_identity_notification_topic().identity(sender).notification_type(kind).sns_topic(topic);
            tell.send().await.context("cannot make SES report bounces and complaints")?;
        }
        Ok(())
    }

    /// Enables the expiry of idempotency keys. The emulator's CloudFormation ignores the template's
    /// `TimeToLiveSpecification`.
    async fn expire_idempotency_keys(&self, stack: &Stack) -> Result<()> {
        let table = self.settings.get("IDEMPOTENCY_TABLE")?;
        let found = self.dynamodb.describe_time_to_live().table_name(table).send().await?;
        if found.time_to_live_description().and_then(|ttl| ttl.attribute_name()).is_some() {
            return Ok(());
        }
        let ttl = TimeToLiveSpecification::builder().attribute_name(output(stack, "IdempotencyTableTimeToLive")?).enabled(true).build()?;
        self.dynamodb.update_time_to_live().table_name(table).time_to_live_specification(ttl).send().await?;
        Ok(())
    }

    /// Checks that the settings agree with the template. The binaries take the names of tables and
    /// queues from the settings, but the template creates them.
    fn agrees(&self, stack: &Stack) -> Result<()> {
        for (key, name) in [("ORDERS_TABLE", "OrdersTable"), ("IDEMPOTENCY_TABLE", "IdempotencyTable"), ("PRODUCTS_TABLE", "ProductsTable")]
        {
            let (set, made) = (self.settings.get(key)?, output(stack, name)?);
            if set != made {
                bail!("{key} is {set}, but {TEMPLATE} makes {made}: correct it in .env");
            }
        }
        if let Ok(set) = self.settings.get("EVENTS_TOPIC_ARN")
            && set != output(stack, "EventsTopicArn")?
        {
            bail!("EVENTS_TOPIC_ARN is {set}, but {TEMPLATE} makes {}: correct it in .env", output(stack, "EventsTopicArn")?);
        }
        for (key, name) in [("INTAKE_QUEUE_URL", "IntakeQueueName"), ("NOTICE_FEEDBACK_QUEUE_URL", "NoticeFeedbackQueueName")] {
            let (set, made) = (self.settings.get(key)?, output(stack, name)?);
            if set.rsplit('/').next() != Some(made) {
                bail!("{key} is {set}, but {TEMPLATE} makes a queue {made}: correct it in .env");
            }
        }
        Ok(())
    }
}

/// The template reduced to one of its resources, without outputs. Returns `None` if the template
/// does not have the resource.
fn with_one_resource(template: &str, resource: &str) -> Option<String> {
    let (head, rest) = template.split_once("\nResources:\n")?;
    let heading = format!("  {resource}:");
    let mut lines = rest.lines().skip_while(|line| *line != heading);
    let first = lines.next()?;
    // The resource ends where the next resource, or a comment on it, begins.
    let block = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    Some([head, "Resources:", first].into_iter().chain(block).collect::<Vec<_>>().join("\n"))
}

fn output<'a>(stack: &'a Stack, key: &str) -> Result<&'a str> {
    stack.outputs.get(key).map(String::as_str).ok_or_else(|| anyhow!("{TEMPLATE} has no output {key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_cut_out_of_the_template() {
        let template = "Parameters:\n  Name: x\n\nResources:\n  # One.\n  A:\n    Type: T\n\n  # Two.\n  B:\n    Type: U\n    More: 1\n\nOutputs:\n  A: 1\n";
        assert_eq!(
            with_one_resource(template, "B").unwrap().trim_end(),
            "Parameters:\n  Name: x\n\nResources:\n  B:\n    Type: U\n    More: 1"
        );
        assert_eq!(with_one_resource(template, "A").unwrap().trim_end(), "Parameters:\n  Name: x\n\nResources:\n  A:\n    Type: T");
        assert_eq!(with_one_resource(template, "C"), None);
    }
}
