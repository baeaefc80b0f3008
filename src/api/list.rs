//! `GET /api/mysql`: claims in short, page by page.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::edge::caller;
use super::problem::{Kind, Problem, problems};
use super::status::Stage;
use super::{Api, json, request};
use crate::claim::{self, Cause, Shown};
use crate::store::{StoreError, Wanted};

/// Claims on a page, if the request does not say.
const PAGE: usize = 100;

/// The most claims on a page.
const MOST: usize = 1000;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Filter {
    /// Claims of this namespace; of all without it.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    namespace: Option<String>,
    /// Claims of this cell.
    cell: Option<String>,
    /// Claims of this tier, in capitals or not.
    tier: Option<String>,
    /// Claims in this cloud.
    provider: Option<String>,
    /// At most so many claims, 100 if not given. There may be fewer on a page that is not the last.
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000)]
    limit: Option<String>,
    /// The page that an earlier answer named in `continue`.
    #[serde(rename = "continue")]
    from: Option<String>,
}

impl Filter {
    /// The limit, or everything that is wrong.
    fn limit(&self) -> Result<usize, Problem> {
        let mut problems: Vec<claim::Problem> = request::namespace(self.namespace.as_deref())
            .err()
            .into_iter()
            .collect();
        let given = self.limit.as_deref();
        let limit = given.map_or(Some(PAGE), |text| {
            text.parse().ok().filter(|limit| (1..=MOST).contains(limit))
        });
        if limit.is_none() {
            let message = format!("is \"{}\"; must be from 1 to {MOST}", Shown(given.unwrap_or_default()));
            problems.push(claim::Problem::new(Cause::FieldInvalid, "limit", message));
        }
        limit
            .filter(|_| problems.is_empty())
            .ok_or_else(|| Problem::invalid(problems))
    }

    /// What is asked of each claim. Nothing is asked by an empty word, as a form without a choice sends it.
    fn asked(&self) -> Vec<(&'static str, String)> {
        let asked = [("cell", &self.cell), ("tier", &self.tier), ("provider", &self.provider)];
        let asked = asked
            .into_iter()
            .filter_map(|(field, word)| Some((field, word.clone()?)));
        asked.filter(|(_, word)| !word.is_empty()).collect()
    }
}

/// Whether a claim has all of these.
fn fits(claim: &Value, asked: &[(&str, String)]) -> bool {
    asked.iter().all(|(field, word)| {
        let stored = claim.pointer("/spec/parameters").and_then(|fields| fields.get(field));
        let stored = stored.and_then(Value::as_str);
        stored.is_some_and(|stored| match *field {
            "tier" => stored.eq_ignore_ascii_case(word),
            _ => stored == word,
        })
    })
}

/// Some of the claims.
#[derive(Serialize, ToSchema)]
struct Listed<'a> {
    /// In an order that stays the same, a namespace's together.
    claims: Vec<Summary<'a>>,
    /// Where the next page begins: give it as `?continue=`. None on the last one.
    #[serde(rename = "continue")]
    next: Option<String>,
}

/// A claim, in short. What an old claim does not have is null.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Summary<'a> {
    namespace: Option<&'a str>,
    name: Option<&'a str>,
    cell: Option<&'a str>,
    tier: Option<&'a str>,
    environment: Option<&'a str>,
    size: Option<&'a str>,
    #[serde(rename = "storageGB")]
    storage_gb: Option<i64>,
    ha: bool,
    provider: Option<&'a str>,
    region: Option<&'a str>,
    runtime_cluster: Option<&'a str>,
    stage: Stage,
    /// When it was created.
    created: Option<&'a str>,
}

impl<'a> Summary<'a> {
    fn of(claim: &'a Value) -> Self {
        let fields = claim.pointer("/spec/parameters");
        let metadata = claim.get("metadata");
        let field = |name: &str| fields.and_then(|fields| fields.get(name));
        let text = |name: &str| field(name).and_then(Value::as_str);
        let known = |name: &str| metadata.and_then(|metadata| metadata.get(name)).and_then(Value::as_str);
        Self {
            namespace: known("namespace"),
            name: known("name"),
            cell: text("cell"),
            tier: text("tier"),
            environment: text("environment"),
            size: text("size"),
            storage_gb: field("storageGB").and_then(Value::as_i64),
            ha: field("ha").and_then(Value::as_bool).unwrap_or_default(),
            provider: text("provider"),
            region: text("region"),
            runtime_cluster: text("runtimeCluster"),
            stage: Stage::of(claim),
            created: known("creationTimestamp"),
        }
    }
}

problems! {
    /// What can come in place of a list.
    NotListed: Invalid, NotAuthenticated, Forbidden, NotFound, Expired, NotInstalled, Rejected
}

/// List claims
///
/// Those of one namespace, or of all that you may list.
#[utoipa::path(
    get,
    path = "/api/mysql",
    tag = "databases",
    params(Filter),
    responses(
        (status = 200, description = "Some of the claims, and where there are more", body = Listed),
        NotListed,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn list(
    State(api): State<Arc<Api>>,
    query: Result<Query<Filter>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let Query(filter) = query.map_err(|error| Problem::of_query(&error))?;
    let limit = filter.limit()?;
    let asked = filter.asked();
    let wanted = Wanted {
        namespace: filter.namespace.as_deref(),
        limit,
        filtered: !asked.is_empty(),
        from: filter.from.as_deref(),
    };
    let page = api.store.list(&caller, &wanted, move |claim| fits(claim, &asked)).await;
    let page = page.map_err(|error| match error {
        StoreError::Forbidden(_) if wanted.namespace.is_none() => {
            let why = "you may not list claims of all namespaces; ask for those of one: ?namespace=NAME";
            Problem::new(Kind::Forbidden, why)
        }
        error => error.into(),
    })?;
    Ok(json(&Listed {
        claims: page.claims.iter().map(Summary::of).collect(),
        next: page.next,
    }))
}
