//! The sandbox carrier's books.

use super::{rows, statements};

statements! { "sandbox_carrier";
    cached fn book_parcel(shipment_id: &str, outcome: &str, delay_ms: i64) -> Option<Parcel>;
    cached fn find_parcel(shipment_id: &str) -> Option<Parcel>;
    cached fn cancel_parcel(shipment_id: &str) -> Option<Parcel>;
}

rows! {
    struct Parcel {
        number: i64,
        status: String,
        moves_in_ms: i64,
    }
}
