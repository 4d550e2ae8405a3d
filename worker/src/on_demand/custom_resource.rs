//! The migrations as a custom resource of CloudFormation: an update of the stack waits for them,
//! and fails if they fail
//! (<https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/crpg-ref.html>).

use crate::{config, migrate as migrations};
use anyhow::{Context, anyhow, bail};
use lambda_runtime::{LambdaEvent, service_fn};
use platform::http::{Client, HttpRequest, SdkBody};
use serde::Deserialize;
use serde_json::json;
use std::time::{Duration, SystemTime};
use tokio::time::timeout;

/// The time before Lambda's limit at which the migrations have failed. CloudFormation waits for an
/// answer, so there must be time for one.
const RESERVE: Duration = Duration::from_secs(10);
const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// A request of CloudFormation.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    request_type: String,
    #[serde(rename = "ResponseURL")]
    response_url: String,
    stack_id: String,
    request_id: String,
    logical_resource_id: String,
}

/// Serves the requests of CloudFormation.
///
/// # Errors
/// Fails if Lambda's runtime ends.
pub async fn migrate(settings: config::Migrate) -> anyhow::Result<()> {
    platform::log::init(&settings.log);
    let settings = &settings;
    let serve = service_fn(|event: LambdaEvent<Request>| async move {
        let limit = (event.context.deadline() - RESERVE).duration_since(SystemTime::now()).unwrap_or_default();
        // Nothing is to be done when the resource is deleted: the schema stays.
        let result = match event.payload.request_type.as_str() {
            "Delete" => Ok(()),
            _ => timeout(limit, migrations::migrate(settings)).await.unwrap_or_else(|_| Err(anyhow!("not within {} s", limit.as_secs()))),
        };
        if let Err(error) = &result {
            tracing::error!(error = format!("{error:#}"), "the schema is not up to date");
        }
        // If this fails, Lambda invokes the function again.
        answer(&event.payload, result).await.map_err(|error| lambda_runtime::Error::from(format!("{error:#}")))
    });
    lambda_runtime::run(serve).await.map_err(|error| anyhow!(error))
}

/// Tells CloudFormation the result.
async fn answer(request: &Request, result: anyhow::Result<()>) -> anyhow::Result<()> {
    let body = json!({
        "Status": if result.is_ok() { "SUCCESS" } else { "FAILED" },
        "Reason": result.err().map_or_else(String::new, |error| format!("the migrations failed: {error:#}")),
        // The same for all releases, so that CloudFormation replaces nothing.
        "PhysicalResourceId": "schema",
        "StackId": request.stack_id,
        "RequestId": request.request_id,
        "LogicalResourceId": request.logical_resource_id,
    });
    let body = body.to_string();
    let length = body.len();
    let mut put = HttpRequest::new(SdkBody::from(body));
    put.set_method("PUT")?;
    put.set_uri(request.response_url.as_str()).context("CloudFormation's URL is not valid")?;
    // S3 refuses a body without a length. The URL is signed without a content type.
    put.headers_mut().try_insert("content-length", length.to_string())?;
    let answer = Client::new(HTTP_TIMEOUT, HTTP_TIMEOUT, MAX_ANSWER_BYTES).call(put).await.context("CloudFormation cannot be told")?;
    if answer.status != 200 {
        bail!("CloudFormation's URL answers {}", answer.status);
    }
    Ok(())
}
