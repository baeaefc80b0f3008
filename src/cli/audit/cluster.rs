//! The claims of a cluster, page by page. The caller's own rights count, and nothing is written.

use anyhow::Context;
use kube::api::ListParams;
use kube::core::Request;
use kube::{Client, Resource};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::claim::schema::MySQLInstanceClaim;
use crate::claim::{GROUP, KIND};
use crate::cli::claims::{Sorted, sort};
use crate::cli::cluster::config;
use crate::cli::progress::Progress;

/// What is read of a page. An item is not looked at before its turn.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(default)]
    metadata: Metadata,
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    #[serde(rename = "continue")]
    next: Option<String>,
    remaining_item_count: Option<u64>,
}

/// Reads every claim of the cluster, `page` at a time, and gives `take` one after the other.
///
/// # Errors
/// There is no cluster, or it does not answer with claims.
pub(super) fn stream(page: u32, take: &mut dyn FnMut(Sorted)) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(pages(page, take))
}

async fn pages(page: u32, take: &mut dyn FnMut(Sorted)) -> anyhow::Result<()> {
    let config = config().await?;
    let server = config.cluster_url.to_string();
    let client = Client::try_from(config).context("the cluster's configuration cannot be used")?;
    let request = Request::new(MySQLInstanceClaim::url_path(&(), None));
    let progress = Progress::new();
    let mut params = ListParams::default().limit(page);
    loop {
        let request = request.list(&params)?;
        let text = client
            .request_text(request)
            .await
            .map_err(|error| told(error, &server))?;
        let list: Page<'_> =
            serde_json::from_str(&text).with_context(|| format!("{server} does not answer with a list"))?;
        progress.claims(list.items.len() as u64, list.metadata.remaining_item_count);
        for item in list.items {
            sort(serde_json::from_str::<Value>(item.get())?, take);
        }
        match list.metadata.next.filter(|next| !next.is_empty()) {
            Some(next) => params = params.continue_token(&next),
            None => return Ok(()),
        }
    }
}

/// What the cluster said, and what to do.
fn told(error: kube::Error, server: &str) -> anyhow::Error {
    let remedy = match &error {
        kube::Error::Api(status) => match status.code {
            401 => "log in to the cluster again",
            403 => "ask for a role that may list mysqlinstanceclaims in all namespaces",
            404 => {
                return anyhow::anyhow!(
                    "{server} has no {KIND} of {GROUP}: its CustomResourceDefinition is not installed"
                );
            }
            410 => "the list changed too much while it was read; run this again",
            _ => "try again",
        },
        _ => "see whether it can be reached",
    };
    let context = format!("{server} does not list its claims ({remedy})");
    match error {
        kube::Error::Api(status) => anyhow::anyhow!("{}", status.message).context(context),
        other => anyhow::Error::new(other).context(context),
    }
}
