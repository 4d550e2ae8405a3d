//! Local mode: starts, supervises and stops every server that OrderFlow needs, on one machine and
//! without Docker.
//!
//! The binary `local` runs the servers for a developer (`make run`). Each end-to-end test and each
//! benchmark creates a [`Stack`] of its own, with free ports and without data, and can start, stop,
//! kill and freeze each of its servers. All of them start servers through this library, so the way
//! to start a server is written once.

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
