//! `GET /api/orders?customerID=…`: a customer's orders, page by page; for staff also `?status=…`, the orders of all customers that stand there.

use crate::{
    http::{OF_CALLER, Problem},
    identity::{Caller, Identity},
};
use axum::{
    Json, Router,
    extract::{FromRef, Query, State},
    response::IntoResponse,
    routing::get,
};
use orders::{json::Faults, request};
use platform::read_model::{List, PageRequest, ReadModel, StoredOrder};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{ops::RangeInclusive, str::FromStr, sync::Arc};

/// Orders a page.
const LIMITS: RangeInclusive<usize> = 1..=100;
const DEFAULT_LIMIT: usize = 20;
const BAD_CURSOR: &str = "is not a cursor of this list";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route("/api/orders", get(list_orders))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listing {
    items: Vec<Box<RawValue>>,
    next_cursor: Option<String>,
}

async fn list_orders(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<impl IntoResponse, Problem> {
    let request = parse(&parameters)?;
    match &request.list {
        List::OfCustomer { customer_id, .. } => caller.must_be(customer_id)?,
        List::OfStatus(_) => caller.must_be_staff()?,
    }
    let page = read_model.orders(request).await?;
    // An order that cannot be read is left out; the log names it.
    let readable = |order: StoredOrder| {
        let order_id = order.id;
        let json = caller.may_read(order).ok()?;
        RawValue::from_string(json)
            .inspect_err(|error| tracing::error!(%order_id, cause = %error, "{order_id} is left out: it cannot be read"))
            .ok()
    };
    let items = page.orders.into_iter().filter_map(readable).collect();
    Ok((OF_CALLER, Json(Listing { items, next_cursor: page.next })))
}

/// Reads the parameters, naming every fault at once.
fn parse(parameters: &[(String, String)]) -> Result<PageRequest, Problem> {
    let mut faults = Faults::default();
    let customer_id = single(parameters, "customerID", &mut faults);
    if customer_id.is_some_and(|id| !request::is_identifier(id)) {
        faults.add("customerID", "is not the id of a customer");
    }
    let status = parsed(parameters, "status", "is not an order status", &mut faults);
    let list = match (customer_id, status) {
        (Some(customer_id), status) => Some(List::OfCustomer { customer_id: customer_id.to_owned(), status }),
        (None, Some(status)) => Some(List::OfStatus(status)),
        (None, None) => {
            if parameters.iter().all(|(name, _)| name != "status") {
                faults.add("customerID", "is required");
            }
            None
        }
    };
    let sort = parsed(parameters, "sort", "is neither newest nor oldest", &mut faults).unwrap_or_default();
    let limit = parsed(parameters, "limit", "must be a whole number from 1 to 100", &mut faults).unwrap_or(DEFAULT_LIMIT);
    if !LIMITS.contains(&limit) {
        faults.add("limit", "must be a whole number from 1 to 100");
    }
    let cursor = parsed(parameters, "cursor", BAD_CURSOR, &mut faults);
    match list.map(|list| PageRequest { list, sort, limit, cursor }) {
        Some(request) if faults.is_empty() && request.continues() => Ok(request),
        request => {
            if request.is_some_and(|request| !request.continues()) {
                faults.add("cursor", BAD_CURSOR);
            }
            Err(Problem::invalid(faults.into_vec()))
        }
    }
}

/// The value of a parameter that may appear once.
fn single<'a>(parameters: &'a [(String, String)], name: &str, faults: &mut Faults) -> Option<&'a str> {
    let mut values = parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = values.next();
    if values.next().is_some() {
        faults.add(name, "appears more than once");
    }
    value
}

fn parsed<T: FromStr>(parameters: &[(String, String)], name: &str, otherwise: &str, faults: &mut Faults) -> Option<T> {
    let value = single(parameters, name, faults)?.parse().ok();
    if value.is_none() {
        faults.add(name, otherwise);
    }
    value
}
