//! The report as text for people: aligned columns, times in UTC, and offsets from the acceptance.

use super::{
    Report,
    fact::{Fact, Store},
};
use std::fmt::Write as _;
use time::{OffsetDateTime, UtcOffset, format_description::BorrowedFormatItem, macros::format_description};

const TIME: &[BorrowedFormatItem<'_>] = format_description!("[year]-[month]-[day] [hour]:[minute]:[second].[subsecond digits:3]");

pub(super) fn render(report: &Report) -> String {
    let mut text = format!("{}: {}", report.order, report.status.as_deref().unwrap_or("status unknown"));
    for part in [report.total.map(|total| format!("{total} {}", total.currency.code())), report.reason.clone()].into_iter().flatten() {
        let _ = write!(text, ", {part}");
    }
    let accepted = report.accepted_at.map_or_else(|| "at an unknown time".to_owned(), |at| format!("{} UTC", clock(at)));
    let _ = write!(text, "\naccepted {accepted}\n");
    write_facts(&mut text, "What happened (UTC, and the time since the acceptance)", &report.timeline);
    write_facts(&mut text, "What is so now", &report.now);
    heading(&mut text, "What the audit finds about it");
    for finding in &report.findings {
        let _ = writeln!(text, "  {finding}");
    }
    if report.findings.is_empty() {
        text.push_str("  nothing in what could be read\n");
    }
    if !report.unreadable.is_empty() {
        heading(&mut text, "UNREADABLE, so facts are missing above");
        for one in &report.unreadable {
            let _ = writeln!(text, "  {}: {}", one.store, one.error);
        }
    }
    text
}

fn heading(text: &mut String, heading: &str) {
    let _ = writeln!(text, "\n{heading}:");
}

fn write_facts(text: &mut String, title: &str, facts: &[Fact]) {
    heading(text, title);
    let rows: Vec<[String; 6]> = facts.iter().map(columns).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &rows {
        let mut line = String::from(" ");
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate().filter(|(_, (_, width))| **width > 0) {
            // The offsets are numbers, so they end in line.
            let _ = if column == 1 { write!(line, " {cell:>width$} ") } else { write!(line, " {cell:<width$} ") };
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if rows.is_empty() {
        text.push_str("  nothing is known\n");
    }
}

fn columns(fact: &Fact) -> [String; 6] {
    let Fact { at, offset_ms, store, subject, state, detail, amount } = fact;
    let amount = amount.map(|amount| format!("{amount} {}", amount.currency.code()));
    let about: Vec<&str> = amount.iter().map(String::as_str).chain([detail.as_str()]).filter(|part| !part.is_empty()).collect();
    let store: &Store = store;
    [
        at.map_or_else(String::new, clock),
        offset_ms.map_or_else(String::new, offset),
        store.to_string(),
        subject.clone(),
        state.clone(),
        about.join(", "),
    ]
}

fn clock(at: OffsetDateTime) -> String {
    at.to_offset(UtcOffset::UTC).format(TIME).unwrap_or_default()
}

/// A number of milliseconds as days, hours, minutes and seconds, such as `+2d 03:04:05.678`.
fn offset(ms: i64) -> String {
    let (sign, ms) = (if ms < 0 { '-' } else { '+' }, ms.unsigned_abs());
    let (seconds, ms) = (ms / 1000, ms % 1000);
    let (days, hours, minutes, seconds) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60, seconds % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{sign}{seconds}.{ms:03}"),
        (0, 0, _) => format!("{sign}{minutes}:{seconds:02}.{ms:03}"),
        (0, ..) => format!("{sign}{hours}:{minutes:02}:{seconds:02}.{ms:03}"),
        _ => format!("{sign}{days}d {hours:02}:{minutes:02}:{seconds:02}.{ms:03}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn offsets_are_short_and_exact() {
        for (ms, text) in [
            (0, "+0.000"),
            (-12, "-0.012"),
            (59_999, "+59.999"),
            (61_002, "+1:01.002"),
            (3_600_000, "+1:00:00.000"),
            (183_845_678, "+2d 03:04:05.678"),
        ] {
            assert_eq!(offset(ms), text);
        }
    }

    #[test]
    fn columns_are_aligned_and_unreadable_stores_are_named() {
        let at = datetime!(2026-11-30 12:00:00.5 +1);
        let mut facts = vec![
            Fact::new(Some(at), Store::Postgres, "order", "ACCEPTED", ""),
            Fact::new(Some(at + time::Duration::SECOND), Store::ReadModel, "notice ORDER_CONFIRMED", "SENT", "1 attempts"),
        ];
        facts.iter_mut().for_each(|fact| fact.count_from(Some(at)));
        let report = Report {
            order: "ord_01930000000070008000000000000001".parse().unwrap(),
            status: Some("PENDING".to_owned()),
            reason: None,
            total: None,
            currency: None,
            accepted_at: Some(at),
            timeline: facts,
            now: Vec::new(),
            findings: Vec::new(),
            unreadable: vec![super::super::Unreadable { store: Store::Temporal, error: "it is down".to_owned() }],
        };
        let expected = "ord_01930000000070008000000000000001: PENDING
accepted 2026-11-30 11:00:00.500 UTC

What happened (UTC, and the time since the acceptance):
  2026-11-30 11:00:00.500  +0.000  Postgres    order                   ACCEPTED
  2026-11-30 11:00:01.500  +1.000  read model  notice ORDER_CONFIRMED  SENT      1 attempts

What is so now:
  nothing is known

What the audit finds about it:
  nothing in what could be read

UNREADABLE, so facts are missing above:
  Temporal: it is down
";
        assert_eq!(render(&report), expected);
    }
}
