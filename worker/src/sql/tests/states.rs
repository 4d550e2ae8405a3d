//! Checks that the statuses in SQL match the state machines of the `orders` crate.

use super::{between, declared, in_one_line, migrated};
use crate::migrate::definitions;
use orders::{
    activities::{End, NoticeKind},
    contact::Channel,
    status::{NotificationState, OrderStatus, PaymentStatus, RefundStatus, ReservationState, ShipmentStatus},
};
use std::collections::{BTreeMap, BTreeSet};

type Names = BTreeSet<String>;

fn names<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Names {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

/// The texts in quotes.
fn quoted(sql: &str) -> Names {
    names(sql.split('\'').skip(1).step_by(2))
}

/// The statuses that the history of operations counts.
fn milestones() -> Names {
    names(OrderStatus::ALL.iter().filter(|status| status.is_final() || **status == OrderStatus::Paid).map(|status| status.as_str()))
}

/// The names of a state machine.
macro_rules! all {
    ($status:ident) => {
        names($status::ALL.iter().map(|status| status.as_str()))
    };
}

#[tokio::test]
async fn the_lists_of_the_schema_are_those_of_the_code() {
    let (_stack, client) = migrated().await;
    let lists = async |sql: &str| -> BTreeMap<String, Names> {
        client.query(sql, &[]).await.unwrap().iter().map(|row| (row.get(0), quoted(row.get(1)))).collect()
    };
    let checks = lists(
        "SELECT conname::text, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE contype = 'c' AND connamespace = 'public'::regnamespace AND conname ~ '_(status|state|type|channel|to)_check$'",
    )
    .await;
    let channels = || Channel::ALL.iter().map(|channel| channel.as_str());
    let kinds = NoticeKind::ALL.iter().map(|kind| kind.as_str());
    let expected = [
        ("notifications_channel_check", names(channels().chain(["NONE"]))),
        ("notifications_state_check", all!(NotificationState)),
        // A refund's notification is recorded with the refund. No step of a workflow requests it,
        // so it has no `NoticeKind`.
        ("notifications_type_check", names(kinds.chain(["ORDER_REFUNDED"]))),
        ("orders_compensating_to_check", names([End::Failed, End::Cancelled].map(|end| end.status().as_str()))),
        ("orders_contact_channel_check", names(channels())),
        ("orders_status_check", all!(OrderStatus)),
        ("payments_status_check", all!(PaymentStatus)),
        ("refunds_state_check", all!(RefundStatus)),
        ("reservations_state_check", all!(ReservationState)),
        ("shipments_status_check", all!(ShipmentStatus)),
    ];
    assert_eq!(checks, expected.map(|(check, names)| (check.to_owned(), names)).into());

    let indexes = lists(
        "SELECT indexname::text, split_part(indexdef, ' WHERE ', 2) FROM pg_indexes
        WHERE schemaname = 'public' AND split_part(indexdef, ' WHERE ', 2) ~ '(status|state)'",
    )
    .await;
    let expected = [
        ("notifications_failed", names([NotificationState::Failed.as_str()])),
        ("notifications_given_up", names([NotificationState::Failed, NotificationState::Suppressed].map(NotificationState::as_str))),
        ("notifications_pending", names([NotificationState::Pending.as_str()])),
        ("order_history_milestones", milestones()),
        ("orders_open", names(OrderStatus::open())),
        ("orders_unpaid_by_customer", names(OrderStatus::UNPAID.iter().map(|status| status.as_str()))),
        ("refunds_succeeded", names([RefundStatus::Succeeded.as_str()])),
        ("reservations_expiring", names([ReservationState::Held.as_str()])),
        ("reservations_held", names([ReservationState::Held.as_str()])),
    ];
    assert_eq!(indexes, expected.map(|(index, names)| (index.to_owned(), names)).into());
}

/// Postgres uses a partial index only if the statement writes the statuses out. Therefore not every
/// list can be a parameter.
#[test]
fn lists_that_are_written_out_are_those_of_the_code() {
    let before_payment = OrderStatus::UNPAID.iter().chain(OrderStatus::FIRST);
    let shared = [
        names(OrderStatus::open()),
        names(OrderStatus::UNPAID.iter().map(|status| status.as_str())),
        names(before_payment.map(|status| status.as_str())),
        names([OrderStatus::ActionRequired, OrderStatus::InReview].map(OrderStatus::as_str)),
        names([End::Failed, End::Cancelled].map(|end| end.status().as_str())),
        milestones(),
        names(PaymentStatus::ALL.iter().filter(|status| status.was_captured()).map(|status| status.as_str())),
        names(PaymentStatus::refundable()),
        names(ShipmentStatus::open()),
        names(ShipmentStatus::failed()),
    ];
    // Lists of statuses that only SQL uses.
    let own = [
        ["PAID", "SHIPPED"].as_slice(),
        &["PAID", "COMPLETED"],
        &["DELIVERED", "COMPLETED"],
        &["BOOKED", "IN_TRANSIT"],
        &["PENDING", "BOOKED"],
        &["REFUSED", "CANCELLED"],
        &["RETURNED", "REFUSED", "CANCELLED"],
        &["LOST", "RETURNED"],
        &["HELD", "COMMITTED"],
        &["RELEASED", "EXPIRED"],
        &["FAILED", "SUPPRESSED"],
        &["AUTHORIZED", "CAPTURED", "PARTIALLY_REFUNDED"],
        &["ATTEMPTED", "AUTHORIZED"],
    ];
    let known: Vec<Names> = shared.into_iter().chain(own.map(names)).collect();
    let statements = declared().into_iter().map(|declared| (declared.file, declared.statement));
    for (file, text) in statements.chain(definitions::FILES) {
        for list in between(&in_one_line(text), " IN ('", ")") {
            let list = quoted(&format!("'{list}"));
            assert!(known.contains(&list), "{file} has a list that no state machine has: {list:?}");
        }
    }
}
