//! What operators need: health and metrics, what fails and is stuck, and the commands that mend it.

pub(crate) mod attention;
pub(crate) mod cloudwatch;
pub(crate) mod failing;
pub mod finding;
pub(crate) mod health;
pub mod healthcheck;
pub mod maintenance;
pub(crate) mod metrics;
pub mod resume;
pub(crate) mod system;
