//! The maintenance switch.

use super::{rows, statements};

statements! { "maintenance";
    once fn turn_on(reason: &str) -> u64;
    once fn turn_off() -> u64;
    once fn current_maintenance() -> Option<Maintenance>;
}

rows! {
    struct Maintenance {
        reason: String,
        since: String,
    }
}
