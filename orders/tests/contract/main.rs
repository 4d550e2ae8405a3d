//! Compares the documents that are generated from the code with the code. `make contract` writes
//! them.

mod events;
mod states;
