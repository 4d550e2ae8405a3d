//! `POST /api/products/{id}/restock`: adds units to a product's stock. Only for admins.
//!
//! Only workers have access to Postgres, which holds the stock. Therefore a workflow adds the
//! units. Usually it ends while the caller still waits for the answer.

use crate::{
    http::{JsonBody, Kind, Problem},
    idempotency::{Idempotency, required_key},
    identity::{Caller, Identity},
    workflows::Workflows,
};
use axum::{
    Json, Router,
    extract::{FromRef, Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::post,
};
use orders::{
    RestockId,
    request::is_identifier,
    restock::{RestockInput, RestockRequest},
};
use serde::Serialize;
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

const PATH: &str = "/api/products/{id}/restock";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Identity>: FromRef<S>,
    Arc<Idempotency>: FromRef<S>,
    Arc<Workflows>: FromRef<S>,
{
    Router::new().route(PATH, post(restock_product))
}

const TRY_AGAIN: &str = "The units cannot be added right now; try again, with the same Idempotency-Key.";

/// The restock was accepted. The result is included if it is known.
#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = Restocked, description = ""))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Accepted {
    id: RestockId,
    #[cfg_attr(test, schema(value_type = orders::schema::Identifier))]
    #[serde(rename = "productID")]
    product_id: String,
    /// As in the catalogue, which follows within seconds. Left out while it is not known.
    #[cfg_attr(test, schema(value_type = bool))]
    #[serde(skip_serializing_if = "Option::is_none")]
    in_stock: Option<bool>,
    /// Units that can be sold. Left out while it is not known.
    #[cfg_attr(test, schema(value_type = i64, minimum = 0))]
    #[serde(skip_serializing_if = "Option::is_none")]
    stock: Option<i64>,
}

/// Restock a product
///
/// Units of a product came in; for the shop's admins. The units of a call that is repeated with the
/// same `Idempotency-Key` are added once.
#[cfg_attr(
    test,
    utoipa::path(
        post,
        path = PATH,
        operation_id = "restockProduct",
        tag = "catalogue",
        security(("token" = [])),
        params(
            (
                "id" = orders::schema::Identifier,
                Path,
                description = "The product's `productID`.",
                example = json!("PROD-001")
            ),
            crate::openapi::RequiredIdempotencyKey
        ),
        request_body(
            content = orders::request::body::Restock,
            example = json!({ "quantity": 24, "reason": "delivery of Monday" })
        ),
        responses(
            (
                status = 200,
                description = "The units can be sold.",
                body = Accepted,
                example = json!({
                    "id": "rst_01a1fd8d2e5f7134954c66ad08d436e4",
                    "productID": "PROD-001",
                    "inStock": true,
                    "stock": 31
                })
            ),
            (
                status = 202,
                description = "The restock was accepted; a worker will add the units.",
                body = Accepted,
                example = json!({ "id": "rst_01a1fd8d2e5f7134954c66ad08d436e4", "productID": "PROD-001" })
            ),
            crate::openapi::MalformedOrWithoutKey,
            crate::openapi::Unauthenticated,
            crate::openapi::AdminOnly,
            crate::openapi::ProductNotFound,
            JsonBody,
            crate::openapi::InvalidOrReused,
            crate::openapi::Unavailable
        )
    )
)]
async fn restock_product(
    caller: Caller,
    State(idempotency): State<Arc<Idempotency>>,
    State(workflows): State<Arc<Workflows>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    JsonBody(body): JsonBody,
) -> Result<impl IntoResponse, Problem> {
    caller.ensure_is_admin()?;
    let product_id = path.ok().map(|Path(id)| id).filter(|id| is_identifier(id)).ok_or_else(no_such_product)?;
    let key = required_key(&caller, &headers)?;
    let request = RestockRequest::parse(&body)?;
    let (id, requested_at) = (RestockId::new(Uuid::now_v7()), OffsetDateTime::now_utc());
    let claim = idempotency.claim(&key, &[product_id.as_bytes(), b" ", &body].concat(), id, requested_at).await;
    let (id, requested_at) = claim.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?.claimed_id(id, requested_at)?;
    let by = caller.subject().map(str::to_owned);
    let restock = RestockInput { id, product_id: product_id.clone(), request, by, requested_at };
    let end = workflows.start_restock(restock).await.map_err(|error| Problem::unavailable(TRY_AGAIN, error))?;
    let (status, stock) = match end {
        None => (StatusCode::ACCEPTED, None),
        Some(restocked) => (StatusCode::OK, Some(restocked.stock.ok_or_else(no_such_product)?)),
    };
    Ok((status, Json(Accepted { id, product_id, in_stock: stock.map(|stock| stock > 0), stock })))
}

fn no_such_product() -> Problem {
    Problem::new(Kind::ProductNotFound, "No product has this id.")
}
