//! What an order is and how it is processed.
//!
//! The crate holds the types, money, the status table, request validation, the workflows, and the
//! definitions of their activities. The functions and the worker both use it, so that each rule
//! about orders exists only once.
//!
//! The crate does no I/O and uses no clock, no randomness and no async runtime. Temporal replays
//! workflow code from its history, and a replay must make the same calls. `local/check-determinism`
//! checks this.

pub mod activities;
pub mod card_number;
pub mod contact;
pub mod event;
pub mod id;
pub mod json;
pub mod money;
pub mod order;
pub mod reconciliation;
pub mod refund;
pub mod request;
pub mod restock;
pub mod rfc3339;
pub mod schema;
pub mod search;
pub mod shipping;
pub mod status;
pub mod text;
pub mod view;
pub mod workflow;

pub use contact::Contact;
pub use id::{OrderId, RefundId, RestockId};
pub use money::{Currency, Money};
pub use order::{LineItem, OrderInput};
pub use status::OrderStatus;
pub use view::{OrderView, ProductView};
pub use workflow::{OrderWorkflow, ReconcileWorkflow, RefundWorkflow, RestockWorkflow};

/// The default name of the Temporal task queue of [`OrderWorkflow`] and its activities.
pub const TASK_QUEUE: &str = "orders";
