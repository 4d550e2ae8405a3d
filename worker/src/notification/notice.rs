//! A notice that is due, with all that its text tells.

use super::amount::written;
use crate::{inventory::currency, reason};
use minijinja::{Value, context};
use orders::{Currency, Money, OrderStatus, contact::Language};
use std::borrow::Cow;
use tokio_postgres::Row;

/// Takes notices that are due and reads what they tell.
///
/// Taking a notice is a lease: its next attempt moves away by more than a delivery takes, so the other workers leave it alone, and it comes back by
/// itself should this one die. The customer is then told twice when the worker died between the provider's answer and its record, since neither
/// SES nor SNS knows a key for idempotency: at least once, rather than perhaps never.
///
/// A notice waits for the earlier ones of its order on the same channel, until they are sent or given up, so that nobody reads "delivered" before
/// "confirmed". Other orders do not wait.
pub(super) const TAKE: &str = "
    WITH due AS (
        SELECT order_id, type, channel, about FROM notifications n WHERE state = 'PENDING' AND next_attempt_at <= now()
            AND NOT EXISTS (
                SELECT FROM notifications e WHERE e.order_id = n.order_id AND e.channel = n.channel AND e.state = 'PENDING'
                AND (e.created_at, notice_rank(e.type)) < (n.created_at, notice_rank(n.type))
            )
        ORDER BY next_attempt_at LIMIT $1 FOR UPDATE SKIP LOCKED
    ), taken AS (
        UPDATE notifications n SET attempts = n.attempts + 1, next_attempt_at = now() + interval '1 minute' FROM due
        WHERE (n.order_id, n.type, n.channel, n.about) = (due.order_id, due.type, due.channel, due.about)
        RETURNING n.order_id, n.type, n.channel, n.about, n.attempts, n.admitted
    )
    SELECT t.order_id, t.type, t.channel, t.about, t.attempts, t.admitted, o.status, o.contact_language, o.currency, o.total_minor,
        CASE t.channel WHEN 'EMAIL' THEN o.contact_email ELSE o.contact_phone END AS recipient,
        CASE WHEN r.id IS NULL THEN o.failure_reason ELSE r.reason END AS reason, r.amount_minor, i.names, i.quantities, i.prices,
        i.available, s.carrier, s.tracking_number, s.tracking_url
    FROM taken t JOIN orders o ON o.id = t.order_id LEFT JOIN refunds r ON r.id = t.about LEFT JOIN shipments s ON s.id = t.about
    CROSS JOIN LATERAL (
        SELECT array_agg(p.name ORDER BY line) AS names, array_agg(l.quantity ORDER BY line) AS quantities,
            array_agg(l.unit_price_minor ORDER BY line) AS prices,
            array_agg(CASE t.type WHEN 'ORDER_ACTION_REQUIRED' THEN l.available END ORDER BY line) AS available
        FROM order_items l LEFT JOIN products p ON p.id = l.product_id WHERE l.order_id = t.order_id
    ) i";

/// Which notice it is.
pub(super) struct Key {
    pub(super) order_id: String,
    /// As in SQL: `ORDER_CONFIRMED`.
    pub(super) kind: String,
    pub(super) channel: String,
    /// The refund or parcel that it tells of; empty for all else.
    pub(super) about: String,
    pub(super) attempt: i32,
}

impl Key {
    /// Reads a row of [`TAKE`].
    pub(super) fn read(row: &Row) -> anyhow::Result<Self> {
        Ok(Self {
            order_id: row.try_get("order_id")?,
            kind: row.try_get("type")?,
            channel: row.try_get("channel")?,
            about: row.try_get("about")?,
            attempt: row.try_get("attempts")?,
        })
    }

    /// The kind as its templates are called: `confirmed`.
    pub(super) fn template(&self) -> String {
        self.kind.strip_prefix("ORDER_").unwrap_or(&self.kind).to_lowercase()
    }
}

pub(super) struct Notice {
    /// The e-mail address or phone number. Never logged.
    pub(super) recipient: String,
    /// It counts towards the limits already.
    pub(super) admitted: bool,
    /// It tells of a state that the order has left: nobody is to be asked for a decision that is made.
    pub(super) is_past: bool,
    pub(super) facts: Facts,
}

impl Notice {
    /// Reads a row of [`TAKE`]. `page_url` is where the page is.
    pub(super) fn read(row: &Row, page_url: Option<&str>) -> anyhow::Result<Self> {
        let order_id: String = row.try_get("order_id")?;
        let language: &str = row.try_get("contact_language")?;
        let language = Language::ALL.iter().copied().find(|known| known.as_str() == language).unwrap_or_default();
        let (names, quantities): (Vec<Option<String>>, Vec<i32>) = (row.try_get("names")?, row.try_get("quantities")?);
        let (prices, available): (Vec<i64>, Vec<Option<i32>>) = (row.try_get("prices")?, row.try_get("available")?);
        let items = names.into_iter().zip(quantities).zip(prices).zip(available);
        let items = items.map(|(((name, quantity), price_minor), available)| {
            let available = available.filter(|available| *available < quantity);
            Item { name: name.unwrap_or_else(|| unknown_product(language).to_owned()), quantity, price_minor, available }
        });
        let (tracking_number, tracking_url) = (row.try_get("tracking_number")?, row.try_get("tracking_url")?);
        let carrier: Option<String> = row.try_get("carrier")?;
        let (kind, status): (&str, &str) = (row.try_get("type")?, row.try_get("status")?);
        Ok(Self {
            recipient: row.try_get::<_, Option<String>>("recipient")?.unwrap_or_default(),
            admitted: row.try_get("admitted")?,
            is_past: matches!(kind, "ORDER_ACTION_REQUIRED" | "ORDER_IN_REVIEW") && !kind.ends_with(status),
            facts: Facts {
                language,
                link: page_url.map(|url| format!("{}/orders/{order_id}", url.trim_end_matches('/'))),
                order_id,
                currency: currency(row.try_get("currency")?)?,
                // A line that the customer gave up has none.
                items: items.filter(|item| item.quantity > 0).collect(),
                total_minor: row.try_get("total_minor")?,
                reason: reason_for_customer(row)?,
                refund_minor: row.try_get("amount_minor")?,
                parcel: carrier.map(|carrier| Parcel { carrier, tracking_number, tracking_url }),
            },
        })
    }
}

/// What stands in place of a product's name that is not in the catalogue. Its id may be whatever the
/// customer made up.
fn unknown_product(language: Language) -> &'static str {
    match language {
        Language::En => "unknown product",
        Language::Ru => "неизвестный товар",
    }
}

/// Why the order ended so, or why money is given back, in the shop's words alone.
fn reason_for_customer(row: &Row) -> anyhow::Result<Option<String>> {
    let recorded: Option<&str> = row.try_get("reason")?;
    if row.try_get::<_, &str>("type")? == "ORDER_REFUNDED" {
        return Ok(reason::of_refund(recorded));
    }
    // A status that this release does not know has no reason that it could tell.
    let status = row.try_get::<_, &str>("status")?.parse::<OrderStatus>().ok();
    Ok(status.and_then(|status| reason::of_order(status, recorded)).map(Cow::into_owned))
}

/// What templates can tell.
pub(super) struct Facts {
    pub(super) language: Language,
    pub(super) order_id: String,
    pub(super) currency: Currency,
    pub(super) items: Vec<Item>,
    pub(super) total_minor: i64,
    pub(super) reason: Option<String>,
    pub(super) refund_minor: Option<i64>,
    pub(super) parcel: Option<Parcel>,
    /// The order on the page.
    pub(super) link: Option<String>,
}

pub(super) struct Item {
    pub(super) name: String,
    pub(super) quantity: i32,
    pub(super) price_minor: i64,
    /// What there is of it, where that is less and the customer is asked whether to go on with it.
    pub(super) available: Option<i32>,
}

/// A shipment, as its carrier knows it.
pub(super) struct Parcel {
    pub(super) carrier: String,
    pub(super) tracking_number: Option<String>,
    pub(super) tracking_url: Option<String>,
}

impl Facts {
    /// An amount of the order's currency as the customer writes it.
    pub(super) fn written(&self, minor: i64) -> String {
        written(Money { minor, currency: self.currency }, self.language)
    }

    /// The variables of the templates. What there may not be is `none`.
    pub(super) fn context(&self) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let sum = item.price_minor.saturating_mul(i64::from(item.quantity));
                let (price, sum) = (self.written(item.price_minor), self.written(sum));
                context! { name => &item.name, quantity => item.quantity, price, sum, available => item.available }
            })
            .collect();
        let parcel = self.parcel.as_ref();
        context! {
            language => self.language.as_str(),
            order => &self.order_id,
            items,
            total => self.written(self.total_minor),
            reason => &self.reason,
            refund => self.refund_minor.map(|minor| self.written(minor)),
            carrier => parcel.map(|parcel| &parcel.carrier),
            tracking_number => parcel.and_then(|parcel| parcel.tracking_number.as_ref()),
            // From outside, and it becomes a link.
            tracking_url => parcel.and_then(|parcel| parcel.tracking_url.as_ref()).filter(|url| url.starts_with("https://")),
            link => &self.link,
        }
    }

    /// An order that has everything, and one that lacks what an order may lack: what templates are tried with.
    pub(super) fn examples(language: Language) -> [Self; 2] {
        let full = Self::full(language);
        let bare = Self { reason: None, refund_minor: Some(0), parcel: None, link: None, ..Self::full(language) };
        [full, bare]
    }

    pub(super) fn full(language: Language) -> Self {
        Self {
            language,
            order_id: "ord_01930000000070008000000000000001".to_owned(),
            currency: Currency::USD,
            items: vec![Item { name: "Keyboard".to_owned(), quantity: 2, price_minor: 129_999, available: Some(1) }],
            total_minor: 259_998,
            reason: Some("the card was declined".to_owned()),
            refund_minor: Some(1_250),
            parcel: Some(Parcel {
                carrier: "Parcel Express".to_owned(),
                tracking_number: Some("TRACK-1".to_owned()),
                tracking_url: Some("https://carrier.example/TRACK-1".to_owned()),
            }),
            link: Some("https://shop.example/orders/ord_01930000000070008000000000000001".to_owned()),
        }
    }
}
