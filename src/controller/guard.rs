//! Whether the guard is in force: the admission policies that hold claims and definitions also where no server is asked. Nobody
//! would see that one is gone before something is lost that it would have kept.

use std::fmt::Debug;
use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;

use super::looks::Looks;
use super::said;
use crate::telemetry::ControllerMetrics;

const LOOKS: Looks = Looks {
    at: "guard",
    every: Duration::from_secs(10),
    patience: Duration::from_secs(30),
};

/// The policies; what binds one has its name.
const POLICIES: [&str; 4] = [
    "create.mysqlinstanceclaims.platform.example.org",
    "definitions.platform.example.org",
    "delete.mysqlinstanceclaims.platform.example.org",
    "update.mysqlinstanceclaims.platform.example.org",
];

/// A policy, and why it refuses nothing, if that is so.
type Seen = (&'static str, Option<&'static str>);

/// Looks for ever, and tells the metrics; the log when something changes.
pub(super) async fn watch(client: &Client, metrics: &ControllerMetrics) {
    let mut before = Vec::new();
    let tell = |seen: Option<Vec<Seen>>| {
        let Some(seen) = seen else {
            return metrics.guard_failed();
        };
        for (policy, problem) in &seen {
            metrics.guard(policy, problem.is_none());
        }
        let problems = seen.iter();
        let problems = problems.filter_map(|(policy, problem)| problem.map(|problem| format!("{policy}: {problem}")));
        let problems: Vec<String> = problems.collect();
        if problems == before {
            return;
        }
        if problems.is_empty() {
            tracing::info!("the guard is in force again");
        } else {
            tracing::error!(
                problems = problems.join("; "),
                "the guard is not in force: delete what is left of these policies, and install the same version again"
            );
        }
        before = problems;
    };
    LOOKS.each(|| seen(client), tell).await;
}

async fn seen(client: &Client) -> Result<Vec<Seen>, String> {
    let mut seen = Vec::new();
    for name in POLICIES {
        let policy = found::<ValidatingAdmissionPolicy>(client, name).await?;
        let binding = found::<ValidatingAdmissionPolicyBinding>(client, name).await?;
        seen.push((name, judged(policy.as_ref(), binding.as_ref())));
    }
    Ok(seen)
}

async fn found<K>(client: &Client, name: &str) -> Result<Option<K>, String>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let found = Api::<K>::all(client.clone()).get_opt(name).await;
    found.map_err(|error| format!("{} {name}: {}", K::kind(&()), said(&error)))
}

/// Why the policy refuses nothing, if that is so.
fn judged(
    policy: Option<&ValidatingAdmissionPolicy>,
    binding: Option<&ValidatingAdmissionPolicyBinding>,
) -> Option<&'static str> {
    let Some(policy) = policy.and_then(|policy| policy.spec.as_ref()) else {
        return Some("the policy is not there");
    };
    let Some(binding) = binding.map(|binding| &binding.spec) else {
        return Some("its binding is not there");
    };
    if !binding.validation_actions.iter().any(|action| action == "Deny") {
        return Some("its binding denies nothing");
    }
    // What is not said is Fail.
    let ignored = policy.failure_policy.as_ref().is_some_and(|policy| policy != "Fail");
    ignored.then_some("the policy lets pass what it cannot judge")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn judged(policy: &Value, binding: &Value) -> Option<&'static str> {
        let policy = (!policy.is_null()).then(|| serde_json::from_value(json!({"spec": policy})).unwrap());
        let binding = (!binding.is_null()).then(|| serde_json::from_value(json!({"spec": binding})).unwrap());
        super::judged(policy.as_ref(), binding.as_ref())
    }

    #[test]
    fn a_policy_is_in_force_where_it_is_bound_denies_and_fails_closed() {
        let bound = json!({"validationActions": ["Audit", "Deny"]});
        for (policy, binding, wanted) in [
            (json!({"failurePolicy": "Fail"}), bound.clone(), None),
            (json!({}), bound.clone(), None),
            (Value::Null, bound.clone(), Some("the policy is not there")),
            (json!({}), Value::Null, Some("its binding is not there")),
            (
                json!({}),
                json!({"validationActions": ["Warn"]}),
                Some("its binding denies nothing"),
            ),
            (json!({}), json!({}), Some("its binding denies nothing")),
            (
                json!({"failurePolicy": "Ignore"}),
                bound.clone(),
                Some("the policy lets pass what it cannot judge"),
            ),
        ] {
            assert_eq!(judged(&policy, &binding), wanted, "{policy} {binding}");
        }
    }

    #[test]
    fn the_policies_are_those_of_the_guard() {
        let guard = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/guard.yaml");
        let objects = crate::yaml::documents(&std::fs::read_to_string(guard).unwrap()).unwrap();
        let policies = objects
            .iter()
            .filter(|object| object["kind"] == "ValidatingAdmissionPolicy");
        let names: Vec<&Value> = policies.map(|policy| &policy["metadata"]["name"]).collect();
        assert_eq!(names, POLICIES);
    }
}
