//! The products that the customers of a run can order.

use crate::support::{Product, Shop};
use anyhow::Result;

/// The number of products with enough stock for everybody.
const PLENTY: usize = 8;
/// The number of products that sell out soon.
const SCARCE: usize = 6;
/// The number of products that sell out sooner and are ordered together with others.
const RARE: usize = 3;
/// The index of the product whose price exceeds a customer's limit.
const EXPENSIVE: usize = PLENTY + SCARCE + RARE;
const ENOUGH: i64 = 1_000_000;
/// What a customer may spend before the shop reviews an order, as the worker's setting. All orders
/// except those of the expensive product stay within it.
pub(super) const LIMIT: &str = "USD=50000.00";
/// A price beyond the limit, in minor units.
const BEYOND_LIMIT_MINOR: i64 = 5_000_001;

pub(super) struct Catalog {
    /// The products, each with its initial stock.
    pub(super) products: Vec<(Product, i64)>,
}

impl Catalog {
    /// Creates the products.
    pub(super) async fn fill(shop: &Shop, seed: u64, orders: usize) -> Result<Self> {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut products = Vec::new();
        for n in 0..=EXPENSIVE {
            let stock = match n {
                // About one order in a hundred is for a given scarce product. The stock lasts for
                // half of these.
                n if (PLENTY..PLENTY + SCARCE).contains(&n) => i64::try_from(orders / 200)?.max(1),
                n if (PLENTY + SCARCE..EXPENSIVE).contains(&n) => i64::try_from(orders / 500)?.max(1),
                _ => ENOUGH,
            };
            let price_minor = if n == EXPENSIVE { BEYOND_LIMIT_MINOR } else { rng.i64(1..=99_999) };
            products.push((shop.product(price_minor, stock).await?, stock));
        }
        Ok(Self { products })
    }

    pub(super) fn any_plentiful(&self, rng: &mut fastrand::Rng) -> usize {
        rng.usize(..PLENTY)
    }

    pub(super) fn any_scarce(&self, rng: &mut fastrand::Rng) -> usize {
        rng.usize(PLENTY..PLENTY + SCARCE)
    }

    pub(super) fn any_rare(&self, rng: &mut fastrand::Rng) -> usize {
        rng.usize(PLENTY + SCARCE..EXPENSIVE)
    }

    pub(super) fn expensive(&self) -> usize {
        EXPENSIVE
    }

    pub(super) fn product(&self, index: usize) -> &Product {
        &self.products[index].0
    }
}
