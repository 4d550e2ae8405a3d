//! The plan of a run, drawn from its seed.

use super::fault::{Fault, GatewayFault, Server};
use std::time::Duration;

/// The activities, in the order in which an order runs them, and the one that restocks.
const ACTIVITIES: &[&str] = &[
    "CreateOrder",
    "CheckInventory",
    "AmendOrder",
    "ReviewOrder",
    "ProcessPayment",
    "ShipOrder",
    "TrackOrder",
    "SendNotification",
    "CancelOrder",
    "RefundPayment",
    "ReconcilePayment",
    "RestockProduct",
];

pub(super) struct Plan {
    pub(super) seed: u64,
    /// The orders placed before the first fault.
    pub(super) orders_before_faults: usize,
    /// The faults in their order, each with the number of orders placed around it.
    pub(super) faults: Vec<(Fault, usize)>,
    /// The number of customers at once.
    pub(super) at_once: usize,
    /// How long the system may take to settle after a fault.
    pub(super) settle_timeout: Duration,
    /// The maximum number of order histories, and of refund histories, to replay at the end.
    pub(super) histories: usize,
}

impl Plan {
    /// The faults from which the system recovers within seconds. Without the preload library, the
    /// faults that need it are left out.
    pub(super) fn short(seed: u64, orders: usize, has_preload: bool) -> Self {
        let brief = Duration::from_secs(2);
        let faults = vec![
            Fault::Killed(Server::Worker),
            Fault::Killed(Server::Api),
            Fault::Killed(Server::Temporal),
            Fault::Killed(Server::Postgres),
            Fault::DiesAfterEffect(ACTIVITIES),
            Fault::Duplicates,
            Fault::ReadOnly(brief),
            Fault::Serializable(brief),
            Fault::DiskFull(brief),
            Fault::ClockSteps(brief),
            Fault::Gateway(GatewayFault::Flapping, brief),
            Fault::TwoVersions(brief / 2),
        ];
        Self::of(seed, orders, faults, has_preload, 8, Duration::from_secs(90), 300)
    }

    /// Every fault.
    pub(super) fn long(seed: u64, orders: usize, has_preload: bool) -> Self {
        let (brief, long) = (Duration::from_secs(10), Duration::from_secs(60));
        let servers = [Server::Worker, Server::Api, Server::Temporal, Server::Postgres, Server::Emulator];
        let mut faults: Vec<Fault> = servers.into_iter().map(Fault::Killed).collect();
        faults.extend(servers.into_iter().flat_map(|server| [Fault::Frozen(server, brief), Fault::Frozen(server, long)]));
        faults.extend(ACTIVITIES.chunks(1).map(Fault::DiesAfterEffect));
        faults.extend([
            Fault::Restarted(Server::Emulator),
            Fault::TwoVersions(brief / 2),
            Fault::Duplicates,
            Fault::Poison,
            Fault::ConnectionsExhausted(brief),
            Fault::ReadOnly(brief),
            Fault::Serializable(brief),
            Fault::DiskFull(brief),
            Fault::ClockSteps(brief),
        ]);
        faults.extend([GatewayFault::Slow, GatewayFault::Errors, GatewayFault::Flapping].map(|fault| Fault::Gateway(fault, brief)));
        Self::of(seed, orders, faults, has_preload, 24, Duration::from_secs(240), 2_000)
    }

    /// Places a tenth of the orders before the first fault, and divides the rest among the faults,
    /// rounded up.
    fn of(
        seed: u64,
        orders: usize,
        mut faults: Vec<Fault>,
        has_preload: bool,
        at_once: usize,
        settle_timeout: Duration,
        histories: usize,
    ) -> Self {
        faults.retain(|fault| has_preload || !fault.needs_preload());
        fastrand::Rng::with_seed(seed).shuffle(&mut faults);
        let orders_before_faults = orders / 10;
        let share = (orders - orders_before_faults).div_ceil(faults.iter().map(Fault::shares).sum());
        let faults = faults.into_iter().map(|fault| (fault, share * fault.shares())).collect();
        Self { seed, orders_before_faults, faults, at_once, settle_timeout, histories }
    }
}
