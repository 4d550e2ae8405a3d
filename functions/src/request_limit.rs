//! Limits how often one order may be asked for the same within an hour.
//!
//! What an order's workflow is told stays in its history, which has an end, and a stranger may cancel his own order ten thousand times. So requests
//! are counted where every process sees the count: beside the idempotency keys, one item for each order and kind of request, which DynamoDB forgets.

use crate::{
    http::{Kind, Problem},
    idempotency::Idempotency,
};
use aws_sdk_dynamodb::{
    error::DisplayErrorContext,
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue},
};
use orders::OrderId;
use std::time::Duration;
use time::OffsetDateTime;

/// From the first request on. Also what a client is told to wait.
pub const WINDOW: Duration = Duration::from_secs(3600);

impl Idempotency {
    /// Counts a request of this kind about an order.
    ///
    /// # Errors
    /// 429 when there have been too many within the last hour. A count that is not known limits nothing.
    pub async fn count_request(&self, kind: &str, order: OrderId) -> Result<(), Problem> {
        match self.count(format!("limit#{kind}#{order}")).await {
            Ok(count) if count > self.order_request_limit => Err(Problem::too_many_requests()),
            Ok(_) => Ok(()),
            Err(cause) => {
                tracing::warn!(order_id = %order, cause, "requests about order {order} are not counted");
                Ok(())
            }
        }
    }

    /// How many requests have the key, with this one.
    async fn count(&self, key: String) -> Result<u32, String> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let end = number(now + i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX / 2));
        let counted = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .key("key", AttributeValue::S(key.clone()))
            .update_expression("ADD requests :one SET expiresAt = if_not_exists(expiresAt, :end)")
            // DynamoDB removes expired items when it gets round to it, which may take days.
            .condition_expression("attribute_not_exists(#key) OR expiresAt > :now")
            .expression_attribute_names("#key", "key")
            .expression_attribute_values(":one", number(1))
            .expression_attribute_values(":end", end.clone())
            .expression_attribute_values(":now", number(now))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        match counted {
            Ok(counted) => {
                let count = counted.attributes.and_then(|mut attributes| attributes.remove("requests"));
                let count = count.and_then(|count| count.as_n().ok().and_then(|digits| digits.parse().ok()));
                count.ok_or_else(|| "DynamoDB did not say how many there are".to_owned())
            }
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                let anew = self.dynamodb.put_item().table_name(&self.table).item("key", AttributeValue::S(key));
                let anew = anew.item("requests", number(1)).item("expiresAt", end).send().await;
                anew.map(|_| 1).map_err(|error| DisplayErrorContext(error).to_string())
            }
            Err(error) => Err(DisplayErrorContext(error).to_string()),
        }
    }
}

impl Problem {
    #[must_use]
    pub fn too_many_requests() -> Self {
        Self::new(Kind::TooManyRequests, "Too much of this was asked of this order within an hour.")
    }
}
