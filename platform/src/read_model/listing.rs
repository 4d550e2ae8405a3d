//! A customer's orders, newest first, page by page.
//!
//! The cursor is the key of the last order of a page, so that paging stays right while new orders come in. It is opaque to clients and only
//! ever continues the list of the customer it was made for.

use super::{Error, ReadModel, StoredOrder, stored_order, text};
use aws_sdk_dynamodb::types::AttributeValue;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orders::{OrderId, OrderStatus};
use std::collections::HashMap;

/// The index customer → created.
const INDEX: &str = "customer-created";

/// What to list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    pub customer_id: String,
    /// Only orders of this status.
    pub status: Option<OrderStatus>,
    /// Orders a page.
    pub limit: usize,
    pub cursor: Option<Cursor>,
}

/// A page of orders, and where the next one starts if there may be more.
#[derive(Clone, Debug)]
pub struct Page {
    pub orders: Vec<StoredOrder>,
    pub next: Option<String>,
}

/// A place in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    id: OrderId,
    created_at: String,
}

/// The text is no cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct BadCursor;

impl std::str::FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
        let (id, created_at) = text.split_once(' ').ok_or(BadCursor)?;
        let well_formed = created_at.len() == 24 && created_at.bytes().all(|b| b.is_ascii_digit() || b"-T:.Z".contains(&b));
        if !well_formed {
            return Err(BadCursor);
        }
        Ok(Self { id: id.parse().map_err(|_| BadCursor)?, created_at: created_at.to_owned() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{} {}", self.id, self.created_at)))
    }
}

impl ReadModel {
    /// One page of a customer's orders.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
    pub async fn orders(&self, request: PageRequest) -> Result<Page, Error> {
        let mut orders = Vec::new();
        let mut start = request.cursor.as_ref().map(|cursor| start_key(cursor, &request.customer_id));
        loop {
            let mut query = self
                .dynamodb
                .query()
                .table_name(&self.settings.orders_table)
                .index_name(INDEX)
                .scan_index_forward(false)
                .key_condition_expression("customerID = :customer")
                .expression_attribute_values(":customer", AttributeValue::S(request.customer_id.clone()))
                .set_exclusive_start_key(start);
            query = match request.status {
                // A filter is applied after the limit, so a filtered page reads as far as it must.
                Some(status) => query
                    .filter_expression("#status = :status")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":status", AttributeValue::S(status.to_string())),
                None => query.limit(i32::try_from(request.limit - orders.len() + 1).unwrap_or(i32::MAX)),
            };
            let answer = query.send().await.map_err(Error::from_sdk)?;
            for mut item in answer.items.unwrap_or_default() {
                if orders.len() == request.limit {
                    let next = orders.last().map(|(_, cursor): &(StoredOrder, Cursor)| cursor.to_string());
                    return Ok(Page { orders: without_cursors(orders), next });
                }
                let created_at = text(&mut item, "createdAt")?;
                let order = stored_order(item)?;
                let cursor = Cursor { id: order.id, created_at };
                orders.push((order, cursor));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(Page { orders: without_cursors(orders), next: None });
            }
        }
    }
}

fn without_cursors(orders: Vec<(StoredOrder, Cursor)>) -> Vec<StoredOrder> {
    orders.into_iter().map(|(order, _)| order).collect()
}

fn start_key(cursor: &Cursor, customer_id: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("id".to_owned(), AttributeValue::S(cursor.id.to_string())),
        ("createdAt".to_owned(), AttributeValue::S(cursor.created_at.clone())),
        ("customerID".to_owned(), AttributeValue::S(customer_id.to_owned())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor =
            Cursor { id: "ord_01930000000070008000000000000001".parse().unwrap(), created_at: "2026-11-21T09:00:00.123Z".to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        for text in ["", "x", "b3JkXzAx", &URL_SAFE_NO_PAD.encode("ord_01930000000070008000000000000001 yesterday")] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
