//! Orders that are paid with Stripe through the whole stack, and the events that Stripe sends about
//! them. The API key and the webhook secret are in Secrets Manager.

use super::{API_KEY, stand_in::Fault, stand_in::StandIn};
use crate::refunds::refund;
use crate::support::{Draft, FAST, Function, OtherWorker, Shop, answer, text, until, with_unstarted_stack};
use anyhow::{Result, ensure};
use aws_sdk_secretsmanager::{
    Client,
    config::{BehaviorVersion, Config, Credentials, Region},
};
use aws_smithy_http_client::Builder;
use local::free_port;
use orders::activities::PAYMENT_UNANSWERED;
use reqwest::{Method, StatusCode, header};
use ring::hmac;
use serde_json::{Value, json};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::try_join;

const SECRET: &str = "orderflow/stripe";
const WEBHOOK_SECRET: &str = "whsec_only_the_tests_know";
const TIMEOUT: Duration = Duration::from_secs(20);

/// A shop that is paid through the stand-in for Stripe.
struct StripeShop<'a> {
    shop: &'a Shop,
    stripe: &'a StandIn,
}

impl StripeShop<'_> {
    /// Places an order over 75.00 with a payment method. Returns its id, and the order at its end.
    async fn order(&self, method: &str, end: &str) -> Result<(String, Value)> {
        let product = self.shop.product(2_500, 10).await?;
        let id = self.shop.place(&Draft::new("CUST-stripe").line(&product, 3).payment_method(method)).await?;
        let order = self.shop.ends(&id, end).await?;
        let sold = if end == "COMPLETED" { 3 } else { 0 };
        assert_eq!(self.shop.stock(&product).await?, (10 - sold, 0), "{order}");
        Ok((id, order))
    }

    /// An order's payment in Postgres: status, gateway, the gateway's reference, and the refunded
    /// amount in minor units.
    async fn record(&self, id: &str) -> Result<(String, String, Option<String>, i64)> {
        let select = "SELECT status, gateway, gateway_reference, refunded_minor FROM payments WHERE order_id = $1";
        let row = self.shop.db().await?.query_one(select, &[&id]).await?;
        Ok((row.get(0), row.get(1), row.get(2), row.get(3)))
    }

    async fn send(&self, event: &str, signature: &str) -> Result<(StatusCode, Value)> {
        let request = self.shop.request(Method::POST, "/api/webhooks/stripe").header("Stripe-Signature", signature);
        answer(request.header(header::CONTENT_TYPE, "application/json; charset=utf-8").body(event.to_owned()).send().await?).await
    }

    /// Sends an event as Stripe does. It must be accepted.
    async fn send_signed(&self, event: &str) -> Result<()> {
        let answer = self.send(event, &signature(WEBHOOK_SECRET, event, 0)).await?;
        ensure!(answer == (StatusCode::OK, json!({ "received": true })), "{answer:?}");
        Ok(())
    }

    /// Waits until the payment in Postgres has this status and this refunded amount.
    async fn becomes(&self, id: &str, status: &str, refunded_minor: i64) -> Result<()> {
        until(&format!("the payment of {id} is {status}"), TIMEOUT, async || {
            let (found, _, _, refunded) = self.record(id).await?;
            Ok((found == status && refunded == refunded_minor).then_some(()))
        })
        .await
    }
}

fn signature(secret: &str, body: &str, age_s: u64) -> String {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() - age_s;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), format!("{time}.{body}").as_bytes());
    let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("t={time},v1={hex}")
}

/// An event about an order's payment intent, or about its charge.
fn event(id: &str, r#type: &str, order_id: &str, intent: &str) -> String {
    let metadata = json!({ "order_id": order_id });
    let object = if r#type.starts_with("charge.") {
        json!({ "id": "ch_1", "object": "charge", "payment_intent": intent, "metadata": metadata })
    } else {
        json!({ "id": intent, "object": "payment_intent", "metadata": metadata })
    };
    json!({ "id": id, "object": "event", "type": r#type, "data": { "object": object } }).to_string()
}

fn secrets(shop: &Shop) -> Result<Client> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .endpoint_url(shop.stack.settings().get("AWS_ENDPOINT_URL")?)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"));
    Ok(Client::from_conf(config.build()))
}

fn content(key: &str, webhook_secret: &str) -> String {
    json!({ "secretKey": key, "webhookSecret": webhook_secret }).to_string()
}

#[test]
fn orders_are_paid_by_stripe() {
    let port = free_port().expect("a port");
    let url = format!("http://127.0.0.1:{port}");
    let settings = [
        ("PAYMENT_GATEWAY", "stripe"),
        ("STRIPE_URL", url.as_str()),
        ("STRIPE_SECRET_ARN", SECRET),
        ("LOG_LEVEL", "debug"),
        ("RETRY_INITIAL_INTERVAL_MS", "200"),
    ];
    with_unstarted_stack(1, &[&FAST[..], &settings].concat(), async |shop| {
        let stripe = StandIn::start(API_KEY, port).await?;
        shop.stack.start_services().await?;
        secrets(shop)?.create_secret().name(SECRET).secret_string(content(API_KEY, WEBHOOK_SECRET)).send().await?;
        shop.stack.start().await?;
        let paid = StripeShop { shop, stripe: &stripe };
        try_join!(
            completes_paid_orders(&paid),
            fails_declined_orders(&paid),
            records_refunds_made_elsewhere(&paid),
            records_findings(&paid),
            reverses_late_captures(&paid),
            function_accepts_events(&paid),
            refuses_unsigned_events(&paid),
        )?;
        // An injected fault hits the next request of any test, so these run one after another.
        survives_faults(&paid).await?;
        waits_for_silent_gateway(&paid).await?;
        refunds_orders(&paid).await?;
        has_one_effect_without_stored_keys(&paid).await?;
        shop.audit_is_clean().await?;
        rotates_credentials(&paid).await?;
        switches_the_gateway(&paid).await?;
        let logs = shop.logs();
        for secret in [API_KEY, WEBHOOK_SECRET, "sk_test_Another", "another_secret", "pm_card"] {
            ensure!(!logs.contains(secret), "{secret} is in the logs");
        }
        Ok(())
    });
}

async fn completes_paid_orders(paid: &StripeShop<'_>) -> Result<()> {
    let (id, order) = paid.order("pm_card_visa", "COMPLETED").await?;
    assert_eq!(order["payment"], json!({ "status": "CAPTURED", "amount": 75.0 }));
    let (intent, stripe_intent) = paid.stripe.intent(&id)?;
    assert_eq!((stripe_intent.amount, stripe_intent.authorizations, stripe_intent.captures), (7_500, 1, 1));
    assert_eq!(paid.record(&id).await?, ("CAPTURED".to_owned(), "stripe".to_owned(), Some(intent), 0));
    Ok(())
}

async fn fails_declined_orders(paid: &StripeShop<'_>) -> Result<()> {
    for (method, reason) in [
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "the card has insufficient funds"),
        ("pm_card_authenticationRequired", "the card's bank asks the customer to confirm the payment"),
        ("tok_visa", "the payment method is not valid"),
    ] {
        let (id, order) = paid.order(method, "FAILED").await?;
        assert_eq!((text(&order, "/failureReason")?, &order["payment"]["status"]), (reason, &json!("DECLINED")));
        assert_eq!((paid.stripe.intent(&id)?.1.status, paid.stripe.intent(&id)?.1.authorizations), ("canceled", 0));
    }
    Ok(())
}

async fn survives_faults(paid: &StripeShop<'_>) -> Result<()> {
    for (call, fault) in [
        ("/capture", Fault::AnswerLost),
        ("/confirm", Fault::AnswerLost),
        ("/payment_intents", Fault::Refused("rate_limit")),
        ("/confirm", Fault::Fails { done: false }),
    ] {
        paid.stripe.inject(call, fault);
        let (id, _) = paid.order("pm_card_visa", "COMPLETED").await?;
        let (_, stripe_intent) = paid.stripe.intent(&id)?;
        assert_eq!((stripe_intent.authorizations, stripe_intent.captures, stripe_intent.captured), (1, 1, 7_500), "{fault:?} at {call}");
    }
    // Stripe is unavailable for longer than an order waits: a possible authorization is voided.
    for _ in 0..4 {
        paid.stripe.inject("/capture", Fault::Refused("unavailable"));
    }
    let (id, order) = paid.order("pm_card_visa", "FAILED").await?;
    assert_eq!((paid.stripe.intent(&id)?.1.status, &order["payment"]["status"]), ("canceled", &json!("VOIDED")));
    ensure!(paid.stripe.all_faults_injected());
    Ok(())
}

/// Stripe receives requests, but neither executes nor answers them. This includes requests for the
/// state of a payment. The order is compensated, and ends when Stripe answers again.
async fn waits_for_silent_gateway(paid: &StripeShop<'_>) -> Result<()> {
    paid.stripe.hang_requests(true);
    let product = paid.shop.product(2_500, 10).await?;
    let id = paid.shop.place(&Draft::new("CUST-stripe").line(&product, 3).payment_method("pm_card_visa")).await?;
    until("the compensation begins", TIMEOUT, async || Ok((paid.shop.order(&id).await?["compensating"] == true).then_some(()))).await?;
    paid.stripe.hang_requests(false);
    let order = paid.shop.ends(&id, "FAILED").await?;
    assert_eq!(text(&order, "/failureReason")?, PAYMENT_UNANSWERED);
    assert_eq!((paid.stripe.intent(&id)?.1.authorizations, paid.shop.stock(&product).await?), (0, (10, 0)), "{order}");
    Ok(())
}

/// The answers to a capture and to a refund are lost. Stripe has forgotten the idempotency keys
/// before the next attempts.
async fn has_one_effect_without_stored_keys(paid: &StripeShop<'_>) -> Result<()> {
    let forgets = async || {
        until("Stripe has done it", TIMEOUT, async || Ok(paid.stripe.all_faults_injected().then_some(()))).await?;
        paid.stripe.forget_keys();
        anyhow::Ok(())
    };
    paid.stripe.inject("/capture", Fault::AnswerLost);
    let ((id, _), ()) = try_join!(paid.order("pm_card_visa", "COMPLETED"), forgets())?;
    paid.stripe.inject("/refunds", Fault::AnswerLost);
    let body = json!({ "amount": 10.0 });
    try_join!(async { refund(paid.shop, &id, &body, None).await }, forgets())?;
    paid.becomes(&id, "PARTIALLY_REFUNDED", 1_000).await?;
    let (_, stripe_intent) = paid.stripe.intent(&id)?;
    assert_eq!((stripe_intent.authorizations, stripe_intent.captures, stripe_intent.refunded), (1, 1, 1_000));
    Ok(())
}

async fn refunds_orders(paid: &StripeShop<'_>) -> Result<()> {
    let (id, _) = paid.order("pm_card_visa", "COMPLETED").await?;
    paid.stripe.inject("/refunds", Fault::AnswerLost);
    let (status, refund) = answer(paid.shop.post_once(&format!("/api/orders/{id}/refunds"), r#"{"amount":20.5}"#).await?).await?;
    ensure!(status == StatusCode::ACCEPTED, "{refund}");
    paid.becomes(&id, "PARTIALLY_REFUNDED", 2_050).await?;
    let (intent, stripe_intent) = paid.stripe.intent(&id)?;
    assert_eq!(stripe_intent.refunded, 2_050);
    // Stripe also reports this refund, which is already on record.
    paid.send_signed(&event("evt_ours", "charge.refunded", &id, &intent)).await?;
    let handled = format!("{id}: ReconcilePayment →");
    until("the event is handled", TIMEOUT, async || Ok(paid.shop.logs().contains(&handled).then_some(()))).await?;
    assert_eq!(paid.record(&id).await?.3, 2_050);
    Ok(())
}

async fn records_refunds_made_elsewhere(paid: &StripeShop<'_>) -> Result<()> {
    let (id, _) = paid.order("pm_card_visa", "COMPLETED").await?;
    let (intent, _) = paid.stripe.intent(&id)?;
    paid.stripe.refund_in_dashboard(&intent, 2_500)?;
    let first = event("evt_part", "charge.refunded", &id, &intent);
    paid.send_signed(&first).await?;
    paid.becomes(&id, "PARTIALLY_REFUNDED", 2_500).await?;
    paid.stripe.refund_in_dashboard(&intent, 5_000)?;
    // A repetition of the first event starts nothing; the next event reports both refunds.
    for event in [&first, &event("evt_rest", "charge.refunded", &id, &intent)] {
        paid.send_signed(event).await?;
    }
    paid.becomes(&id, "REFUNDED", 7_500).await?;
    let order = until("readers see it", TIMEOUT, async || {
        let order = paid.shop.order(&id).await?;
        Ok((order["payment"]["status"] == "REFUNDED").then_some(order))
    })
    .await?;
    let refunds: Vec<_> = order["refunds"].as_array().into_iter().flatten().map(|refund| (&refund["status"], &refund["amount"])).collect();
    assert_eq!(refunds, [(&json!("SUCCEEDED"), &json!(25.0)), (&json!("SUCCEEDED"), &json!(50.0))]);
    let (status, problem) = answer(paid.shop.post_once(&format!("/api/orders/{id}/refunds"), "{}").await?).await?;
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("/problems/nothing-to-refund")));
    Ok(())
}

/// An event that names another order's payment is handled once, and shown to staff until they
/// dismiss it.
async fn records_findings(paid: &StripeShop<'_>) -> Result<()> {
    let ((paying, _), (other, _), (unpaid, _)) = try_join!(
        paid.order("pm_card_visa", "COMPLETED"),
        paid.order("pm_card_visa", "COMPLETED"),
        paid.order("pm_card_visa_chargeDeclined", "FAILED"),
    )?;
    let (intent, _) = paid.stripe.intent(&other)?;
    let before = (paid.record(&paying).await?, paid.record(&unpaid).await?);
    let unknown = "pi_000000000000000000099999";
    for (n, (order, reference, why)) in [
        (&paying, intent.as_str(), format!("the payment of the order is {}", paid.stripe.intent(&paying)?.0)),
        (&unpaid, intent.as_str(), format!("{intent} is the payment of {other}")),
        (&unpaid, unknown, format!("Stripe knows no payment {unknown}")),
    ]
    .into_iter()
    .enumerate()
    {
        paid.send_signed(&event(&format!("evt_misfit{n}"), "payment_intent.succeeded", order, reference)).await?;
        finding(paid, &format!("{order} {reference}"), &why).await?;
    }
    assert_eq!((paid.record(&paying).await?, paid.record(&unpaid).await?), before);
    Ok(())
}

/// Waits for a finding with this reason, and dismisses it.
async fn finding(paid: &StripeShop<'_>, subject: &str, why: &str) -> Result<()> {
    let found = "SELECT error FROM failing_rows WHERE loop = 'FINDINGS' AND row_id = $1";
    let db = paid.shop.db().await?;
    let detail: String =
        until(&format!("{subject} is found"), TIMEOUT, async || Ok(db.query_opt(found, &[&subject]).await?.map(|row| row.get(0)))).await?;
    ensure!(detail.ends_with(why), "{subject}: {detail}");
    let workflow = subject.split_once(' ').map_or(subject, |(order, _)| order);
    until("the event is handled", TIMEOUT, async || {
        Ok(paid.shop.logs().lines().any(|line| line.contains(workflow) && line.contains("ReconcilePayment")).then_some(()))
    })
    .await?;
    ensure!(paid.shop.stack.run("worker", &["dismiss", subject]).await?.status.success());
    ensure!(!paid.shop.stack.run("worker", &["dismiss", subject]).await?.status.success(), "it was dismissed before");
    Ok(())
}

async fn reverses_late_captures(paid: &StripeShop<'_>) -> Result<()> {
    let (id, _) = paid.order("pm_card_visa_chargeDeclined", "FAILED").await?;
    let (intent, _) = paid.stripe.intent(&id)?;
    paid.stripe.capture_in_dashboard(&intent)?;
    paid.send_signed(&event("evt_late", "payment_intent.succeeded", &id, &intent)).await?;
    paid.becomes(&id, "REFUNDED", 7_500).await?;
    assert_eq!(paid.stripe.intent(&id)?.1.refunded, 7_500);
    Ok(())
}

async fn refuses_unsigned_events(paid: &StripeShop<'_>) -> Result<()> {
    let body = event("evt_forged", "charge.refunded", "ord_01930000000070008000000000000001", "pi_1");
    for signature in [String::new(), signature("whsec_guessed", &body, 0), signature(WEBHOOK_SECRET, &body, 301)] {
        let (status, problem) = paid.send(&body, &signature).await?;
        assert_eq!((status, &problem["type"]), (StatusCode::BAD_REQUEST, &json!("/problems/invalid-signature")), "{signature}");
    }
    // An event of another system that shares the Stripe account: it is handled, and changes
    // nothing.
    paid.send_signed(&event("evt_other", "charge.refunded", "ord_01930000000070008000000000000001", "pi_1")).await?;
    until("it is refused", TIMEOUT, async || {
        Ok(paid.shop.logs().contains("ReconcilePayment refused: there is no such order").then_some(()))
    })
    .await?;
    finding(paid, "ord_01930000000070008000000000000001 pi_1", "there is no such order").await
}

/// The Lambda function accepts an event as the server does.
async fn function_accepts_events(paid: &StripeShop<'_>) -> Result<()> {
    let (id, _) = paid.order("pm_card_visa", "COMPLETED").await?;
    let (intent, _) = paid.stripe.intent(&id)?;
    paid.stripe.refund_in_dashboard(&intent, 7_500)?;
    let body = event("evt_function", "charge.refunded", &id, &intent);
    let mut function = Function::start(paid.shop, "stripe-webhook").await?;
    let mut request = Function::event("POST", "/api/webhooks/stripe", Some(&body));
    assert_eq!(function.answer(&request).await?.0, 400);
    request["headers"]["stripe-signature"] = signature(WEBHOOK_SECRET, &body, 0).into();
    assert_eq!(function.answer(&request).await?, (200, json!({ "received": true })));
    paid.becomes(&id, "REFUNDED", 7_500).await
}

/// The shop switches back to the sandbox gateway. Payments that Stripe has begun are finished and
/// refunded by Stripe. New orders use the sandbox.
async fn switches_the_gateway(paid: &StripeShop<'_>) -> Result<()> {
    let (complete, _) = paid.order("pm_card_visa", "COMPLETED").await?;
    // Stripe captures the amount. The answer is lost with the old worker.
    paid.stripe.inject("/capture", Fault::AnswerLost);
    let product = paid.shop.product(2_500, 10).await?;
    let begun = paid.shop.place(&Draft::new("CUST-stripe").line(&product, 3).payment_method("pm_card_visa")).await?;
    until("Stripe has authorized the amount", TIMEOUT, async || {
        Ok(paid.record(&begun).await.is_ok_and(|(status, ..)| status == "AUTHORIZED").then_some(()))
    })
    .await?;
    paid.shop.stack.workers[0].kill().await?;
    let _worker = OtherWorker::start(paid.shop, None, &[("PAYMENT_GATEWAY", "sandbox")]).await?;
    paid.shop.ends(&begun, "COMPLETED").await?;
    let (intent, stripe_intent) = paid.stripe.intent(&begun)?;
    assert_eq!((stripe_intent.authorizations, stripe_intent.captures, stripe_intent.captured), (1, 1, 7_500));
    assert_eq!(paid.record(&begun).await?, ("CAPTURED".to_owned(), "stripe".to_owned(), Some(intent), 0));

    let (status, refund) = answer(paid.shop.post_once(&format!("/api/orders/{complete}/refunds"), r#"{"amount":20.5}"#).await?).await?;
    ensure!(status == StatusCode::ACCEPTED, "{refund}");
    paid.becomes(&complete, "PARTIALLY_REFUNDED", 2_050).await?;
    assert_eq!(paid.stripe.intent(&complete)?.1.refunded, 2_050);

    let (new, _) = paid.order("tok_visa", "COMPLETED").await?;
    assert_eq!(paid.record(&new).await?.1, "sandbox");
    paid.shop.audit_is_clean().await
}

/// A new API key and a new webhook secret replace the old ones without a restart.
async fn rotates_credentials(paid: &StripeShop<'_>) -> Result<()> {
    paid.stripe.rotate("sk_test_Another");
    let rotated = content("sk_test_Another", "another_secret");
    secrets(paid.shop)?.put_secret_value().secret_id(SECRET).secret_string(rotated).send().await?;
    paid.order("pm_card_visa", "COMPLETED").await?;
    let body = event("evt_rotated", "payment_intent.created", "ord_1", "pi_1");
    until("events of the new secret are taken", TIMEOUT, async || {
        Ok((paid.send(&body, &signature("another_secret", &body, 0)).await?.0 == StatusCode::OK).then_some(()))
    })
    .await
}
