//! Code for operators: health, metrics, failing rows, stuck orders, and the commands that repair
//! them.

pub(crate) mod attention;
pub(crate) mod busy;
pub(crate) mod call;
pub(crate) mod cloudwatch;
pub(crate) mod failing;
pub mod finding;
pub(crate) mod health;
pub mod healthcheck;
pub(crate) mod history;
pub mod maintenance;
pub(crate) mod metrics;
pub mod release;
pub mod resume;
pub(crate) mod search;
pub(crate) mod system;
