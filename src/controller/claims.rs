//! How many claims have a placement, and how many have none: counted now and then.
//!
//! It asks for the table that `kubectl get` shows, without the objects: about a hundred bytes a claim instead of some thousand,
//! and no endpoint gets here.

use std::time::Duration;

use axum::http::{HeaderValue, Request as HttpRequest, Uri, header};
use kube::api::ListParams;
use kube::core::Request;
use kube::{Client, Resource};
use serde::Deserialize;
use serde_json::Value;

use super::looks::Looks;
use crate::because::because;
use crate::catalog::cluster::said;
use crate::claim::schema::MySQLInstanceClaim;
use crate::telemetry::ControllerMetrics;

const LOOKS: Looks = Looks {
    at: "number of claims",
    every: Duration::from_mins(5),
    patience: Duration::from_mins(2),
};

/// How many claims are asked for at a time.
const PAGE: u32 = 500;

/// What the API server is to answer with.
const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io";

/// The column that has something where a claim is placed, by the definition of claims.
const PLACED: &str = "Provider";

/// Claims with a placement, and without one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    placed: u64,
    unplaced: u64,
}

/// What is read of a page of the table.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    metadata: Metadata,
    column_definitions: Vec<Column>,
    /// There are none where there is no claim.
    rows: Option<Vec<Row>>,
}

#[derive(Deserialize)]
struct Metadata {
    #[serde(rename = "continue")]
    next: Option<String>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

#[derive(Deserialize)]
struct Row {
    cells: Vec<Value>,
}

/// Counts for ever, and tells the metrics; the log where there are more without a placement.
pub(super) async fn count(client: &Client, metrics: &ControllerMetrics) {
    let mut before = 0;
    let tell = |counted: Option<Counted>| {
        let Some(Counted { placed, unplaced }) = counted else {
            return metrics.claims_failed();
        };
        metrics.claims(placed, unplaced);
        if unplaced > before {
            tracing::warn!(
                unplaced,
                "there are claims without a placement: `idp-multicloud audit --catalog cluster` names them"
            );
        }
        before = unplaced;
    };
    LOOKS.each(|| counted(client), tell).await;
}

/// Counts once, page by page.
async fn counted(client: &Client) -> Result<Counted, String> {
    let mut counted = Counted::default();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = page(client, &params).await?;
        let column = page.column_definitions.iter().position(|column| column.name == PLACED);
        let column = column.ok_or_else(|| format!("the definition of claims has no column {PLACED}"))?;
        for row in page.rows.into_iter().flatten() {
            let cell = row.cells.get(column).and_then(Value::as_str).unwrap_or_default();
            if cell.is_empty() {
                counted.unplaced += 1;
            } else {
                counted.placed += 1;
            }
        }
        match page.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(counted),
        }
    }
}

async fn page(client: &Client, params: &ListParams) -> Result<Page, String> {
    let request = Request::new(MySQLInstanceClaim::url_path(&(), None)).list(params);
    let (mut parts, _) = request.map_err(|error| because(&error))?.into_parts();
    let uri = format!("{}&includeObject=None", parts.uri);
    parts.uri = Uri::try_from(uri).map_err(|error| because(&error))?;
    parts.headers.insert(header::ACCEPT, HeaderValue::from_static(TABLE));
    let request = HttpRequest::from_parts(parts, Vec::new());
    client.request::<Page>(request).await.map_err(|error| said(&error))
}

#[cfg(test)]
mod tests;
