//! The sandbox carrier: carries nothing, but keeps real books (table `sandbox.parcels`), written in transactions of their own. Its parcels move by
//! themselves: fetched after a set delay, at their end after as long again. The warehouse chooses what happens, as the payment method does with the
//! sandbox gateway: from `SANDBOX-LOST` parcels are lost, from `SANDBOX-RETURNED` they come back, at `SANDBOX-REFUSED` nobody calls.

use super::{Carrier, Error, Parcel, Whereabouts};
use crate::{db, inventory::millis, sql::sandbox_carrier as sql};
use anyhow::Context;
use deadpool_postgres::Pool;
use futures::{FutureExt, future::BoxFuture};
use orders::shipping::{ShipmentId, ShipmentStatus};
use std::time::Duration;

pub(super) struct Sandbox {
    books: Pool,
    delay: Duration,
}

impl Sandbox {
    pub(super) fn new(books: Pool, delay: Duration) -> Self {
        Self { books, delay }
    }

    async fn take_on(&self, parcel: &Parcel) -> Result<Whereabouts, Error> {
        let client = db::connection(&self.books).await?;
        let outcome = outcome(&parcel.warehouse).as_str();
        let booked = sql::book_parcel(&client, &parcel.id.to_string(), outcome, millis(self.delay)).await.map_err(anyhow::Error::from)?;
        let booked = whereabouts(booked.context("the books took nothing")?)?;
        match booked.status {
            ShipmentStatus::Refused => Err(Error::Refused("the carrier does not fetch parcels there".to_owned())),
            ShipmentStatus::Cancelled => Err(Error::Refused("it was taken back".to_owned())),
            _ => Ok(booked),
        }
    }

    async fn look_up(&self, id: &ShipmentId) -> anyhow::Result<Whereabouts> {
        let client = db::connection(&self.books).await?;
        let found = sql::find_parcel(&client, &id.to_string()).await?;
        whereabouts(found.with_context(|| format!("the carrier does not know {id}"))?)
    }

    async fn hand_back(&self, id: &ShipmentId) -> anyhow::Result<Whereabouts> {
        // A parcel that was never booked is cancelled all the same: a booking that is still on its way will then be refused.
        let client = db::connection(&self.books).await?;
        whereabouts(sql::cancel_parcel(&client, &id.to_string()).await?.context("the books took nothing")?)
    }
}

/// How a parcel ends that is fetched at this warehouse.
fn outcome(warehouse: &str) -> ShipmentStatus {
    match warehouse {
        "SANDBOX-LOST" => ShipmentStatus::Lost,
        "SANDBOX-RETURNED" => ShipmentStatus::Returned,
        "SANDBOX-REFUSED" => ShipmentStatus::Refused,
        _ => ShipmentStatus::Delivered,
    }
}

fn whereabouts(parcel: sql::Parcel) -> anyhow::Result<Whereabouts> {
    let number = format!("SBX{:010}", parcel.number);
    let status: ShipmentStatus = parcel.status.parse()?;
    let moves_in = u64::try_from(parcel.moves_in_ms).ok().filter(|_| !status.is_final());
    Ok(Whereabouts {
        status,
        tracking_url: Some(format!("https://carrier.example/track/{number}")),
        tracking_number: Some(number),
        reason: None,
        moves_in: moves_in.map(Duration::from_millis),
    })
}

impl Carrier for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<Whereabouts, Error>> {
        self.take_on(parcel).boxed()
    }

    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<Whereabouts>> {
        self.look_up(id).boxed()
    }

    fn take_back<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<Whereabouts>> {
        self.hand_back(id).boxed()
    }

    fn pace(&self) -> Option<Duration> {
        Some(self.delay)
    }
}
