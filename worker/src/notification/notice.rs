//! A notice that is due, with all that its text tells.

use super::amount::written;
use crate::{
    inventory::currency,
    reason,
    sql::{Columns, notification as sql},
};
use minijinja::{Value, context};
use orders::{Currency, Money, OrderStatus, contact::Language};
use std::borrow::Cow;
use tokio_postgres::Row;

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
    /// Reads it from a row of [`sql::lease_due_notices`].
    pub(super) fn read(row: &Row) -> anyhow::Result<Self> {
        let sql::NoticeKey { order_id, kind, channel, about, attempts } = sql::NoticeKey::read(row)?;
        Ok(Self { order_id, kind, channel, about, attempt: attempts })
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
    /// Reads it from a row of [`sql::lease_due_notices`]. `page_url` is where the page is.
    pub(super) fn read(row: &Row, page_url: Option<&str>) -> anyhow::Result<Self> {
        let due = sql::DueNotice::read(row)?;
        let language = Language::ALL.iter().copied().find(|known| known.as_str() == due.contact_language).unwrap_or_default();
        let reason = reason_for_customer(&due);
        let items = due.names.into_iter().zip(due.quantities).zip(due.prices).zip(due.available);
        let items = items.map(|(((name, quantity), price_minor), available)| {
            let available = available.filter(|available| *available < quantity);
            Item { name: name.unwrap_or_else(|| unknown_product(language).to_owned()), quantity, price_minor, available }
        });
        let (tracking_number, tracking_url) = (due.tracking_number, due.tracking_url);
        Ok(Self {
            recipient: due.recipient.unwrap_or_default(),
            admitted: due.admitted,
            is_past: matches!(due.kind.as_str(), "ORDER_ACTION_REQUIRED" | "ORDER_IN_REVIEW") && !due.kind.ends_with(&due.status),
            facts: Facts {
                language,
                link: page_url.map(|url| format!("{}/orders/{}", url.trim_end_matches('/'), due.order_id)),
                order_id: due.order_id,
                currency: currency(&due.currency)?,
                // A line that the customer gave up has none.
                items: items.filter(|item| item.quantity > 0).collect(),
                total_minor: due.total_minor,
                reason,
                refund_minor: due.amount_minor,
                parcel: due.carrier.map(|carrier| Parcel { carrier, tracking_number, tracking_url }),
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
fn reason_for_customer(due: &sql::DueNotice) -> Option<String> {
    let recorded = due.reason.as_deref();
    if due.kind == "ORDER_REFUNDED" {
        return reason::of_refund(recorded);
    }
    // A status that this release does not know has no reason that it could tell.
    let status = due.status.parse::<OrderStatus>().ok();
    status.and_then(|status| reason::of_order(status, recorded)).map(Cow::into_owned)
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
