//! What the platform puts into the cluster that we do not ship: rights for the users, a Service, a cell.

use serde_json::{Value, json};

use super::apiserver::OPERATORS;

/// Where the webhooks are as the API server sees it.
pub const SERVICE: &str = "idp-multicloud-admission";
pub const NAMESPACE: &str = "idp-multicloud";

/// A cell that only has room without a standby, in the cheapest cloud.
pub const ARCHIVE: &str = include_str!("../archive.yaml");

/// The claim's CRD with a schema that takes anything.
pub fn loose() -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "mysqlinstanceclaims.db.platform.example.org"},
        "spec": {
            "group": "db.platform.example.org", "scope": "Namespaced",
            "names": {"kind": "MySQLInstanceClaim", "plural": "mysqlinstanceclaims", "singular": "mysqlinstanceclaim"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true,
            }}}],
        },
    })
    .to_string()
}

/// A Service by whose name the API server reaches this machine. It takes the port from the webhook configuration.
pub fn service() -> String {
    format!(
        r#"{{"apiVersion": "v1", "kind": "List", "items": [
        {{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{NAMESPACE}"}}}},
        {{"apiVersion": "v1", "kind": "Service", "metadata": {{"name": "{SERVICE}", "namespace": "{NAMESPACE}"}},
          "spec": {{"type": "ExternalName", "externalName": "localhost"}}}}]}}"#
    )
}

/// What the users may do.
pub fn rights() -> String {
    let helm = json!({"apiGroups": [""], "verbs": ["*"], "resources": ["configmaps", "namespaces", "secrets"]});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        role("test-app-team", json!([claims(), helm])),
        binding("test-app-team", "Group", "app-team"),
        binding("cluster-admin", "Group", OPERATORS),
    ]})
    .to_string()
}

/// What Crossplane's account may do where there is no Crossplane.
pub fn crossplane_rights() -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": [
        role("test-crossplane", json!([claims()])),
        binding("test-crossplane", "User", "system:serviceaccount:crossplane-system:crossplane"),
    ]})
    .to_string()
}

/// All of a claim. Status is an app team's, too, to prove that it moves nothing.
fn claims() -> Value {
    json!({
        "apiGroups": ["db.platform.example.org"], "verbs": ["*"],
        "resources": ["mysqlinstanceclaims", "mysqlinstanceclaims/status"],
    })
}

fn role(name: &str, rules: Value) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules,
    })
}

fn binding(role: &str, kind: &str, name: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": format!("test-{role}")},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name}],
    })
}
