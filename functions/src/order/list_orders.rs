//! `GET /api/orders`: lists the orders of a customer (`?customerID=…`), page by page. Staff may
//! also list the orders of all customers that have a status (`?status=…`).

use crate::{
    http::{PER_CALLER_CACHING, Problem},
    identity::{Caller, Identity},
};
use axum::{
    Json, Router,
    extract::{FromRef, Query, State},
    response::IntoResponse,
    routing::get,
};
use orders::{json::FieldErrors, request};
use platform::read_model::{List, PageRequest, ReadModel, StoredOrder};
use serde::Serialize;
use serde_json::value::RawValue;
use std::{ops::RangeInclusive, str::FromStr, sync::Arc};

/// The permitted number of orders in a page.
const LIMITS: RangeInclusive<usize> = 1..=100;
const DEFAULT_LIMIT: usize = 20;
const BAD_CURSOR: &str = "is not a cursor of this list";

const PATH: &str = "/api/orders";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, get(list_orders))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = OrderList))]
#[serde(rename_all = "camelCase")]
struct Listing {
    #[cfg_attr(test, schema(value_type = Vec<orders::OrderView>, max_items = 100))]
    items: Vec<Box<RawValue>>,
    /// Where the next page starts; null on the last page. A page may hold fewer orders than
    /// requested, or none, and not be the last.
    #[cfg_attr(test, schema(required))]
    next_cursor: Option<String>,
}

/// The parameters as [`parse`] reads them, for the API document.
#[cfg(test)]
#[derive(utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes the parameters, and nothing reads them into it")]
struct ListParameters {
    /// Required of customers, and without `status`.
    #[param(rename = "customerID", value_type = Option<orders::schema::Identifier>, example = "CUST-001")]
    customer_id: Option<String>,
    /// Only orders with this status.
    status: Option<orders::OrderStatus>,
    #[param(schema_with = sort)]
    sort: Option<String>,
    /// Orders a page.
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<i32>,
    /// `nextCursor` of the page before. Opaque.
    cursor: Option<String>,
}

#[cfg(test)]
fn sort() -> utoipa::openapi::Object {
    let sort = orders::schema::text().description(Some("Which orders come first."));
    sort.enum_values(Some(["newest", "oldest"])).default(Some("newest".into())).build()
}

/// List orders
///
/// A customer's orders, page by page. Staff may omit `customerID` and give a `status`, to list the
/// orders of all customers that have it.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "listOrders",
        tag = "orders",
        security(("token" = [])),
        params(ListParameters),
        responses(
            (
                status = 200,
                description = "A page of orders.",
                body = Listing,
                headers(("Cache-Control"), ("Vary")),
                example = json!({ "items": [crate::openapi::examples::completed()], "nextCursor": null })
            ),
            crate::openapi::Unauthenticated,
            crate::openapi::Forbidden,
            crate::openapi::Invalid,
            crate::openapi::Unavailable
        )
    )
)]
async fn list_orders(
    caller: Caller,
    State(read_model): State<Arc<ReadModel>>,
    Query(parameters): Query<Vec<(String, String)>>,
) -> Result<impl IntoResponse, Problem> {
    let request = parse(&parameters)?;
    match &request.list {
        List::OfCustomer { customer_id, .. } => caller.ensure_acts_for(customer_id)?,
        List::OfStatus(_) => caller.ensure_is_staff()?,
    }
    let page = read_model.orders(request).await?;
    // An order that cannot be read is left out, and the log names it.
    let readable = |order: StoredOrder| {
        let order_id = order.id;
        let json = caller.visible_json(order).ok()?;
        RawValue::from_string(json)
            .inspect_err(|error| tracing::error!(%order_id, cause = %error, "{order_id} is left out: it cannot be read"))
            .ok()
    };
    let items = page.orders.into_iter().filter_map(readable).collect();
    Ok((PER_CALLER_CACHING, Json(Listing { items, next_cursor: page.next })))
}

/// Reads the parameters. If some are wrong, the problem names every fault.
fn parse(parameters: &[(String, String)]) -> Result<PageRequest, Problem> {
    let mut faults = FieldErrors::default();
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

/// Returns the value of a parameter that may appear only once.
fn single<'a>(parameters: &'a [(String, String)], name: &str, faults: &mut FieldErrors) -> Option<&'a str> {
    let mut values = parameters.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = values.next();
    if values.next().is_some() {
        faults.add(name, "appears more than once");
    }
    value
}

fn parsed<T: FromStr>(parameters: &[(String, String)], name: &str, message: &str, faults: &mut FieldErrors) -> Option<T> {
    let value = single(parameters, name, faults)?.parse().ok();
    if value.is_none() {
        faults.add(name, message);
    }
    value
}
