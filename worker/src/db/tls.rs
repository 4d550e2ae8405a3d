//! TLS to Postgres, with rustls. The server's certificate and host name are always verified, and
//! the SCRAM login is bound to the TLS connection (channel binding).

use crate::config;
use anyhow::Context as _;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{path::Path, sync::Arc};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Creates the connector that opens TLS connections. If `POSTGRES_TLS` is `disable`, the connector
/// is never used.
///
/// # Errors
/// Fails if the trusted certificates cannot be read.
pub(super) fn connector(settings: &config::Postgres) -> anyhow::Result<MakeRustlsConnect> {
    let roots = match (settings.postgres_tls, &settings.postgres_tls_ca) {
        (config::Tls::Disable, _) => RootCertStore::empty(),
        (config::Tls::VerifyFull, Some(bundle)) => roots_in_bundle(bundle)?,
        (config::Tls::VerifyFull, None) => system_roots()?,
    };
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(client))
}

/// The certificates in a PEM file.
fn roots_in_bundle(bundle: &Path) -> anyhow::Result<RootCertStore> {
    let name = bundle.display();
    let certificates: Vec<_> = CertificateDer::pem_file_iter(bundle)
        .and_then(Iterator::collect::<Result<_, _>>)
        .with_context(|| format!("POSTGRES_TLS_CA: {name} is not a readable PEM file"))?;
    root_store(certificates).with_context(|| format!("POSTGRES_TLS_CA: {name} has no readable certificate"))
}

/// The system's public root certificates.
fn system_roots() -> anyhow::Result<RootCertStore> {
    root_store(rustls_native_certs::load_native_certs().certs)
        .context("POSTGRES_TLS_CA is not set, and the system has no readable root certificates")
}

/// A store of the certificates that can be read; `None` if there are none.
fn root_store(certificates: Vec<CertificateDer<'_>>) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates);
    (added > 0).then_some(roots)
}
