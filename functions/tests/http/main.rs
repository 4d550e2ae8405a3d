//! Tests of the API within this process. Tests that need real servers are in the workspace's
//! `tests/`.

mod authorization;
mod bad_input;
mod bodies;
mod common;
mod fuzz;
mod identity;
mod issuer;
mod openapi;
mod raw;
mod routes;
mod stripe;
