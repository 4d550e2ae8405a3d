//! The worker. It executes the activities of the workflows against Postgres, the payment gateway
//! and AWS. It also updates the read model and delivers notifications.
//!
//! `worker migrate` and `worker audit` are part of this crate, because they use the same tables.

pub mod activities;
pub mod audit;
pub mod config;
mod db;
mod events;
pub mod migrate;
pub mod notification;
pub mod on_demand;
pub mod ops;
mod order;
pub mod payment;
mod projection;
pub mod report;
pub mod run;
mod shipping;
mod sql;
pub mod stock;
mod trace;
