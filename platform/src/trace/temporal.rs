//! Passes the trace to workflows: in the Temporal header that the SDKs of all languages share.

use super::{Carrier, PART, is_on, start};
use futures::future::BoxFuture;
use opentelemetry::{
    Context, KeyValue,
    baggage::BaggageExt as _,
    trace::{FutureExt as _, SpanKind, TraceContextExt as _},
};
use std::collections::HashMap;
use temporalio_client::{
    ClientInterceptor, Next, SignalWithStartWorkflowInput, SignalWorkflowInput, StartWorkflowInput, StartWorkflowOutput,
    errors::{WorkflowInteractionError, WorkflowStartError},
};
use temporalio_common::protos::temporal::api::common::v1::{Header, Payload};

/// The header in which all SDKs of Temporal pass a trace context.
const HEADER: &str = "_tracer-data";

/// Makes a span for each start and signal of a workflow, and passes it to the workflow.
///
/// A signal whose caller is part of no trace, or of a trace that is not the order's, carries no
/// header. The workflow then handles it in its own trace.
#[derive(Debug)]
pub struct TraceInterceptor;

impl ClientInterceptor for TraceInterceptor {
    fn start_workflow<'a>(
        &'a self,
        mut input: StartWorkflowInput,
        next: Next<'a, StartWorkflowInput, BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>>>,
    ) -> BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>> {
        let span = call_span(format!("StartWorkflow:{}", input.workflow_type));
        inject(span.as_ref(), &mut input.options.header);
        traced(span, next.run(input))
    }

    fn signal_with_start_workflow<'a>(
        &'a self,
        mut input: SignalWithStartWorkflowInput,
        next: Next<'a, SignalWithStartWorkflowInput, BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>>>,
    ) -> BoxFuture<'a, Result<StartWorkflowOutput, WorkflowStartError>> {
        let span = call_span(format!("SignalWithStartWorkflow:{}", input.workflow_type));
        inject(span.as_ref(), &mut input.options.header);
        traced(span, next.run(input))
    }

    fn signal_workflow<'a>(
        &'a self,
        mut input: SignalWorkflowInput,
        next: Next<'a, SignalWorkflowInput, BoxFuture<'a, Result<(), WorkflowInteractionError>>>,
    ) -> BoxFuture<'a, Result<(), WorkflowInteractionError>> {
        let span = call_span(format!("SignalWorkflow:{}", input.signal_name));
        inject(span.as_ref().filter(|span| has_order(span)), &mut input.options.header);
        traced(span, next.run(input))
    }
}

fn call_span(name: String) -> Option<Context> {
    let parent = is_on().then(Context::current).filter(Context::has_active_span)?;
    start(&parent, SpanKind::Client, name, vec![KeyValue::new(PART, "temporal")])
}

fn has_order(context: &Context) -> bool {
    context.baggage().get(super::ORDER_ID).is_some()
}

fn traced<'a, T, E>(span: Option<Context>, call: BoxFuture<'a, Result<T, E>>) -> BoxFuture<'a, Result<T, E>>
where
    T: Send + 'a,
    E: Outcome + Send + 'a,
{
    let Some(span) = span else { return call };
    Box::pin(async move {
        let result = call.with_context(span.clone()).await;
        super::end(Some(span), result.as_ref().err().filter(|error| !error.is_expected()).map(|_| "temporal"));
        result
    })
}

/// Whether an error is one of the answers that callers expect.
trait Outcome {
    fn is_expected(&self) -> bool;
}

impl Outcome for WorkflowStartError {
    fn is_expected(&self) -> bool {
        matches!(self, Self::AlreadyStarted { .. })
    }
}

impl Outcome for WorkflowInteractionError {
    fn is_expected(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }
}

fn inject(span: Option<&Context>, header: &mut Option<Header>) {
    let Some(context) = span else { return };
    let Ok(data) = serde_json::to_vec(&Carrier::of(context).0) else { return };
    let metadata = HashMap::from([("encoding".to_owned(), b"json/plain".to_vec())]);
    header.get_or_insert_default().fields.insert(HEADER.to_owned(), Payload { metadata, data, ..Default::default() });
}
