//! Every order follows the status table, reaches a final status, and stays there.

use orders::OrderStatus;
use proptest::{collection::vec, prelude::*, sample::Index};

/// The statuses to which a transition leads from this one.
fn next(from: OrderStatus) -> Vec<OrderStatus> {
    OrderStatus::TRANSITIONS.iter().filter(|known| known.from == from).map(|known| known.to).collect()
}

proptest! {
    /// An order is reviewed at most once. After the review it may become ACTION_REQUIRED a second
    /// time, if a part of it has been sold meanwhile.
    #[test]
    fn any_walk_ends_and_passes_no_status_twice_but_for_a_second_question(choices in vec(any::<Index>(), OrderStatus::ALL.len() + 1)) {
        let mut walk = vec![OrderStatus::default()];
        for choice in choices {
            let here = walk[walk.len() - 1];
            let reviewed = walk.contains(&OrderStatus::InReview);
            let ways: Vec<_> = next(here).into_iter().filter(|way| *way != OrderStatus::InReview || !reviewed).collect();
            prop_assert_eq!(ways.is_empty(), here.is_final());
            if ways.is_empty() {
                break;
            }
            let there = ways[choice.index(ways.len())];
            prop_assert!(there.predecessors().contains(&here.as_str()));
            let asked = walk.iter().filter(|passed| **passed == OrderStatus::ActionRequired).count();
            let asked_again = there == OrderStatus::ActionRequired && here == OrderStatus::InReview && asked == 1;
            prop_assert!(!walk.contains(&there) || asked_again, "{:?} comes back to {}", walk, there);
            walk.push(there);
        }
        prop_assert!(walk[walk.len() - 1].is_final(), "{:?} has no end", walk);
    }

    /// Requests to change the status come late, twice and out of order. Requests that the table
    /// refuses change nothing, and no request changes an order that has ended.
    #[test]
    fn any_requests_to_move_leave_an_order_on_the_table(requests in vec(any::<Index>(), 0..40)) {
        let (mut status, mut ended) = (OrderStatus::default(), false);
        for request in requests {
            let target = OrderStatus::ALL[request.index(OrderStatus::ALL.len())];
            if target.predecessors().contains(&status.as_str()) {
                prop_assert!(next(status).contains(&target));
                prop_assert!(!ended, "an ended order moved to {}", target);
                status = target;
                ended = status.is_final();
            }
        }
    }

    #[test]
    fn only_the_names_of_statuses_are_statuses(text in "[A-Z_]{0,20}") {
        prop_assert_eq!(text.parse::<OrderStatus>().is_ok(), OrderStatus::ALL.iter().any(|status| status.as_str() == text));
    }
}
