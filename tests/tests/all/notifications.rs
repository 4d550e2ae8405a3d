//! Notifications: they are recorded for every order, and sent to customers who left a contact.

mod feedback;

use crate::support::{Draft, Shop, text, until, with_own_stack, with_shared_stack};
use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use serde_json::{Value, json};
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(20);

/// The messages that the emulator has accepted for delivery, from one of its endpoints.
async fn sent(shop: &Shop, path: &str) -> Result<String> {
    let emulator = shop.stack.settings().get("AWS_ENDPOINT_URL")?;
    Ok(shop.http.get(format!("{emulator}/_ministack/{path}")).send().await?.text().await?)
}

/// The e-mails to an address.
async fn mails_to(shop: &Shop, address: &str) -> Result<Vec<Value>> {
    let mails: Value = serde_json::from_str(&sent(shop, "ses/messages").await?)?;
    let accounts = mails["messages"].as_object().context("no messages")?;
    let all = accounts.values().filter_map(Value::as_array).flatten();
    Ok(all.filter(|mail| mail["To"] == json!([address])).cloned().collect())
}

/// The type, channel and state of an order's notifications, once none of them is pending.
async fn notifications_of(shop: &Shop, id: &str) -> Result<Vec<(String, String, String)>> {
    let db = shop.db().await?;
    let query = "SELECT type, channel, state FROM notifications WHERE order_id = $1 ORDER BY channel, type";
    until("notifications are recorded and delivered", TIMEOUT, async || {
        let rows = db.query(query, &[&id]).await?;
        let notifications: Vec<(String, String, String)> = rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
        Ok((!notifications.is_empty() && notifications.iter().all(|(_, _, state)| state != "PENDING")).then_some(notifications))
    })
    .await
}

fn notification(kind: &str, channel: &str, state: &str) -> (String, String, String) {
    (kind.to_owned(), channel.to_owned(), state.to_owned())
}

#[test]
fn each_end_is_notified_by_mail_and_sms() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        for (n, (method, end, kinds, words)) in [
            ("tok_visa", "COMPLETED", &["ORDER_CONFIRMED", "ORDER_DELIVERED"][..], "is confirmed"),
            ("tok_declined", "FAILED", &["ORDER_FAILED"], "the card was declined"),
        ]
        .into_iter()
        .enumerate()
        {
            let (email, phone) = (format!("{}@customer.example", shop.unique("told")), format!("+1415555010{n}"));
            let draft = Draft::new("CUST-told").line(&product, 1).payment_method(method);
            let id = shop.place(&draft.with("contact", json!({ "email": email, "phone": phone }))).await?;
            shop.ends(&id, end).await?;
            let sent_by = |channel| kinds.iter().map(move |kind| notification(kind, channel, "SENT"));
            assert_eq!(notifications_of(shop, &id).await?, sent_by("EMAIL").chain(sent_by("SMS")).collect::<Vec<_>>());
            let order = until("readers see the notifications", TIMEOUT, async || {
                let order = shop.order(&id).await?;
                Ok((order["notifications"].as_array().map(Vec::len) == Some(2 * kinds.len())).then_some(order))
            })
            .await?;

            let mails = mails_to(shop, &email).await?;
            assert_eq!(mails.len(), kinds.len(), "{mails:?}");
            for part in ["/BodyText", "/BodyHtml"] {
                let bodies = mails.iter().map(|mail| text(mail, part)).collect::<Result<Vec<_>>>()?;
                ensure!(bodies.iter().any(|body| body.contains(words)), "{bodies:?}");
                ensure!(bodies.iter().all(|body| body.contains(&id)) && bodies.iter().any(|body| body.contains("$10.00")), "{bodies:?}");
            }
            ensure!(
                text(&mails[0], "/Subject")?.contains(&id) && text(&mails[0], "/BodyHtml")?.contains("<html lang=\"en\">"),
                "{mails:?}"
            );
            let link = format!("{}/orders/{id}", shop.stack.settings().get("PAGE_URL")?);
            ensure!(text(&mails[0], "/BodyText")?.contains(&link), "{mails:?}");
            assert_eq!(text(&mails[0], "/Source")?, shop.stack.settings().get("EMAIL_FROM")?);
            let texts = sent(shop, "sns/sms-messages").await?;
            ensure!(texts.contains(&phone) && texts.contains(&id), "{texts}");

            let shown = order["notifications"].as_array().context("readers do not see it")?;
            let shown: Vec<_> = shown
                .iter()
                .map(|notification| Ok((text(notification, "/type")?, text(notification, "/channel")?)))
                .collect::<Result<_>>()?;
            assert_eq!(shown, kinds.iter().flat_map(|kind| [(*kind, "EMAIL"), (*kind, "SMS")]).collect::<Vec<_>>());

            // Contacts are used for notifications only.
            let logs = shop.logs();
            ensure!(!order.to_string().contains(&email) && !logs.contains(&email) && !logs.contains(&phone), "a contact is shown");
        }
        shop.audit_is_clean().await
    });
}

#[test]
fn a_customer_chooses_channel_and_language() {
    with_shared_stack(async |shop| {
        let product = shop.product(129_999, 100).await?;
        let name = "Лампа <script>&\"";
        shop.db().await?.execute("UPDATE products SET name = $2 WHERE id = $1", &[&product.id, &name]).await?;
        let email = format!("{}@customer.example", shop.unique("chosen"));
        let contact = |channel: &str| json!({ "email": email, "phone": "+14155550180", "channel": channel, "language": "ru" });
        let place = async |channel: &str| shop.place(&Draft::new("CUST-chosen").line(&product, 2).with("contact", contact(channel))).await;

        let id = place("EMAIL").await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!(
            notifications_of(shop, &id).await?,
            ["ORDER_CONFIRMED", "ORDER_DELIVERED"].map(|kind| notification(kind, "EMAIL", "SENT"))
        );
        let mails = mails_to(shop, &email).await?;
        let confirmed = mails.iter().find(|mail| mail["Subject"] == format!("Заказ {id} подтверждён"));
        let confirmed = confirmed.with_context(|| format!("not confirmed: {mails:?}"))?;
        let (body, html) = (text(confirmed, "/BodyText")?, text(confirmed, "/BodyHtml")?);
        ensure!(body.contains(name) && body.contains("2\u{a0}599,98\u{a0}$"), "{body}");
        ensure!(html.contains("Лампа &lt;script&gt;&amp;&quot;") && !html.contains("<script>"), "{html}");

        let id = place("SMS").await?;
        shop.ends(&id, "COMPLETED").await?;
        assert_eq!(
            notifications_of(shop, &id).await?,
            ["ORDER_CONFIRMED", "ORDER_DELIVERED"].map(|kind| notification(kind, "SMS", "SENT"))
        );
        let texts = sent(shop, "sns/sms-messages").await?;
        ensure!(texts.contains(&id) && texts.contains("+14155550180"), "{texts}");
        assert_eq!(mails_to(shop, &email).await?.len(), 2);
        Ok(())
    });
}

#[test]
fn a_refund_notification_has_the_amount_and_no_text_of_staff() {
    with_shared_stack(async |shop| {
        let product = shop.product(2_500, 10).await?;
        let email = format!("{}@customer.example", shop.unique("refunded"));
        let id = shop.place(&Draft::new("CUST-refunded").line(&product, 2).with("contact", json!({ "email": email }))).await?;
        shop.ends(&id, "COMPLETED").await?;
        let body = json!({ "amount": 12.5, "reason": "see https://evil.example" }).to_string();
        ensure!(shop.post_once(&format!("/api/orders/{id}/refunds"), body).await?.status().is_success(), "no refund");
        let mail = until("the customer is notified of the refund", TIMEOUT, async || {
            let mails = mails_to(shop, &email).await?;
            Ok(mails.into_iter().find(|mail| mail["Subject"].as_str().is_some_and(|subject| subject.contains("refund"))))
        })
        .await?;
        let body = text(&mail, "/BodyText")?;
        ensure!(body.contains("$12.50 of your order is on its way back to you.") && body.contains("$50.00"), "{body}");
        ensure!(!mail.to_string().contains("evil"), "{mail}");
        ensure!(shop.order(&id).await?["refunds"][0]["reason"] == "see https://evil.example", "readers do not see why");
        Ok(())
    });
}

/// Each order with a declined payment has its own phone number.
#[test]
fn unpaid_orders_send_few_notifications() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let customer = shop.unique("CUST-flood");
        let place = async |method: &str, phone: String| {
            let draft = Draft::new(&customer).line(&product, 1).payment_method(method);
            shop.place(&draft.with("contact", json!({ "phone": phone }))).await
        };
        let unpaid = try_join_all((0..13).map(|n| place("tok_declined", format!("+1415556{n:04}")))).await?;
        let mut states = Vec::new();
        for id in &unpaid {
            shop.ends(id, "FAILED").await?;
            states.extend(notifications_of(shop, id).await?.into_iter().map(|(.., state)| state));
        }
        let count = |wanted: &str| states.iter().filter(|state| *state == wanted).count();
        assert_eq!((count("SENT"), count("SUPPRESSED")), (10, 3), "{states:?}");
        let db = shop.db().await?;
        let why = "SELECT last_error, attempts FROM notifications WHERE order_id = ANY ($1) AND state = 'SUPPRESSED'";
        for row in db.query(why, &[&unpaid]).await? {
            let error: &str = row.get(0);
            ensure!(error.contains("10 messages about one customer's unpaid orders"), "{error}");
        }
        // A customer who pays is notified.
        let paid = place("tok_visa", "+14155560100".to_owned()).await?;
        shop.ends(&paid, "COMPLETED").await?;
        assert_eq!(
            notifications_of(shop, &paid).await?,
            ["ORDER_CONFIRMED", "ORDER_DELIVERED"].map(|kind| notification(kind, "SMS", "SENT"))
        );
        Ok(())
    });
}

#[test]
fn sms_go_to_allowed_countries_only() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        for phone in ["+19005550123", "+18765550123", "+4915112345678"] {
            let id = shop.place(&Draft::new("CUST-far").line(&product, 1).with("contact", json!({ "phone": phone }))).await?;
            shop.ends(&id, "COMPLETED").await?;
            assert_eq!(
                notifications_of(shop, &id).await?,
                ["ORDER_CONFIRMED", "ORDER_DELIVERED"].map(|kind| notification(kind, "SMS", "SUPPRESSED"))
            );
            ensure!(!sent(shop, "sns/sms-messages").await?.contains(phone), "{phone} got an SMS");
        }
        Ok(())
    });
}

/// A notification that is stuck delays only those of its own order.
#[test]
fn notifications_of_an_order_are_sent_in_order() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let db = shop.db().await?;
        let stuck = shop.place(&Draft::new("CUST-stuck").line(&product, 1)).await?;
        shop.ends(&stuck, "COMPLETED").await?;
        db.execute("UPDATE orders SET contact_email = 'stuck@customer.example' WHERE id = $1", &[&stuck]).await?;
        let insert = "INSERT INTO notifications (order_id, type, channel, state, next_attempt_at) VALUES
            ($1, 'ORDER_DELIVERED', 'EMAIL', 'PENDING', now()), ($1, 'ORDER_CONFIRMED', 'EMAIL', 'PENDING', now() + interval '1 hour')";
        db.execute(insert, &[&stuck]).await?;

        let email = format!("{}@customer.example", shop.unique("ordered"));
        let draft = Draft::new(&shop.unique("CUST-ordered")).line(&product, 1).with("contact", json!({ "email": email }));
        let ids = try_join_all((0..10).map(|_| shop.place(&draft))).await?;
        for id in &ids {
            shop.ends(id, "COMPLETED").await?;
            notifications_of(shop, id).await?;
        }
        let sent_types = "SELECT array_agg(type ORDER BY updated_at) FROM notifications WHERE order_id = $1 AND channel = 'EMAIL'";
        for id in &ids {
            let sent_types: Vec<String> = db.query_one(sent_types, &[id]).await?.get(0);
            assert_eq!(sent_types, ["ORDER_CONFIRMED", "ORDER_DELIVERED"], "{id}");
        }
        let waiting = "SELECT count(*) FROM notifications WHERE order_id = $1 AND state = 'PENDING' AND attempts = 0";
        assert_eq!(db.query_one(waiting, &[&stuck]).await?.get::<_, i64>(0), 2, "a message overtook one that is stuck");
        db.execute("UPDATE notifications SET next_attempt_at = now() WHERE order_id = $1", &[&stuck]).await?;
        until("both are sent", TIMEOUT, async || {
            let sent =
                db.query("SELECT type FROM notifications WHERE order_id = $1 AND state = 'SENT' ORDER BY updated_at", &[&stuck]).await?;
            let sent: Vec<String> = sent.iter().map(|row| row.get(0)).collect();
            Ok((sent == ["ORDER_CONFIRMED", "ORDER_DELIVERED"]).then_some(()))
        })
        .await?;

        // A request for a decision is not sent after the decision was made.
        let insert = "INSERT INTO notifications (order_id, type, channel, state) VALUES ($1, 'ORDER_ACTION_REQUIRED', 'EMAIL', 'PENDING')";
        db.execute(insert, &[&stuck]).await?;
        assert!(notifications_of(shop, &stuck).await?.contains(&notification("ORDER_ACTION_REQUIRED", "EMAIL", "SUPPRESSED")));
        // Restores the order, for tests that compare it with the read model.
        db.execute("UPDATE orders SET contact_email = NULL, version = version + 1 WHERE id = $1", &[&stuck]).await?;
        Ok(())
    });
}

/// The order waits for its customer, who cancels it with a reason in their own words.
#[test]
fn text_of_customers_is_not_sent_in_notifications() {
    with_shared_stack(async |shop| {
        let (short, plenty) = (shop.product(1_000, 1).await?, shop.product(250, 10).await?);
        let email = format!("{}@customer.example", shop.unique("evil"));
        let contact = json!({ "email": email, "phone": "+14155550171" });
        let id = shop.place(&Draft::new("CUST-evil").line(&short, 3).line(&plenty, 2).with("contact", contact)).await?;
        shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
        assert_eq!(
            notifications_of(shop, &id).await?,
            ["EMAIL", "SMS"].map(|channel| notification("ORDER_ACTION_REQUIRED", channel, "SENT"))
        );
        let cancel = json!({ "reason": "win at https://evil.example" }).to_string();
        ensure!(shop.post(&format!("/api/orders/{id}/cancel"), cancel).await?.status().is_success(), "{id} cannot be cancelled");
        let order = shop.ends(&id, "CANCELLED").await?;
        assert_eq!(order["failureReason"], "win at https://evil.example", "those who may see the order read it");
        until("the customer is notified", TIMEOUT, async || {
            Ok(notifications_of(shop, &id).await?.contains(&notification("ORDER_CANCELLED", "EMAIL", "SENT")).then_some(()))
        })
        .await?;
        let mails = mails_to(shop, &email).await?;
        ensure!(mails.iter().any(|mail| mail.to_string().contains("Your order is cancelled: cancelled on request.")), "{mails:?}");
        ensure!(!format!("{mails:?}").contains("https://evil"), "{mails:?}");
        let texts = sent(shop, "sns/sms-messages").await?;
        ensure!(texts.contains("Your order needs your decision") && texts.contains(&format!("/orders/{id}")), "{texts}");
        ensure!(!texts.contains("evil"), "{texts}");
        Ok(())
    });
}

#[test]
fn without_a_contact_the_notification_is_only_recorded() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let id = shop.place(&Draft::new("CUST-untold").line(&product, 1)).await?;
        let order = shop.ends(&id, "COMPLETED").await?;
        assert_eq!(
            notifications_of(shop, &id).await?,
            ["ORDER_CONFIRMED", "ORDER_DELIVERED"].map(|kind| notification(kind, "NONE", "RECORDED"))
        );
        ensure!(order["notifications"].is_null(), "{order}");
        Ok(())
    });
}

#[test]
fn a_request_for_a_decision_names_the_offer() {
    with_shared_stack(async |shop| {
        let (short, plenty) = (shop.product(1_000, 1).await?, shop.product(250, 10).await?);
        let email = format!("{}@customer.example", shop.unique("asked"));
        let draft = Draft::new(&shop.unique("CUST-asked")).line(&short, 3).line(&plenty, 2).with("contact", json!({ "email": email }));
        let id = shop.place(&draft).await?;
        shop.reaches(&id, &["ACTION_REQUIRED"]).await?;
        assert_eq!(notifications_of(shop, &id).await?, [notification("ORDER_ACTION_REQUIRED", "EMAIL", "SENT")]);
        let mails = mails_to(shop, &email).await?;
        let body = text(&mails[0], "/BodyText")?;
        ensure!(body.contains(&format!("{} ($10.00 each), of which we can send 1: $30.00", short.id)), "{body}");
        ensure!(body.contains(&format!("{} ($2.50 each): $5.00", plenty.id)), "{body}");
        until("readers see the notification", TIMEOUT, async || {
            Ok((shop.order(&id).await?["notifications"][0]["type"] == "ORDER_ACTION_REQUIRED").then_some(()))
        })
        .await?;
        ensure!(shop.cancel(&id).await?.0.is_success(), "{id} cannot be cancelled");
        shop.ends(&id, "CANCELLED").await?;
        Ok(())
    });
}

/// SES rejects an address without a domain.
#[test]
fn a_permanently_rejected_notification_is_not_retried() {
    with_shared_stack(async |shop| {
        let product = shop.product(1_000, 100).await?;
        let id = shop.place(&Draft::new("CUST-refused").line(&product, 1)).await?;
        shop.ends(&id, "COMPLETED").await?;
        let db = shop.db().await?;
        db.execute("UPDATE orders SET contact_email = 'refused-nobody' WHERE id = $1", &[&id]).await?;
        db.execute("INSERT INTO notifications (order_id, type, channel, state) VALUES ($1, 'ORDER_CONFIRMED', 'EMAIL', 'PENDING')", &[&id])
            .await?;
        db.execute("UPDATE orders SET version = version + 1 WHERE id = $1", &[&id]).await?;
        assert_eq!(
            notifications_of(shop, &id).await?,
            [
                notification("ORDER_CONFIRMED", "EMAIL", "FAILED"),
                notification("ORDER_CONFIRMED", "NONE", "RECORDED"),
                notification("ORDER_DELIVERED", "NONE", "RECORDED")
            ]
        );
        let row = db
            .query_one("SELECT attempts, provider_id, last_error FROM notifications WHERE order_id = $1 AND channel = 'EMAIL'", &[&id])
            .await?;
        assert_eq!((row.get::<_, i32>(0), row.get::<_, Option<&str>>(1)), (1, None));
        let error: &str = row.get(2);
        ensure!(error.contains("InvalidParameterValue") && !error.contains("refused-nobody"), "{error}");
        ensure!(!shop.logs().contains("refused-nobody"), "an address is in the logs");
        Ok(())
    });
}

#[test]
fn a_failed_notification_is_sent_later_and_the_order_completes() {
    with_own_stack(1, &[], async |shop| {
        let product = shop.product(1_000, 100).await?;
        let db = shop.db().await?;
        shop.stack.emulator.stop().await?;
        let contact = json!({ "email": "later@customer.example" });
        let id = shop.place(&Draft::new("CUST-later").line(&product, 1).with("contact", contact)).await?;
        until("the order completes", TIMEOUT, async || {
            Ok(db.query_opt("SELECT FROM orders WHERE id = $1 AND status = 'COMPLETED'", &[&id]).await?)
        })
        .await?;
        // The second notification waits for the first.
        let first =
            "SELECT type, state, last_error, next_attempt_at > now() FROM notifications WHERE order_id = $1 AND last_error IS NOT NULL";
        let error: String = until("sending has failed", TIMEOUT, async || {
            let rows = db.query(first, &[&id]).await?;
            ensure!(rows.iter().all(|row| row.get::<_, &str>(0) == "ORDER_CONFIRMED"), "one message overtook another");
            Ok(rows.first().filter(|row| row.get::<_, &str>(1) == "PENDING" && row.get(3)).map(|row| row.get(2)))
        })
        .await?;
        ensure!(!error.contains("later@customer.example"), "{error}");
        // Sending is retried for three days.
        let age =
            "UPDATE notifications SET next_attempt_at = now(), due_since = now() - interval '73 hours' WHERE (order_id, type) = ($1, $2)";
        db.execute(age, &[&id, &"ORDER_CONFIRMED"]).await?;
        until("it is given up", TIMEOUT, async || {
            Ok(db.query_opt("SELECT FROM notifications WHERE order_id = $1 AND state = 'FAILED'", &[&id]).await?)
        })
        .await?;
        shop.stack.emulator.start().await?;
        db.execute("UPDATE notifications SET next_attempt_at = now() WHERE order_id = $1", &[&id]).await?;
        let (confirmed, delivered) = (notification("ORDER_CONFIRMED", "EMAIL", "FAILED"), notification("ORDER_DELIVERED", "EMAIL", "SENT"));
        assert_eq!(notifications_of(shop, &id).await?, [confirmed, delivered.clone()]);

        // Staff send the notification again.
        let resent = shop.stack.run("worker", &["notify", "resend", &id, "ORDER_CONFIRMED"]).await?;
        ensure!(resent.status.success(), "{}", String::from_utf8_lossy(&resent.stderr));
        assert_eq!(notifications_of(shop, &id).await?, [notification("ORDER_CONFIRMED", "EMAIL", "SENT"), delivered]);
        assert_eq!(mails_to(shop, "later@customer.example").await?.len(), 2);
        let nothing = shop.stack.run("worker", &["notify", "resend", &id, "ORDER_FAILED"]).await?;
        ensure!(!nothing.status.success(), "a message that there is not was sent again");
        shop.ends(&id, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}
