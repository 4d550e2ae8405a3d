//! A run: a start without faults, one fault after another, and the checks at the end.

use super::{
    account,
    customer::Customer,
    fault::Fault,
    listener::Listener,
    plan::Plan,
    queue::Queue,
    record::{Record, Weather},
    report::{Report, Stretch},
    shelf::Shelf,
    site::Site,
    supplier, watcher,
    wish::Wish,
    world::World,
};
use crate::support::{FailPoints, Shop, until};
use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use tokio::{select, time::sleep_until, try_join};

pub(super) async fn tell(shop: &Shop, fail_points: &FailPoints, world: Option<&World>, plan: &Plan) -> Result<()> {
    shop.stack.start().await?;
    let orders = plan.calm_orders + plan.faults.iter().map(|(_, orders)| orders).sum::<usize>();
    let shelf = Shelf::fill(shop, plan.seed, orders).await?;
    let site = Site { shop, record: Record::default(), queue: Queue::of(shop)?, listener: Listener::of(shop)?, fail_points, world };
    site.listener.subscribe().await?;
    let run = Run { site: &site, shelf: &shelf, plan };
    let report = select! {
        report = run.run() => report?,
        never = watcher::watch(&site) => match never {},
        never = supplier::supply(&site, &shelf, plan.seed) => match never? {},
        never = site.listener.listen() => match never {},
    };
    println!("{report}");
    let breaches = site.record.breaches();
    if !breaches.is_empty() {
        bail!("{} promises are broken:\n{}", breaches.len(), breaches.join("\n"));
    }
    shop.audit_is_clean().await?;
    println!("worker audit: 0 broken invariants");
    Ok(())
}

struct Run<'a> {
    site: &'a Site<'a>,
    shelf: &'a Shelf,
    plan: &'a Plan,
}

impl Run<'_> {
    async fn run(&self) -> Result<Report> {
        let began = Instant::now();
        self.place(0..self.plan.calm_orders, Duration::ZERO, Weather::Calm).await?;
        self.site.settles(0, self.plan.patience).await?;
        let calm = Stretch { orders: self.plan.calm_orders, took: began.elapsed() };
        println!("without a fault: {calm}");

        let (mut next, mut faults) = (self.plan.calm_orders, Vec::new());
        for (fault, orders) in &self.plan.faults {
            let (began, before) = (Instant::now(), self.site.record.acknowledged().len());
            let recovery = self.strike(fault, next..next + orders).await.with_context(|| fault.name())?;
            self.site.settles(before, self.plan.patience).await.with_context(|| fault.name())?;
            let dead = self.site.queue.take_dead().await?;
            if dead != fault.dead_letters() {
                self.site.record.breach(format!("{}: in the dead-letter queue are {dead:?}", fault.name()));
            }
            let stretch = Stretch { orders: *orders, took: began.elapsed() };
            println!("{}: recovered after {:.1} s; {stretch}", fault.name(), recovery.as_secs_f32());
            faults.push((fault.name(), recovery, stretch));
            next += orders;
        }
        let brought_in = self.site.record.brought_in().await;
        let account = account::take(self.site, self.shelf, &brought_in, self.plan.histories).await?;
        Ok(Report { seed: self.plan.seed, calm, faults, account, revived: self.site.record.all_revived() })
    }

    /// Injects a fault while orders are placed. Returns the time from the end of the fault until
    /// every order acknowledged by then had ended and readers saw it.
    async fn strike(&self, fault: &Fault, orders: Range<usize>) -> Result<Duration> {
        let striking = async {
            fault.strike(self.site).await?;
            let mended = Instant::now();
            fault.repair(self.site).await?;
            self.site.acknowledged_orders_end(self.plan.patience).await?;
            anyhow::Ok(mended.elapsed())
        };
        if fault.strikes_at_rest() {
            let at_rest = self.site.record.brought_in().await;
            let recovery = striking.await?;
            drop(at_rest);
            self.place(orders, Duration::ZERO, fault.weather()).await?;
            return Ok(recovery);
        }
        let enough = self.site.record.acknowledged().len() + orders.len() / 8;
        let in_full_swing = async {
            until("orders are being placed", self.plan.patience, async || {
                Ok((self.site.record.acknowledged().len() >= enough).then_some(()))
            })
            .await?;
            striking.await
        };
        let ((), recovery) = try_join!(self.place(orders, fault.orders_come_over(), fault.weather()), in_full_swing)?;
        Ok(recovery)
    }

    /// The customers start evenly spread over `over`, or each as soon as there is room.
    async fn place(&self, customers: Range<usize>, over: Duration, weather: Weather) -> Result<()> {
        let (began, count) = (Instant::now(), u32::try_from(customers.len())?);
        let customer = &Customer { shop: self.site.shop, shelf: self.shelf, record: &self.site.record };
        let purchases = customers.zip(0_u32..).map(|(number, place)| async move {
            sleep_until((began + over * place / count).into()).await;
            customer.buy(Wish::draw(self.shelf, self.plan.seed, number), weather).await
        });
        stream::iter(purchases).buffer_unordered(self.plan.at_once).try_collect().await
    }
}
