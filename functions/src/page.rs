//! Serves the web page in place of CloudFront: the files that `web/build-page` has built, and the
//! page's configuration (`config.json`). In AWS, infra/web.yaml configures the same addresses and
//! headers.

mod config;

pub use config::PaymentMethods;

use crate::{
    http::{Problem, not_found},
    identity,
};
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use std::{io, path::PathBuf};
use tower_http::services::ServeDir;

#[derive(clap::Args, Clone, Debug)]
#[group(id = "page")]
pub struct Settings {
    /// Folder with the built web page.
    #[arg(long, env = "WEB_DIR", default_value = "web/dist")]
    pub web_dir: PathBuf,
    /// The page's client id at AUTH_ISSUER. If it is not set, the page offers no sign-in.
    #[arg(long, env = "AUTH_CLIENT_ID")]
    pub auth_client_id: Option<String>,
    /// Scopes that the page requests.
    #[arg(long, env = "AUTH_CLIENT_SCOPE", default_value = "openid")]
    pub auth_client_scope: String,
    /// Origins that the page calls to sign in, besides that of AUTH_ISSUER. Several are separated
    /// by spaces.
    #[arg(long, env = "AUTH_CLIENT_ORIGINS", value_delimiter = ' ')]
    pub auth_client_origins: Vec<String>,
    /// The payment gateway. Set the same value as for the worker. With `sandbox`, the page says
    /// that no money moves, and offers the sandbox's tokens.
    #[arg(long, env = "PAYMENT_GATEWAY", default_value = "sandbox")]
    pub payment_gateway: String,
    /// Payment methods that the page offers if the gateway is not the sandbox: the gateway's tokens
    /// and their names for customers, such as pm_card=Card,pm_sepa=SEPA.
    #[arg(long, env = "PAYMENT_METHODS", default_value = "")]
    pub payment_methods: PaymentMethods,
    /// The carrier. Set the same value as for the worker. With `none`, nothing is shipped, and the
    /// page announces no parcels.
    // The id `carrier` belongs to the group of the webhook's settings.
    #[arg(id = "page-carrier", long = "carrier", value_name = "CARRIER", env = "CARRIER", default_value = "sandbox")]
    pub carrier: String,
    /// Port of Temporal's web UI on this machine. The page links to it.
    #[arg(long, env = "TEMPORAL_WEB_PORT")]
    pub temporal_web_port: Option<u16>,
    /// Address at which staff see a trace. `{traceID}` is replaced by its id.
    #[arg(long, env = "TRACES_LINK")]
    pub traces_link: Option<String>,
}

/// The content security policy. Everything comes from the page's own origin and nothing is inline,
/// so injected text cannot run. `{connect}` is replaced by the origins of the issuer.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'{connect}; \
                      manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The `Referrer-Policy` of every file.
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// The cache control of files under `/assets/`, whose names contain a hash of the content. Browsers
/// revalidate every other file each time.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const EACH_TIME: HeaderValue = HeaderValue::from_static("no-cache");

/// The web page, ready to be served.
#[derive(Clone)]
pub struct Page {
    files: ServeDir,
    config: String,
    policy: HeaderValue,
}

impl Page {
    /// Finds the page's folder and prepares the headers. If the folder has no page, it logs a
    /// warning.
    ///
    /// # Errors
    /// Fails if an origin cannot be written in a header.
    pub fn new(settings: &Settings, identity: &identity::Settings, temporal_namespace: &str) -> anyhow::Result<Self> {
        // An older `.env` sets WEB_DIR to the parent folder of the built page.
        let folder =
            [settings.web_dir.join("dist"), settings.web_dir.clone()].into_iter().find(|folder| folder.join("index.html").exists());
        if folder.is_none() {
            tracing::warn!("WEB_DIR {} has no index.html: there is an API, but no page", settings.web_dir.display());
        }
        let issuer = identity.auth_issuer.as_deref().and_then(origin);
        let origins = issuer.into_iter().chain(settings.auth_client_origins.iter().filter(|origin| !origin.is_empty()).cloned());
        let connect: String = origins.map(|origin| format!(" {origin}")).collect();
        Ok(Self {
            files: ServeDir::new(folder.as_ref().unwrap_or(&settings.web_dir)),
            config: config::json(settings, identity, temporal_namespace),
            policy: HeaderValue::from_str(&POLICY.replace("{connect}", &connect))?,
        })
    }

    /// Answers requests that match no route: with the file that the path names, or with the page
    /// itself if the path is the address of one of its views.
    pub async fn serve(mut self, mut request: Request) -> Response {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return not_found().await.into_response();
        }
        let path = request.uri().path().to_owned();
        if path == "/config.json" {
            return ([(header::CONTENT_TYPE, "application/json")], [(header::CACHE_CONTROL, EACH_TIME)], self.config).into_response();
        }
        if is_view(&path) {
            *request.uri_mut() = Uri::from_static("/index.html");
        }
        let mut response = match self.files.try_call(request).await {
            Ok(response) if response.status() == StatusCode::NOT_FOUND => return not_found().await.into_response(),
            Ok(response) => response,
            Err(error) if is_invalid_path(&error) => return not_found().await.into_response(),
            Err(error) => return Problem::unavailable("The page cannot be read right now.", error).into_response(),
        };
        let is_there = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
        let headers = response.headers_mut();
        headers.insert(header::REFERRER_POLICY, NO_REFERRER);
        headers.insert(header::CONTENT_SECURITY_POLICY, self.policy);
        let kept = is_there && path.starts_with("/assets/");
        headers.insert(header::CACHE_CONTROL, if kept { FOREVER } else { EACH_TIME });
        response.map(Body::new)
    }
}

/// Whether the path is the address of a view of the page. Files have a dot in their names or are
/// under `/assets/`. The API answers addresses under `/api`. `/metrics` is not here; see
/// `API_METRICS_PORT`.
fn is_view(path: &str) -> bool {
    path != "/api"
        && path != "/metrics"
        && !["/api/", "/assets/"].iter().any(|files| path.starts_with(files))
        && !path.rsplit('/').next().unwrap_or_default().contains('.')
}

/// Whether the error is the fault of the path and not of the disk: the path is too long, or
/// contains a character that no file name may have.
fn is_invalid_path(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound, PermissionDenied};
    matches!(error.kind(), InvalidFilename | InvalidInput | NotADirectory | NotFound | PermissionDenied)
}

/// Returns the origin of a URL, `https://host:port`.
fn origin(url: &str) -> Option<String> {
    let url: Uri = url.parse().ok()?;
    Some(format!("{}://{}", url.scheme()?, url.authority()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::sync::LazyLock;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        page: Settings,
        #[command(flatten)]
        identity: identity::Settings,
    }

    /// A built page. It is made once for all tests.
    static BUILT: LazyLock<PathBuf> = LazyLock::new(|| {
        let folder = std::env::temp_dir().join(format!("orderflow-page-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("assets")).unwrap();
        for (file, text) in [("index.html", "the page"), ("assets/a-1.js", "code")] {
            std::fs::write(folder.join(file), text).unwrap();
        }
        folder
    });

    fn page(arguments: &[&str]) -> Page {
        let folder = ["api", "--web-dir", BUILT.to_str().unwrap()];
        let cli = Cli::parse_from(folder.iter().chain(arguments));
        Page::new(&cli.page, &cli.identity, "orders").unwrap()
    }

    async fn get(page: &Page, path: &str) -> (StatusCode, String, String) {
        let response = page.clone().serve(Request::get(path).body(Body::empty()).unwrap()).await;
        let cached = response.headers().get(header::CACHE_CONTROL).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
        let (status, body) = (response.status(), axum::body::to_bytes(response.into_body(), 10_000).await.unwrap());
        (status, cached, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn views_are_the_page_and_nothing_else_is() {
        let page = page(&[]);
        for path in ["/", "/orders", "/orders/ord_1", "/operations", "/apis", "/orders?customerID=a.b"] {
            let (status, cached, body) = get(&page, path).await;
            assert_eq!((status, cached.as_str(), body.as_str()), (StatusCode::OK, "no-cache", "the page"), "{path}");
        }
        for path in [
            "/api",
            "/api/",
            "/api/nothing",
            "/api/orders/x/y",
            "/assets/a-2.js",
            "/assets/nothing",
            "/assets/",
            "/assets/x/y",
            "/robots.txt",
        ] {
            assert_eq!(get(&page, path).await.0, StatusCode::NOT_FOUND, "{path}");
        }
        let (status, cached, body) = get(&page, "/assets/a-1.js").await;
        assert_eq!((status, cached.as_str(), body.as_str()), (StatusCode::OK, "public, max-age=31536000, immutable", "code"));
        // Paths that no file system accepts.
        for path in [format!("/{}.js", "a".repeat(256)), format!("/api/{}", "a/".repeat(2_100)), "/a%00.js".to_owned()] {
            for method in [Method::GET, Method::HEAD] {
                let request = Request::builder().method(&method).uri(&path).body(Body::empty()).unwrap();
                assert_eq!(page.clone().serve(request).await.status(), StatusCode::NOT_FOUND, "{method} {path}");
            }
        }
        let posted = page.serve(Request::post("/orders").body(Body::empty()).unwrap()).await;
        assert_eq!(posted.status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn the_policy_lets_the_page_call_the_issuer_and_nobody_else() {
        let policy = async |page: Page| {
            let response = page.serve(Request::get("/").body(Body::empty()).unwrap()).await;
            response.headers()[header::CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned()
        };
        assert!(policy(page(&[])).await.contains("; connect-src 'self'; "));
        let with_issuer = ["--auth-issuer", "https://i.example:8443/pool", "--auth-client-origins", "https://a.example https://b.example"];
        let policy = policy(page(&with_issuer)).await;
        assert!(policy.contains("; connect-src 'self' https://i.example:8443 https://a.example https://b.example; "), "{policy}");
    }

    #[test]
    fn the_policy_is_the_one_of_cloudfront() {
        let template = include_str!("../../infra/web.yaml");
        let (_, rest) = template.split_once("ContentSecurityPolicy: !Sub >-\n").unwrap();
        let theirs: Vec<_> = rest.lines().take_while(|line| !line.contains("Override")).map(str::trim).collect();
        assert_eq!(theirs.join(" ").replace("${SignInOrigins}", "{connect}"), POLICY.replace("'self'{connect}", "'self' {connect}"));
    }
}
