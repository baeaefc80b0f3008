//! What is written in a cluster, and what is not.

use serde_json::{Value, json};

use crate::support::cluster::apiserver::User;
use crate::support::cluster::team::{ALLOW_DELETION, claim};
use crate::support::rest::{Rest, database};
use crate::support::server::eventually;
use crate::{Case, Site, claims, developer, secrets};

pub const CASES: &[Case] = &[
    ("a_claim_that_is_not_deleted_after_all_is_as_it_was", taken_back),
    (
        "a_claim_that_is_being_deleted_is_neither_returned_nor_made_again",
        terminating,
    ),
    ("who_may_not_delete_leaves_no_mark_on_a_claim", not_deleted),
    ("a_kept_claim_is_annotated_before_it_is_deleted", annotated),
    ("the_clusters_own_policy_on_deletion_has_the_last_word", policy),
    ("what_the_webhook_warns_of_is_passed_on", warnings),
    ("claims_that_others_made_are_told_and_returned", others),
    ("a_claim_without_a_placement_is_told_as_that", older),
];

fn terminating(site: &Site) {
    let team = site.team("writes-terminating");
    let rest = site.account(&team.namespace, "developer", developer());
    let mut held = claim("orders-db", json!({"environment": "dev"}));
    held["metadata"]["finalizers"] = json!(["example.org/one", "example.org/two"]);
    team.made(&held, "");
    let going = json!({
        "namespace": team.namespace, "name": "orders-db", "waitsFor": ["example.org/one", "example.org/two"],
    });
    // Twice: it does no harm to ask again.
    for _ in 0..2 {
        assert_eq!(rest.delete("/api/mysql/writes-terminating/orders-db").is(202), going);
    }
    let asked = database(&team.namespace, "orders-db", json!({"environment": "dev"}));
    let body = rest.post("/api/mysql", &asked).problem(409, "being-deleted");
    assert!(body["detail"].as_str().unwrap().contains("orders-db"), "{body}");
    let status = rest.get("/api/status/mysql/writes-terminating/orders-db").is(200);
    assert_eq!(status["stage"], "deleting");
    let free = json!({"metadata": {"finalizers": null}});
    team.call("PATCH", "orders-db", Some(&free)).ok();
    rest.post("/api/mysql", &asked).is(201);
}

fn not_deleted(site: &Site) {
    let team = site.team("writes-not-deleted");
    let rest = site.account(
        &team.namespace,
        "patcher",
        json!([claims(&["get", "create", "patch"]), secrets()]),
    );
    let kept = team.placed("kept", json!({}));
    rest.delete("/api/mysql/writes-not-deleted/kept?confirm=kept")
        .problem(403, "forbidden");
    assert_eq!(team.claim("kept"), kept);
}

fn annotated(site: &Site) {
    let team = site.team("writes-annotated");
    let rest = site.account(&team.namespace, "developer", developer());
    let mut held = claim("kept", json!({}));
    held["metadata"]["finalizers"] = json!(["example.org/one"]);
    let made = team.made(&held, "");
    rest.delete("/api/mysql/writes-annotated/kept")
        .problem(409, "confirmation-required");
    assert_eq!(team.claim("kept"), made);
    rest.delete("/api/mysql/writes-annotated/kept?confirm=kept").is(202);
    let now = team.claim("kept");
    assert_eq!(now["metadata"]["annotations"][ALLOW_DELETION], "true");
    assert_eq!(now["spec"], made["spec"]);
    team.call("PATCH", "kept", Some(&json!({"metadata": {"finalizers": null}})))
        .ok();
    // The word is for the claim that was looked at, and not for another one of its name.
    let other = json!({"metadata": {"uid": made["metadata"]["uid"], "annotations": {ALLOW_DELETION: "true"}}});
    team.placed("kept", json!({}));
    assert_eq!(team.call("PATCH", "kept", Some(&other)).code, 422);
    // Somebody else has said the word.
    team.placed("allowed", json!({}));
    team.allow_deletion("allowed");
    rest.delete("/api/mysql/writes-annotated/allowed").is(204);
}

fn policy(site: &Site) {
    let team = site.team("writes-policy");
    let rest = site.account(&team.namespace, "developer", developer());
    let server = site.another(&["--disposable-environments", "dev,prod"]);
    let rest = Rest {
        address: server.api().unwrap(),
        ..rest
    };
    let kept = team.placed("kept", json!({}));
    let body = rest.delete("/api/mysql/writes-policy/kept").problem(403, "forbidden");
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("first run: kubectl annotate mysqlinstanceclaim"),
        "{body}"
    );
    assert_eq!(team.claim("kept"), kept);
    // Whoever has said the word needs no kubectl.
    rest.delete("/api/mysql/writes-policy/kept?confirm=kept").is(204);
}

fn warnings(site: &Site) {
    let team = site.team("writes-warnings");
    let rest = site.account(&team.namespace, "developer", developer());
    let asked = database(
        &team.namespace,
        "orders-db",
        json!({"cell": "archive", "tier": "C2", "ha": false}),
    );
    let body = rest.post("/api/mysql", &asked).is(201);
    assert_eq!(body["warnings"], json!(["only oci-us-ashburn-1 fits this claim"]));
}

fn others(site: &Site) {
    let team = site.team("writes-others");
    let rest = site.account(&team.namespace, "developer", developer());
    team.apply(&claim("orders-db", json!({"tier": "c1"}))).ok();
    let before = team.claim("orders-db");
    let body = rest
        .post(
            "/api/mysql",
            &database(&team.namespace, "orders-db", json!({"size": "large"})),
        )
        .is(200);
    assert_eq!(
        body["differs"],
        json!([{"field": "size", "stored": "medium", "asked": "large"}])
    );
    assert_eq!(body["placement"]["provider"], "aws");
    assert_eq!(team.claim("orders-db"), before);
    let list = rest.get("/api/mysql?namespace=writes-others&tier=C1").is(200);
    assert_eq!(list["claims"].as_array().unwrap().len(), 1);
}

fn older(site: &Site) {
    let rest = site.developer_of_the_platform();
    let list = rest.get("/api/mysql?namespace=older&limit=1000").is(200);
    let claims = list["claims"].as_array().unwrap();
    let plain = claims.iter().find(|claim| claim["name"] == "plain").unwrap();
    assert_eq!((&plain["stage"], &plain["provider"]), (&json!("created"), &Value::Null));
    // What is older than the schema is told as far as it can be.
    let odd = claims.iter().find(|claim| claim["name"] == "odd-text").unwrap();
    assert_eq!((&odd["cell"], &odd["storageGB"]), (&Value::Null, &Value::Null));
    for claim in claims {
        let name = claim["name"].as_str().unwrap();
        let before = rest.get(&format!("/api/status/mysql/older/{name}")).is(200);
        rest.post("/api/mysql", &database("older", name, json!({})))
            .problem(424, "not-placed");
        assert_eq!(rest.get(&format!("/api/status/mysql/older/{name}")).is(200), before);
    }
    rest.delete("/api/mysql/older/odd-text")
        .problem(409, "confirmation-required");
}

/// Somebody else's policy keeps everything: the annotation that allowed the deletion is taken back.
fn taken_back(site: &Site) {
    let team = site.team("writes-taken-back");
    let rest = site.account(&team.namespace, "developer", developer());
    team.placed("kept", json!({}));
    team.kubectl(&[
        "annotate",
        "mysqlinstanceclaim",
        "kept",
        &format!("{ALLOW_DELETION}=false"),
    ])
    .ok();
    let kept = team.claim("kept");
    team.placed("allowed", json!({}));
    team.allow_deletion("allowed");
    let policies = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies";
    let spec = json!({
        "matchConstraints": {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}},
            "resourceRules": [{
                "apiGroups": ["db.platform.example.org"], "apiVersions": ["*"], "operations": ["DELETE"],
                "resources": ["mysqlinstanceclaims"],
            }],
        },
        "validations": [{"expression": "false", "message": "nothing is deleted this week", "reason": "Forbidden"}],
    });
    let post = |path: &str, spec: Value| {
        let object = json!({"metadata": {"name": "freeze.example.org"}, "spec": spec});
        site.platform.api.call(User::Admin, "POST", path, Some(&object)).ok();
    };
    post(policies, spec);
    let binding = json!({"policyName": "freeze.example.org", "validationActions": ["Deny"]});
    post(
        "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings",
        binding,
    );
    team.placed("probe", json!({"environment": "dev"}));
    eventually("the policy is in force", || {
        team.call("DELETE", "probe?dryRun=All", None).code == 403
    });

    let body = rest
        .delete("/api/mysql/writes-taken-back/kept?confirm=kept")
        .problem(403, "forbidden");
    assert!(
        body["detail"]
            .as_str()
            .unwrap()
            .contains("nothing is deleted this week"),
        "{body}"
    );
    let now = team.claim("kept");
    assert_eq!(now["metadata"]["annotations"], kept["metadata"]["annotations"]);
    assert_eq!(now["spec"], kept["spec"]);
    // Somebody else's word stays.
    rest.delete("/api/mysql/writes-taken-back/allowed?confirm=allowed")
        .problem(403, "forbidden");
    assert_eq!(team.claim("allowed")["metadata"]["annotations"][ALLOW_DELETION], "true");
}
