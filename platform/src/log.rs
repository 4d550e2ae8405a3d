//! Logging. Each event is one line, as text or as JSON. Never log contacts, payment tokens,
//! passwords, API keys or request bodies.

use crate::trace::WithTrace;
use tracing_subscriber::EnvFilter;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "log")]
pub struct Settings {
    /// Format of the log lines.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: Format,
    /// Which events are logged: a level (error, warn, info, debug, trace), or `target=level`
    /// directives separated by commas.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,
}

#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// Plain text for people at a terminal.
    Text,
}

/// Directives for libraries that log every step at level info. The directives of [`Settings`] come
/// after these and so override them.
const QUIET: &str = "refinery_core=warn,temporalio_sdk=warn,temporalio_sdk_core=warn,tokio_postgres=warn";

/// Starts logging to standard error. Call it once, before anything else.
pub fn init(settings: &Settings) {
    let filter = EnvFilter::new(format!("{QUIET},{}", settings.log_level));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        Format::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false).with_span_list(false);
            lines.map_event_format(|format| WithTrace { format, is_json: true }).init();
        }
        Format::Text => {
            let lines = lines.with_target(false).with_ansi(false);
            lines.map_event_format(|format| WithTrace { format, is_json: false }).init();
        }
    }
}
