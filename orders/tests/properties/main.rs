//! Properties of amounts, status transitions and request bodies, tested with random values.

mod currencies;
mod money;
mod request;
mod status;
