//! The invariant of the read model: it shows what Postgres has.

use super::{Finding, SETTLE};
use crate::{
    db,
    projection::{Projector, load_orders, load_products},
};
use deadpool_postgres::Pool;
use orders::rfc3339;
use platform::read_model::ReadModel;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};
use time::OffsetDateTime;

/// Orders compared at once.
const BATCH: i64 = 500;

pub(super) struct Check<'a> {
    pub(super) pool: &'a Pool,
    pub(super) read_model: &'a ReadModel,
    /// How long an accepted order may wait to be taken up.
    pub(super) stuck_after: Duration,
}

/// What differs between Postgres and the read model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The read model lacks it, or has an older version; with what it has.
    Behind { has: Option<i64> },
    /// The read model has this or a newer version with another content.
    Other { has: i64 },
    /// Postgres has no such order.
    Unknown,
}

/// Orders and products by id.
#[derive(Debug, Default)]
pub(super) struct Differences {
    orders: BTreeMap<String, Difference>,
    products: BTreeMap<String, Difference>,
}

impl Differences {
    pub(super) fn len(&self) -> usize {
        self.orders.len() + self.products.len()
    }

    fn keep_what_is_also_in(&mut self, later: &Self) {
        self.orders.retain(|id, difference| later.orders.get(id) == Some(difference));
        self.products.retain(|id, difference| later.products.get(id) == Some(difference));
    }
}

impl Check<'_> {
    /// What differs, and still differs in the same way after [`SETTLE`].
    pub(super) async fn settled_differences(&self) -> anyhow::Result<Differences> {
        let mut differences = self.differences().await?;
        if differences.len() > 0 {
            tokio::time::sleep(SETTLE).await;
            differences.keep_what_is_also_in(&self.differences().await?);
        }
        Ok(differences)
    }

    async fn differences(&self) -> anyhow::Result<Differences> {
        Ok(Differences { orders: self.order_differences().await?, products: self.product_differences().await? })
    }

    async fn order_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        // The read model first: what Postgres has beyond it is then newer, never older.
        let mut stored: HashMap<String, (i64, String)> =
            self.read_model.all_orders().await?.into_iter().map(|order| (order.id.to_string(), (order.version, order.json))).collect();
        let mut differences = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        let page = client.prepare_cached("SELECT id FROM orders WHERE id > $1 ORDER BY id LIMIT $2").await?;
        let mut last = String::new();
        loop {
            let rows = client.query(&page, &[&last, &BATCH]).await?;
            let ids: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
            let Some(id) = ids.last() else { break };
            last.clone_from(id);
            for order in load_orders(&client, &ids).await? {
                let id = order.id.to_string();
                let difference = compare(order.version, &serde_json::to_value(&order)?, stored.remove(&id))?;
                differences.extend(difference.map(|difference| (id, difference)));
            }
        }
        // What is left, Postgres does not have. It may be waiting for its workflow.
        for (id, (_, json)) in stored {
            if created_before(&json, OffsetDateTime::now_utc() - self.stuck_after)? {
                differences.insert(id, Difference::Unknown);
            }
        }
        Ok(differences)
    }

    async fn product_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        let mut stored: HashMap<String, (i64, String)> =
            self.read_model.products().await?.into_iter().map(|(id, version, json)| (id, (version, json))).collect();
        let mut differences = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        for (product, version) in load_products(&client, false).await? {
            let difference = compare(version, &serde_json::to_value(&product)?, stored.remove(&product.product_id))?;
            differences.extend(difference.map(|difference| (product.product_id, difference)));
        }
        differences.extend(stored.into_keys().map(|id| (id, Difference::Unknown)));
        Ok(differences)
    }

    /// Projects again what differs. An order that only the read model has is left for people to look at.
    pub(super) async fn repair(&self, projector: &Projector, differences: &Differences) -> anyhow::Result<()> {
        let client = db::connection(self.pool).await?;
        for (table, entries) in [("orders", &differences.orders), ("products", &differences.products)] {
            // A version that the read model has already it would refuse, so what replaces it gets a higher one.
            let renew = format!("UPDATE {table} SET version = greatest(version, $2) + 1, projected_version = 0 WHERE id = $1");
            let again = format!("UPDATE {table} SET projected_version = 0 WHERE id = $1");
            for (id, difference) in entries {
                match difference {
                    Difference::Behind { .. } => client.execute(&again, &[id]).await?,
                    Difference::Other { has } => client.execute(&renew, &[id, has]).await?,
                    Difference::Unknown => 0,
                };
            }
        }
        drop(client);
        projector.sweep_all().await?;
        Ok(())
    }
}

fn compare(version: i64, view: &Value, stored: Option<(i64, String)>) -> anyhow::Result<Option<Difference>> {
    let Some((has, json)) = stored else { return Ok(Some(Difference::Behind { has: None })) };
    Ok(if has < version {
        Some(Difference::Behind { has: Some(has) })
    } else if has > version || !is_the_same(serde_json::from_str(&json)?, view) {
        Some(Difference::Other { has })
    } else {
        None
    })
}

/// Entries that an earlier release wrote say the same times in a shorter form.
fn is_the_same(stored: Value, view: &Value) -> bool {
    stored == *view || one_form_of_times(stored) == one_form_of_times(view.clone())
}

fn one_form_of_times(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(rfc3339::parse(&text).ok().and_then(|at| rfc3339::text(at).ok()).unwrap_or(text)),
        Value::Array(values) => values.into_iter().map(one_form_of_times).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, one_form_of_times(value))).collect(),
        other => other,
    }
}

fn created_before(json: &str, moment: OffsetDateTime) -> anyhow::Result<bool> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        #[serde(with = "orders::rfc3339")]
        created_at: OffsetDateTime,
    }
    Ok(serde_json::from_str::<Created>(json)?.created_at < moment)
}

/// Each difference as a broken invariant.
pub(super) fn findings(differences: &Differences) -> Vec<Finding> {
    let entries = differences.orders.iter().chain(&differences.products);
    entries
        .map(|(id, difference)| {
            let detail = match difference {
                Difference::Behind { has: None } => "is missing".to_owned(),
                Difference::Behind { has: Some(has) } => format!("stays at version {has}"),
                Difference::Other { has } => format!("differs at version {has}"),
                Difference::Unknown => "is unknown to Postgres".to_owned(),
            };
            Finding { invariant: "the read model shows what Postgres has", subject: id.clone(), detail }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compared(stored: Option<(i64, &str)>) -> Option<Difference> {
        compare(3, &json!({"status": "PAID", "version": 3}), stored.map(|(version, json)| (version, json.to_owned()))).unwrap()
    }

    #[test]
    fn an_entry_is_missing_behind_or_other() {
        assert_eq!(compared(Some((3, r#"{"version":3,"status":"PAID"}"#))), None);
        assert_eq!(compared(None), Some(Difference::Behind { has: None }));
        assert_eq!(compared(Some((2, r#"{"version":2,"status":"RESERVED"}"#))), Some(Difference::Behind { has: Some(2) }));
        assert_eq!(compared(Some((3, r#"{"version":3,"status":"FAILED"}"#))), Some(Difference::Other { has: 3 }));
        assert_eq!(compared(Some((4, r#"{"version":3,"status":"PAID"}"#))), Some(Difference::Other { has: 4 }));
    }

    #[test]
    fn times_of_an_earlier_release_differ_in_their_form_alone() {
        let view = json!({ "history": [{ "at": "2026-11-21T09:00:00.120Z" }], "version": 3 });
        let differs = |at: &str| compare(3, &view, Some((3, json!({ "history": [{ "at": at }], "version": 3 }).to_string()))).unwrap();
        assert_eq!(differs("2026-11-21T09:00:00.12Z"), None);
        assert_eq!(differs("2026-11-21T09:00:00.121Z"), Some(Difference::Other { has: 3 }));
    }

    #[test]
    fn only_what_stays_different_counts() {
        let differences = |ids: &[&str]| Differences {
            orders: ids.iter().map(|id| ((*id).to_owned(), Difference::Behind { has: Some(1) })).collect(),
            products: BTreeMap::new(),
        };
        let mut first = differences(&["a", "b"]);
        first.keep_what_is_also_in(&differences(&["b", "c"]));
        assert_eq!(findings(&first).len(), 1);
        assert_eq!(findings(&first)[0].subject, "b");
    }
}
