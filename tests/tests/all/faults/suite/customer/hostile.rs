//! Hostile customers: besides placing one valid order, they send what no honest client sends.
//!
//! Each attack lists the statuses with which the API may answer. Any other answer is a breach, and
//! so is an answer that repeats a card number. The checks at the end of the run show that the
//! attacks had no effect.

use super::{ANSWER_TIMEOUT, Customer};
use crate::faults::suite::{
    record::Answers,
    scenario::{Scenario, total_minor},
};
use anyhow::Result;
use futures::future::join_all;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

/// The text that hostile customers write into every text field. No event and no notification may
/// carry it.
pub(in crate::faults::suite) const CANARY: &str = "https://evil.example/claim-your-prize";
/// Numbers of test cards, as people type them.
const CARDS: [&str; 4] = ["4242424242424242", "4000 0566 5566 5556", "5555-5555-5555-4444", "378282246310005"];
/// The number of requests of one flood, sent at once.
const FLOOD: usize = 25;
/// The number of attacks of one customer before the order is placed.
const ATTACKS: usize = 3;

impl Customer<'_> {
    /// Attacks the API before the order is placed.
    pub(super) async fn attack(&self, scenario: &mut Scenario) -> Result<()> {
        for _ in 0..ATTACKS {
            match scenario.rng.u8(..6) {
                0 => self.post_card(scenario).await,
                1 => self.refund_without_key(scenario).await,
                2 => self.post_compressed(scenario).await,
                3 => self.list_with_foreign_cursor(scenario).await,
                4 => self.send_two_hosts(scenario).await?,
                _ => self.hang_up_in_the_middle(scenario).await?,
            }
        }
        Ok(())
    }

    /// Floods the customer's own order with decisions that it does not wait for, and with refunds
    /// that are too large.
    pub(super) async fn flood(&self, scenario: &mut Scenario, id: &str, answers: &mut Answers) {
        let too_much = json!({ "amount": total_minor(&scenario.lines), "reason": CANARY }).to_string();
        let (amend, refund) = (format!("/api/orders/{id}/amend"), format!("/api/orders/{id}/refunds"));
        let floods = (0..FLOOD).map(|n| {
            let (amend, refund, too_much, key) = (&amend, &refund, &too_much, format!("{}-flood-{n}", scenario.customer));
            async move {
                self.expect(amend, "", &[], &[202, 404, 409, 429]).await;
                // This is one hundred times the order's price, because the minor units are sent as
                // major units.
                self.expect(refund, too_much, &[("Idempotency-Key", &key)], &[202, 404, 409, 422, 429]).await;
            }
        });
        join_all(floods).await;
        if scenario.rng.bool() {
            answers.cancel_asked = true;
            let (cancel, reason) = (format!("/api/orders/{id}/cancel"), json!({ "reason": CANARY }).to_string());
            join_all((0..FLOOD).map(|_| self.expect(&cancel, &reason, &[], &[202, 404, 409, 429]))).await;
        }
    }

    /// Sends a card number instead of a payment token, or in a field of another kind.
    async fn post_card(&self, scenario: &mut Scenario) {
        let card = CARDS[scenario.rng.usize(..CARDS.len())];
        let mut body: Value = serde_json::from_str(&scenario.body).unwrap_or_default();
        match scenario.rng.u8(..3) {
            0 => body["paymentMethod"] = card.into(),
            1 => body["customerID"] = card.into(),
            _ => body["items"][0]["productID"] = card.into(),
        }
        if let Some(answer) = self.expect("/api/orders", &body.to_string(), &[], &[422]).await
            && answer.contains(card)
        {
            self.record.breach(format!("a card number was repeated: {answer}"));
        }
    }

    /// Requests a refund or a restock without a key. Without a key, the API could not distinguish a
    /// repetition from a second request.
    async fn refund_without_key(&self, scenario: &mut Scenario) {
        let product = &self.catalog.product(scenario.lines[0].product).id;
        let (path, body) = if scenario.rng.bool() {
            ("/api/orders/ord_00000000000000000000000000000000/refunds".to_owned(), r#"{"amount":1}"#)
        } else {
            (format!("/api/products/{product}/restock"), r#"{"quantity":1}"#)
        };
        self.expect(&path, body, &[], &[400]).await;
    }

    async fn post_compressed(&self, scenario: &Scenario) {
        self.expect("/api/orders", &scenario.body, &[("Content-Encoding", "gzip")], &[415]).await;
    }

    async fn list_with_foreign_cursor(&self, scenario: &Scenario) {
        let path = format!("/api/orders?customerID={}&cursor=bm90LWEtY3Vyc29y", scenario.customer);
        let sent = self.shop.request(Method::GET, &path).timeout(ANSWER_TIMEOUT).send().await;
        self.check_status(&path, sent.ok().map(|response| response.status()), &[400, 422]);
    }

    /// Sends two Host headers. A proxy and a server may interpret such a request differently.
    async fn send_two_hosts(&self, scenario: &Scenario) -> Result<()> {
        let request =
            format!("GET /api/orders?customerID={} HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n", scenario.customer);
        let Some(answer) = self.send_raw(request.as_bytes()).await? else { return Ok(()) };
        let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
        self.check_status("a request with two hosts", status, &[400]);
        Ok(())
    }

    /// Announces a longer body than it sends, and hangs up.
    async fn hang_up_in_the_middle(&self, scenario: &mut Scenario) -> Result<()> {
        let body = &scenario.body.as_bytes()[..scenario.rng.usize(..scenario.body.len())];
        let head = format!(
            "POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            scenario.body.len()
        );
        let Some(mut connection) = self.connect().await? else { return Ok(()) };
        // The server may be down because of the fault.
        let _ = connection.write_all(&[head.as_bytes(), body].concat()).await;
        Ok(())
    }

    /// Posts a body. The answer must have one of these statuses, unless the server fails or is
    /// unreachable.
    async fn expect(&self, path: &str, body: &str, headers: &[(&str, &str)], statuses: &[u16]) -> Option<String> {
        let mut post = self.shop.request(Method::POST, path).timeout(ANSWER_TIMEOUT).header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            post = post.header(*name, *value);
        }
        let response = post.body(body.to_owned()).send().await.ok()?;
        self.check_status(path, Some(response.status()), statuses);
        response.text().await.ok()
    }

    fn check_status(&self, what: &str, status: Option<StatusCode>, expected: &[u16]) {
        let Some(status) = status.filter(|status| !status.is_server_error()) else { return };
        if !expected.contains(&status.as_u16()) {
            self.record.breach(format!("{what} was answered {status} to a hostile customer"));
        }
    }

    /// The answer to these bytes; `None` while the server is unreachable.
    async fn send_raw(&self, request: &[u8]) -> Result<Option<String>> {
        let Some(mut connection) = self.connect().await? else { return Ok(None) };
        let mut answer = Vec::new();
        let exchange = async {
            connection.write_all(request).await?;
            connection.read_to_end(&mut answer).await
        };
        let done = matches!(timeout(ANSWER_TIMEOUT, exchange).await, Ok(Ok(_)));
        Ok(Some(String::from_utf8_lossy(&answer).into_owned()).filter(|answer| done && !answer.is_empty()))
    }

    async fn connect(&self) -> Result<Option<TcpStream>> {
        let port: u16 = self.shop.stack.settings().port("API_PORT")?;
        let connected = timeout(Duration::from_secs(2), TcpStream::connect(("127.0.0.1", port))).await;
        Ok(connected.ok().and_then(Result::ok))
    }
}
