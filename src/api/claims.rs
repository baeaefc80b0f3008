//! `/api/mysql`: databases asked for, listed and deleted. A claim that is there is returned as it is, never changed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::decision::decided;
use super::edge::caller;
use super::problem::{Kind, Problem, problems};
use super::request::{self, Database, FIELDS, Named, Names, Read};
use super::status::Stage;
use super::{Api, json};
use crate::claim::{self, Cause, PLACEMENT_FIELDS, Parameters, REASON, Shown};
use crate::store::{Created, Deleted, Key, StoreError, Wanted};

/// Claims on a page, if the request does not say.
const PAGE: u16 = 100;

/// The most claims on a page.
const MOST: u16 = 1000;

/// A claim and where it was placed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Placed<'a> {
    namespace: &'a str,
    name: &'a str,
    /// Whether this request created it.
    created: bool,
    /// Where it is, for life. None where it is older than the platform's webhook.
    placement: Option<Placement<'a>>,
    /// The decision, as the claim's annotation `platform.example.org/placement-reason` holds it.
    #[schema(value_type = Option<Object>)]
    reason: Option<Box<RawValue>>,
    /// What the request asks for otherwise than the claim, which stays as it is.
    differs: Vec<Difference>,
    /// What is worth knowing all the same.
    warnings: Vec<String>,
}

/// A placement.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Placement<'a> {
    #[schema(example = "aws")]
    provider: &'a str,
    #[schema(example = "us-east-1")]
    region: Option<&'a str>,
    #[schema(example = "aws-use1-prod")]
    runtime_cluster: Option<&'a str>,
    #[schema(value_type = Option<Object>)]
    network: Option<&'a Value>,
}

/// A field that a request and the claim that is there say differently.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Difference {
    #[schema(example = "storageGB")]
    field: &'static str,
    /// What the claim says, and goes on saying.
    #[schema(value_type = Value)]
    stored: Value,
    /// What the request asks for.
    #[schema(value_type = Value)]
    asked: Value,
}

problems! {
    /// What can come in place of a new claim.
    NotCreated: Invalid, NotAuthenticated, Forbidden, NotFound, BeingDeleted, Changed, NotJson, Unschedulable, NotInstalled,
        Rejected, NotPlaced
}

/// Ask for a database
///
/// It is placed at once and for life. If there is a claim of that name already, it is returned as it is: nothing about it is
/// decided again or changed, and `differs` names what this request asks for otherwise.
#[utoipa::path(
    post,
    path = "/api/mysql",
    tag = "databases",
    request_body = Database,
    responses(
        (status = 200, description = "There is such a claim already; it is as it was", body = Placed, links(
            ("status" = (
                operation_id = "status",
                parameters(("namespace" = "$response.body#/namespace"), ("name" = "$response.body#/name"))
            )),
            ("delete" = (
                operation_id = "delete",
                parameters(("namespace" = "$response.body#/namespace"), ("name" = "$response.body#/name"))
            ))
        )),
        (status = 201, description = "Created and placed", body = Placed, headers(
            ("location" = String, description = "Where its status is"),
        ), links(
            ("status" = (
                operation_id = "status",
                parameters(("namespace" = "$response.body#/namespace"), ("name" = "$response.body#/name"))
            )),
            ("delete" = (
                operation_id = "delete",
                parameters(("namespace" = "$response.body#/namespace"), ("name" = "$response.body#/name"))
            ))
        )),
        NotCreated,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn create(State(api): State<Arc<Api>>, headers: HeaderMap, body: Bytes) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let read = request::read(&headers, &body, Names::Required)?;
    let Some(key) = read
        .key
        .clone()
        .filter(|_| read.problems.is_empty() && read.values().is_empty())
    else {
        if read.nowhere {
            return Err(read.told_to_anybody());
        }
        // Names in the catalog are told to those only who may ask for something in it.
        api.store.may_create(&caller, read.namespace.as_deref()).await?;
        return Err(wrong(&api, read)?);
    };
    match api.store.get(&caller, &key).await {
        Ok(found) => return sticky(&key, &found, &read.claim),
        // Who may create but not read finds out by trying.
        Err(StoreError::NotFound(_) | StoreError::Forbidden(_)) => {}
        Err(error) => return Err(error.into()),
    }
    match api.store.create(&caller, &key, read.claim.clone()).await {
        Ok(Created { claim, warnings }) => created(&key, &claim, warnings),
        Err(StoreError::AlreadyExists(_)) => {
            let found = api.store.get(&caller, &key).await?;
            sticky(&key, &found, &read.claim)
        }
        Err(StoreError::Refused(problems)) => Err(refused(&api, &read, problems)),
        Err(error) => Err(error.into()),
    }
}

/// Everything that is wrong with a request whose body or values are.
fn wrong(api: &Api, read: Read) -> Result<Problem, Problem> {
    let held = api.catalog()?;
    let found = decided(&read.claim, &held, None).err().unwrap_or_default();
    let mut problems = read.problems;
    problems.extend(found);
    Ok(Problem::invalid(problems))
}

/// Why admission does not take a claim. That no candidate does is told with the decision, as this server's catalog gives it.
fn refused(api: &Api, read: &Read, problems: Vec<claim::Problem>) -> Problem {
    let Some(unschedulable) = problems.iter().find(|problem| problem.cause == Cause::Unschedulable) else {
        return Problem::invalid(problems);
    };
    let held = api.catalog().ok();
    let decision = held.and_then(|held| decided(&read.claim, &held, None).ok());
    let decision = decision.filter(|decision| !decision.schedulable);
    Problem::unschedulable(unschedulable.message.clone(), decision.map(|decision| decision.told))
}

fn created(key: &Key, claim: &Value, warnings: Vec<String>) -> Result<Response, Problem> {
    let placed = Placed::of(key, claim, true, Vec::new(), warnings);
    if placed.placement.is_none() {
        let why = format!(
            "claim {} in namespace {} was stored, but not placed: is the webhook installed? Tell your platform team",
            key.name(),
            key.namespace()
        );
        return Err(Problem::new(Kind::NotPlaced, why));
    }
    let location = format!("/api/status/mysql/{}/{}", key.namespace(), key.name());
    Ok((StatusCode::CREATED, [(LOCATION, location)], json(&placed)).into_response())
}

/// The answer about a claim that was there before.
fn sticky(key: &Key, found: &Value, asked: &Value) -> Result<Response, Problem> {
    if found.pointer("/metadata/deletionTimestamp").is_some() {
        let why = format!(
            "claim {} in namespace {} is being deleted; ask again once it is gone",
            key.name(),
            key.namespace()
        );
        return Err(Problem::new(Kind::BeingDeleted, why));
    }
    Ok(json(&Placed::of(
        key,
        found,
        false,
        differences(found, asked),
        Vec::new(),
    )))
}

impl<'a> Placed<'a> {
    fn of(key: &'a Key, claim: &'a Value, created: bool, differs: Vec<Difference>, warnings: Vec<String>) -> Self {
        let reason = claim.pointer("/metadata/annotations").and_then(|all| all.get(REASON));
        Self {
            namespace: key.namespace(),
            name: key.name(),
            created,
            placement: Placement::of(claim),
            reason: reason
                .and_then(Value::as_str)
                .and_then(|text| RawValue::from_string(text.to_owned()).ok()),
            differs,
            warnings,
        }
    }
}

impl<'a> Placement<'a> {
    fn of(claim: &'a Value) -> Option<Self> {
        let [provider, region, cluster, network] =
            PLACEMENT_FIELDS.map(|field| claim.pointer("/spec/parameters").and_then(|fields| fields.get(field)));
        Some(Self {
            provider: provider?.as_str()?,
            region: region.and_then(Value::as_str),
            runtime_cluster: cluster.and_then(Value::as_str),
            network,
        })
    }
}

/// The fields that the two claims say differently, as they are understood: `c1` is `C1`, and no `ha` is none.
fn differences(stored: &Value, asked: &Value) -> Vec<Difference> {
    let none = Map::new();
    let fields = |claim: &Value| claim.pointer("/spec/parameters").and_then(Value::as_object).cloned();
    let (stored, asked) = (fields(stored).unwrap_or(none.clone()), fields(asked).unwrap_or(none));
    let (old, new) = (Parameters::read(&stored), Parameters::read(&asked));
    let same = [
        old.cell == new.cell,
        old.tier == new.tier,
        old.environment == new.environment,
        old.size == new.size,
        old.storage_gb == new.storage_gb,
        old.ha == new.ha,
    ];
    let differ = FIELDS.into_iter().zip(same).filter(|(_, same)| !same);
    let value = |fields: &Map<String, Value>, field: &str| fields.get(field).cloned().unwrap_or_default();
    differ
        .map(|(field, _)| Difference {
            field,
            stored: value(&stored, field),
            asked: value(&asked, field),
        })
        .collect()
}

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
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<u16>,
    /// The page that an earlier answer named in `continue`.
    #[serde(rename = "continue")]
    from: Option<String>,
}

impl Filter {
    fn problems(&self) -> Vec<claim::Problem> {
        let mut problems = Vec::new();
        let mut problem = |field: &str, given: &str, rule: &str| {
            let message = format!("is \"{}\"; {rule}", Shown(given));
            problems.push(claim::Problem::new(Cause::FieldInvalid, field, message));
        };
        if let Some(namespace) = self.namespace.as_deref().filter(|name| !crate::store::is_label(name)) {
            problem("namespace", namespace, "must be the name of a namespace");
        }
        if let Some(limit) = self.limit.filter(|limit| !(1..=MOST).contains(limit)) {
            problem("limit", &limit.to_string(), &format!("must be from 1 to {MOST}"));
        }
        problems
    }

    fn fits(&self) -> impl Fn(&Value) -> bool + Send + Sync + 'static {
        let asked = [
            ("cell", self.cell.clone()),
            ("tier", self.tier.clone()),
            ("provider", self.provider.clone()),
        ];
        move |claim| {
            let fits = |field: &str, asked: &str| {
                let stored = claim.pointer("/spec/parameters").and_then(|fields| fields.get(field));
                let stored = stored.and_then(Value::as_str);
                stored.is_some_and(|stored| match field {
                    "tier" => stored.eq_ignore_ascii_case(asked),
                    _ => stored == asked,
                })
            };
            asked
                .iter()
                .all(|(field, asked)| asked.as_ref().is_none_or(|asked| fits(field, asked)))
        }
    }
}

/// Some of the claims.
#[derive(Serialize, ToSchema)]
struct Listed<'a> {
    /// By namespace and name.
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
    let problems = filter.problems();
    if !problems.is_empty() {
        return Err(Problem::invalid(problems));
    }
    let wanted = Wanted {
        namespace: filter.namespace.as_deref(),
        limit: filter.limit.unwrap_or(PAGE).into(),
        from: filter.from.as_deref(),
    };
    let page = api
        .store
        .list(&caller, &wanted, filter.fits())
        .await
        .map_err(|error| match error {
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

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Confirmation {
    /// The claim's name once more, where it stands for a database that is kept.
    confirm: Option<String>,
}

/// A claim that is being deleted.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Going<'a> {
    namespace: &'a str,
    name: &'a str,
    /// The finalizers that it waits for.
    waits_for: Vec<String>,
}

problems! {
    /// What can come in place of a deletion.
    NotDeleted: Invalid, NotAuthenticated, Forbidden, NotFound, Changed, NotInstalled, ConfirmationRequired, Rejected
}

/// Delete a claim, and with it, maybe, its database
///
/// A claim whose environment is not disposable stands for a database that is kept: repeat its name in `?confirm=` to delete
/// it all the same. It is then annotated `platform.example.org/allow-deletion: "true"` first.
#[utoipa::path(
    delete,
    path = "/api/mysql/{namespace}/{name}",
    tag = "databases",
    params(
        Named,
        Confirmation,
    ),
    responses(
        (status = 202, description = "It goes, once what it waits for is done", body = Going),
        (status = 204, description = "It is gone"),
        NotDeleted,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn delete(
    State(api): State<Arc<Api>>,
    path: Result<Path<Named>, PathRejection>,
    query: Result<Query<Confirmation>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let key = Problem::key(path)?;
    let Query(Confirmation { confirm }) = query.map_err(|error| Problem::of_query(&error))?;
    let found = api.store.get(&caller, &key).await?;
    let disposable = api.disposable.has(&found) || found.pointer("/metadata/deletionTimestamp").is_some();
    if !disposable || confirm.is_some() {
        confirmed(&key, &found, confirm.as_deref())?;
    }
    match api.store.delete(&caller, &key, &found, !disposable).await? {
        Deleted::Gone => Ok(StatusCode::NO_CONTENT.into_response()),
        Deleted::Going { waits_for } => {
            let going = Going {
                namespace: key.namespace(),
                name: key.name(),
                waits_for,
            };
            Ok((StatusCode::ACCEPTED, json(&going)).into_response())
        }
    }
}

/// Whether the claim's name was repeated.
fn confirmed(key: &Key, claim: &Value, confirm: Option<&str>) -> Result<(), Problem> {
    let name = key.name();
    let why = match confirm {
        Some(confirm) if confirm == name => return Ok(()),
        Some(confirm) => format!(
            "confirm is \"{}\"; it must be the claim's name, as in ?confirm={name}",
            Shown(confirm)
        ),
        None => {
            let environment = claim.pointer("/spec/parameters/environment").and_then(Value::as_str);
            format!(
                "claim {name} stands for a database that is kept (environment {}); to delete it all the same, add \
                 ?confirm={name}",
                Shown(environment.unwrap_or("unknown"))
            )
        }
    };
    Err(Problem::new(Kind::ConfirmationRequired, why))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_means_something_else_differs() {
        let claim = |fields: Value| json!({"spec": {"parameters": fields}});
        let stored = claim(json!({
            "cell": "payments", "tier": "c1", "environment": "prod", "size": "medium", "storageGB": 50,
        }));
        let same = claim(json!({
            "cell": "payments", "tier": "C1", "environment": "prod", "size": "medium", "storageGB": 50, "ha": false,
        }));
        assert_eq!(differences(&stored, &same), []);
        let other = claim(json!({
            "cell": "payments", "tier": "C2", "environment": "prod", "size": "medium", "storageGB": 60, "ha": true,
        }));
        let difference = |field, stored, asked| Difference { field, stored, asked };
        assert_eq!(
            differences(&stored, &other),
            [
                difference("tier", json!("c1"), json!("C2")),
                difference("storageGB", json!(50), json!(60)),
                difference("ha", json!(null), json!(true)),
            ]
        );
        assert_eq!(differences(&json!({"spec": 7}), &same).len(), 5);
    }
}
