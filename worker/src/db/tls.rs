//! TLS to Postgres: rustls with the traits of tokio-postgres.
//!
//! This module does not bind the SCRAM login to the TLS channel (channel binding). The server's
//! certificate and host name are always verified, so it is not needed. The published crates that
//! connect rustls and tokio-postgres parse certificates for it, and depend on a dozen more crates.

use crate::config;
use anyhow::{Context as _, bail};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, InvalidDnsNameError, ServerName, pem::PemObject},
};
use std::{
    future::Future,
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_rustls::{TlsConnector, client};

/// Opens TLS connections. If `POSTGRES_TLS` is `disable`, it is never used.
#[derive(Clone)]
pub(super) struct Tls(TlsConnector);

impl Tls {
    /// # Errors
    /// Fails if the trusted certificates cannot be read.
    pub(super) fn new(settings: &config::Postgres) -> anyhow::Result<Self> {
        let trusted = match (settings.postgres_tls, &settings.postgres_tls_ca) {
            (config::Tls::Disable, _) => RootCertStore::empty(),
            (config::Tls::VerifyFull, Some(bundle)) => bundled(bundle)?,
            (config::Tls::VerifyFull, None) => public()?,
        };
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(trusted)
            .with_no_client_auth();
        Ok(Self(TlsConnector::from(Arc::new(client))))
    }
}

fn bundled(bundle: &Path) -> anyhow::Result<RootCertStore> {
    let name = bundle.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(bundle)
        .and_then(Iterator::collect::<Result<_, _>>)
        .with_context(|| format!("POSTGRES_TLS_CA: {name} is no readable PEM file"))?;
    trust(certificates).with_context(|| format!("POSTGRES_TLS_CA: {name}"))
}

/// The system's public root certificates.
fn public() -> anyhow::Result<RootCertStore> {
    trust(rustls_native_certs::load_native_certs().certs).context("POSTGRES_TLS_CA is not set, and of the system's public roots")
}

fn trust(certificates: Vec<CertificateDer<'_>>) -> anyhow::Result<RootCertStore> {
    let mut trusted = RootCertStore::empty();
    if trusted.add_parsable_certificates(certificates).0 == 0 {
        bail!("no certificate can be read");
    }
    Ok(trusted)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Stream<S>;
    type TlsConnect = Handshake;
    type Error = InvalidDnsNameError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, InvalidDnsNameError> {
        Ok(Handshake { connector: self.0.clone(), server: ServerName::try_from(host)?.to_owned() })
    }
}

/// A handshake with one server that has not begun yet.
pub(super) struct Handshake {
    connector: TlsConnector,
    server: ServerName<'static>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Stream<S>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream<S>>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(async move { Ok(Stream(self.connector.connect(self.server, stream).await?)) })
    }
}

pub(super) struct Stream<S>(client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Stream<S> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
