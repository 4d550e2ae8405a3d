//! Compares reservations with a simple model. After any sequence of orders, decisions, refunds and
//! restocks, each product must have the stock and the reserved units that the model computes.

use crate::{
    refunds::refunded,
    support::{Draft, Product, Shop, with_shared_stack},
};
use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const PRODUCTS: usize = 3;
const STEPS: usize = 30;

/// (product, units) of each line.
type Lines = Vec<(usize, i64)>;

#[derive(Default)]
struct Model {
    stock: [i64; PRODUCTS],
    reserved: [i64; PRODUCTS],
    /// Orders that wait for their customer, with the offered units of each line.
    waiting: Vec<(String, Lines)>,
    /// Completed orders, with the units of each product that their customers kept.
    kept: Vec<(String, BTreeMap<usize, i64>)>,
}

/// The result of a new order.
enum Outcome {
    OutOfStock,
    /// The offered units of each line.
    Short(Lines),
    Complete,
}

impl Model {
    /// The expected result of a new order. The offer of a product with too little stock is its
    /// remaining stock or less, and the first lines get it. If no product is in stock in full, the
    /// order fails as out of stock.
    fn outcome(&self, lines: &Lines) -> Outcome {
        let wanted = by_product(lines);
        let short = wanted.iter().filter(|(product, units)| self.stock[**product] < **units).count();
        let mut left = std::array::from_fn::<_, PRODUCTS, _>(|product| match (self.stock[product], wanted.get(&product)) {
            (stock, Some(units)) if stock < *units => offered(stock),
            (stock, _) => stock,
        });
        let there = lines.iter().map(|(product, units)| {
            let there = left[*product].min(*units);
            left[*product] -= there;
            (*product, there)
        });
        match short {
            0 => Outcome::Complete,
            all if all == wanted.len() => Outcome::OutOfStock,
            _ => Outcome::Short(there.collect()),
        }
    }

    fn hold(&mut self, lines: &Lines, sign: i64) {
        for (product, units) in lines {
            self.stock[*product] -= sign * units;
            self.reserved[*product] += sign * units;
        }
    }

    /// The held units leave the warehouse.
    fn complete(&mut self, id: String, lines: &Lines) {
        for (product, units) in lines {
            self.reserved[*product] -= units;
        }
        self.kept.push((id, by_product(lines)));
    }
}

/// The offered units of a product that has less stock than ordered.
fn offered(stock: i64) -> i64 {
    match stock {
        0 => 0,
        1..=2 => 1,
        3..=5 => 2,
        6..=10 => 5,
        more => unreachable!("nobody wants more than {more}"),
    }
}

fn by_product(lines: &Lines) -> BTreeMap<usize, i64> {
    lines.iter().fold(BTreeMap::new(), |mut sums, (product, units)| {
        *sums.entry(*product).or_default() += units;
        sums
    })
}

struct Run<'a> {
    shop: &'a Shop,
    products: Vec<Product>,
    model: Model,
    rng: fastrand::Rng,
}

impl Run<'_> {
    /// Takes a step. Returns its description.
    async fn step(&mut self) -> Result<String> {
        match self.rng.u8(..10) {
            0 | 1 if !self.model.waiting.is_empty() => self.decide(true).await,
            2 if !self.model.waiting.is_empty() => self.decide(false).await,
            3 | 4 if !self.model.kept.is_empty() => self.refund_units().await,
            5 => self.restock().await,
            _ => self.order().await,
        }
    }

    async fn order(&mut self) -> Result<String> {
        let lines: Lines = (0..self.rng.usize(1..=4)).map(|_| (self.rng.usize(..PRODUCTS), self.rng.i64(1..=3))).collect();
        let declined = self.rng.u8(..5) == 0;
        let draft = lines
            .iter()
            .fold(Draft::new(&self.shop.unique("CUST-model")), |draft, (product, units)| draft.line(&self.products[*product], *units));
        let id = self.shop.place(&if declined { draft.payment_method("tok_declined") } else { draft }).await?;
        match self.model.outcome(&lines) {
            Outcome::OutOfStock => drop(self.shop.ends(&id, "FAILED").await?),
            Outcome::Short(there) => {
                let order = self.shop.reaches(&id, &["ACTION_REQUIRED", "COMPLETED", "FAILED"]).await?;
                let shown: Vec<&Value> = order["items"].as_array().into_iter().flatten().map(|line| &line["available"]).collect();
                let expected: Vec<Value> = there.iter().map(|(_, units)| json!(units)).collect();
                ensure!(shown == expected.iter().collect::<Vec<_>>(), "of {lines:?} there is {there:?}, and {shown:?} is shown");
                self.model.hold(&there, 1);
                // A declined card is noticed only after the offer is accepted.
                if declined {
                    drop(self.shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?);
                    self.shop.ends(&id, "FAILED").await?;
                    self.model.hold(&there, -1);
                } else {
                    self.model.waiting.push((id, there));
                }
            }
            Outcome::Complete if declined => drop(self.shop.ends(&id, "FAILED").await?),
            Outcome::Complete => {
                self.shop.ends(&id, "COMPLETED").await?;
                self.model.hold(&lines, 1);
                self.model.complete(id, &lines);
            }
        }
        Ok(format!("order {lines:?}{}", if declined { ", declined" } else { "" }))
    }

    /// A customer of a short order accepts the offer, or cancels.
    async fn decide(&mut self, take: bool) -> Result<String> {
        let (id, there) = self.model.waiting.swap_remove(self.rng.usize(..self.model.waiting.len()));
        if take {
            drop(self.shop.post(&format!("/api/orders/{id}/amend"), "").await?.error_for_status()?);
            self.shop.ends(&id, "COMPLETED").await?;
            self.model.complete(id, &there);
        } else {
            self.shop.cancel(&id).await?;
            self.shop.ends(&id, "CANCELLED").await?;
            self.model.hold(&there, -1);
        }
        Ok(format!("{} {there:?}", if take { "take" } else { "cancel" }))
    }

    /// Some units are returned and put back on sale.
    async fn refund_units(&mut self) -> Result<String> {
        let number = self.rng.usize(..self.model.kept.len());
        let (id, kept) = &mut self.model.kept[number];
        let some: Vec<usize> = kept.iter().filter(|(_, units)| **units > 0).map(|(product, _)| *product).collect();
        let Some(product) = self.rng.choice(some) else { return Ok("nothing".to_owned()) };
        let units = self.rng.i64(1..=kept[&product]);
        let body = json!({ "items": [{ "productID": self.products[product].id, "quantity": units }], "restock": true });
        let (_, refund) = refunded(self.shop, id, &body).await?;
        ensure!(refund["status"] == "SUCCEEDED", "{units} of {kept:?} are not refunded: {refund}");
        kept.entry(product).and_modify(|kept| *kept -= units);
        self.model.stock[product] += units;
        Ok(format!("refund {units} of {product}"))
    }

    async fn restock(&mut self) -> Result<String> {
        let (product, units) = (self.rng.usize(..PRODUCTS), self.rng.i64(1..=4));
        let restocked = self.shop.stack.run("worker", &["restock", &self.products[product].id, &units.to_string()]).await?;
        ensure!(restocked.status.success(), "{restocked:?}");
        self.model.stock[product] += units;
        Ok(format!("restock {units} of {product}"))
    }

    async fn check(&self) -> Result<()> {
        for (n, product) in self.products.iter().enumerate() {
            let (there, expected) = (self.shop.stock(product).await?, (self.model.stock[n], self.model.reserved[n]));
            ensure!(there == expected, "(stock, reserved) of {n} is {there:?}, and should be {expected:?}");
        }
        Ok(())
    }
}

#[test]
fn stock_matches_a_model() {
    with_shared_stack(async |shop| {
        let seed = fastrand::u64(..1 << 32);
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut model, mut products) = (Model::default(), Vec::new());
        for stock in &mut model.stock {
            *stock = rng.i64(0..=8);
            products.push(shop.product(rng.i64(1..=9_999), *stock).await?);
        }
        let (mut run, mut steps) = (Run { shop, products, model, rng }, Vec::new());
        for _ in 0..STEPS {
            let step = run.step().await.with_context(|| format!("seed {seed}, after {steps:#?}"))?;
            steps.push(step);
            run.check().await.with_context(|| format!("seed {seed}, after {steps:#?}"))?;
        }
        shop.audit_is_clean().await
    });
}
