//! A notification that is due, with all facts that its templates need.

use super::amount::format_amount;
use crate::{
    order::parse_currency,
    order::reason,
    sql::{Columns, notification as sql},
};
use minijinja::{Value, context};
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanKind, TraceContextExt as _},
};
use orders::{Currency, Money, OrderStatus, contact::Language};
use platform::trace::{self, OrderTrace};
use std::borrow::Cow;
use tokio_postgres::Row;

/// The key of a notification, and the number of the present attempt.
pub(super) struct NotificationKey {
    pub(super) order_id: String,
    /// The kind as in SQL, such as `ORDER_CONFIRMED`.
    pub(super) kind: String,
    pub(super) channel: String,
    /// The id of the refund or shipment that the notification is about; empty for all other kinds.
    pub(super) about: String,
    pub(super) attempt: i32,
    /// The trace context of the order.
    pub(super) trace: OrderTrace,
}

impl NotificationKey {
    /// Reads the key from a row of [`sql::lease_due_notices`].
    pub(super) fn read(row: &Row) -> anyhow::Result<Self> {
        let sql::NoticeKey { order_id, kind, channel, about, attempts, traceparent } = sql::NoticeKey::read(row)?;
        let trace = OrderTrace::stored(traceparent.as_deref());
        Ok(Self { order_id, kind, channel, about, attempt: attempts, trace })
    }

    /// Starts the span of an attempt to send the notification.
    pub(super) fn span(&self) -> Option<Context> {
        let order_id = self.order_id.parse().ok()?;
        let span =
            trace::order_span(SpanKind::Internal, format!("notice {}", self.template_kind()), Some("notice"), order_id, &self.trace)?;
        let attributes = [KeyValue::new(trace::ATTEMPT, i64::from(self.attempt)), KeyValue::new("notice.channel", self.channel.clone())];
        span.span().set_attributes(attributes);
        Some(span)
    }

    /// The kind as in the names of its templates, such as `confirmed`.
    pub(super) fn template_kind(&self) -> String {
        self.kind.strip_prefix("ORDER_").unwrap_or(&self.kind).to_lowercase()
    }
}

pub(super) struct DueNotification {
    /// The e-mail address or phone number. It must not be logged.
    pub(super) recipient: String,
    /// Whether no limit applies any more: the notification was counted already, or staff sent it
    /// again.
    pub(super) skips_limits: bool,
    /// Whether the order has left the status that the notification is about. Customers must not be
    /// asked for a decision that has been made.
    pub(super) is_out_of_date: bool,
    pub(super) facts: Facts,
}

impl DueNotification {
    /// Reads the notification from a row of [`sql::lease_due_notices`]. `page_url` is the address
    /// of the shop's page, to which messages link.
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
            skips_limits: due.admitted,
            is_out_of_date: matches!(due.kind.as_str(), "ORDER_ACTION_REQUIRED" | "ORDER_IN_REVIEW") && !due.kind.ends_with(&due.status),
            facts: Facts {
                language,
                link: page_url.map(|url| format!("{}/orders/{}", url.trim_end_matches('/'), due.order_id)),
                order_id: due.order_id,
                currency: parse_currency(&due.currency)?,
                // A line item has no units if the customer accepted an offer without it.
                items: items.filter(|item| item.quantity > 0).collect(),
                total_minor: due.total_minor,
                reason,
                refund_minor: due.amount_minor,
                parcel: due.carrier.map(|carrier| Parcel { carrier, tracking_number, tracking_url }),
            },
        })
    }
}

/// The text that replaces the name of a product that is not in the catalogue. The product's id is
/// not shown, because the customer may have invented it.
fn unknown_product(language: Language) -> &'static str {
    match language {
        Language::En => "unknown product",
        Language::Ru => "неизвестный товар",
    }
}

/// Why the order ended, or why money is refunded. The text contains only the shop's own sentences
/// ([`reason`]).
fn reason_for_customer(due: &sql::DueNotice) -> Option<String> {
    let recorded = due.reason.as_deref();
    if due.kind == "ORDER_REFUNDED" {
        return reason::public_refund_reason(recorded);
    }
    // A status that this release does not know has no known reasons.
    let status = due.status.parse::<OrderStatus>().ok();
    status.and_then(|status| reason::public_order_reason(status, recorded)).map(Cow::into_owned)
}

/// The facts that templates can show.
pub(super) struct Facts {
    pub(super) language: Language,
    pub(super) order_id: String,
    pub(super) currency: Currency,
    pub(super) items: Vec<Item>,
    pub(super) total_minor: i64,
    pub(super) reason: Option<String>,
    pub(super) refund_minor: Option<i64>,
    pub(super) parcel: Option<Parcel>,
    /// The address of the order on the shop's page.
    pub(super) link: Option<String>,
}

pub(super) struct Item {
    pub(super) name: String,
    pub(super) quantity: i32,
    pub(super) price_minor: i64,
    /// The units that can be delivered, if they are fewer than ordered and the customer is asked to
    /// decide.
    pub(super) available: Option<i32>,
}

/// A shipment as its carrier reports it.
pub(super) struct Parcel {
    pub(super) carrier: String,
    pub(super) tracking_number: Option<String>,
    pub(super) tracking_url: Option<String>,
}

impl Facts {
    /// Formats an amount of the order's currency, in minor units, for the customer.
    pub(super) fn format_amount(&self, minor: i64) -> String {
        format_amount(Money { minor, currency: self.currency }, self.language)
    }

    /// The variables of the templates. A fact that the order does not have is `none`.
    pub(super) fn context(&self) -> Value {
        let items: Vec<Value> = self
            .items
            .iter()
            .map(|item| {
                let sum = item.price_minor.saturating_mul(i64::from(item.quantity));
                let (price, sum) = (self.format_amount(item.price_minor), self.format_amount(sum));
                context! { name => &item.name, quantity => item.quantity, price, sum, available => item.available }
            })
            .collect();
        let parcel = self.parcel.as_ref();
        context! {
            language => self.language.as_str(),
            order => &self.order_id,
            items,
            total => self.format_amount(self.total_minor),
            reason => &self.reason,
            refund => self.refund_minor.map(|minor| self.format_amount(minor)),
            carrier => parcel.map(|parcel| &parcel.carrier),
            tracking_number => parcel.and_then(|parcel| parcel.tracking_number.as_ref()),
            // The address comes from the carrier and becomes a link, so only https is allowed.
            tracking_url => parcel.and_then(|parcel| parcel.tracking_url.as_ref()).filter(|url| url.starts_with("https://")),
            link => &self.link,
        }
    }

    /// Two examples to check templates with: an order with all facts, and an order without the
    /// optional ones.
    pub(super) fn examples(language: Language) -> [Self; 2] {
        let full = Self::full_example(language);
        let bare = Self { reason: None, refund_minor: Some(0), parcel: None, link: None, ..Self::full_example(language) };
        [full, bare]
    }

    pub(super) fn full_example(language: Language) -> Self {
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
