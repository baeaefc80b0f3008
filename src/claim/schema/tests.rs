use serde_json::{Value, json};

use super::*;

/// All that our part of the schema may say. A list of what is allowed, so that a keyword nobody thought of is
/// refused as well.
const ALLOWED: [&str; 7] = [
    "type",
    "description",
    "properties",
    "additionalProperties",
    "maxLength",
    "maxProperties",
    "default",
];

/// Crossplane's part, which the law doesn't govern.
const CROSSPLANE: [&str; 2] = ["spec.crossplane", "status.conditions"];

/// The schema of the CRD.
pub(super) fn root() -> Value {
    let mut crd = serde_json::to_value(crd()).unwrap();
    crd.pointer_mut("/spec/versions/0/schema/openAPIV3Schema")
        .unwrap()
        .take()
}

/// Where a schema breaks the law, as `path: what`.
fn faults(path: &str, schema: &Value) -> Vec<String> {
    if CROSSPLANE.contains(&path) {
        return Vec::new();
    }
    let node = schema.as_object().unwrap();
    let mut faults: Vec<String> = node
        .keys()
        .filter(|key| !ALLOWED.contains(&key.as_str()) || (*key == "default" && path != "spec.parameters.ha"))
        .map(|key| format!("{path}: {key}"))
        .collect();
    if !node.get("type").is_some_and(Value::is_string) {
        faults.push(format!("{path}: no type"));
    }
    for (name, property) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        let described = property["description"]
            .as_str()
            .is_some_and(|text| !text.is_empty() && !text.contains('\n'));
        if !described && path != "metadata" {
            faults.push(format!("{path}: no description of one line"));
        }
        faults.extend(self::faults(&path, property));
    }
    if let Some(values) = node.get("additionalProperties") {
        faults.extend(self::faults(&format!("{path}.*"), values));
    }
    faults
}

/// A schema without its descriptions.
fn bare(schema: &Value) -> Value {
    match schema {
        Value::Object(node) => node
            .iter()
            .filter(|(key, value)| !(*key == "description" && value.is_string()))
            .map(|(key, value)| (key.clone(), bare(value)))
            .collect(),
        Value::Array(items) => items.iter().map(bare).collect(),
        leaf => leaf.clone(),
    }
}

#[test]
fn our_part_holds_types_and_lengths_only_and_describes_every_field() {
    assert_eq!(faults("", &root()), Vec::<String>::new());
}

#[test]
fn the_law_catches_each_keyword_that_could_refuse_a_value() {
    for keyword in [
        "allOf",
        "anyOf",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "format",
        "items",
        "maxItems",
        "maximum",
        "minItems",
        "minLength",
        "minProperties",
        "minimum",
        "multipleOf",
        "not",
        "nullable",
        "oneOf",
        "pattern",
        "required",
        "uniqueItems",
        "x-kubernetes-int-or-string",
        "x-kubernetes-list-type",
        "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-validations",
    ] {
        for path in [
            "spec",
            "spec.parameters",
            "spec.parameters.size",
            "spec.parameters.network.*",
            "status",
        ] {
            let mut root = root();
            let pointer = path
                .replace(".*", "/additionalProperties")
                .split('.')
                .fold(String::new(), |at, name| format!("{at}/properties/{name}"));
            root.pointer_mut(&pointer).unwrap()[keyword] = json!(true);
            assert_eq!(faults("", &root), [format!("{path}: {keyword}")]);
        }
    }
}

#[test]
fn the_law_catches_a_missing_description_and_a_second_default() {
    let mut root = root();
    let parameters = &mut root["properties"]["spec"]["properties"]["parameters"]["properties"];
    parameters["cell"].as_object_mut().unwrap().remove("description");
    parameters["size"]["default"] = json!("small");
    assert_eq!(
        faults("", &root),
        [
            "spec.parameters.cell: no description of one line",
            "spec.parameters.size: default"
        ]
    );
}

#[test]
fn parameters_have_the_types_and_limits_of_the_field_table() {
    let name = json!({ "type": "string", "maxLength": 63 });
    assert_eq!(
        bare(&root()["properties"]["spec"]["properties"]["parameters"]),
        json!({
            "type": "object",
            "properties": {
                "cell": name,
                "tier": name,
                "environment": name,
                "size": name,
                "storageGB": { "type": "integer" },
                "ha": { "type": "boolean", "default": false },
                "provider": name,
                "region": name,
                "runtimeCluster": name,
                "network": {
                    "type": "object",
                    "maxProperties": 16,
                    "additionalProperties": { "type": "string", "maxLength": 253 },
                },
            },
        })
    );
}

/// What Crossplane injects into the schema of a namespaced composite resource: where, and what, without descriptions
/// (crossplane-runtime v2.3.3, `pkg/xcrd/crd.go` and `schemas.go`). It gives `apiVersion` and `kind` too, which the API
/// server adds to any CRD, and requires `spec`, which our law forbids.
pub(super) fn injected() -> [(&'static str, Value); 3] {
    let string = json!({ "type": "string" });
    let reference = json!({ "type": "object", "required": ["name"], "properties": { "name": string } });
    let selector = json!({
        "type": "object",
        "required": ["matchLabels"],
        "properties": { "matchLabels": { "type": "object", "additionalProperties": string } },
    });
    let name = json!({
        "type": "object",
        "properties": { "name": { "type": "string", "maxLength": 63 } },
    });
    let crossplane = json!({
        "type": "object",
        "properties": {
            "compositionRef": reference,
            "compositionSelector": selector,
            "compositionRevisionRef": reference,
            "compositionRevisionSelector": selector,
            "compositionUpdatePolicy": {
                "type": "string",
                "enum": ["Automatic", "Manual"],
                "default": "Manual",
            },
            "resourceRefs": {
                "type": "array",
                "x-kubernetes-list-type": "atomic",
                "items": {
                    "type": "object",
                    "required": ["apiVersion", "kind"],
                    "properties": { "apiVersion": string, "kind": string, "name": string },
                },
            },
        },
    });
    let conditions = json!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "message": string,
                "observedGeneration": { "type": "integer", "format": "int64" },
                "reason": string,
                "status": string,
                "type": string,
            },
        },
    });
    [
        ("/properties/metadata", name),
        ("/properties/spec/properties/crossplane", crossplane),
        ("/properties/status/properties/conditions", conditions),
    ]
}

#[test]
fn the_crd_holds_what_crossplane_injects_keyword_for_keyword() {
    let root = root();
    for (pointer, wanted) in injected() {
        assert_eq!(root.pointer(pointer).map(bare), Some(wanted), "{pointer}");
    }
}

#[test]
fn metadata_has_no_description_for_the_api_server_refuses_a_crd_with_one() {
    assert_eq!(root()["properties"]["metadata"].get("description"), None);
}

#[test]
fn the_crd_is_namespaced_has_a_status_subresource_and_prunes_unknown_fields() {
    let CustomResourceDefinition { metadata, spec, .. } = crd();
    assert_eq!(
        metadata.name.as_deref(),
        Some("mysqlinstanceclaims.db.platform.example.org")
    );
    assert_eq!(spec.preserve_unknown_fields, None);
    let spec = serde_json::to_value(spec).unwrap();
    assert_eq!(spec["group"], "db.platform.example.org");
    assert_eq!(spec["scope"], "Namespaced");
    assert_eq!(
        spec["names"],
        json!({
            "kind": "MySQLInstanceClaim",
            "plural": "mysqlinstanceclaims",
            "singular": "mysqlinstanceclaim",
            "shortNames": ["mic"],
            "categories": ["platform"],
        })
    );
    let versions = spec["versions"].as_array().unwrap();
    assert_eq!(versions.len(), 1);
    assert_eq!(versions[0]["name"], "v1alpha1");
    assert_eq!(versions[0]["subresources"], json!({ "status": {} }));
    let columns = versions[0]["additionalPrinterColumns"].as_array().unwrap();
    let columns: Vec<&Value> = columns.iter().map(|column| &column["name"]).collect();
    assert_eq!(columns, ["Tier", "Provider", "Region", "Ready", "Secret", "Age"]);
}

#[test]
fn a_placed_claim_goes_through_the_types_unchanged() {
    let claim = json!({
        "apiVersion": "db.platform.example.org/v1alpha1",
        "kind": "MySQLInstanceClaim",
        "metadata": { "name": "payments-db", "namespace": "payments" },
        "spec": {
            "parameters": {
                "cell": "payments",
                "tier": "C1",
                "environment": "prod",
                "size": "medium",
                "storageGB": 50,
                "ha": true,
                "provider": "aws",
                "region": "us-east-1",
                "runtimeCluster": "aws-use1-prod",
                "network": { "vpcId": "vpc-0payments" },
            },
            "crossplane": {
                "compositionRef": { "name": "mysql-aws" },
                "compositionSelector": { "matchLabels": { "db.platform.example.org/provider": "aws" } },
                "compositionRevisionRef": { "name": "mysql-aws-1" },
                "compositionRevisionSelector": { "matchLabels": { "channel": "stable" } },
                "compositionUpdatePolicy": "Manual",
                "resourceRefs": [{ "apiVersion": "rds.aws.m.upbound.io/v1beta1", "kind": "Instance", "name": "a" }],
            },
        },
        "status": {
            "endpoint": "db.example.org",
            "port": 3306,
            "version": "8.4",
            "connectionSecret": { "name": "payments-db", "ready": true },
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "Available",
                "message": "",
                "observedGeneration": 2,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        },
    });
    let typed: MySQLInstanceClaim = serde_json::from_value(claim.clone()).unwrap();
    assert_eq!(serde_json::to_value(typed).unwrap(), claim);
}
