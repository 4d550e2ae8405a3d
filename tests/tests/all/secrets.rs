//! Credentials in Secrets Manager: they are used, rotated while processes run, missing or
//! malformed, and never logged.

use crate::support::{Draft, FAST, Function, Load, Shop, until, with_bare_stack, with_unstarted_stack};
use anyhow::{Result, ensure};
use aws_sdk_secretsmanager::{
    Client, Config,
    config::{BehaviorVersion, Credentials, Region},
};
use aws_smithy_http_client::Builder;
use local::{Stack, Tools, project};
use serde_json::json;
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, try_join};

/// The emulator accepts a name instead of an ARN, as AWS does.
const DATABASE: &str = "orderflow/database";
const TEMPORAL: &str = "orderflow/temporal";
const TIMEOUT: Duration = Duration::from_secs(30);

fn secrets(stack: &Stack) -> Result<Client> {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(Builder::new().build_http())
        .endpoint_url(stack.settings().get("AWS_ENDPOINT_URL")?)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "test"));
    Ok(Client::from_conf(config.build()))
}

/// Sets the password of the worker's own role, which is otherwise only in the secret.
async fn set_password(shop: &Shop, password: &str) -> Result<()> {
    let set = format!("ALTER ROLE rotated PASSWORD '{password}'");
    Ok(shop.db().await?.batch_execute(&set).await?)
}

fn login(password: &str) -> String {
    json!({ "engine": "postgres", "username": "rotated", "password": password }).to_string()
}

#[test]
fn a_rotated_password_interrupts_no_order() {
    let (first, second) = ("first-of-the-passwords", "second-of-the-passwords");
    let env = [&FAST[..], &[("POSTGRES_SECRET_ARN", DATABASE), ("LOG_LEVEL", "debug")]].concat();
    with_unstarted_stack(1, &env, async |shop| {
        let (stack, load) = (&shop.stack, Load::default());
        stack.start_services().await?;
        let secrets = secrets(stack)?;
        shop.db().await?.batch_execute("CREATE ROLE rotated LOGIN SUPERUSER").await?;
        set_password(shop, first).await?;
        secrets.create_secret().name(DATABASE).secret_string(login(first)).send().await?;
        stack.start().await?;
        let worker = &stack.workers[0];
        let (pid, product) = (worker.pid(), shop.product(1_000, 1_000).await?);
        shop.ends(&shop.place(&Draft::new("CUST-rotation").line(&product, 1)).await?, "COMPLETED").await?;
        let connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'orderflow-worker' AND usename = 'rotated'";
        ensure!(shop.db().await?.query_one(connected, &[]).await?.get::<_, i64>(0) > 0, "the worker has connected as somebody else");

        let placing = async {
            load.place(shop, 40, 4, |_| Draft::new("CUST-rotation").line(&product, 1)).await;
            anyhow::Ok(())
        };
        // RDS rotates in the same way: first the role, then the secret. Connections between the two
        // steps are refused.
        let rotating = async {
            load.reaches(10).await?;
            set_password(shop, second).await?;
            let drop = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'orderflow-worker'";
            shop.db().await?.query(drop, &[]).await?;
            until("Postgres has refused the worker", TIMEOUT, async || {
                Ok(shop.log(worker.log()).contains("password authentication failed").then_some(()))
            })
            .await?;
            secrets.put_secret_value().secret_id(DATABASE).secret_string(login(second)).send().await?;
            Ok(())
        };
        try_join!(placing, rotating)?;
        load.place_one(shop, &Draft::new("CUST-rotation").line(&product, 1)).await;
        assert_eq!(load.accepted().len(), 41);
        load.ends(shop).await?;
        assert_eq!(worker.pid(), pid, "the worker was started again");
        ensure!(shop.log(worker.log()).contains("POSTGRES_SECRET_ARN holds others now"));
        shop.audit_is_clean().await?;
        for password in [first, second] {
            ensure!(!shop.logs().contains(password), "{password} is in the logs");
        }
        Ok(())
    });
}

#[test]
fn a_late_temporal_secret_is_read_by_worker_api_and_functions() {
    let key = "the-api-key-of-temporal";
    let env = [&FAST[..], &[("TEMPORAL_SECRET_ARN", TEMPORAL), ("LOG_LEVEL", "debug")]].concat();
    with_unstarted_stack(1, &env, async |shop| {
        let (stack, load) = (&shop.stack, Load::default());
        stack.start_services().await?;
        stack.migrate().await?;
        stack.workers[0].launch()?;
        stack.api.start().await?;
        let product = shop.product(1_000, 1_000).await?;
        let draft = Draft::new("CUST-secret").line(&product, 1);
        let mut create = Function::start(shop, "create-order").await?;
        let (status, accepted) = create.request("POST", "/api/orders", Some(&draft.body().to_string())).await?;
        assert_eq!(status, 202, "{accepted}");
        load.place(shop, 3, 1, |_| draft.clone()).await;
        assert_eq!(load.accepted().len(), 3, "the intake queue takes what Temporal cannot");
        for server in [stack.workers[0].log(), stack.api.log()] {
            let printed = shop.log(server);
            ensure!(printed.contains("TEMPORAL_SECRET_ARN: the secret orderflow/temporal cannot be read: ResourceNotFound"), "{printed}");
        }

        secrets(stack)?.create_secret().name(TEMPORAL).secret_string(json!({ "apiKey": key }).to_string()).send().await?;
        load.ends(shop).await?;
        if let Some(id) = accepted["id"].as_str() {
            shop.ends(id, "COMPLETED").await?;
        }
        let (status, health) = Function::start(shop, "health").await?.request("GET", "/api/health", None).await?;
        assert_eq!((status, &health["status"]), (200, &json!("ok")), "{health}");
        shop.audit_is_clean().await?;
        ensure!(!shop.logs().contains(key), "the API key is in the logs");
        Ok(())
    });
}

#[test]
fn a_missing_or_malformed_secret_is_reported_in_one_line() {
    with_bare_stack(async |stack| {
        stack.emulator.start().await?;
        secrets(stack)?.create_secret().name("no-json").secret_string("hunter2").send().await?;
        secrets(stack)?.create_secret().name("no-user").secret_string(r#"{"password":"hunter2"}"#).send().await?;
        let malformed = "must be a JSON object with username and password";
        for (secret, cause) in [("nothing-there", "cannot be read: ResourceNotFound"), ("no-json", malformed), ("no-user", malformed)] {
            for command in ["run", "migrate", "audit"] {
                let mut worker = Command::new(Tools::built("worker")?);
                worker.current_dir(project()).arg(command).envs(stack.env()).env("POSTGRES_SECRET_ARN", secret);
                let ended = worker.stdin(Stdio::null()).kill_on_drop(true).output().await?;
                let printed = String::from_utf8_lossy(&ended.stderr);
                ensure!(!ended.status.success(), "worker {command} ended well");
                let expected = format!("POSTGRES_SECRET_ARN: the secret {secret} {cause}");
                ensure!(printed.contains(&expected) && printed.lines().count() == 1, "worker {command} printed: {printed}");
                ensure!(!printed.contains("hunter2"), "{printed}");
            }
        }
        Ok(())
    });
}
