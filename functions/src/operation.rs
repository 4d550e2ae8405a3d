//! The calls for operators and load balancers: health, and the overview of operations with its
//! queues.

pub mod get_operations;
pub mod health;
pub mod queues;
