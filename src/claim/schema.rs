//! The shape of a `MySQLInstanceClaim` on the wire, the CRD made of it, and the [`xrd`] made of that. These types are
//! for the schema (and for the status) only: admission reads claims loosely and parses them elsewhere, so no rule about
//! values lives here.
//!
//! Our part of the schema holds types, `maxLength`, `maxProperties` and one default, and nothing is required. A value
//! that the schema refuses is answered 422, and tools that may replace objects then delete the claim, and with it a
//! database. `spec.crossplane` and `status.conditions` are Crossplane's: they hold whatever Crossplane 2.3 puts into
//! the CRD of a namespaced composite resource (crossplane-runtime v2.3.3, `pkg/xcrd/schemas.go`), keyword for keyword,
//! because a CRD that lacks one of these fields prunes it, refs included, at the claim's next write.

pub mod xrd;

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{CustomResourceDefinition, JSONSchemaProps};
use kube::{CustomResource, CustomResourceExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schema::{self, integer};

/// Longest name of a claim, in characters: Crossplane uses it as a label value, and sets the same limit.
const MAX_NAME_LENGTH: i64 = 63;

/// What you ask for, and where the platform put it. Set parameters; leave crossplane out, the platform and Crossplane
/// write it.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[kube(
    group = "db.platform.example.org",
    version = "v1alpha1",
    kind = "MySQLInstanceClaim",
    plural = "mysqlinstanceclaims",
    singular = "mysqlinstanceclaim",
    shortname = "mic",
    category = "platform",
    namespaced,
    status = "MySQLInstanceClaimStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "A managed MySQL database for an application. Ask for it with spec.parameters; the platform decides \
           which cloud and region it runs in and writes its decision into the claim.",
    printcolumn = r#"{"name":"Tier","type":"string","jsonPath":".spec.parameters.tier",
        "description":"Service tier asked for"}"#,
    printcolumn = r#"{"name":"Provider","type":"string","jsonPath":".spec.parameters.provider",
        "description":"Cloud the database runs in"}"#,
    printcolumn = r#"{"name":"Region","type":"string","jsonPath":".spec.parameters.region",
        "description":"Region of that cloud"}"#,
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type=='Ready')].status",
        "description":"True once the database can be used"}"#,
    printcolumn = r#"{"name":"Secret","type":"string","jsonPath":".status.connectionSecret.name",
        "description":"Secret with the connection details"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp",
        "description":"Time since the claim was made"}"#
)]
pub struct MySQLInstanceClaimSpec {
    /// The database you ask for, and the place that the platform chose for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<MySQLInstanceClaimParameters>,

    /// How Crossplane builds the database. Written by the platform and by Crossplane; leave all of it out
    /// but compositionUpdatePolicy: Manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crossplane: Option<Crossplane>,
}

/// The request, and the placement that admission adds to it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MySQLInstanceClaimParameters {
    /// Required. Name of the cell, the part of the company this database belongs to, as listed in the platform's
    /// catalog. It cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub cell: Option<String>,

    /// Required. Service tier as listed in the platform's catalog, for example C1. It sets how quickly the database
    /// is back after a failure and how much data may be lost. It can be raised later if the place of the database
    /// allows it; only an operator lowers it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub tier: Option<String>,

    /// Required. Stage this database serves, usually dev, staging or prod. It also decides what becomes of the
    /// database when the claim is deleted. It cannot be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub environment: Option<String>,

    /// Required. Compute size of the database: small, medium, large or xlarge. It can be changed later.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub size: Option<String>,

    /// Required. Disk size in gigabytes, a whole number from 50 to 16384. It can be raised later, never lowered.
    #[serde(default, rename = "storageGB", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub storage_gb: Option<i64>,

    /// Whether a standby in a second availability zone takes over when the first one fails; false if left out. Some
    /// tiers have one in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = false))]
    pub ha: Option<bool>,

    /// Cloud the database runs in. Written by the platform; you must not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub provider: Option<String>,

    /// Region of that cloud. Written by the platform; you must not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub region: Option<String>,

    /// Cluster in that region from which applications reach the database. Written by the platform; you must not set
    /// it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub runtime_cluster: Option<String>,

    /// Network the database is attached to, in the terms of its cloud. Written by the platform; you must not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "maxProperties" = 16,
        "additionalProperties" = { "type": "string", "maxLength": 253 }
    ))]
    pub network: Option<BTreeMap<String, String>>,
}

/// The six fields that Crossplane injects, with the `required`, enum and default it gives them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Crossplane {
    /// The composition that builds this database. Crossplane writes it once and it stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition_ref: Option<NameRef>,

    /// Labels by which Crossplane finds the composition. Written by the platform; you must not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition_selector: Option<LabelSelector>,

    /// The revision of the composition in use. Written by Crossplane, or by an operator while updates are manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition_revision_ref: Option<NameRef>,

    /// Labels that limit which revisions of the composition may be used. You must not set it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub composition_revision_selector: Option<LabelSelector>,

    /// Whether a new revision of the composition is taken at once (Automatic) or when an operator says so (Manual).
    /// The only field here that you may set when you create a claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Automatic", "Manual"], "default" = "Manual"))]
    pub composition_update_policy: Option<String>,

    /// The resources that make up this database. Written by Crossplane: without this list it loses track of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub resource_refs: Option<Vec<ResourceRef>>,
}

/// An object referred to by its name.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(extend("required" = ["name"]))]
pub struct NameRef {
    /// Name of the object.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// Objects chosen by their labels.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["matchLabels"]))]
pub struct LabelSelector {
    /// Labels that the chosen object carries, all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
}

/// One resource that Crossplane made for the claim.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["apiVersion", "kind"]))]
pub struct ResourceRef {
    /// API group and version of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,

    /// Kind of the resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,

    /// Name of the resource, in the namespace of the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How to reach the database and how far it is. It can be used when the condition Ready is True; until then the
/// conditions say what is awaited or wrong. Written by Crossplane, from the composition.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MySQLInstanceClaimStatus {
    /// Host name or address at which the database is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,

    /// TCP port of the database.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub port: Option<i64>,

    /// Version of the database server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// The Secret with what an application needs to connect (host, port, user name, password and database name), in
    /// the namespace of the claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_secret: Option<ConnectionSecret>,

    /// How far the database is. It can be used when the condition Ready is True.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<Condition>>,
}

/// Where the connection details are.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
pub struct ConnectionSecret {
    /// Name of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Whether the Secret exists and holds everything needed to connect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
}

/// One thing that is true, false or not yet known about the database.
// The formats and `required` are those that Crossplane gives it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["lastTransitionTime", "reason", "status", "type"]))]
pub struct Condition {
    /// When the status last changed, as an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,

    /// Details for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Generation of the claim that this condition was judged for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Why the status is what it is, in one word for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// True, False or Unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,

    /// What the condition is about, for example Ready or Synced.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,
}

/// The `CustomResourceDefinition` of `MySQLInstanceClaim`, for clusters without Crossplane and for tests.
///
/// Take this one, not the derived `MySQLInstanceClaim::crd()`: that one requires `spec`, makes every field nullable
/// and doesn't limit the name.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    let mut crd = MySQLInstanceClaim::crd();
    schema::tidy(&mut crd, "claim");
    for root in schema::roots(&mut crd) {
        root.properties
            .get_or_insert_default()
            .insert("metadata".into(), metadata());
    }
    crd
}

/// How long a name may be. The API server takes nothing else about `metadata` in a CRD, not even a description.
fn metadata() -> JSONSchemaProps {
    let name = JSONSchemaProps {
        type_: Some("string".into()),
        max_length: Some(MAX_NAME_LENGTH),
        description: Some("Name of the claim, at most 63 characters.".into()),
        ..JSONSchemaProps::default()
    };
    JSONSchemaProps {
        type_: Some("object".into()),
        properties: Some(BTreeMap::from([("name".into(), name)])),
        ..JSONSchemaProps::default()
    }
}

#[cfg(test)]
mod tests;
