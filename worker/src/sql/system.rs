//! The state of the system.

use super::{rows, statements};

statements! { "system";
    cached fn is_writable() -> Writable;
    cached fn lags(has_topic: bool) -> Lags;
    cached fn count_stuck_orders(stuck_after_s: i64, parcel_silent_after_s: i64) -> StuckOrders;
    once fn open_orders(stuck_after_s: i64, parcel_silent_after_s: i64, older_than_s: i64) -> Vec<OpenOrder>;
    cached fn count_open_orders(statuses: &[&str]) -> Vec<OpenOrders>;
    cached fn count_backlogs() -> Backlogs;
    cached fn has_due_rows(has_topic: bool) -> DueRows;
}

rows! {
    struct Writable {
        is_writable: bool,
    }

    /// Lags in seconds; `None` if nothing waits.
    struct Lags {
        events: Option<i64>,
        notices: Option<i64>,
        projection: Option<i64>,
    }

    struct DueRows {
        has_due_rows: bool,
    }

    struct StuckOrders {
        orders: i64,
        compensations: i64,
    }

    struct OpenOrder {
        id: String,
        status: String,
        open_seconds: i64,
        compensating_seconds: Option<i64>,
        is_stuck: bool,
    }

    struct OpenOrders {
        status: String,
        orders: i64,
    }

    struct Backlogs {
        projections: i64,
        notices_pending: i64,
        notices_failed: i64,
    }
}
