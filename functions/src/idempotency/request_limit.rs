//! Limits how many requests of one kind about one order are accepted within an hour.
//!
//! A workflow's history contains every signal and has a maximum length, and a client may send a
//! cancellation ten thousand times. So requests are counted in the table of the idempotency keys,
//! where every process sees the count. The table has one item for each order and kind of request,
//! and DynamoDB removes expired items.

use super::{Error, Idempotency};
use crate::http::{Kind, Problem};
use aws_sdk_dynamodb::{
    operation::update_item::UpdateItemError,
    types::{AttributeValue, ReturnValue},
};
use orders::OrderId;
use platform::error::chain;
use std::time::Duration;
use time::OffsetDateTime;

/// How long requests are counted together. The window begins with its first request. Its length is
/// also the value of `Retry-After`.
const WINDOW: Duration = Duration::from_secs(3600);

impl Idempotency {
    /// Counts a request of this kind about an order, and runs `answer`. A request that is answered
    /// 503 does not count: it had no effect, and the client should repeat it.
    ///
    /// # Errors
    /// 429 if there were too many such requests within the current [`WINDOW`]; otherwise the errors
    /// of `answer`.
    pub async fn limit<T>(
        &self,
        kind: &str,
        order: OrderId,
        answer: impl Future<Output = Result<T, Problem>> + Send,
    ) -> Result<T, Problem> {
        self.count_request(kind, order).await?;
        let answer = answer.await;
        if answer.as_ref().is_err_and(|problem| problem.kind() == Kind::Unavailable) {
            self.uncount_request(kind, order).await;
        }
        answer
    }

    /// Counts a request of this kind about an order. If the request cannot be counted, it is
    /// accepted.
    ///
    /// # Errors
    /// 429 if there were too many such requests within the current [`WINDOW`].
    pub async fn count_request(&self, kind: &str, order: OrderId) -> Result<(), Problem> {
        match self.count(key_of(kind, order)).await {
            Ok(count) if count > self.order_request_limit => Err(too_many_requests()),
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(order_id = %order, cause = chain(&error), "requests about order {order} are not counted");
                Ok(())
            }
        }
    }

    /// Takes back the count of a request. If that fails, the request stays counted.
    async fn uncount_request(&self, kind: &str, order: OrderId) {
        let update = self.dynamodb.update_item().table_name(&self.table).key("key", AttributeValue::S(key_of(kind, order)));
        let update = update.update_expression("ADD requests :less").condition_expression("attribute_exists(#key)");
        let update =
            update.expression_attribute_names("#key", "key").expression_attribute_values(":less", AttributeValue::N("-1".to_owned()));
        if let Err(error) = update.send().await {
            let cause = chain(&error);
            tracing::warn!(order_id = %order, cause, "a request about order {order} stays counted, although it was not passed on");
        }
    }

    /// Adds one request, and returns the number of requests including this one.
    async fn count(&self, key: String) -> Result<u32, Error> {
        let number = |number: i64| AttributeValue::N(number.to_string());
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let end = number(now + i64::try_from(WINDOW.as_secs()).unwrap_or(i64::MAX / 2));
        let counted = self
            .dynamodb
            .update_item()
            .table_name(&self.table)
            .key("key", AttributeValue::S(key.clone()))
            .update_expression("ADD requests :one SET expiresAt = if_not_exists(expiresAt, :end)")
            // DynamoDB may remove an expired item only after days. Until then, the condition fails,
            // and a new count replaces the item.
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
                count.ok_or_else(|| Error::new("DynamoDB did not return the number of requests"))
            }
            Err(error) if error.as_service_error().is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {
                let anew = self.dynamodb.put_item().table_name(&self.table).item("key", AttributeValue::S(key));
                let anew = anew.item("requests", number(1)).item("expiresAt", end).send().await;
                anew.map(|_| 1).map_err(Error::new)
            }
            Err(error) => Err(Error::new(error)),
        }
    }
}

fn key_of(kind: &str, order: OrderId) -> String {
    format!("limit#{kind}#{order}")
}

/// The answer to a request that is one too many.
pub(crate) fn too_many_requests() -> Problem {
    Problem::too_many_requests("Too many requests of this kind about this order within an hour.", WINDOW)
}
