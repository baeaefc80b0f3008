//! The shapes of the four kinds, for their schemas only: objects are read loosely, and judged in `specs` and `policy`.
#![allow(
    clippy::doc_markdown,
    reason = "what is said of a field is read in a terminal, where a backtick is a backtick"
)]

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::schema::integer;

/// The environments of the cell, and the places where its databases may run.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[kube(
    group = "platform.example.org",
    version = "v1alpha1",
    kind = "Cell",
    plural = "cells",
    shortname = "ce",
    category = "platform",
    status = "CellStatus",
    doc = "A part of the company and the places where its databases may run. Claims name it in spec.parameters.cell; \
           each new one is placed on the best of its candidates, for life.",
    printcolumn = r#"{"name":"Candidates","type":"integer","jsonPath":".status.candidates",
        "description":"Places where its databases may run"}"#,
    printcolumn = r#"{"name":"Open","type":"integer","jsonPath":".status.open",
        "description":"Candidates that take new claims"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status",
        "description":"True while it is in force"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp",
        "description":"Time since it was made"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,
        "jsonPath":".status.conditions[?(@.type=='Accepted')].message","description":"What is wrong with it"}"#
)]
pub struct CellSpec {
    /// Names that claims may give as their environment; dev, staging and prod if left out. Each is 1 to 63 lower-case
    /// letters, digits and '-'.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,

    /// Required, at least one. The places where a database of this cell may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<Vec<CandidateSpec>>,
}

/// One place where a database may run. A claim is known to be here by provider, region and runtimeCluster, so no two
/// candidates of a cell may have all three alike.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CandidateSpec {
    /// Required. Name, unique within the cell, for example aws-us-east-1. Of two candidates with the same score the first
    /// by name wins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Required. Name of the CloudProvider, for example aws.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,

    /// Required. The cloud's own name of the region, for example us-east-1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,

    /// Required. Name of the Kubernetes cluster next to which the database runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime_cluster: Option<String>,

    /// What the cloud's composition needs to know of the network: at least the networkKeys of its CloudProvider, at most
    /// 16 keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<BTreeMap<String, String>>,

    /// What this place can do, for example PITR, MultiAZ and PrivateNetworking. A tier requires some; a claim with ha
    /// requires MultiAZ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,

    /// How good this place is in each dimension, from 0 (worst) to 1 (best) with at most four decimals: at least the
    /// dimensions that some tier weighs, for example latency, dr, maturity and cost. Higher is better in each, so a cheap
    /// place has a high cost score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<BTreeMap<String, f64>>,

    /// Closes this place to new claims. Databases that are there stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<CordonSpec>,
}

/// Closed to new claims.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
pub struct CordonSpec {
    /// Required. Why, on one line: it stands in the reason of every claim that is placed elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What claims of the tier require, and how their candidates are compared.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[kube(
    group = "platform.example.org",
    version = "v1alpha1",
    kind = "Tier",
    plural = "tiers",
    shortname = "ti",
    category = "platform",
    status = "ObjectStatus",
    doc = "A service level that claims ask for in spec.parameters.tier, in any case: tier c1 is C1. It requires \
           capabilities of a candidate, and weighs the scores of those that have them.",
    printcolumn = r#"{"name":"RTO","type":"integer","jsonPath":".spec.rtoMinutes",
        "description":"Minutes until a database is back after a failure"}"#,
    printcolumn = r#"{"name":"RPO","type":"integer","jsonPath":".spec.rpoMinutes",
        "description":"Minutes of data that a failure may cost"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status",
        "description":"True while it is in force"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp",
        "description":"Time since it was made"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,
        "jsonPath":".status.conditions[?(@.type=='Accepted')].message","description":"What is wrong with it"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct TierSpec {
    /// Required. Recovery time objective: how many minutes until a database is back after a failure, from 0 to 525600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub rto_minutes: Option<i64>,

    /// Required. Recovery point objective: how many minutes of data a failure may cost, from 0 to 525600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub rpo_minutes: Option<i64>,

    /// Capabilities that a candidate must have, for example PITR. A candidate without one of them takes no claim of this
    /// tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<Vec<String>>,

    /// Required. How much each score dimension counts, with at most four decimals; together exactly 1. Every candidate of
    /// every cell needs a score in each.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<BTreeMap<String, f64>>,
}

/// What the compositions of the cloud need, and what of it is closed.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[kube(
    group = "platform.example.org",
    version = "v1alpha1",
    kind = "CloudProvider",
    plural = "cloudproviders",
    shortname = "clp",
    category = "platform",
    status = "ObjectStatus",
    doc = "A cloud. It says what its compositions need to know of a network, and closes the whole cloud or a region of \
           it to new claims in one edit.",
    printcolumn = r#"{"name":"Closed","type":"string","jsonPath":".spec.cordoned.reason",
        "description":"Why the whole cloud takes no new claims; empty while it does"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status",
        "description":"True while it is in force"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp",
        "description":"Time since it was made"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,
        "jsonPath":".status.conditions[?(@.type=='Accepted')].message","description":"What is wrong with it"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct CloudProviderSpec {
    /// Keys that the network of each of its candidates must have, for example vpcId; at most 16.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_keys: Option<Vec<String>>,

    /// Regions to say something about; one that is not listed is open.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<Vec<RegionSpec>>,

    /// Closes the whole cloud to new claims. Databases that are there stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<CordonSpec>,
}

/// One region of a cloud.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
pub struct RegionSpec {
    /// Required. The cloud's own name of the region, as candidates give it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Closes the region to new claims. Databases that are there stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<CordonSpec>,
}

/// Which claims the policy is about, and the conditions that a candidate has to meet for them.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[kube(
    group = "platform.example.org",
    version = "v1alpha1",
    kind = "PlacementPolicy",
    plural = "placementpolicies",
    shortname = "plp",
    category = "platform",
    status = "ObjectStatus",
    doc = "Conditions in CEL on which claims may go where. A candidate that does not meet one takes no claim that the \
           policy is about.",
    printcolumn = r#"{"name":"Mode","type":"string","jsonPath":".spec.mode",
        "description":"What a condition that does not hold means; empty is Enforce"}"#,
    printcolumn = r#"{"name":"Accepted","type":"string","jsonPath":".status.conditions[?(@.type=='Accepted')].status",
        "description":"True while it is in force; in mode Enforce, claims it may be about are refused while it is not"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp",
        "description":"Time since it was made"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,
        "jsonPath":".status.conditions[?(@.type=='Accepted')].message","description":"What is wrong with it"}"#
)]
pub struct PlacementPolicySpec {
    /// What a condition that does not hold means: Enforce (if left out), the candidate takes no such claim; Warn, it does
    /// and the author is warned; Audit, it does and the logs say so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<String>,

    /// Which claims it is about: those that every list given here has; all, if left out.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<MatchSpec>,

    /// Values that the expressions use as params.NAME: a string, number, boolean, or list of strings each; at most 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "params")]
    pub params: Option<BTreeMap<String, serde_json::Value>>,

    /// Required, at least one and at most 8. The conditions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validations: Option<Vec<ValidationSpec>>,
}

/// Lists of names, each at most 64; one that is left out is all names.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
pub struct MatchSpec {
    /// Names of cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cells: Option<Vec<String>>,

    /// Names of tiers, in any case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tiers: Option<Vec<String>>,

    /// Names of environments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environments: Option<Vec<String>>,

    /// Names of namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
}

/// A condition, and what is said where it does not hold: message or messageExpression, one of them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ValidationSpec {
    /// Required. A CEL expression with a boolean value, over claim (cell, tier, environment, size, storageGB, ha),
    /// candidate (name, provider, region, runtimeCluster, capabilities, scores), namespace and params, for example
    /// candidate.region.startsWith('us-').
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expression: Option<String>,

    /// What is said where it does not hold, on one line of at most 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// The same, made by a CEL expression with a string value over the same variables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_expression: Option<String>,
}

/// Whether the cell is in force, and how many of its candidates take new claims. Written by the controller.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
pub struct CellStatus {
    /// How many candidates the cell has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub candidates: Option<i64>,

    /// How many of them take new claims: neither they, nor their region, nor their cloud is closed. None of them while the
    /// cell is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub open: Option<i64>,

    /// Whether the cell is in force: the condition Accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<ConditionStatus>>,
}

/// Whether the object is in force. Written by the controller.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
pub struct ObjectStatus {
    /// Whether the object is in force: the condition Accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Option<Vec<ConditionStatus>>,
}

/// One thing that is true or false of the object.
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("required" = ["type"]))]
pub struct ConditionStatus {
    /// What it is about: Accepted.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<String>,

    /// True while the object is in force, False while it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,

    /// Why, in one word: Accepted; Incomplete, in force though something is missing; Unresolved, not in force for want of
    /// another object; Invalid, not in force as it is wrong itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// What is missing or wrong, each with its field, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,

    /// Generation of the object that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "integer")]
    pub observed_generation: Option<i64>,

    /// When the status last changed, as an RFC 3339 time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: Option<String>,
}

/// A string, number, boolean, or list of strings each, as far as a schema can say so: nothing nests, so no object is deeper
/// than what reads it can take.
fn params(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "x-kubernetes-preserve-unknown-fields": true,
            "maxProperties": 0,
            "items": { "type": "string" },
        },
    })
}
