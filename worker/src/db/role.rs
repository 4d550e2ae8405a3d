//! The role that the worker connects as, made by the master where an administrator has not done it: RDS makes only the master.

use super::access::{Access, Credentials, are_refused};
use anyhow::{Context as _, anyhow};
use postgres_protocol::password::scram_sha_256;

/// Setting that holds the master's credentials; not their ARN, so that nothing but the migrations gets them.
const SETTING: &str = "POSTGRES_ADMIN_SECRET";

/// Makes sure that the role can log in with the password it has now, and owns its database; it may do nothing outside of it. A role that can log in
/// is left alone. One that cannot, because it is not there, or a backup brought an older password, is made or mended. `lock` is the key of the advisory
/// lock under which one at a time does this.
///
/// # Errors
/// When Postgres cannot be reached, or the master may not do it.
pub(crate) async fn ensure(access: &Access, admin: &str, lock: i64) -> anyhow::Result<()> {
    match access.open(access.options()).await {
        Ok(_) => return Ok(()),
        Err(error) if are_refused(&error) => {}
        Err(error) => return Err(error).context("Postgres cannot be reached"),
    }
    // The parser's error is dropped, since it quotes what it stumbles over.
    let admin: Credentials =
        serde_json::from_str(admin).map_err(|_| anyhow!("{SETTING} must be a JSON object with username and password"))?;
    let (client, _connection) = access.open_as(&admin, access.options()).await.context("Postgres refuses the master")?;
    client.execute("SELECT pg_advisory_lock($1)", &[&lock]).await?;
    let role = access.credentials().await;
    // A hash of the password, as Postgres would make it itself: statements get into logs.
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
    client.batch_execute(statements.try_get("statements")?).await.context("the master may not make the role of the worker")?;
    tracing::info!(role = role.username, "made the role {} and gave it the database", role.username);
    Ok(())
}
