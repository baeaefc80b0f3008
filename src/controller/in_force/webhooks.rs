//! The webhooks, as their configurations have the API server call them.

use k8s_openapi::api::admissionregistration::v1::{MutatingWebhookConfiguration, ValidatingWebhookConfiguration};
use kube::Client;
use serde_json::{Map, Value};

use super::{Judged, fails_closed, first, found};
use crate::claim::GROUP;

/// The name of both configurations.
const CONFIGURATION: &str = "idp-multicloud";

/// A webhook that is to be called for every claim.
struct Webhook {
    name: &'static str,
    operation: &'static str,
    /// The names of what it may depend on. Their texts are not read, as they follow the values of the chart.
    conditions: &'static [&'static str],
}

const MUTATING: [Webhook; 2] = [
    Webhook {
        name: "create.mysqlinstanceclaims.platform.example.org",
        operation: "CREATE",
        conditions: &[],
    },
    Webhook {
        name: "update.mysqlinstanceclaims.platform.example.org",
        operation: "UPDATE",
        conditions: &["spec-or-reason-changed", "not-crossplane-writing-its-own-part"],
    },
];

const VALIDATING: [Webhook; 1] = [Webhook {
    name: "validate.mysqlinstanceclaims.platform.example.org",
    operation: "CREATE",
    conditions: &[],
}];

pub(super) async fn seen(client: &Client) -> Result<Vec<Judged>, String> {
    let mutating = found::<MutatingWebhookConfiguration>(client, CONFIGURATION).await?;
    let validating = found::<ValidatingWebhookConfiguration>(client, CONFIGURATION).await?;
    // Both are written alike, though their types have nothing in common.
    let mutating = serde_json::to_value(mutating.and_then(|configuration| configuration.webhooks));
    let validating = serde_json::to_value(validating.and_then(|configuration| configuration.webhooks));
    let unwritten = |error: serde_json::Error| error.to_string();
    let (mutating, validating) = (mutating.map_err(unwritten)?, validating.map_err(unwritten)?);
    let mutating = MUTATING
        .iter()
        .map(|webhook| (webhook.name, judged(webhook, &mutating)));
    let validating = VALIDATING
        .iter()
        .map(|webhook| (webhook.name, judged(webhook, &validating)));
    Ok(mutating.chain(validating).collect())
}

/// Why the webhook is not called for every claim, or a claim passes that it was not asked about, if that is so.
fn judged(wanted: &Webhook, webhooks: &Value) -> Option<&'static str> {
    let is_it = |webhook: &&Value| text(webhook, "name") == Some(wanted.name);
    let Some(webhook) = list(Some(webhooks)).find(is_it) else {
        return Some("the webhook is not there");
    };
    let has = |rule: &Value, field: &str, word: &str| list(rule.get(field)).any(|entry| entry == word);
    let is_called = list(webhook.get("rules")).any(|rule| {
        has(rule, "apiGroups", GROUP)
            && has(rule, "apiVersions", "*")
            && has(rule, "operations", wanted.operation)
            && has(rule, "resources", "mysqlinstanceclaims")
            && text(rule, "scope").is_none_or(|scope| matches!(scope, "*" | "Namespaced"))
    });
    let selects = |field: &str| {
        webhook
            .get(field)
            .and_then(Value::as_object)
            .is_some_and(|selector| !Map::is_empty(selector))
    };
    let mut conditions = list(webhook.get("matchConditions"));
    let depends =
        conditions.any(|condition| text(condition, "name").is_none_or(|name| !wanted.conditions.contains(&name)));
    let fails_closed = fails_closed(text(webhook, "failurePolicy"));
    first([
        (!is_called, "the webhook is not called for it"),
        (
            selects("namespaceSelector") || selects("objectSelector") || depends,
            "the webhook leaves something out",
        ),
        (!fails_closed, "the webhook lets pass what nobody answers"),
    ])
}

fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The webhooks of a configuration, as they are shipped.
    fn shipped(kind: &str) -> Value {
        let install = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/install.yaml");
        let objects = crate::yaml::documents(&std::fs::read_to_string(install).unwrap()).unwrap();
        let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == CONFIGURATION;
        objects.iter().find(is_it).unwrap()["webhooks"].clone()
    }

    #[test]
    fn every_webhook_for_claims_that_is_shipped_is_judged_and_in_force() {
        for (kind, wanted) in [
            ("MutatingWebhookConfiguration", &MUTATING[..]),
            ("ValidatingWebhookConfiguration", &VALIDATING[..]),
        ] {
            let webhooks = shipped(kind);
            let names: Vec<&Value> = list(Some(&webhooks)).map(|webhook| &webhook["name"]).collect();
            assert_eq!(names, wanted.iter().map(|webhook| webhook.name).collect::<Vec<_>>());
            for webhook in wanted {
                assert_eq!(judged(webhook, &webhooks), None, "{}", webhook.name);
                assert_eq!(judged(webhook, &Value::Null), Some("the webhook is not there"));
            }
        }
    }

    #[test]
    fn a_webhook_that_is_asked_about_less_is_not_in_force() {
        let [_, update] = &MUTATING;
        let rule = |field: &str, words: &[&str]| {
            let mut rule = shipped("MutatingWebhookConfiguration")[1]["rules"][0].clone();
            rule[field] = json!(words);
            json!({"rules": [rule]})
        };
        let is_not_called = Some("the webhook is not called for it");
        let leaves_out = Some("the webhook leaves something out");
        for (changed, wanted) in [
            (json!({"timeoutSeconds": 5}), None),
            (json!({"namespaceSelector": {}, "objectSelector": {}}), None),
            (json!({"matchConditions": null}), None),
            (rule("operations", &["UPDATE", "DELETE"]), None),
            (json!({"rules": null}), is_not_called),
            (rule("operations", &["CREATE"]), is_not_called),
            (rule("resources", &["others"]), is_not_called),
            (rule("apiVersions", &["v1"]), is_not_called),
            (rule("apiGroups", &["example.org"]), is_not_called),
            (
                json!({"rules": [{"apiGroups": [GROUP], "apiVersions": ["*"], "operations": ["UPDATE"],
                "resources": ["mysqlinstanceclaims"], "scope": "Cluster"}]}),
                is_not_called,
            ),
            (json!({"namespaceSelector": {"matchLabels": {"a": "b"}}}), leaves_out),
            (json!({"objectSelector": {"matchLabels": {"a": "b"}}}), leaves_out),
            (
                json!({"matchConditions": [{"name": "mine", "expression": "false"}]}),
                leaves_out,
            ),
            (
                json!({"failurePolicy": "Ignore"}),
                Some("the webhook lets pass what nobody answers"),
            ),
        ] {
            let mut webhooks = shipped("MutatingWebhookConfiguration");
            json_patch::merge(&mut webhooks[1], &changed);
            assert_eq!(judged(update, &webhooks), wanted, "{changed}");
        }
    }
}
