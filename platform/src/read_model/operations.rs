//! The workers' report on the state of operations. The functions read it here, because they never
//! query Postgres. It is one item in the table of orders, and all workers write the same item.

use super::{Error, ReadModel, history, json, number, text};
use aws_sdk_dynamodb::{error::SdkError, operation::put_item::PutItemError, types::AttributeValue};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, time::Duration};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// The key of the item. No order has this id.
const ID: &str = "operations";
/// The interval after which an unchanged report is written again. The new time shows readers that a
/// worker is alive.
const REFRESH: Duration = Duration::from_secs(10);

/// The state of operations as a worker found it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Operations {
    /// Whether Postgres answers and accepts writes.
    pub postgres_writable: bool,
    /// The age of the oldest change that is not yet projected to the read model. Failing rows do
    /// not count.
    pub projection_lag_seconds: u64,
    /// The age of the oldest event that is not yet published; 0 if events are not published.
    pub outbox_lag_seconds: u64,
    /// The number of failing rows: rows whose projection or publication fails because of
    /// themselves, not because a server is down.
    pub failing_rows: u64,
    /// What staff should look into.
    pub attention: Attention,
}

/// What staff should look into; empty if there is nothing.
pub type Attention = Vec<AttentionGroup>;

/// Everything of one kind that staff should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionGroup {
    /// What is wrong. `STUCK_ORDERS`: orders that have been open for too long, or whose carrier has
    /// reported nothing new of a shipment. `PROJECTION_ORDERS`, `PROJECTION_PRODUCTS`: orders and
    /// products that cannot be shown to readers as they are now. `EXPIRY`: orders whose expired
    /// reservations cannot be released. `EVENTS`: orders of which an event cannot be published.
    /// `LOST_WORKFLOWS`: orders whose workflow was gone and is started again. `REFUNDS`: refunds
    /// that the payment gateway refuses for now. `FINDINGS`: messages of other systems that
    /// contradict what is on record. `NOTICES`: messages to customers that were not sent. A newer
    /// worker may report others.
    pub kind: String,
    /// How many there are; 1000 means that many or more.
    #[schema(minimum = 1, maximum = 1000)]
    pub count: u64,
    /// The oldest of them.
    #[schema(max_items = 10)]
    pub items: Vec<AttentionItem>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionItem {
    /// The id of the order, product, shipment and so on.
    pub id: String,
    /// What is wrong with it, as text for staff.
    pub detail: String,
    #[schema(value_type = orders::schema::Time)]
    #[serde(with = "orders::rfc3339")]
    pub since: OffsetDateTime,
}

impl ReadModel {
    /// Stores a worker's report, if it differs from the stored one or the stored one is older than
    /// `REFRESH`.
    ///
    /// # Errors
    /// Fails if DynamoDB does not accept it.
    pub async fn put_operations(&self, operations: &Operations, at: OffsetDateTime) -> Result<(), Error> {
        let doc = AttributeValue::S(json(operations)?);
        let item = HashMap::from([
            ("id".to_owned(), AttributeValue::S(ID.to_owned())),
            ("writtenAt".to_owned(), AttributeValue::N(at.unix_timestamp().to_string())),
            ("doc".to_owned(), doc.clone()),
        ]);
        let put = self
            .dynamodb
            .put_item()
            .table_name(&self.settings.orders_table)
            .set_item(Some(item))
            // Also replaces an item from the future: a worker's clock may have been ahead.
            .condition_expression("attribute_not_exists(id) OR writtenAt < :old OR writtenAt > :now OR doc <> :doc")
            .expression_attribute_values(":old", AttributeValue::N((at - REFRESH).unix_timestamp().to_string()))
            .expression_attribute_values(":now", AttributeValue::N(at.unix_timestamp().to_string()))
            .expression_attribute_values(":doc", doc);
        match put.send().await {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(error)) if matches!(error.err(), PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
            Err(error) => Err(Error::from_put(error)),
        }
    }

    /// Reads the last report and the time at which it was written. Returns `None` if no worker has
    /// written one yet.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or the item cannot be read.
    pub async fn operations(&self) -> Result<Option<(Operations, OffsetDateTime)>, Error> {
        let key = AttributeValue::S(ID.to_owned());
        let get = self.dynamodb.get_item().table_name(&self.settings.orders_table).key("id", key).consistent_read(true);
        let Some(mut item) = get.send().await.map_err(Error::from_sdk)?.item else { return Ok(None) };
        let operations = serde_json::from_str(&text(&mut item, "doc")?).map_err(Error::item)?;
        let at = OffsetDateTime::from_unix_timestamp(number(&mut item, "writtenAt")?).map_err(Error::item)?;
        Ok(Some((operations, at)))
    }
}

/// Whether an item of the table of orders is this report or a part of the history, and not an
/// order.
pub(super) fn is_it(item: &HashMap<String, AttributeValue>) -> bool {
    matches!(item.get("id"), Some(AttributeValue::S(id)) if id == ID || id.starts_with(history::PREFIX))
}
