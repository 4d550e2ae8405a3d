//! The state of the handlers. It is made once per process.
//!
//! A handler extracts its parts from any state that has them. Each function has a state with only
//! the parts of its own handler, so that it does not need the configuration and the permissions of
//! other functions.

use crate::{
    idempotency::{self, Idempotency},
    identity::{self, Identity},
    intake::intake_queue::{self, IntakeQueue},
    intake::queue_poller::Consumer,
    operation::queues::{FeedbackQueue, Queues},
    product::catalogue::{self, Catalogue},
    traces::{self, Traces},
    webhook::carrier_webhook::{self, CarrierSecret},
    webhook::stripe_webhook::{self, StripeSecret},
    workflows::Workflows,
};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use axum::extract::FromRef;
use platform::{
    aws::{self, SdkConfig, Timeouts},
    read_model::{self, ReadModel},
    temporal,
    wakeup::{self, Wakeup},
};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Declares states. Each one has its parts, and the settings from which these parts are made.
macro_rules! states {
    ($($(#[$doc:meta])* $state:ident { $($part:ident),+ } from $settings:ident { $($setting:ident),+ })+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, FromRef)]
            pub struct $state {
                $(pub $part: part!($part),)+
            }

            #[derive(clap::Args, Clone)]
            pub struct $settings {
                $(
                    #[command(flatten)]
                    pub $setting: setting!($setting),
                )+
            }

            impl $state {
                /// Makes the parts from the settings.
                ///
                /// # Errors
                /// Fails if the settings for authentication are incomplete or wrong.
                pub async fn new(settings: $settings) -> Result<Self, identity::Error> {
                    let from = Sources { settings, aws: Aws::default() };
                    Ok(Self { $($part: make!($part, from),)+ })
                }
            }
        )+
    };
}

/// The type of a part.
macro_rules! part {
    (carrier) => { Arc<CarrierSecret> };
    (catalogue) => { Arc<Catalogue> };
    (consumer) => { Consumer };
    (idempotency) => { Arc<Idempotency> };
    (identity) => { Arc<Identity> };
    (intake_queue) => { Arc<IntakeQueue> };
    (queues) => { Arc<Queues> };
    (read_model) => { Arc<ReadModel> };
    (stripe) => { Arc<StripeSecret> };
    (traces) => { Arc<Traces> };
    (workflows) => { Arc<Workflows> };
}

/// The type of a part's settings.
macro_rules! setting {
    (carrier) => {
        carrier_webhook::Settings
    };
    (catalogue) => {
        catalogue::Settings
    };
    (feedback_queue) => {
        FeedbackQueue
    };
    (idempotency) => {
        idempotency::Settings
    };
    (identity) => {
        identity::Settings
    };
    (intake_queue) => {
        intake_queue::Settings
    };
    (read_model) => {
        read_model::Settings
    };
    (stripe) => {
        stripe_webhook::Settings
    };
    (temporal) => {
        temporal::Settings
    };
    (traces) => {
        traces::Settings
    };
    (wakeup) => {
        wakeup::Settings
    };
}

/// Makes a part from its settings.
macro_rules! make {
    (carrier, $from:ident) => {
        Arc::new(CarrierSecret::new($from.settings.carrier.clone()))
    };
    (catalogue, $from:ident) => {
        Arc::new(Catalogue::new(make!(read_model, $from), &$from.settings.catalogue))
    };
    (consumer, $from:ident) => {
        Consumer::default()
    };
    (idempotency, $from:ident) => {
        Arc::new(Idempotency::new($from.aws.dynamodb().await, $from.settings.idempotency.clone()))
    };
    (identity, $from:ident) => {
        Arc::new(Identity::new($from.settings.identity.clone())?)
    };
    (intake_queue, $from:ident) => {
        Arc::new(IntakeQueue::new($from.aws.sqs().await, $from.settings.intake_queue.clone()))
    };
    (queues, $from:ident) => {
        Arc::new(Queues::new($from.aws.sqs().await, &$from.settings.intake_queue, &$from.settings.feedback_queue))
    };
    (read_model, $from:ident) => {
        Arc::new(ReadModel::new($from.aws.dynamodb().await, $from.settings.read_model.clone()))
    };
    (stripe, $from:ident) => {
        Arc::new(StripeSecret::new($from.settings.stripe.clone()))
    };
    (traces, $from:ident) => {
        Arc::new(Traces::new($from.settings.traces.clone()))
    };
    (workflows, $from:ident) => {
        workflows($from.settings.temporal.clone(), $from.aws.wakeup($from.settings.wakeup.clone()).await)
    };
}

states! {
    /// The state of `api`, which serves all operations.
    AppState {
        identity, read_model, workflows, intake_queue, idempotency, catalogue, consumer, queues, carrier, stripe, traces
    } from AppSettings {
        identity, read_model, catalogue, temporal, wakeup, intake_queue, idempotency, feedback_queue, carrier, stripe, traces
    }

    /// The state of `create-order`.
    CreateOrderState { identity, read_model, workflows, intake_queue, idempotency, catalogue }
    from CreateOrderSettings { identity, read_model, catalogue, temporal, wakeup, intake_queue, idempotency }

    /// The state of `get-order`, `list-orders` and `get-operations-history`.
    ReadOrdersState { identity, read_model } from ReadOrdersSettings { identity, read_model }

    /// The state of `get-order-trace`.
    OrderTraceState { identity, read_model, traces } from OrderTraceSettings { identity, read_model, traces }

    /// The state of `cancel-order`, `amend-order`, `review-order`, `create-refund` and
    /// `scan-shipment`, which signal or start a workflow for an order.
    OrderActionState { identity, read_model, workflows, idempotency }
    from OrderActionSettings { identity, read_model, temporal, wakeup, idempotency }

    /// The state of `list-products`.
    ListProductsState { read_model } from ListProductsSettings { read_model }

    /// The state of `restock-product`.
    RestockProductState { identity, workflows, idempotency }
    from RestockProductSettings { identity, temporal, wakeup, idempotency }

    /// The state of `carrier-webhook`.
    CarrierWebhookState { carrier, read_model, workflows }
    from CarrierWebhookSettings { carrier, read_model, temporal, wakeup }

    /// The state of `stripe-webhook`.
    StripeWebhookState { stripe, workflows } from StripeWebhookSettings { stripe, temporal, wakeup }

    /// The state of `get-operations`.
    OperationsState { identity, queues, read_model, workflows }
    from OperationsSettings { identity, intake_queue, feedback_queue, read_model, temporal, wakeup }

    /// The state of `health`.
    HealthState { read_model, workflows, intake_queue, idempotency, consumer }
    from HealthSettings { idempotency, read_model, temporal, wakeup, intake_queue }

    /// The state of `start-queued-orders`.
    StartQueuedOrdersState { workflows, intake_queue } from StartQueuedOrdersSettings { temporal, wakeup, intake_queue }
}

/// The settings and clients from which the parts are made.
struct Sources<S> {
    settings: S,
    aws: Aws,
}

/// The AWS clients. They share one configuration, which is loaded when the first client is needed.
#[derive(Default)]
struct Aws(OnceCell<SdkConfig>);

impl Aws {
    async fn config(&self) -> &SdkConfig {
        self.0.get_or_init(|| aws::config(Timeouts::INTERACTIVE)).await
    }

    async fn dynamodb(&self) -> DynamoDb {
        DynamoDb::new(self.config().await)
    }

    async fn sqs(&self) -> Sqs {
        Sqs::new(self.config().await)
    }

    /// `None` if workers run all the time.
    async fn wakeup(&self, settings: wakeup::Settings) -> Option<Wakeup> {
        let queue_url = settings.worker_wakeup_queue_url?;
        Some(Wakeup::new(self.sqs().await, queue_url))
    }
}

/// Makes the part that starts and signals workflows. It connects in the background, so that the
/// first requests wait less, and nothing waits if Temporal is away.
fn workflows(settings: temporal::Settings, wakeup: Option<Wakeup>) -> Arc<Workflows> {
    let workflows = Arc::new(Workflows::new(settings, wakeup));
    let warming = Arc::clone(&workflows);
    tokio::spawn(async move { warming.warm().await });
    workflows
}
