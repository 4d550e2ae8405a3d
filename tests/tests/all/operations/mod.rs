//! The work of the shop's staff: they restock products, record tracking events, and see how much
//! work is waiting.

mod overview;
mod restock;
mod scan;
