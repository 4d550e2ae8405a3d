//! How many units a customer is offered of a product whose stock is too small.
//!
//! The number is coarse, so that it does not reveal the stock. It is less than the stock, so that
//! other customers can still buy: the largest of 1, 2, 5, 10, 20, 50, … below the stock. If one
//! unit is left, that unit is offered.

/// The number of units to offer if `stock` units are left. It is at most `max_units`.
pub(super) fn offered_units(stock: i64, max_units: i64) -> i64 {
    let below = stock.min(max_units.saturating_add(1));
    let steps = (0..18).flat_map(|power| [1, 2, 5].map(|step| step * 10_i64.pow(power)));
    match stock {
        ..=0 => 0,
        1 => 1,
        _ => steps.take_while(|step| *step < below).last().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::offered_units;

    #[test]
    fn an_offer_is_less_than_what_is_left_and_does_not_tell_it() {
        let offers = [0, 1, 2, 3, 5, 6, 7, 10, 11, 99, 100_000, i64::MAX].map(|stock| offered_units(stock, i64::MAX));
        assert_eq!(offers, [0, 1, 1, 2, 2, 5, 5, 5, 10, 50, 50_000, 5 * 10_i64.pow(17)]);
    }

    #[test]
    fn an_offer_is_no_more_than_a_customer_may_hold() {
        assert_eq!([1, 10, 11, 10_000].map(|max_units| offered_units(100_000, max_units)), [1, 10, 10, 10_000]);
    }
}
