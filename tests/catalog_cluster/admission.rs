//! Writes of catalog objects through the shipped webhook: wrong by themselves they are refused, what they mean for others is
//! a warning.

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{Ran, User, await_answer};
use crate::support::cluster::platform::Platform;

pub const CASES: &[Case] = &[
    ("a_wrong_object_is_refused_with_all_that_is_wrong", wrong),
    ("objects_are_applied_in_any_order_with_warnings", any_order),
    ("what_a_change_means_for_others_is_a_warning", consequences),
    ("a_dry_run_is_judged_alike", dry),
];

pub const ALONE: &[Case] = &[(
    "what_got_in_while_nobody_was_asked_is_set_aside_and_can_be_mended_or_deleted",
    unasked,
)];

pub fn object(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "platform.example.org/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A cell with one candidate in this cloud.
pub fn cell(name: &str, provider: &str) -> Value {
    object(
        "Cell",
        name,
        json!({"candidates": [{
            "name": "one", "provider": provider, "region": "r-1", "runtimeCluster": "k-1",
            "capabilities": ["PITR", "MultiAZ", "PrivateNetworking"],
            "scores": {"latency": 0.5, "dr": 0.5, "maturity": 0.5, "cost": 0.5},
        }]}),
    )
}

pub fn apply(platform: &Platform, object: &Value) -> Ran {
    platform
        .api
        .kubectl(User::Admin, &["apply", "--filename", "-"], &object.to_string())
}

pub fn delete(platform: &Platform, kind: &str, name: &str) {
    platform.api.kubectl(User::Admin, &["delete", kind, name], "").ok();
}

fn wrong(platform: &Platform) {
    let mut bad = cell("wrong", "aws");
    bad["spec"]["candidates"][0]["scores"]["cost"] = json!(1.5);
    bad["spec"]["candidates"][0]["region"] = json!("a b");
    apply(platform, &bad).refused(&[
        "spec.candidates[0].scores.cost: ",
        "spec.candidates[0].region: must be 1 to 63 letters, digits",
    ]);
    let path = "/apis/platform.example.org/v1alpha1/cells";
    let answer = platform.api.call(User::Admin, "POST", path, Some(&bad));
    answer.forbidden(&["2 problems"]);
    let answer = platform.api.call(User::Admin, "POST", path, Some(&bad));
    let details = &answer.body["details"];
    assert_eq!(
        (&details["group"], &details["kind"]),
        (&json!("platform.example.org"), &json!("Cell"))
    );
    let causes: Vec<(&Value, &Value)> = details["causes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| (&cause["reason"], &cause["field"]))
        .collect();
    let invalid = json!("CatalogInvalid");
    assert_eq!(
        causes,
        [
            (&invalid, &json!("spec.candidates[0].region")),
            (&invalid, &json!("spec.candidates[0].scores.cost"))
        ]
    );
    let policy = object(
        "PlacementPolicy",
        "wrong",
        json!({"validations": [{"expression": "claim.sise == 'small'", "message": "m"}]}),
    );
    apply(platform, &policy).refused(&["spec.validations[0].expression: line 1, column "]);
    let tier = object(
        "Tier",
        "wrong",
        json!({"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"cost": 0.9}}),
    );
    apply(platform, &tier).refused(&["spec.weights: must add up to 1, add up to 0.9"]);
    let provider = object("CloudProvider", "wrong", json!({"cordoned": {}}));
    apply(platform, &provider).refused(&["spec.cordoned.reason: is missing"]);
}

fn any_order(platform: &Platform) {
    let first = apply(platform, &cell("any-order", "any-cloud"));
    assert!(
        first
            .stderr
            .contains("Warning: Cell any-order: spec.candidates[0].provider: there is no CloudProvider any-cloud"),
        "{first}"
    );
    let second = apply(platform, &object("CloudProvider", "any-cloud", json!({})));
    assert!(!second.stderr.contains("Warning"), "{second}");
    second.ok();
    delete(platform, "cell", "any-order");
    delete(platform, "cloudprovider", "any-cloud");
}

fn consequences(platform: &Platform) {
    apply(platform, &object("CloudProvider", "consequences", json!({}))).ok();
    // Until it is known to both servers, the cell's own reference is a warning.
    let known = || {
        let path = "/apis/platform.example.org/v1alpha1/cells?dryRun=All";
        platform
            .api
            .call(User::Admin, "POST", path, Some(&cell("consequences", "consequences")))
    };
    await_answer("the cloud is known", known, |answer| answer.code == 201);
    apply(platform, &cell("consequences", "consequences")).ok();
    std::thread::sleep(std::time::Duration::from_secs(1));
    let change = object("CloudProvider", "consequences", json!({"networkKeys": ["rack"]}));
    let changed = apply(platform, &change);
    assert!(
        changed.stderr.contains(
            "Warning: Cell consequences: spec.candidates[0].network.rack: is missing; CloudProvider consequences needs it"
        ),
        "{changed}"
    );
    changed.ok();
    delete(platform, "cell", "consequences");
    delete(platform, "cloudprovider", "consequences");
}

fn dry(platform: &Platform) {
    let bad = object("CloudProvider", "dry", json!({"cordoned": {"reason": ""}}));
    let ran = platform.api.kubectl(
        User::Admin,
        &["apply", "--dry-run=server", "--filename", "-"],
        &bad.to_string(),
    );
    ran.refused(&["spec.cordoned.reason"]);
}

fn unasked(platform: &Platform) {
    let mut bad = cell("unasked", "aws");
    bad["spec"]["candidates"] = json!([]);
    let gone = platform.stop_serving();
    apply(platform, &bad).ok();
    drop(gone);
    // It can be labelled and deleted, not made worse.
    platform
        .api
        .kubectl(User::Admin, &["label", "cell", "unasked", "seen=yes"], "")
        .ok();
    bad["spec"]["environments"] = json!([]);
    apply(platform, &bad).refused(&["spec.candidates: must list at least one"]);
    let mut mended = cell("unasked", "oci");
    mended["spec"]["candidates"][0]["network"] =
        json!({"compartmentId": "c", "subnetId": "s", "availabilityDomain": "a"});
    apply(platform, &mended).ok();
    delete(platform, "cell", "unasked");
}
