//! The invariant of the read model: it shows the facts in Postgres.

use super::{BrokenInvariant, SETTLE_TIME};
use crate::{
    db,
    ops::failing,
    projection::{Loaded, Projector, load_orders, load_products},
    sql::Client,
    sql::audit as sql,
};
use deadpool_postgres::Pool;
use orders::rfc3339;
use platform::{
    error::chain,
    read_model::{ReadModel, Unreadable},
};
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
const VERSION_BATCH: i64 = 10_000;

pub(super) struct ReadModelCheck<'a> {
    pub(super) pool: &'a Pool,
    pub(super) read_model: &'a ReadModel,
    /// How long an accepted order may wait until a worker records it in Postgres.
    pub(super) stuck_after: Duration,
}

/// How the read model differs from Postgres in one order or product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// The read model does not have the entry, or has an older version, `stored_version`.
    Behind { stored_version: Option<i64> },
    /// The read model has the same version with another content, or a newer version.
    Differs { stored_version: i64 },
    /// Postgres has no such order or product.
    NotInPostgres,
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
    /// The difference of a single order.
    pub(super) fn of_order(id: String, difference: Difference) -> Self {
        Self { orders: BTreeMap::from([(id, difference)]), products: BTreeMap::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.orders.len() + self.products.len()
    }

    fn retain_common(&mut self, later: &Self) {
        self.orders.retain(|id, difference| later.orders.get(id) == Some(difference));
        self.products.retain(|id, difference| later.products.get(id) == Some(difference));
    }
}

impl ReadModelCheck<'_> {
    /// The differences that exist now and are still the same after [`SETTLE_TIME`].
    pub(super) async fn find_settled_differences(&self) -> anyhow::Result<Differences> {
        let mut differences = self.find_differences().await?;
        if differences.len() > 0 {
            tokio::time::sleep(SETTLE_TIME).await;
            differences.retain_common(&self.find_differences().await?);
        }
        Ok(differences)
    }

    async fn find_differences(&self) -> anyhow::Result<Differences> {
        Ok(Differences { orders: self.find_order_differences().await?, products: self.find_product_differences().await? })
    }

    /// The orders that the read model lacks or has in another version, and all differences of
    /// products. This reads the ids and versions of orders and not the orders themselves, so it is
    /// cheap enough for each start.
    pub(super) async fn find_version_differences(&self) -> anyhow::Result<Differences> {
        let mut stored = self.read_model.order_versions().await?;
        let mut orders = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        let mut last = String::new();
        loop {
            let page = sql::order_versions(&client, &last, VERSION_BATCH).await?;
            let Some(order) = page.last() else { break };
            last.clone_from(&order.id);
            for sql::OrderVersion { id, version } in page {
                let difference = match stored.remove(&id) {
                    None => Difference::Behind { stored_version: None },
                    Some(None) => Difference::Damaged { error: "it lacks a version".to_owned() },
                    Some(Some(stored_version)) if stored_version < version => Difference::Behind { stored_version: Some(stored_version) },
                    Some(Some(stored_version)) if stored_version > version => Difference::Differs { stored_version },
                    Some(Some(_)) => continue,
                };
                orders.insert(id, difference);
            }
        }
        drop(client);
        Ok(Differences { orders, products: self.find_product_differences().await? })
    }

    async fn find_order_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        // Read the read model first. Postgres is read later, so it can be newer than the read model
        // but never older.
        let stored = self.read_model.all_orders().await?.into_iter();
        let mut stored: HashMap<String, Stored> = stored
            .map(|order| match order {
                Ok(order) => (order.id.to_string(), Ok((order.version, order.json))),
                Err(Unreadable { id, error }) => (id, Err(chain(&error))),
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
                let view = view.and_then(|(order, _)| Ok((order.version, serde_json::to_value(&order)?)));
                let difference = compare(view, stored.remove(&id));
                differences.extend(difference.map(|difference| (id, difference)));
            }
        }
        // Postgres does not have the remaining orders. A recent one may still wait for its
        // workflow.
        let before = OffsetDateTime::now_utc() - self.stuck_after;
        for (id, stored) in stored {
            match stored.and_then(|(_, json)| created_at(&json).map_err(|error| chain(&error))) {
                Ok(at) if at >= before => {}
                Ok(_) => {
                    differences.insert(id, Difference::NotInPostgres);
                }
                Err(error) => {
                    differences.insert(id, Difference::Damaged { error });
                }
            }
        }
        Ok(differences)
    }

    async fn find_product_differences(&self) -> anyhow::Result<BTreeMap<String, Difference>> {
        let stored = self.read_model.all_products().await?.into_iter();
        let mut stored: HashMap<String, Stored> = stored
            .map(|product| match product {
                Ok(product) => (product.id, Ok((product.version, product.json))),
                Err(Unreadable { id, error }) => (id, Err(chain(&error))),
            })
            .collect();
        let mut differences = BTreeMap::new();
        let client = db::connection(self.pool).await?;
        for Loaded { id, view } in load_products(&client).await? {
            let view = view.and_then(|(product, version)| Ok((version, serde_json::to_value(&product)?)));
            let difference = compare(view, stored.remove(&id));
            differences.extend(difference.map(|difference| (id, difference)));
        }
        differences.extend(stored.into_keys().map(|id| (id, Difference::NotInPostgres)));
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
                    (Difference::Behind { .. }, _) => kind.mark_unprojected(&client, id).await,
                    (Difference::Differs { stored_version }, _) => kind.raise_version(&client, id, *stored_version).await,
                    (Difference::Damaged { .. }, Kind::Order) => {
                        self.read_model.remove_order(id).await?;
                        kind.mark_unprojected(&client, id).await
                    }
                    (Difference::Damaged { .. }, Kind::Product) => {
                        self.read_model.remove_product(id, None).await?;
                        kind.mark_unprojected(&client, id).await
                    }
                    (Difference::NotInPostgres, Kind::Product) => {
                        self.read_model.remove_product(id, None).await?;
                        repaired.removed += 1;
                        continue;
                    }
                    (Difference::NotInPostgres, Kind::Order) | (Difference::Unreadable { .. }, _) => {
                        repaired.left += 1;
                        continue;
                    }
                };
                match reset {
                    Ok(_) => projected.push(id.clone()),
                    // Postgres refuses to change this row. The other rows can still be changed.
                    Err(error) if error.as_db_error().is_some() => {
                        tracing::error!(id, error = chain(&error), "{id} cannot be projected again");
                        repaired.left += 1;
                    }
                    Err(error) => return Err(error.into()),
                }
            }
        }
        let loops = [failing::PROJECTION_ORDERS, failing::PROJECTION_PRODUCTS];
        failing::retry_now(&client, &loops).await?;
        projector.sweep_all().await?;
        let failing = failing::count_failing(&client, &loops, &projected).await?;
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
    async fn mark_unprojected(self, client: &dyn Client, id: &str) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Order => sql::mark_order_unprojected(client, id).await,
            Self::Product => sql::mark_product_unprojected(client, id).await,
        }
    }

    /// Gives the row a version above `stored_version`, which is the read model's version, and marks
    /// it as not projected. The read model refuses a version that it already has.
    async fn raise_version(self, client: &dyn Client, id: &str, stored_version: i64) -> Result<u64, tokio_postgres::Error> {
        match self {
            Self::Order => sql::raise_order_version(client, id, stored_version).await,
            Self::Product => sql::raise_product_version(client, id, stored_version).await,
        }
    }
}

/// The version and the JSON of an entry of the read model, or why the entry cannot be read.
pub(super) type Stored = Result<(i64, String), String>;

/// Compares an entry of the read model with the version and the view from Postgres. Returns `None`
/// if they agree.
pub(super) fn compare(view: anyhow::Result<(i64, Value)>, stored: Option<Stored>) -> Option<Difference> {
    let (version, view) = match view {
        Ok(view) => view,
        Err(error) => return Some(Difference::Unreadable { error: format!("{error:#}") }),
    };
    let (stored_version, json) = match stored {
        None => return Some(Difference::Behind { stored_version: None }),
        Some(Err(error)) => return Some(Difference::Damaged { error }),
        Some(Ok(stored)) => stored,
    };
    if stored_version < version {
        Some(Difference::Behind { stored_version: Some(stored_version) })
    } else if stored_version > version || !serde_json::from_str(&json).is_ok_and(|stored| same_document(stored, &view)) {
        Some(Difference::Differs { stored_version })
    } else {
        None
    }
}

/// Whether two documents are equal. Earlier releases wrote the same times in a shorter form, which
/// is no difference.
fn same_document(stored: Value, view: &Value) -> bool {
    stored == *view || normalize_times(stored) == normalize_times(view.clone())
}

fn normalize_times(value: Value) -> Value {
    match value {
        Value::String(text) => Value::String(rfc3339::parse(&text).ok().and_then(|at| rfc3339::text(at).ok()).unwrap_or(text)),
        Value::Array(values) => values.into_iter().map(normalize_times).collect(),
        Value::Object(fields) => fields.into_iter().map(|(name, value)| (name, normalize_times(value))).collect(),
        other => other,
    }
}

pub(super) fn created_at(json: &str) -> serde_json::Result<OffsetDateTime> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Created {
        #[serde(with = "orders::rfc3339")]
        created_at: OffsetDateTime,
    }
    Ok(serde_json::from_str::<Created>(json)?.created_at)
}

/// Returns each difference as a broken invariant.
pub(super) fn broken_invariants(differences: &Differences) -> Vec<BrokenInvariant> {
    let entries = differences.orders.iter().chain(&differences.products);
    entries
        .map(|(id, difference)| {
            let detail = match difference {
                Difference::Behind { stored_version: None } => "is missing".to_owned(),
                Difference::Behind { stored_version: Some(stored_version) } => format!("stays at version {stored_version}"),
                Difference::Differs { stored_version } => format!("differs at version {stored_version}"),
                Difference::NotInPostgres => "is not in Postgres".to_owned(),
                Difference::Damaged { error } => format!("is damaged: {error}"),
                Difference::Unreadable { error } => format!("cannot be read from Postgres: {error}"),
            };
            BrokenInvariant { invariant: "the read model shows what Postgres has", subject: id.clone(), detail }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn compare_with(stored: Option<(i64, &str)>) -> Option<Difference> {
        compare(Ok((3, json!({"status": "PAID", "version": 3}))), stored.map(|(version, json)| Ok((version, json.to_owned()))))
    }

    #[test]
    fn an_entry_is_missing_behind_or_differs() {
        assert_eq!(compare_with(Some((3, r#"{"version":3,"status":"PAID"}"#))), None);
        assert_eq!(compare_with(None), Some(Difference::Behind { stored_version: None }));
        assert_eq!(compare_with(Some((2, r#"{"version":2,"status":"RESERVED"}"#))), Some(Difference::Behind { stored_version: Some(2) }));
        assert_eq!(compare_with(Some((3, r#"{"version":3,"status":"FAILED"}"#))), Some(Difference::Differs { stored_version: 3 }));
        assert_eq!(compare_with(Some((4, r#"{"version":3,"status":"PAID"}"#))), Some(Difference::Differs { stored_version: 4 }));
        assert_eq!(compare_with(Some((3, "{"))), Some(Difference::Differs { stored_version: 3 }));
    }

    #[test]
    fn damaged_and_unreadable_entries_are_distinguished() {
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
        assert_eq!(differs("2026-11-21T09:00:00.121Z"), Some(Difference::Differs { stored_version: 3 }));
    }

    #[test]
    fn only_lasting_differences_count() {
        let differences = |ids: &[&str]| Differences {
            orders: ids.iter().map(|id| ((*id).to_owned(), Difference::Behind { stored_version: Some(1) })).collect(),
            products: BTreeMap::new(),
        };
        let mut first = differences(&["a", "b"]);
        first.retain_common(&differences(&["b", "c"]));
        assert_eq!(broken_invariants(&first).len(), 1);
        assert_eq!(broken_invariants(&first)[0].subject, "b");
    }
}
