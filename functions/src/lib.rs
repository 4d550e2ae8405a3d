//! OrderFlow's API. Each handler has its own file, whose name begins with a verb.
//!
//! A handler does not depend on how it is served. In AWS, each handler is a Lambda function
//! (`src/bin/`) that contains only the state it needs. In local mode, `api` serves all handlers on
//! one port. [`http`] contains what all answers have in common.

pub mod amend_order;
pub mod api;
pub mod cancel_order;
pub mod carrier_webhook;
pub mod catalogue;
pub mod create_order;
pub mod create_refund;
pub mod get_operations;
pub mod get_order;
pub mod health;
pub mod http;
pub mod idempotency;
pub mod identity;
pub mod intake_queue;
pub mod lambda;
pub mod list_orders;
pub mod list_products;
pub mod openapi;
pub mod page;
pub mod queue_poller;
pub mod queues;
mod refundable;
pub mod request_limit;
pub mod restock_product;
pub mod review_order;
pub mod scan_shipment;
mod scans;
pub mod server;
pub mod start_queued_orders;
pub mod state;
pub mod stripe_webhook;
pub mod workflows;
