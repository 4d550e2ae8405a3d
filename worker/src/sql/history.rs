//! What happened in a time, for the history of operations.

use super::{rows, statements};
use time::OffsetDateTime;

statements! { "history";
    cached fn clock() -> Clock;
    cached fn facts(from: OffsetDateTime, until: OffsetDateTime, first_id: &str, id_after_last: &str) -> Vec<Fact>;
}

rows! {
    struct Clock {
        now: OffsetDateTime,
        first_order_at: Option<OffsetDateTime>,
    }

    /// A count. The statement says which kinds there are, and what the name of each is.
    struct Fact {
        kind: String,
        name: String,
        value: i64,
    }
}
