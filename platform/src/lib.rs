//! Code that the functions and the worker share: configuration, logs, metrics, secrets, the
//! connections to Temporal and AWS, and the read model.

pub mod aws;
pub mod background;
pub mod config;
pub mod error;
pub mod http;
pub mod log;
pub mod metrics;
pub mod read_model;
pub mod secrets;
pub mod stop;
pub mod temporal;
pub mod trace;
pub mod wakeup;
