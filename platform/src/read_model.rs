//! The read model in DynamoDB: orders and products as readers see them.
//!
//! An item holds the whole document as JSON text (`doc`), so a read returns it without building it
//! again. Its other attributes serve keys, filters and conditions. A write takes effect only if its
//! version is newer than the stored one. So projections may be repeated, late or out of order.

mod catalogue;
mod history;
mod listing;
mod operations;

use crate::{
    error::{BoxError, chain},
    trace::OrderTrace,
};
use aws_sdk_dynamodb::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{delete_item::DeleteItemError, put_item::PutItemError},
    types::AttributeValue,
};
pub use history::{BadPeriod, Bucket, BucketNumber, Durations, Period, Revenue, StoredBucket, Waiting};
pub use listing::{BadCursor, BadSort, Cursor, List, Page, PageRequest, Sort};
pub use operations::{Attention, AttentionGroup, AttentionItem, Operations};
use orders::{OrderId, OrderStatus, OrderView, ProductView, rfc3339};
use serde::Serialize;
use std::{collections::HashMap, fmt};
use time::OffsetDateTime;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "read-model")]
pub struct Settings {
    /// Name of the DynamoDB table of orders.
    #[arg(long, env = "ORDERS_TABLE")]
    pub orders_table: String,
    /// Name of the DynamoDB table of products.
    #[arg(long, env = "PRODUCTS_TABLE")]
    pub products_table: String,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// DynamoDB could not be reached or did not do what was asked. Other items would fail, too.
    #[error("DynamoDB does not do what the read model asks")]
    Away(#[source] BoxError),
    /// This item cannot be read or will never be accepted. Other items are not affected.
    #[error("an item of the read model is not valid")]
    Item(#[source] BoxError),
}

impl Error {
    fn from_sdk<E: std::error::Error + Send + Sync + 'static>(error: SdkError<E>) -> Self {
        Self::Away(error.into())
    }

    fn from_put(error: SdkError<PutItemError>) -> Self {
        // Errors of the table or of the role concern every item. A validation error concerns only
        // this item.
        let is_of_item = matches!(&error, SdkError::ConstructionFailure(_)) || error.code() == Some("ValidationException");
        if is_of_item { Self::Item(error.into()) } else { Self::Away(error.into()) }
    }

    fn item(error: impl Into<BoxError>) -> Self {
        Self::Item(error.into())
    }

    /// Whether the failure concerns only this item.
    #[must_use]
    pub fn is_of_item(&self) -> bool {
        matches!(self, Self::Item(_))
    }
}

/// An item that cannot be read, and why.
#[derive(Debug)]
pub struct Unreadable {
    /// The key of the item.
    pub id: String,
    pub error: Error,
}

#[derive(Clone, Debug)]
pub struct ReadModel {
    dynamodb: Client,
    settings: Settings,
}

/// An order's status as stored. A newer release may have written a status that this release does
/// not know. Such a status is returned unchanged and counts as not final.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ReadStatus(String);

impl ReadStatus {
    #[must_use]
    pub fn known(&self) -> Option<OrderStatus> {
        self.0.parse().ok()
    }

    #[must_use]
    pub fn is_final(&self) -> bool {
        self.known().is_some_and(OrderStatus::is_final)
    }

    /// Whether a request to cancel may be sent to the order's workflow, which then decides. True
    /// for an unknown status.
    #[must_use]
    pub fn may_be_cancelled(&self) -> bool {
        self.known().is_none_or(OrderStatus::may_be_cancelled)
    }
}

impl From<OrderStatus> for ReadStatus {
    fn from(status: OrderStatus) -> Self {
        Self(status.to_string())
    }
}

impl PartialEq<OrderStatus> for ReadStatus {
    fn eq(&self, status: &OrderStatus) -> bool {
        self.0 == status.as_str()
    }
}

impl fmt::Display for ReadStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An order as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    pub id: OrderId,
    pub customer_id: String,
    pub status: ReadStatus,
    pub version: i64,
    /// The JSON of an [`OrderView`].
    pub json: String,
}

/// A product as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProduct {
    pub id: String,
    pub version: i64,
    /// The JSON of a [`ProductView`].
    pub json: String,
}

/// The key attributes of the two tables.
const ORDER_KEY: &str = "id";
const PRODUCT_KEY: &str = "productID";
/// The attribute with the trace context of an order.
const TRACE: &str = "traceparent";
/// The maximum size of an item in DynamoDB, in bytes.
const ITEM_BYTES: usize = 400 * 1024;

impl ReadModel {
    #[must_use]
    pub fn new(dynamodb: Client, settings: Settings) -> Self {
        Self { dynamodb, settings }
    }

    /// Stores an order with its trace context, unless the read model already has this version or a
    /// newer one. Returns whether it was stored.
    ///
    /// # Errors
    /// Fails with [`Error::Item`] if this order can never be stored, and with [`Error::Away`] if
    /// DynamoDB does not accept it now.
    pub async fn put_order(&self, order: &OrderView, trace: &OrderTrace) -> Result<bool, Error> {
        let mut item = HashMap::from([
            ("id".to_owned(), AttributeValue::S(order.id.to_string())),
            ("customerID".to_owned(), AttributeValue::S(order.customer_id.clone())),
            ("createdAt".to_owned(), AttributeValue::S(sortable(order.created_at)?)),
            ("status".to_owned(), AttributeValue::S(order.status.to_string())),
            ("version".to_owned(), AttributeValue::N(order.version.to_string())),
            ("doc".to_owned(), AttributeValue::S(json(order)?)),
        ]);
        if let Some(trace) = trace.text() {
            item.insert(TRACE.to_owned(), AttributeValue::S(trace));
        }
        self.put_newer(&self.settings.orders_table, item, order.version).await
    }

    /// Stores a product, unless the read model already has this version or a newer one. Returns
    /// whether it was stored.
    ///
    /// # Errors
    /// As for [`Self::put_order`].
    pub async fn put_product(&self, product: &ProductView, version: i64) -> Result<bool, Error> {
        let item = HashMap::from([
            ("productID".to_owned(), AttributeValue::S(product.product_id.clone())),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("doc".to_owned(), AttributeValue::S(json(product)?)),
        ]);
        self.put_newer(&self.settings.products_table, item, version).await
    }

    /// Reads an order. Returns `None` if there is no order with this id.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the item cannot be read.
    pub async fn order(&self, id: OrderId) -> Result<Option<StoredOrder>, Error> {
        let found = self
            .dynamodb
            .get_item()
            .table_name(&self.settings.orders_table)
            .key("id", AttributeValue::S(id.to_string()))
            .consistent_read(true)
            .send()
            .await
            .map_err(Error::from_sdk)?;
        found.item.map(stored_order).transpose()
    }

    /// Reads the trace context of an order.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn order_trace(&self, id: OrderId) -> Result<OrderTrace, Error> {
        let key = AttributeValue::S(id.to_string());
        let read = self.dynamodb.get_item().table_name(&self.settings.orders_table).key(ORDER_KEY, key).consistent_read(true);
        let found = read.projection_expression(TRACE).send().await.map_err(Error::from_sdk)?;
        let stored = found.item.as_ref().and_then(|item| item.get(TRACE)?.as_s().ok());
        Ok(OrderTrace::stored(stored.map(String::as_str)))
    }

    /// Reads the whole catalogue, sorted by product id. Products that cannot be read are left out,
    /// and the log names them.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn products(&self) -> Result<Vec<StoredProduct>, Error> {
        let mut products: Vec<_> = self.all_products().await?.into_iter().filter_map(readable).collect();
        products.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        Ok(products)
    }

    /// Reads every product in the read model, in no particular order. A product that cannot be read
    /// is an [`Unreadable`] in the list.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn all_products(&self) -> Result<Vec<Result<StoredProduct, Unreadable>>, Error> {
        let mut pages = self.dynamodb.scan().table_name(&self.settings.products_table).into_paginator().items().send();
        let mut products = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(Error::from_sdk)?;
            let id = key(&item, PRODUCT_KEY);
            products.push(stored_product(item).map_err(|error| Unreadable { id, error }));
        }
        Ok(products)
    }

    /// Reads every order in the read model, in no particular order. An order that cannot be read is
    /// an [`Unreadable`] in the list. This reads the whole table, so use it for audits, not for
    /// requests.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn all_orders(&self) -> Result<Vec<Result<StoredOrder, Unreadable>>, Error> {
        let mut pages = self.dynamodb.scan().table_name(&self.settings.orders_table).consistent_read(true).into_paginator().items().send();
        let mut orders = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(Error::from_sdk)?;
            if !operations::is_it(&item) {
                let id = key(&item, ORDER_KEY);
                orders.push(stored_order(item).map_err(|error| Unreadable { id, error }));
            }
        }
        Ok(orders)
    }

    /// Reads the version of every order in the read model, by order id. It does not read the
    /// documents. The version is `None` if the item has no valid one.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer.
    pub async fn order_versions(&self) -> Result<HashMap<String, Option<i64>>, Error> {
        let scan = self.dynamodb.scan().table_name(&self.settings.orders_table).consistent_read(true);
        let mut pages = scan.projection_expression("id, version").into_paginator().items().send();
        let mut versions = HashMap::new();
        while let Some(item) = pages.next().await {
            let mut item = item.map_err(Error::from_sdk)?;
            if !operations::is_it(&item) {
                versions.insert(key(&item, ORDER_KEY), number(&mut item, "version").ok());
            }
        }
        Ok(versions)
    }

    /// Removes the item of an order, so that the order can be stored again.
    ///
    /// # Errors
    /// Fails if DynamoDB does not remove it.
    pub async fn remove_order(&self, id: &str) -> Result<(), Error> {
        let remove = self.dynamodb.delete_item().table_name(&self.settings.orders_table).key(ORDER_KEY, AttributeValue::S(id.to_owned()));
        remove.send().await.map(|_| ()).map_err(Error::from_sdk)
    }

    /// Removes the item of a product, unless its version is newer than `up_to`. With `None`, it
    /// removes any version.
    ///
    /// # Errors
    /// Fails if DynamoDB does not remove it.
    pub async fn remove_product(&self, id: &str, up_to: Option<i64>) -> Result<(), Error> {
        let mut remove =
            self.dynamodb.delete_item().table_name(&self.settings.products_table).key(PRODUCT_KEY, AttributeValue::S(id.to_owned()));
        if let Some(version) = up_to {
            remove = remove
                .condition_expression("attribute_not_exists(version) OR version <= :version")
                .expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        }
        match remove.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(DeleteItemError::is_conditional_check_failed_exception) => Ok(()),
            Err(error) => Err(Error::from_sdk(error)),
        }
    }

    /// Checks that DynamoDB answers and that the table of orders exists.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the table does not exist.
    pub async fn ping(&self) -> Result<(), Error> {
        let table = self.dynamodb.describe_table().table_name(&self.settings.orders_table);
        table.send().await.map(|_| ()).map_err(Error::from_sdk)
    }

    async fn put_newer(&self, table: &str, item: HashMap<String, AttributeValue>, version: i64) -> Result<bool, Error> {
        let bytes = item_bytes(&item);
        if bytes > ITEM_BYTES {
            return Err(Error::item(format!("an item of {bytes} bytes is larger than the {ITEM_BYTES} that DynamoDB takes")));
        }
        let put = self
            .dynamodb
            .put_item()
            .table_name(table)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(version) OR version < :version")
            .expression_attribute_values(":version", AttributeValue::N(version.to_string()));
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error) if error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception) => Ok(false),
            Err(error) => Err(Error::from_put(error)),
        }
    }
}

fn stored_order(mut item: HashMap<String, AttributeValue>) -> Result<StoredOrder, Error> {
    Ok(StoredOrder {
        id: text(&mut item, ORDER_KEY)?.parse().map_err(Error::item)?,
        customer_id: text(&mut item, "customerID")?,
        status: ReadStatus(text(&mut item, "status")?),
        version: number(&mut item, "version")?,
        json: text(&mut item, "doc")?,
    })
}

fn stored_product(mut item: HashMap<String, AttributeValue>) -> Result<StoredProduct, Error> {
    Ok(StoredProduct { id: text(&mut item, PRODUCT_KEY)?, version: number(&mut item, "version")?, json: text(&mut item, "doc")? })
}

/// Returns the item if it can be read. Otherwise logs an error that names the item.
fn readable<T>(stored: Result<T, Unreadable>) -> Option<T> {
    stored.inspect_err(|Unreadable { id, error }| tracing::error!(id, cause = chain(error), "{id} is left out: it cannot be read")).ok()
}

/// The key of an item as text, so that people can find the item. Empty if it has none.
fn key(item: &HashMap<String, AttributeValue>, name: &str) -> String {
    item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default()
}

/// The size of an item in bytes as DynamoDB counts it: attribute names and values.
fn item_bytes(item: &HashMap<String, AttributeValue>) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.len(),
        _ => 0,
    };
    item.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

fn text(item: &mut HashMap<String, AttributeValue>, name: &str) -> Result<String, Error> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Error::item(format!("an item lacks {name}"))),
    }
}

fn number(item: &mut HashMap<String, AttributeValue>, name: &str) -> Result<i64, Error> {
    match item.remove(name) {
        Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| Error::item(format!("an item has a bad {name}"))),
        _ => Err(Error::item(format!("an item lacks {name}"))),
    }
}

fn json<T: Serialize>(view: &T) -> Result<String, Error> {
    serde_json::to_string(view).map_err(Error::item)
}

/// The time in UTC with milliseconds, at a fixed width, so that the index sorts by time.
fn sortable(at: OffsetDateTime) -> Result<String, Error> {
    rfc3339::text(at).map_err(Error::item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_of_a_newer_release_is_passed_on_and_taken_for_an_open_one() {
        let item = ["id", "customerID", "status", "doc"].map(|name| {
            let value = if name == "id" { "ord_01930000000070008000000000000001" } else { "PARTLY_SHIPPED" };
            (name.to_owned(), AttributeValue::S(value.to_owned()))
        });
        let version = ("version".to_owned(), AttributeValue::N("3".to_owned()));
        let order = stored_order(item.into_iter().chain([version]).collect()).unwrap();
        assert_eq!(order.status.to_string(), "PARTLY_SHIPPED");
        assert_eq!((order.status.known(), order.status.is_final(), order.status.may_be_cancelled()), (None, false, true));
        assert_ne!(order.status, OrderStatus::Shipped);
        assert!(ReadStatus::from(OrderStatus::Failed).is_final() && !ReadStatus::from(OrderStatus::Shipped).may_be_cancelled());
    }
}
