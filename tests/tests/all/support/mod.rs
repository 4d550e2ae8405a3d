//! Common parts of the tests. A [`Shop`] is a running stack as its customers and its operator see
//! it.

mod admission;
mod collector;
mod contract;
mod fail_points;
mod lambda;
mod load;
mod order;
mod other_worker;
mod pool;
mod prometheus;
mod second_api;
mod shop;
mod stack_guard;
mod transitions;
mod until;

pub(crate) use admission::admit;
pub(crate) use collector::{Collector, Exported};
pub(crate) use fail_points::FailPoints;
pub(crate) use lambda::Function;
pub(crate) use load::Load;
pub(crate) use order::{Draft, Product, is_updated_last, seed_order};
pub(crate) use other_worker::OtherWorker;
pub(crate) use pool::{Pool, User, claims, unsigned};
pub(crate) use prometheus::{Prometheus, program as prometheus_program};
pub(crate) use second_api::SecondApi;
pub(crate) use shop::{Shop, answer, text};
pub(crate) use until::{until, until_ok};

use anyhow::Result;
use local::Stack;
use stack_guard::StackGuard;
use std::sync::LazyLock;
use tokio::{runtime::Runtime, sync::OnceCell};

/// One runtime for all tests, because connections outlive the test that made them.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().expect("a runtime"));
static SHARED: OnceCell<(Shop, StackGuard)> = OnceCell::const_new();

/// Settings with short timeouts. A step fails within a few seconds in total, and still leaves time
/// to cancel while it runs.
pub(crate) const FAST: [(&str, &str); 6] = [
    ("STEP_LOCAL_LIMIT_MS", "1500"),
    ("STEP_ATTEMPT_LIMIT_MS", "1500"),
    ("STEP_HEARTBEAT_LIMIT_MS", "1500"),
    ("RETRY_INITIAL_INTERVAL_MS", "1000"),
    ("RETRY_BACKOFF", "1.0"),
    // On a busy machine, a read may take longer than the default timeout.
    ("CATALOGUE_TIMEOUT_MS", "2000"),
];

/// Settings for tests that place more orders than the machine processes at once: the default
/// timeouts, short pauses between attempts, and few attempts at once. An attempt must not time out
/// only because the machine is busy, because its repetitions would add to the load, and an order
/// fails after a few of them.
pub(crate) const LOADED: [(&str, &str); 3] = [("RETRY_BACKOFF", "1.0"), ("WORKER_ACTIVITIES", "20"), ("CATALOGUE_TIMEOUT_MS", "2000")];

/// Settings under which an attempt does not notice a cancellation before it fails by itself.
pub(crate) const SLOW_HEARTBEAT: [(&str, &str); 3] =
    [("STEP_LOCAL_LIMIT_MS", "1000"), ("STEP_ATTEMPT_LIMIT_MS", "5000"), ("STEP_HEARTBEAT_LIMIT_MS", "60000")];

/// Runs a test that does no harm on the shared stack.
pub(crate) fn with_shared_stack(test: impl AsyncFnOnce(&'static Shop) -> Result<()>) {
    RUNTIME.block_on(async {
        let start = || async {
            let shop = Shop::open(1, &FAST).await?;
            let guard = StackGuard::new(&shop)?;
            anyhow::Ok((shop, guard))
        };
        let (shop, guard) = SHARED.get_or_try_init(start).await.expect("the shared stack starts");
        let mut place = admit().await;
        place.is_ready();
        let _watch = guard.watch_test();
        fail_on_error(test(shop).await);
    });
}

/// Runs a test on its own stack, with this number of workers and these settings.
pub(crate) fn with_own_stack(workers: usize, env: &[(&str, &str)], test: impl AsyncFnOnce(&Shop) -> Result<()>) {
    RUNTIME.block_on(async {
        let mut place = admit().await;
        let shop = Shop::open(workers, env).await.expect("the stack starts");
        place.is_ready();
        fail_on_error(test(&shop).await);
    });
}

/// Runs a test on its own stack, which the test starts itself, part by part.
pub(crate) fn with_unstarted_stack(workers: usize, env: &[(&str, &str)], test: impl AsyncFnOnce(&Shop) -> Result<()>) {
    RUNTIME.block_on(async {
        let mut place = admit().await;
        let shop = Shop::of(Stack::fresh(workers, env).expect("a stack")).expect("a shop");
        place.is_ready();
        fail_on_error(test(&shop).await);
    });
}

/// Runs something on the tests' runtime, where it may go on until the end of the test run.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    RUNTIME.block_on(work)
}

/// Runs a test that needs no stack.
pub(crate) fn run(test: impl Future<Output = Result<()>>) {
    fail_on_error(RUNTIME.block_on(test));
}

/// Runs a test on the servers of its own stack, none of which is running yet.
pub(crate) fn with_bare_stack(test: impl AsyncFnOnce(&Stack) -> Result<()>) {
    with_unstarted_stack(0, &[], async |shop| test(&shop.stack).await);
}

/// A panic unwinds through the stack, which then keeps its logs.
fn fail_on_error(result: Result<()>) {
    if let Err(error) = result {
        panic!("{}", error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }
}
