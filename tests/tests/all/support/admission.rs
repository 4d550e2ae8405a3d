//! Admission of tests that use servers. Such a test mostly waits for timeouts, so several of them
//! run side by side, as many as the CPU serves in time: timeouts would otherwise end too early on a
//! slow machine.

use std::{
    fs,
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{sync::Mutex, time::sleep};

static CORES: LazyLock<usize> = LazyLock::new(|| thread::available_parallelism().map_or(2, usize::from).max(2));
/// How many tests per core may run side by side on an idle CPU.
const MAX_PER_CORE: usize = 3;
/// The part of the CPU that must be idle for another test to begin, in percent.
const MIN_IDLE_PERCENT: u64 = 40;
/// How long the CPU is observed.
const OBSERVATION: Duration = Duration::from_secs(3);

static RUNNING: AtomicUsize = AtomicUsize::new(0);
/// The admitted tests whose servers are not ready yet.
static STARTING: AtomicUsize = AtomicUsize::new(0);
/// Admits one test after the other.
static DOOR: Mutex<()> = Mutex::const_new(());

/// The place of a running test.
pub(crate) struct Place {
    is_starting: bool,
}

impl Place {
    /// The servers of the test are ready.
    pub(crate) fn is_ready(&mut self) {
        if std::mem::take(&mut self.is_starting) {
            STARTING.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.is_ready();
        RUNNING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until there is room for another test: always for as many as there are cores, and for more
/// while no servers start and the CPU is partly idle.
pub(crate) async fn admit() -> Place {
    let _turn = DOOR.lock().await;
    loop {
        let running = RUNNING.load(Ordering::SeqCst);
        let has_room = || STARTING.load(Ordering::SeqCst) == 0 && running < MAX_PER_CORE * *CORES;
        if running < *CORES || (has_room() && is_partly_idle().await) {
            RUNNING.fetch_add(1, Ordering::SeqCst);
            STARTING.fetch_add(1, Ordering::SeqCst);
            return Place { is_starting: true };
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// Whether enough of the CPU was idle during the observation. If that is not known, the answer is
/// no.
async fn is_partly_idle() -> bool {
    let Some((idle, total)) = cpu_times() else { return false };
    sleep(OBSERVATION).await;
    let Some((idle_after, total_after)) = cpu_times() else { return false };
    let (idle, total) = (idle_after.saturating_sub(idle), total_after.saturating_sub(total));
    total > 0 && idle * 100 >= total * MIN_IDLE_PERCENT
}

/// The time for which the machine's CPUs were idle, and the whole time, in ticks since the start
/// (`man 5 proc_stat`). Processes of low priority count as idle, because they give way to the tests.
/// `None` on other systems than Linux.
fn cpu_times() -> Option<(u64, u64)> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> = stat.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|ticks| ticks.parse().ok()).collect();
    let (nice, idle, waiting_for_disk) = (ticks.get(1)?, ticks.get(3)?, ticks.get(4)?);
    Some((nice + idle + waiting_for_disk, ticks.iter().sum()))
}
