//! What readers see of an order.

use super::fact::{Fact, Store};
use orders::{OrderId, view::is_queued};
use platform::{
    error::chain,
    read_model::{ReadModel, Settings, StoredOrder},
};

/// Reads the order's item. An item that cannot be read is an error in the result only. `None` if
/// the read model does not have the order.
///
/// # Errors
/// Fails if DynamoDB does not answer.
pub(super) async fn read(settings: Settings, id: OrderId) -> anyhow::Result<Option<Result<StoredOrder, String>>> {
    let aws = platform::aws::config(platform::aws::Timeouts::INTERACTIVE).await;
    match ReadModel::new(aws_sdk_dynamodb::Client::new(&aws), settings).order(id).await {
        Ok(order) => Ok(order.map(Ok)),
        Err(error) if error.is_of_item() => Ok(Some(Err(chain(&error)))),
        Err(error) => Err(error.into()),
    }
}

/// The order as readers see it now. `recorded` is its version in Postgres.
pub(super) fn fact(stored: &Result<StoredOrder, String>, recorded: Option<i64>) -> Fact {
    let (state, detail) = match stored {
        Ok(stored) => {
            let recorded = recorded.map_or_else(|| "not in Postgres".to_owned(), |version| format!("{version} in Postgres"));
            let queued = if is_queued(&stored.json) { ", waits in the intake queue" } else { "" };
            (stored.status.to_string(), format!("version {}, {recorded}{queued}", stored.version))
        }
        Err(error) => ("DAMAGED".to_owned(), error.clone()),
    };
    Fact::new(None, Store::ReadModel, "order", state, &detail)
}
