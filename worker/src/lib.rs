//! The worker. It executes the activities of the workflows against Postgres, the payment gateway
//! and AWS. It also updates the read model and delivers notifications.
//!
//! `worker migrate` and `worker audit` are part of this crate, because they use the same tables.

pub mod activities;
mod attention;
pub mod audit;
mod cloudwatch;
pub mod config;
mod db;
mod events;
mod failing;
pub mod finding;
mod health;
pub mod healthcheck;
mod inventory;
pub mod maintenance;
mod metrics;
pub mod migrate;
pub mod notification;
mod order;
pub mod payment;
mod projection;
mod reason;
mod refund;
pub mod resend;
pub mod restock;
pub mod resume;
mod risk;
pub mod run;
mod shipping;
mod sql;
mod system;
