//! Counts and times each call to a carrier.

use super::{Carrier, Error, Parcel, TrackingStatus};
use crate::ops::call::{Call, Outcome};
use futures::{FutureExt, future::BoxFuture};
use orders::shipping::ShipmentId;
use platform::metrics::list::{CARRIER_REQUEST_DURATION, CARRIER_REQUESTS};
use std::{sync::Arc, time::Duration};

/// A carrier whose calls are counted and timed.
pub(super) struct Measured(pub(super) Arc<dyn Carrier>);

impl Measured {
    fn begin(&self, call: &'static str) -> Call {
        Call::begin(&CARRIER_REQUESTS, &CARRIER_REQUEST_DURATION, self.0.name(), call)
    }
}

fn of_booking(result: &Result<TrackingStatus, Error>) -> Outcome {
    match result {
        Ok(_) => Outcome::Ok,
        Err(Error::Refused(_)) => Outcome::Refused,
        Err(Error::Unavailable(_)) => Outcome::Failed,
    }
}

fn of_any<T>(result: &anyhow::Result<T>) -> Outcome {
    if result.is_ok() { Outcome::Ok } else { Outcome::Failed }
}

impl Carrier for Measured {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<TrackingStatus, Error>> {
        async { self.begin("book").end(self.0.book(parcel), of_booking).await }.boxed()
    }

    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        async { self.begin("track").end(self.0.track(id), of_any).await }.boxed()
    }

    fn cancel_shipment<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        async { self.begin("cancel").end(self.0.cancel_shipment(id), of_any).await }.boxed()
    }

    fn polling_interval(&self) -> Option<Duration> {
        self.0.polling_interval()
    }
}
