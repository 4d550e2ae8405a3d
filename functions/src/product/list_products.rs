//! `GET /api/products`: the catalogue with prices and availability.

use crate::http::Problem;
use axum::{
    Json, Router,
    extract::{FromRef, State},
    http::header,
    response::IntoResponse,
    routing::get,
};
use platform::read_model::{ReadModel, StoredProduct};
use serde::Serialize;
use serde_json::value::RawValue;
use std::sync::Arc;

const PATH: &str = "/api/products";

pub fn route<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<ReadModel>: FromRef<S>,
{
    Router::new().route(PATH, get(list_products))
}

#[derive(Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema))]
struct Catalogue {
    #[cfg_attr(test, schema(value_type = Vec<orders::ProductView>))]
    items: Vec<Box<RawValue>>,
}

/// List the catalogue
///
/// Every product with its price and availability.
#[cfg_attr(
    test,
    utoipa::path(
        get,
        path = PATH,
        operation_id = "listProducts",
        tag = "catalogue",
        responses(
            (
                status = 200,
                description = "The catalogue.",
                body = Catalogue,
                headers(("Cache-Control")),
                example = json!({ "items": [crate::openapi::examples::product()] })
            ),
            crate::openapi::Unavailable
        )
    )
)]
async fn list_products(State(read_model): State<Arc<ReadModel>>) -> Result<impl IntoResponse, Problem> {
    const UNREADABLE: &str = "The catalogue cannot be read right now.";
    let products = read_model.products().await.map_err(|error| Problem::unavailable(UNREADABLE, error))?;
    // A product that cannot be read is left out, and the log names it. The other products can still
    // be sold.
    let readable = |product: StoredProduct| {
        let product_id = product.id;
        RawValue::from_string(product.json)
            .inspect_err(|error| tracing::error!(product_id, cause = %error, "{product_id} is left out: it cannot be read"))
            .ok()
    };
    let items = products.into_iter().filter_map(readable).collect();
    // The availability may change with every order, but a shop page may show it a few seconds late.
    Ok(([(header::CACHE_CONTROL, "max-age=5")], Json(Catalogue { items })))
}
