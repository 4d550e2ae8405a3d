//! Lists of orders, sorted by the time of creation and returned page by page. A list contains the
//! orders of one customer, or the orders of all customers with one status.
//!
//! The cursor contains the key of the last order of a page and the name of its list. So paging
//! stays correct while new orders arrive, and a cursor is accepted only for its own list. It is
//! opaque to clients.

use super::{Error, ORDER_KEY, ReadModel, StoredOrder, Unreadable, key, readable, stored_order, text};
use aws_sdk_dynamodb::{
    operation::query::builders::QueryFluentBuilder,
    types::{AttributeValue, KeysAndAttributes},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use orders::{OrderId, OrderStatus};
use std::collections::HashMap;

/// The index of orders by customer and creation time. It contains whole orders.
const OF_CUSTOMER: &str = "customer-created";
/// The index of orders by status and creation time. It contains only keys.
const OF_STATUS: &str = "status-created";

/// The number of a customer's orders that one call to DynamoDB reads and filters by status. It is
/// large enough to justify a call, and far below the size limit of one response.
const FILTERED: i32 = 300;
/// The maximum number of calls to DynamoDB for one page of a customer's orders.
const CALLS: usize = 5;

/// A request for one page of a list.
#[derive(Clone, Debug)]
pub struct PageRequest {
    pub list: List,
    pub sort: Sort,
    /// The maximum number of orders in the page; at most 100.
    pub limit: usize,
    pub cursor: Option<Cursor>,
}

#[derive(Clone, Debug)]
pub enum List {
    /// The orders of a customer: all of them, or those with this status.
    OfCustomer { customer_id: String, status: Option<OrderStatus> },
    /// The orders of all customers that have this status.
    OfStatus(OrderStatus),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Newest,
    Oldest,
}

/// The text is not the name of a sort order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is neither newest nor oldest")]
pub struct BadSort;

impl std::str::FromStr for Sort {
    type Err = BadSort;

    fn from_str(text: &str) -> Result<Self, BadSort> {
        match text {
            "newest" => Ok(Self::Newest),
            "oldest" => Ok(Self::Oldest),
            _ => Err(BadSort),
        }
    }
}

/// A page of orders, and the cursor of the next page if there may be more. A page that is not the
/// last may have fewer orders than the limit, or none. The reason is that the search for a rare
/// status in thousands of orders stops after a few calls, so that no client waits for it.
#[derive(Clone, Debug)]
pub struct Page {
    pub orders: Vec<StoredOrder>,
    pub next: Option<String>,
}

impl PageRequest {
    /// Whether the cursor belongs to this list. True if there is no cursor.
    #[must_use]
    pub fn continues(&self) -> bool {
        self.cursor.as_ref().is_none_or(|cursor| cursor.list == self.list_name())
    }

    /// A name that identifies the list. It is unambiguous, because ids and statuses contain no
    /// spaces.
    fn list_name(&self) -> String {
        let sort = match self.sort {
            Sort::Newest => "newest",
            Sort::Oldest => "oldest",
        };
        match &self.list {
            List::OfCustomer { customer_id, status: None } => format!("{sort} of {customer_id}"),
            List::OfCustomer { customer_id, status: Some(status) } => format!("{sort} {status} of {customer_id}"),
            List::OfStatus(status) => format!("{sort} {status}"),
        }
    }

    fn cursor_at(&self, key: Key) -> Cursor {
        Cursor { key, list: self.list_name() }
    }
}

/// A position in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    key: Key,
    /// The name of the list.
    list: String,
}

/// The position of an order in every index.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    id: OrderId,
    created_at: String,
}

/// The text is not a cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a cursor of this list")]
pub struct BadCursor;

impl std::str::FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadCursor)?;
        let text = String::from_utf8(bytes).map_err(|_| BadCursor)?;
        let (id, rest) = text.split_once(' ').ok_or(BadCursor)?;
        let (created_at, list) = rest.split_once(' ').ok_or(BadCursor)?;
        let well_formed = created_at.len() == 24 && created_at.bytes().all(|b| b.is_ascii_digit() || b"-T:.Z".contains(&b));
        if !well_formed {
            return Err(BadCursor);
        }
        let key = Key { id: id.parse().map_err(|_| BadCursor)?, created_at: created_at.to_owned() };
        Ok(Self { key, list: list.to_owned() })
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(format!("{} {} {}", self.key.id, self.key.created_at, self.list)))
    }
}

impl ReadModel {
    /// Reads one page of a list of orders.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn orders(&self, request: PageRequest) -> Result<Page, Error> {
        match &request.list {
            List::OfCustomer { customer_id, status } => self.orders_of_customer(&request, customer_id, *status).await,
            List::OfStatus(status) => self.orders_of_status(&request, *status).await,
        }
    }

    async fn orders_of_customer(&self, request: &PageRequest, customer_id: &str, status: Option<OrderStatus>) -> Result<Page, Error> {
        let mut orders = Vec::new();
        let mut start = request.cursor.as_ref().map(|cursor| start_key(cursor, "customerID", customer_id));
        for _ in 0..CALLS {
            let mut query = self
                .query(OF_CUSTOMER, request.sort, start)
                .key_condition_expression("customerID = :customer")
                .expression_attribute_values(":customer", AttributeValue::S(customer_id.to_owned()));
            query = match status {
                // DynamoDB applies the filter after the limit.
                Some(status) => query
                    .limit(FILTERED)
                    .filter_expression("#status = :status")
                    .expression_attribute_names("#status", "status")
                    .expression_attribute_values(":status", AttributeValue::S(status.to_string())),
                None => query.limit(one_more(request.limit - orders.len())),
            };
            let answer = query.send().await.map_err(Error::from_sdk)?;
            for mut item in answer.items.unwrap_or_default() {
                if orders.len() == request.limit {
                    let next = orders.last().map(|(_, key): &(StoredOrder, Key)| request.cursor_at(key.clone()).to_string());
                    return Ok(Page { orders: without_keys(orders), next });
                }
                let created_at = text(&mut item, "createdAt")?;
                // An order that cannot be read is left out, and the others are listed.
                let Some(order) = readable_order(item) else { continue };
                let key = Key { id: order.id, created_at };
                orders.push((order, key));
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(Page { orders: without_keys(orders), next: None });
            }
        }
        let next = start.map(key_of).transpose()?.map(|key| request.cursor_at(key).to_string());
        Ok(Page { orders: without_keys(orders), next })
    }

    async fn orders_of_status(&self, request: &PageRequest, status: OrderStatus) -> Result<Page, Error> {
        let start = request.cursor.as_ref().map(|cursor| start_key(cursor, "status", status.as_str()));
        let answer = self
            .query(OF_STATUS, request.sort, start)
            .key_condition_expression("#status = :status")
            .expression_attribute_names("#status", "status")
            .expression_attribute_values(":status", AttributeValue::S(status.to_string()))
            // 101 keys are far below the size limit of one response.
            .limit(one_more(request.limit))
            .send()
            .await
            .map_err(Error::from_sdk)?;
        let items = answer.items.unwrap_or_default();
        // Count before filtering: a key that cannot be read must not end the list.
        let has_more = items.len() > request.limit;
        let mut keys = items.into_iter().filter_map(readable_key).collect::<Vec<_>>();
        keys.truncate(request.limit);
        let next = keys.last().filter(|_| has_more).map(|key| request.cursor_at(key.clone()).to_string());
        let mut found = self.orders_by_id(keys.iter().map(|key| key.id)).await?;
        // The index may be out of date. Leave out orders whose status has changed since.
        let orders = keys.iter().filter_map(|key| found.remove(&key.id)).filter(|order| order.status == status).collect();
        Ok(Page { orders, next })
    }

    /// Reads the orders with these ids, at most 100, each once. Ids without an order are left out.
    async fn orders_by_id(&self, ids: impl Iterator<Item = OrderId>) -> Result<HashMap<OrderId, StoredOrder>, Error> {
        let mut keys: Vec<_> = ids.map(|id| HashMap::from([("id".to_owned(), AttributeValue::S(id.to_string()))])).collect();
        let mut found = HashMap::new();
        // DynamoDB may return only some of the items. The rest needs another call.
        while !keys.is_empty() {
            let table = self.settings.orders_table.clone();
            let asked = KeysAndAttributes::builder().set_keys(Some(keys)).build().map_err(Error::item)?;
            let answer = self.dynamodb.batch_get_item().request_items(&table, asked).send().await.map_err(Error::from_sdk)?;
            for item in answer.responses.unwrap_or_default().remove(&table).unwrap_or_default() {
                if let Some(order) = readable_order(item) {
                    found.insert(order.id, order);
                }
            }
            keys = answer.unprocessed_keys.unwrap_or_default().remove(&table).map(|left| left.keys).unwrap_or_default();
        }
        Ok(found)
    }

    fn query(&self, index: &str, sort: Sort, start: Option<HashMap<String, AttributeValue>>) -> QueryFluentBuilder {
        let query = self.dynamodb.query().table_name(&self.settings.orders_table).index_name(index);
        query.scan_index_forward(sort == Sort::Oldest).set_exclusive_start_key(start)
    }
}

/// The limit to give DynamoDB: one order more than asked for, which shows whether there is another
/// page.
fn one_more(limit: usize) -> i32 {
    i32::try_from(limit + 1).unwrap_or(i32::MAX)
}

/// Returns the key of an index's item if it can be read. Otherwise logs an error that names the
/// item.
fn readable_key(item: HashMap<String, AttributeValue>) -> Option<Key> {
    let id = key(&item, ORDER_KEY);
    readable(key_of(item).map_err(|error| Unreadable { id, error }))
}

fn readable_order(item: HashMap<String, AttributeValue>) -> Option<StoredOrder> {
    let id = key(&item, ORDER_KEY);
    readable(stored_order(item).map_err(|error| Unreadable { id, error }))
}

fn key_of(mut key: HashMap<String, AttributeValue>) -> Result<Key, Error> {
    let id = text(&mut key, "id")?.parse().map_err(Error::item)?;
    Ok(Key { id, created_at: text(&mut key, "createdAt")? })
}

fn without_keys(orders: Vec<(StoredOrder, Key)>) -> Vec<StoredOrder> {
    orders.into_iter().map(|(order, _)| order).collect()
}

/// The key at which a query continues. `partition` is the name of the index's partition key.
fn start_key(cursor: &Cursor, partition: &str, value: &str) -> HashMap<String, AttributeValue> {
    HashMap::from([
        ("id".to_owned(), AttributeValue::S(cursor.key.id.to_string())),
        ("createdAt".to_owned(), AttributeValue::S(cursor.key.created_at.clone())),
        (partition.to_owned(), AttributeValue::S(value.to_owned())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key { id: "ord_01930000000070008000000000000001".parse().unwrap(), created_at: "2026-11-21T09:00:00.123Z".to_owned() }
    }

    #[test]
    fn a_cursor_reads_back_and_nothing_else_does() {
        let cursor = Cursor { key: key(), list: "newest of CUST-1".to_owned() };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
        let id = "ord_01930000000070008000000000000001";
        for text in ["", "x", "b3JkXzAx", &URL_SAFE_NO_PAD.encode(format!("{id} yesterday x")), &URL_SAFE_NO_PAD.encode(id)] {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }

    #[test]
    fn a_cursor_continues_its_own_list_alone() {
        let of = |customer_id: &str, status| List::OfCustomer { customer_id: customer_id.to_owned(), status };
        let (paid, failed) = (Some(OrderStatus::Paid), Some(OrderStatus::Failed));
        let lists = [
            of("CUST-1", None),
            of("CUST-2", None),
            of("CUST-1", paid),
            of("CUST-1", failed),
            List::OfStatus(OrderStatus::Paid),
            List::OfStatus(OrderStatus::Failed),
            // These customer ids resemble the names of other lists, but the names stay distinct.
            of("PAID", None),
            of("of", paid),
        ];
        let requests = lists
            .iter()
            .flat_map(|list| [Sort::Newest, Sort::Oldest].map(|sort| PageRequest { list: list.clone(), sort, limit: 1, cursor: None }));
        let requests: Vec<_> = requests.collect();
        for (made_for, from) in requests.iter().enumerate() {
            let cursor: Cursor = from.cursor_at(key()).to_string().parse().unwrap();
            for (asked, request) in requests.iter().enumerate() {
                let request = PageRequest { cursor: Some(cursor.clone()), ..request.clone() };
                assert_eq!(request.continues(), asked == made_for, "{from:?} and {request:?}");
            }
        }
        assert!(requests.iter().all(PageRequest::continues));
    }
}
