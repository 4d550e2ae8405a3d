//! OrderFlow from outside: every test speaks HTTP to a running stack of the real servers, and looks at what came of it in Postgres, DynamoDB,
//! Temporal and the logs.
//!
//! Tests that harm nothing share one stack, each with products and customers of its own. Tests that stop, kill or corrupt something have a
//! stack to themselves. See [`support`].
//!
//! `make test` runs them all. One of them: `cargo test --workspace --test all -- orders::cancel` after `make build`. A test that fails tells what it
//! saw, and where the stack's logs and data are.

mod audit;
mod cloudwatch;
mod decisions;
mod events;
mod faults;
mod functions;
mod histories;
mod identity;
mod intake_queue;
mod isolation;
mod logs;
mod migrate;
mod notifications;
mod operations;
mod orders;
mod page;
mod payment;
mod postgres_tls;
mod products;
mod refunds;
mod resume;
mod secrets;
mod shipping;
mod stock;
mod stripe;
mod support;
mod watch;
mod withdrawal;
