//! Stock and reservations.

use super::{Id, order::Moved, rows, statements};

statements! { "stock";
    cached fn count_unpaid_orders(order_id: &str, customer_id: &str) -> UnpaidOrders;
    cached fn has_recent_unaccepted_offer(customer_id: &str, order_id: &str, within_ms: i64) -> UnacceptedOffer;
    cached fn count_waiting_orders(order_id: &str, within_ms: i64, max_orders: i64) -> WaitingOrders;
    cached fn reserve_order(Reservation<'a> {
        order_id: &'a str,
        to: &'a str,
        predecessors: &'a [&'a str],
        products: &'a [&'a str],
        quantities: &'a [i64],
        prices_minor: &'a [i64],
        currency: &'a str,
        held_ms: i64,
        max_orders: i64,
        max_units: i64,
    }) -> Option<Moved>;
    cached fn hold_units(order_id: &str, products: &[&str], quantities: &[i64], held_ms: i64) -> u64;
    cached fn lock_order(id: &str) -> Option<LockedOrder>;
    cached fn lock_products(ids: &[&str]) -> Vec<Product>;
    cached fn lines_with_units(order_id: &str) -> Vec<Line>;
    cached fn held_units(order_id: &str) -> Vec<HeldUnits>;
    cached fn renew_reservations(order_id: &str, held_ms: i64) -> u64;
    cached fn lock_held_products(order_id: &str) -> u64;
    cached fn release_reservations(order_id: &str) -> u64;
    cached fn expire_reservations(order_id: &str) -> u64;
    cached fn offer_lines(order_id: &str, lines: &[i32], available: &[i32]) -> u64;
    once fn offered_units(order_id: &str) -> Vec<OfferedUnits>;
    once fn accept_offered_lines(order_id: &str) -> u64;
    once fn recalculate_total(order_id: &str) -> u64;
    once fn time_since_first_status(order_id: &str, status: &str) -> TimeSince;
    cached fn expired_orders(limit: i64) -> Vec<Id>;
    cached fn clear_settled_failures(loop_name: &str) -> u64;
}

rows! {
    struct UnpaidOrders {
        orders: i64,
        units: i64,
        /// Whether one of the orders waits for the customer's decision.
        waiting: bool,
    }

    struct UnacceptedOffer {
        has_recent_unaccepted_offer: bool,
    }

    struct WaitingOrders {
        orders: i64,
    }

    struct LockedOrder {
        status: String,
        customer_id: String,
        /// The reason of the maintenance; `None` if it is off.
        maintenance: Option<String>,
    }

    struct Product {
        id: String,
        name: String,
        price_minor: i64,
        currency: String,
        stock: i64,
    }

    struct Line {
        line: i32,
        product_id: String,
        quantity: i32,
    }

    struct HeldUnits {
        product_id: String,
        quantity: i64,
    }

    struct OfferedUnits {
        product_id: String,
        units: i32,
    }

    struct TimeSince {
        millis: Option<i64>,
    }
}
