//! Open orders whose workflow may be gone.

use super::{Id, Rows, rows, statements};
use time::OffsetDateTime;

statements! { "resume";
    once fn open_orders(after_accepted_at: OffsetDateTime, after_id: &str, limit: i64) -> Rows<(Id, Acceptance)>;
    once fn clear_found_failures(lost: &[String], checked: &[String]) -> u64;
    once fn still_open(ids: &[String]) -> Vec<Id>;
    once fn open_order_ids(after_id: &str, limit: i64) -> Vec<Id>;
    once fn is_on_record(id: &str) -> OnRecord;
}

rows! {
    struct Acceptance {
        created_at: OffsetDateTime,
    }

    struct OnRecord {
        is_on_record: bool,
    }
}
