//! Postgres over TLS: the server's certificate is fully verified, or no connection is made.

use crate::support::{Draft, FAST, until_ok, with_bare_stack, with_unstarted_stack};
use anyhow::{Result, ensure};
use local::{Stack, Tools, project};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::Command;

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    fn write(&self, file: &Path) -> Result<String> {
        fs::write(file, self.0.pem())?;
        Ok(file.display().to_string())
    }

    /// Makes the running Postgres use TLS, with a certificate for this name.
    async fn enable(&self, stack: &Stack, name: &str) -> Result<()> {
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new([name.to_owned()])?.signed_by(&key, &self.0)?;
        let cluster = stack.postgres.service().folder().join("cluster");
        write_private_file(&cluster, "server.crt", &certificate.pem())?;
        write_private_file(&cluster, "server.key", &key.serialize_pem())?;
        let db = stack.postgres.service().connect().await?;
        db.batch_execute("ALTER SYSTEM SET ssl = on").await?;
        db.batch_execute("SELECT pg_reload_conf()").await?;
        until_ok("Postgres speaks TLS", Duration::from_secs(10), async || {
            let on: String = stack.postgres.service().connect().await?.query_one("SHOW ssl", &[]).await?.get(0);
            ensure!(on == "on");
            Ok(())
        })
        .await
    }
}

/// Creates a file that only the server's user can read.
fn write_private_file(cluster: &Path, name: &str, content: &str) -> Result<()> {
    let (file, owner) = (cluster.join(name), fs::metadata(cluster)?);
    fs::write(&file, content)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(chown(&file, Some(owner.uid()), Some(owner.gid()))?)
}

/// Runs `worker migrate` with these settings. Returns whether it succeeded, and its output.
async fn migrate(stack: &Stack, env: &[(&str, &str)]) -> Result<(bool, String)> {
    let mut worker = Command::new(Tools::built("worker")?);
    worker.current_dir(project()).arg("migrate").envs(stack.env()).envs(env.iter().copied());
    let ended = worker.stdin(Stdio::null()).kill_on_drop(true).output().await?;
    Ok((ended.status.success(), String::from_utf8_lossy(&ended.stderr).into_owned()))
}

/// A file beside the stack's logs.
fn file_beside_logs(stack: &Stack, name: &str) -> PathBuf {
    stack.postgres.log().with_file_name(name)
}

#[test]
fn only_a_server_with_a_valid_certificate_is_connected_to() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        let (ours, other) = (Authority::new("ours")?, Authority::new("other")?);
        let (ours_file, other_file) =
            (ours.write(&file_beside_logs(stack, "ours.pem"))?, other.write(&file_beside_logs(stack, "other.pem"))?);
        let verify = |ca| [("POSTGRES_TLS", "verify-full"), ("POSTGRES_TLS_CA", ca)];

        let (ok, printed) = migrate(stack, &verify(&ours_file)).await?;
        ensure!(!ok && printed.contains("server does not support TLS"), "a server without TLS: {printed}");

        ours.enable(stack, "127.0.0.1").await?;
        let (ok, printed) = migrate(stack, &verify(&ours_file)).await?;
        ensure!(ok, "{printed}");
        let (ok, printed) = migrate(stack, &verify(&other_file)).await?;
        ensure!(!ok && printed.contains("UnknownIssuer"), "signed by another authority: {printed}");
        let (ok, printed) = migrate(stack, &[("POSTGRES_TLS", "verify-full")]).await?;
        ensure!(!ok && printed.contains("UnknownIssuer"), "not signed by a public authority: {printed}");
        let named = [&verify(&ours_file)[..], &[("POSTGRES_HOST", "localhost")]].concat();
        let (ok, printed) = migrate(stack, &named).await?;
        ensure!(!ok && printed.contains("not valid for name"), "a certificate for another name: {printed}");
        for bundle in ["nothing-there.pem", "Cargo.toml"] {
            let (ok, printed) = migrate(stack, &verify(bundle)).await?;
            ensure!(!ok && printed.contains("POSTGRES_TLS_CA"), "{bundle}: {printed}");
        }
        Ok(())
    });
}

#[test]
fn a_server_that_requires_tls_refuses_a_plain_connection() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        let authority = Authority::new("ours")?;
        let bundle = authority.write(&file_beside_logs(stack, "ours.pem"))?;
        authority.enable(stack, "127.0.0.1").await?;
        let db = stack.postgres.service().connect().await?;
        // The setting rds.force_ssl has the same effect.
        write_private_file(
            &stack.postgres.service().folder().join("cluster"),
            "pg_hba.conf",
            "hostssl all all 127.0.0.1/32 scram-sha-256\n",
        )?;
        db.batch_execute("SELECT pg_reload_conf()").await?;
        let printed = until_ok("Postgres refuses", Duration::from_secs(10), async || {
            let (ok, printed) = migrate(stack, &[]).await?;
            ensure!(!ok);
            Ok(printed)
        })
        .await?;
        ensure!(printed.contains("no encryption"), "{printed}");
        let (ok, printed) = migrate(stack, &[("POSTGRES_TLS", "verify-full"), ("POSTGRES_TLS_CA", &bundle)]).await?;
        ensure!(ok, "{printed}");
        Ok(())
    });
}

#[test]
fn orders_run_over_tls() {
    let authority = Authority::new("ours").expect("an authority");
    let bundle = std::env::temp_dir().join(format!("orderflow-authority-{}.pem", std::process::id()));
    let bundle = authority.write(&bundle).expect("a file");
    let env = [&FAST[..], &[("POSTGRES_TLS", "verify-full"), ("POSTGRES_TLS_CA", &bundle)]].concat();
    with_unstarted_stack(1, &env, async |shop| {
        shop.stack.start_services().await?;
        authority.enable(&shop.stack, "127.0.0.1").await?;
        shop.stack.start().await?;
        let product = shop.product(1_000, 100).await?;
        shop.ends(&shop.place(&Draft::new("CUST-tls").line(&product, 1)).await?, "COMPLETED").await?;
        let encrypted = "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'orderflow-worker'";
        let row = shop.db().await?.query_one(encrypted, &[]).await?;
        let (all, encrypted): (i64, i64) = (row.get(0), row.get(1));
        ensure!(all > 0 && all == encrypted, "{encrypted} of {all} connections are encrypted");
        shop.audit_is_clean().await?;
        Ok(fs::remove_file(&bundle)?)
    });
}
