//! OrderFlow's API. Each handler has its own file, whose name begins with a verb.
//!
//! A handler does not depend on how it is served. In AWS, each handler is a Lambda function
//! (`src/bin/`) that contains only the state it needs. In local mode, `api` serves all handlers on
//! one port. [`http`] contains what all answers have in common.

pub mod api;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod intake;
pub mod lambda;
pub mod openapi;
pub mod operation;
pub mod order;
pub mod page;
pub mod product;
pub mod server;
pub mod shipment;
pub mod state;
pub mod traces;
pub mod webhook;
pub mod workflows;
