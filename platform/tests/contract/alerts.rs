//! The alerts: each has its tests, its section in docs/operating.md, and names that exist.

use crate::{promql, read};

/// A rule of Prometheus, as far as these tests read it.
struct Rule {
    alert: Option<String>,
    expression: String,
    text: String,
}

/// The rules of a file. Its layout is that of the files in observability/rules: each rule begins
/// with `- alert:` or `- record:`, and an expression is on the line of `expr:`, or on the deeper
/// lines after it.
fn rules(file: &str) -> Vec<Rule> {
    let text = read(&format!("observability/rules/{file}"));
    let mut rules = Vec::new();
    for block in text.split("      - ").skip(1).filter(|block| block.starts_with("alert: ") || block.starts_with("record: ")) {
        let alert = block.strip_prefix("alert: ").and_then(|rest| rest.lines().next()).map(ToOwned::to_owned);
        let lines = block.lines().skip_while(|line| !line.starts_with("        expr: "));
        let mut expression = String::new();
        for (at, line) in lines.enumerate() {
            if at == 0 {
                expression.push_str(line.trim_start().trim_start_matches("expr: ").trim_start_matches(">-"));
            } else if line.starts_with("          ") {
                expression.push(' ');
                expression.push_str(line.trim());
            } else {
                break;
            }
        }
        rules.push(Rule { alert, expression, text: block.to_owned() });
    }
    rules
}

fn all() -> Vec<Rule> {
    ["alerts.yml", "slo.yml"].into_iter().flat_map(rules).collect()
}

#[test]
fn every_rule_names_what_exists() {
    let rules = all();
    assert!(rules.len() > 30, "only {} rules found", rules.len());
    for rule in rules.iter().filter(|rule| !rule.expression.trim().starts_with("vector(")) {
        promql::check(rule.alert.as_deref().unwrap_or("slo.yml"), &rule.expression);
    }
}

#[test]
fn every_alert_has_its_section_and_its_tests() {
    let (manual, tests) = (read("docs/operating.md"), read("observability/rules/tests.yml"));
    let mut alerts: Vec<Rule> = all().into_iter().filter(|rule| rule.alert.is_some()).collect();
    assert!(alerts.len() >= 16, "only {} alerts found", alerts.len());
    for Rule { alert, text, .. } in alerts.drain(..) {
        let alert = alert.unwrap();
        assert!(text.contains(&format!("runbook_url: docs/operating.md#{}\n", alert.to_lowercase())), "{alert} does not name its section");
        assert!(manual.lines().any(|line| line == format!("### {alert}")), "docs/operating.md has no section {alert}");
        assert!(text.contains("severity: page") || text.contains("severity: ticket"), "{alert} has no severity");
        let outcomes: Vec<&str> =
            tests.split(&format!("alertname: {alert}\n")).skip(1).map(|rest| rest.trim_start().lines().next().unwrap()).collect();
        for outcome in ["exp_alerts: []", "exp_alerts:"] {
            assert!(outcomes.contains(&outcome), "{alert}: tests.yml has no {outcome}");
        }
    }
}
