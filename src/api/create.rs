//! `POST /api/mysql`: a database asked for. A claim that is there is returned as it is, never changed.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::decision::decided;
use super::edge::caller;
use super::problem::{Kind, Problem, problems};
use super::request::document::Database;
use super::request::{self, FIELDS, Names, Read};
use super::{Api, json};
use crate::claim::{self, Cause, PLACEMENT_FIELDS, Parameters, REASON};
use crate::store::{Caller, Created, Key, StoreError};

/// How often it is tried while others make and delete a claim of the same name.
const TRIES: usize = 3;

/// A claim and where it was placed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Placed<'a> {
    namespace: &'a str,
    name: &'a str,
    /// Whether this request created it.
    created: bool,
    /// Where it is, for life.
    placement: Placement<'a>,
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
    // Somebody may make or delete a claim of that name at the same time: what they did last counts.
    for _ in 0..TRIES {
        match api.store.get(&caller, &key).await {
            Ok(found) => return sticky(&key, &found, &read.claim),
            // Who may create but not read finds out by trying.
            Err(StoreError::NotFound(_) | StoreError::Forbidden(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match api.store.create(&caller, &key, read.claim.clone()).await {
            Ok(Created { claim, warnings }) => return created(&key, &claim, warnings),
            Err(StoreError::AlreadyExists(_)) => {}
            Err(StoreError::Refused(problems)) => return Err(refused(&api, &read, problems)),
            Err(error) => return Err(error.into()),
        }
    }
    Err(there_or_not(&api, &caller, &key).await)
}

/// A claim that is there, and could not be read, or comes and goes.
async fn there_or_not(api: &Api, caller: &Caller, key: &Key) -> Problem {
    match api.store.get(caller, key).await {
        Err(error @ StoreError::Forbidden(_)) => error.into(),
        _ => Problem::new(Kind::Changed, format!("{} comes and goes; ask again", key.shown())),
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
    let placed = Placed::of(key, claim, true, Vec::new(), warnings).ok_or_else(|| {
        let why = "was stored, but not placed, and never will be: is the webhook installed? Tell your platform team";
        Problem::new(Kind::NotPlaced, format!("{} {why}", key.shown()))
    })?;
    let location = format!("/api/status/mysql/{}/{}", key.namespace(), key.name());
    Ok((StatusCode::CREATED, [(LOCATION, location)], json(&placed)).into_response())
}

/// The answer about a claim that was there before.
fn sticky(key: &Key, found: &Value, asked: &Value) -> Result<Response, Problem> {
    if found.pointer("/metadata/deletionTimestamp").is_some() {
        let why = format!("{} is being deleted; ask again once it is gone", key.shown());
        return Err(Problem::new(Kind::BeingDeleted, why));
    }
    let placed = Placed::of(key, found, false, differences(found, asked), Vec::new()).ok_or_else(|| {
        let why = "is there already, but was never placed: it is older than the platform's webhook, or was made without it. \
                   Tell your platform team";
        Problem::new(Kind::NotPlaced, format!("{} {why}", key.shown()))
    })?;
    Ok(json(&placed))
}

impl<'a> Placed<'a> {
    /// None where it has no placement.
    fn of(
        key: &'a Key,
        claim: &'a Value,
        created: bool,
        differs: Vec<Difference>,
        warnings: Vec<String>,
    ) -> Option<Self> {
        let reason = claim.pointer("/metadata/annotations").and_then(|all| all.get(REASON));
        Some(Self {
            namespace: key.namespace(),
            name: key.name(),
            created,
            placement: Placement::of(claim)?,
            reason: reason
                .and_then(Value::as_str)
                .filter(|text| text.starts_with('{'))
                .and_then(|text| RawValue::from_string(text.to_owned()).ok()),
            differs,
            warnings,
        })
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
