//! The API, called in this process. What needs real servers is tested in the workspace's `tests/`.

mod bad_input;
mod bodies;
mod common;
mod identity;
mod issuer;
mod openapi;
mod raw;
mod routes;
mod stripe;
