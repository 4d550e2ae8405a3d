//! `GET /api/operations/history`: orders, durations, revenue and waiting work in the last hour, day
//! or week, as the workers counted them. Only for staff.

use crate::{
    http::Problem,
    identity::{Caller, Identity},
};
use axum::{
    Json, Router,
    extract::{FromRef, Query, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
use orders::{Currency, Money, json::FieldErrors};
use platform::read_model::{self, BadPeriod, Durations, Period, ReadModel, Waiting};
use serde::Serialize;
use std::sync::Arc;
use time::{Duration, OffsetDateTime};

/// A worker has counted a bucket at this time after its end.
const COUNTED_AFTER: Duration = Duration::seconds(20);

const PATH: &str = "/api/operations/history";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, get(get_operations_history))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = OperationsHistory))]
#[serde(rename_all = "camelCase")]
struct History {
    period: Period,
    /// The length of each bucket.
    bucket_seconds: i64,
    /// When the first bucket of the period begins.
    #[cfg_attr(test, schema(value_type = orders::schema::Time))]
    #[serde(with = "orders::rfc3339")]
    from: OffsetDateTime,
    /// When the last bucket of the period ends. The present bucket is left out.
    #[cfg_attr(test, schema(value_type = orders::schema::Time))]
    #[serde(with = "orders::rfc3339")]
    until: OffsetDateTime,
    /// Oldest first. A bucket is left out if no worker has counted it: no worker runs, or there was
    /// no shop yet.
    #[cfg_attr(test, schema(max_items = 168))]
    buckets: Vec<Bucket>,
}

/// What happened in a bucket's time.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = OperationsBucket))]
#[serde(rename_all = "camelCase")]
struct Bucket {
    /// When it begins.
    #[cfg_attr(test, schema(value_type = orders::schema::Time))]
    #[serde(with = "orders::rfc3339")]
    at: OffsetDateTime,
    /// Orders that were accepted.
    accepted: u64,
    completed: u64,
    failed: u64,
    cancelled: u64,
    /// From accepting an order to its payment, of the orders that were paid in this time; null if
    /// there were none.
    #[cfg_attr(test, schema(required))]
    payment: Option<Durations>,
    /// From accepting an order to its completion, of the orders that were completed in this time;
    /// null if there were none.
    #[cfg_attr(test, schema(required))]
    completion: Option<Durations>,
    /// One entry for each currency in which money moved.
    revenue: Vec<Revenue>,
    /// What waited at the end of a minute; the largest values of a longer bucket. Null if no worker
    /// looked at that time.
    #[cfg_attr(test, schema(required))]
    waiting: Option<Waiting>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Revenue {
    #[cfg_attr(test, schema(value_type = orders::schema::Currency))]
    currency: String,
    /// Of the orders that were paid.
    captured: Money,
    /// Refunds, and reversed payments of orders that failed or were cancelled.
    refunded: Money,
}

/// The parameters as [`parse`] reads them, for the API document.
#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters, and nothing reads them into it")]
struct HistoryParameters {
    #[param(schema_with = period)]
    period: Option<String>,
}

#[cfg(test)]
fn period() -> utoipa::openapi::Object {
    let text = orders::schema::text().description(Some("60 minutes, 96 quarters of an hour, or 168 hours."));
    text.enum_values(Some(Period::ALL.map(Period::as_str))).default(Some(Period::default().as_str().into())).build()
}

/// See how operations went
///
/// For the shop's staff: orders, durations, revenue and waiting work, in buckets of time. A worker
/// counts a bucket within 20 seconds of its end.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "getOperationsHistory",
        tag = "operations",
        security(("token" = [])),
        params(HistoryParameters),
        responses(
            (
                status = 200,
                description = "The buckets of the period.",
                body = History,
                headers(("Cache-Control")),
                example = json!({
                    "period": "hour",
                    "bucketSeconds": 60,
                    "from": "2026-11-21T08:00:00.000Z",
                    "until": "2026-11-21T09:00:00.000Z",
                    "buckets": [{
                        "at": "2026-11-21T08:59:00.000Z",
                        "accepted": 12,
                        "completed": 10,
                        "failed": 1,
                        "cancelled": 0,
                        "payment": { "p50Ms": 42, "p99Ms": 1850 },
                        "completion": { "p50Ms": 130, "p99Ms": 2100 },
                        "revenue": [{ "currency": "USD", "captured": 12999.90, "refunded": 0 }],
                        "waiting": { "tasks": 3, "tasksSeconds": 1, "projectionSeconds": 0, "eventsSeconds": 0, "noticesSeconds": 2 }
                    }]
                })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::StaffOnly,
            crate::openapi::Invalid,
            crate::openapi::Unavailable
        )
    )
)]
async fn get_operations_history(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_staff()?;
    let period = parse(&parameters)?;
    let numbers = period.complete_at(OffsetDateTime::now_utc() - COUNTED_AFTER);
    let (from, until) = (period.start_of(*numbers.start()), period.start_of(numbers.end() + 1));
    let numbers: Vec<_> = numbers.collect();
    let mut stored = read_model.buckets(period, &numbers).await?;
    let buckets = numbers.iter().filter_map(|number| Some(Bucket::new(period.start_of(*number), stored.remove(number)?.bucket)));
    let history = History { period, bucket_seconds: period.step().whole_seconds(), from, until, buckets: buckets.collect() };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(history)))
}

fn parse(parameters: &[(String, String)]) -> Result<Period, Problem> {
    let mut values = parameters.iter().filter(|(name, _)| name == "period").map(|(_, value)| value.parse());
    let (value, is_repeated) = (values.next().unwrap_or_else(|| Ok(Period::default())), values.next().is_some());
    let mut faults = FieldErrors::default();
    match value {
        Ok(period) if !is_repeated => return Ok(period),
        Ok(_) => faults.add("period", "appears more than once"),
        Err(BadPeriod) => faults.add("period", BadPeriod.to_string()),
    }
    Err(Problem::invalid(faults.into_vec()))
}

impl Bucket {
    fn new(at: OffsetDateTime, bucket: read_model::Bucket) -> Self {
        let read_model::Bucket { accepted, completed, failed, cancelled, payment, completion, revenue, waiting } = bucket;
        // A worker writes only currencies that exist.
        let revenue = revenue.into_iter().filter_map(|read_model::Revenue { currency: code, captured_minor, refunded_minor }| {
            let currency = Currency::from_code(&code)?;
            let [captured, refunded] = [captured_minor, refunded_minor].map(|minor| Money { minor, currency });
            Some(Revenue { currency: code, captured, refunded })
        });
        Self { at, accepted, completed, failed, cancelled, payment, completion, revenue: revenue.collect(), waiting }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(query: &[&str]) -> Result<Period, Problem> {
        parse(&query.iter().map(|value| ("period".to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn the_period_is_an_hour_a_day_or_a_week() {
        assert_eq!(parsed(&[]).ok(), Some(Period::Hour));
        for period in Period::ALL {
            assert_eq!(parsed(&[period.as_str()]).ok(), Some(period));
        }
        for query in [&["month"][..], &[""], &["day", "day"]] {
            assert!(parsed(query).is_err(), "{query:?}");
        }
    }

    #[test]
    fn amounts_are_in_major_units() {
        let revenue = |currency: &str| read_model::Revenue { currency: currency.to_owned(), captured_minor: 1_050, refunded_minor: 0 };
        let counted = read_model::Bucket { revenue: vec![revenue("USD"), revenue("JPY"), revenue("???")], ..Default::default() };
        let shown = serde_json::to_string(&Bucket::new(OffsetDateTime::UNIX_EPOCH, counted).revenue).unwrap();
        assert_eq!(shown, r#"[{"currency":"USD","captured":10.50,"refunded":0.00},{"currency":"JPY","captured":1050,"refunded":0}]"#);
    }
}
