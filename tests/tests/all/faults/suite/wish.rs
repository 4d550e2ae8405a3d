//! What one customer wants, drawn from the seed and the customer's number.

use super::shelf::Shelf;
use crate::support::Draft;
use serde_json::Value;

/// How customers differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    /// Several lines, some of the same product.
    ManyLines,
    /// The card is declined.
    Declined,
    /// The gateway fails twice, then charges.
    ProcessingError,
    /// The gateway charges, and its first answer is lost.
    LostCharge,
    /// Of a product that others want too, and that does not suffice for all.
    Scarce,
    /// At a price that is not the catalogue's.
    WrongPrice,
    /// Asks for the order's cancellation at some moment.
    Cancelled,
    /// Posts three times at once with one key.
    AtOnce,
    /// Hangs up before the answer, and posts again with the same key.
    Impatient,
    /// Posts once, without a key, and never again.
    Keyless,
    /// Posts what is no order.
    Invalid,
}

impl Kind {
    pub(super) const ALL: &[Self] = &[
        Self::Plain,
        Self::ManyLines,
        Self::Declined,
        Self::ProcessingError,
        Self::LostCharge,
        Self::Scarce,
        Self::WrongPrice,
        Self::Cancelled,
        Self::AtOnce,
        Self::Impatient,
        Self::Keyless,
        Self::Invalid,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ManyLines => "several lines of a product",
            Self::Declined => "declined",
            Self::ProcessingError => "gateway fails twice",
            Self::LostCharge => "gateway's answer lost",
            Self::Scarce => "short stock",
            Self::WrongPrice => "wrong price",
            Self::Cancelled => "cancelled at some moment",
            Self::AtOnce => "three posts at once, one key",
            Self::Impatient => "hangs up, posts again, one key",
            Self::Keyless => "one post without a key",
            Self::Invalid => "invalid",
        }
    }

    /// In a hundred customers.
    fn share(self) -> usize {
        match self {
            Self::Plain => 36,
            Self::Cancelled => 14,
            Self::ManyLines | Self::Scarce | Self::AtOnce | Self::Impatient => 7,
            Self::Declined => 6,
            Self::Keyless => 5,
            Self::Invalid => 4,
            Self::ProcessingError => 3,
            Self::LostCharge | Self::WrongPrice => 2,
        }
    }

    fn draw(rng: &mut fastrand::Rng) -> Self {
        let mut ticket = rng.usize(..Self::ALL.iter().map(|kind| kind.share()).sum::<usize>());
        for kind in Self::ALL {
            match ticket.checked_sub(kind.share()) {
                None => return *kind,
                Some(rest) => ticket = rest,
            }
        }
        Self::Plain
    }
}

pub(super) struct Wish {
    pub(super) kind: Kind,
    /// Nobody else's, so that an order without an acknowledgement can be told whose it is.
    pub(super) customer: String,
    /// (product on the shelf, units).
    pub(super) lines: Vec<(usize, i64)>,
    pub(super) total_minor: i64,
    /// Repeated byte for byte.
    pub(super) body: String,
    /// Draws what the customer does next.
    pub(super) rng: fastrand::Rng,
}

impl Wish {
    pub(super) fn draw(shelf: &Shelf, seed: u64, number: usize) -> Self {
        // Neighbouring numbers must not begin alike.
        let mut rng = fastrand::Rng::with_seed(seed ^ (number as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let kind = Kind::draw(&mut rng);
        let customer = format!("CUST-{number}");
        let lines: Vec<(usize, i64)> = match kind {
            Kind::Scarce => vec![(shelf.any_scarce(&mut rng), 1)],
            Kind::ManyLines => {
                let (one, other) = (shelf.any_plenty(&mut rng), shelf.any_plenty(&mut rng));
                [one, other, one, other, one].into_iter().take(rng.usize(3..=5)).map(|product| (product, rng.i64(1..=4))).collect()
            }
            _ => vec![(shelf.any_plenty(&mut rng), rng.i64(1..=3))],
        };
        let mut draft = Draft::new(&customer);
        let mut total_minor = 0;
        for (index, quantity) in &lines {
            let product = shelf.product(*index);
            let price_minor = product.price_minor + i64::from(kind == Kind::WrongPrice);
            draft = draft.line_at(&product.id, *quantity, price_minor);
            total_minor += price_minor * quantity;
        }
        let draft = match kind {
            Kind::Declined => draft.payment_method(if rng.bool() { "tok_declined" } else { "tok_insufficient_funds" }),
            Kind::ProcessingError => draft.payment_method("tok_processing_error"),
            Kind::LostCharge => draft.payment_method("tok_timeout"),
            // Leaves time to cancel while the payment is tried.
            Kind::Cancelled if rng.bool() => draft.payment_method("tok_processing_error"),
            _ => draft,
        };
        let mut body = draft.body();
        if kind == Kind::Invalid {
            spoil(&mut body, &mut rng);
        }
        Self { kind, customer, lines, total_minor, body: body.to_string(), rng }
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
