//! A claim is deleted only if its environment is disposable, or somebody has said on the claim that it may be.

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{Ran, User};
use crate::support::cluster::platform::{ODD, OLDER, Platform};
use crate::support::cluster::team::{ALLOW_DELETION, Team, claim, remedy};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    (
        "every_road_is_closed_until_the_command_in_the_refusal_has_been_run",
        roads,
    ),
    ("a_claim_of_a_disposable_environment_goes_at_once", disposable),
    ("nobody_s_rank_and_no_option_opens_the_road", by_anybody),
    ("only_the_one_value_of_the_annotation_allows_it", other_values),
    (
        "an_environment_in_capitals_or_none_at_all_is_not_disposable",
        other_environments,
    ),
    ("a_claim_older_than_its_schema_is_kept_whatever_its_shape", odd),
    ("a_claim_is_not_made_disposable_to_be_deleted", made_disposable),
    ("a_terminating_claim_goes_once_its_finalizers_do", finalizers),
    ("a_terminating_claim_keeps_its_placement_and_nothing_else", terminating),
    ("an_owner_takes_a_claim_with_it_only_once_it_is_allowed", owned),
    ("a_namespace_waits_for_its_claims_and_then_goes", namespace),
];

/// A way to delete the claim `db`, which was applied with the label `app=shop`. Gives the refusal.
type Road = fn(&Team) -> Option<String>;

const ROADS: &[(&str, Road)] = &[
    ("kubectl delete", |team| {
        kubectl(team, &["delete", "mysqlinstanceclaim", "db"])
    }),
    ("kubectl delete of a category", |team| {
        kubectl(team, &["delete", "platform", "--all"])
    }),
    ("kubectl delete --all", |team| {
        kubectl(team, &["delete", "mic", "--all"])
    }),
    ("kubectl delete by label, at once", |team| {
        kubectl(
            team,
            &["delete", "mic", "--selector=app=shop", "--force", "--grace-period=0"],
        )
    }),
    ("kubectl delete of the manifest", |team| {
        said(team.send(&["delete"], &shop("prod")))
    }),
    ("kubectl apply --prune", |team| {
        let rest = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop", "labels": {"app": "shop"}},
        });
        let prune = [
            "apply",
            "--prune",
            "--selector=app=shop",
            "--prune-allowlist=db.platform.example.org/v1alpha1/MySQLInstanceClaim",
        ];
        said(team.send(&prune, &rest))
    }),
    ("DELETE of the claim", |team| call(team, "db", None)),
    ("DELETE of the collection", |team| call(team, "", None)),
    ("DELETE with its dependents first", |team| {
        call(team, "db", Some(&json!({"propagationPolicy": "Foreground"})))
    }),
    ("DELETE that leaves its dependents", |team| {
        call(
            team,
            "db",
            Some(&json!({"propagationPolicy": "Orphan", "gracePeriodSeconds": 0})),
        )
    }),
];

fn kubectl(team: &Team, args: &[&str]) -> Option<String> {
    said(team.kubectl(args))
}

fn said(ran: Ran) -> Option<String> {
    (ran.code != 0).then(|| ran.refused(&["delete.mysqlinstanceclaims.platform.example.org"]))
}

fn call(team: &Team, rest: &str, options: Option<&Value>) -> Option<String> {
    let answer = team.call("DELETE", rest, options);
    (answer.code >= 300).then(|| answer.forbidden(&["delete.mysqlinstanceclaims.platform.example.org"]))
}

fn shop(environment: &str) -> Value {
    let mut shop = claim("db", json!({"environment": environment}));
    shop["metadata"]["labels"] = json!({"app": "shop"});
    shop
}

/// Runs the command in a refusal, from wherever its reader happens to be.
#[track_caller]
fn follow(team: &Team, refusal: &str) {
    team.platform.api.kubectl(team.user, &remedy(refusal), "").ok();
}

/// Removes the finalizers, as the controllers of each would: those of the garbage collector may be gone already.
#[track_caller]
fn finish(team: &Team, name: &str) {
    let change = json!({"metadata": {"finalizers": null}});
    let answer = team.by(User::Crossplane).call("PATCH", name, Some(&change));
    if answer.code != 404 {
        answer.ok();
    }
}

#[track_caller]
fn assert_gone(team: &Team, name: &str, how: &str) {
    let stored = team.stored(name);
    assert_eq!(stored, None, "{how}: wanted: no claim {name}; saw: the one on the left");
}

fn roads(platform: &Platform) {
    let team = platform.team("deletion-roads");
    for (how, road) in ROADS {
        team.apply(&shop("prod")).ok();
        let before = team.claim("db");
        let refusal = road(&team).unwrap_or_else(|| panic!("{how}: wanted: refused; saw: done"));
        assert!(
            refusal.contains("this claim stands for a database that is kept (environment prod)"),
            "{how}: wanted: why it is kept; saw: {refusal}"
        );
        team.assert_unmoved(&before);
        assert_eq!(
            team.claim("db")["metadata"]["deletionTimestamp"],
            Value::Null,
            "{how}: wanted: a claim that stays"
        );
        follow(&team, &refusal);
        assert_eq!(road(&team), None, "{how}, now that it is allowed: wanted: done");
        finish(&team, "db");
        assert_gone(&team, "db", how);
    }
}

fn disposable(platform: &Platform) {
    let team = platform.team("deletion-disposable");
    for (how, road) in ROADS {
        team.apply(&shop("dev")).ok();
        assert_eq!(road(&team), None, "{how} of a disposable claim: wanted: done");
        finish(&team, "db");
        assert_gone(&team, "db", how);
    }
}

fn by_anybody(platform: &Platform) {
    let team = platform.team("deletion-anybody");
    for environment in ["prod", "staging"] {
        let before = team.placed(environment, json!({"environment": environment}));
        for user in User::ALL {
            for rest in ["", "?dryRun=All"] {
                team.by(user)
                    .call("DELETE", &format!("{environment}{rest}"), None)
                    .forbidden(&[&format!("(environment {environment})")]);
            }
        }
        team.assert_unmoved(&before);
    }
    // Of several, those that may go do, and each that may not is named.
    team.placed("scratch", json!({"environment": "dev"}));
    let said = team
        .kubectl(&["delete", "mysqlinstanceclaims", "--all"])
        .refused(&["-n deletion-anybody prod ", "-n deletion-anybody staging "]);
    assert!(!said.contains("scratch"), "wanted: no word of scratch; saw: {said}");
    assert_gone(&team, "scratch", "kubectl delete --all");
}

fn other_values(platform: &Platform) {
    let team = platform.team("deletion-values");
    let before = team.placed("db", json!({}));
    for value in ["True", "TRUE", "yes", "1", "", " true", "false", "\"true\""] {
        let change = json!({"metadata": {"annotations": {ALLOW_DELETION: value}}});
        team.call("PATCH", "db", Some(&change)).ok();
        team.call("DELETE", "db", None).forbidden(&["kubectl annotate"]);
    }
    // The same words elsewhere say nothing.
    let change = json!({"metadata": {
        "annotations": {ALLOW_DELETION: null, "example.org/allow-deletion": "true"}, "labels": {ALLOW_DELETION: "true"},
    }});
    team.call("PATCH", "db", Some(&change)).ok();
    let refusal = team.call("DELETE", "db", None).forbidden(&[]);
    team.assert_unmoved(&before);
    // What was said can be taken back.
    follow(&team, &refusal);
    team.kubectl(&["annotate", "mysqlinstanceclaim", "db", &format!("{ALLOW_DELETION}-")])
        .ok();
    team.call("DELETE", "db", None).forbidden(&["kubectl annotate"]);
    team.assert_unmoved(&before);
}

fn other_environments(platform: &Platform) {
    let older = platform.in_namespace(OLDER);
    for (name, environment) in [("cased", "Dev"), ("empty", "unknown")] {
        let refusal = older
            .call("DELETE", &format!("{name}?dryRun=All"), None)
            .forbidden(&[&format!("(environment {environment})")]);
        assert_eq!(
            remedy(&refusal)[4],
            name,
            "wanted: a command for {name}; saw: {refusal}"
        );
    }
}

/// No expression fails on them, which would be 422: they are labelled and kept as others are.
fn odd(platform: &Platform) {
    let team = platform.in_namespace(OLDER);
    for (name, _) in ODD {
        for user in User::ALL {
            let label = json!({"metadata": {"labels": {"seen-by": format!("{user:?}")}}});
            let answer = team.by(user).call("PATCH", &format!("{name}?dryRun=All"), Some(&label));
            assert_eq!(answer.code, 200, "a label on {name} by {user:?}: saw {:#}", answer.body);
        }
        let refusal = team
            .call("DELETE", &format!("{name}?dryRun=All"), None)
            .forbidden(&["is kept"]);
        assert_eq!(remedy(&refusal)[4], *name, "{refusal}");
    }
}

fn made_disposable(platform: &Platform) {
    let team = platform.team("deletion-made");
    let before = team.placed("db", json!({}));
    let change = json!({"spec": {"parameters": {"environment": "dev"}}});
    for user in User::ALL {
        team.by(user)
            .call("PATCH", "db", Some(&change))
            .forbidden(&["spec.parameters.environment"]);
    }
    team.apply(&claim("db", json!({"environment": "dev"})))
        .refused(&["spec.parameters.environment"]);
    team.call("DELETE", "db", None).forbidden(&["(environment prod)"]);
    team.assert_unmoved(&before);
}

/// A claim that is being deleted and waits for a finalizer. Gives it as it is stored.
#[track_caller]
fn deleted(team: &Team, name: &str) -> Value {
    let mut held = claim(name, json!({"storageGB": 100}));
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    held["metadata"]["annotations"] = json!({ALLOW_DELETION: "true"});
    team.call("POST", "", Some(&held)).ok();
    team.crossplane_writes(name, json!({"compositionRef": {"name": "mysql-aws"}}));
    team.call("DELETE", name, None).ok();
    let stored = team.claim(name);
    assert!(
        stored["metadata"]["deletionTimestamp"].is_string(),
        "wanted: a terminating claim; saw: {stored:#}"
    );
    stored
}

/// A terminating claim as its author would put it: nothing in it but what is asked for, and less of that than is stored.
fn bare(stored: &Value) -> Value {
    let metadata = &stored["metadata"];
    let mut bare = claim("", json!({"storageGB": 10}));
    bare["metadata"] = json!({"name": metadata["name"], "resourceVersion": metadata["resourceVersion"]});
    bare
}

fn finalizers(platform: &Platform) {
    let team = platform.team("deletion-finalizers");
    let released = json!({"metadata": {"finalizers": null}});
    for user in [User::Developer, User::Crossplane, User::Admin] {
        deleted(&team, "db");
        team.by(user).call("PATCH", "db", Some(&released)).ok();
        assert_gone(&team, "db", &format!("its finalizer removed by {user:?}"));
    }
    for user in [User::Developer, User::Crossplane] {
        let mut whole = deleted(&team, "db");
        whole["metadata"]["finalizers"] = json!([]);
        team.by(user).call("PUT", "db", Some(&whole)).ok();
        assert_gone(&team, "db", &format!("put without its finalizer by {user:?}"));
    }
    let stored = deleted(&team, "db");
    team.call("PUT", "db", Some(&bare(&stored))).ok();
    assert_gone(&team, "db", "put bare");
    // Nobody has to allow again what is under way.
    deleted(&team, "db");
    let change = json!({"metadata": {"annotations": {ALLOW_DELETION: null}}});
    team.call("PATCH", "db", Some(&change)).ok();
    team.call("PATCH", "db", Some(&released)).ok();
    assert_gone(&team, "db", "its finalizer removed after the permission");
}

fn terminating(platform: &Platform) {
    let team = platform.team("deletion-terminating");
    let before = deleted(&team, "db");
    // Put bare, with the finalizer on it: its placement is put back.
    let mut held = bare(&before);
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    team.call("PUT", "db", Some(&held)).ok();
    team.assert_unmoved(&before);
    for (field, change) in [
        ("spec.parameters.provider", json!({"parameters": {"provider": "gcp"}})),
        (
            "spec.parameters.network.vpcId",
            json!({"parameters": {"network": {"vpcId": "vpc-other"}}}),
        ),
        ("spec.parameters.cell", json!({"parameters": {"cell": "archive"}})),
        (
            "spec.parameters.environment",
            json!({"parameters": {"environment": "dev"}}),
        ),
        (
            "spec.crossplane.compositionRef",
            json!({"crossplane": {"compositionRef": {"name": "mysql-gcp"}}}),
        ),
    ] {
        let change = json!({"spec": change});
        team.call("PATCH", "db", Some(&change)).forbidden(&[field]);
    }
    team.assert_unmoved(&before);
    // The rest is not judged any more.
    let change = json!({"spec": {"parameters": {"storageGB": 10, "size": "huge", "tier": "C2"}}});
    team.call("PATCH", "db", Some(&change)).ok();
    team.assert_unmoved(&before);
    finish(&team, "db");
    assert_gone(&team, "db", "its finalizer removed");
}

fn owned(platform: &Platform) {
    platform.api.start_controllers();
    let team = platform.team("deletion-owned");
    let owner = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shop"}});
    team.send(&["create"], &owner).ok();
    let owner = team
        .kubectl(&["get", "configmap", "shop", "--output=jsonpath={.metadata.uid}"])
        .ok();
    for (name, environment) in [("kept", "prod"), ("scratch", "dev")] {
        let mut child = claim(name, json!({"environment": environment}));
        child["metadata"]["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "shop", "uid": owner}]);
        team.call("POST", "", Some(&child)).ok();
    }
    let before = team.claim("kept");
    team.kubectl(&["delete", "configmap", "shop"]).ok();
    // The disposable one shows that the garbage collector has been here.
    eventually("the disposable claim is collected", || team.stored("scratch").is_none());
    team.assert_unmoved(&before);
    follow(&team, &team.call("DELETE", "kept?dryRun=All", None).forbidden(&[]));
    eventually("the other one is collected, too", || team.stored("kept").is_none());
}

fn namespace(platform: &Platform) {
    platform.api.start_controllers();
    let team = platform.team("deletion-namespace");
    let before = team.placed("kept", json!({}));
    // The API server deletes them by name, up to the first that it may not.
    team.placed("before", json!({"environment": "dev"}));
    team.kubectl(&["delete", "namespace", "deletion-namespace", "--wait=false"])
        .ok();
    let stored = || {
        let path = "/api/v1/namespaces/deletion-namespace";
        platform.api.call(User::Admin, "GET", path, None)
    };
    let mut refusal = String::new();
    eventually("the namespace says what it waits for", || {
        let namespace = stored().ok();
        assert_eq!(namespace["status"]["phase"], "Terminating", "{namespace:#}");
        let conditions = namespace["status"]["conditions"].as_array().into_iter().flatten();
        let failed = conditions.filter(|condition| {
            condition["type"] == "NamespaceDeletionContentFailure" && condition["status"] == "True"
        });
        refusal = failed.filter_map(|condition| condition["message"].as_str()).collect();
        refusal.contains("kubectl annotate")
    });
    eventually("the disposable claim is gone", || team.stored("before").is_none());
    team.assert_unmoved(&before);
    // In a namespace that is going, its claims can still be changed, and not moved.
    let change = json!({"spec": {"parameters": {"provider": "gcp"}}});
    team.call("PATCH", "kept", Some(&change))
        .forbidden(&["spec.parameters.provider"]);
    team.kubectl(&["label", "mysqlinstanceclaim", "kept", "app=shop"]).ok();
    team.assert_unmoved(&before);
    follow(&team, &refusal);
    eventually("the namespace is gone", || stored().code == 404);
}
