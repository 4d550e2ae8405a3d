//! `worker migrate` applies each migration once, even if it runs repeatedly or several times at
//! once.

use crate::support::with_bare_stack;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use local::{Stack, project};
use serde_json::json;
use std::fs;

async fn migrations(stack: &Stack) -> Result<(i64, i64)> {
    let counts = "SELECT (SELECT count(*) FROM refinery_schema_history), (SELECT count(*) FROM products)";
    let row = stack.postgres.service().connect().await?.query_one(counts, &[]).await?;
    Ok((row.get(0), row.get(1)))
}

#[test]
fn six_concurrent_migrations_apply_each_migration_once() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        let all = try_join_all((0..6).map(|_| stack.run("worker", &["migrate"]))).await?;
        for one in &all {
            ensure!(one.status.success(), "{}: {}", one.status, String::from_utf8_lossy(&one.stderr));
        }
        let files = i64::try_from(fs::read_dir(project().join("migrations"))?.count())?;
        let (applied, products) = migrations(stack).await?;
        assert_eq!(applied, files);
        ensure!(products >= 100, "the catalogue has {products} products");

        // A later run does not change what the shop has changed since.
        let db = stack.postgres.service().connect().await?;
        db.execute("UPDATE products SET price_minor = 1 WHERE id = 'PROD-001'", &[]).await?;
        let again = stack.run("worker", &["migrate"]).await?;
        ensure!(again.status.success());
        assert_eq!(migrations(stack).await?, (applied, products));
        let price: i64 = db.query_one("SELECT price_minor FROM products WHERE id = 'PROD-001'", &[]).await?.get(0);
        assert_eq!(price, 1);
        Ok(())
    });
}

#[test]
fn the_admin_secret_creates_only_the_owner_role() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        let settings = stack.settings();
        let master = json!({ "username": settings.get("POSTGRES_USER")?, "password": settings.get("POSTGRES_PASSWORD")? }).to_string();
        let by_master = ["--postgres-admin-secret", master.as_str()];
        let migrate = async |password: &str, more: &[&str]| {
            let role = ["migrate", "--postgres-user", "shop", "--postgres-password", password];
            stack.run("worker", &[&role, more].concat()).await
        };
        // The second password stands for a backup that was made with an older one. Several
        // processes start at once, as tasks on ECS do.
        for password in [r"pass'word \ 1", r"pass'word \ 2"] {
            ensure!(!migrate(password, &[]).await?.status.success(), "there is such a role");
            let made = try_join_all((0..3).map(|_| migrate(password, &by_master))).await?;
            for one in &made {
                ensure!(one.status.success(), "{}: {}", one.status, String::from_utf8_lossy(&one.stderr));
                ensure!(!String::from_utf8_lossy(&one.stderr).contains(password), "the password is logged");
            }
            ensure!(migrate(password, &[]).await?.status.success(), "the role cannot log in by itself");
        }
        let db = stack.postgres.service().connect().await?;
        let owner: String = db.query_one("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", &[]).await?.get(0);
        assert_eq!(owner, "shop");
        let rights =
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = 'shop'";
        ensure!(!db.query_one(rights, &[]).await?.get::<_, bool>(0), "the role may do more than it needs");

        let wrong = migrate("a third", &["--postgres-admin-secret", r#"{"username":"secret"}"#]).await?;
        let printed = String::from_utf8_lossy(&wrong.stderr);
        ensure!(!wrong.status.success() && printed.contains("POSTGRES_ADMIN_SECRET must be"), "{printed}");
        Ok(())
    });
}

#[test]
fn migrate_without_postgres_reports_the_cause() {
    with_bare_stack(async |stack| {
        let output = stack.run("worker", &["migrate"]).await?;
        let printed = String::from_utf8_lossy(&output.stderr);
        ensure!(!output.status.success() && printed.contains("Postgres cannot be reached"), "{}: {printed}", output.status);
        ensure!(!printed.contains(stack.settings().get("POSTGRES_PASSWORD")?), "the password is in: {printed}");
        Ok(())
    });
}
