//! The kinds of customers.

/// The kind of a customer: what the customer orders, and what happens to the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Plain,
    /// Orders several lines, some of the same product.
    ManyLines,
    /// Pays with a card that is declined.
    Declined,
    /// The gateway fails twice, then charges.
    ProcessingError,
    /// The gateway charges, and its first answer is lost.
    LostCharge,
    /// Orders a product that does not have enough stock for all customers.
    Scarce,
    /// Accepts the offer when only a part is in stock.
    Amended,
    /// Cancels when only a part is in stock.
    CancelledInstead,
    /// Orders so much that the shop reviews it, and is approved.
    Approved,
    /// Orders so much that the shop reviews it, and is declined.
    NotApproved,
    /// Receives a refund: everything, an amount, or some units.
    Refunded,
    /// The gateway reports the order's payment twice.
    Reconciled,
    /// Orders at a wrong price. The order is refused at once, or fails later if the catalogue could
    /// not be read.
    WrongPrice,
    /// Requests the cancellation at a random moment.
    Cancelled,
    /// Posts three times at once with one key.
    AtOnce,
    /// Hangs up before the answer, and posts again with the same key.
    Impatient,
    /// Posts once without a key, and never again.
    Keyless,
    /// Posts an invalid order.
    Invalid,
    /// Attacks the API besides placing an order, and floods it with requests about the order.
    Hostile,
}

impl Kind {
    pub(super) const ALL: &[Self] = &[
        Self::Plain,
        Self::ManyLines,
        Self::Declined,
        Self::ProcessingError,
        Self::LostCharge,
        Self::Scarce,
        Self::Amended,
        Self::CancelledInstead,
        Self::Approved,
        Self::NotApproved,
        Self::Refunded,
        Self::Reconciled,
        Self::WrongPrice,
        Self::Cancelled,
        Self::AtOnce,
        Self::Impatient,
        Self::Keyless,
        Self::Invalid,
        Self::Hostile,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::ManyLines => "several lines of a product",
            Self::Declined => "declined",
            Self::ProcessingError => "gateway fails twice",
            Self::LostCharge => "gateway's answer lost",
            Self::Scarce => "short stock",
            Self::Amended => "short in part, amended",
            Self::CancelledInstead => "short in part, cancelled",
            Self::Approved => "reviewed, approved",
            Self::NotApproved => "reviewed, declined",
            Self::Refunded => "refunded",
            Self::Reconciled => "reported twice by the gateway",
            Self::WrongPrice => "wrong price",
            Self::Cancelled => "cancelled at some moment",
            Self::AtOnce => "three posts at once, one key",
            Self::Impatient => "hangs up, posts again, one key",
            Self::Keyless => "one post without a key",
            Self::Invalid => "invalid",
            Self::Hostile => "hostile",
        }
    }

    /// How many of fifty customers are of this kind.
    fn share(self) -> usize {
        match self {
            Self::Plain => 10,
            Self::Cancelled => 7,
            Self::ManyLines | Self::Scarce | Self::AtOnce | Self::Impatient | Self::Declined => 3,
            Self::Amended | Self::Refunded | Self::Keyless | Self::Invalid | Self::ProcessingError | Self::Hostile => 2,
            Self::CancelledInstead | Self::Approved | Self::NotApproved | Self::Reconciled | Self::LostCharge | Self::WrongPrice => 1,
        }
    }

    /// The kind of the customer with this number. Each group of fifty contains every kind, so that
    /// each fault meets the orders that it needs.
    pub(super) fn draw(seed: u64, number: usize) -> Self {
        let mut deck: Vec<Self> = Self::ALL.iter().flat_map(|kind| std::iter::repeat_n(*kind, kind.share())).collect();
        let round = (number / deck.len()) as u64;
        fastrand::Rng::with_seed(seed.wrapping_add(round.wrapping_mul(0xD6E8_FEB8_6659_FD93))).shuffle(&mut deck);
        deck[number % deck.len()]
    }
}
