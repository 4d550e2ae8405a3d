//! Shipping.

use super::{millis, period};
use clap::Args;
use std::time::Duration;

/// Who carries what is sold.
#[derive(Args, Clone)]
pub struct Shipping {
    /// Carrier of all shipments.
    #[arg(long, env = "CARRIER", value_enum, default_value = "sandbox")]
    pub carrier: Carrier,
    /// After how long the sandbox carrier fetches a parcel, and after how long again it delivers it, in milliseconds.
    #[arg(long, env = "CARRIER_SANDBOX_DELAY_MS", value_parser = millis, default_value = "0")]
    pub carrier_sandbox_delay: Duration,
    /// After how long without a word a carrier is asked where a parcel is, in seconds.
    #[arg(long, env = "CARRIER_POLL_S", value_parser = period, default_value = "3600")]
    pub carrier_poll: Duration,
    /// The longest pause between two such questions, in seconds: the pause grows with the time for which nothing was new.
    #[arg(long, env = "CARRIER_POLL_MAX_S", value_parser = period, default_value = "86400")]
    pub carrier_poll_max: Duration,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Carries nothing, and keeps books as if it did.
    Sandbox,
    /// Nothing is shipped: an order is complete when it is paid.
    #[value(name = "none")]
    Nobody,
}
