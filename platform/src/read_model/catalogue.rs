//! Reads a few products of the catalogue, so that the functions can check a new order.

use super::{Error, ReadModel, text};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use std::collections::HashMap;

impl ReadModel {
    /// Reads these products. Returns the JSON of the [`orders::ProductView`] of each product that
    /// the catalogue has, by product id. `ids` holds at most 100 ids, each once.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or an item cannot be read.
    pub async fn products_by_id(&self, ids: impl Iterator<Item = &str>) -> Result<HashMap<String, String>, Error> {
        let mut keys: Vec<_> = ids.map(|id| HashMap::from([("productID".to_owned(), AttributeValue::S(id.to_owned()))])).collect();
        let table = &self.settings.products_table;
        let mut found = HashMap::new();
        // DynamoDB may return only some of the items. The rest needs another call.
        while !keys.is_empty() {
            let asked = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true).build();
            let asked = asked.map_err(Error::item)?;
            let answer = self.dynamodb.batch_get_item().request_items(table, asked).send().await.map_err(Error::from_sdk)?;
            for mut item in answer.responses.unwrap_or_default().remove(table).unwrap_or_default() {
                found.insert(text(&mut item, "productID")?, text(&mut item, "doc")?);
            }
            keys = answer.unprocessed_keys.unwrap_or_default().remove(table).map(|left| left.keys).unwrap_or_default();
        }
        Ok(found)
    }

    /// Reads at most `limit` products of the catalogue, in the order in which DynamoDB returns
    /// them, and in the form of [`Self::products_by_id`]. An empty result means that the catalogue
    /// is empty.
    ///
    /// # Errors
    /// Fails if DynamoDB does not answer or an item cannot be read.
    pub async fn some_products(&self, limit: usize) -> Result<HashMap<String, String>, Error> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let scan = self.dynamodb.scan().table_name(&self.settings.products_table).limit(limit).consistent_read(true);
        let answer = scan.send().await.map_err(Error::from_sdk)?;
        let products = answer.items.unwrap_or_default().into_iter();
        products.map(|mut item| Ok((text(&mut item, "productID")?, text(&mut item, "doc")?))).collect()
    }
}
