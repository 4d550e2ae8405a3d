//! The router of `api`, which contains every handler.

use crate::{
    amend_order, cancel_order, carrier_webhook, create_order, create_refund, get_operations, get_order, health, list_orders, list_products,
    openapi, restock_product, review_order, scan_shipment, state::AppState, stripe_webhook,
};
use axum::Router;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(create_order::route())
        .merge(list_orders::route())
        .merge(get_order::route())
        .merge(cancel_order::route())
        .merge(amend_order::route())
        .merge(review_order::route())
        .merge(create_refund::route())
        .merge(scan_shipment::route())
        .merge(list_products::route())
        .merge(restock_product::route())
        .merge(carrier_webhook::route())
        .merge(stripe_webhook::route())
        .merge(get_operations::route())
        .merge(health::route())
        .merge(openapi::route())
}
