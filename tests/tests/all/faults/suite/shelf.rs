//! What the customers of a run can order.

use crate::support::{Product, Shop};
use anyhow::Result;

/// Products of which there is enough for everybody.
const PLENTY: usize = 8;
/// Products that are soon sold out.
const SCARCE: usize = 6;
const ENOUGH: i64 = 1_000_000;

pub(super) struct Shelf {
    /// With the stock that each began with; the scarce ones last.
    pub(super) products: Vec<(Product, i64)>,
}

impl Shelf {
    /// Puts the products into the catalogue.
    pub(super) async fn fill(shop: &Shop, seed: u64, orders: usize) -> Result<Self> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut products = Vec::new();
        for n in 0..PLENTY + SCARCE {
            // Every scarce product is wanted by about one order in a hundred, and lasts for half of them.
            let stock = if n < PLENTY { ENOUGH } else { i64::try_from(orders / 200)?.max(1) };
            products.push((shop.product(rng.i64(1..=99_999), stock).await?, stock));
        }
        Ok(Self { products })
    }

    pub(super) fn any_plenty(&self, rng: &mut fastrand::Rng) -> usize {
        rng.usize(..PLENTY)
    }

    pub(super) fn any_scarce(&self, rng: &mut fastrand::Rng) -> usize {
        rng.usize(PLENTY..PLENTY + SCARCE)
    }

    pub(super) fn product(&self, index: usize) -> &Product {
        &self.products[index].0
    }
}
