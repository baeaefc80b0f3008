//! The guard: the admission policies that hold claims and definitions also where no server is asked.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::Client;

use super::{Judged, fails_closed, first, found};

/// The policies; what binds one has its name.
const POLICIES: [&str; 4] = [
    "create.mysqlinstanceclaims.platform.example.org",
    "definitions.platform.example.org",
    "delete.mysqlinstanceclaims.platform.example.org",
    "update.mysqlinstanceclaims.platform.example.org",
];

pub(super) async fn seen(client: &Client) -> Result<Vec<Judged>, String> {
    let mut seen = Vec::new();
    for name in POLICIES {
        let policy = found::<ValidatingAdmissionPolicy>(client, name).await?;
        let binding = found::<ValidatingAdmissionPolicyBinding>(client, name).await?;
        seen.push((name, judged(name, policy.as_ref(), binding.as_ref())));
    }
    Ok(seen)
}

/// Why the policy is not in force, if that is so. Its rules are not read: their texts follow the values of the chart.
fn judged(
    name: &str,
    policy: Option<&ValidatingAdmissionPolicy>,
    binding: Option<&ValidatingAdmissionPolicyBinding>,
) -> Option<&'static str> {
    let Some(policy) = policy.and_then(|policy| policy.spec.as_ref()) else {
        return Some("the policy is not there");
    };
    let Some(binding) = binding.map(|binding| &binding.spec) else {
        return Some("its binding is not there");
    };
    let denies = binding.validation_actions.iter().any(|action| action == "Deny");
    let unless_missing = binding
        .param_ref
        .as_ref()
        .and_then(|params| params.parameter_not_found_action.as_deref());
    let conditions = policy.match_conditions.as_ref();
    let fails_closed = fails_closed(policy.failure_policy.as_deref());
    first([
        (binding.policy_name != name, "its binding is of another policy"),
        (!denies, "its binding denies nothing"),
        (binding.match_resources.is_some(), "its binding leaves something out"),
        (
            unless_missing == Some("Allow"),
            "its binding lets pass what it has no parameters for",
        ),
        (
            conditions.is_some_and(|conditions| !conditions.is_empty()),
            "the policy leaves something out",
        ),
        (!fails_closed, "the policy lets pass what it cannot judge"),
    ])
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NAME: &str = "create.mysqlinstanceclaims.platform.example.org";

    /// The policy of that name and its binding, as they are shipped.
    fn shipped() -> [Value; 2] {
        let objects = guard();
        ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"].map(|kind| {
            let is_it = |object: &&Value| object["kind"] == kind && object["metadata"]["name"] == NAME;
            objects.iter().find(is_it).unwrap().clone()
        })
    }

    fn guard() -> Vec<Value> {
        let guard = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/guard.yaml");
        crate::yaml::documents(&std::fs::read_to_string(guard).unwrap()).unwrap()
    }

    fn judged(policy: &Value, binding: &Value) -> Option<&'static str> {
        let policy = (!policy.is_null()).then(|| serde_json::from_value(policy.clone()).unwrap());
        let binding = (!binding.is_null()).then(|| serde_json::from_value(binding.clone()).unwrap());
        super::judged(NAME, policy.as_ref(), binding.as_ref())
    }

    #[test]
    fn what_is_shipped_is_in_force_and_what_refuses_less_is_not() {
        let [policy, binding] = shipped();
        assert_eq!(judged(&policy, &binding), None);
        assert_eq!(judged(&Value::Null, &binding), Some("the policy is not there"));
        assert_eq!(judged(&policy, &Value::Null), Some("its binding is not there"));
        for (changed, wanted) in [
            (json!({"validationActions": ["Audit", "Deny"]}), None),
            (
                json!({"validationActions": ["Warn"]}),
                Some("its binding denies nothing"),
            ),
            (json!({"policyName": "other"}), Some("its binding is of another policy")),
            (
                json!({"matchResources": {"namespaceSelector": {}}}),
                Some("its binding leaves something out"),
            ),
            (
                json!({"paramRef": {"name": "idp-multicloud", "parameterNotFoundAction": "Allow"}}),
                Some("its binding lets pass what it has no parameters for"),
            ),
        ] {
            let mut binding = binding.clone();
            json_patch::merge(&mut binding["spec"], &changed);
            assert_eq!(judged(&policy, &binding), wanted, "{changed}");
        }
        for (changed, wanted) in [
            (json!({"failurePolicy": null}), None),
            (
                json!({"failurePolicy": "Ignore"}),
                Some("the policy lets pass what it cannot judge"),
            ),
            (
                json!({"matchConditions": [{"name": "some", "expression": "false"}]}),
                Some("the policy leaves something out"),
            ),
        ] {
            let mut policy = policy.clone();
            json_patch::merge(&mut policy["spec"], &changed);
            assert_eq!(judged(&policy, &binding), wanted, "{changed}");
        }
    }

    #[test]
    fn the_policies_are_those_of_the_guard() {
        let objects = guard();
        let policies = objects
            .iter()
            .filter(|object| object["kind"] == "ValidatingAdmissionPolicy");
        let names: Vec<&Value> = policies.map(|policy| &policy["metadata"]["name"]).collect();
        assert_eq!(names, POLICIES);
    }
}
