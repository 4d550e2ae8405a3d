//! Local mode: every server that OrderFlow needs, started, supervised and stopped on one machine, without Docker.
//!
//! The binary `local` runs them for a developer (`make run`). The end-to-end tests and the benchmark take a [`Stack`] of their own, on free ports
//! and with fresh data, and can stop, kill, freeze and start again each server by itself. So how a server is started is written once.

mod port;
mod process;
mod provision;
mod server;
pub mod service;
mod settings;
mod stack;
mod tools;

pub use port::{ensure_free, free as free_port};
pub use process::{Launch, Signal, signal};
pub use server::Server;
pub use settings::{Settings, project};
pub use stack::Stack;
pub use tools::Tools;
