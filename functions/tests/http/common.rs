//! The API in this process. All its dependencies are away, so a request that needs one is answered
//! 503.

use aws_sdk_dynamodb::config::{BehaviorVersion, Region};
use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderMap, Request, StatusCode},
};
use functions::{
    api,
    http::{finish, not_found},
    idempotency::{self, Idempotency},
    identity::Identity,
    intake::intake_queue::{self, IntakeQueue},
    intake::queue_poller::Consumer,
    operation::queues::{FeedbackQueue, Queues},
    product::catalogue::{self, Catalogue},
    state::AppState,
    traces::{self, Traces},
    webhook::carrier_webhook::{self, CarrierSecret},
    webhook::stripe_webhook::{self, StripeSecret},
    workflows::Workflows,
};
use platform::{
    read_model::{self, ReadModel},
    temporal,
};
use std::sync::Arc;
use tower::ServiceExt;

/// A port on which nothing can listen.
const UNREACHABLE: &str = "127.0.0.1:0";

/// The secret with which the carrier signs.
pub(crate) const CARRIER_SECRET: &str = "secret_of_the_tests";
/// The secret with which Stripe signs.
pub(crate) const STRIPE_SECRET: &str = "whsec_of_the_tests";

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub(crate) fn routes() -> Router<AppState> {
    api::routes()
}

/// An API without authentication.
pub(crate) fn app() -> Router {
    finish(routes().with_state(state(Arc::new(Identity::Open))), not_found)
}

/// Calls an API without authentication.
pub(crate) async fn call(request: Request<Body>) -> Answer {
    call_as(Arc::new(Identity::Open), request).await
}

/// Calls an API with this authentication.
pub(crate) async fn call_as(identity: Arc<Identity>, request: Request<Body>) -> Answer {
    let response = finish(routes().with_state(state(identity)), not_found).oneshot(request).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec();
    Answer { status, headers, body }
}

pub(crate) fn request(method: &str, path: &str) -> Request<Body> {
    Request::builder().method(method).uri(path).body(Body::empty()).unwrap()
}

pub(crate) fn post(path: &str, body: impl Into<Body>) -> Request<Body> {
    Request::builder().method("POST").uri(path).header("content-type", "application/json").body(body.into()).unwrap()
}

fn state(identity: Arc<Identity>) -> AppState {
    let endpoint = format!("http://{UNREACHABLE}");
    let dynamodb = aws_sdk_dynamodb::Config::builder().behavior_version(BehaviorVersion::latest()).region(Region::from_static("us-east-1"));
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb.endpoint_url(&endpoint).build());
    let sqs = aws_sdk_sqs::Config::builder().behavior_version(BehaviorVersion::latest()).region(Region::from_static("us-east-1"));
    let sqs = aws_sdk_sqs::Client::from_conf(sqs.endpoint_url(&endpoint).build());
    let tables = read_model::Settings { orders_table: "orders".to_owned(), products_table: "products".to_owned() };
    let temporal = temporal::Settings {
        temporal_host_port: UNREACHABLE.to_owned(),
        temporal_namespace: "default".to_owned(),
        temporal_task_queue: "orders".to_owned(),
        temporal_tls: false,
        temporal_api_key: None,
        temporal_tls_client_cert: None,
        temporal_tls_client_key: None,
        temporal_secret_arn: None,
        search: temporal::Search { temporal_search_attributes: false, temporal_customer_key: None },
    };
    let intake = intake_queue::Settings { intake_queue_url: format!("{endpoint}/intake") };
    let read_model = Arc::new(ReadModel::new(dynamodb.clone(), tables));
    AppState {
        identity,
        catalogue: Arc::new(Catalogue::new(read_model.clone(), &catalogue::Settings { catalogue_timeout_ms: 200 })),
        read_model,
        workflows: Arc::new(Workflows::new(temporal, None)),
        queues: Arc::new(Queues::new(sqs.clone(), &intake, &FeedbackQueue { notice_feedback_queue_url: None })),
        intake_queue: Arc::new(IntakeQueue::new(sqs, intake)),
        consumer: Consumer::default(),
        carrier: Arc::new(CarrierSecret::new(carrier_webhook::Settings {
            carrier_secret_arn: None,
            carrier_webhook_secret: Some(CARRIER_SECRET.to_owned()),
        })),
        stripe: Arc::new(StripeSecret::new(stripe_webhook::Settings {
            stripe_secret_arn: None,
            stripe_webhook_secret: Some(STRIPE_SECRET.to_owned()),
        })),
        idempotency: Arc::new(Idempotency::new(
            dynamodb,
            idempotency::Settings { idempotency_table: "idempotency".to_owned(), order_request_limit: 30 },
        )),
        traces: Arc::new(Traces::new(traces::Settings { traces_query_url: None })),
    }
}
