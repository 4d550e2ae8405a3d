//! The activities after the payment: shipping, tracking, and cancelling shipments.

use super::{Activities, Answer, attempt::Failure};
use crate::{
    db, finding, order,
    order::Move,
    reason::SEPARATOR,
    shipping::{self, Carrier, Error, Outcome, Parcel, Report, Whereabouts},
};
use futures::{StreamExt, stream};
use orders::{
    OrderId, OrderStatus,
    activities::{Dispatch, End, Refusal, Tracking},
    shipping::{Scan, ShipmentId, ShipmentStatus},
};
use std::time::{Duration, Instant};

/// The maximum number of calls to the carrier at the same time for one order.
const AT_ONCE: usize = 8;
/// The share of an attempt's time limit in which the gateway must refund what did not arrive.
const GATEWAYS_SHARE: f32 = 0.5;

impl Activities {
    pub(super) async fn ship(&self, dispatch: Dispatch) -> Result<Answer, Failure> {
        let id = dispatch.order_id;
        let carrier = self.shipping.carrier()?;
        let client = db::connection(&self.pool).await?;
        let mut parcels = shipping::load(&client, id).await?;
        if parcels.is_empty() {
            let (status, made) = shipping::split(&client, id, carrier.name()).await?;
            self.courier.notify_one();
            if status.is_final() {
                return Ok(Move::none(status).into());
            }
            parcels = made;
        }
        drop(client);
        self.visit(id, parcels).await
    }

    pub(super) async fn track(&self, tracking: Tracking) -> Result<Answer, Failure> {
        let id = tracking.order_id;
        let answer = if tracking.scans.is_empty() {
            let parcels = shipping::load(&db::connection(&self.pool).await?, id).await?;
            self.visit(id, parcels).await?
        } else {
            self.note_unknown(id, &tracking.scans).await?;
            let outcome = self.note(id, &tracking.scans.into()).await?;
            self.conclude(id, outcome, None, Duration::ZERO).await?
        };
        if tracking.cancel_requested && !answer.step.status.may_be_cancelled() {
            order::refuse_cancellation(&db::connection(&self.pool).await?, id).await?;
        }
        Ok(answer)
    }

    /// Books shipments that are not booked, asks the carrier about the others, and continues
    /// according to the answers.
    async fn visit(&self, id: OrderId, parcels: Vec<Parcel>) -> Result<Answer, Failure> {
        let open: Vec<Parcel> = parcels.into_iter().filter(|parcel| !parcel.status.is_final()).collect();
        let (report, moves_in, failure) = if open.is_empty() { Default::default() } else { self.ask(&open).await? };
        let has_news = open.iter().any(|parcel| report.is_news_of(parcel));
        let quiet_for = open.iter().map(|parcel| parcel.quiet_for).min().filter(|_| !has_news).unwrap_or_default();
        let outcome = self.note(id, &report).await?;
        match failure {
            // The answers that the carrier did give are on record.
            Some(error) => Err(Failure::Temporary(error)),
            None => self.conclude(id, outcome, moves_in, quiet_for).await,
        }
    }

    /// Asks the carrier about parcels. Returns its answers, the time until the first parcel changes
    /// its status (if known), and the error of a call that failed (if any).
    async fn ask(&self, parcels: &[Parcel]) -> anyhow::Result<(Report, Option<Duration>, Option<anyhow::Error>)> {
        let carrier = self.shipping.carrier()?;
        let (mut report, mut moves_in, mut failure) = (Report::default(), None::<Duration>, None);
        let questions: Vec<_> = parcels.iter().map(|parcel| whereabouts(carrier, parcel)).collect();
        let mut answers = stream::iter(questions).buffer_unordered(AT_ONCE);
        while let Some((id, said)) = answers.next().await {
            match said {
                Ok(said) => {
                    moves_in = moves_in.into_iter().chain(said.moves_in).min();
                    report.add(id, said);
                }
                Err(Error::Refused(reason)) => {
                    report.add(id, Whereabouts { reason: Some(reason), ..Whereabouts::at(ShipmentStatus::Refused) });
                }
                Err(Error::Unavailable(error)) => failure = Some(error),
            }
        }
        Ok((report, moves_in, failure))
    }

    /// Records a finding for each shipment that a carrier reports and that the order does not have.
    async fn note_unknown(&self, id: OrderId, scans: &[Scan]) -> anyhow::Result<()> {
        let client = db::connection(&self.pool).await?;
        let named: Vec<String> = scans.iter().map(|scan| scan.shipment_id.to_string()).collect();
        for shipment in shipping::unknown(&client, id, &named).await? {
            finding::record(&client, &shipment, "the carrier reports a shipment that the order does not have").await?;
        }
        Ok(())
    }

    async fn note(&self, id: OrderId, report: &Report) -> Result<Outcome, Failure> {
        let outcome = shipping::record(&db::connection(&self.pool).await?, id, report).await?;
        if outcome.has_news {
            self.courier.notify_one();
        }
        Ok(outcome)
    }

    /// Refunds what does not arrive, and decides how the order continues.
    async fn conclude(&self, id: OrderId, outcome: Outcome, moves_in: Option<Duration>, quiet_for: Duration) -> Result<Answer, Failure> {
        let mut status = outcome.order.status;
        if status.is_final() {
            return Ok(outcome.order.into());
        }
        let reasons = if outcome.failed { self.pay_back(id).await? } else { Vec::new() };
        if outcome.underway {
            return Ok(Answer { wait: Some(self.shipping.look_after(moves_in, quiet_for)), ..Move::none(status).into() });
        }
        if !outcome.arrived {
            let why = if reasons.is_empty() { "there is nothing left to deliver".to_owned() } else { reasons.join(SEPARATOR) };
            return Err(Failure::Refused(Refusal::NotDeliverable, why));
        }
        if status != OrderStatus::Delivered {
            status = order::advance(&db::connection(&self.pool).await?, id, OrderStatus::Delivered, None).await?.status;
        }
        Ok(Move::none(status).into())
    }

    /// Decides once on a refund for each shipment that failed, and asks the gateway for it if there
    /// is time. Returns the reasons why the shipments failed.
    async fn pay_back(&self, id: OrderId) -> Result<Vec<String>, Failure> {
        let refunds = shipping::undelivered(&db::connection(&self.pool).await?, id).await?;
        let deadline = Instant::now() + self.limits.local_limit.min(self.limits.attempt_limit).mul_f32(GATEWAYS_SHARE);
        for refund in &refunds {
            self.refund_or_put_off(refund, deadline.saturating_duration_since(Instant::now())).await?;
        }
        Ok(refunds.into_iter().filter_map(|refund| refund.request.reason).collect())
    }

    /// Cancels an order's shipments at the carrier, before the order ends in `end`. Returns `None`
    /// if the order may end. If it is too late, clears the compensation and returns the order's
    /// status; the order then continues.
    pub(super) async fn take_back(&self, id: OrderId, end: End) -> Result<Option<OrderStatus>, Failure> {
        let parcels = shipping::load(&db::connection(&self.pool).await?, id).await?;
        let open: Vec<Parcel> = parcels.iter().filter(|parcel| !parcel.status.is_final()).cloned().collect();
        let mut out = parcels.iter().any(|parcel| parcel.status.is_out());
        let (mut report, mut failure) = (Report::default(), None);
        if !open.is_empty() && !out {
            let carrier = self.shipping.carrier()?;
            // If one parcel has left, none is cancelled. So the carrier is first asked about booked
            // ones.
            let booked = open.iter().filter(|parcel| parcel.status == ShipmentStatus::Booked);
            (report, failure) = hear(booked.map(|parcel| async { (parcel.id, carrier.track(&parcel.id).await) }).collect()).await;
            out = report.is_any_out();
            if !out && failure.is_none() {
                (report, failure) =
                    hear(open.iter().map(|parcel| async { (parcel.id, carrier.take_back(&parcel.id).await) }).collect()).await;
            }
        }
        let outcome = self.note(id, &report).await?;
        if let Some(error) = failure {
            // The cancelled shipments are on record, so the next attempt has less to do.
            return Err(Failure::Temporary(error));
        }
        let may_end = end.status().predecessors().contains(&outcome.order.status.as_str());
        if may_end && !outcome.underway && !outcome.arrived {
            return Ok(None);
        }
        shipping::let_go(&db::connection(&self.pool).await?, id).await?;
        // Some shipments may have been cancelled before it was known that another one had left.
        if outcome.failed {
            self.pay_back(id).await?;
        }
        Ok(Some(outcome.order.status))
    }
}

/// Collects the carrier's answers to many calls, and an error if one of them failed.
async fn hear(questions: Vec<impl Future<Output = (ShipmentId, anyhow::Result<Whereabouts>)>>) -> (Report, Option<anyhow::Error>) {
    let (mut report, mut failure) = (Report::default(), None);
    let mut answers = stream::iter(questions).buffer_unordered(AT_ONCE);
    while let Some((id, said)) = answers.next().await {
        match said {
            Ok(said) => report.add(id, said),
            Err(error) => failure = Some(error),
        }
    }
    (report, failure)
}

/// Books a shipment, or asks where it is if it is already booked.
async fn whereabouts(carrier: &dyn Carrier, parcel: &Parcel) -> (ShipmentId, Result<Whereabouts, Error>) {
    let said = match parcel.status {
        ShipmentStatus::Pending => carrier.book(parcel).await,
        _ => carrier.track(&parcel.id).await.map_err(Error::from),
    };
    (parcel.id, said)
}
