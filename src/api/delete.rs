//! `DELETE /api/mysql/…`: a claim, and with it, maybe, its database. One that is kept has to be named twice.

use std::sync::Arc;

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::edge::caller;
use super::problem::{Kind, Problem, problems};
use super::request::Named;
use super::{Api, json};
use crate::claim::Shown;
use crate::store::deletion::is_allowed;
use crate::store::{Deleted, Key, StoreError};

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
    let deleted = match api.store.delete(&caller, &key, &found, !disposable).await {
        // The cluster keeps more than we were told, and the caller has said the word.
        Err(StoreError::Forbidden(_)) if disposable && confirm.is_some() && !is_allowed(&found) => {
            api.store.delete(&caller, &key, &found, true).await
        }
        deleted => deleted,
    };
    match deleted? {
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
