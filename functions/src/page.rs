//! The web page, where CloudFront does not serve it: files from a directory.

use crate::http::nothing_here;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::path::PathBuf;
use tower::ServiceExt;
use tower_http::services::ServeDir;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "page")]
pub struct Settings {
    /// Directory with the web page.
    #[arg(long, env = "WEB_DIR", default_value = "web")]
    pub web_dir: PathBuf,
}

/// Everything from our own origin and nothing inline, so that no injected text can run. The same as CloudFront sends.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; \
             manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        ),
    ),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
];

/// Answers with the file that a request names, wherever no route does.
pub async fn serve(files: ServeDir, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return nothing_here().await.into_response();
    }
    let Ok(mut response) = files.oneshot(request).await;
    if response.status() == StatusCode::NOT_FOUND {
        return nothing_here().await.into_response();
    }
    response.headers_mut().extend(HEADERS);
    response.map(Body::new)
}
