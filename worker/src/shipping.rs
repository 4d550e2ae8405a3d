//! Shipping: the carrier trait, and what Postgres keeps of an order's parcels.
//!
//! What an order has of one warehouse is one shipment. It is recorded before its carrier hears of it, and booked under its own id, so that whatever
//! dies in between goes on from the record and nothing is booked twice.

mod record;
mod sandbox;

use crate::config;
use anyhow::Context;
use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use orders::shipping::{ShipmentId, ShipmentStatus};
pub(crate) use record::{Outcome, Report, let_go, load, record, split, undelivered, unknown};
use sandbox::Sandbox;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// Somebody who carries parcels. Every call may be repeated and may overlap with others: each has its effect once, whoever asks how often.
pub(crate) trait Carrier: Send + Sync {
    /// The name under which shipments are recorded.
    fn name(&self) -> &'static str;

    /// Asks for a parcel to be fetched, under the shipment's id. Repeated it answers where the parcel is now; after [`Carrier::take_back`] it is
    /// refused.
    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<Whereabouts, Error>>;

    /// Where a parcel is that was booked.
    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<Whereabouts>>;

    /// Makes sure that a parcel that was not fetched yet is not, also one that was never booked. Answers where it is then: cancelled, or too far.
    fn take_back<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<Whereabouts>>;

    /// How soon parcels may have moved, where the carrier does not tell by itself; `None` for one that does.
    fn pace(&self) -> Option<Duration> {
        None
    }
}

/// A shipment as its carrier sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) id: ShipmentId,
    /// Where it is fetched.
    pub(crate) warehouse: String,
    /// Units by product.
    pub(crate) items: BTreeMap<String, i64>,
    /// On our books.
    pub(crate) status: ShipmentStatus,
    /// For how long nothing new was heard of it.
    pub(crate) quiet_for: Duration,
}

/// What a carrier says of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) status: ShipmentStatus,
    pub(crate) tracking_number: Option<String>,
    pub(crate) tracking_url: Option<String>,
    /// Why it does not arrive; for the customer to read.
    pub(crate) reason: Option<String>,
    /// After which time it will be somewhere else, if that is known.
    pub(crate) moves_in: Option<Duration>,
}

impl Whereabouts {
    /// Nothing more than where it is.
    pub(crate) fn at(status: ShipmentStatus) -> Self {
        Self { status, tracking_number: None, tracking_url: None, reason: None, moves_in: None }
    }
}

/// Why a parcel is not booked, or may not be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Final; the reason is for the customer.
    #[error("{0}")]
    Refused(String),
    /// The carrier failed or did not answer: whether it did it is not known. Another attempt is safe.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
}

/// Who carries what the shop sells.
#[derive(Clone)]
pub(crate) struct Shipping {
    /// None: orders are complete when they are paid.
    carrier: Option<Arc<dyn Carrier>>,
    /// How long to wait for a carrier's word before asking: at first, and at most.
    poll_every: Duration,
    poll_max: Duration,
}

impl Shipping {
    pub(crate) fn new(settings: &config::Shipping, pool: Pool) -> Self {
        let carrier: Option<Arc<dyn Carrier>> = match settings.carrier {
            config::Carrier::Sandbox => Some(Arc::new(Sandbox::new(pool, settings.carrier_sandbox_delay))),
            config::Carrier::Nobody => None,
        };
        Self { carrier, poll_every: settings.carrier_poll, poll_max: settings.carrier_poll_max }
    }

    /// Whether orders are shipped.
    pub(crate) fn ships(&self) -> bool {
        self.carrier.is_some()
    }

    /// Who is to carry what is paid for from now on.
    pub(crate) fn carrier_name(&self) -> Option<&'static str> {
        self.carrier.as_ref().map(|carrier| carrier.name())
    }

    /// # Errors
    /// When there is none, though there is something to be shipped: it was begun under other settings.
    pub(crate) fn carrier(&self) -> anyhow::Result<&dyn Carrier> {
        self.carrier.as_deref().context("the order is to be shipped, but no carrier is set")
    }

    /// When to ask again about parcels of which this is known, and nothing new for so long.
    pub(crate) fn look_after(&self, moves_in: Option<Duration>, quiet_for: Duration) -> Duration {
        let pace = moves_in.or_else(|| self.carrier.as_ref()?.pace());
        pause(pace, quiet_for, self.poll_every, self.poll_max)
    }
}

/// The pause before a carrier is asked again. Each costs the order's workflow some six events, so it grows with the time for which nothing was new: a
/// parcel that is on its way for a year is asked about some four hundred times.
fn pause(pace: Option<Duration>, quiet_for: Duration, poll_every: Duration, poll_max: Duration) -> Duration {
    let longest = poll_every.max((quiet_for / 10).min(poll_max)).max(SOONEST);
    pace.map_or(longest, |pace| pace.clamp(SOONEST, longest))
}

/// The shortest wait before a carrier is asked again: its clock may differ from Temporal's by as much.
const SOONEST: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_quiet_parcel_is_asked_about_ever_more_rarely_and_at_least_daily() {
        let after = |quiet_for| pause(None, quiet_for, HOUR, DAY);
        assert_eq!(after(Duration::ZERO), HOUR);
        assert_eq!(after(5 * DAY), DAY / 2);
        assert_eq!(after(100 * DAY), DAY);
        let (mut quiet_for, mut asked) = (Duration::ZERO, 0);
        while quiet_for < 365 * DAY {
            quiet_for += after(quiet_for);
            asked += 1;
        }
        assert!((300..500).contains(&asked), "{asked}");
    }

    #[test]
    fn what_a_carrier_says_of_the_next_move_shortens_the_pause_only() {
        assert_eq!(pause(Some(Duration::from_secs(5)), 100 * DAY, HOUR, DAY), Duration::from_secs(5));
        assert_eq!(pause(Some(300 * DAY), Duration::ZERO, HOUR, DAY), HOUR);
        assert_eq!(pause(Some(300 * DAY), 100 * DAY, HOUR, DAY), DAY);
        assert_eq!(pause(Some(Duration::ZERO), Duration::ZERO, HOUR, DAY), SOONEST);
    }
}
