//! The format of Grafana's dashboards. A dashboard is a few rows of panels; all the rest of its JSON
//! follows from that.

use serde_json::{Value, json};

/// The width of the screen, and the height of a row.
const COLUMNS: usize = 24;
const HEIGHT: usize = 8;

pub(crate) struct Dashboard {
    pub(crate) uid: &'static str,
    pub(crate) title: &'static str,
    /// What a reader finds here.
    pub(crate) about: &'static str,
    /// The panels of each row share its width.
    pub(crate) rows: &'static [&'static [Panel]],
}

pub(crate) struct Panel {
    pub(crate) title: &'static str,
    pub(crate) kind: Kind,
    /// The unit in Grafana's spelling: `s`, `percentunit`, `reqps`, `short`.
    pub(crate) unit: &'static str,
    /// Legend and query of each line. In the legend, `{{label}}` is the label's value.
    pub(crate) queries: &'static [(&'static str, &'static str)],
    /// From which value on the panel is yellow, and red.
    pub(crate) thresholds: Option<(f64, f64)>,
    /// A section of docs/operating.md that says what to do.
    pub(crate) runbook: Option<&'static str>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One number, now.
    Number,
    /// Lines over time.
    Lines,
    /// Areas on top of each other over time.
    Stack,
}

impl Panel {
    pub(crate) const fn new(kind: Kind, title: &'static str, unit: &'static str, queries: &'static [(&'static str, &'static str)]) -> Self {
        Self { title, kind, unit, queries, thresholds: None, runbook: None }
    }

    /// Draws the panel yellow and red from these values on.
    pub(crate) const fn alarmed(self, yellow: f64, red: f64) -> Self {
        Self { thresholds: Some((yellow, red)), ..self }
    }

    pub(crate) const fn runbook(self, section: &'static str) -> Self {
        Self { runbook: Some(section), ..self }
    }

    fn json(&self, id: usize, x: usize, y: usize, width: usize) -> Value {
        let source = json!({ "type": "prometheus", "uid": "${datasource}" });
        let targets: Vec<Value> = self
            .queries
            .iter()
            .enumerate()
            .map(|(at, (legend, query))| {
                let letter = char::from(b'A' + u8::try_from(at).unwrap()).to_string();
                json!({
                    "refId": letter, "datasource": source, "expr": query, "legendFormat": legend,
                    "instant": self.kind == Kind::Number, "range": self.kind != Kind::Number, "exemplar": query.contains("_bucket"),
                })
            })
            .collect();
        let steps = self.thresholds.map_or_else(
            || json!([{ "color": "green", "value": null }]),
            |(yellow, red)| json!([{ "color": "green", "value": null }, { "color": "yellow", "value": yellow }, { "color": "red", "value": red }]),
        );
        let line = self.kind != Kind::Number;
        let custom = json!({
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": if self.kind == Kind::Stack { 30 } else { 0 }, "showPoints": "never", "spanNulls": false,
            "stacking": { "mode": if self.kind == Kind::Stack { "normal" } else { "none" } },
            "thresholdsStyle": { "mode": if self.thresholds.is_some() { "line" } else { "off" } },
        });
        let mut defaults = json!({ "unit": self.unit, "min": 0, "thresholds": { "mode": "absolute", "steps": steps } });
        if line {
            defaults["custom"] = custom;
            defaults["color"] = json!({ "mode": "palette-classic" });
        } else {
            defaults["color"] = json!({ "mode": "thresholds" });
        }
        let options = if line {
            json!({ "legend": { "displayMode": "list", "placement": "bottom", "showLegend": true }, "tooltip": { "mode": "multi", "sort": "desc" } })
        } else {
            json!({ "reduceOptions": { "calcs": ["lastNotNull"] }, "colorMode": "value", "graphMode": "none", "textMode": "auto" })
        };
        let mut panel = json!({
            "id": id, "type": if line { "timeseries" } else { "stat" }, "title": self.title, "datasource": source,
            "gridPos": { "x": x, "y": y, "w": width, "h": if line { HEIGHT } else { HEIGHT / 2 } },
            "fieldConfig": { "defaults": defaults, "overrides": [] }, "options": options, "targets": targets,
        });
        if let Some(section) = self.runbook {
            panel["description"] = format!("When this is red: docs/operating.md, section {section}.").into();
            panel["links"] = json!([{ "title": format!("Runbook: {section}"), "url": format!("${{runbooks}}#{}", section.to_lowercase()), "targetBlank": true }]);
        }
        panel
    }
}

impl Dashboard {
    pub(crate) fn panels(&self) -> impl Iterator<Item = &'static Panel> {
        self.rows.iter().flat_map(|row| row.iter())
    }

    /// The JSON that Grafana reads.
    pub(crate) fn json(&self) -> String {
        let (mut panels, mut y) = (Vec::new(), 0);
        for row in self.rows {
            let width = COLUMNS / row.len();
            for (at, panel) in row.iter().enumerate() {
                panels.push(panel.json(panels.len() + 1, at * width, y, width));
            }
            y += if row.iter().all(|panel| panel.kind == Kind::Number) { HEIGHT / 2 } else { HEIGHT };
        }
        let variables = json!([
            { "name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "refresh": 1, "current": {}, "hide": 0 },
            {
                "name": "runbooks", "label": "Runbooks at", "type": "textbox", "hide": 0,
                "query": RUNBOOKS, "current": { "text": RUNBOOKS, "value": RUNBOOKS },
            },
        ]);
        let dashboard = json!({
            "uid": self.uid, "title": self.title, "description": self.about, "tags": ["orderflow"], "schemaVersion": 39, "version": 1,
            "editable": true, "graphTooltip": 1, "refresh": "30s", "time": { "from": "now-1h", "to": "now" }, "timezone": "browser",
            "links": [{ "type": "dashboards", "tags": ["orderflow"], "title": "OrderFlow", "asDropdown": true, "includeVars": true, "keepTime": true }],
            "templating": { "list": variables }, "annotations": { "list": [] }, "panels": panels,
        });
        format!("{}\n", serde_json::to_string_pretty(&dashboard).unwrap())
    }
}

/// Where a browser finds docs/operating.md: the default of the variable `runbooks`. The profile
/// `observability` of docker-compose.yml mounts the folder there. Set the variable to the page in
/// your repository to get links that jump to the section.
const RUNBOOKS: &str = "/public/runbooks/operating.md";
