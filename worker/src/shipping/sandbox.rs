//! The sandbox carrier: carries nothing, but keeps real books (table `sandbox.parcels`), written in transactions of their own. Its parcels move by
//! themselves: fetched after a set delay, at their end after as long again. The warehouse chooses what happens, as the payment method does with the
//! sandbox gateway: from `SANDBOX-LOST` parcels are lost, from `SANDBOX-RETURNED` they come back, at `SANDBOX-REFUSED` nobody calls.

use super::{Carrier, Error, Parcel, Whereabouts};
use crate::{db, inventory::millis};
use anyhow::Context;
use deadpool_postgres::Pool;
use futures::{FutureExt, future::BoxFuture};
use orders::shipping::{ShipmentId, ShipmentStatus};
use std::time::Duration;
use tokio_postgres::{Row, types::ToSql};

/// What the books say of parcel `p`: its number, where it is, and in how many milliseconds it moves.
const WHEREABOUTS: &str = "number,
    CASE WHEN outcome = 'REFUSED' THEN 'REFUSED' WHEN cancelled_at IS NOT NULL THEN 'CANCELLED' WHEN now() >= ended_at THEN outcome
        WHEN now() >= picked_up_at THEN 'IN_TRANSIT' ELSE 'BOOKED' END,
    ceil(extract(epoch FROM CASE WHEN now() < picked_up_at THEN picked_up_at ELSE ended_at END - now()) * 1000)::bigint";

pub(super) struct Sandbox {
    books: Pool,
    delay: Duration,
}

impl Sandbox {
    pub(super) fn new(books: Pool, delay: Duration) -> Self {
        Self { books, delay }
    }

    /// Runs one statement on the books that answers [`WHEREABOUTS`].
    async fn ask(&self, sql: &str, values: &[&(dyn ToSql + Sync)]) -> anyhow::Result<Option<Whereabouts>> {
        let client = db::connection(&self.books).await?;
        let statement = client.prepare_cached(sql).await?;
        client.query_opt(&statement, values).await?.as_ref().map(whereabouts).transpose()
    }

    async fn take_on(&self, parcel: &Parcel) -> Result<Whereabouts, Error> {
        let booked = format!(
            "INSERT INTO sandbox.parcels AS p (shipment_id, outcome, picked_up_at, ended_at)
            VALUES ($1, $2, now() + $3::bigint * interval '1 ms', now() + $3 * interval '2 ms')
            ON CONFLICT (shipment_id) DO UPDATE SET bookings = p.bookings + 1
            RETURNING {WHEREABOUTS}"
        );
        let outcome = outcome(&parcel.warehouse).as_str();
        let booked = self.ask(&booked, &[&parcel.id.to_string(), &outcome, &millis(self.delay)]).await?;
        let booked = booked.context("the books took nothing")?;
        match booked.status {
            ShipmentStatus::Refused => Err(Error::Refused("the carrier does not fetch parcels there".to_owned())),
            ShipmentStatus::Cancelled => Err(Error::Refused("it was taken back".to_owned())),
            _ => Ok(booked),
        }
    }

    async fn look_up(&self, id: &ShipmentId) -> anyhow::Result<Whereabouts> {
        let found = self.ask(&format!("SELECT {WHEREABOUTS} FROM sandbox.parcels p WHERE shipment_id = $1"), &[&id.to_string()]).await?;
        found.with_context(|| format!("the carrier does not know {id}"))
    }

    async fn hand_back(&self, id: &ShipmentId) -> anyhow::Result<Whereabouts> {
        // A parcel that was never booked is cancelled all the same: a booking that is still on its way will then be refused.
        let back = format!(
            "INSERT INTO sandbox.parcels AS p (shipment_id, outcome, picked_up_at, ended_at, cancelled_at, bookings)
            VALUES ($1, 'DELIVERED', now(), now(), now(), 0)
            ON CONFLICT (shipment_id) DO UPDATE SET cancelled_at = coalesce(p.cancelled_at, CASE WHEN now() < p.picked_up_at THEN now() END)
            RETURNING {WHEREABOUTS}"
        );
        self.ask(&back, &[&id.to_string()]).await?.context("the books took nothing")
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

fn whereabouts(row: &Row) -> anyhow::Result<Whereabouts> {
    let number = format!("SBX{:010}", row.try_get::<_, i64>(0)?);
    let status: ShipmentStatus = row.try_get::<_, &str>(1)?.parse()?;
    let moves_in = u64::try_from(row.try_get::<_, i64>(2)?).ok().filter(|_| !status.is_final());
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
