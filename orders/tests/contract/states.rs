//! Compares `docs/states.md`, which draws the state machines, with their definitions.

use orders::status::{NotificationState, OrderStatus, PaymentStatus, RefundStatus, ReservationState, ShipmentStatus, Transition};
use std::{env, fmt::Write as _, fs, path::Path};

fn draw<S: Copy + PartialEq + Into<&'static str>>(
    text: &mut String,
    heading: &str,
    about: &str,
    first: &[S],
    transitions: &[Transition<S>],
) {
    write!(text, "\n## {heading}\n\n{about}\n\n```mermaid\nstateDiagram-v2\n").unwrap();
    for status in first {
        writeln!(text, "  [*] --> {}", (*status).into()).unwrap();
    }
    for Transition { from, to, by } in transitions {
        let causes: Vec<&str> = by.iter().map(|cause| (*cause).into()).collect();
        writeln!(text, "  {} --> {}: {}", (*from).into(), (*to).into(), causes.join(", ")).unwrap();
    }
    text.push_str("```\n");
}

/// The expected content of `docs/states.md`.
fn picture() -> String {
    let mut text = "# The states\n\n\
        <!-- Generated from orders/src/status by `make contract`. -->\n\n\
        An arrow names what may cause the transition. `[*]` is where a row may begin. A transition\n\
        that is not drawn is refused.\n"
        .to_owned();
    let order = "ACTION_REQUIRED waits for the customer, IN_REVIEW for the shop's staff. COMPLETED, FAILED and\nCANCELLED are final.";
    draw(&mut text, "Order", order, OrderStatus::FIRST, OrderStatus::TRANSITIONS);
    let reservation = "The units of one product that an order has reserved.";
    draw(&mut text, "Reservation", reservation, ReservationState::FIRST, ReservationState::TRANSITIONS);
    let payment = "A payment usually begins as AUTHORIZED. It begins in another status when an answer of the gateway was\n\
        lost: a compensation then records what the gateway reports.";
    draw(&mut text, "Payment", payment, PaymentStatus::FIRST, PaymentStatus::TRANSITIONS);
    let refund = "A refund that is not permitted begins as FAILED. One that was given at the gateway itself begins as\nSUCCEEDED.";
    draw(&mut text, "Refund", refund, RefundStatus::FIRST, RefundStatus::TRANSITIONS);
    let shipment = "An event of the carrier may arrive before the carrier's answer to the booking.";
    draw(&mut text, "Shipment", shipment, ShipmentStatus::FIRST, ShipmentStatus::TRANSITIONS);
    let notification = "A notification is RECORDED when the order has no contact. Staff may send one again.";
    draw(&mut text, "Notification", notification, NotificationState::FIRST, NotificationState::TRANSITIONS);
    text
}

#[test]
fn the_picture_of_the_states_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/states.md");
    if env::var_os("UPDATE_CONTRACT").is_some() {
        fs::write(path, picture()).unwrap();
        return;
    }
    assert!(fs::read_to_string(path).unwrap_or_default() == picture(), "docs/states.md is stale: run `make contract`");
}
