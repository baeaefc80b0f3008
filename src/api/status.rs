//! `/api/status/mysql/…`: one claim as it is stored, how far it has come, and whether its connection Secret is there.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::edge::caller;
use super::problem::{Problem, problems};
use super::request::Named;
use super::{Api, json};
use crate::store::{Existence, is_subdomain};

/// The longest name of a Secret.
const MOST_SECRET: usize = 253;

/// How far a claim has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum Stage {
    /// Stored, and without a placement: it is older than the platform's webhook.
    Created,
    /// It has its place.
    Placed,
    /// The database is being made or changed.
    Syncing,
    /// The database can be used.
    Ready,
    /// It is being deleted.
    Deleting,
}

impl Stage {
    /// The stage of a stored claim, as its conditions have it.
    pub(super) fn of(claim: &Value) -> Self {
        let conditions = claim.pointer("/status/conditions").and_then(Value::as_array);
        let ready = |condition: &Value| {
            let is = |field: &str, word: &str| condition.get(field).is_some_and(|value| value == word);
            is("type", "Ready") && is("status", "True")
        };
        if claim.pointer("/metadata/deletionTimestamp").is_some() {
            Self::Deleting
        } else if claim.pointer("/spec/parameters/provider").is_none() {
            Self::Created
        } else if conditions.is_some_and(|all| all.iter().any(ready)) {
            Self::Ready
        } else if conditions.is_some_and(|all| !all.is_empty()) {
            Self::Syncing
        } else {
            Self::Placed
        }
    }
}

/// A claim and its connection Secret.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Status {
    /// The whole claim as it is stored.
    #[schema(value_type = Object)]
    claim: Value,
    stage: Stage,
    connection_secret: ConnectionSecret,
}

/// The Secret with the connection's details. Its content is never read.
#[derive(Debug, Serialize, ToSchema)]
struct ConnectionSecret {
    /// Its name; none until the database is being made.
    name: Option<String>,
    /// Whether it is there; null where you may not know.
    exists: Option<bool>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

problems! {
    /// What can come in place of a status.
    NotTold: Invalid, NotAuthenticated, Forbidden, NotFound, NotInstalled, Rejected
}

/// One claim, and whether its connection Secret is there
#[utoipa::path(
    get,
    path = "/api/status/mysql/{namespace}/{name}",
    tag = "databases",
    params(Named),
    responses(
        (status = 200, description = "The claim", body = Status),
        NotTold,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn status(
    State(api): State<Arc<Api>>,
    path: Result<Path<Named>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let key = Problem::key(path)?;
    let claim = api.store.get(&caller, &key).await?;
    let name = claim.pointer("/status/connectionSecret/name").and_then(Value::as_str);
    let existence = match name {
        None => Existence::Missing,
        // It is put into a URL.
        Some(name) if is_subdomain(name, MOST_SECRET) => api.store.secret(&caller, key.namespace(), name).await?,
        Some(_) => Existence::Unknown("the name in the claim's status is none that a Secret can have".to_owned()),
    };
    let (exists, reason) = match existence {
        Existence::Exists => (Some(true), None),
        Existence::Missing => (Some(false), None),
        Existence::Unknown(reason) => (None, Some(reason)),
    };
    let connection_secret = ConnectionSecret {
        name: name.map(str::to_owned),
        exists,
        reason,
    };
    let stage = Stage::of(&claim);
    Ok(json(&Status {
        claim,
        stage,
        connection_secret,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_stage_of_a_claim_is_what_its_conditions_say() {
        let placed = json!({"spec": {"parameters": {"provider": "aws"}}});
        let with = |conditions: Value| {
            let mut claim = placed.clone();
            claim["status"] = json!({"conditions": conditions});
            claim
        };
        let condition = |kind: &str, status: &str| json!({"type": kind, "status": status});
        let mut deleted = with(json!([condition("Ready", "True")]));
        deleted["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
        for (claim, stage) in [
            (json!({}), Stage::Created),
            (placed.clone(), Stage::Placed),
            (with(json!([])), Stage::Placed),
            (with(json!([condition("Synced", "True")])), Stage::Syncing),
            (
                with(json!([condition("Ready", "False"), condition("Synced", "True")])),
                Stage::Syncing,
            ),
            (
                with(json!([condition("Synced", "True"), condition("Ready", "True")])),
                Stage::Ready,
            ),
            (deleted, Stage::Deleting),
        ] {
            assert_eq!(Stage::of(&claim), stage, "{claim}");
        }
    }
}
