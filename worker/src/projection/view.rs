//! Reads orders and products from Postgres as readers see them.

mod shipments;

use crate::{failing, inventory::currency};
use deadpool_postgres::GenericClient;
use orders::{
    Currency, Money, OrderStatus, OrderView, ProductView,
    activities::LineItem,
    view::{CancellationStatus, CancellationView, ItemView, NotificationView, PaymentView, RefundView, StatusChange},
};
use time::OffsetDateTime;
use tokio_postgres::Row;

/// What an order's item shows at most, of what can grow: the newest of each. An item of DynamoDB holds 400 KB.
const REFUNDS_SHOWN: i64 = 20;
const HISTORY_SHOWN: i64 = 100;
const NOTICES_SHOWN: i64 = 50;
const SHIPMENTS_SHOWN: i64 = 100;
/// Bytes of a text that people or other systems wrote.
const TEXT_BYTES: usize = 1_000;

/// A text, cut off where it is longer than an item has room for.
fn within(text: Option<String>) -> Option<String> {
    text.map(|mut text| {
        text.truncate(text.floor_char_boundary(TEXT_BYTES));
        text
    })
}

/// A row as readers see it, or why it cannot be read.
pub(crate) struct Loaded<T> {
    pub(crate) id: String,
    pub(crate) view: anyhow::Result<T>,
}

/// The orders of these ids, in no order; ids that are not on record are left out.
///
/// # Errors
/// When Postgres does not answer. That a row cannot be read is no error of the others.
pub(crate) async fn load_orders(client: &impl GenericClient, ids: &[String]) -> anyhow::Result<Vec<Loaded<OrderView>>> {
    let statement = client
        .prepare_cached(&format!(
            "SELECT o.id, o.customer_id, o.status, o.failure_reason, o.currency, o.total_minor, o.version, o.created_at, o.updated_at,
                p.status, p.amount_minor, i.products, i.quantities, i.prices, h.statuses, h.times, p.refunded_minor,
                r.ids, r.states, r.amounts, r.reasons, r.failures, r.times, o.compensating_since IS NOT NULL, i.available, i.ordered,
                n.types AS notice_types, n.channels AS notice_channels, n.times AS notice_times,
                CASE WHEN o.status = $2 THEN (SELECT reason FROM reviews WHERE order_id = o.id) END AS review_reason,
                o.cancel_refused_at, r.total AS refund_count, {}
            FROM orders o
            LEFT JOIN payments p ON p.order_id = o.id
            CROSS JOIN LATERAL (
                SELECT array_agg(product_id ORDER BY line) AS products, array_agg(quantity ORDER BY line) AS quantities,
                    array_agg(unit_price_minor ORDER BY line) AS prices, array_agg(available ORDER BY line) AS available,
                    array_agg(ordered ORDER BY line) AS ordered
                FROM order_items WHERE order_id = o.id
            ) i
            CROSS JOIN LATERAL (
                SELECT array_agg(status ORDER BY version) AS statuses, array_agg(at ORDER BY version) AS times
                FROM (SELECT * FROM order_history WHERE order_id = o.id ORDER BY version DESC LIMIT {HISTORY_SHOWN}) h
            ) h
            CROSS JOIN LATERAL (
                SELECT array_agg(id ORDER BY requested_at, id) AS ids, array_agg(state ORDER BY requested_at, id) AS states,
                    array_agg(amount_minor ORDER BY requested_at, id) AS amounts, array_agg(reason ORDER BY requested_at, id) AS reasons,
                    array_agg(failure_reason ORDER BY requested_at, id) AS failures, array_agg(requested_at ORDER BY requested_at, id) AS times,
                    max(total) AS total
                FROM (
                    SELECT *, count(*) OVER () AS total FROM refunds WHERE order_id = o.id
                    ORDER BY state = 'PENDING' DESC, requested_at DESC, id DESC LIMIT {REFUNDS_SHOWN}
                ) r
            ) r
            CROSS JOIN LATERAL (
                SELECT array_agg(type ORDER BY created_at, type, channel) AS types, array_agg(channel ORDER BY created_at, type, channel) AS channels,
                    array_agg(date_trunc('milliseconds', created_at) ORDER BY created_at, type, channel) AS times
                FROM (
                    SELECT * FROM notifications WHERE order_id = o.id AND channel <> 'NONE' ORDER BY created_at DESC, type, channel LIMIT {NOTICES_SHOWN}
                ) n
            ) n
            {}
            WHERE o.id = ANY ($1)",
            shipments::COLUMNS,
            shipments::source()
        ))
        .await?;
    loaded(&client.query(&statement, &[&ids, &OrderStatus::InReview.as_str()]).await?, order)
}

/// Reads each row by itself; the first column is its id.
fn loaded<T>(rows: &[Row], read: impl Fn(&Row) -> anyhow::Result<T>) -> anyhow::Result<Vec<Loaded<T>>> {
    rows.iter().map(|row| Ok(Loaded { id: row.try_get(0)?, view: read(row) })).collect()
}

fn order(row: &Row) -> anyhow::Result<OrderView> {
    let currency = currency(row.try_get(4)?)?;
    let (payment_status, amount): (Option<String>, Option<i64>) = (row.try_get(9)?, row.try_get(10)?);
    let (products, quantities, prices): (Vec<String>, Vec<i32>, Vec<i64>) = (row.try_get(11)?, row.try_get(12)?, row.try_get(13)?);
    let (available, ordered): (Vec<Option<i32>>, Vec<Option<i32>>) = (row.try_get(24)?, row.try_get(25)?);
    let (statuses, times): (Vec<String>, Vec<OffsetDateTime>) = (row.try_get(14)?, row.try_get(15)?);
    let refunded: Option<i64> = row.try_get(16)?;
    let status: OrderStatus = row.try_get::<_, &str>(2)?.parse()?;
    let asked = status == OrderStatus::ActionRequired;
    let lines = products.into_iter().zip(quantities).zip(prices).zip(available).zip(ordered);
    let history = statuses.iter().zip(times).map(|(status, at)| Ok(StatusChange { status: status.parse()?, at }));
    let mut view = OrderView {
        id: row.try_get::<_, &str>(0)?.parse()?,
        customer_id: row.try_get(1)?,
        status,
        failure_reason: within(row.try_get(3)?),
        review_reason: within(row.try_get("review_reason")?),
        currency,
        total_amount: Money { minor: row.try_get(5)?, currency },
        items: lines
            .map(|((((product_id, quantity), unit_price_minor), available), ordered_quantity)| {
                let line = ItemView::new(LineItem { product_id, quantity, unit_price_minor }, currency);
                ItemView { available: available.filter(|_| asked), ordered_quantity, ..line }
            })
            .collect(),
        payment: payment_status.zip(amount).map(|(status, amount)| PaymentView {
            status,
            amount: Money { minor: amount, currency },
            refunded_amount: refunded.filter(|minor| *minor > 0).map(|minor| Money { minor, currency }),
        }),
        compensating: !status.is_final() && row.try_get(23)?,
        cancellation: row
            .try_get::<_, Option<OffsetDateTime>>("cancel_refused_at")?
            .map(|at| CancellationView { status: CancellationStatus::TooLate, at }),
        refunds: refunds(row, currency)?,
        refund_count: row.try_get::<_, Option<i64>>("refund_count")?.filter(|count| *count > REFUNDS_SHOWN),
        shipments: shipments::shipments(row)?,
        notifications: notifications(row)?,
        history: history.collect::<anyhow::Result<_>>()?,
        queued: false,
        version: row.try_get(6)?,
        created_at: row.try_get(7)?,
        updated_at: row.try_get(8)?,
    };
    view.updated_at = view.last_change();
    Ok(view)
}

fn refunds(row: &Row, currency: Currency) -> anyhow::Result<Vec<RefundView>> {
    let Some(ids): Option<Vec<String>> = row.try_get(17)? else { return Ok(Vec::new()) };
    let (states, amounts): (Vec<String>, Vec<i64>) = (row.try_get(18)?, row.try_get(19)?);
    let (reasons, failures): (Vec<Option<String>>, Vec<Option<String>>) = (row.try_get(20)?, row.try_get(21)?);
    let times: Vec<OffsetDateTime> = row.try_get(22)?;
    let columns = ids.iter().zip(states).zip(amounts).zip(reasons).zip(failures).zip(times);
    columns
        .map(|(((((id, status), minor), reason), failure_reason), requested_at)| {
            let amount = Money { minor, currency };
            Ok(RefundView { id: id.parse()?, status, amount, reason: within(reason), failure_reason: within(failure_reason), requested_at })
        })
        .collect()
}

fn notifications(row: &Row) -> anyhow::Result<Vec<NotificationView>> {
    let Some(types): Option<Vec<String>> = row.try_get("notice_types")? else { return Ok(Vec::new()) };
    let (channels, times): (Vec<String>, Vec<OffsetDateTime>) = (row.try_get("notice_channels")?, row.try_get("notice_times")?);
    Ok(types.into_iter().zip(channels).zip(times).map(|((r#type, channel), at)| NotificationView { r#type, channel, at }).collect())
}

/// The products with their versions: all of them, or those that lag behind in the read model and are due.
///
/// # Errors
/// As [`load_orders`].
pub(crate) async fn load_products(client: &impl GenericClient, lagging_only: bool) -> anyhow::Result<Vec<Loaded<(ProductView, i64)>>> {
    let lagging = format!("WHERE projected_version < version AND {}", failing::is_due(failing::PROJECTION_PRODUCTS, "products.id"));
    let which = if lagging_only { &lagging } else { "" };
    let statement = format!("SELECT id, name, price_minor, currency, stock, version FROM products {which} ORDER BY id");
    let statement = client.prepare_cached(&statement).await?;
    loaded(&client.query(&statement, &[]).await?, product)
}

fn product(row: &Row) -> anyhow::Result<(ProductView, i64)> {
    let currency = currency(row.try_get(3)?)?;
    let product = ProductView {
        product_id: row.try_get(0)?,
        name: row.try_get(1)?,
        unit_price: Money { minor: row.try_get(2)?, currency },
        currency,
        in_stock: row.try_get::<_, i64>(4)? > 0,
    };
    Ok((product, row.try_get(5)?))
}
