//! The metrics, dashboards and alerts, with a real Prometheus on a real stack.

use crate::support::{Draft, LOADED, Load, Prometheus, Shop, prometheus_program, until, until_ok, with_own_stack};
use anyhow::{Context as _, Result, bail, ensure};
use local::project;
use platform::metrics::{Metric, Program, list};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

/// How long the servers may take until every query has an answer.
const ALL_ANSWERED: Duration = Duration::from_secs(60);

#[test]
fn the_configuration_is_valid_and_the_rules_pass_their_tests() {
    let promtool = prometheus_program("promtool");
    let folder = project().join("observability");
    for args in [&["check", "config", "prometheus.yml"], &["test", "rules", "rules/tests.yml"]] {
        let output = Command::new(&promtool).args(args).current_dir(&folder).output().unwrap();
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "promtool {}: {printed}", args.join(" "));
    }
}

/// The text of a program's metrics.
pub(crate) async fn metrics(shop: &Shop, port: &str) -> Result<String> {
    let url = format!("http://127.0.0.1:{}/metrics", shop.stack.settings().port(port)?);
    Ok(shop.http.get(url).send().await?.error_for_status()?.text().await?)
}

/// Compares the names of OrderFlow's metrics in the text with those that the program should serve.
fn check_names(text: &str, program: Program) -> Result<()> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE orderflow_")?.split_once(' '));
    let served: BTreeSet<String> =
        types.map(|(name, kind)| format!("orderflow_{name}{}", if kind == "counter" { "_total" } else { "" })).collect();
    let mine = list::ALL.iter().map(|metric| metric.definition()).filter(|definition| definition.served_by.includes(program));
    let (always, perhaps): (Vec<_>, Vec<_>) = mine.partition(|definition| definition.only_if.is_none());
    let names = |definitions: &[&platform::metrics::Definition]| {
        definitions.iter().map(|definition| definition.name.to_owned()).collect::<BTreeSet<_>>()
    };
    let (always, perhaps) = (names(&always), names(&perhaps));
    let (missing, unknown): (Vec<_>, Vec<_>) =
        (always.difference(&served).collect(), served.iter().filter(|name| !always.contains(*name) && !perhaps.contains(*name)).collect());
    ensure!(missing.is_empty(), "{program:?} does not serve {missing:?}");
    ensure!(unknown.is_empty(), "{program:?} serves {unknown:?}, which list.rs does not have");
    ensure!(!text.contains("_total_total") && text.ends_with("# EOF\n"), "{text}");
    let ordered = list::ALL.iter().any(|metric| matches!(metric, Metric::Histogram(histogram) if text.contains(histogram.definition.name)));
    ensure!(ordered, "no histogram in {text}");
    Ok(())
}

/// A query of a dashboard or a rule, and where it is.
struct Query {
    place: String,
    text: String,
    /// Whether the query itself must have a result. A rule of an alert has none while all is well;
    /// then only its metrics must exist.
    has_result: bool,
}

fn queries() -> Result<Vec<Query>> {
    let mut found = Vec::new();
    for file in fs::read_dir(project().join("observability/dashboards"))? {
        let dashboard: Value = serde_json::from_str(&fs::read_to_string(file?.path())?)?;
        for panel in dashboard["panels"].as_array().context("no panels")? {
            for target in panel["targets"].as_array().context("no targets")? {
                let text = target["expr"].as_str().context("no query")?.replace("$__rate_interval", "30s");
                found.push(Query { place: format!("{}, {}", dashboard["title"], panel["title"]), text, has_result: true });
            }
        }
    }
    ensure!(found.len() > 70, "only {} queries found", found.len());
    Ok(found)
}

/// The queries of the rules, as Prometheus has read them.
async fn rules(prometheus: &Prometheus) -> Result<Vec<Query>> {
    let groups = prometheus.rules().await?;
    let rules = groups["groups"].as_array().into_iter().flatten().flat_map(|group| group["rules"].as_array().into_iter().flatten());
    let queries = rules.map(|rule| Query {
        place: rule["name"].to_string(),
        text: rule["query"].as_str().unwrap_or_default().to_owned(),
        has_result: rule["type"] == "recording",
    });
    let queries: Vec<Query> = queries.collect();
    ensure!(queries.len() > 30, "only {} rules found", queries.len());
    Ok(queries)
}

/// The series selectors of a query, such as `up{job="api"}`.
fn selectors(query: &str) -> Vec<&str> {
    const WORDS: &[&str] = &["and", "bool", "by", "ignoring", "on", "or", "unless", "without"];
    let is_name = |char: char| char.is_ascii_alphanumeric() || matches!(char, '_' | ':');
    let (mut found, mut at) = (Vec::new(), 0);
    while at < query.len() {
        let rest = &query[at..];
        let Some(begin) = rest.find(|char: char| char.is_ascii_alphabetic() || char == '"' || char == '(' || char == '[') else { break };
        let begin = at + begin;
        if query[begin..].starts_with('"') {
            at = begin + 1 + query[begin + 1..].find('"').map_or(query.len(), |end| end + 1);
            continue;
        }
        if query[begin..].starts_with('[') {
            at = begin + query[begin..].find(']').unwrap_or(query.len() - begin);
            continue;
        }
        if query[begin..].starts_with('(') {
            // The labels of `by (…)` and `on (…)`.
            let before = query[..begin].trim_end();
            let grouped = ["by", "on", "without", "ignoring"].iter().any(|word| before.ends_with(&format!(" {word}")) || before == *word);
            at = if grouped { begin + query[begin..].find(')').unwrap_or(0) + 1 } else { begin + 1 };
            continue;
        }
        let end = query[begin..].find(|char| !is_name(char)).map_or(query.len(), |length| begin + length);
        at = end;
        let is_digit_before = query[..begin].ends_with(|char: char| char.is_ascii_digit());
        let after = query[end..].trim_start();
        if WORDS.contains(&&query[begin..end])
            || after.starts_with('(')
            || is_digit_before
            || is_function_with_labels(&query[begin..end], after)
        {
            continue;
        }
        if query[end..].starts_with('{') {
            at = end + query[end..].find('}').unwrap_or(0) + 1;
        }
        found.push(&query[begin..at]);
    }
    found
}

/// Whether the name is an aggregation, as in `sum by (status) (…)`.
fn is_function_with_labels(name: &str, after: &str) -> bool {
    ["sum", "max", "min", "avg", "topk"].contains(&name) && ["by", "without"].iter().any(|word| after.starts_with(word))
}

/// The labels that a query groups or joins by.
fn grouping(query: &str) -> BTreeSet<&str> {
    let groups =
        ["by (", "on (", "without ("].into_iter().flat_map(|word| query.split(word).skip(1)).filter_map(|rest| rest.split(')').next());
    groups.flat_map(|labels| labels.split(',').map(str::trim)).collect()
}

/// Why a query is wrong or has no answer yet.
async fn problem(prometheus: &Prometheus, query: &Query) -> Result<Option<String>> {
    let mut labels = BTreeSet::new();
    for selector in selectors(&query.text) {
        let series = prometheus.query(selector).await.with_context(|| query.place.clone())?;
        let Some(one) = series.first() else { return Ok(Some(format!("{}: {selector} has no series", query.place))) };
        labels.extend(one["metric"].as_object().into_iter().flatten().map(|(name, _)| name.clone()));
    }
    if let Some(unknown) = grouping(&query.text).into_iter().find(|label| !labels.contains(*label)) {
        return Ok(Some(format!("{}: no series has the label {unknown}", query.place)));
    }
    let answered = !query.has_result || !prometheus.query(&query.text).await.with_context(|| query.place.clone())?.is_empty();
    Ok((!answered).then(|| format!("{}: no result of {}", query.place, query.text)))
}

#[test]
fn selectors_are_found() {
    assert_eq!(
        selectors(r#"sum by (a, b) (rate(x_total{c="d", e=~"f(g)"}[30s])) / on (a) 14.4 * max(y:z) > bool 5"#),
        [r#"x_total{c="d", e=~"f(g)"}"#, "y:z"]
    );
    assert_eq!(grouping("sum by (a, b) (x) / on (c) y"), BTreeSet::from(["a", "b", "c"]));
    assert_eq!(selectors(r#"sum(up{job="worker"}) == 0 or absent(up)"#), [r#"up{job="worker"}"#, "up"]);
}

#[test]
fn every_query_of_the_dashboards_and_alerts_has_an_answer() {
    with_own_stack(1, &LOADED, async |shop| {
        let (product, scarce, load) = (shop.product(1_000, 100_000).await?, shop.product(1_000, 1).await?, Load::default());
        let draft = |n: usize| {
            let order = Draft::new(&format!("CUST-{n}"));
            match n % 4 {
                0 => order.line(&product, 1).payment_method("tok_declined"),
                1 => order.line(&product, 1).payment_method("tok_processing_error"),
                _ => order.line(&product, 1),
            }
        };
        let paid = shop.place(&Draft::new("CUST-refund").line(&product, 1)).await?;
        shop.ends(&paid, "COMPLETED").await?;
        let refund = shop.post_once(&format!("/api/orders/{paid}/refunds"), json!({ "amount": 1.0 }).to_string()).await?;
        ensure!(refund.status().is_success(), "{}", refund.status());
        shop.ends(&shop.enqueue(&Draft::new("CUST-none").line(&scarce, 5)).await?, "FAILED").await?;
        let refunded =
            async || Ok(metrics(shop, "WORKER_PORT").await?.contains("orderflow_money_refunded_total{currency=\"USD\"} 1.0").then_some(()));
        until("the refund is counted", Duration::from_secs(30), refunded).await?;
        check_names(&metrics(shop, "WORKER_PORT").await?, Program::Worker)?;
        check_names(&metrics(shop, "API_METRICS_PORT").await?, Program::Api)?;
        let public = shop.get("/metrics").await?.status();
        ensure!(public == StatusCode::NOT_FOUND, "the public gets {public}");

        let prometheus = Prometheus::start(shop, 1, ToOwned::to_owned).await?;
        let mut waiting = queries()?;
        waiting.extend(rules(&prometheus).await?);
        let deadline = Instant::now() + ALL_ANSWERED;
        loop {
            load.place(shop, 8, 4, draft).await;
            let (mut problems, mut left) = (Vec::new(), Vec::new());
            for query in waiting {
                if let Some(problem) = problem(&prometheus, &query).await? {
                    problems.push(problem);
                    left.push(query);
                }
            }
            if left.is_empty() {
                break;
            }
            if Instant::now() > deadline {
                bail!("{}", problems.join("\n"));
            }
            waiting = left;
        }
        load.ends(shop).await?;
        shop.audit_is_clean().await
    });
}

/// Rules that ring within seconds. Prometheus scrapes each 3 s.
fn impatient(rules: &str) -> String {
    let mut rules = ["1m", "2m", "3m", "5m", "15m"]
        .iter()
        .fold(rules.to_owned(), |rules, pause| rules.replace(&format!("for: {pause}\n"), "for: 3s\n"));
    for window in ["[5m]", "[30m]", "[1h]", "[6h]"] {
        rules = rules.replace(window, "[15s]");
    }
    rules
}

/// Waits until exactly this alert rings, and checks that no other one does meanwhile.
async fn rings(prometheus: &Prometheus, alert: &str) -> Result<()> {
    let only = |ringing: &[String]| ringing.iter().all(|name| name == alert);
    until(&format!("{alert} rings"), Duration::from_secs(45), async || {
        let ringing = prometheus.ringing().await?;
        ensure!(only(&ringing), "{ringing:?} instead of {alert}");
        Ok((!ringing.is_empty()).then_some(()))
    })
    .await?;
    // Another alert that the fault causes later would ring in this time.
    let until_then = Instant::now() + Duration::from_secs(7);
    while Instant::now() < until_then {
        let ringing = prometheus.ringing().await?;
        ensure!(only(&ringing), "{ringing:?} besides {alert}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    Ok(())
}

async fn silent(prometheus: &Prometheus) -> Result<()> {
    until_ok("no alert rings", Duration::from_secs(60), async || {
        let ringing = prometheus.ringing().await?;
        ensure!(ringing.is_empty(), "{ringing:?}");
        Ok(())
    })
    .await
}

/// While the faults last, no orders are placed, except where the fault needs them: an order that
/// waits for a fault to end is slow, and rightly rings `CompletingIsSlow`, too.
#[test]
fn each_fault_rings_its_own_alert() {
    with_own_stack(1, &[&crate::support::FAST[..], &[("RETRY_MAXIMUM_ATTEMPTS", "3")]].concat(), async |shop| {
        let product = shop.product(1_000, 100_000).await?;
        let prometheus = Prometheus::start(shop, 3, impatient).await?;
        silent(&prometheus).await?;

        let worker = &shop.stack.workers[0];
        worker.kill().await?;
        rings(&prometheus, "WorkerDown").await?;
        worker.start().await?;
        silent(&prometheus).await?;

        shop.stack.temporal.stop().await?;
        rings(&prometheus, "TemporalDown").await?;
        shop.stack.temporal.start().await?;
        silent(&prometheus).await?;

        shop.stack.postgres.stop().await?;
        rings(&prometheus, "PostgresDown").await?;
        shop.stack.postgres.start().await?;
        silent(&prometheus).await?;

        let load = Load::default();
        // Prometheus sees a rate only if calls fail between two of its scrapes.
        let has_rung = AtomicBool::new(false);
        let unanswered = async {
            while !has_rung.load(Ordering::Relaxed) {
                load.place(shop, 4, 2, |n| Draft::new(&format!("CUST-{n}")).line(&product, 1).payment_method("tok_down")).await;
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let rung = async {
            let rung = rings(&prometheus, "GatewayFailing").await;
            has_rung.store(true, Ordering::Relaxed);
            rung
        };
        tokio::join!(unanswered, rung).1?;
        load.ends(shop).await?;
        silent(&prometheus).await?;

        // What is not projected yet would rightly ring `ProjectionIsLate`.
        let late = "SELECT (SELECT count(*) FROM orders WHERE projected_version < version)
            + (SELECT count(*) FROM products WHERE projected_version < version)";
        let db = shop.db().await?;
        until("everything is projected", Duration::from_secs(30), async || {
            Ok((db.query_one(late, &[]).await?.get::<_, i64>(0) == 0).then_some(()))
        })
        .await?;
        shop.stack.emulator.stop().await?;
        let body = Draft::new("CUST-refused").line(&product, 1).body();
        let refused = async {
            loop {
                let post = shop.request(Method::POST, "/api/orders").header("Idempotency-Key", shop.unique("refused")).json(&body);
                let _ = post.send().await;
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            () = refused => bail!("it never ends"),
            rung = rings(&prometheus, "AcceptingFails") => rung?,
        }
        shop.stack.emulator.start().await?;
        Ok(())
    });
}
