//! What an order is and how it is processed.
//!
//! Types, money, the status table, request validation, the workflow and the definitions of its activities. Functions and worker both depend
//! on this crate, so each rule about orders stands here once. It does no I/O and knows no clock, no randomness and no async runtime: workflow
//! code is replayed from history and must do the same each time (`local/check-purity` holds it to that).

pub mod activities;
pub mod card_number;
pub mod contact;
pub mod event;
pub mod id;
pub mod json;
pub mod money;
pub mod reconciliation;
pub mod refund;
pub mod request;
pub mod restock;
pub mod rfc3339;
pub mod schema;
pub mod shipping;
pub mod status;
pub mod text;
pub mod view;
pub mod workflow;

pub use activities::OrderInput;
pub use contact::Contact;
pub use id::{OrderId, RefundId, RestockId};
pub use money::{Currency, Money};
pub use status::OrderStatus;
pub use view::{OrderView, ProductView};
pub use workflow::{OrderWorkflow, ReconcileWorkflow, RefundWorkflow, RestockWorkflow};

/// The Temporal task queue of [`OrderWorkflow`] and its activities, unless configured otherwise.
pub const TASK_QUEUE: &str = "orders";
