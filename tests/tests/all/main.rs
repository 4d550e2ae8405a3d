//! End-to-end tests. Each test speaks HTTP to a running stack of real servers, and checks the
//! results in Postgres, DynamoDB, Temporal and the logs.
//!
//! Tests that do no harm share one stack; each has its own products and customers. Tests that stop,
//! kill or corrupt something have a stack of their own. See [`support`].
//!
//! `make test` runs all tests. To run some of them: `make build`, then `cargo test --workspace
//! --test all -- orders::cancel`. A failing test prints what it saw, and where the logs and data of
//! its stack are.

mod audit;
mod cloudwatch;
mod compensation;
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
mod observability;
mod on_demand;
mod operations;
mod orders;
mod page;
mod payment;
mod postgres_tls;
mod postgres_upgrade;
mod products;
mod refunds;
mod releases;
mod report;
mod resume;
mod search;
mod secrets;
mod shipping;
mod stock;
mod stripe;
mod support;
mod traces;
mod watch;
