//! The items that need the attention of staff.

use super::{rows, statements};
use time::OffsetDateTime;

statements! { "attention";
    cached fn stuck_orders(stuck_after_s: i64, parcel_silent_after_s: i64) -> Vec<Item>;
    cached fn notices() -> Vec<Item>;
    cached fn failing_rows(loop_name: &str) -> Vec<Item>;
}

rows! {
    struct Item {
        id: String,
        detail: String,
        since: OffsetDateTime,
        /// The number of items of this kind; 1000 means that many or more.
        total: i64,
    }
}
