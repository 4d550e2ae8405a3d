//! A reader who reads orders all the time, during faults, too. Versions must only rise, and
//! statuses must follow the table of transitions.

use super::context::FaultContext;
use ::orders::OrderStatus;
use serde_json::Value;
use std::{collections::HashMap, convert::Infallible, time::Duration};
use tokio::time::sleep;

const PAUSE: Duration = Duration::from_millis(40);
/// Only the newest orders are read, because older ones have ended.
const NEWEST: usize = 60;

/// Reads for ever, and records each wrong version or status as a breach.
pub(super) async fn watch(context: &FaultContext<'_>) -> Infallible {
    let mut seen: HashMap<String, (i64, OrderStatus)> = HashMap::new();
    let mut rng = fastrand::Rng::new();
    loop {
        sleep(PAUSE).await;
        let id = {
            let acknowledged = context.record.acknowledged();
            let newest = acknowledged.len().saturating_sub(NEWEST);
            rng.choice(&acknowledged[newest..]).cloned()
        };
        let Some(id) = id else { continue };
        // A failed read is repeated later.
        let Ok(order) = context.shop.order(&id).await else { continue };
        let Some(now) = version_and_status(&order) else {
            context.record.breach(format!("{id} is shown as {order}"));
            continue;
        };
        if let Some(before) = seen.insert(id.clone(), now)
            && !follows(before, now)
        {
            context.record.breach(format!("{id} went from {before:?} to {now:?} under a reader's eyes"));
        }
    }
}

fn version_and_status(order: &Value) -> Option<(i64, OrderStatus)> {
    Some((order["version"].as_i64()?, order["status"].as_str()?.parse().ok()?))
}

fn follows((version, status): (i64, OrderStatus), (later_version, later): (i64, OrderStatus)) -> bool {
    match later_version.cmp(&version) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Equal => status == later,
        std::cmp::Ordering::Greater => leads_to(status, later),
    }
}

/// Whether any path of transitions leads from one status to the other. The table has a cycle:
/// ACTION_REQUIRED and IN_REVIEW can follow each other.
fn leads_to(from: OrderStatus, to: OrderStatus) -> bool {
    let mut reached = vec![from];
    let mut looked_at = 0;
    while let Some(status) = reached.get(looked_at).copied() {
        looked_at += 1;
        for next in OrderStatus::ALL {
            if status.leads_to(*next) && !reached.contains(next) {
                reached.push(*next);
            }
        }
    }
    reached.contains(&to)
}

#[test]
fn a_step_back_is_noticed() {
    use OrderStatus::{ActionRequired, Completed, Failed, InReview, Paid, Pending};
    for (before, after) in [((0, Pending), (3, Paid)), ((3, Paid), (3, Paid)), ((2, InReview), (3, ActionRequired))] {
        assert!(follows(before, after), "{before:?} {after:?}");
    }
    for (before, after) in
        [((3, Paid), (2, Pending)), ((3, Paid), (3, Failed)), ((4, Completed), (5, Failed)), ((3, InReview), (4, Pending))]
    {
        assert!(!follows(before, after), "{before:?} {after:?}");
    }
}
