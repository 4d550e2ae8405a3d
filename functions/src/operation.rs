//! The calls for operators and load balancers: health, and the overview of operations with its
//! queues.

pub mod get_operations;
pub mod get_operations_history;
pub mod health;
pub mod queues;
