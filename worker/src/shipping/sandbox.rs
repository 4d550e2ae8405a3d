//! The sandbox carrier. It ships nothing, but keeps real books (table `sandbox.parcels`), and
//! writes them in its own transactions.
//!
//! Its parcels move by themselves: they are collected after a set delay, and reach their final
//! status after the same delay again. The warehouse decides the outcome, as the payment method does
//! for the sandbox gateway. Parcels from `SANDBOX-LOST` are lost, parcels from `SANDBOX-RETURNED`
//! come back, and parcels at `SANDBOX-REFUSED` are not collected.

use super::{Carrier, Error, Parcel, TrackingStatus};
use crate::{
    db::{self, millis},
    sql::sandbox_carrier as sql,
};
use anyhow::Context;
use deadpool_postgres::Pool;
use futures::future::BoxFuture;
use orders::shipping::{ShipmentId, ShipmentStatus};
use std::time::Duration;

pub(super) struct Sandbox {
    pool: Pool,
    delay: Duration,
}

impl Sandbox {
    pub(super) fn new(pool: Pool, delay: Duration) -> Self {
        Self { pool, delay }
    }
}

/// The final status of a parcel from this warehouse.
fn outcome(warehouse: &str) -> ShipmentStatus {
    match warehouse {
        "SANDBOX-LOST" => ShipmentStatus::Lost,
        "SANDBOX-RETURNED" => ShipmentStatus::Returned,
        "SANDBOX-REFUSED" => ShipmentStatus::Refused,
        _ => ShipmentStatus::Delivered,
    }
}

fn tracking_status(parcel: sql::Parcel) -> anyhow::Result<TrackingStatus> {
    let number = format!("SBX{:010}", parcel.number);
    let status: ShipmentStatus = parcel.status.parse()?;
    let moves_in = u64::try_from(parcel.moves_in_ms).ok().filter(|_| !status.is_final());
    Ok(TrackingStatus {
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

    fn book<'a>(&'a self, parcel: &'a Parcel) -> BoxFuture<'a, Result<TrackingStatus, Error>> {
        Box::pin(async move {
            let client = db::connection(&self.pool).await?;
            let outcome = outcome(&parcel.warehouse).as_str();
            let booked =
                sql::book_parcel(&client, &parcel.id.to_string(), outcome, millis(self.delay)).await.map_err(anyhow::Error::from)?;
            let booked = tracking_status(booked.context("the parcel was not recorded")?)?;
            match booked.status {
                ShipmentStatus::Refused => Err(Error::Refused("the carrier does not fetch parcels there".to_owned())),
                ShipmentStatus::Cancelled => Err(Error::Refused("the shipment was cancelled".to_owned())),
                _ => Ok(booked),
            }
        })
    }

    fn track<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        Box::pin(async move {
            let client = db::connection(&self.pool).await?;
            let found = sql::find_parcel(&client, &id.to_string()).await?;
            tracking_status(found.with_context(|| format!("the carrier does not know {id}"))?)
        })
    }

    fn cancel_shipment<'a>(&'a self, id: &'a ShipmentId) -> BoxFuture<'a, anyhow::Result<TrackingStatus>> {
        Box::pin(async move {
            // A parcel that was never booked is cancelled, too. A booking that arrives later is
            // then refused.
            let client = db::connection(&self.pool).await?;
            tracking_status(sql::cancel_parcel(&client, &id.to_string()).await?.context("the parcel was not recorded")?)
        })
    }

    fn polling_interval(&self) -> Option<Duration> {
        Some(self.delay)
    }
}
