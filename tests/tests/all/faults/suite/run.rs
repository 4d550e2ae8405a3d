//! A run: a start without faults, one fault after another, and the checks at the end.

use super::{
    catalog::Catalog,
    checks,
    context::FaultContext,
    customer::Customer,
    fault::Fault,
    plan::Plan,
    preload::Preload,
    queue::Queue,
    record::{Conditions, Record},
    report::{Phase, Report},
    scenario::Scenario,
    subscriber::Subscriber,
    supplier, watcher,
};
use crate::support::{FailPoints, Shop, until};
use anyhow::{Context as _, Result, bail};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use tokio::{select, time::sleep_until, try_join};

pub(super) async fn run(shop: &Shop, fail_points: &FailPoints, preload: Option<&Preload>, plan: &Plan) -> Result<()> {
    shop.stack.start().await?;
    let orders = plan.orders_before_faults + plan.faults.iter().map(|(_, orders)| orders).sum::<usize>();
    let catalog = Catalog::fill(shop, plan.seed, orders).await?;
    let context = FaultContext {
        shop,
        record: Record::default(),
        queue: Queue::new(shop)?,
        subscriber: Subscriber::new(shop)?,
        fail_points,
        preload,
    };
    context.subscriber.subscribe().await?;
    let run = Run { context: &context, catalog: &catalog, plan };
    let report = select! {
        report = run.run() => report?,
        never = watcher::watch(&context) => match never {},
        never = supplier::supply(&context, &catalog, plan.seed) => match never? {},
        never = context.subscriber.listen() => match never {},
    };
    println!("{report}");
    let breaches = context.record.breaches();
    if !breaches.is_empty() {
        bail!("{} promises are broken:\n{}", breaches.len(), breaches.join("\n"));
    }
    shop.audit_is_clean().await?;
    println!("worker audit: 0 broken invariants");
    Ok(())
}

struct Run<'a> {
    context: &'a FaultContext<'a>,
    catalog: &'a Catalog,
    plan: &'a Plan,
}

impl Run<'_> {
    async fn run(&self) -> Result<Report> {
        let began = Instant::now();
        self.place(0..self.plan.orders_before_faults, Duration::ZERO, Conditions::Normal).await?;
        self.context.settle(0, self.plan.settle_timeout).await?;
        let without_fault = Phase { orders: self.plan.orders_before_faults, took: began.elapsed() };
        println!("without a fault: {without_fault}");

        let (mut next, mut faults) = (self.plan.orders_before_faults, Vec::new());
        for (fault, orders) in &self.plan.faults {
            let (began, before) = (Instant::now(), self.context.record.acknowledged().len());
            let recovery = self.inject(fault, next..next + orders).await.with_context(|| fault.name())?;
            self.context.settle(before, self.plan.settle_timeout).await.with_context(|| fault.name())?;
            let dead = self.context.queue.take_dead_letters().await?;
            if dead != fault.dead_letters() {
                self.context.record.breach(format!("{}: in the dead-letter queue are {dead:?}", fault.name()));
            }
            let phase = Phase { orders: *orders, took: began.elapsed() };
            println!("{}: recovered after {:.1} s; {phase}", fault.name(), recovery.as_secs_f32());
            faults.push((fault.name(), recovery, phase));
            next += orders;
        }
        let restocks = self.context.record.restocks().await;
        let summary = checks::run(self.context, self.catalog, &restocks, self.plan.histories).await?;
        Ok(Report { seed: self.plan.seed, without_fault, faults, summary, restarted: self.context.record.restarted_servers() })
    }

    /// Injects a fault while orders are placed. Returns the time from the end of the fault until
    /// every order acknowledged by then had ended and readers saw it.
    async fn inject(&self, fault: &Fault, orders: Range<usize>) -> Result<Duration> {
        let injecting = async {
            fault.inject(self.context).await?;
            let ended = Instant::now();
            fault.repair(self.context).await?;
            self.context.wait_for_acknowledged_orders(self.plan.settle_timeout).await?;
            anyhow::Ok(ended.elapsed())
        };
        if fault.needs_idle_system() {
            let no_delivery = self.context.record.restocks().await;
            let recovery = injecting.await?;
            drop(no_delivery);
            self.place(orders, Duration::ZERO, fault.conditions()).await?;
            return Ok(recovery);
        }
        let enough = self.context.record.acknowledged().len() + orders.len() / 8;
        let while_orders_arrive = async {
            until("orders are being placed", self.plan.settle_timeout, async || {
                Ok((self.context.record.acknowledged().len() >= enough).then_some(()))
            })
            .await?;
            injecting.await
        };
        let ((), recovery) = try_join!(self.place(orders, fault.orders_arrive_over(), fault.conditions()), while_orders_arrive)?;
        Ok(recovery)
    }

    /// Runs the customers, at most `at_once` at the same time. Their starts are spread evenly over
    /// `over`. If `over` is zero, each customer starts as soon as possible.
    async fn place(&self, customers: Range<usize>, over: Duration, conditions: Conditions) -> Result<()> {
        let (began, count) = (Instant::now(), u32::try_from(customers.len())?);
        let customer = &Customer { shop: self.context.shop, catalog: self.catalog, record: &self.context.record };
        let purchases = customers.zip(0_u32..).map(|(number, place)| async move {
            sleep_until((began + over * place / count).into()).await;
            customer.buy(Scenario::draw(self.catalog, self.plan.seed, number), conditions).await
        });
        stream::iter(purchases).buffer_unordered(self.plan.at_once).try_collect().await
    }
}
