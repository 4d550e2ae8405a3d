//! What operators and load balancers read: health, queues and operations.

pub mod get_operations;
pub mod health;
pub mod queues;
