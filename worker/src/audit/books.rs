//! The invariants of the business facts: stock, reservations, payments, the ledger, histories. One snapshot of Postgres serves all.

use super::{Finding, SETTLE};
use crate::{db, inventory::millis};
use deadpool_postgres::Pool;
use orders::OrderStatus;
use std::time::Duration;
use tokio_postgres::{IsolationLevel, error::DbError};

/// An invariant as a query that answers (subject, detail) for each breach. The parameters are $1: the statuses of orders that hold stock, $2: all
/// final statuses, $3: after how many milliseconds something is stuck.
const INVARIANTS: &[(&str, &str)] = &[
    (
        "stock is never below zero",
        "SELECT id, format('stock %s, reserved %s', stock, reserved) FROM products WHERE stock < 0 OR reserved < 0",
    ),
    (
        "what was taken from stock is what orders hold",
        "SELECT p.id, format('%s taken from stock, %s held by orders', p.reserved, coalesce(sum(u.held), 0))
        FROM products p LEFT JOIN order_units u ON u.product_id = p.id
        GROUP BY p.id HAVING p.reserved <> coalesce(sum(u.held), 0)",
    ),
    (
        "stock is the sum of its movements",
        "SELECT p.id, format('stock %s, movements %s', p.stock, coalesce(sum(m.quantity), 0))
        FROM products p LEFT JOIN stock_movements m ON m.product_id = p.id GROUP BY p.id HAVING p.stock <> coalesce(sum(m.quantity), 0)",
    ),
    (
        "what is sold is what is reserved",
        "SELECT o.id, format('%s, asked for %s of %s, holds %s', o.status, coalesce(i.quantity, 0), coalesce(i.product_id, r.product_id), coalesce(r.quantity, 0))
        FROM orders o
        JOIN (
            (SELECT order_id, product_id, sum(quantity) AS quantity FROM order_items GROUP BY order_id, product_id) i
            FULL JOIN (
                SELECT r.* FROM reservations r JOIN orders o ON o.id = r.order_id
                WHERE r.state = 'HELD' OR (o.status = ANY ($1) AND (r.state = 'COMMITTED' OR EXISTS (
                    SELECT FROM shipments s JOIN shipment_items m ON m.shipment_id = s.id
                    WHERE s.order_id = o.id AND m.product_id = r.product_id AND s.status IN ('REFUSED', 'CANCELLED'))))
            ) r USING (order_id, product_id)
        ) ON order_id = o.id
        WHERE coalesce(r.quantity, 0) <> CASE WHEN o.status = ANY ($1) THEN coalesce(i.quantity, 0) ELSE 0 END
        AND o.status NOT IN ('ACTION_REQUIRED', 'IN_REVIEW') AND NOT (o.status = 'RESERVED' AND EXISTS (SELECT FROM reservations e WHERE e.order_id = o.id AND e.state = 'EXPIRED'))",
    ),
    (
        // All of it or nothing: it is given back after a while. An order in review may hold what its customer had been offered.
        "what waits for somebody holds what was offered",
        "SELECT o.id, format('%s of %s held, %s offered', coalesce(r.quantity, 0), i.product_id, i.offered)
        FROM orders o JOIN (
            SELECT order_id, product_id, sum(coalesce(available, quantity)) AS offered FROM order_items GROUP BY order_id, product_id
        ) i ON i.order_id = o.id JOIN reservations r ON r.order_id = o.id AND r.product_id = i.product_id AND r.state = 'HELD'
        WHERE o.status IN ('ACTION_REQUIRED', 'IN_REVIEW') AND r.quantity <> i.offered",
    ),
    (
        "reservations follow their shipments",
        "SELECT s.id, format('%s, %s of %s', s.status, coalesce(r.state, 'nothing'), i.product_id)
        FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
        LEFT JOIN reservations r ON r.order_id = s.order_id AND r.product_id = i.product_id
        WHERE r.state IS DISTINCT FROM CASE
            WHEN s.status IN ('PENDING', 'BOOKED') THEN 'HELD' WHEN s.status IN ('REFUSED', 'CANCELLED') THEN 'RELEASED' ELSE 'COMMITTED' END
        OR r.in_transit <> (s.status = 'IN_TRANSIT') OR (s.status = 'RETURNED' AND r.returned < i.quantity)
        OR (s.status = 'LOST' AND r.returned + r.written_off < i.quantity)
        UNION ALL
        SELECT r.order_id, format('%s of %s committed, which is in no shipment', r.quantity, r.product_id)
        FROM reservations r JOIN orders o ON o.id = r.order_id
        -- Without a carrier, units are sold when the order is complete.
        WHERE r.state = 'COMMITTED' AND o.status <> 'COMPLETED' AND NOT EXISTS (
            SELECT FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id WHERE s.order_id = r.order_id AND i.product_id = r.product_id)",
    ),
    (
        "no reservation outlives its order",
        "SELECT u.order_id, format('%s, and %s of %s are held, %s on their way', o.status, u.held, u.product_id, u.on_the_way)
        FROM order_units u JOIN orders o ON o.id = u.order_id WHERE u.held + u.on_the_way > 0 AND o.status = ANY ($2)",
    ),
    (
        "every unit is in one place",
        "SELECT order_id, format('%s of %s: %s held, %s on the way, %s kept, %s returned, %s written off',
            quantity, product_id, held, on_the_way, kept, returned, written_off)
        FROM order_units WHERE quantity <> held + on_the_way + kept + returned + written_off
        OR least(held, on_the_way, kept, returned, written_off) < 0",
    ),
    (
        "no more units are given back than were bought",
        "SELECT f.order_id, format('%s of %s given back, of %s', f.units, f.product_id, coalesce(b.units, 0))
        FROM (
            SELECT r.order_id, i.product_id, sum(i.quantity) AS units FROM refund_items i JOIN refunds r ON r.id = i.refund_id
            WHERE r.state <> 'FAILED' GROUP BY r.order_id, i.product_id
        ) f LEFT JOIN (
            SELECT order_id, product_id, sum(quantity) AS units FROM order_items GROUP BY order_id, product_id
        ) b USING (order_id, product_id) WHERE f.units > coalesce(b.units, 0)",
    ),
    // Of units that arrived: those of failed shipments follow these.
    (
        "what came back or was written off is what refunds say",
        "SELECT u.order_id, format('%s of %s came back, by refunds %s; %s written off, by refunds %s; %s to be, by refunds %s',
            u.returned, u.product_id, f.back, u.written_off, f.gone, u.refunded_early, f.gone)
        FROM reservations r JOIN order_units u USING (order_id, product_id)
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(i.quantity) FILTER (WHERE f.restock), 0) AS back, coalesce(sum(i.quantity) FILTER (WHERE NOT f.restock), 0) AS gone
            FROM refunds f JOIN refund_items i ON i.refund_id = f.id
            WHERE f.order_id = u.order_id AND i.product_id = u.product_id AND f.state = 'SUCCEEDED'
        ) f
        WHERE r.state IN ('HELD', 'COMMITTED') AND NOT EXISTS (
            SELECT FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id
            WHERE s.order_id = u.order_id AND i.product_id = u.product_id AND s.status IN ('LOST', 'RETURNED')
        ) AND (u.returned <> f.back OR u.written_off + u.refunded_early <> f.gone)",
    ),
    (
        "an order ends with its shipments",
        "SELECT s.id, format('%s, and the order is %s', s.status, o.status) FROM shipments s JOIN orders o ON o.id = s.order_id
        WHERE (o.status = ANY ($2 || '{DELIVERED}') AND s.status IN ('PENDING', 'BOOKED', 'IN_TRANSIT'))
        OR (o.status IN ('FAILED', 'CANCELLED') AND s.status = 'DELIVERED')",
    ),
    (
        "what does not arrive is paid back",
        "SELECT o.id, format('%s of %s not delivered, %s paid back or about to be', u.price, o.total_minor, p.refunded_minor + w.minor)
        FROM (
            SELECT s.order_id, sum(i.quantity * (SELECT max(l.unit_price_minor) FROM order_items l WHERE l.order_id = s.order_id AND l.product_id = i.product_id)) AS price
            FROM shipments s JOIN shipment_items i ON i.shipment_id = s.id WHERE s.status IN ('LOST', 'RETURNED', 'REFUSED', 'CANCELLED') GROUP BY s.order_id
        ) u JOIN orders o ON o.id = u.order_id JOIN payments p ON p.order_id = o.id
        CROSS JOIN LATERAL (
            SELECT coalesce(sum(amount_minor), 0) AS minor FROM refunds r WHERE r.order_id = o.id AND r.state = 'PENDING'
        ) w
        WHERE o.status IN ('DELIVERED', 'COMPLETED') AND p.refunded_minor + w.minor < u.price",
    ),
    (
        "a total is the sum of its lines",
        "SELECT o.id, format('total %s, lines %s', o.total_minor, coalesce(sum(i.quantity * i.unit_price_minor), 0))
        FROM orders o LEFT JOIN order_items i ON i.order_id = o.id
        GROUP BY o.id HAVING o.total_minor <> coalesce(sum(i.quantity * i.unit_price_minor), 0)",
    ),
    (
        "an order is captured at most once",
        "SELECT idempotency_key, format('%s captures, %s captured, %s refunded', captures, captured, refunded) FROM (
            SELECT idempotency_key, count(*) FILTER (WHERE kind = 'CAPTURE') AS captures,
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'CAPTURE'), 0) AS captured,
                coalesce(sum(amount_minor) FILTER (WHERE kind = 'REFUND'), 0) AS refunded
            FROM sandbox.entries GROUP BY idempotency_key
        ) e WHERE captures > 1 OR refunded > captured",
    ),
    (
        "what is charged is what was sold",
        "SELECT o.id, format('%s, net charge %s, due %s', o.status, coalesce(e.net, 0), due)
        FROM orders o
        LEFT JOIN payments p ON p.order_id = o.id
        CROSS JOIN LATERAL (SELECT CASE WHEN o.status IN ('DELIVERED', 'COMPLETED') THEN o.total_minor - coalesce(p.refunded_minor, 0) ELSE 0 END AS due) d
        LEFT JOIN (
            SELECT idempotency_key, sum(CASE kind WHEN 'CAPTURE' THEN amount_minor ELSE -amount_minor END) AS net
            FROM sandbox.entries GROUP BY idempotency_key
        ) e ON e.idempotency_key = o.id
        WHERE o.status = ANY ($2 || '{DELIVERED}') AND coalesce(p.gateway, 'sandbox') = 'sandbox' AND coalesce(e.net, 0) <> due",
    ),
    // Whoever took the money: what another company's books say of it only that company can tell.
    (
        "what is recorded as paid is what was sold",
        "SELECT o.id, format('%s of %s, payment %s of %s', o.status, o.total_minor, coalesce(p.status, 'none'), coalesce(p.amount_minor, 0))
        FROM orders o LEFT JOIN payments p ON p.order_id = o.id
        WHERE CASE WHEN o.status IN ('DELIVERED', 'COMPLETED')
            THEN coalesce(p.status, '') NOT IN ('CAPTURED', 'PARTIALLY_REFUNDED', 'REFUNDED') OR p.amount_minor <> o.total_minor
            ELSE o.status = ANY ($2) AND coalesce(p.status, 'NONE') IN ('AUTHORIZED', 'CAPTURED', 'PARTIALLY_REFUNDED') END",
    ),
    (
        "a payment is recorded as the ledger has it",
        "SELECT o.id, format('payment %s, ledger %s', coalesce(p.status, 'none'), coalesce(c.state, 'none'))
        FROM orders o LEFT JOIN payments p ON p.order_id = o.id LEFT JOIN sandbox.charges c ON c.idempotency_key = o.id
        WHERE o.status = ANY ($2) AND coalesce(p.gateway, 'sandbox') = 'sandbox'
        -- Who cancels before a decline is recorded leaves it unrecorded; neither way is anything held.
        AND coalesce(nullif(nullif(p.status, 'VOIDED'), 'DECLINED'), 'NONE') <> coalesce(nullif(nullif(c.state, 'VOIDED'), 'DECLINED'), 'NONE')",
    ),
    (
        "what is given back is what refunds say",
        "SELECT p.order_id, format('%s refunded, refunds of %s', p.refunded_minor, coalesce(sum(r.amount_minor), 0))
        FROM payments p JOIN orders o ON o.id = p.order_id LEFT JOIN refunds r ON r.order_id = p.order_id AND r.state = 'SUCCEEDED'
        WHERE o.status = 'COMPLETED' GROUP BY p.order_id HAVING p.refunded_minor <> coalesce(sum(r.amount_minor), 0)",
    ),
    (
        "a refund is decided soon",
        "SELECT order_id, format('%s is PENDING since %s', id, created_at) FROM refunds WHERE state = 'PENDING' AND created_at < now() - $3 * interval '1 ms'",
    ),
    (
        "no row fails by itself",
        "SELECT row_id, format('%s: failed %s times since %s: %s', loop, attempts, date_trunc('second', since), error) FROM failing_rows",
    ),
    (
        "money is charged for orders only",
        "SELECT e.idempotency_key, 'charged, but there is no such order' FROM sandbox.entries e
        LEFT JOIN orders o ON o.id = e.idempotency_key WHERE o.id IS NULL",
    ),
    (
        "every change is in the history",
        "SELECT o.id, format('%s, last in the history %s', o.status, coalesce(h.status, 'nothing'))
        FROM orders o LEFT JOIN LATERAL (SELECT status FROM order_history WHERE order_id = o.id ORDER BY version DESC LIMIT 1) h ON true
        WHERE h.status IS DISTINCT FROM o.status",
    ),
    (
        "the customer is told how the order ended",
        "SELECT o.id, format('%s, but no notice of that is recorded', o.status) FROM orders o
        WHERE o.status = ANY ($2) AND o.updated_at < now() - interval '1 minute'
        AND NOT EXISTS (
            SELECT FROM notifications n WHERE n.order_id = o.id AND n.type = CASE
                WHEN o.status <> 'COMPLETED' THEN 'ORDER_' || o.status
                WHEN EXISTS (SELECT FROM shipments s WHERE s.order_id = o.id) THEN 'ORDER_DELIVERED' ELSE 'ORDER_CONFIRMED' END)",
    ),
];

/// An invariant where there is a topic.
const TOLD: (&str, &str) = (
    "other systems are told of every change",
    "SELECT order_id, format('%s at %s is not published', status, at) FROM order_history
    WHERE published_at IS NULL AND at < now() - interval '1 minute'",
);

/// Every breach; `told` says that other systems are to be told of orders, `stuck_after` how long something may take.
///
/// # Errors
/// When Postgres does not answer.
pub(super) async fn check(pool: &Pool, told: bool, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let mut findings = breaches(pool, told, stuck_after).await?;
    if !findings.is_empty() {
        // What a gateway or a carrier has on its books already is on its way into ours.
        tokio::time::sleep(SETTLE).await;
        let later = breaches(pool, told, stuck_after).await?;
        findings.retain(|finding| later.iter().any(|later| (later.invariant, &later.subject) == (finding.invariant, &finding.subject)));
    }
    Ok(findings)
}

/// Every breach, in one snapshot.
async fn breaches(pool: &Pool, told: bool, stuck_after: Duration) -> anyhow::Result<Vec<Finding>> {
    let mut client = db::connection(pool).await?;
    let mut snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    // A whole table is read here, which may take longer than a request may.
    snapshot.batch_execute("SET LOCAL statement_timeout = '10min'").await?;
    let names = |wanted: fn(&OrderStatus) -> bool| -> Vec<&str> {
        OrderStatus::ALL.iter().filter(|status| wanted(status)).map(|status| status.as_str()).collect()
    };
    let holding = names(|status| {
        use OrderStatus::{Completed, Delivered, Paid, Reserved, Shipped};
        matches!(status, Reserved | Paid | Shipped | Delivered | Completed)
    });
    let ended = names(|status| status.is_final());
    let mut findings = Vec::new();
    for (invariant, query) in INVARIANTS.iter().chain(told.then_some(&TOLD)) {
        // Every query gets all parameters, so that they share one call.
        let query = format!("WITH parameters AS (SELECT $1::text[], $2::text[], $3::bigint) {query}");
        let point = snapshot.savepoint("invariant").await?;
        match point.query(&query, &[&holding, &ended, &millis(stuck_after)]).await {
            Ok(rows) => {
                for row in rows {
                    findings.push(Finding { invariant, subject: row.try_get(0)?, detail: row.try_get(1)? });
                }
            }
            // A row with which this cannot be computed does not keep the other invariants from being checked.
            Err(error) if is_data_exception(&error) => {
                let detail = format!("cannot be checked: {}", error.as_db_error().map_or("", DbError::message));
                findings.push(Finding { invariant, subject: "every row".to_owned(), detail });
            }
            Err(error) => return Err(error.into()),
        }
        point.rollback().await?;
    }
    findings.extend(illegal_steps(&snapshot).await?);
    Ok(findings)
}

/// Whether a value is the reason (SQLSTATE class 22), such as a sum that is out of range.
fn is_data_exception(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| code.code().starts_with("22"))
}

/// Steps in the histories that the transition table does not know.
async fn illegal_steps(snapshot: &deadpool_postgres::Transaction<'_>) -> anyhow::Result<Vec<Finding>> {
    let rows = snapshot
        .query(
            "SELECT order_id, was, status FROM (
                SELECT order_id, status, lag(status) OVER (PARTITION BY order_id ORDER BY version) AS was FROM order_history
            ) h WHERE coalesce(was, '') || '>' || status <> ALL ($1)",
            &[&legal_steps()],
        )
        .await?;
    rows.iter()
        .map(|row| {
            let (was, is): (Option<String>, String) = (row.try_get(1)?, row.try_get(2)?);
            let detail = format!("went from {} to {is}", was.as_deref().unwrap_or("nothing"));
            Ok(Finding { invariant: "only legal transitions", subject: row.try_get(0)?, detail })
        })
        .collect()
}

fn legal_steps() -> Vec<String> {
    let first = format!(">{}", OrderStatus::Pending);
    orders::status::TRANSITIONS.iter().map(|(from, to)| format!("{from}>{to}")).chain([first]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_begins_pending_and_moves_as_the_table_says() {
        let steps = legal_steps();
        for step in [">PENDING", "PENDING>RESERVED", "PAID>COMPLETED"] {
            assert!(steps.contains(&step.to_owned()), "{step}");
        }
        assert!(!steps.contains(&"COMPLETED>CANCELLED".to_owned()));
    }
}
