//! The configuration of `worker order`.

use super::{Events, Payments, Postgres, StuckLimits};
use clap::Args;
use orders::OrderId;

/// Prints all that is known of an order.
#[derive(Args)]
pub struct Order {
    #[command(flatten)]
    pub log: platform::log::Settings,
    #[command(flatten)]
    pub postgres: Postgres,
    #[command(flatten)]
    pub read_model: platform::read_model::Settings,
    #[command(flatten)]
    pub temporal: platform::temporal::Settings,
    #[command(flatten)]
    pub stuck: StuckLimits,
    #[command(flatten)]
    pub events: Events,
    #[command(flatten)]
    pub payments: Payments,
    /// Id of the order.
    pub order: OrderId,
    /// Print JSON, for tools.
    #[arg(long)]
    pub json: bool,
}
