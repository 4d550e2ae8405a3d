//! What one customer orders. It is drawn from the seed and the customer's number.

use super::{catalog::Catalog, kind::Kind};
use crate::support::Draft;
use serde_json::Value;

/// A line of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// The product's index in the catalog.
    pub(super) product: usize,
    pub(super) units: i64,
    pub(super) price_minor: i64,
}

/// The total of these lines, in minor units.
pub(super) fn total_minor(lines: &[Line]) -> i64 {
    lines.iter().map(|line| line.units * line.price_minor).sum()
}

pub(super) struct Scenario {
    pub(super) kind: Kind,
    /// The id belongs to one customer only. So an order without an acknowledgement can be assigned
    /// to its customer.
    pub(super) customer: String,
    pub(super) lines: Vec<Line>,
    /// The request body, which is repeated byte for byte.
    pub(super) body: String,
    /// Draws what the customer does next.
    pub(super) rng: fastrand::Rng,
}

impl Scenario {
    pub(super) fn draw(catalog: &Catalog, seed: u64, number: usize) -> Self {
        // Neighbouring numbers need seeds that differ strongly.
        let mut rng = fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kind = Kind::draw(seed, number);
        let customer = format!("CUST-{number}");
        let lines: Vec<Line> = products(catalog, kind, &mut rng)
            .into_iter()
            .map(|(product, units)| Line {
                product,
                units,
                price_minor: catalog.product(product).price_minor + i64::from(kind == Kind::WrongPrice),
            })
            .collect();
        let draft = lines
            .iter()
            .fold(Draft::new(&customer), |draft, line| draft.line_at(&catalog.product(line.product).id, line.units, line.price_minor));
        let draft = match kind {
            Kind::Declined => draft.payment_method(if rng.bool() { "tok_declined" } else { "tok_insufficient_funds" }),
            Kind::ProcessingError => draft.payment_method("tok_processing_error"),
            Kind::LostCharge => draft.payment_method("tok_timeout"),
            // The failing attempts leave time to cancel.
            Kind::Cancelled if rng.bool() => draft.payment_method("tok_processing_error"),
            _ => draft,
        };
        let mut body = draft.body();
        if kind == Kind::Invalid {
            make_invalid(&mut body, &mut rng);
        }
        Self { kind, customer, lines, body: body.to_string(), rng }
    }
}

/// (product's index in the catalog, units) of each line.
fn products(catalog: &Catalog, kind: Kind, rng: &mut fastrand::Rng) -> Vec<(usize, i64)> {
    match kind {
        Kind::Scarce => vec![(catalog.any_scarce(rng), 1)],
        Kind::ManyLines => {
            let (one, other) = (catalog.any_plentiful(rng), catalog.any_plentiful(rng));
            [one, other, one, other, one].into_iter().take(rng.usize(3..=5)).map(|product| (product, rng.i64(1..=4))).collect()
        }
        // The rare product may be on two lines.
        Kind::Amended | Kind::CancelledInstead => {
            let rare = catalog.any_rare(rng);
            let lines = [(rare, rng.i64(1..=3)), (catalog.any_plentiful(rng), rng.i64(1..=3)), (rare, rng.i64(1..=3))];
            lines.into_iter().take(rng.usize(2..=3)).collect()
        }
        Kind::Approved | Kind::NotApproved => vec![(catalog.expensive(), 1)],
        Kind::Refunded => vec![(catalog.any_plentiful(rng), rng.i64(2..=4))],
        _ => vec![(catalog.any_plentiful(rng), rng.i64(1..=3))],
    }
}

fn make_invalid(body: &mut Value, rng: &mut fastrand::Rng) {
    match rng.u8(..4) {
        0 => body["totalAmount"] = Value::from(1),
        1 => body["items"][0]["quantity"] = Value::from(0),
        2 => body["colour"] = Value::from("red"),
        _ => body["items"] = Value::Array(Vec::new()),
    }
}
