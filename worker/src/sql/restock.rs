//! Restocks: units that are added to the stock.

use super::{Id, rows, statements};
use time::OffsetDateTime;

statements! { "restock";
    once fn generate_id() -> Id;
    once fn find_restock(id: &str) -> Restock;
    cached fn record_restock(
        id: &str, product_id: &str, quantity: i64, reason: Option<&str>, requested_by: Option<&str>, requested_at: OffsetDateTime
    ) -> Option<Stock>;
}

rows! {
    struct Restock {
        product_id: String,
        quantity: i64,
    }

    struct Stock {
        stock: i64,
    }
}
