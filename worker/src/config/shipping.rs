//! The configuration of shipping.

use super::{millis, period};
use clap::Args;
use std::time::Duration;

/// The carrier and its settings.
#[derive(Args, Clone)]
pub struct Shipping {
    /// Carrier of all shipments.
    #[arg(long, env = "CARRIER", value_enum, default_value = "sandbox")]
    pub carrier: Carrier,
    /// Milliseconds until the sandbox carrier collects a parcel, and again until it delivers it.
    #[arg(long, env = "CARRIER_SANDBOX_DELAY_MS", value_parser = millis, default_value = "0")]
    pub carrier_sandbox_delay: Duration,
    /// Seconds without a tracking event after which the worker asks the carrier for a parcel's
    /// status.
    #[arg(long, env = "CARRIER_POLL_S", value_parser = period, default_value = "3600")]
    pub carrier_poll: Duration,
    /// Maximum number of seconds between two requests to the carrier for a parcel's status. The
    /// pause grows with the time without a new tracking event.
    #[arg(long, env = "CARRIER_POLL_MAX_S", value_parser = period, default_value = "86400")]
    pub carrier_poll_max: Duration,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Ships nothing, but keeps records as if it did.
    Sandbox,
    /// Nothing is shipped. An order is complete when it is paid.
    None,
}
