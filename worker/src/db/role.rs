//! Creates the role that the worker connects as, if no administrator has created it. RDS creates
//! only the master user.

use super::access::{Access, Credentials, is_auth_failure};
use crate::config;
use anyhow::{Context as _, anyhow};
use platform::secrets;
use postgres_protocol::password::scram_sha_256;

/// Name of the setting that holds the master's credentials. ECS puts them there, so that only the
/// container of the migrations has access to them.
const SETTING: &str = "POSTGRES_ADMIN_SECRET";
/// Name of the setting with the ARN of the master's secret. A Lambda function for the migrations
/// has a role of its own, which may read it.
const SETTING_ARN: &str = "POSTGRES_ADMIN_SECRET_ARN";

/// The master's credentials, if they are configured.
///
/// # Errors
/// Fails if the secret cannot be read, or is not what RDS writes.
pub(crate) async fn admin(settings: &config::Migrate) -> anyhow::Result<Option<Credentials>> {
    if let Some(arn) = &settings.postgres_admin_secret_arn {
        return Ok(Some(secrets::read(SETTING_ARN, arn).await?));
    }
    let Some(text) = &settings.postgres_admin_secret else { return Ok(None) };
    // The parser's error is dropped, because it quotes the text.
    Ok(Some(serde_json::from_str(text).map_err(|_| anyhow!("{SETTING} must be a JSON object with username and password"))?))
}

/// Ensures that the role can log in with its current password and owns its database. The role has
/// no rights outside that database.
///
/// If the role can log in, nothing is changed. Otherwise the role does not exist, or a restored
/// backup brought back an older password. Then the master creates the role or sets its password.
/// `lock` is the key of an advisory lock, so that only one process at a time does this.
///
/// # Errors
/// Fails if Postgres cannot be reached, or if the master may not do this.
pub(crate) async fn ensure_login(access: &Access, admin: &Credentials, lock: i64) -> anyhow::Result<()> {
    match access.open(access.options()).await {
        Ok(_) => return Ok(()),
        Err(error) if is_auth_failure(&error) => {}
        Err(error) => return Err(error).context("Postgres cannot be reached"),
    }
    let (client, _connection) = access.connect_as(admin, access.options()).await.context("cannot connect as the master user")?;
    client.execute("SELECT pg_advisory_lock($1)", &[&lock]).await?;
    let role = access.credentials().await;
    // Statements may be logged. So this sends the password's hash, as Postgres would compute it,
    // and not the password.
    let password = scram_sha_256(role.password.as_bytes());
    let statements = client
        .query_one(
            "SELECT format(
                '%s ROLE %I LOGIN PASSWORD %L; GRANT %2$I TO CURRENT_USER; ALTER DATABASE %4$I OWNER TO %2$I',
                CASE WHEN EXISTS (SELECT FROM pg_roles WHERE rolname = $1) THEN 'ALTER' ELSE 'CREATE' END, $1::text, $2::text, current_database()
            ) AS statements",
            &[&role.username, &password],
        )
        .await?;
    client.batch_execute(statements.try_get("statements")?).await.context("the master user cannot create or change the worker's role")?;
    tracing::info!(role = role.username, "created or updated the role {}; it owns the database", role.username);
    Ok(())
}
