//! What holds for every amount, every path through the status table and every request body, tried on many drawn at random.

mod currencies;
mod money;
mod request;
mod status;
