//! Creates the search attributes of orders in Temporal's namespace. Without them, Temporal refuses
//! a start that sets them, and the functions start workflows without attributes.

use anyhow::Context as _;
use orders::search;
use std::collections::HashMap;
use temporalio_client::{
    Client, NamespacedClient as _,
    tonic::{Code, Request, Status},
};
use temporalio_common::protos::temporal::api::operatorservice::v1::{AddSearchAttributesRequest, ListSearchAttributesRequest};

/// Creates the attributes that the namespace lacks. A failure is logged only: orders do not need
/// the attributes.
pub(crate) async fn create_attributes(client: Client) {
    match try_to_create(&client).await {
        Ok(0) => {}
        Ok(created) => tracing::info!(created, "created search attributes in Temporal"),
        Err(error) => tracing::warn!(
            error = format!("{error:#}"),
            "search attributes cannot be created in Temporal; create them as docs/operating.md says, or set TEMPORAL_SEARCH_ATTRIBUTES=false"
        ),
    }
}

async fn try_to_create(client: &Client) -> anyhow::Result<usize> {
    let mut operator = client.connection().operator_service();
    let request = ListSearchAttributesRequest { namespace: client.namespace() };
    let listed = operator.list_search_attributes(Request::new(request)).await.context("they cannot be listed")?.into_inner();
    let missing: HashMap<String, i32> = search::all()
        .into_iter()
        .filter(|(name, _)| !listed.custom_attributes.contains_key(*name))
        .map(|(name, kind)| (name.to_owned(), kind.into()))
        .collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let created = missing.len();
    let request = AddSearchAttributesRequest { search_attributes: missing, namespace: client.namespace() };
    match operator.add_search_attributes(Request::new(request)).await {
        Ok(_) => Ok(created),
        // Another worker was faster.
        Err(status) if is_done_by_another(&status) => Ok(0),
        Err(status) => Err(status).context("they cannot be added"),
    }
}

fn is_done_by_another(status: &Status) -> bool {
    status.code() == Code::AlreadyExists
}
