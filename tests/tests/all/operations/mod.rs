//! What the shop's staff do: restock products, record where a parcel is, and see how much work is
//! waiting.

mod overview;
mod restock;
mod scan;
