//! Serves handlers as Lambda functions.

use crate::{
    http::{finish, not_found},
    identity::gateway,
};
use axum::{Router, http::Uri};
pub use lambda_http::Error;
use lambda_http::{Request, RequestExt, request::RequestContext};
use platform::{config, log, trace};
use tower::ServiceExt;

#[derive(clap::Parser)]
struct Cli<S: clap::Args> {
    #[command(flatten)]
    log: log::Settings,
    #[command(flatten)]
    trace: trace::Settings,
    #[command(flatten)]
    settings: S,
}

/// Reads the configuration, and starts logging and tracing.
///
/// # Errors
/// Fails if a variable of OpenTelemetry cannot be used.
pub fn settings<S: clap::Args>() -> Result<S, Error> {
    let cli: Cli<S> = config::read();
    log::init(&cli.log);
    trace::init(&cli.trace, &std::env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "orderflow-function".to_owned()))?;
    Ok(cli.settings)
}

/// Serves the routes behind API Gateway.
///
/// # Errors
/// Fails if the Lambda runtime ends.
pub async fn serve(routes: Router) -> Result<(), Error> {
    let app = finish(routes, not_found).map_request(from_gateway);
    // Between two invocations, the process is frozen. So its spans are sent before the answer.
    lambda_http::run(app.then(async |answer| {
        trace::flush().await;
        answer
    }))
    .await
}

/// Converts an event of API Gateway to a normal request. If API Gateway has verified the caller's
/// claims, they become an extension of the request.
fn from_gateway(mut request: Request) -> Request {
    let Some(context) = request.request_context_ref() else { return request };
    let claims = gateway::gateway_claims(context);
    if let Some(uri) = strip_stage(request.uri(), stage_name(context)) {
        *request.uri_mut() = uri;
    }
    if let Some(claims) = claims {
        request.extensions_mut().insert(claims);
    }
    request
}

/// Returns the name of API Gateway's stage. The path in an event begins with this name unless it is
/// `$default`. The routes do not contain it.
fn stage_name(context: &RequestContext) -> &str {
    match context {
        RequestContext::ApiGatewayV2(context) => context.stage.as_deref().unwrap_or("$default"),
        _ => "$default",
    }
}

fn strip_stage(uri: &Uri, stage: &str) -> Option<Uri> {
    let rest = uri.path_and_query()?.as_str().strip_prefix('/')?.strip_prefix(stage)?;
    rest.starts_with('/').then(|| rest.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_is_no_part_of_the_route() {
        let strip = |uri: &'static str| strip_stage(&Uri::from_static(uri), "prod").map(|uri| uri.to_string());
        assert_eq!(strip("https://x.test/prod/api/orders?limit=1"), Some("/api/orders?limit=1".to_owned()));
        assert_eq!(strip("/production/api/orders"), None);
        assert_eq!(strip("/api/orders"), None);
    }
}
