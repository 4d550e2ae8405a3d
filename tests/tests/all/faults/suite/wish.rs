//! What one customer orders. It is drawn from the seed and the customer's number.

use super::{kind::Kind, shelf::Shelf};
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

pub(super) struct Wish {
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

impl Wish {
    pub(super) fn draw(shelf: &Shelf, seed: u64, number: usize) -> Self {
        // Neighbouring numbers need seeds that differ strongly.
        let mut rng = fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kind = Kind::draw(seed, number);
        let customer = format!("CUST-{number}");
        let lines: Vec<Line> = products(shelf, kind, &mut rng)
            .into_iter()
            .map(|(product, units)| Line {
                product,
                units,
                price_minor: shelf.product(product).price_minor + i64::from(kind == Kind::WrongPrice),
            })
            .collect();
        let draft = lines
            .iter()
            .fold(Draft::new(&customer), |draft, line| draft.line_at(&shelf.product(line.product).id, line.units, line.price_minor));
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
            spoil(&mut body, &mut rng);
        }
        Self { kind, customer, lines, body: body.to_string(), rng }
    }
}

/// (product's index in the catalog, units) of each line.
fn products(shelf: &Shelf, kind: Kind, rng: &mut fastrand::Rng) -> Vec<(usize, i64)> {
    match kind {
        Kind::Scarce => vec![(shelf.any_scarce(rng), 1)],
        Kind::ManyLines => {
            let (one, other) = (shelf.any_plenty(rng), shelf.any_plenty(rng));
            [one, other, one, other, one].into_iter().take(rng.usize(3..=5)).map(|product| (product, rng.i64(1..=4))).collect()
        }
        // The rare product may be on two lines.
        Kind::Amended | Kind::CancelledInstead => {
            let rare = shelf.any_rare(rng);
            let lines = [(rare, rng.i64(1..=3)), (shelf.any_plenty(rng), rng.i64(1..=3)), (rare, rng.i64(1..=3))];
            lines.into_iter().take(rng.usize(2..=3)).collect()
        }
        Kind::Approved | Kind::NotApproved => vec![(shelf.dear(), 1)],
        Kind::Refunded => vec![(shelf.any_plenty(rng), rng.i64(2..=4))],
        _ => vec![(shelf.any_plenty(rng), rng.i64(1..=3))],
    }
}

fn spoil(body: &mut Value, rng: &mut fastrand::Rng) {
    match rng.u8(..4) {
        0 => body["totalAmount"] = Value::from(1),
        1 => body["items"][0]["quantity"] = Value::from(0),
        2 => body["colour"] = Value::from("red"),
        _ => body["items"] = Value::Array(Vec::new()),
    }
}
