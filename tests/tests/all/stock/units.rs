//! Compares the place of each unit with a model. After any sequence of tracking events and refunds,
//! each unit is held, in transit, kept, returned or written off, and the stock matches.

use crate::{
    refunds::refund,
    shipping::{MANUAL_CARRIER, product_in, send_tracking_event, shipment_statuses, tracking_event},
    support::{Draft, FAST, Product, Shop, text, until, with_own_stack},
};
use anyhow::{Context as _, Result, ensure};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);
const ORDERS: usize = 4;
const STEPS: usize = 36;
/// The maximum number of refunds of one order that the model expects to be refused.
const REFUSALS: usize = 2;
/// The initial stock of each product.
const STOCK: i64 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Held,
    InTransit,
    Settled,
}

/// The units of one product in an order. They form one shipment.
#[derive(Clone, Debug)]
struct Part {
    product: usize,
    bought: i64,
    place: Place,
    delivered: bool,
    kept: i64,
    returned: i64,
    written_off: i64,
    /// Units that were refunded before they arrived.
    refunded_early: i64,
    /// Units without a refund.
    left: i64,
}

impl Part {
    fn apply_event(&mut self, event: &str) {
        match event {
            "IN_TRANSIT" => return self.place = Place::InTransit,
            "DELIVERED" => (self.kept, self.written_off, self.delivered) = (self.bought - self.refunded_early, self.refunded_early, true),
            "LOST" => self.written_off = self.bought,
            _ => self.returned = self.bought,
        }
        self.place = Place::Settled;
    }

    fn apply_refund(&mut self, units: i64, restock: bool) {
        self.left -= units;
        let kept = units.min(self.kept);
        self.kept -= kept;
        if restock {
            self.returned += kept;
        } else if self.place == Place::Settled {
            self.written_off += kept;
        } else {
            self.refunded_early += units;
        }
    }

    fn units_by_place(&self) -> (i64, i64, i64, i64, i64) {
        let at = |place| if self.place == place { self.bought } else { 0 };
        (at(Place::Held), at(Place::InTransit), self.kept, self.returned, self.written_off)
    }
}

#[derive(Debug)]
struct Order {
    id: String,
    parts: Vec<Part>,
    /// The amount paid and not refunded, in minor units.
    rest_minor: i64,
    refused: usize,
}

impl Order {
    fn is_over(&self) -> bool {
        self.parts.iter().all(|part| part.place == Place::Settled)
    }

    fn has_failed(&self) -> bool {
        self.is_over() && self.parts.iter().all(|part| !part.delivered)
    }
}

struct Run<'a> {
    shop: &'a Shop,
    products: Vec<Product>,
    orders: Vec<Order>,
    rng: fastrand::Rng,
}

impl Run<'_> {
    async fn open(shop: &Shop, rng: fastrand::Rng) -> Result<Run<'_>> {
        let products = vec![shop.product(1_000, STOCK).await?, product_in(shop, "NORTH", 250).await?];
        let mut run = Run { shop, products, orders: Vec::new(), rng };
        for _ in 0..ORDERS {
            let part = |product, bought| Part {
                product,
                bought,
                place: Place::Held,
                delivered: false,
                kept: 0,
                returned: 0,
                written_off: 0,
                refunded_early: 0,
                left: bought,
            };
            let parts = [part(0, run.rng.i64(1..=2)), part(1, run.rng.i64(1..=2))];
            let draft = parts.iter().fold(Draft::new("CUST-units"), |draft, part| draft.line(&run.products[part.product], part.bought));
            let id = shop.place(&draft).await?;
            until("the parcels are booked", TIMEOUT, async || {
                Ok((shipment_statuses(&shop.order(&id).await?) == ["BOOKED", "BOOKED"]).then_some(()))
            })
            .await?;
            let rest_minor = parts.iter().map(|part| part.bought * run.products[part.product].price_minor).sum();
            run.orders.push(Order { id, parts: parts.to_vec(), rest_minor, refused: 0 });
        }
        Ok(run)
    }

    /// Takes a step. Returns its description.
    async fn step(&mut self) -> Result<String> {
        let order = self.rng.usize(..self.orders.len());
        match self.rng.u8(..10) {
            0..4 => self.report_tracking_event(order).await,
            4 => self.refund_rest(order).await,
            _ => self.refund_units(order).await,
        }
    }

    async fn report_tracking_event(&mut self, number: usize) -> Result<String> {
        let event = ["IN_TRANSIT", "DELIVERED", "DELIVERED", "LOST", "RETURNED"][self.rng.usize(..5)];
        let (n, order) = (self.rng.usize(..2), &mut self.orders[number]);
        let part = &mut order.parts[n];
        if part.place == Place::Settled || (event, part.place) == ("IN_TRANSIT", Place::InTransit) {
            return Ok("nothing".to_owned());
        }
        part.apply_event(event);
        if matches!(event, "LOST" | "RETURNED") {
            order.rest_minor -= (part.left * self.products[part.product].price_minor).min(order.rest_minor);
            part.left = 0;
        }
        send_tracking_event(self.shop, &tracking_event(&order.id, n + 1, event)).await?;
        let end = match (order.is_over(), order.has_failed()) {
            (_, true) => Some("FAILED"),
            (true, false) => Some("COMPLETED"),
            (false, _) => None,
        };
        if end == Some("FAILED") {
            order.rest_minor = 0;
        }
        let id = &order.id;
        until(&format!("{id}: shipment {} is {event}", n + 1), TIMEOUT, async || {
            let shown = self.shop.order(id).await?;
            let refunds = shown["refunds"].as_array().into_iter().flatten();
            let settled = shipment_statuses(&shown)[n] == event && refunds.clone().all(|refund| refund["status"] != "PENDING");
            Ok((settled && end.is_none_or(|end| shown["status"] == end)).then_some(()))
        })
        .await?;
        Ok(format!("{id}: shipment {} is {event}", n + 1))
    }

    async fn refund_units(&mut self, number: usize) -> Result<String> {
        let (n, restock) = (self.rng.usize(..2), self.rng.bool());
        let units = self.rng.i64(1..=2);
        let order = &self.orders[number];
        let (part, product) = (&order.parts[n], &self.products[order.parts[n].product]);
        let price_minor = units * product.price_minor;
        let may =
            units <= part.left && price_minor <= order.rest_minor && (!restock || (part.place == Place::Settled && units <= part.kept));
        let body = json!({ "items": [{ "productID": product.id, "quantity": units }], "restock": restock });
        if !self.request_refund(number, &body, may).await? {
            return Ok("nothing".to_owned());
        }
        if may {
            let order = &mut self.orders[number];
            order.rest_minor -= price_minor;
            order.parts[n].apply_refund(units, restock);
        }
        Ok(format!("{}: {units} of part {n} refunded, restock {restock}, may be {may}", self.orders[number].id))
    }

    async fn refund_rest(&mut self, number: usize) -> Result<String> {
        let (restock, order) = (self.rng.bool(), &self.orders[number]);
        let stays = |part: &Part| part.left > 0 && part.place != Place::Settled;
        let may = order.rest_minor > 0 && !(restock && order.parts.iter().any(stays));
        if !self.request_refund(number, &json!({ "restock": restock }), may).await? {
            return Ok("nothing".to_owned());
        }
        if may {
            let order = &mut self.orders[number];
            order.rest_minor = 0;
            for part in &mut order.parts {
                part.apply_refund(part.left, restock);
            }
        }
        Ok(format!("{}: the rest refunded, restock {restock}, may be {may}", self.orders[number].id))
    }

    /// Requests a refund, which must succeed exactly if `may` is true. Returns whether it was
    /// requested.
    async fn request_refund(&mut self, number: usize, body: &Value, may: bool) -> Result<bool> {
        let (shop, order) = (self.shop, &mut self.orders[number]);
        if order.rest_minor == 0 || (!may && order.refused == REFUSALS) {
            return Ok(false);
        }
        order.refused += usize::from(!may);
        let (status, accepted) = refund(shop, &order.id, body, Some(&shop.unique("units"))).await?;
        let given = match status {
            StatusCode::ACCEPTED => {
                let (id, refund_id) = (&order.id, text(&accepted, "/id")?);
                until(&format!("{refund_id} is decided"), TIMEOUT, async || {
                    let shown = shop.order(id).await?;
                    let mut refunds = shown["refunds"].as_array().into_iter().flatten();
                    let refund = refunds.find(|refund| refund["id"] == refund_id && refund["status"] != "PENDING");
                    Ok(refund.map(|refund| refund["status"] == "SUCCEEDED"))
                })
                .await?
            }
            _ => false,
        };
        ensure!(given == may, "{body} of {order:?} was given: {given}; {status} {accepted}");
        Ok(true)
    }

    async fn check(&self) -> Result<()> {
        let db = self.shop.db().await?;
        let units = "SELECT held, on_the_way, kept, returned, written_off FROM order_units WHERE order_id = $1 AND product_id = $2";
        for order in &self.orders {
            for part in &order.parts {
                let row = db.query_one(units, &[&order.id, &self.products[part.product].id]).await?;
                let there = (row.get(0), row.get(1), row.get(2), row.get(3), row.get(4));
                let expected = part.units_by_place();
                ensure!(
                    there == expected,
                    "(held, on the way, kept, returned, written off) is {there:?}, and should be {expected:?}: {part:?}"
                );
            }
        }
        for (n, product) in self.products.iter().enumerate() {
            let of = |units: fn(&Part) -> i64| -> i64 {
                self.orders.iter().flat_map(|order| &order.parts).filter(|part| part.product == n).map(units).sum()
            };
            let expected = (STOCK - of(|part| part.bought - part.returned), of(|part| part.units_by_place().0));
            let there = self.shop.stock(product).await?;
            ensure!(there == expected, "(stock, reserved) of {n} is {there:?}, and should be {expected:?}");
        }
        Ok(())
    }
}

#[test]
fn the_place_of_each_unit_matches_a_model() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let seed = fastrand::u64(..1 << 32);
        let (mut run, mut steps) = (Run::open(shop, fastrand::Rng::with_seed(seed)).await?, Vec::new());
        for _ in 0..STEPS {
            let step = run.step().await.with_context(|| format!("seed {seed}, after {steps:#?}"))?;
            steps.push(step);
            run.check().await.with_context(|| format!("seed {seed}, after {steps:#?}"))?;
        }
        shop.audit_is_clean().await
    });
}
