//! The history of operations: what happened in the last hour, day and week, counted in short
//! periods of time ("buckets"). A worker counts a bucket in Postgres and puts it whole, so counting
//! it again changes nothing.
//!
//! A bucket is one item in the table of orders. The number of its key is its slot: buckets take
//! turns at a fixed number of slots, so old buckets are overwritten and the history never grows.

use super::{Error, ORDER_KEY, ReadModel, Unreadable, json, key, number, readable, text};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, ops::RangeInclusive};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;

/// The beginning of the keys. No id of an order begins so.
pub(super) const PREFIX: &str = "operations-";
/// The maximum number of items in one call to DynamoDB.
const MAX_ITEMS: usize = 100;

/// How far a history goes back. It decides the length of its buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// 60 buckets of a minute.
    #[default]
    Hour,
    /// 96 buckets of a quarter of an hour.
    Day,
    /// 168 buckets of an hour.
    Week,
}

impl Period {
    pub const ALL: [Self; 3] = [Self::Hour, Self::Day, Self::Week];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
        }
    }

    /// The length of a bucket.
    #[must_use]
    pub fn step(self) -> Duration {
        match self {
            Self::Hour => Duration::minutes(1),
            Self::Day => Duration::minutes(15),
            Self::Week => Duration::hours(1),
        }
    }

    /// The number of buckets in the period.
    #[must_use]
    pub fn count(self) -> i64 {
        match self {
            Self::Hour => 60,
            Self::Day => 96,
            Self::Week => 168,
        }
    }

    /// The last buckets that are complete at this time.
    #[must_use]
    pub fn complete_at(self, at: OffsetDateTime) -> RangeInclusive<BucketNumber> {
        let last = self.number_at(at) - 1;
        last + 1 - self.count()..=last
    }

    /// The number of the bucket to which a time belongs.
    #[must_use]
    pub fn number_at(self, at: OffsetDateTime) -> BucketNumber {
        at.unix_timestamp().div_euclid(self.step().whole_seconds())
    }

    /// When a bucket begins.
    #[must_use]
    pub fn start_of(self, number: BucketNumber) -> OffsetDateTime {
        OffsetDateTime::UNIX_EPOCH + Duration::seconds(number.saturating_mul(self.step().whole_seconds()))
    }

    /// The key of a bucket. There are twice as many slots as the period has buckets, so a reader
    /// never finds a bucket of the period overwritten.
    fn key(self, number: BucketNumber) -> AttributeValue {
        AttributeValue::S(format!("{PREFIX}{}-{}", self.as_str(), number.rem_euclid(2 * self.count())))
    }
}

/// The text is not the name of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither hour, day nor week")]
pub struct BadPeriod;

impl std::str::FromStr for Period {
    type Err = BadPeriod;

    fn from_str(text: &str) -> Result<Self, BadPeriod> {
        Self::ALL.into_iter().find(|period| period.as_str() == text).ok_or(BadPeriod)
    }
}

/// Counts the buckets of a period since 1970.
pub type BucketNumber = i64;

/// What happened in a bucket's time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bucket {
    /// Orders that were accepted.
    pub accepted: u64,
    pub completed: u64,
    pub failed: u64,
    pub cancelled: u64,
    /// From accepting an order to its payment, of the orders that were paid in this time.
    pub payment: Option<Durations>,
    /// From accepting an order to its completion, of the orders that were completed in this time.
    pub completion: Option<Durations>,
    /// Sorted by currency.
    pub revenue: Vec<Revenue>,
    /// What waited. `None` if no worker looked at that time.
    pub waiting: Option<Waiting>,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Durations {
    /// Half of them took at most this long: milliseconds, exact to 5 %.
    pub p50_ms: u64,
    /// 99 % of them took at most this long: milliseconds, exact to 5 %.
    pub p99_ms: u64,
}

/// What was taken and given back, in minor units of the currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Revenue {
    pub currency: String,
    pub captured_minor: i64,
    pub refunded_minor: i64,
}

/// What waited at the end of a minute. In a longer bucket, each value is the largest one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Waiting {
    /// Tasks that waited in the task queue for a worker; null if Temporal did not answer.
    #[schema(required)]
    pub tasks: Option<u64>,
    /// For how long the oldest task had waited.
    #[schema(required)]
    pub tasks_seconds: Option<u64>,
    /// For how long the oldest change had waited to be shown to readers.
    #[schema(required)]
    pub projection_seconds: u64,
    /// For how long the oldest event had waited to be published; 0 if events are not published.
    #[schema(required)]
    pub events_seconds: u64,
    /// For how long the oldest message to a customer had waited to be sent.
    #[schema(required)]
    pub notices_seconds: u64,
}

impl Waiting {
    /// The larger of each value.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            tasks: self.tasks.max(other.tasks),
            tasks_seconds: self.tasks_seconds.max(other.tasks_seconds),
            projection_seconds: self.projection_seconds.max(other.projection_seconds),
            events_seconds: self.events_seconds.max(other.events_seconds),
            notices_seconds: self.notices_seconds.max(other.notices_seconds),
        }
    }
}

/// A bucket as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBucket {
    pub bucket: Bucket,
    /// Whether everything that happened in its time was on record when it was counted.
    pub is_settled: bool,
}

impl ReadModel {
    /// Stores a bucket in place of the one that is in its slot.
    ///
    /// # Errors
    /// Fails if DynamoDB does not accept it.
    pub async fn put_bucket(&self, period: Period, number: BucketNumber, stored: &StoredBucket) -> Result<(), Error> {
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.settings.orders_table)
            .item("id", period.key(number))
            .item("number", AttributeValue::N(number.to_string()))
            .item("settled", AttributeValue::Bool(stored.is_settled))
            .item("doc", AttributeValue::S(json(&stored.bucket)?));
        put.send().await.map(|_| ()).map_err(Error::from_put)
    }

    /// Reads buckets. Those that no worker has stored, or that cannot be read, are left out.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn buckets(&self, period: Period, numbers: &[BucketNumber]) -> Result<HashMap<BucketNumber, StoredBucket>, Error> {
        let mut found = HashMap::new();
        for numbers in numbers.chunks(MAX_ITEMS) {
            let mut keys: Vec<_> = numbers.iter().map(|number| HashMap::from([("id".to_owned(), period.key(*number))])).collect();
            // DynamoDB may return only some of the items. The rest needs another call.
            while !keys.is_empty() {
                let table = &self.settings.orders_table;
                let asked = KeysAndAttributes::builder().set_keys(Some(keys)).build().map_err(Error::item)?;
                let answer = self.dynamodb.batch_get_item().request_items(table, asked).send().await.map_err(Error::from_sdk)?;
                for item in answer.responses.unwrap_or_default().remove(table).unwrap_or_default() {
                    let id = key(&item, ORDER_KEY);
                    match readable(stored_bucket(item).map_err(|error| Unreadable { id, error })) {
                        // A slot may still have an older bucket.
                        Some((number, stored)) if numbers.contains(&number) => drop(found.insert(number, stored)),
                        _ => {}
                    }
                }
                keys = answer.unprocessed_keys.unwrap_or_default().remove(table).map(|left| left.keys).unwrap_or_default();
            }
        }
        Ok(found)
    }
}

fn stored_bucket(mut item: HashMap<String, AttributeValue>) -> Result<(BucketNumber, StoredBucket), Error> {
    let bucket = serde_json::from_str(&text(&mut item, "doc")?).map_err(Error::item)?;
    let is_settled = matches!(item.get("settled"), Some(AttributeValue::Bool(true)));
    Ok((number(&mut item, "number")?, StoredBucket { bucket, is_settled }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use time::macros::datetime;

    #[test]
    fn a_period_ends_with_the_last_complete_bucket() {
        let at = datetime!(2026-11-21 10:07:59 UTC);
        for (period, first, last) in [
            (Period::Hour, datetime!(2026-11-21 09:07 UTC), datetime!(2026-11-21 10:06 UTC)),
            (Period::Day, datetime!(2026-11-20 10:00 UTC), datetime!(2026-11-21 09:45 UTC)),
            (Period::Week, datetime!(2026-11-14 10:00 UTC), datetime!(2026-11-21 09:00 UTC)),
        ] {
            let numbers = period.complete_at(at);
            assert_eq!((period.start_of(*numbers.start()), period.start_of(*numbers.end())), (first, last), "{period:?}");
            assert_eq!(period.as_str().parse(), Ok(period));
            assert_eq!(numbers.count(), usize::try_from(period.count()).unwrap());
        }
        assert_eq!("month".parse::<Period>(), Err(BadPeriod));
    }

    /// Two minutes apart, a worker writes and a function reads, and no bucket hides another.
    #[test]
    fn the_buckets_of_a_period_have_slots_of_their_own() {
        for period in Period::ALL {
            let numbers = period.complete_at(datetime!(2026-11-21 10:07:59 UTC));
            let with_next = *numbers.start()..=numbers.end() + 2;
            let keys: HashSet<_> = with_next.clone().map(|number| period.key(number).as_s().unwrap().clone()).collect();
            assert_eq!(keys.len(), with_next.count());
            assert!(keys.iter().all(|key| key.starts_with(PREFIX)));
            let slots: HashSet<_> = (0..10_000).map(|number| period.key(number).as_s().unwrap().clone()).collect();
            assert_eq!(slots.len(), usize::try_from(2 * period.count()).unwrap());
        }
    }

    #[test]
    fn the_larger_of_what_waited_counts() {
        let none = Waiting { tasks: None, tasks_seconds: None, ..Waiting::default() };
        let some = Waiting { tasks: Some(0), tasks_seconds: Some(2), projection_seconds: 5, events_seconds: 1, notices_seconds: 0 };
        assert_eq!(none.max(some), some);
        assert_eq!(some.max(Waiting { tasks: Some(7), ..none }), Waiting { tasks: Some(7), ..some });
    }

    #[test]
    fn a_bucket_of_another_release_can_be_read() {
        let item = HashMap::from([
            ("number".to_owned(), AttributeValue::N("7".to_owned())),
            ("doc".to_owned(), AttributeValue::S(r#"{"accepted":3,"refused":1,"waiting":{"tasks":4}}"#.to_owned())),
        ]);
        let (number, stored) = stored_bucket(item).unwrap();
        assert_eq!((number, stored.is_settled, stored.bucket.accepted), (7, false, 3));
        assert_eq!(stored.bucket.waiting, Some(Waiting { tasks: Some(4), ..Waiting::default() }));
    }
}
