//! `/api/catalog`: what can be asked for, and what there is to choose from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::edge::caller;
use super::problem::{Problem, problems};
use super::{Api, json, request};
use crate::catalog::policy::Validation;
use crate::catalog::{self, Cordon, Fraction, Match, Snapshot};
use crate::claim::parameters::{LEAST_STORAGE, MOST_STORAGE};
use crate::placement::{Size, cordons};

/// The catalog in force.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Catalog<'a> {
    /// The hash of its content.
    revision: &'a str,
    cells: Vec<Cell<'a>>,
    tiers: Vec<Tier<'a>>,
    providers: Vec<Provider<'a>>,
    policies: Vec<Policy<'a>>,
    /// What is there and not in force, because something is wrong with it.
    not_accepted: Vec<NotAccepted<'a>>,
    /// Instance sizes, smallest first.
    #[schema(value_type = Vec<String>)]
    sizes: [Size; 4],
    #[serde(rename = "storageGB")]
    storage_gb: Range,
    /// The environments whose claims are deleted without a word.
    disposable_environments: &'a BTreeSet<String>,
}

/// What storage can be asked for, in GiB.
#[derive(Serialize, ToSchema)]
struct Range {
    least: u16,
    most: u16,
}

/// A group of applications, and where its databases may run.
#[derive(Serialize, ToSchema)]
struct Cell<'a> {
    name: &'a str,
    environments: &'a BTreeSet<String>,
    candidates: Vec<Candidate<'a>>,
}

/// One place where a database may run.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    name: &'a str,
    provider: &'a str,
    region: &'a str,
    runtime_cluster: &'a str,
    network: &'a BTreeMap<String, String>,
    capabilities: &'a BTreeSet<String>,
    /// From 0 to 1, by dimension.
    #[schema(value_type = BTreeMap<String, f64>)]
    scores: &'a BTreeMap<String, Fraction>,
    /// Why it takes no new claims, in an operator's words; empty where it does.
    closed: Vec<String>,
}

/// A service tier.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Tier<'a> {
    /// In capitals.
    name: String,
    /// Recovery time objective: how long a database may be away, in minutes.
    rto_minutes: u32,
    /// Recovery point objective: what may be lost of it, in minutes.
    rpo_minutes: u32,
    /// What a candidate must be able to do.
    requires: &'a BTreeSet<String>,
    /// How much each dimension counts; adds up to 1.
    #[schema(value_type = BTreeMap<String, f64>)]
    weights: &'a BTreeMap<String, Fraction>,
}

/// A cloud.
#[derive(Serialize, ToSchema)]
struct Provider<'a> {
    name: &'a str,
    /// Why the whole cloud takes no new claims.
    closed: Option<&'a str>,
}

/// A condition on which claims may go where.
#[derive(Serialize, ToSchema)]
struct Policy<'a> {
    name: &'a str,
    /// Enforce, Warn or Audit.
    mode: &'static str,
    /// Which claims it is about, by cells, tiers, environments and namespaces; all, where none of them is there.
    #[serde(rename = "match")]
    #[schema(value_type = Object)]
    matches: &'a Match,
    /// Its conditions, each with what is said where it does not hold.
    #[schema(value_type = Vec<Object>)]
    validations: &'a [Validation],
}

/// Something of the catalog that is not in force.
#[derive(Serialize, ToSchema)]
struct NotAccepted<'a> {
    kind: &'static str,
    name: &'a str,
    why: &'a str,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Place {
    /// A namespace in which you may create claims; without it, you must be allowed to everywhere.
    #[param(min_length = 1, max_length = 63, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    namespace: Option<String>,
}

problems! {
    /// What can come in place of the catalog.
    NotTold: Invalid, NotAuthenticated, Forbidden, NotFound, Rejected
}

/// What can be asked for
///
/// For whoever may create claims, in `?namespace=` or everywhere.
#[utoipa::path(
    get,
    path = "/api/catalog",
    tag = "placement",
    params(Place),
    responses(
        (status = 200, description = "The catalog in force", body = Catalog),
        NotTold,
    ),
    security((), ("token" = [])),
)]
pub(super) async fn catalog(
    State(api): State<Arc<Api>>,
    query: Result<Query<Place>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let caller = caller(&api, &headers)?;
    let Query(Place { namespace }) = query.map_err(|error| Problem::of_query(&error))?;
    request::namespace(namespace.as_deref()).map_err(|problem| Problem::invalid(vec![problem]))?;
    api.store.may_create(&caller, namespace.as_deref()).await?;
    let held = api.catalog()?;
    Ok(json(&Catalog::of(held.snapshot(), &api)))
}

impl<'a> Catalog<'a> {
    fn of(snapshot: &'a Snapshot, api: &'a Api) -> Self {
        let refused = snapshot.not_accepted();
        let refused_as = |kind| move |(name, why): (&'a String, &'a String)| NotAccepted { kind, name, why };
        let cells = refused.cells.iter().map(refused_as("Cell"));
        let tiers = refused.tiers.iter().map(refused_as("Tier"));
        let policies = refused.policies.iter();
        let policies = policies.map(|policy| refused_as("PlacementPolicy")((&policy.name, &policy.why)));
        Self {
            revision: snapshot.revision().as_str(),
            cells: snapshot.cells().map(Cell::of).collect(),
            tiers: snapshot
                .tiers()
                .map(|tier| Tier {
                    name: tier.shown(),
                    rto_minutes: tier.rto_minutes,
                    rpo_minutes: tier.rpo_minutes,
                    requires: &tier.requires,
                    weights: &tier.weights,
                })
                .collect(),
            providers: snapshot
                .providers()
                .map(|provider| Provider {
                    name: &provider.name,
                    closed: provider.cordoned.as_ref().map(|Cordon { reason }| reason.as_str()),
                })
                .collect(),
            policies: snapshot.policies().map(Policy::of).collect(),
            not_accepted: cells.chain(tiers).chain(policies).collect(),
            sizes: Size::ALL,
            storage_gb: Range {
                least: LEAST_STORAGE,
                most: MOST_STORAGE,
            },
            disposable_environments: &api.disposable.0,
        }
    }
}

impl<'a> Cell<'a> {
    fn of(cell: &'a catalog::Cell) -> Self {
        let candidates = cell.candidates.iter().map(|candidate| Candidate {
            name: &candidate.name,
            provider: &candidate.provider,
            region: &candidate.region,
            runtime_cluster: &candidate.runtime_cluster,
            network: &candidate.network,
            capabilities: &candidate.capabilities,
            scores: &candidate.scores,
            closed: cordons(candidate).iter().map(ToString::to_string).collect(),
        });
        Self {
            name: &cell.name,
            environments: &cell.environments,
            candidates: candidates.collect(),
        }
    }
}

impl<'a> Policy<'a> {
    fn of(policy: &'a catalog::Policy) -> Self {
        Self {
            name: &policy.name,
            mode: policy.mode.as_str(),
            matches: &policy.matches,
            validations: &policy.validations,
        }
    }
}
