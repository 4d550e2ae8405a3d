//! The invariant of the read model: it shows the facts in Postgres.

use super::{Finding, SETTLE};
use crate::{
    db, failing,
    projection::{Loaded, Projector, load_orders, load_products},
    sql::Client,
    sql::audit as sql,
};
use deadpool_postgres::Pool;
use orders::rfc3339;
use platform::read_model::{ReadModel, Unreadable};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    time::Duration,
};
use time::OffsetDateTime;

/// How many orders are compared at once.
const BATCH: i64 = 500;
/// How many versions of orders are read at once.
const VERSIONS: i64 = 10_000;

pub(super) struct Check<'a> {
    pub(super) pool: &'a Pool,
    pub(super) read_model: &'a ReadModel,
    /// How long an accepted order may wait until a worker records it in Postgres.
    pub(super) stuck_after: Duration,
}

/// How the read model differs from Postgres in one order or product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The read model does not have the entry, or has an older version. `has` is that version.
    Behind { has: Option<i64> },
    /// The read model has the same version with another content, or a newer version. `has` is its
    /// version.
    Other { has: i64 },
    /// Postgres has no such order or product.
    Unknown,
    /// The entry of the read model cannot be read.
    Damaged { error: String },
    /// The row in Postgres cannot be read.
    Unreadable { error: String },
}

/// The differences of orders and products, by id.
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
    /// The differences that exist now and are still the same after [`SETTLE`].
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

    /// The orders that the read model lacks or has in another version, and all differences of
    /// products. This reads the ids and versions of orders and not the orders themselves, so it is
    /// cheap enough for each start.
    pub(super) async fn version_differences(&self) -> anyhow::Result<Differences> {
        let mut stored = self.read_model.order_versions().await?;
        let mut orders = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        let mut last = String::new();
        loop {
            let page = sql::order_versions(&client, &last, VERSIONS).await?;
            let Some(order) = page.last() else { break };
            last.clone_from(&order.id);
            for sql::OrderVersion { id, version } in page {
                let difference = match stored.remove(&id) {
                    None => Difference::Behind { has: None },
                    Some(None) => Difference::Damaged { error: "it lacks a version".to_owned() },
                    Some(Some(has)) if has < version => Difference::Behind { has: Some(has) },
                    Some(Some(has)) if has > version => Difference::Other { has },
                    Some(Some(_)) => continue,
                };
                orders.insert(id, difference);
            }
        }
        drop(client);
        Ok(Differences { orders, products: self.product_differences().await? })
    }

    async fn order_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        // Read the read model first. Postgres is read later, so it can be newer than the read model
        // but never older.
        let stored = self.read_model.all_orders().await?.into_iter();
        let mut stored: HashMap<String, Stored> = stored
            .map(|order| match order {
                Ok(order) => (order.id.to_string(), Ok((order.version, order.json))),
                Err(Unreadable { id, error }) => (id, Err(error.to_string())),
            })
            .collect();
        let mut differences = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        let mut last = String::new();
        loop {
            let ids: Vec<String> = sql::order_ids(&client, &last, BATCH).await?.into_iter().map(|order| order.id).collect();
            let Some(id) = ids.last() else { break };
            last.clone_from(id);
            for Loaded { id, view } in load_orders(&client, &ids).await? {
                let view = view.and_then(|order| Ok((order.version, serde_json::to_value(&order)?)));
                let difference = compare(view, stored.remove(&id));
                differences.extend(difference.map(|difference| (id, difference)));
            }
        }
        // Postgres does not have the remaining orders. A recent one may still wait for its
        // workflow.
        let before = OffsetDateTime::now_utc() - self.stuck_after;
        for (id, stored) in stored {
            match stored.and_then(|(_, json)| created_at(&json).map_err(|error| error.to_string())) {
                Ok(at) if at >= before => {}
                Ok(_) => {
                    differences.insert(id, Difference::Unknown);
                }
                Err(error) => {
                    differences.insert(id, Difference::Damaged { error });
                }
            }
        }
        Ok(differences)
    }

    async fn product_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        let stored = self.read_model.all_products().await?.into_iter();
        let mut stored: HashMap<String, Stored> = stored
            .map(|product| match product {
                Ok(product) => (product.id, Ok((product.version, product.json))),
                Err(Unreadable { id, error }) => (id, Err(error.to_string())),
            })
            .collect();
        let mut differences = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        for Loaded { id, view } in load_products(&client).await? {
            let view = view.and_then(|(product, version)| Ok((version, serde_json::to_value(&product)?)));
            let difference = compare(view, stored.remove(&id));
            differences.extend(difference.map(|difference| (id, difference)));
        }
        differences.extend(stored.into_keys().map(|id| (id, Difference::Unknown)));
        Ok(differences)
    }

    /// Projects again all entries that differ, and removes products that Postgres does not have.
    /// Returns what was done. Two kinds of differences are left for people: an order that only the
    /// read model has, and a row in Postgres that cannot be read.
    pub(super) async fn repair(&self, projector: &Projector, differences: &Differences) -> anyhow::Result<Repaired> {
        let (mut repaired, mut projected) = (Repaired::default(), Vec::new());
        let client = db::connection(self.pool).await?;
        for (kind, entries) in [(Kind::Order, &differences.orders), (Kind::Product, &differences.products)] {
            for (id, difference) in entries {
                let reset = match (difference, kind) {
                    (Difference::Behind { .. }, _) => kind.project_again(&client, id).await,
                    (Difference::Other { has }, _) => kind.renew(&client, id, *has).await,
                    (Difference::Damaged { .. }, Kind::Order) => {
                        self.read_model.remove_order(id).await?;
                        kind.project_again(&client, id).await
                    }
                    (Difference::Damaged { .. }, Kind::Product) => {
                        self.read_model.remove_product(id, None).await?;
                        kind.project_again(&client, id).await
                    }
                    (Difference::Unknown, Kind::Product) => {
                        self.read_model.remove_product(id, None).await?;
                        repaired.removed += 1;
                        continue;
                    }
                    (Difference::Unknown, Kind::Order) | (Difference::Unreadable { .. }, _) => {
                        repaired.left += 1;
                        continue;
                    }
                };
                match reset {
                    Ok(_) => projected.push(id.clone()),
                    // Postgres refuses to change this row. The other rows can still be changed.
                    Err(error) if error.as_db_error().is_some() => {
                        tracing::error!(id, %error, "{id} cannot be projected again");
                        repaired.left += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let loops = [failing::PROJECTION_ORDERS, failing::PROJECTION_PRODUCTS];
        failing::retry_now(&client, &loops).await?;
        projector.sweep_all().await?;
        let failing = failing::among(&client, &loops, &projected).await?;
        repaired.projected = projected.len().saturating_sub(failing);
        repaired.left += failing;
        Ok(repaired)
    }
}

/// What a repair did to the entries of the read model.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Repaired {
    /// The number of entries that were projected again.
    projected: usize,
    /// The number of removed products, which Postgres does not have.
    removed: usize,
    /// The number of entries that people have to look at: rows that fail, and orders that Postgres
    /// does not have.
    left: usize,
}

impl fmt::Display for Repaired {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { projected, removed, left } = self;
        write!(f, "read model: {projected} entries projected again, {removed} removed, {left} left as they are")
    }
}

#[derive(Clone, Copy)]
enum Kind {
    Order,
    Product,
}

impl Kind {
    /// Marks the row as not projected. The projector then writes its present version.
    async fn project_again(self, client: &dyn Client, id: &str) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Order => sql::project_order_again(client, id).await,
            Self::Product => sql::project_product_again(client, id).await,
        }
    }

    /// Gives the row a version above `has`, which is the read model's version, and marks it as not
    /// projected. The read model refuses a version that it already has.
    async fn renew(self, client: &dyn Client, id: &str, has: i64) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Order => sql::renew_order(client, id, has).await,
            Self::Product => sql::renew_product(client, id, has).await,
        }
    }
}

/// The version and the JSON of an entry of the read model, or why the entry cannot be read.
type Stored = Result<(i64, String), String>;

/// Compares an entry of the read model with the version and the view from Postgres. Returns `None`
/// if they agree.
fn compare(view: anyhow::Result<(i64, Value)>, stored: Option<Stored>) -> Option<Difference> {
    let (version, view) = match view {
        Ok(view) => view,
        Err(error) => return Some(Difference::Unreadable { error: format!("{error:#}") }),
    };
    let (has, json) = match stored {
        None => return Some(Difference::Behind { has: None }),
        Some(Err(error)) => return Some(Difference::Damaged { error }),
        Some(Ok(stored)) => stored,
    };
    if has < version {
        Some(Difference::Behind { has: Some(has) })
    } else if has > version || !serde_json::from_str(&json).is_ok_and(|stored| is_the_same(stored, &view)) {
        Some(Difference::Other { has })
    } else {
        None
    }
}

/// Whether two documents are equal. Earlier releases wrote the same times in a shorter form, which
/// is no difference.
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

fn created_at(json: &str) -> serde_json::Result<OffsetDateTime> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        #[serde(with = "orders::rfc3339")]
        created_at: OffsetDateTime,
    }
    Ok(serde_json::from_str::<Created>(json)?.created_at)
}

/// Returns each difference as a broken invariant.
pub(super) fn findings(differences: &Differences) -> Vec<Finding> {
    let entries = differences.orders.iter().chain(&differences.products);
    entries
        .map(|(id, difference)| {
            let detail = match difference {
                Difference::Behind { has: None } => "is missing".to_owned(),
                Difference::Behind { has: Some(has) } => format!("stays at version {has}"),
                Difference::Other { has } => format!("differs at version {has}"),
                Difference::Unknown => "is unknown to Postgres".to_owned(),
                Difference::Damaged { error } => format!("is damaged: {error}"),
                Difference::Unreadable { error } => format!("cannot be read from Postgres: {error}"),
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
        compare(Ok((3, json!({"status": "PAID", "version": 3}))), stored.map(|(version, json)| Ok((version, json.to_owned()))))
    }

    #[test]
    fn an_entry_is_missing_behind_or_other() {
        assert_eq!(compared(Some((3, r#"{"version":3,"status":"PAID"}"#))), None);
        assert_eq!(compared(None), Some(Difference::Behind { has: None }));
        assert_eq!(compared(Some((2, r#"{"version":2,"status":"RESERVED"}"#))), Some(Difference::Behind { has: Some(2) }));
        assert_eq!(compared(Some((3, r#"{"version":3,"status":"FAILED"}"#))), Some(Difference::Other { has: 3 }));
        assert_eq!(compared(Some((4, r#"{"version":3,"status":"PAID"}"#))), Some(Difference::Other { has: 4 }));
        assert_eq!(compared(Some((3, "{"))), Some(Difference::Other { has: 3 }));
    }

    #[test]
    fn what_cannot_be_read_is_told_from_what_differs() {
        let damaged = compare(Ok((3, json!({}))), Some(Err("it lacks doc".to_owned())));
        assert_eq!(damaged, Some(Difference::Damaged { error: "it lacks doc".to_owned() }));
        let unreadable = compare(Err(anyhow::anyhow!("no currency ZZZ")), Some(Ok((3, "{}".to_owned()))));
        assert_eq!(unreadable, Some(Difference::Unreadable { error: "no currency ZZZ".to_owned() }));
    }

    #[test]
    fn times_of_an_earlier_release_differ_in_their_form_alone() {
        let view = json!({ "history": [{ "at": "2026-11-21T09:00:00.120Z" }], "version": 3 });
        let differs =
            |at: &str| compare(Ok((3, view.clone())), Some(Ok((3, json!({ "history": [{ "at": at }], "version": 3 }).to_string()))));
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
