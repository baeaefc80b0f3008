//! What a cloud's provider writes about a managed resource, by hand: it watches nothing and does as it is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::apiserver::{ApiServer, User};

const FINALIZER: &str = "finalizer.managedresource.crossplane.io";

/// The provider of a managed resource, which is given as the API server has it.
pub struct Provider<'a>(pub &'a ApiServer);

impl Provider<'_> {
    /// The resource is being made in the cloud.
    pub fn creating(&self, resource: &Value) {
        self.hold(resource);
        self.status(resource, "False", "Creating", &json!({}));
    }

    /// The resource is there: what the cloud says about it, and the details for its connection Secret.
    pub fn ready(&self, resource: &Value, at_provider: &Value, details: &[(&str, &str)]) {
        self.hold(resource);
        self.details(resource, details);
        self.status(resource, "True", "Available", at_provider);
    }

    /// The resource is there, but the cloud says nothing more about it.
    pub fn forgets(&self, resource: &Value) {
        self.details(resource, &[]);
        self.status(resource, "True", "Available", &Value::Null);
    }

    /// Writes the connection Secret of a resource that asks for one: these details, and no others.
    pub fn details(&self, resource: &Value, details: &[(&str, &str)]) {
        let Some(name) = resource["spec"]["writeConnectionSecretToRef"]["name"].as_str() else {
            assert!(
                details.is_empty(),
                "wanted: a resource with a connection Secret; saw: {resource:#}"
            );
            return;
        };
        let data: serde_json::Map<_, _> = details
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Value::from(STANDARD.encode(value))))
            .collect();
        let namespace = resource["metadata"]["namespace"].as_str().unwrap();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "connection.crossplane.io/v1alpha1", "data": data,
            "metadata": {"name": name, "namespace": namespace, "ownerReferences": [{
                "apiVersion": resource["apiVersion"], "kind": resource["kind"],
                "name": resource["metadata"]["name"], "uid": resource["metadata"]["uid"], "controller": true,
            }]},
        });
        let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
        if self.0.call(User::Admin, "POST", &secrets, Some(&secret)).code == 409 {
            self.0
                .call(User::Admin, "PUT", &format!("{secrets}/{name}"), Some(&secret))
                .ok();
        }
    }

    /// The resource is gone from the cloud, or is left there: its object may go.
    pub fn let_go(&self, resource: &Value) {
        let change = json!({"metadata": {"finalizers": null}});
        self.0.call(User::Admin, "PATCH", &path(resource), Some(&change)).ok();
    }

    /// The object stays until the provider lets it go.
    fn hold(&self, resource: &Value) {
        let name = &resource["metadata"]["name"];
        let change =
            json!({"metadata": {"finalizers": [FINALIZER], "annotations": {"crossplane.io/external-name": name}}});
        self.0.call(User::Admin, "PATCH", &path(resource), Some(&change)).ok();
    }

    fn status(&self, resource: &Value, ready: &str, reason: &str, at_provider: &Value) {
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            })
        };
        let conditions = [
            condition("Ready", ready, reason),
            condition("Synced", "True", "ReconcileSuccess"),
        ];
        let change = json!({"status": {"conditions": conditions, "atProvider": at_provider}});
        let path = format!("{}/status", path(resource));
        self.0.call(User::Admin, "PATCH", &path, Some(&change)).ok();
    }
}

/// Where a namespaced object is.
pub fn path(object: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let version = text(&object["apiVersion"]);
    let root = if version.contains('/') { "apis" } else { "api" };
    format!(
        "/{root}/{version}/namespaces/{}/{}s/{}",
        text(&object["metadata"]["namespace"]),
        text(&object["kind"]).to_lowercase(),
        text(&object["metadata"]["name"])
    )
}
