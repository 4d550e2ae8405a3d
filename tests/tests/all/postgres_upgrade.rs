//! A database that an older major version of Postgres has made is moved to the version that AWS
//! runs, while orders wait. Afterwards `worker migrate` and `worker audit` find nothing to do, and
//! the orders continue (docs/operating.md, "Postgres gets a new major version").
//!
//! The test needs the programs of an older Postgres, pg_dump and psql among them. Debian's package
//! `postgresql` and GitHub's runners have them. On a machine without them, the test says so and
//! checks nothing.

use crate::support::{Draft, FAST, Shop, answer, with_unstarted_stack};
use anyhow::{Context as _, Result, ensure};
use futures::future::try_join_all;
use local::Tools;
use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Command},
};

/// Debian and Ubuntu have a folder here for each version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// All functions, tables, views, constraints, indexes and triggers. Their texts are not compared,
/// because versions of Postgres print them differently.
const OBJECTS: &str = "SELECT 'function ' || oid::regprocedure FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL SELECT relkind::text || ' ' || oid::regclass FROM pg_class WHERE relnamespace IN ('public'::regnamespace, 'sandbox'::regnamespace)
    UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || convalidated
        FROM pg_constraint WHERE connamespace IN ('public'::regnamespace, 'sandbox'::regnamespace)
    UNION ALL SELECT 'trigger ' || tgrelid::regclass || ' ' || tgname || ' ' || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
    ORDER BY 1";

/// The major version of a folder's programs.
fn major(programs: &Path) -> Option<u32> {
    let output = Command::new(programs.join("postgres")).arg("--version").output().ok()?;
    String::from_utf8_lossy(&output.stdout).split_whitespace().nth(2)?.split('.').next()?.parse().ok()
}

/// The programs of the oldest installed version that OrderFlow works with, if it is below `version`.
fn older_programs(version: u32) -> Option<PathBuf> {
    let folders = fs::read_dir(VERSIONS).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin")));
    let complete = folders.filter(|folder| ["initdb", "pg_dump", "psql"].iter().all(|name| folder.join(name).exists()));
    complete
        .filter_map(|folder| Some((major(&folder)?, folder)))
        .filter(|(found, _)| (15..version).contains(found))
        .min()
        .map(|(_, folder)| folder)
}

/// The folder from which the stack takes the programs of Postgres: links, which the test changes.
struct Programs(PathBuf);

impl Programs {
    fn new() -> Result<Self> {
        let folder = env::temp_dir().join(format!("orderflow-postgres-{}", process::id()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    fn set(&self, programs: &Path) -> Result<()> {
        for name in ["initdb", "postgres"] {
            let link = self.0.join(name);
            if link.is_symlink() {
                fs::remove_file(&link)?;
            }
            symlink(programs.join(name), link)?;
        }
        Ok(())
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program on the orders' database, which must succeed.
async fn run(shop: &Shop, program: PathBuf, args: &[&str]) -> Result<()> {
    let mut command = tokio::process::Command::new(&program);
    for (name, key) in [
        ("PGHOST", "POSTGRES_HOST"),
        ("PGPORT", "POSTGRES_PORT"),
        ("PGDATABASE", "POSTGRES_DB"),
        ("PGUSER", "POSTGRES_USER"),
        ("PGPASSWORD", "POSTGRES_PASSWORD"),
    ] {
        command.env(name, shop.stack.settings().get(key)?);
    }
    let output = command.args(args).output().await.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{}: {}", program.display(), String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn column(shop: &Shop, query: &str) -> Result<Vec<String>> {
    Ok(shop.db().await?.query(query, &[]).await?.iter().map(|row| row.get(0)).collect())
}

async fn server_major(shop: &Shop) -> Result<u32> {
    let version = column(shop, "SHOW server_version_num").await?;
    Ok(version[0].parse::<u32>()? / 10_000)
}

#[test]
fn orders_continue_on_a_newer_postgres() {
    let current = Tools::default().installed("postgres").expect("local/install postgres");
    let current = current.parent().expect("a folder").to_path_buf();
    let version = major(&current).expect("a version of Postgres");
    let Some(old) = older_programs(version) else {
        eprintln!("SKIPPED: there is no Postgres below {version} with pg_dump and psql in {VERSIONS}, so no upgrade was tested");
        return;
    };
    let programs = Programs::new().expect("a folder for programs");
    programs.set(&old).expect("links to programs");
    let folder = programs.0.display().to_string();
    let settings = [&FAST[..], &[("POSTGRES_PROGRAMS", folder.as_str())]].concat();
    with_unstarted_stack(1, &settings, async |shop| {
        shop.stack.start().await?;
        assert_eq!(Some(server_major(shop).await?), major(&old));
        let (plenty, scarce) = (shop.product(1_000, 100).await?, shop.product(500, 1).await?);
        let place = async |method: &str| shop.place(&Draft::new("CUST-upgrade").line(&plenty, 1).payment_method(method)).await;
        let mut ended = Vec::new();
        for method in ["tok_visa", "tok_declined", "tok_visa"] {
            ended.push(place(method).await?);
        }
        try_join_all(ended.iter().map(|id| shop.reaches(id, &["COMPLETED", "FAILED"]))).await?;
        let waiting = shop.place(&Draft::new("CUST-upgrade").line(&plenty, 1).line(&scarce, 2)).await?;
        shop.reaches(&waiting, &["ACTION_REQUIRED"]).await?;
        shop.audit_is_clean().await?;

        // Orders are accepted, and wait.
        shop.stack.workers[0].stop().await?;
        let meanwhile = place("tok_visa").await?;
        let (objects, history) = (column(shop, OBJECTS).await?, "SELECT h::text FROM refinery_schema_history h ORDER BY version");
        let migrations = column(shop, history).await?;
        move_to(shop, &old, &programs, &current).await?;
        assert_eq!(server_major(shop).await?, version);
        assert_eq!(column(shop, OBJECTS).await?, objects);

        shop.stack.migrate().await?;
        assert_eq!(column(shop, history).await?, migrations, "the database needs no migration");
        shop.stack.workers[0].start().await?;
        shop.ends(&meanwhile, "COMPLETED").await?;
        ensure!(answer(shop.post(&format!("/api/orders/{waiting}/amend"), "").await?).await?.0 == 202);
        shop.ends(&waiting, "COMPLETED").await?;
        let new = place("tok_visa").await?;
        shop.ends(&new, "COMPLETED").await?;
        shop.audit_is_clean().await
    });
}

/// Stops Postgres, and starts the other version with the same data.
async fn move_to(shop: &Shop, old: &Path, programs: &Programs, new: &Path) -> Result<()> {
    let (postgres, dump) = (&shop.stack.postgres, shop.folder()?.join("dump.sql"));
    let dump = dump.display().to_string();
    run(shop, old.join("pg_dump"), &["--file", &dump]).await?;
    postgres.stop().await?;
    let cluster = postgres.service().folder().join("cluster");
    fs::rename(&cluster, cluster.with_file_name("cluster-before"))?;
    programs.set(new)?;
    postgres.start().await?;
    run(shop, old.join("psql"), &["--quiet", "--no-psqlrc", "--set", "ON_ERROR_STOP=1", "--file", &dump, "--command", "ANALYZE"]).await
}
