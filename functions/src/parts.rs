//! What handlers work with, made once per process. A handler takes its own parts from any state that has them, and a function is given no others,
//! so that it needs neither their configuration nor their permissions.

mod staff;

use crate::{
    carrier_webhook::{self, CarrierSecret},
    catalogue::{self, Catalogue},
    idempotency::{self, Idempotency},
    identity::{self, Identity},
    intake_queue::{self, IntakeQueue},
    queue_poller::Consumer,
    queues::{self, FeedbackQueue, Queues},
    stripe_webhook::{self, StripeSecret},
    workflows::Workflows,
};
use axum::extract::FromRef;
use platform::{
    aws::{self, Patience},
    read_model::{self, ReadModel},
    temporal,
};
pub use staff::{Overseeing, OverseeingSettings, Refunding, RefundingSettings, Restocking, RestockingSettings};
use std::sync::Arc;

/// To accept orders; with it comes everything else that the API does.
#[derive(Clone, FromRef)]
pub struct Accepting {
    pub identity: Arc<Identity>,
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
    pub intake_queue: Arc<IntakeQueue>,
    pub idempotency: Arc<Idempotency>,
    pub catalogue: Arc<Catalogue>,
    pub consumer: Consumer,
    pub queues: Arc<Queues>,
    pub carrier: Arc<CarrierSecret>,
    pub stripe: Arc<StripeSecret>,
}

#[derive(clap::Args, Clone)]
pub struct AcceptingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub catalogue: catalogue::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub intake_queue: intake_queue::Settings,
    #[command(flatten)]
    pub idempotency: idempotency::Settings,
    #[command(flatten)]
    pub feedback_queue: FeedbackQueue,
    #[command(flatten)]
    pub carrier: carrier_webhook::Settings,
    #[command(flatten)]
    pub stripe: stripe_webhook::Settings,
}

impl Accepting {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: AcceptingSettings) -> Result<Self, identity::Error> {
        let identity = Arc::new(Identity::new(settings.identity)?);
        let aws = aws::config(Patience::INTERACTIVE).await;
        let (dynamodb, sqs) = (aws_sdk_dynamodb::Client::new(&aws), aws_sdk_sqs::Client::new(&aws));
        let queues = queues::Settings { intake_queue: settings.intake_queue.clone(), feedback_queue: settings.feedback_queue };
        let read_model = Arc::new(ReadModel::new(dynamodb.clone(), settings.read_model));
        Ok(Self {
            identity,
            catalogue: Arc::new(Catalogue::new(read_model.clone(), &settings.catalogue)),
            read_model,
            workflows: workflows(settings.temporal),
            intake_queue: Arc::new(IntakeQueue::new(sqs.clone(), settings.intake_queue)),
            consumer: Consumer::default(),
            queues: Arc::new(Queues::new(sqs, queues)),
            idempotency: Arc::new(Idempotency::new(dynamodb, settings.idempotency)),
            carrier: Arc::new(CarrierSecret::new(settings.carrier)),
            stripe: Arc::new(StripeSecret::new(settings.stripe)),
        })
    }
}

/// To tell orders that are under way what somebody wants.
#[derive(Clone, FromRef)]
pub struct Signalling {
    pub identity: Arc<Identity>,
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
    pub idempotency: Arc<Idempotency>,
}

#[derive(clap::Args, Clone)]
pub struct SignallingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub idempotency: idempotency::Settings,
}

impl Signalling {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: SignallingSettings) -> Result<Self, identity::Error> {
        let identity = Arc::new(Identity::new(settings.identity)?);
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws::config(Patience::INTERACTIVE).await);
        Ok(Self {
            identity,
            read_model: Arc::new(ReadModel::new(dynamodb.clone(), settings.read_model)),
            workflows: workflows(settings.temporal),
            idempotency: Arc::new(Idempotency::new(dynamodb, settings.idempotency)),
        })
    }
}

/// To hear from carriers.
#[derive(Clone, FromRef)]
pub struct Following {
    pub carrier: Arc<CarrierSecret>,
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
}

#[derive(clap::Args, Clone)]
pub struct FollowingSettings {
    #[command(flatten)]
    pub carrier: carrier_webhook::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
}

impl Following {
    pub async fn new(settings: FollowingSettings) -> Self {
        Self {
            carrier: Arc::new(CarrierSecret::new(settings.carrier)),
            read_model: read_model(settings.read_model).await,
            workflows: workflows(settings.temporal),
        }
    }
}

/// To hear of payments from Stripe.
#[derive(Clone, FromRef)]
pub struct Listening {
    pub stripe: Arc<StripeSecret>,
    pub workflows: Arc<Workflows>,
}

#[derive(clap::Args, Clone)]
pub struct ListeningSettings {
    #[command(flatten)]
    pub stripe: stripe_webhook::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
}

impl Listening {
    #[must_use]
    pub fn new(settings: ListeningSettings) -> Self {
        Self { stripe: Arc::new(StripeSecret::new(settings.stripe)), workflows: workflows(settings.temporal) }
    }
}

/// To see whether what the API depends on is there.
#[derive(Clone, FromRef)]
pub struct Checking {
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
    pub intake_queue: Arc<IntakeQueue>,
    pub idempotency: Arc<Idempotency>,
    pub consumer: Consumer,
}

#[derive(clap::Args, Clone)]
pub struct CheckingSettings {
    #[command(flatten)]
    pub idempotency: idempotency::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub intake_queue: intake_queue::Settings,
}

impl Checking {
    pub async fn new(settings: CheckingSettings) -> Self {
        let aws = aws::config(Patience::INTERACTIVE).await;
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws);
        Self {
            read_model: Arc::new(ReadModel::new(dynamodb.clone(), settings.read_model)),
            workflows: workflows(settings.temporal),
            intake_queue: Arc::new(IntakeQueue::new(aws_sdk_sqs::Client::new(&aws), settings.intake_queue)),
            idempotency: Arc::new(Idempotency::new(dynamodb, settings.idempotency)),
            consumer: Consumer::default(),
        }
    }
}

/// To start the orders of the intake queue.
pub struct Starting {
    pub workflows: Arc<Workflows>,
    pub intake_queue: Arc<IntakeQueue>,
}

#[derive(clap::Args, Clone)]
pub struct StartingSettings {
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub intake_queue: intake_queue::Settings,
}

impl Starting {
    pub async fn new(settings: StartingSettings) -> Self {
        let aws = aws::config(Patience::INTERACTIVE).await;
        Self {
            workflows: workflows(settings.temporal),
            intake_queue: Arc::new(IntakeQueue::new(aws_sdk_sqs::Client::new(&aws), settings.intake_queue)),
        }
    }
}

/// To read orders.
#[derive(Clone, FromRef)]
pub struct Reading {
    pub identity: Arc<Identity>,
    pub read_model: Arc<ReadModel>,
}

#[derive(clap::Args, Clone)]
pub struct ReadingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
}

impl Reading {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: ReadingSettings) -> Result<Self, identity::Error> {
        Ok(Self { identity: Arc::new(Identity::new(settings.identity)?), read_model: read_model(settings.read_model).await })
    }
}

/// To read what everybody may.
pub async fn read_model(settings: read_model::Settings) -> Arc<ReadModel> {
    let aws = aws::config(Patience::INTERACTIVE).await;
    Arc::new(ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings))
}

/// To start and signal workflows. Connects in the background: what comes first need not wait long, and nothing waits when Temporal is away.
pub fn workflows(settings: temporal::Settings) -> Arc<Workflows> {
    let workflows = Arc::new(Workflows::new(settings));
    let warming = Arc::clone(&workflows);
    tokio::spawn(async move { warming.warm().await });
    workflows
}
