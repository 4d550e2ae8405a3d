//! Holds the documents that are generated from the code to the code. `make contract` writes them.

mod events;
mod states;
