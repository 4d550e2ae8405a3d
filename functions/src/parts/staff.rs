//! What those handlers work with that are for the shop's own people alone.

use super::workflows;
use crate::{
    idempotency::{self, Idempotency},
    identity::{self, Identity},
    queues::{self, Queues},
    workflows::Workflows,
};
use axum::extract::FromRef;
use platform::{
    aws::{self, Patience},
    read_model::{self, ReadModel},
    temporal,
};
use std::sync::Arc;

/// To give money back, or to decide about an order: what has its effect once.
#[derive(Clone, FromRef)]
pub struct Refunding {
    pub identity: Arc<Identity>,
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
    pub idempotency: Arc<Idempotency>,
}

#[derive(clap::Args, Clone)]
pub struct RefundingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub idempotency: idempotency::Settings,
}

impl Refunding {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: RefundingSettings) -> Result<Self, identity::Error> {
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

/// To bring in what came in.
#[derive(Clone, FromRef)]
pub struct Restocking {
    pub identity: Arc<Identity>,
    pub workflows: Arc<Workflows>,
    pub idempotency: Arc<Idempotency>,
}

#[derive(clap::Args, Clone)]
pub struct RestockingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
    #[command(flatten)]
    pub idempotency: idempotency::Settings,
}

impl Restocking {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: RestockingSettings) -> Result<Self, identity::Error> {
        let identity = Arc::new(Identity::new(settings.identity)?);
        let dynamodb = aws_sdk_dynamodb::Client::new(&aws::config(Patience::INTERACTIVE).await);
        let idempotency = Arc::new(Idempotency::new(dynamodb, settings.idempotency));
        Ok(Self { identity, workflows: workflows(settings.temporal), idempotency })
    }
}

/// To see how much waits where.
#[derive(Clone, FromRef)]
pub struct Overseeing {
    pub identity: Arc<Identity>,
    pub queues: Arc<Queues>,
    pub read_model: Arc<ReadModel>,
    pub workflows: Arc<Workflows>,
}

#[derive(clap::Args, Clone)]
pub struct OverseeingSettings {
    #[command(flatten)]
    pub identity: identity::Settings,
    #[command(flatten)]
    pub queues: queues::Settings,
    #[command(flatten)]
    pub read_model: read_model::Settings,
    #[command(flatten)]
    pub temporal: temporal::Settings,
}

impl Overseeing {
    /// # Errors
    /// When the settings do not say who may call.
    pub async fn new(settings: OverseeingSettings) -> Result<Self, identity::Error> {
        let identity = Arc::new(Identity::new(settings.identity)?);
        let aws = aws::config(Patience::INTERACTIVE).await;
        Ok(Self {
            identity,
            queues: Arc::new(Queues::new(aws_sdk_sqs::Client::new(&aws), settings.queues)),
            read_model: Arc::new(ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings.read_model)),
            workflows: workflows(settings.temporal),
        })
    }
}
