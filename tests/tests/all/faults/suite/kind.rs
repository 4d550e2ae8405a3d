//! How customers differ.

/// What a customer is about.
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
    /// Takes what there is when there is only a part of the order.
    Amended,
    /// Cancels when there is only a part of the order.
    CancelledInstead,
    /// So dear that the shop looks at it, and approves.
    Approved,
    /// So dear that the shop looks at it, and declines.
    NotApproved,
    /// Is given back the money: all, an amount, or that of some units.
    Refunded,
    /// The gateway tells twice of the order's payment.
    Reconciled,
    /// At a price that is not the catalogue's: refused at once, or failed when the catalogue could not be read.
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
    /// Attacks the API beside ordering, and floods it with requests about the order.
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
            Self::Reconciled => "gateway tells of it, twice",
            Self::WrongPrice => "wrong price",
            Self::Cancelled => "cancelled at some moment",
            Self::AtOnce => "three posts at once, one key",
            Self::Impatient => "hangs up, posts again, one key",
            Self::Keyless => "one post without a key",
            Self::Invalid => "invalid",
            Self::Hostile => "hostile",
        }
    }

    /// In fifty customers.
    fn share(self) -> usize {
        match self {
            Self::Plain => 10,
            Self::Cancelled => 7,
            Self::ManyLines | Self::Scarce | Self::AtOnce | Self::Impatient | Self::Declined => 3,
            Self::Amended | Self::Refunded | Self::Keyless | Self::Invalid | Self::ProcessingError | Self::Hostile => 2,
            Self::CancelledInstead | Self::Approved | Self::NotApproved | Self::Reconciled | Self::LostCharge | Self::WrongPrice => 1,
        }
    }

    /// The customer with this number. Every fifty of them hold each kind, so that no fault waits in vain for what it is to strike.
    pub(super) fn draw(seed: u64, number: usize) -> Self {
        let mut deck: Vec<Self> = Self::ALL.iter().flat_map(|kind| std::iter::repeat_n(*kind, kind.share())).collect();
        let round = (number / deck.len()) as u64;
        fastrand::Rng::with_seed(seed.wrapping_add(round.wrapping_mul(0xD6E8_FEB8_6659_FD93))).shuffle(&mut deck);
        deck[number % deck.len()]
    }
}
