//! Failing rows and findings.

use super::{rows, statements};

statements! { "failing";
    cached fn record_failures(loop_name: &str, row_ids: &[&str], errors: &[&str]) -> Vec<FailingRow>;
    cached fn clear_failures(loop_name: &str, row_ids: &[String]) -> u64;
    once fn retry_now(loop_names: &[&str]) -> u64;
    once fn count_failing(loop_names: &[&str], row_ids: &[String]) -> FailingRows;
    cached fn count_by_loop(loop_names: &[&str]) -> Vec<FailingLoop>;
    cached fn record_finding(loop_name: &str, subject: &str, detail: &str, max_findings: i64) -> u64;
    once fn dismiss_finding(loop_name: &str, subject: &str) -> u64;
}

rows! {
    struct FailingRow {
        row_id: String,
        attempts: i32,
        error: String,
    }

    struct FailingRows {
        failing: i64,
    }

    struct FailingLoop {
        loop_name: String,
        failing: i64,
    }
}
