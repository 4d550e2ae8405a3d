//! The paths of orders that are shipped.

use super::{folder, save, wait_for_event};
use crate::{
    shipping::{MANUAL_CARRIER, product_in, send_tracking_event, shipment_statuses, tracking_event},
    support::{Draft, FAST, Product, Shop, until, with_own_stack},
};
use anyhow::{Context as _, Result, bail};
use std::{fs, time::Duration};

const TIMEOUT: Duration = Duration::from_secs(20);

/// Paths with a carrier that delivers at once.
const AT_ONCE: &[&str] = &["shipped_at_once", "nothing_delivered"];
/// Paths with a carrier that reports tracking events.
const STEP_BY_STEP: &[&str] = &["shipped_with_scans", "lost", "cancelled_while_booked", "cancelled_on_its_way"];

pub(super) fn paths() -> usize {
    AT_ONCE.len() + STEP_BY_STEP.len()
}

#[test]
#[ignore = "records histories: make record-histories"]
fn record() {
    for (paths, carrier) in [(AT_ONCE, &[][..]), (STEP_BY_STEP, &MANUAL_CARRIER)] {
        let missing: Vec<_> = paths.iter().filter(|path| !folder().join(format!("{path}.json")).exists()).collect();
        if missing.is_empty() {
            continue;
        }
        with_own_stack(1, &[&FAST[..], carrier].concat(), async |shop| {
            fs::create_dir_all(folder())?;
            let (near, far) = (shop.product(1_000, 1_000).await?, product_in(shop, "NORTH", 250).await?);
            for path in missing {
                let id = run_path(shop, path, &near, &far).await.with_context(|| format!("recording {path}"))?;
                save(shop, path, &id).await?;
            }
            shop.audit_is_clean().await
        });
    }
}

/// Takes an order along a path to its end.
async fn run_path(shop: &Shop, path: &str, near: &Product, far: &Product) -> Result<String> {
    let draft = Draft::new("CUST-001").line(near, 2).line(far, 1);
    if path == "nothing_delivered" {
        let refused = product_in(shop, "SANDBOX-REFUSED", 250).await?;
        let id = shop.place(&Draft::new("CUST-001").line(&refused, 1)).await?;
        shop.ends(&id, "FAILED").await?;
        return Ok(id);
    }
    let id = shop.place(&draft).await?;
    if path == "shipped_at_once" {
        shop.ends(&id, "COMPLETED").await?;
        return Ok(id);
    }
    until("the parcels are booked", TIMEOUT, async || {
        Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
    })
    .await?;
    match path {
        "shipped_with_scans" => {
            send_tracking_event(shop, &tracking_event(&id, 1, "IN_TRANSIT")).await?;
            shop.reaches(&id, &["SHIPPED"]).await?;
            for number in [2, 1] {
                send_tracking_event(shop, &tracking_event(&id, number, "DELIVERED")).await?;
            }
            shop.ends(&id, "COMPLETED").await?;
        }
        "lost" => {
            send_tracking_event(shop, &tracking_event(&id, 2, "LOST")).await?;
            shop.reaches(&id, &["SHIPPED"]).await?;
            send_tracking_event(shop, &tracking_event(&id, 1, "DELIVERED")).await?;
            shop.ends(&id, "COMPLETED").await?;
        }
        "cancelled_while_booked" => {
            shop.cancel(&id).await?;
            shop.ends(&id, "CANCELLED").await?;
        }
        // The carrier has picked up the parcel, but has not reported it yet.
        "cancelled_on_its_way" => {
            let moved = "UPDATE sandbox.parcels SET picked_up_at = now() WHERE shipment_id = $1 || '-1'";
            shop.db().await?.execute(moved, &[&id]).await?;
            shop.cancel(&id).await?;
            shop.reaches(&id, &["SHIPPED"]).await?;
            wait_for_event(shop, &id, "WorkflowExecutionSignaled").await?;
            for number in [1, 2] {
                send_tracking_event(shop, &tracking_event(&id, number, "DELIVERED")).await?;
            }
            shop.ends(&id, "COMPLETED").await?;
        }
        other => bail!("no way to walk {other}"),
    }
    Ok(id)
}
