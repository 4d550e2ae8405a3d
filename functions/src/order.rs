//! The calls for orders: those of customers, and those of the shop's staff.

pub mod amend_order;
pub mod cancel_order;
pub mod create_order;
pub mod create_refund;
pub mod get_order;
pub mod get_order_trace;
pub mod list_orders;
pub(crate) mod order_trace;
pub(crate) mod refundable;
pub mod review_order;
