//! Tests of the supervisor behind `make run`, on free ports and in a folder of its own.

use anyhow::{Context, Result, bail};
use local::{Signal, Stack, signal};
use std::{net::TcpListener, path::PathBuf, process::Stdio, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::timeout,
};

/// The maximum time for any single step on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A running `local up --services`. The stack is never started; it only provides the ports.
struct Up {
    process: Child,
    output: Lines<BufReader<ChildStdout>>,
    stack: Stack,
}

impl Up {
    fn start() -> Result<Self> {
        let stack = Stack::fresh(0, &[])?;
        let mut process = local(&stack, &["up", "--services"])?.stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(process.stdout.take().context("no output")?).lines();
        Ok(Self { process, output, stack })
    }

    async fn line(&mut self, part: &str) -> Result<String> {
        let wanted = async {
            while let Some(line) = self.output.next_line().await? {
                if line.contains(part) {
                    return Ok(line);
                }
            }
            bail!("it ended without a line with {part:?}")
        };
        timeout(LIMIT, wanted).await.with_context(|| format!("no line with {part:?}"))?
    }
}

fn local(stack: &Stack, args: &[&str]) -> Result<Command> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local"));
    command.args(args).arg("--folder").arg(folder(stack)?).envs(stack.env()).kill_on_drop(true);
    Ok(command)
}

fn folder(stack: &Stack) -> Result<PathBuf> {
    Ok(stack.postgres.log().ancestors().nth(2).context("no folder")?.join("up"))
}

#[tokio::test]
async fn it_restarts_what_dies_and_stops_everything_when_asked() -> Result<()> {
    let mut up = Up::start()?;
    let ready = up.line("Ready after").await?;
    assert!(ready.contains("Temporal UI http://127.0.0.1:"), "{ready}");
    assert!(up.stack.postgres.service().connect().await.is_ok());

    let pid_file = folder(&up.stack)?.join("data/postgres/cluster/postmaster.pid");
    let pid = std::fs::read_to_string(pid_file)?.lines().next().context("no pid")?.parse()?;
    signal(pid, Signal::KILL);
    up.line("postgres died").await?;
    up.line("ready").await?;
    assert!(up.stack.postgres.service().connect().await.is_ok());

    let second = timeout(LIMIT, local(&up.stack, &["up"])?.output()).await??;
    assert!(String::from_utf8_lossy(&second.stderr).contains("OrderFlow is running already"));

    let stop = timeout(LIMIT, local(&up.stack, &["stop"])?.output()).await??;
    assert!(stop.status.success());
    assert!(timeout(LIMIT, up.process.wait()).await??.success());
    assert!(up.stack.postgres.service().connect().await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_busy_port_is_one_line_that_names_the_setting() -> Result<()> {
    let stack = Stack::fresh(0, &[])?;
    let port = stack.settings().port("TEMPORAL_WEB_PORT")?;
    let _taken = TcpListener::bind(("127.0.0.1", port))?;
    let refused = timeout(LIMIT, local(&stack, &["up", "--services"])?.output()).await??;
    assert!(!refused.status.success());
    assert_eq!(String::from_utf8(refused.stderr)?.trim(), format!("error: port {port} is in use: set TEMPORAL_WEB_PORT in .env"));
    Ok(())
}

#[tokio::test]
async fn after_a_reset_nothing_is_left_of_any_order() -> Result<()> {
    let stack = Stack::fresh(0, &[])?;
    stack.start_services().await?;
    stack.migrate().await?;
    let temporal = stack.temporal.service();
    for id in ["one", "another"] {
        temporal.cli(&["workflow", "start", "--type", "Order", "--task-queue", "orders", "--workflow-id", id]).await?;
    }
    stack.postgres.service().connect().await?.batch_execute("CREATE TABLE kept (id int)").await?;
    let reset = timeout(LIMIT, local(&stack, &["db-reset"])?.output()).await??;
    assert!(reset.status.success(), "{}", String::from_utf8_lossy(&reset.stderr));
    for (status, total) in [("Running", "Total: 0"), ("Terminated", "Total: 2")] {
        let query = format!("ExecutionStatus = '{status}'");
        assert_eq!(temporal.cli(&["workflow", "count", "--query", &query]).await?.trim(), total, "{status}");
    }
    let db = stack.postgres.service().connect().await?;
    assert!(db.query("SELECT 1 FROM kept", &[]).await.is_err() && db.query("SELECT 1 FROM orders", &[]).await?.is_empty());
    Ok(())
}
