//! The history of operations, for `GET /api/operations/history`: orders, durations, revenue and
//! waiting work in the last hour, day and week.
//!
//! Every bucket is counted from the facts in Postgres and put into the read model whole. So it does
//! not matter how often, by which worker, or how late it is counted. The time that a count takes
//! depends on the orders of its minute, not on all orders. Nothing here is on the path of an order.
//!
//! A bucket is counted soon after its end, and once more a minute later, when everything of its
//! time is on record. Then it is settled. An order may be recorded long after it was accepted,
//! because no worker ran or Temporal was away. When such an order is paid or ends, the buckets of
//! the time in which it was accepted are counted again ([`Facts::late_minutes`]). After a time
//! without workers, and after the first deployment, the missing buckets are counted, newest first.
//! What waited at that time is not known afterwards, and stays a gap.

use crate::{db, ops::system::System, sql::history as sql};
use platform::read_model::{Bucket, BucketNumber, Durations, Period, ReadModel, Revenue, StoredBucket, Waiting};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    time::Duration as StdDuration,
};
use time::{Duration, OffsetDateTime};
use tokio::time::{Instant, sleep, timeout};

/// The pause between two searches for buckets to count.
const INTERVAL: StdDuration = StdDuration::from_secs(10);
/// When a search has taken this long, it begins no further bucket. The next search goes on.
const SEARCH_TIME: StdDuration = StdDuration::from_secs(2);
/// The time limit for Temporal and for Postgres to say what waits.
const ANSWER_TIMEOUT: StdDuration = StdDuration::from_secs(5);
/// How long after its end a bucket is counted first. Most transactions have been committed then.
const FIRST_COUNT_AFTER: Duration = Duration::seconds(5);
/// How long after its end a bucket is settled. No transaction lasts so long.
const SETTLED_AFTER: Duration = Duration::seconds(65);
/// How long after the end of a minute its state may still be read.
const SAMPLED_WITHIN: Duration = Duration::seconds(30);
/// An order's id is made just before the time of its acceptance is read.
const ID_BEFORE_ACCEPTED: Duration = Duration::seconds(1);

type Key = (Period, BucketNumber);

/// Writes the history for ever. If the searches are slow, they run less often, so that they take at
/// most a fifth of the time.
pub(crate) async fn run(system: System, read_model: ReadModel) {
    let mut history = History { system, read_model, began_at: None, settled: HashSet::new() };
    loop {
        let begun = Instant::now();
        if let Err(error) = history.search().await {
            tracing::warn!(error = format!("{error:#}"), "the history of operations cannot be written now");
        }
        sleep(INTERVAL.max(begun.elapsed() * 4)).await;
    }
}

struct History {
    system: System,
    read_model: ReadModel,
    /// The time of the first search.
    began_at: Option<OffsetDateTime>,
    /// Buckets of the last week that need no further count.
    settled: HashSet<Key>,
}

impl History {
    /// Counts the buckets that are not settled, newest first.
    async fn search(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let sql::Clock { now, first_order_at } = sql::clock(&db::connection(&self.system.pool).await?).await?;
        let began_at = *self.began_at.get_or_insert(now);
        // Before the first order, there is nothing to count.
        let first = first_order_at.map_or(began_at, |first| first.min(began_at));
        self.settled.retain(|(period, number)| period.complete_at(now).contains(number));
        for period in Period::ALL {
            let complete = period.complete_at(now - FIRST_COUNT_AFTER);
            let open: Vec<_> = complete
                .rev()
                .take_while(|number| period.start_of(number + 1) > first)
                .filter(|number| !self.settled.contains(&(period, *number)))
                .collect();
            if open.is_empty() {
                continue;
            }
            let stored = self.read_model.buckets(period, &open).await?;
            for number in open {
                let stored = stored.get(&number);
                let may_settle = now >= period.start_of(number + 1) + SETTLED_AFTER;
                match stored {
                    Some(stored) if stored.is_settled => drop(self.settled.insert((period, number))),
                    Some(_) if !may_settle => {}
                    _ if begun.elapsed() > SEARCH_TIME => return Ok(()),
                    _ => self.count(period, number, stored, now, may_settle).await?,
                }
            }
        }
        Ok(())
    }

    /// Counts a bucket and stores it.
    async fn count(
        &mut self,
        period: Period,
        number: BucketNumber,
        stored: Option<&StoredBucket>,
        now: OffsetDateTime,
        may_settle: bool,
    ) -> anyhow::Result<()> {
        let facts = self.read_facts(period, number).await?;
        let end = period.start_of(number + 1);
        // A minute that ended more than an hour ago is only a part of longer buckets.
        if may_settle && (period == Period::Hour || now - end > Duration::HOUR) {
            // This comes before the bucket is settled, so it is done again if it fails.
            self.count_late(&facts.late_minutes, now).await?;
        }
        let sample = match period {
            Period::Hour if now - end < SAMPLED_WITHIN => self.read_waiting().await,
            Period::Hour => None,
            Period::Day => self.largest_waiting(Period::Hour, period, number).await?,
            Period::Week => self.largest_waiting(Period::Day, period, number).await?,
        };
        self.store(period, number, facts, larger(stored.and_then(|stored| stored.bucket.waiting), sample), may_settle).await
    }

    /// Counts the buckets of earlier minutes again, because orders of these minutes were recorded
    /// late.
    async fn count_late(&mut self, minutes: &BTreeSet<BucketNumber>, now: OffsetDateTime) -> anyhow::Result<()> {
        for period in Period::ALL {
            let complete = period.complete_at(now - SETTLED_AFTER);
            let numbers = minutes.iter().map(|minute| period.number_at(Period::Hour.start_of(*minute)));
            let numbers: Vec<_> = numbers.filter(|number| complete.contains(number)).collect::<BTreeSet<_>>().into_iter().collect();
            let stored = if numbers.is_empty() { HashMap::new() } else { self.read_model.buckets(period, &numbers).await? };
            for number in numbers {
                // A bucket that is not settled will be counted again in any case.
                if let Some(stored) = stored.get(&number).filter(|stored| stored.is_settled) {
                    let facts = self.read_facts(period, number).await?;
                    self.store(period, number, facts, stored.bucket.waiting, true).await?;
                }
            }
        }
        Ok(())
    }

    async fn store(
        &mut self,
        period: Period,
        number: BucketNumber,
        facts: Facts,
        waiting: Option<Waiting>,
        is_settled: bool,
    ) -> anyhow::Result<()> {
        let bucket = Bucket { waiting, ..facts.into_bucket() };
        self.read_model.put_bucket(period, number, &StoredBucket { bucket, is_settled }).await?;
        if is_settled {
            self.settled.insert((period, number));
        }
        Ok(())
    }

    /// Reads the facts of a bucket, minute by minute, so that no statement has much to do.
    async fn read_facts(&self, period: Period, number: BucketNumber) -> anyhow::Result<Facts> {
        let (start, end) = (period.start_of(number), period.start_of(number + 1));
        let client = db::connection(&self.system.pool).await?;
        let mut facts = Facts::default();
        for minute in Period::Hour.number_at(start)..Period::Hour.number_at(end) {
            let (from, until) = (Period::Hour.start_of(minute), Period::Hour.start_of(minute + 1));
            let ids = [from - ID_BEFORE_ACCEPTED, until + ID_BEFORE_ACCEPTED].map(first_id_at);
            for fact in sql::facts(&client, from, until, &ids[0], &ids[1]).await? {
                facts.add(&fact);
            }
        }
        Ok(facts)
    }

    /// What waits now, or `None` if Postgres does not answer.
    async fn read_waiting(&self) -> Option<Waiting> {
        let (lags, backlog) =
            tokio::join!(timeout(ANSWER_TIMEOUT, self.system.read_lags()), timeout(ANSWER_TIMEOUT, self.system.read_backlog()));
        let lags = lags.ok()?.ok()?;
        let backlog = backlog.ok().and_then(Result::ok).flatten();
        Some(Waiting {
            tasks: backlog.map(|backlog| backlog.tasks),
            tasks_seconds: backlog.map(|backlog| backlog.age.as_secs()),
            projection_seconds: lags.projection,
            events_seconds: lags.events,
            notices_seconds: lags.notices,
        })
    }

    /// The largest of what waited in the shorter buckets of which a bucket consists.
    async fn largest_waiting(&self, shorter: Period, period: Period, number: BucketNumber) -> anyhow::Result<Option<Waiting>> {
        let parts = shorter.number_at(period.start_of(number))..shorter.number_at(period.start_of(number + 1));
        let stored = self.read_model.buckets(shorter, &parts.collect::<Vec<_>>()).await?;
        Ok(stored.values().map(|stored| stored.bucket.waiting).fold(None, larger))
    }
}

fn larger(one: Option<Waiting>, other: Option<Waiting>) -> Option<Waiting> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.max(other)),
        (known, None) | (None, known) => known,
    }
}

/// No order that is accepted from this time on has a smaller id. An id begins with the time in
/// milliseconds, in 12 hex digits.
fn first_id_at(at: OffsetDateTime) -> String {
    format!("ord_{:012x}{:020}", at.unix_timestamp_nanos() / 1_000_000, 0)
}

/// What happened in a time, as counts that can be added.
#[derive(Default)]
struct Facts {
    bucket: Bucket,
    revenue: BTreeMap<String, Revenue>,
    payment: Classes,
    completion: Classes,
    /// Earlier minutes in which orders were accepted that were perhaps recorded only now.
    late_minutes: BTreeSet<BucketNumber>,
}

impl Facts {
    fn add(&mut self, sql::Fact { kind, name, value }: &sql::Fact) {
        let count = u64::try_from(*value).unwrap_or_default();
        match (kind.as_str(), name.as_str()) {
            ("ACCEPTED", _) => self.bucket.accepted += count,
            ("ENDED", "COMPLETED") => self.bucket.completed += count,
            ("ENDED", "FAILED") => self.bucket.failed += count,
            ("ENDED", "CANCELLED") => self.bucket.cancelled += count,
            ("PAID_AFTER", class) => self.payment.add(class, count),
            ("COMPLETED_AFTER", class) => self.completion.add(class, count),
            ("CAPTURED", currency) => self.revenue(currency).captured_minor += value,
            ("REFUNDED", currency) => self.revenue(currency).refunded_minor += value,
            ("LATE_MINUTE", _) => drop(self.late_minutes.insert(*value)),
            (kind, name) => tracing::error!(kind, name, "the history of operations has no place for {kind} {name}"),
        }
    }

    fn revenue(&mut self, currency: &str) -> &mut Revenue {
        let new = || Revenue { currency: currency.to_owned(), captured_minor: 0, refunded_minor: 0 };
        self.revenue.entry(currency.to_owned()).or_insert_with(new)
    }

    fn into_bucket(self) -> Bucket {
        let moved = self.revenue.into_values().filter(|revenue| revenue.captured_minor != 0 || revenue.refunded_minor != 0);
        Bucket { payment: self.payment.durations(), completion: self.completion.durations(), revenue: moved.collect(), ..self.bucket }
    }
}

/// The number of durations by class. Class n has the durations from 2^(n/8) ms, so a duration is
/// known to 5 %, and counts of several minutes can be added.
#[derive(Default)]
struct Classes(BTreeMap<i32, u64>);

impl Classes {
    const PER_DOUBLING: f64 = 8.0;

    fn add(&mut self, class: &str, count: u64) {
        if let Ok(class) = class.parse() {
            *self.0.entry(class).or_default() += count;
        }
    }

    fn durations(&self) -> Option<Durations> {
        Some(Durations { p50_ms: self.percentile(50)?, p99_ms: self.percentile(99)? })
    }

    /// The duration that `percent` % of the durations do not exceed; the middle of its class.
    fn percentile(&self, percent: u64) -> Option<u64> {
        let rank = (self.0.values().sum::<u64>() * percent).div_ceil(100);
        let mut seen = 0;
        let class = self.0.iter().find_map(|(class, count)| {
            seen += count;
            (seen >= rank).then_some(*class)
        })?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration is positive and far below 2^53 ms")]
        #[expect(clippy::float_arithmetic, reason = "a class of durations, not money")]
        Some(((f64::from(class) + 0.5) / Self::PER_DOUBLING).exp2().round() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn fact(kind: &str, name: &str, value: i64) -> sql::Fact {
        sql::Fact { kind: kind.to_owned(), name: name.to_owned(), value }
    }

    /// The class of a duration, as the statement calculates it.
    #[expect(clippy::float_arithmetic, reason = "a class of durations, not money")]
    fn class(millis: f64) -> String {
        (millis.log2() * Classes::PER_DOUBLING).floor().to_string()
    }

    #[test]
    fn the_facts_of_minutes_add_up_to_those_of_a_longer_time() {
        let mut facts = Facts::default();
        for fact in [
            fact("ACCEPTED", "", 3),
            fact("ENDED", "COMPLETED", 2),
            fact("ENDED", "FAILED", 1),
            fact("CAPTURED", "USD", 1_050),
            fact("CAPTURED", "JPY", 7),
            fact("PAID_AFTER", &class(40.0), 98),
            fact("LATE_MINUTE", "", 29_920_000),
            // The next minute.
            fact("ACCEPTED", "", 4),
            fact("ENDED", "CANCELLED", 5),
            fact("CAPTURED", "USD", 50),
            fact("REFUNDED", "USD", 100),
            fact("REFUNDED", "EUR", 0),
            fact("PAID_AFTER", &class(30_000.0), 2),
            fact("LATE_MINUTE", "", 29_920_000),
        ] {
            facts.add(&fact);
        }
        assert_eq!(facts.late_minutes, BTreeSet::from([29_920_000]));
        let bucket = facts.into_bucket();
        assert_eq!((bucket.accepted, bucket.completed, bucket.failed, bucket.cancelled), (7, 2, 1, 5));
        let revenue =
            |currency: &str, captured_minor, refunded_minor| Revenue { currency: currency.to_owned(), captured_minor, refunded_minor };
        assert_eq!(bucket.revenue, [revenue("JPY", 7, 0), revenue("USD", 1_100, 100)]);
        assert_eq!((bucket.completion, bucket.waiting), (None, None));
        let Durations { p50_ms, p99_ms } = bucket.payment.unwrap();
        assert!((38..=42).contains(&p50_ms) && (28_500..=31_500).contains(&p99_ms), "{p50_ms} {p99_ms}");
    }

    #[test]
    fn every_duration_is_known_to_five_percent() {
        for millis in [1.0_f64, 1.09, 20.0, 999.0, 86_400_000.0, 8.0e9] {
            let mut classes = Classes::default();
            classes.add(&class(millis), 1);
            #[expect(clippy::cast_precision_loss, reason = "the values are small")]
            let known = classes.percentile(50).unwrap() as f64;
            assert!((known - millis).abs() <= (millis * 0.05).max(0.5), "{millis} ms became {known} ms");
        }
        assert_eq!(Classes::default().durations(), None);
    }

    #[test]
    fn ids_that_are_made_later_are_not_smaller() {
        // The time of this id is 0x019aa591bc12.
        let (id, at) = ("ord_019aa591bc1270008000000000000001", datetime!(2025-11-21 08:39:42.866 UTC));
        assert!(id.parse::<orders::OrderId>().is_ok() && first_id_at(at).parse::<orders::OrderId>().is_ok());
        let bounds = [at, at + Duration::milliseconds(1)].map(first_id_at);
        assert!(*bounds[0] <= *id && *id < *bounds[1], "{bounds:?}");
    }

    #[test]
    fn what_is_not_known_does_not_hide_what_is() {
        let known = Waiting { tasks: Some(3), ..Waiting::default() };
        assert_eq!([larger(Some(known), None), larger(None, Some(known)), larger(None, None)], [Some(known), Some(known), None]);
    }
}
