//! The read model in DynamoDB: orders and products as readers see them.
//!
//! An item keeps the whole answer as JSON text (`doc`), so that a read hands it on without building it again, next to the attributes that keys,
//! filters and conditions need. A write takes effect only when it brings a newer version, so that projections may come twice, late or out of
//! order.

mod catalogue;
mod listing;
mod operations;

use aws_sdk_dynamodb::{
    Client,
    error::{DisplayErrorContext, SdkError},
    operation::put_item::PutItemError,
    types::AttributeValue,
};
pub use listing::{BadCursor, BadSort, Cursor, List, Page, PageRequest, Sort};
pub use operations::{Attention, AttentionGroup, AttentionItem, Operations};
use orders::{OrderId, OrderStatus, OrderView, ProductView, rfc3339};
use std::collections::HashMap;
use time::OffsetDateTime;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "read-model")]
pub struct Settings {
    /// Name of the DynamoDB table with the orders.
    #[arg(long, env = "ORDERS_TABLE")]
    pub orders_table: String,
    /// Name of the DynamoDB table with the catalogue.
    #[arg(long, env = "PRODUCTS_TABLE")]
    pub products_table: String,
}

/// The read model could not be reached, or holds something that it should not.
#[derive(Debug, thiserror::Error)]
#[error("read model: {0}")]
pub struct Error(String);

impl Error {
    fn from_sdk<E: std::error::Error + Send + Sync + 'static>(error: SdkError<E>) -> Self {
        Self(DisplayErrorContext(&error).to_string())
    }
}

#[derive(Clone, Debug)]
pub struct ReadModel {
    dynamodb: Client,
    settings: Settings,
}

/// An order as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredOrder {
    pub id: OrderId,
    pub customer_id: String,
    pub status: OrderStatus,
    pub version: i64,
    /// The JSON of [`OrderView`].
    pub json: String,
}

impl ReadModel {
    #[must_use]
    pub fn new(dynamodb: Client, settings: Settings) -> Self {
        Self { dynamodb, settings }
    }

    /// Stores an order unless the read model has this version or a newer one; answers whether it was stored.
    ///
    /// # Errors
    /// When DynamoDB does not take it.
    pub async fn put_order(&self, order: &OrderView) -> Result<bool, Error> {
        let item = HashMap::from([
            ("id".to_owned(), AttributeValue::S(order.id.to_string())),
            ("customerID".to_owned(), AttributeValue::S(order.customer_id.clone())),
            ("createdAt".to_owned(), AttributeValue::S(sortable(order.created_at)?)),
            ("status".to_owned(), AttributeValue::S(order.status.to_string())),
            ("version".to_owned(), AttributeValue::N(order.version.to_string())),
            ("doc".to_owned(), AttributeValue::S(json(order)?)),
        ]);
        self.put_newer(&self.settings.orders_table, item, order.version).await
    }

    /// Stores a product unless the read model has this version or a newer one.
    ///
    /// # Errors
    /// As [`Self::put_order`].
    pub async fn put_product(&self, product: &ProductView, version: i64) -> Result<bool, Error> {
        let item = HashMap::from([
            ("productID".to_owned(), AttributeValue::S(product.product_id.clone())),
            ("version".to_owned(), AttributeValue::N(version.to_string())),
            ("doc".to_owned(), AttributeValue::S(json(product)?)),
        ]);
        self.put_newer(&self.settings.products_table, item, version).await
    }

    /// An order, or `None` when there is none of this id.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
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

    /// The whole catalogue as (product id, version, JSON of [`ProductView`]), sorted by product id.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
    pub async fn products(&self) -> Result<Vec<(String, i64, String)>, Error> {
        let mut pages = self.dynamodb.scan().table_name(&self.settings.products_table).into_paginator().items().send();
        let mut products = Vec::new();
        while let Some(item) = pages.next().await {
            let mut item = item.map_err(Error::from_sdk)?;
            products.push((text(&mut item, "productID")?, number(&mut item, "version")?, text(&mut item, "doc")?));
        }
        products.sort_unstable();
        Ok(products)
    }

    /// Every order in the read model, in no order. Reads the whole table: for audits, not for requests.
    ///
    /// # Errors
    /// When DynamoDB does not answer.
    pub async fn all_orders(&self) -> Result<Vec<StoredOrder>, Error> {
        let mut pages = self.dynamodb.scan().table_name(&self.settings.orders_table).consistent_read(true).into_paginator().items().send();
        let mut orders = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(Error::from_sdk)?;
            if !operations::is_it(&item) {
                orders.push(stored_order(item)?);
            }
        }
        Ok(orders)
    }

    /// Checks that the read model answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        let table = self.dynamodb.describe_table().table_name(&self.settings.orders_table);
        table.send().await.map(|_| ()).map_err(Error::from_sdk)
    }

    async fn put_newer(&self, table: &str, item: HashMap<String, AttributeValue>, version: i64) -> Result<bool, Error> {
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
            Err(error) => Err(Error::from_sdk(error)),
        }
    }
}

fn stored_order(mut item: HashMap<String, AttributeValue>) -> Result<StoredOrder, Error> {
    Ok(StoredOrder {
        id: text(&mut item, "id")?.parse().map_err(|error| Error(format!("{error}")))?,
        customer_id: text(&mut item, "customerID")?,
        status: text(&mut item, "status")?.parse().map_err(|error| Error(format!("{error}")))?,
        version: number(&mut item, "version")?,
        json: text(&mut item, "doc")?,
    })
}

fn text(item: &mut HashMap<String, AttributeValue>, name: &str) -> Result<String, Error> {
    match item.remove(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(Error(format!("an item lacks {name}"))),
    }
}

fn number(item: &mut HashMap<String, AttributeValue>, name: &str) -> Result<i64, Error> {
    match item.remove(name) {
        Some(AttributeValue::N(digits)) => digits.parse().map_err(|_| Error(format!("an item has a bad {name}"))),
        _ => Err(Error(format!("an item lacks {name}"))),
    }
}

fn json<T: serde::Serialize>(view: &T) -> Result<String, Error> {
    serde_json::to_string(view).map_err(|error| Error(error.to_string()))
}

/// UTC with milliseconds at a fixed width, so that the index sorts by time.
fn sortable(at: OffsetDateTime) -> Result<String, Error> {
    rfc3339::text(at).map_err(|error| Error(error.to_string()))
}
