//! The content of the read model, and which versions it has.

use super::{Id, Rows, rows, statements};
use time::OffsetDateTime;

statements! { "projection";
    cached fn lagging_orders(limit: i64, age_ms: i64) -> Vec<Id>;
    cached fn orders(ids: &[String], in_review: &str) -> Rows<(Id, Order)>;
    cached fn products() -> Rows<(Id, Product)>;
    cached fn lagging_products() -> Rows<(Id, Product)>;
    cached fn record_projected_orders(ids: &[String], versions: &[i64]) -> u64;
    cached fn record_projected_products(ids: &[String], versions: &[i64]) -> u64;
    cached fn deleted_products(limit: i64) -> Vec<DeletedProduct>;
    cached fn record_first_removal(id: &str, version: i64) -> u64;
    cached fn delete_removed_product(id: &str, version: i64) -> u64;
    cached fn clear_projected_failures(orders_loop: &str, products_loop: &str) -> u64;
}

rows! {
    struct Order {
        id: String,
        customer_id: String,
        status: String,
        failure_reason: Option<String>,
        currency: String,
        total_minor: i64,
        version: i64,
        created_at: OffsetDateTime,
        updated_at: OffsetDateTime,
        is_compensating: bool,
        cancel_refused_at: Option<OffsetDateTime>,
        traceparent: Option<String>,
        review_reason: Option<String>,
        payment_status: Option<String>,
        payment_amount: Option<i64>,
        payment_refunded: Option<i64>,
        products: Vec<String>,
        quantities: Vec<i32>,
        prices: Vec<i64>,
        available: Vec<Option<i32>>,
        ordered: Vec<Option<i32>>,
        statuses: Vec<String>,
        times: Vec<OffsetDateTime>,
        refund_ids: Option<Vec<String>>,
        refund_states: Option<Vec<String>>,
        refund_amounts: Option<Vec<i64>>,
        refund_reasons: Option<Vec<Option<String>>>,
        refund_failures: Option<Vec<Option<String>>>,
        refund_times: Option<Vec<OffsetDateTime>>,
        refund_count: Option<i64>,
        notice_types: Option<Vec<String>>,
        notice_channels: Option<Vec<String>>,
        notice_times: Option<Vec<OffsetDateTime>>,
        shipment_ids: Option<Vec<String>>,
        shipment_warehouses: Option<Vec<String>>,
        shipment_statuses: Option<Vec<String>>,
        shipment_carriers: Option<Vec<String>>,
        tracking_numbers: Option<Vec<Option<String>>>,
        tracking_urls: Option<Vec<Option<String>>>,
        shipment_reasons: Option<Vec<Option<String>>>,
        shipment_times: Option<Vec<OffsetDateTime>>,
        /// The shipment of each packed product. The three `packed_` lists have the same order.
        packed_in: Option<Vec<String>>,
        packed_products: Option<Vec<String>>,
        packed_quantities: Option<Vec<i64>>,
    }

    struct Product {
        id: String,
        name: String,
        price_minor: i64,
        currency: String,
        stock: i64,
        version: i64,
    }

    struct DeletedProduct {
        id: String,
        version: i64,
    }
}
