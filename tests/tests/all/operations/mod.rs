//! The work of the shop's staff: they restock products, record tracking events, see how much work
//! is waiting, and see how operations went.

mod history;
mod overview;
mod restock;
mod scan;
