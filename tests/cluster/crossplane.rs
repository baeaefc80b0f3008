//! Crossplane's account and the operators' group against everybody else.

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{REASON, claim};

pub const CASES: &[Case] = &[
    ("crossplane_writes_its_own_part_and_nobody_else_does", own_part),
    ("a_composition_once_chosen_stays_even_for_crossplane", chosen),
    ("crossplane_changes_no_parameter_of_the_placement", not_its_part),
    ("operators_roll_out_a_revision_and_nothing_else", rollout),
    ("an_operator_restores_a_claim_as_it_was_backed_up", restored),
];

/// A value for each of Crossplane's fields.
fn fields() -> [(&'static str, Value); 6] {
    [
        ("compositionRef", json!({"name": "mysql-aws"})),
        ("compositionRevisionRef", json!({"name": "mysql-aws-1a2b3c"})),
        (
            "compositionRevisionSelector",
            json!({"matchLabels": {"channel": "stable"}}),
        ),
        (
            "compositionSelector",
            json!({"matchLabels": {"db.platform.example.org/provider": "gcp"}}),
        ),
        ("compositionUpdatePolicy", json!("Automatic")),
        (
            "resourceRefs",
            json!([{"apiVersion": "v1", "kind": "Secret", "name": "db-conn"}]),
        ),
    ]
}

fn own_part(platform: &Platform) {
    let team = platform.team("crossplane-own");
    let before = team.placed("db", json!({}));
    for (field, value) in fields() {
        let change = json!({"spec": {"crossplane": {field: value}}});
        team.call("PATCH", "db", Some(&change))
            .forbidden(&[&format!("spec.crossplane.{field}")]);
        team.by(User::Admin)
            .call("PATCH", "db", Some(&change))
            .forbidden(&[&format!("spec.crossplane.{field}")]);
    }
    team.assert_unmoved(&before);
    for (field, value) in fields() {
        if field != "compositionSelector" {
            let after = team.crossplane_writes("db", json!({field: value}));
            assert_eq!(after["spec"]["crossplane"][field], value);
        }
    }
    // And what it wrote, nobody takes away. (The schema's default stands in for a policy that is left out.)
    let composed = team.crossplane_writes("db", json!({"compositionUpdatePolicy": "Manual"}));
    for (field, _) in fields() {
        team.call("PATCH", "db", Some(&json!({"spec": {"crossplane": {field: null}}})))
            .ok();
        team.assert_unmoved(&composed);
    }
}

fn chosen(platform: &Platform) {
    let team = platform.team("crossplane-chosen");
    team.placed("db", json!({}));
    let composed = team.crossplane_writes("db", json!({"compositionRef": {"name": "mysql-aws"}}));
    for other in [json!({"name": "mysql-gcp"}), Value::Null] {
        let change = json!({"spec": {"crossplane": {"compositionRef": other}}});
        for user in User::ALL {
            let answer = team.by(user).call("PATCH", "db", Some(&change));
            // Left out by others, it is put back.
            if user == User::Crossplane || !other.is_null() {
                answer.forbidden(&["compositionRef"]);
            }
        }
        team.assert_unmoved(&composed);
    }
    // Nor does its account take the selector off, with which Crossplane found it, or all of them at once.
    for change in [
        json!({"compositionSelector": null}),
        json!({"compositionSelector": {"matchLabels": {"db.platform.example.org/provider": "gcp"}}}),
        Value::Null,
    ] {
        let change = json!({"spec": {"crossplane": change}});
        team.by(User::Crossplane)
            .call("PATCH", "db", Some(&change))
            .forbidden(&["compositionSelector"]);
    }
    // Together with a change of what is asked for the webhook judges it, too.
    let both =
        json!({"spec": {"parameters": {"size": "large"}, "crossplane": {"compositionRef": {"name": "mysql-gcp"}}}});
    team.by(User::Crossplane)
        .call("PATCH", "db", Some(&both))
        .forbidden(&["spec.crossplane.compositionRef"]);
    team.assert_unmoved(&composed);
}

fn not_its_part(platform: &Platform) {
    let team = platform.team("crossplane-not-its-part");
    let before = team.placed("db", json!({}));
    let crossplane = team.by(User::Crossplane);
    for change in [
        json!({"spec": {"parameters": {"provider": "gcp"}}}),
        json!({"spec": {"parameters": {"cell": "archive"}}}),
        json!({"spec": {"parameters": {"storageGB": 49}}}),
        json!({"metadata": {"annotations": {REASON: "{}"}}}),
    ] {
        crossplane.call("PATCH", "db", Some(&change)).forbidden(&[]);
    }
    crossplane
        .call(
            "PATCH",
            "db",
            Some(&json!({"metadata": {"annotations": {REASON: null}}})),
        )
        .ok();
    team.assert_unmoved(&before);
    // Nor does it place claims of its own.
    let mut forged = claim("forged", json!({"provider": "gcp"}));
    forged["spec"]["crossplane"] = json!({"compositionRef": {"name": "mysql-gcp"}});
    crossplane
        .call("POST", "", Some(&forged))
        .forbidden(&["spec.parameters.provider", "spec.crossplane.compositionRef"]);
}

fn rollout(platform: &Platform) {
    let team = platform.team("crossplane-rollout");
    team.placed("db", json!({}));
    let revision = |name: &str| json!({"compositionRevisionRef": {"name": name}});
    let mut first = revision("mysql-aws-1");
    first["compositionRef"] = json!({"name": "mysql-aws"});
    team.crossplane_writes("db", first);
    let write = |user: User, fields: Value| {
        team.by(user)
            .call("PATCH", "db", Some(&json!({"spec": {"crossplane": fields}})))
    };
    write(User::Developer, revision("mysql-aws-2")).forbidden(&["spec.crossplane.compositionRevisionRef"]);
    let after = write(User::Operator, revision("mysql-aws-2")).ok();
    assert_eq!(
        after["spec"]["crossplane"]["compositionRevisionRef"]["name"],
        "mysql-aws-2"
    );
    for policy in ["Automatic", "Manual"] {
        let after = write(User::Operator, json!({"compositionUpdatePolicy": policy})).ok();
        assert_eq!(after["spec"]["crossplane"]["compositionUpdatePolicy"], policy);
    }
    // What Crossplane's schema would answer with 422, on which tools delete.
    write(User::Operator, json!({"compositionUpdatePolicy": "Sometimes"})).forbidden(&["compositionUpdatePolicy"]);
    write(User::Operator, json!({"compositionRevisionRef": {"name": 7}})).forbidden(&["compositionRevisionRef"]);
    for (field, value) in fields() {
        if !["compositionRevisionRef", "compositionUpdatePolicy"].contains(&field) {
            let value = if field == "compositionRef" {
                json!({"name": "mysql-gcp"})
            } else {
                value
            };
            write(User::Operator, json!({field: value})).forbidden(&[&format!("spec.crossplane.{field}")]);
        }
    }
    let moved = team.by(User::Operator).change("db", json!({"region": "eu-west-1"}));
    moved.forbidden(&["spec.parameters.region"]);
}

fn restored(platform: &Platform) {
    let team = platform.team("crossplane-restored");
    let operator = team.by(User::Operator);
    let before = team.placed("db", json!({"tier": "C2", "ha": false}));
    assert_eq!(before["spec"]["parameters"]["provider"], "oci");
    team.call("PATCH", "db", Some(&json!({"spec": {"parameters": {"tier": "C1"}}})))
        .ok();
    let mut backup = team.claim("db");
    for field in [
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "managedFields",
    ] {
        backup["metadata"].as_object_mut().unwrap().remove(field);
    }
    team.allow_deletion("db");
    team.kubectl(&["delete", "mysqlinstanceclaim", "db"]).ok();

    team.apply(&backup).refused(&["Forbidden", "spec.parameters.provider"]);
    let mut elsewhere = backup.clone();
    elsewhere["spec"]["parameters"]["provider"] = "aws".into();
    operator
        .apply(&elsewhere)
        .refused(&["Forbidden", "spec.parameters.provider"]);
    let mut adopting = backup.clone();
    adopting["spec"]["crossplane"]["compositionRef"] = json!({"name": "mysql-oci"});
    operator
        .apply(&adopting)
        .refused(&["Forbidden", "spec.crossplane.compositionRef"]);
    assert_eq!(team.stored("db"), None);

    operator.apply(&backup).ok();
    let audited = team.audited().pop().unwrap();
    let outcome = &audited["annotations"]["create.mysqlinstanceclaims.platform.example.org/outcome"];
    assert_eq!(outcome, "restored", "{audited:#}");
    let after = team.claim("db");
    // For C1 it would go to AWS today.
    for (pointer, what) in [
        ("/spec", "spec"),
        (
            &*format!("/metadata/annotations/{}", REASON.replace('/', "~1")),
            "reason",
        ),
    ] {
        assert_eq!(
            after.pointer(pointer),
            backup.pointer(pointer),
            "wanted: the {what} of the backup, on the right"
        );
    }
    team.apply(&claim("db", json!({"tier": "C1", "ha": false, "size": "large"})))
        .ok();
    team.assert_unmoved(&after);
}
