//! What handlers work with, made once per process.
//!
//! A handler extracts its parts from any state that has them. Each function has a state with the parts
//! of its own handler alone, so that it needs neither the configuration nor the permissions of others.

use crate::{
    carrier_webhook::{self, CarrierSecret},
    catalogue::{self, Catalogue},
    idempotency::{self, Idempotency},
    identity::{self, Identity},
    intake_queue::{self, IntakeQueue},
    queue_poller::Consumer,
    queues::{FeedbackQueue, Queues},
    stripe_webhook::{self, StripeSecret},
    workflows::Workflows,
};
use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use axum::extract::FromRef;
use platform::{
    aws::{self, Patience, SdkConfig},
    read_model::{self, ReadModel},
    temporal,
};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Declares states, each with its parts and with the settings that these parts need.
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
                /// # Errors
                /// When the settings do not say who may call.
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
}

/// A part made of its settings.
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
    (workflows, $from:ident) => {
        workflows($from.settings.temporal.clone())
    };
}

states! {
    /// Of `api`, which serves all operations.
    AppState {
        identity, read_model, workflows, intake_queue, idempotency, catalogue, consumer, queues, carrier, stripe
    } from AppSettings {
        identity, read_model, catalogue, temporal, intake_queue, idempotency, feedback_queue, carrier, stripe
    }

    /// Of `create-order`.
    CreateOrderState { identity, read_model, workflows, intake_queue, idempotency, catalogue }
    from CreateOrderSettings { identity, read_model, catalogue, temporal, intake_queue, idempotency }

    /// Of `get-order` and `list-orders`.
    ReadOrdersState { identity, read_model } from ReadOrdersSettings { identity, read_model }

    /// Of `cancel-order`, `amend-order`, `review-order`, `create-refund` and `scan-shipment`, which
    /// signal or start the workflow of an order.
    OrderActionState { identity, read_model, workflows, idempotency }
    from OrderActionSettings { identity, read_model, temporal, idempotency }

    /// Of `list-products`.
    ListProductsState { read_model } from ListProductsSettings { read_model }

    /// Of `restock-product`.
    RestockProductState { identity, workflows, idempotency }
    from RestockProductSettings { identity, temporal, idempotency }

    /// Of `carrier-webhook`.
    CarrierWebhookState { carrier, read_model, workflows }
    from CarrierWebhookSettings { carrier, read_model, temporal }

    /// Of `stripe-webhook`.
    StripeWebhookState { stripe, workflows } from StripeWebhookSettings { stripe, temporal }

    /// Of `get-operations`.
    OperationsState { identity, queues, read_model, workflows }
    from OperationsSettings { identity, intake_queue, feedback_queue, read_model, temporal }

    /// Of `health`.
    HealthState { read_model, workflows, intake_queue, idempotency, consumer }
    from HealthSettings { idempotency, read_model, temporal, intake_queue }

    /// Of `start-queued-orders`.
    StartQueuedOrdersState { workflows, intake_queue } from StartQueuedOrdersSettings { temporal, intake_queue }
}

/// What parts are made from.
struct Sources<S> {
    settings: S,
    aws: Aws,
}

/// The clients of AWS. They share one configuration, which is read when the first is needed.
#[derive(Default)]
struct Aws(OnceCell<SdkConfig>);

impl Aws {
    async fn config(&self) -> &SdkConfig {
        self.0.get_or_init(|| aws::config(Patience::INTERACTIVE)).await
    }

    async fn dynamodb(&self) -> DynamoDb {
        DynamoDb::new(self.config().await)
    }

    async fn sqs(&self) -> Sqs {
        Sqs::new(self.config().await)
    }
}

/// To start and signal workflows. Connects in the background, so that the first requests need not wait
/// for long, and nothing waits when Temporal is away.
fn workflows(settings: temporal::Settings) -> Arc<Workflows> {
    let workflows = Arc::new(Workflows::new(settings));
    let warming = Arc::clone(&workflows);
    tokio::spawn(async move { warming.warm().await });
    workflows
}
