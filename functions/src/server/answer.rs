//! Writes a problem as bytes, for answers without a valid request.

use crate::http::{Problem, refuse};
use axum::{
    body::to_bytes,
    http::{HeaderValue, header},
};
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

const DATE: &[BorrowedFormatItem<'_>] =
    format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");

/// The whole answer as bytes. The connection is closed after it.
pub(super) async fn bytes(problem: Problem) -> Vec<u8> {
    let (mut parts, body) = refuse(problem).into_parts();
    // A problem's body is already in memory, so reading it cannot fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.insert(header::CONTENT_LENGTH, body.len().into());
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Some(date) = OffsetDateTime::now_utc().format(DATE).ok().and_then(|date| HeaderValue::try_from(date).ok()) {
        parts.headers.insert(header::DATE, date);
    }
    let mut answer = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend(b"\r\n");
    answer.extend(body);
    answer
}
