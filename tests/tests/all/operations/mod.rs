//! What the shop's own people do: bring in what came in, say where a parcel is, and see how much waits where.

mod overview;
mod restock;
mod scan;
