//! Deploys the built templates to the emulator with the SAM CLI, as to AWS.

use super::{ORDER, event, until};
use anyhow::{Context as _, Result, ensure};
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use aws_smithy_http_client::Builder;
use local::{Settings, Stack, Tools, project};
use reqwest::header::AUTHORIZATION;
use serde_json::Value;
use std::process::Stdio;
use tokio::process::Command;

/// The outputs of `sam build` for infra/foundation.yaml and template.yaml: a folder for each nested
/// template, named after its resource there.
const FOUNDATION: &str = ".aws-sam/foundation";
const APPLICATION: &str = ".aws-sam/build";
/// The bucket through which the code is uploaded.
const BUCKET: &str = "artifacts";
/// The prefix of the functions' names: the templates' default.
const NAME: &str = "orderflow";
/// The emulator's account.
const ACCOUNT: &str = "000000000000";

/// OrderFlow's functions, running in the emulator.
pub(crate) struct Deployment {
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) intake_queue: String,
    endpoint: String,
    authorization: String,
    http: reqwest::Client,
}

impl Deployment {
    /// Deploys the API's template, with the tables, queues and Temporal of a stack.
    pub(crate) async fn new(stack: &Stack) -> Result<Self> {
        let settings = stack.settings();
        let endpoint = settings.get("AWS_ENDPOINT_URL")?.to_owned();
        let http = reqwest::Client::builder().no_proxy().build()?;
        http.put(format!("{endpoint}/{BUCKET}")).send().await?.error_for_status()?;
        deploy(settings, FOUNDATION, "Identity", &[]).await?;
        deploy(settings, APPLICATION, "Api", &parameters(settings)?).await?;
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(Builder::new().build_http())
            .endpoint_url(&endpoint)
            .region(Region::new(settings.get("AWS_REGION")?.to_owned()))
            .credentials_provider(Credentials::new(
                settings.get("AWS_ACCESS_KEY_ID")?,
                settings.get("AWS_SECRET_ACCESS_KEY")?,
                None,
                None,
                "test",
            ));
        Ok(Self {
            sqs: aws_sdk_sqs::Client::from_conf(config.build()),
            intake_queue: settings.get("INTAKE_QUEUE_URL")?.to_owned(),
            endpoint,
            authorization: authorization(settings)?,
            http,
        })
    }

    /// Sends an event to a function's alias. Returns its answer.
    pub(crate) async fn invoke(&self, function: &str, event: &Value) -> Result<Value> {
        let url = format!("{}/2015-03-31/functions/{NAME}-{function}:live/invocations", self.endpoint);
        let request = self.http.post(url).header(AUTHORIZATION, &self.authorization).body(event.to_string());
        let response = request.send().await?;
        let (status, failed) = (response.status(), response.headers().contains_key("x-amz-function-error"));
        let answer = response.text().await?;
        ensure!(status.is_success() && !failed, "{function} failed with {status}: {answer}");
        serde_json::from_str(&answer).with_context(|| format!("{function} answers {answer}"))
    }

    /// Sends a request of API Gateway to a function. Returns status and body.
    pub(crate) async fn request(&self, function: &str, event: &Value) -> Result<(u64, Value)> {
        let answer = self.invoke(function, event).await?;
        let status = answer["statusCode"].as_u64().with_context(|| format!("no status in {answer}"))?;
        Ok((status, serde_json::from_str(answer["body"].as_str().unwrap_or_default())?))
    }

    /// Waits until get-order shows that an order is complete.
    pub(crate) async fn completed(&self, id: &str) -> Result<Value> {
        let event: Value = serde_json::from_str(&event("get-order")?.to_string().replace(ORDER, id))?;
        let mut last = (0, Value::Null);
        let complete = until("the order is complete", async || {
            last = self.request("get-order", &event).await?;
            Ok((last.1["status"] == "COMPLETED").then(|| last.1.clone()))
        });
        complete.await.with_context(|| format!("{id}: {last:?}"))
    }
}

/// The header that identifies the caller. The emulator does not check the signature of the root
/// key.
fn authorization(settings: &Settings) -> Result<String> {
    let (key, region) = (settings.get("AWS_ACCESS_KEY_ID")?, settings.get("AWS_REGION")?);
    Ok(format!("AWS4-HMAC-SHA256 Credential={key}/20261121/{region}/lambda/aws4_request, SignedHeaders=host, Signature=0"))
}

/// The API's parameters: the outputs of infra/data.yaml with the values of this stack, and the
/// stack's Temporal.
fn parameters(settings: &Settings) -> Result<Vec<(&'static str, String)>> {
    let region = settings.get("AWS_REGION")?;
    let mut parameters = vec![
        ("AuthIssuer", format!("https://cognito-idp.{region}.amazonaws.com/{region}_example")),
        ("AuthAudience", "page".to_owned()),
        ("TemporalHostPort", settings.get("TEMPORAL_HOST_PORT")?.to_owned()),
        ("IntakeQueueUrl", settings.get("INTAKE_QUEUE_URL")?.to_owned()),
        ("IntakeQueueArn", format!("arn:aws:sqs:{region}:{ACCOUNT}:{NAME}-intake")),
        ("IntakeDeadLetterQueueArn", format!("arn:aws:sqs:{region}:{ACCOUNT}:{NAME}-intake-dlq")),
        ("NoticeFeedbackQueueUrl", settings.get("NOTICE_FEEDBACK_QUEUE_URL")?.to_owned()),
        ("NoticeFeedbackQueueArn", format!("arn:aws:sqs:{region}:{ACCOUNT}:{NAME}-notice-feedback")),
        ("NoticeFeedbackDeadLetterQueueArn", format!("arn:aws:sqs:{region}:{ACCOUNT}:{NAME}-notice-feedback-dlq")),
    ];
    for (name, arn, key) in [
        ("OrdersTable", "OrdersTableArn", "ORDERS_TABLE"),
        ("IdempotencyTable", "IdempotencyTableArn", "IDEMPOTENCY_TABLE"),
        ("ProductsTable", "ProductsTableArn", "PRODUCTS_TABLE"),
    ] {
        let table = settings.get(key)?;
        parameters.extend([(name, table.to_owned()), (arn, format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}"))]);
    }
    Ok(parameters)
}

async fn deploy(settings: &Settings, built: &str, template: &str, parameters: &[(&str, String)]) -> Result<()> {
    let file = project().join(built).join(template).join("template.yaml");
    ensure!(file.exists(), "{} is missing: run `make verify-aws`", file.display());
    let mut command = Command::new(Tools::default().installed("sam")?);
    command.arg("deploy").arg("--template-file").arg(&file).args(["--stack-name", &format!("{NAME}-{template}")]);
    command.args(["--s3-bucket", BUCKET, "--capabilities", "CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND", "--no-confirm-changeset"]);
    if !parameters.is_empty() {
        command.arg("--parameter-overrides").args(parameters.iter().map(|(name, value)| format!("{name}={value}")));
    }
    command.envs(settings.env()).env("SAM_CLI_TELEMETRY", "0").env("AWS_DEFAULT_REGION", settings.get("AWS_REGION")?);
    let output = command.stdin(Stdio::null()).output().await.context("cannot run sam")?;
    let printed = [output.stdout, output.stderr].concat();
    ensure!(output.status.success(), "sam cannot deploy {template}:\n{}", String::from_utf8_lossy(&printed));
    Ok(())
}
