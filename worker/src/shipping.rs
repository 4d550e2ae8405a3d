//! Shipping: the trait of carriers, and the shipments on record.
//!
//! All units of an order that leave from one warehouse are one shipment. A shipment is recorded
//! before it is booked at the carrier, and it is booked under its own id. So if a worker dies in
//! between, the next one continues from the record, and nothing is booked twice.

mod measured;
mod record;
mod sandbox;

use crate::{config, trace::TracedCarrier};
use anyhow::Context;
use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use measured::Measured;
use orders::shipping::{ShipmentId, ShipmentStatus};
pub(crate) use record::{
    Outcome, TrackingReport, clear_compensation, load_shipments, record_tracking, refunds_of_failed_shipments, split_order,
    unknown_shipments,
};
use sandbox::Sandbox;
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// A carrier. Every call may be repeated and may overlap with other calls: each takes effect only
/// once.
pub(crate) trait Carrier: Send + Sync {
    /// The name under which shipments are recorded.
    fn name(&self) -> &'static str;

    /// Asks the carrier to collect a parcel, under the shipment's id. A repeated call returns the
    /// parcel's current tracking status. After [`Carrier::cancel_shipment`] the booking is
    /// refused.
    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<TrackingStatus, Error>>;

    /// Returns the tracking status of a booked parcel.
    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>>;

    /// Cancels a parcel that the carrier has not collected yet, even if it was never booked.
    /// Returns the parcel's tracking status afterwards: it is cancelled, or it was collected
    /// before.
    fn cancel_shipment<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>>;

    /// The time after which the status of a parcel may have changed, if the carrier does not report
    /// changes by itself; `None` if it does.
    fn polling_interval(&self) -> Option<Duration> {
        None
    }
}

/// A shipment as its carrier sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parcel {
    pub(crate) id: ShipmentId,
    /// The warehouse where the carrier collects it.
    pub(crate) warehouse: String,
    /// Units by product id.
    pub(crate) items: BTreeMap<String, i64>,
    /// The status on record.
    pub(crate) status: ShipmentStatus,
    /// How long the shipment on record has not changed.
    pub(crate) quiet_for: Duration,
}

/// The tracking status: what a carrier reports of a parcel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TrackingStatus {
    pub(crate) status: ShipmentStatus,
    pub(crate) tracking_number: Option<String>,
    pub(crate) tracking_url: Option<String>,
    /// Why the parcel does not arrive. The customer reads it.
    pub(crate) reason: Option<String>,
    /// The time until the parcel's next change of status, if it is known.
    pub(crate) moves_in: Option<Duration>,
}

impl TrackingStatus {
    /// A tracking status without any details.
    pub(crate) fn with_status(status: ShipmentStatus) -> Self {
        Self { status, tracking_number: None, tracking_url: None, reason: None, moves_in: None }
    }
}

/// Why a parcel is not booked, or perhaps not booked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The carrier refuses the parcel for good. The customer reads the reason.
    #[error("{0}")]
    Refused(String),
    /// The carrier failed or did not answer. It is unknown whether the parcel is booked. Another
    /// attempt is safe.
    #[error(transparent)]
    Unavailable(#[from] anyhow::Error),
}

/// How the shop's orders are shipped.
#[derive(Clone)]
pub(crate) struct Shipping {
    /// `None` if nothing is shipped. An order is then complete when it is paid.
    carrier: Option<Arc<dyn Carrier>>,
    /// How long to wait for a tracking event before the carrier is asked: the first pause, and the
    /// longest one.
    poll_every: Duration,
    poll_max: Duration,
}

impl Shipping {
    pub(crate) fn new(settings: &config::Shipping, pool: Pool) -> Self {
        let carrier: Option<Arc<dyn Carrier>> = match settings.carrier {
            config::Carrier::Sandbox => {
                let sandbox = Arc::new(Sandbox::new(pool, settings.carrier_sandbox_delay));
                Some(Arc::new(Measured(TracedCarrier::around(sandbox))))
            }
            config::Carrier::None => None,
        };
        Self { carrier, poll_every: settings.carrier_poll, poll_max: settings.carrier_poll_max }
    }

    /// Whether orders are shipped.
    pub(crate) fn ships(&self) -> bool {
        self.carrier.is_some()
    }

    /// The name of the carrier for orders that are paid from now on.
    pub(crate) fn carrier_name(&self) -> Option<&'static str> {
        self.carrier.as_ref().map(|carrier| carrier.name())
    }

    /// # Errors
    /// Fails if no carrier is set. An order may still need one if it was paid under other settings.
    pub(crate) fn carrier(&self) -> anyhow::Result<&dyn Carrier> {
        self.carrier.as_deref().context("the order is to be shipped, but no carrier is set")
    }

    /// The pause before the carrier is asked again about an order's parcels. `moves_in` is the time
    /// until the first of them changes its status, if that is known. `quiet_for` is the time
    /// without news.
    pub(crate) fn next_poll_in(&self, moves_in: Option<Duration>, quiet_for: Duration) -> Duration {
        let next_change_in = moves_in.or_else(|| self.carrier.as_ref()?.polling_interval());
        polling_pause(next_change_in, quiet_for, self.poll_every, self.poll_max)
    }
}

/// The pause before a carrier is asked again. Each question adds about six events to the history of
/// the order's workflow. So the pause grows with the time without news. With the default settings,
/// the carrier is asked about four hundred times about a parcel that is in transit for a year. If
/// the time until the next change is known and shorter, the pause ends then.
fn polling_pause(next_change_in: Option<Duration>, quiet_for: Duration, poll_every: Duration, poll_max: Duration) -> Duration {
    let longest = poll_every.max((quiet_for / 10).min(poll_max)).max(MIN_PAUSE);
    next_change_in.map_or(longest, |next_change_in| next_change_in.clamp(MIN_PAUSE, longest))
}

/// The shortest pause before a carrier is asked again. The carrier's clock and Temporal's clock may
/// differ by that much.
const MIN_PAUSE: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);
    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn a_quiet_parcel_is_asked_about_ever_more_rarely_and_at_least_daily() {
        let after = |quiet_for| polling_pause(None, quiet_for, HOUR, DAY);
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
        assert_eq!(polling_pause(Some(Duration::from_secs(5)), 100 * DAY, HOUR, DAY), Duration::from_secs(5));
        assert_eq!(polling_pause(Some(300 * DAY), Duration::ZERO, HOUR, DAY), HOUR);
        assert_eq!(polling_pause(Some(300 * DAY), 100 * DAY, HOUR, DAY), DAY);
        assert_eq!(polling_pause(Some(Duration::ZERO), Duration::ZERO, HOUR, DAY), MIN_PAUSE);
    }
}
