//! The router of the binary `api`. It contains every handler.

use crate::{
    openapi, operation::get_operations, operation::get_operations_history, operation::health, order::amend_order, order::cancel_order,
    order::create_order, order::create_refund, order::get_order, order::get_order_trace, order::list_orders, order::review_order,
    product::list_products, product::restock_product, shipment::scan_shipment, state::AppState, webhook::carrier_webhook,
    webhook::stripe_webhook,
};
use axum::Router;

pub fn routes() -> Router<AppState> {
    Router::new()
        .merge(create_order::route())
        .merge(list_orders::route())
        .merge(get_order::route())
        .merge(get_order_trace::route())
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
        .merge(get_operations_history::route())
        .merge(health::route())
        .merge(openapi::route())
}
