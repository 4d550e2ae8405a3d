//! Reads orders and products from Postgres in the form in which readers see them.

mod shipments;

use crate::{
    order::parse_currency,
    sql::Client,
    sql::{Columns, Id, Rows, projection as sql},
};
use orders::{
    Currency, Money, OrderStatus, OrderView, ProductView,
    order::LineItem,
    view::{CancellationStatus, CancellationView, ItemView, NotificationView, PaymentView, RefundView, StatusChange},
};
use platform::trace::OrderTrace;
use tokio_postgres::Row;

/// How many refunds of an order are shown: pending ones first, then the newest
/// (worker/sql/projection/orders.sql).
const REFUNDS_SHOWN: i64 = 20;
/// The maximum length of a text that comes from people or other systems, in bytes. Longer texts are
/// cut.
const MAX_TEXT_BYTES: usize = 1_000;

/// Cuts a text to [`MAX_TEXT_BYTES`], because the size of a DynamoDB item is limited.
fn truncated(text: Option<String>) -> Option<String> {
    text.map(|mut text| {
        text.truncate(text.floor_char_boundary(MAX_TEXT_BYTES));
        text
    })
}

/// A row in the form in which readers see it, or why the row cannot be read.
pub(crate) struct Loaded<T> {
    pub(crate) id: String,
    pub(crate) view: anyhow::Result<T>,
}

/// Loads the orders with these ids and their trace contexts, in no particular order. Ids without
/// an order are left out.
///
/// # Errors
/// Fails if Postgres does not answer. A row that cannot be read is an error in the list only.
pub(crate) async fn load_orders(client: &dyn Client, ids: &[String]) -> anyhow::Result<Vec<Loaded<(OrderView, OrderTrace)>>> {
    let rows = sql::orders(client, ids, OrderStatus::InReview.as_str()).await?;
    read_each(&rows, |row| {
        let order = sql::Order::read(row)?;
        let trace = OrderTrace::stored(order.traceparent.as_deref());
        Ok((build_order_view(order)?, trace))
    })
}

/// Reads each row separately.
fn read_each<R, T>(rows: &Rows<(Id, R)>, read: impl Fn(&Row) -> anyhow::Result<T>) -> anyhow::Result<Vec<Loaded<T>>>
where
    R: Columns,
{
    rows.iter().map(|row| Ok(Loaded { id: Id::read(row)?.id, view: read(row) })).collect()
}

fn build_order_view(mut order: sql::Order) -> anyhow::Result<OrderView> {
    let currency = parse_currency(&order.currency)?;
    let status: OrderStatus = order.status.parse()?;
    let refunds = build_refund_views(&mut order, currency)?;
    let shipments = shipments::build_shipment_views(&mut order)?;
    let notifications = build_notification_views(&mut order);
    let awaits_customer = status == OrderStatus::ActionRequired;
    let lines = order.products.into_iter().zip(order.quantities).zip(order.prices).zip(order.available).zip(order.ordered);
    let history = order.statuses.iter().zip(order.times).map(|(status, at)| Ok(StatusChange { status: status.parse()?, at }));
    let payment = order.payment_status.zip(order.payment_amount).map(|(status, amount)| {
        let refunded_amount = order.payment_refunded.filter(|minor| *minor > 0).map(|minor| Money { minor, currency });
        anyhow::Ok(PaymentView { status: status.parse()?, amount: Money { minor: amount, currency }, refunded_amount })
    });
    let payment = payment.transpose()?;
    let mut view = OrderView {
        id: order.id.parse()?,
        customer_id: order.customer_id,
        status,
        failure_reason: truncated(order.failure_reason),
        review_reason: truncated(order.review_reason),
        currency,
        total_amount: Money { minor: order.total_minor, currency },
        items: lines
            .map(|((((product_id, quantity), unit_price_minor), available), ordered_quantity)| {
                let line = ItemView::new(LineItem { product_id, quantity, unit_price_minor }, currency);
                ItemView { available: available.filter(|_| awaits_customer), ordered_quantity, ..line }
            })
            .collect(),
        payment,
        compensating: !status.is_final() && order.is_compensating,
        cancellation: order.cancel_refused_at.map(|at| CancellationView { status: CancellationStatus::TooLate, at }),
        refunds,
        refund_count: order.refund_count.filter(|count| *count > REFUNDS_SHOWN),
        shipments,
        notifications,
        history: history.collect::<anyhow::Result<_>>()?,
        queued: false,
        version: order.version,
        created_at: order.created_at,
        updated_at: order.updated_at,
    };
    view.updated_at = view.last_change();
    Ok(view)
}

fn build_refund_views(order: &mut sql::Order, currency: Currency) -> anyhow::Result<Vec<RefundView>> {
    let (ids, states, amounts) = (order.refund_ids.take(), order.refund_states.take(), order.refund_amounts.take());
    let (reasons, failures, times) = (order.refund_reasons.take(), order.refund_failures.take(), order.refund_times.take());
    let columns = values_or_empty(ids)
        .zip(values_or_empty(states))
        .zip(values_or_empty(amounts))
        .zip(values_or_empty(reasons))
        .zip(values_or_empty(failures))
        .zip(values_or_empty(times));
    columns
        .map(|(((((id, status), minor), reason), failure_reason), requested_at)| {
            let amount = Money { minor, currency };
            let (reason, failure_reason) = (truncated(reason), truncated(failure_reason));
            Ok(RefundView { id: id.parse()?, status: status.parse()?, amount, reason, failure_reason, requested_at })
        })
        .collect()
}

fn build_notification_views(order: &mut sql::Order) -> Vec<NotificationView> {
    let (types, channels, times) = (order.notice_types.take(), order.notice_channels.take(), order.notice_times.take());
    let columns = values_or_empty(types).zip(values_or_empty(channels)).zip(values_or_empty(times));
    columns.map(|((r#type, channel), at)| NotificationView { r#type, channel, at }).collect()
}

/// The values of a column that `array_agg` made. `array_agg` returns NULL if there are no rows.
fn values_or_empty<T>(values: Option<Vec<T>>) -> impl Iterator<Item = T> {
    values.unwrap_or_default().into_iter()
}

/// Loads all products with their versions.
///
/// # Errors
/// Fails as [`load_orders`] does.
pub(crate) async fn load_products(client: &dyn Client) -> anyhow::Result<Vec<Loaded<(ProductView, i64)>>> {
    read_each(&sql::products(client).await?, |row| build_product_view(sql::Product::read(row)?))
}

/// Loads the products that lag behind in the read model, with their versions. Failing rows that are
/// not due are left out.
///
/// # Errors
/// Fails as [`load_orders`] does.
pub(crate) async fn load_lagging_products(client: &dyn Client) -> anyhow::Result<Vec<Loaded<(ProductView, i64)>>> {
    read_each(&sql::lagging_products(client).await?, |row| build_product_view(sql::Product::read(row)?))
}

fn build_product_view(product: sql::Product) -> anyhow::Result<(ProductView, i64)> {
    let currency = parse_currency(&product.currency)?;
    let view = ProductView {
        product_id: product.id,
        name: product.name,
        unit_price: Money { minor: product.price_minor, currency },
        currency,
        in_stock: product.stock > 0,
    };
    Ok((view, product.version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_refunds_are_read_as_are_shown() {
        let limit = format!("LIMIT {REFUNDS_SHOWN}\n    ) r\n");
        assert!(include_str!("../../sql/projection/orders.sql").contains(&limit), "{limit}");
    }
}
