//! `/api/orders` and the paths below it.

mod cancel;
mod catalogue;
mod create;
mod get;
mod idempotency;
mod invalid;
mod list;

pub(crate) use create::statuses;
