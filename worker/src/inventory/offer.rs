//! What a customer is offered of a product of which there is not enough.
//!
//! It is coarse, so that nobody is told the stock, and less than all, so that others can still buy: the next of 1, 2, 5, 10, 20, 50, … below
//! what is left. Of the last unit it is that unit.

/// Units that are offered where so many are left.
pub(super) fn of(left: i64, at_most: i64) -> i64 {
    let below = left.min(at_most.saturating_add(1));
    let steps = (0..18).flat_map(|power| [1, 2, 5].map(|step| step * 10_i64.pow(power)));
    match left {
        ..=0 => 0,
        1 => 1,
        _ => steps.take_while(|step| *step < below).last().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::of;

    #[test]
    fn an_offer_is_less_than_what_is_left_and_does_not_tell_it() {
        let offers = [0, 1, 2, 3, 5, 6, 7, 10, 11, 99, 100_000, i64::MAX].map(|left| of(left, i64::MAX));
        assert_eq!(offers, [0, 1, 1, 2, 2, 5, 5, 5, 10, 50, 50_000, 5 * 10_i64.pow(17)]);
    }

    #[test]
    fn an_offer_is_no_more_than_a_customer_may_hold() {
        assert_eq!([1, 10, 11, 10_000].map(|at_most| of(100_000, at_most)), [1, 10, 10, 10_000]);
    }
}
