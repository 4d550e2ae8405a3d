//! The activities after the payment: shipping, tracking, and cancelling shipments.

use super::{Activities, StepOutcome, attempt::Failure};
use crate::{
    db,
    ops::finding,
    order,
    order::TransitionResult,
    order::reason::SEPARATOR,
    shipping::{self, Carrier, Error, Outcome, Parcel, TrackingReport, TrackingStatus},
};
use futures::{StreamExt, stream};
use orders::{
    OrderId, OrderStatus,
    activities::{Dispatch, End, Refusal, Tracking},
    shipping::{Scan, ShipmentId, ShipmentStatus},
};
use std::time::{Duration, Instant};

/// The maximum number of calls to the carrier at the same time for one order.
const MAX_CONCURRENT_CALLS: usize = 8;
/// The share of an attempt's time limit in which the gateway must refund the shipments that failed.
const GATEWAYS_SHARE: f32 = 0.5;

impl Activities {
    pub(super) async fn ship(&self, dispatch: Dispatch) -> Result<StepOutcome, Failure> {
        let id = dispatch.order_id;
        let carrier = self.shipping.carrier()?;
        let client = db::connection(&self.pool).await?;
        let mut parcels = shipping::load_shipments(&client, id).await?;
        if parcels.is_empty() {
            let (status, new_parcels) = shipping::split_order(&client, id, carrier.name()).await?;
            self.notifications_wakeup.notify_one();
            if status.is_final() {
                return Ok(TransitionResult::unchanged(status).into());
            }
            parcels = new_parcels;
        }
        drop(client);
        self.book_or_track(id, parcels).await
    }

    pub(super) async fn track(&self, tracking: Tracking) -> Result<StepOutcome, Failure> {
        let id = tracking.order_id;
        let outcome = if tracking.scans.is_empty() {
            let parcels = shipping::load_shipments(&db::connection(&self.pool).await?, id).await?;
            self.book_or_track(id, parcels).await?
        } else {
            self.record_unknown_shipments(id, &tracking.scans).await?;
            let outcome = self.record_report(id, &tracking.scans.into()).await?;
            self.determine_next_step(id, outcome, None, Duration::ZERO).await?
        };
        if tracking.cancel_requested && !outcome.step.status.may_be_cancelled() {
            order::record_late_cancellation(&db::connection(&self.pool).await?, id).await?;
        }
        Ok(outcome)
    }

    /// Books shipments that are not booked, asks the carrier about the others, and continues
    /// according to the answers.
    async fn book_or_track(&self, id: OrderId, parcels: Vec<Parcel>) -> Result<StepOutcome, Failure> {
        let open: Vec<Parcel> = parcels.into_iter().filter(|parcel| !parcel.status.is_final()).collect();
        let (report, moves_in, failure) = if open.is_empty() { Default::default() } else { self.query_carrier(&open).await? };
        let has_news = open.iter().any(|parcel| report.differs_from(parcel));
        let quiet_for = open.iter().map(|parcel| parcel.quiet_for).min().filter(|_| !has_news).unwrap_or_default();
        let outcome = self.record_report(id, &report).await?;
        match failure {
            // The answers that the carrier did give are on record.
            Some(error) => Err(Failure::Temporary(error)),
            None => self.determine_next_step(id, outcome, moves_in, quiet_for).await,
        }
    }

    /// Asks the carrier about parcels. Returns its answers, the time until the first parcel changes
    /// its status (if known), and the error of a call that failed (if any).
    async fn query_carrier(&self, parcels: &[Parcel]) -> anyhow::Result<(TrackingReport, Option<Duration>, Option<anyhow::Error>)> {
        let carrier = self.shipping.carrier()?;
        let (mut report, mut moves_in, mut failure) = (TrackingReport::default(), None::<Duration>, None);
        let calls: Vec<_> = parcels.iter().map(|parcel| book_or_track_one(carrier, parcel)).collect();
        let mut answers = stream::iter(calls).buffer_unordered(MAX_CONCURRENT_CALLS);
        while let Some((id, answer)) = answers.next().await {
            match answer {
                Ok(tracking_status) => {
                    moves_in = moves_in.into_iter().chain(tracking_status.moves_in).min();
                    report.add(id, tracking_status);
                }
                Err(Error::Refused(reason)) => {
                    report.add(id, TrackingStatus { reason: Some(reason), ..TrackingStatus::with_status(ShipmentStatus::Refused) });
                }
                Err(Error::Unavailable(error)) => failure = Some(error),
            }
        }
        Ok((report, moves_in, failure))
    }

    /// Records a finding for each shipment that a carrier reports and that the order does not have.
    async fn record_unknown_shipments(&self, id: OrderId, scans: &[Scan]) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let reported: Vec<String> = scans.iter().map(|scan| scan.shipment_id.to_string()).collect();
        for shipment in shipping::unknown_shipments(&client, id, &reported).await? {
            finding::record_finding(&client, &shipment, "the carrier reports a shipment that the order does not have").await?;
        }
        Ok(())
    }

    async fn record_report(&self, id: OrderId, report: &TrackingReport) -> Result<Outcome, Failure> {
        let outcome = shipping::record_tracking(&db::connection(&self.pool).await?, id, report).await?;
        if outcome.has_notification {
            self.notifications_wakeup.notify_one();
        }
        Ok(outcome)
    }

    /// Refunds the shipments that failed, and decides how the order continues.
    async fn determine_next_step(
        &self,
        id: OrderId,
        outcome: Outcome,
        moves_in: Option<Duration>,
        quiet_for: Duration,
    ) -> Result<StepOutcome, Failure> {
        let mut order = outcome.order;
        if order.status.is_final() {
            return Ok(order.into());
        }
        let reasons = if outcome.has_failed { self.refund_failed_shipments(id).await? } else { Vec::new() };
        if outcome.has_open {
            return Ok(StepOutcome { wait: Some(self.shipping.next_poll_in(moves_in, quiet_for)), ..order.into() });
        }
        if !outcome.has_delivered {
            let why = if reasons.is_empty() { "there is nothing left to deliver".to_owned() } else { reasons.join(SEPARATOR) };
            return Err(Failure::Refused(Refusal::NotDeliverable, why));
        }
        if order.status != OrderStatus::Delivered {
            order = order::advance(&db::connection(&self.pool).await?, id, OrderStatus::Delivered, None).await?;
        }
        Ok(order.into())
    }

    /// Decides once on a refund for each shipment that failed, and asks the gateway for it if there
    /// is time. Returns the reasons why the shipments failed.
    async fn refund_failed_shipments(&self, id: OrderId) -> Result<Vec<String>, Failure> {
        let refunds = shipping::refunds_of_failed_shipments(&db::connection(&self.pool).await?, id).await?;
        let deadline = Instant::now() + self.limits.local_limit.min(self.limits.attempt_limit).mul_f32(GATEWAYS_SHARE);
        for refund in &refunds {
            self.refund_or_defer(refund, deadline.saturating_duration_since(Instant::now())).await?;
        }
        Ok(refunds.into_iter().filter_map(|refund| refund.request.reason).collect())
    }

    /// Cancels an order's shipments at the carrier, before the order ends in `end`. Returns `None`
    /// if the order may end. If it is too late, clears the compensation and returns the order's
    /// status; the order then continues.
    pub(super) async fn cancel_shipments(&self, id: OrderId, end: End) -> Result<Option<OrderStatus>, Failure> {
        let parcels = shipping::load_shipments(&db::connection(&self.pool).await?, id).await?;
        let open: Vec<Parcel> = parcels.iter().filter(|parcel| !parcel.status.is_final()).cloned().collect();
        let mut has_left = parcels.iter().any(|parcel| parcel.status.is_out());
        let (mut report, mut failure) = (TrackingReport::default(), None);
        if !open.is_empty() && !has_left {
            let carrier = self.shipping.carrier()?;
            // If one parcel has left, no parcel is cancelled. So first ask the carrier about the
            // booked parcels.
            let booked = open.iter().filter(|parcel| parcel.status == ShipmentStatus::Booked);
            (report, failure) =
                collect_answers(booked.map(|parcel| async { (parcel.id, carrier.track(&parcel.id).await) }).collect()).await;
            has_left = report.has_departed();
            if !has_left && failure.is_none() {
                (report, failure) =
                    collect_answers(open.iter().map(|parcel| async { (parcel.id, carrier.cancel_shipment(&parcel.id).await) }).collect())
                        .await;
            }
        }
        let outcome = self.record_report(id, &report).await?;
        if let Some(error) = failure {
            // The cancelled shipments are on record, so the next attempt has less to do.
            return Err(Failure::Temporary(error));
        }
        let may_end = end.status().predecessors().contains(&outcome.order.status.as_str());
        if may_end && !outcome.has_open && !outcome.has_delivered {
            return Ok(None);
        }
        shipping::clear_compensation(&db::connection(&self.pool).await?, id).await?;
        // Some shipments may have been cancelled before it was known that another one had left.
        if outcome.has_failed {
            self.refund_failed_shipments(id).await?;
        }
        Ok(Some(outcome.order.status))
    }
}

/// Collects the carrier's answers to many calls, and an error if one of them failed.
async fn collect_answers(
    calls: Vec<impl Future<Output = (ShipmentId, anyhow::Result<TrackingStatus>)>>,
) -> (TrackingReport, Option<anyhow::Error>) {
    let (mut report, mut failure) = (TrackingReport::default(), None);
    let mut answers = stream::iter(calls).buffer_unordered(MAX_CONCURRENT_CALLS);
    while let Some((id, answer)) = answers.next().await {
        match answer {
            Ok(tracking_status) => report.add(id, tracking_status),
            Err(error) => failure = Some(error),
        }
    }
    (report, failure)
}

/// Books a shipment, or asks where it is if it is already booked.
async fn book_or_track_one(carrier: &dyn Carrier, parcel: &Parcel) -> (ShipmentId, Result<TrackingStatus, Error>) {
    let answer = match parcel.status {
        ShipmentStatus::Pending => carrier.book(parcel).await,
        _ => carrier.track(&parcel.id).await.map_err(Error::from),
    };
    (parcel.id, answer)
}
