//! `worker migrate` applies each migration once, even if it runs repeatedly or several times at
//! once.

use crate::support::with_bare_stack;
use anyhow::{Result, ensure};
use futures::future::try_join_all;
use local::{Stack, project};
use serde_json::json;
use std::fs;

async fn count(stack: &Stack, rows: &str) -> Result<i64> {
    let db = stack.postgres.service().connect().await?;
    Ok(db.query_one(&format!("SELECT count(*) FROM {rows}"), &[]).await?.get(0))
}

/// Runs `worker migrate`. Returns whether it succeeded, and its log.
async fn migrate(stack: &Stack, more: &[&str]) -> Result<(bool, String)> {
    let output = stack.run("worker", &[&["migrate"], more].concat()).await?;
    Ok((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Everything that a migration could change: the applied files, the functions and the tables.
async fn schema(stack: &Stack) -> Result<String> {
    let db = stack.postgres.service().connect().await?;
    let all = "SELECT concat(
        (SELECT string_agg(h::text, ',' ORDER BY version) FROM refinery_schema_history h),
        (SELECT string_agg(d::text, ',' ORDER BY file) FROM schema_definitions d),
        (SELECT string_agg(p.xmin || prosrc, ',' ORDER BY p.oid) FROM pg_proc p WHERE pronamespace = 'public'::regnamespace),
        (SELECT string_agg(c.xmin || relname, ',' ORDER BY c.oid) FROM pg_class c WHERE relnamespace = 'public'::regnamespace))";
    Ok(db.query_one(all, &[]).await?.get(0))
}

#[test]
fn six_at_once_apply_each_migration_once_and_seed_only_when_told_to() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        let all = try_join_all((0..6).map(|_| migrate(stack, &[]))).await?;
        for (ok, said) in all {
            ensure!(ok, "{said}");
        }
        let files = |folder: &str| -> Result<i64> {
            let names = fs::read_dir(project().join("migrations").join(folder))?.map(|entry| Ok(entry?.file_name()));
            let names = names.collect::<Result<Vec<_>>>()?;
            Ok(i64::try_from(names.iter().filter(|name| name.to_string_lossy().ends_with(".sql")).count())?)
        };
        assert_eq!(count(stack, "refinery_schema_history").await?, files("")?);
        assert_eq!(count(stack, "schema_definitions").await?, files("functions")? + files("views")?);
        assert_eq!(count(stack, "products").await?, 0, "a migration alone makes no products");

        let all = try_join_all((0..3).map(|_| migrate(stack, &["--seed"]))).await?;
        ensure!(all.iter().all(|(ok, _)| *ok), "{all:?}");
        assert_eq!(count(stack, "products").await?, 100);
        assert_eq!(count(stack, "stock_movements WHERE reason = 'OPENING'").await?, 100);

        // A catalogue with products is the shop's own, so it is not seeded.
        let db = stack.postgres.service().connect().await?;
        db.batch_execute("UPDATE products SET price_minor = 1 WHERE id = 'PROD-001'; DELETE FROM products WHERE id = 'PROD-002'").await?;
        let before = schema(stack).await?;
        let (ok, said) = migrate(stack, &["--seed"]).await?;
        ensure!(ok, "{said}");
        assert_eq!(schema(stack).await?, before, "nothing is applied twice");
        assert_eq!(count(stack, "products").await?, 99);
        assert_eq!(count(stack, "products WHERE id = 'PROD-001' AND price_minor = 1").await?, 1);
        Ok(())
    });
}

#[test]
fn a_function_that_has_changed_is_replaced() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        ensure!(migrate(stack, &[]).await?.0);
        let former = "CREATE OR REPLACE FUNCTION notice_rank(type text) RETURNS int LANGUAGE sql IMMUTABLE RETURN 7;
            UPDATE schema_definitions SET checksum = 'former' WHERE file = 'functions/notice_rank.sql'";
        let db = stack.postgres.service().connect().await?;
        db.batch_execute(former).await?;
        let touched = "SELECT xmin::text FROM pg_proc WHERE proname = 'touch'";
        let before: String = db.query_one(touched, &[]).await?.get(0);
        let (ok, said) = migrate(stack, &[]).await?;
        ensure!(ok, "{said}");
        let rank: i32 = db.query_one("SELECT notice_rank('ORDER_CONFIRMED')", &[]).await?.get(0);
        assert_eq!(rank, 3);
        assert_eq!(db.query_one(touched, &[]).await?.get::<_, String>(0), before, "other functions are left alone");
        Ok(())
    });
}

/// In a rolling deployment, a task of the previous release may start late.
#[test]
fn an_older_release_leaves_a_newer_schema_alone() {
    with_bare_stack(async |stack| {
        stack.postgres.start().await?;
        ensure!(migrate(stack, &[]).await?.0);
        let newer = "INSERT INTO refinery_schema_history SELECT 1000, 'of_a_newer_release', applied_on, '1'
                FROM refinery_schema_history WHERE version = 1;
            CREATE OR REPLACE FUNCTION notice_rank(type text) RETURNS int LANGUAGE sql IMMUTABLE RETURN 7;
            UPDATE schema_definitions SET checksum = 'newer' WHERE file = 'functions/notice_rank.sql'";
        let db = stack.postgres.service().connect().await?;
        db.batch_execute(newer).await?;
        let before = schema(stack).await?;
        let (ok, said) = migrate(stack, &["--seed"]).await?;
        ensure!(ok && said.contains("newer release"), "{said}");
        assert_eq!(schema(stack).await?, before);
        assert_eq!(count(stack, "products").await?, 0);

        // A migration that both releases have must be the same one, also on a newer schema.
        let gap = "UPDATE refinery_schema_history SET version = 1001 WHERE version = 3";
        let mended = "UPDATE refinery_schema_history SET version = 3 WHERE version = 1001";
        let diverged = "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 3";
        let no_longer_newer = "DELETE FROM refinery_schema_history WHERE version = 1000";
        for change in [gap, &format!("{mended}; {diverged}"), no_longer_newer] {
            db.batch_execute(change).await?;
            let (ok, said) = migrate(stack, &[]).await?;
            ensure!(!ok && said.contains("V3__payments"), "{change}: {said}");
        }
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
        let migrate_as = async |password: &str, more: &[&str]| {
            let role = ["migrate", "--postgres-user", "shop", "--postgres-password", password];
            stack.run("worker", &[&role, more].concat()).await
        };
        // With the second password, the role in the database still has an older one, as in a
        // restored backup. Several processes start at once, as tasks on ECS do.
        for password in [r"pass'word \ 1", r"pass'word \ 2"] {
            ensure!(!migrate_as(password, &[]).await?.status.success(), "there is such a role");
            let made = try_join_all((0..3).map(|_| migrate_as(password, &by_master))).await?;
            for one in &made {
                ensure!(one.status.success(), "{}: {}", one.status, String::from_utf8_lossy(&one.stderr));
                ensure!(!String::from_utf8_lossy(&one.stderr).contains(password), "the password is logged");
            }
            ensure!(migrate_as(password, &[]).await?.status.success(), "the role cannot log in by itself");
        }
        let db = stack.postgres.service().connect().await?;
        let owner: String = db.query_one("SELECT tableowner FROM pg_tables WHERE tablename = 'orders'", &[]).await?.get(0);
        assert_eq!(owner, "shop");
        let rights =
            "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = 'shop'";
        ensure!(!db.query_one(rights, &[]).await?.get::<_, bool>(0), "the role may do more than it needs");

        let wrong = migrate_as("a third", &["--postgres-admin-secret", r#"{"username":"secret"}"#]).await?;
        let said = String::from_utf8_lossy(&wrong.stderr);
        ensure!(!wrong.status.success() && said.contains("POSTGRES_ADMIN_SECRET must be"), "{said}");
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
