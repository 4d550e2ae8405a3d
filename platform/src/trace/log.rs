//! Adds the ids of the current trace and span to log lines.

use opentelemetry::{Context, trace::TraceContextExt as _};
use std::fmt;
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// A format of log lines that ends each line with `trace_id` and `span_id`, if there is a trace.
pub(crate) struct WithTrace<F> {
    pub(crate) format: F,
    pub(crate) is_json: bool,
}

impl<S, N, F> FormatEvent<S, N> for WithTrace<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, fields: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        if !super::is_on() {
            return self.format.format_event(fields, writer, event);
        }
        let context = Context::current();
        let span = context.span();
        let ids = span.span_context();
        if !ids.is_valid() {
            return self.format.format_event(fields, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(fields, Writer::new(&mut line), event)?;
        add_ids(&mut writer, line.trim_end(), self.is_json, &ids.trace_id().to_string(), &ids.span_id().to_string())
    }
}

fn add_ids(to: &mut dyn fmt::Write, line: &str, is_json: bool, trace_id: &str, span_id: &str) -> fmt::Result {
    match line.strip_suffix('}').filter(|_| is_json) {
        Some(fields) => writeln!(to, "{fields},\"trace_id\":\"{trace_id}\",\"span_id\":\"{span_id}\"}}"),
        None => writeln!(to, "{line} trace_id={trace_id} span_id={span_id}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_gets_the_ids() {
        let line = |line, is_json| {
            let mut text = String::new();
            add_ids(&mut text, line, is_json, "t", "s").unwrap();
            text
        };
        assert_eq!(
            line(r#"{"level":"INFO","order":{"id":1}}"#, true),
            "{\"level\":\"INFO\",\"order\":{\"id\":1},\"trace_id\":\"t\",\"span_id\":\"s\"}\n"
        );
        assert_eq!(line("INFO {x}", false), "INFO {x} trace_id=t span_id=s\n");
    }
}
