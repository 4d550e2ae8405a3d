//! `/api/orders` and what lies beneath it.

mod cancel;
mod create;
mod idempotency;
mod invalid;

pub(crate) use create::statuses;
