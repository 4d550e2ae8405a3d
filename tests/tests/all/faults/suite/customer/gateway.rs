//! The payment gateway reports a payment, late and more than once. A separate workflow handles each
//! event.

use super::{ANSWER_TIMEOUT, Customer, PAUSE, TIMEOUT};
use crate::{histories::connect, support::until};
use ::orders::{TASK_QUEUE, reconciliation::PaymentEvent, workflow::ReconcileWorkflowType};
use anyhow::{Result, ensure};
use futures::future::join_all;
use std::time::Instant;
use temporalio_client::{WorkflowGetResultOptions, WorkflowIdReusePolicy, WorkflowStartOptions, errors::WorkflowStartError};
use tokio::time::{sleep, timeout};

impl Customer<'_> {
    pub(super) async fn have_reconciled(&self, id: &str) -> Result<()> {
        self.wait_for_status(id, &[]).await?;
        let Some(reference) = self.reference(id).await? else { return Ok(()) };
        let began = Instant::now();
        loop {
            let results = join_all([self.report_payment(id, &reference), self.report_payment(id, &reference)]).await;
            if results.iter().all(Result::is_ok) {
                return Ok(());
            }
            ensure!(began.elapsed() < TIMEOUT, "the events about {id} were not handled for {} s: {results:?}", TIMEOUT.as_secs());
            sleep(PAUSE).await;
        }
    }

    /// The gateway's reference of the order's payment; `None` if the order ended without a payment.
    async fn reference(&self, id: &str) -> Result<Option<String>> {
        until("the payment's reference is read", TIMEOUT, async || {
            // Postgres may be unreachable.
            let Ok(client) = self.shop.db().await else { return Ok(None) };
            let Ok(row) = client.query_opt("SELECT gateway_reference FROM payments WHERE order_id = $1", &[&id]).await else {
                return Ok(None);
            };
            Ok(Some(row.and_then(|row| row.get(0))))
        })
        .await
    }

    /// Starts the workflow and waits for its end. The workflow's id allows only one start.
    async fn report_payment(&self, id: &str, reference: &str) -> Result<()> {
        timeout(ANSWER_TIMEOUT, async {
            let client = connect(self.shop).await?;
            let event = PaymentEvent { gateway: "sandbox".to_owned(), order_id: id.parse()?, reference: reference.to_owned() };
            let workflow_id = format!("told-{id}");
            let once = WorkflowStartOptions::new(TASK_QUEUE, &workflow_id).id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate).build();
            match client.start_workflow(ReconcileWorkflowType, event, once).await {
                Ok(_) | Err(WorkflowStartError::AlreadyStarted { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            client.get_workflow_handle::<ReconcileWorkflowType>(workflow_id).get_result(WorkflowGetResultOptions::default()).await?;
            Ok(())
        })
        .await?
    }
}
