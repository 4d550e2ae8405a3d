//! Spans for the calls of AWS: one for each attempt, below the HTTP client that all AWS clients
//! share.

use super::{child_span, end};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector},
    orchestrator::HttpRequest,
    runtime_components::RuntimeComponents,
};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt as _},
};

/// An HTTP client whose requests are spans of the current trace.
#[derive(Debug)]
pub(crate) struct TracedClient(pub(crate) SharedHttpClient);

impl HttpClient for TracedClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(TracedConnector(self.0.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct TracedConnector(SharedHttpConnector);

impl HttpConnector for TracedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(span) = start(&request) else { return self.0.call(request) };
        let answer = self.0.call(request);
        HttpConnectorFuture::new(async move {
            let answer = answer.await;
            let error = match &answer {
                Ok(answer) => {
                    let status = answer.status().as_u16();
                    span.span().set_attribute(KeyValue::new("http.response.status_code", i64::from(status)));
                    // Most answers of the range 400 to 499 are expected, such as an item of which
                    // the table has a newer version. The caller of the client knows which are not.
                    (status >= 500).then_some("unavailable")
                }
                Err(error) if error.is_timeout() => Some("timeout"),
                Err(_) => Some("connection"),
            };
            end(Some(span), error);
            answer
        })
    }
}

fn start(request: &HttpRequest) -> Option<Context> {
    if !super::is_on() {
        return None;
    }
    let service = service(request.headers().get("authorization").unwrap_or_default());
    let operation = operation(request);
    let part = match service {
        "sqs" => Some("queue"),
        "ses" => Some("notice"),
        "sns" if operation == "PublishBatch" => Some("events"),
        "sns" => Some("notice"),
        _ => None,
    };
    let span = child_span(SpanKind::Client, format!("{service} {operation}"), part)?;
    let mut attributes = vec![
        KeyValue::new("rpc.system", "aws-api"),
        KeyValue::new("rpc.service", service.to_owned()),
        KeyValue::new("rpc.method", operation.to_owned()),
    ];
    if service == "dynamodb" {
        attributes.push(KeyValue::new("db.system.name", "aws.dynamodb"));
        attributes.push(KeyValue::new("db.operation.name", operation.to_owned()));
    }
    span.span().set_attributes(attributes);
    Some(span)
}

/// The service for which a request is signed: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
fn service(authorization: &str) -> &str {
    let scope = authorization.split_once("Credential=").map_or("", |(_, rest)| rest);
    scope.split(',').next().and_then(|scope| scope.split('/').nth(3)).unwrap_or("aws")
}

/// The operation: in a header of the JSON protocols, and in the body of the query protocol.
fn operation(request: &HttpRequest) -> &str {
    let named = |text: &'_ str| text.bytes().all(|b| b.is_ascii_alphanumeric());
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let body = || {
        let body = str::from_utf8(request.body().bytes()?.get(..64.min(request.body().bytes()?.len()))?).ok()?;
        body.strip_prefix("Action=")?.split('&').next()
    };
    target.or_else(body).filter(|name| named(name)).unwrap_or("call")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_smithy_types::body::SdkBody;

    #[test]
    fn calls_are_named_by_service_and_operation() {
        let scope = "AWS4-HMAC-SHA256 Credential=AKIA/20261130/us-east-1/sns/aws4_request, SignedHeaders=host, Signature=0";
        assert_eq!((service(scope), service("Bearer x"), service("")), ("sns", "aws", "aws"));
        let mut request = HttpRequest::new(SdkBody::from("Action=Publish&Version=2010-03-31&PhoneNumber=%2B4917"));
        assert_eq!(operation(&request), "Publish");
        request.headers_mut().insert("x-amz-target", "DynamoDB_20120810.PutItem");
        assert_eq!(operation(&request), "PutItem");
        assert_eq!(operation(&HttpRequest::new(SdkBody::from("{}"))), "call");
    }
}
