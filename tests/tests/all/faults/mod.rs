//! Servers stop, die and come back under load. No accepted order is lost, and in the end all stores
//! agree.

mod api;
mod aws;
mod postgres;
mod suite;
mod temporal;
mod worker;

use crate::support::{Draft, Product};

/// One of many orders: most are paid at once, some are declined, some need several attempts.
fn mixed_order(product: &Product, n: usize) -> Draft {
    let draft = Draft::new(&format!("CUST-load-{n}")).line(product, 1 + i64::try_from(n % 3).unwrap_or_default());
    match n % 10 {
        3 => draft.payment_method("tok_declined"),
        6 => draft.payment_method("tok_processing_error"),
        _ => draft,
    }
}
