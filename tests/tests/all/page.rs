//! The page in a real browser: the tests in `tests/page` run against their own stack.

use crate::{
    shipping::MANUAL_CARRIER,
    support::{FAST, SecondApi, Shop, admit, until, with_own_stack},
};
use anyhow::{Context as _, Result, ensure};
use local::free_port;
use std::time::Duration;
use tokio::process::Command;

/// With these timeouts, an order whose bank never answers stays open for half a minute, and can
/// still be cancelled within seconds. An order of 40 laptops exceeds the limit and is reviewed.
const SETTINGS: [(&str, &str); 3] =
    [("STEP_LOCAL_LIMIT_MS", "1500"), ("STEP_HEARTBEAT_LIMIT_MS", "1500"), ("RISK_SPEND_LIMITS", "USD=50000.00")];
/// The names of the API and of the page in tests/page/issuer.js.
const AUDIENCE: &str = "urn:orderflow";
const CLIENT: &str = "page";

#[test]
fn the_page_works_in_a_browser() {
    with_own_stack(1, &SETTINGS, async |shop| {
        let (scarce, last) = (shop.product(1_000, 1).await?, shop.product(1_000, 1).await?);
        let (sold_out, empty) = (shop.product(1_000, 0).await?, shop.product(1_000, 0).await?);
        let products = [("SCARCE", &scarce), ("LAST", &last), ("SOLD_OUT", &sold_out), ("EMPTY", &empty)];
        until("the catalogue has them", Duration::from_secs(20), async || {
            let catalogue = shop.get("/api/products").await?.text().await?;
            Ok(products.iter().all(|(_, product)| catalogue.contains(&product.id)).then_some(()))
        })
        .await?;

        // An API with an issuer that the tests start later. Nothing contacts the issuer before
        // somebody signs in.
        let issuer_port = free_port()?;
        let settings = [("AUTH_ISSUER", format!("http://127.0.0.1:{issuer_port}")), ("AUTH_AUDIENCE", AUDIENCE.to_owned())];
        let settings = settings.into_iter().chain([("AUTH_CLIENT_ID", CLIENT.to_owned())]).map(|(key, value)| (key.to_owned(), value));
        let api = SecondApi::start(shop, &settings.collect::<Vec<_>>()).await?;

        let mut node = node(shop)?;
        node.env("SIGN_IN_URL", api.url("")).env("ISSUER_PORT", issuer_port.to_string());
        node.envs(products.iter().map(|(name, product)| (name, &product.id)));
        succeeds(node).await?;
        shop.audit_is_clean().await
    });
}

/// Staff can record tracking events only while the carrier has not reported them.
#[test]
fn tracking_events_are_recorded_in_a_browser() {
    with_own_stack(1, &[&FAST[..], &MANUAL_CARRIER].concat(), async |shop| {
        let mut node = node(shop)?;
        node.arg("tracking-events.slow.js");
        succeeds(node).await?;
        shop.audit_is_clean().await
    });
}

/// Node's test runner in tests/page, with a stack as its target.
fn node(shop: &Shop) -> Result<Command> {
    let project = local::project();
    let bin = project.join(".local/bin");
    let mut node = Command::new(bin.join("node"));
    node.args(["--test", "--test-concurrency=2", "--test-timeout=600000"]).current_dir(project.join("tests/page")).kill_on_drop(true);
    node.env("BASE_URL", shop.url("")).env("EMULATOR_URL", shop.stack.settings().get("AWS_ENDPOINT_URL")?);
    let chromium = bin.join("chromium");
    if chromium.exists() {
        node.env("CHROMIUM", chromium);
    }
    Ok(node)
}

async fn succeeds(mut node: Command) -> Result<()> {
    // A browser needs as much of the CPU as a stack.
    let mut place = admit().await;
    place.is_ready();
    let run = node.output().await.context("node cannot be run: local/install node page-test says what is missing")?;
    ensure!(run.status.success(), "{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    Ok(())
}
