//! Reviews of orders, and the facts that lead to a review.

use super::{rows, statements};

statements! { "risk";
    once fn find_order(id: &str) -> Order;
    cached fn count_recent_orders(
        customer_id: &str, order_id: &str, bought: &[&str], waiting: &[&str], currency: &str, window_ms: i64
    ) -> RecentOrders;
    once fn is_approved(order_id: &str) -> Approval;
    once fn request_review(order_id: &str, reason: &str) -> u64;
    once fn record_decision(order_id: &str, approved: bool, by: &str, note: Option<&str>) -> Approval;
}

rows! {
    struct Order {
        customer_id: String,
        currency: String,
        total_minor: i64,
    }

    struct RecentOrders {
        orders: i64,
        spent_minor: i64,
    }

    struct Approval {
        is_approved: bool,
    }
}
