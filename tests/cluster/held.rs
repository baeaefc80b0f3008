//! Claims that exist, as app teams change them: what is asked for may change, the placement stays.

use std::process::Command;

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{User, run};
use crate::support::cluster::platform::{OLDER, Platform};
use crate::support::cluster::team::{REASON, claim, placement};

pub const CASES: &[Case] = &[
    ("a_bare_claim_applied_again_in_any_mode_changes_nothing", applied_again),
    ("size_and_storage_grow_and_storage_never_shrinks", grown),
    (
        "a_bare_replace_restores_the_placement_and_all_that_crossplane_wrote",
        replaced,
    ),
    (
        "a_forced_replace_is_refused_unless_deletion_is_allowed_and_then_places_anew",
        replaced_by_force,
    ),
    ("an_editor_changes_what_is_asked_for_and_nothing_else", edited),
    ("no_patch_of_any_kind_moves_or_unplaces_it", patched),
    (
        "another_manager_that_forces_its_conflicts_does_not_move_it",
        forced_conflicts,
    ),
    (
        "an_exported_claim_edited_and_applied_then_applied_bare_keeps_its_place",
        exported,
    ),
    ("labels_and_annotations_change_and_the_reason_does_not", annotated),
    ("a_bare_claim_shows_no_difference", no_difference),
    ("status_and_finalizers_change_without_moving_it", status_and_finalizers),
    ("cell_and_environment_stay", fixed),
    ("tier_and_ha_change_where_the_place_can_give_them", raised),
    ("a_tier_is_lowered_by_operators_only", lowered),
    (
        "a_claim_older_than_the_webhook_is_neither_placed_nor_takes_a_placement",
        older,
    ),
];

fn applied_again(platform: &Platform) {
    let team = platform.team("held-again");
    let before = team.placed("db", json!({}));
    let bare = claim("db", json!({}));
    for args in [
        &["apply"][..],
        &["apply", "--server-side", "--force-conflicts"],
        &["apply", "--server-side"],
        &["apply", "--server-side", "--field-manager=gitops"],
        &["apply", "--dry-run=server"],
        &["apply", "--overwrite"],
    ] {
        team.send(args, &bare).ok();
        team.assert_unmoved(&before);
    }
    let said = team.apply(&bare).ok();
    assert!(said.contains("unchanged"), "wanted: unchanged; saw: {said}");
    team.send(&["create"], &bare).refused(&["AlreadyExists"]);
    team.assert_unmoved(&before);
}

fn grown(platform: &Platform) {
    let team = platform.team("held-grown");
    let before = team.placed("db", json!({}));
    team.apply(&claim("db", json!({"size": "large", "storageGB": 100})))
        .ok();
    team.assert_unmoved(&before);
    let parameters = team.claim("db")["spec"]["parameters"].take();
    assert_eq!(
        (&parameters["size"], &parameters["storageGB"]),
        (&json!("large"), &json!(100))
    );

    let smaller = team.apply(&claim("db", json!({"size": "large", "storageGB": 99})));
    smaller.refused(&["Forbidden", "spec.parameters.storageGB", "only grows"]);
    let both = team.apply(&claim("db", json!({"size": "vast", "storageGB": 99})));
    both.refused(&[
        "2 problems, nothing was changed",
        "spec.parameters.size",
        "spec.parameters.storageGB",
    ]);
    assert_eq!(team.claim("db")["spec"]["parameters"], parameters);
}

fn replaced(platform: &Platform) {
    let team = platform.team("held-replaced");
    let chosen = json!({"compositionRef": {"name": "mysql-aws"}});
    let revised =
        json!({"compositionRef": {"name": "mysql-aws"}, "compositionRevisionRef": {"name": "mysql-aws-1a2b3c"}});
    let mut composed = revised.clone();
    composed["resourceRefs"] = json!([
        {"apiVersion": "rds.aws.m.upbound.io/v1beta1", "kind": "Instance", "name": "db-1"},
        {"apiVersion": "v1", "kind": "Secret", "name": "db-conn"},
    ]);
    for (name, written) in [
        ("bare", None),
        ("chosen", Some(chosen)),
        ("revised", Some(revised)),
        ("composed", Some(composed)),
    ] {
        let mut before = team.placed(name, json!({}));
        if let Some(fields) = written {
            before = team.crossplane_writes(name, fields);
        }
        team.send(&["replace"], &claim(name, json!({"size": "large"}))).ok();
        team.assert_unmoved(&before);
        assert_eq!(team.claim(name)["spec"]["parameters"]["size"], "large");
        // Bare in part: the cloud is left out, the rest is sent.
        let mut part = team.claim(name);
        for field in ["provider", "region"] {
            part["spec"]["parameters"].as_object_mut().unwrap().remove(field);
        }
        part["spec"].as_object_mut().unwrap().remove("crossplane");
        team.send(&["replace"], &part).ok();
        team.assert_unmoved(&before);
    }
}

fn replaced_by_force(platform: &Platform) {
    let team = platform.team("held-replace-force");
    let kept = team.placed("db", json!({}));
    let cheap = claim("db", json!({"tier": "C2", "ha": false}));
    team.send(&["replace", "--force"], &cheap)
        .refused(&["platform.example.org/allow-deletion=true"]);
    team.assert_unmoved(&kept);
    team.allow_deletion("db");
    team.send(&["replace", "--force"], &cheap).ok();
    let anew = team.claim("db");
    assert_ne!(anew["metadata"]["uid"], kept["metadata"]["uid"]);
    assert_eq!(
        anew["spec"]["parameters"]["provider"], "oci",
        "wanted: placed anew, for what is asked for now"
    );
}

fn edited(platform: &Platform) {
    let team = platform.team("held-edited");
    let before = team.placed("db", json!({}));
    let edit = |script: &str| {
        let mut command = Command::new(&platform.api.binaries.kubectl);
        command.args(["--namespace", &team.namespace, "edit", "mysqlinstanceclaim", "db"]);
        platform.api.prepare(&mut command, User::Developer);
        command.env("KUBE_EDITOR", format!("sed -i {script}"));
        run(command, "")
    };
    edit("'s/size: medium/size: large/'").ok();
    assert_eq!(team.claim("db")["spec"]["parameters"]["size"], "large");
    edit("'s/provider: aws$/provider: gcp/'").refused(&["spec.parameters.provider", "keeps its placement for life"]);
    team.assert_unmoved(&before);
}

fn patched(platform: &Platform) {
    let team = platform.team("held-patched");
    let before = team.placed("db", json!({}));
    let patch = |kind: &str, patch: &Value| {
        team.kubectl(&[
            "patch",
            "mysqlinstanceclaim",
            "db",
            "--type",
            kind,
            "--patch",
            &patch.to_string(),
        ])
    };
    for field in ["provider", "region", "runtimeCluster", "network"] {
        patch("merge", &json!({"spec": {"parameters": {field: null}}})).ok();
        patch(
            "json",
            &json!([{"op": "remove", "path": format!("/spec/parameters/{field}")}]),
        )
        .ok();
        team.assert_unmoved(&before);
    }
    patch("merge", &json!({"spec": {"crossplane": null}})).ok();
    patch("merge", &json!({"spec": {"crossplane": {"compositionSelector": null}}})).ok();
    team.assert_unmoved(&before);
    for (field, value) in [
        ("provider", json!("gcp")),
        ("region", json!("eu-west-1")),
        ("runtimeCluster", json!("")),
        ("network", json!({"vpcId": "vpc-theirs"})),
        ("network", json!({"more": "keys"})),
    ] {
        patch("merge", &json!({"spec": {"parameters": {field: value}}}))
            .refused(&["Forbidden", &format!("spec.parameters.{field}")]);
    }
    let replace = json!([{"op": "replace", "path": "/spec/parameters/provider", "value": "oci"}]);
    patch("json", &replace).refused(&["Forbidden", "spec.parameters.provider"]);
    let label = json!({"db.platform.example.org/provider": "gcp"});
    patch(
        "merge",
        &json!({"spec": {"crossplane": {"compositionSelector": {"matchLabels": label}}}}),
    )
    .refused(&["Forbidden", "spec.crossplane.compositionSelector"]);
    for gone in [json!({"spec": null}), json!({"spec": {"parameters": null}})] {
        patch("merge", &gone).refused(&["Forbidden"]);
    }
    team.assert_unmoved(&before);
}

fn forced_conflicts(platform: &Platform) {
    let team = platform.team("held-conflicts");
    let before = team.placed("db", json!({}));
    let elsewhere = claim(
        "db",
        json!({"provider": "gcp", "region": "us-central1", "runtimeCluster": "gcp-usc1-prod"}),
    );
    let force = ["apply", "--server-side", "--force-conflicts", "--field-manager=another"];
    team.send(&force, &elsewhere).refused(&[
        "Forbidden",
        "spec.parameters.provider",
        "spec.parameters.runtimeCluster",
    ]);
    // Owned by this manager from now on, and still there when it lets go.
    let same = before["spec"]["parameters"].clone();
    team.send(&force, &claim("db", same)).ok();
    team.send(&force, &claim("db", json!({}))).ok();
    team.assert_unmoved(&before);
}

fn exported(platform: &Platform) {
    let team = platform.team("held-exported");
    let before = team.placed("db", json!({}));
    let exported = team.kubectl(&["get", "mysqlinstanceclaim", "db", "--output=yaml"]).ok();
    let larger = exported.replace("size: medium", "size: large");
    let file = ["apply", "--filename=-"];
    // As people keep it: without what the API server alone writes.
    let servers_own = ["  creationTimestamp:", "  generation:", "  resourceVersion:", "  uid:"];
    let kept: String = larger
        .split_inclusive('\n')
        .filter(|line| !servers_own.iter().any(|own| line.starts_with(own)))
        .collect();
    team.kubectl_with(&file, &kept).ok();
    team.assert_unmoved(&before);
    assert_eq!(team.claim("db")["spec"]["parameters"]["size"], "large");
    // kubectl remembers the placement as applied now, and drops it.
    team.apply(&claim("db", json!({"size": "xlarge"}))).ok();
    team.assert_unmoved(&before);
    assert_eq!(team.claim("db")["spec"]["parameters"]["size"], "xlarge");

    // As it came: kubectl remembers the resourceVersion, too, and the API server refuses to have it dropped.
    let exported = team.kubectl(&["get", "mysqlinstanceclaim", "db", "--output=yaml"]).ok();
    team.kubectl_with(&file, &exported.replace("size: xlarge", "size: large"))
        .ok();
    team.apply(&claim("db", json!({})))
        .refused(&["metadata.resourceVersion"]);
    team.assert_unmoved(&before);
}

fn annotated(platform: &Platform) {
    let team = platform.team("held-annotated");
    let before = team.placed("db", json!({}));
    team.kubectl(&["label", "mysqlinstanceclaim", "db", "team=payments"])
        .ok();
    team.kubectl(&["annotate", "mysqlinstanceclaim", "db", "note=ours"])
        .ok();
    team.kubectl(&["annotate", "mysqlinstanceclaim", "db", &format!("{REASON}-")])
        .ok();
    team.assert_unmoved(&before);
    team.kubectl(&[
        "annotate",
        "--overwrite",
        "mysqlinstanceclaim",
        "db",
        &format!("{REASON}={{}}"),
    ])
    .refused(&["Forbidden", REASON]);
    team.call("PATCH", "db", Some(&json!({"metadata": {"annotations": null}})))
        .ok();
    team.assert_unmoved(&before);
    let stored = team.claim("db");
    assert_eq!(stored["metadata"]["labels"], json!({"team": "payments"}));
    assert_eq!(
        stored["metadata"]["annotations"].as_object().unwrap().len(),
        1,
        "the others are gone, as was asked"
    );
}

fn no_difference(platform: &Platform) {
    let team = platform.team("held-difference");
    team.placed("db", json!({}));
    assert_eq!(team.send(&["diff"], &claim("db", json!({}))).ok(), "");
    team.send(&["apply", "--server-side"], &claim("by-server", json!({})))
        .ok();
    assert_eq!(
        team.send(&["diff", "--server-side"], &claim("by-server", json!({})))
            .ok(),
        ""
    );
    let larger = team.send(&["diff"], &claim("db", json!({"size": "large"})));
    let lines: Vec<_> = larger
        .stdout
        .lines()
        .filter(|line| line.starts_with(['+', '-']))
        .skip(2)
        .map(str::trim_end)
        .collect();
    assert_eq!(larger.code, 1, "{larger}");
    assert!(
        lines.contains(&"+    size: large") && lines.contains(&"-    size: medium"),
        "{lines:?}"
    );
    assert!(!lines.iter().any(|line| line.contains("provider")), "{lines:?}");
}

fn status_and_finalizers(platform: &Platform) {
    let team = platform.team("held-status");
    let before = team.placed("db", json!({}));
    let status = json!({
        "status": {"endpoint": "db.example.org", "connectionSecret": {"name": "db-conn", "ready": true}},
        "spec": {"parameters": {"provider": "gcp"}, "crossplane": {"compositionRef": {"name": "gcp"}}},
        "metadata": {"annotations": {REASON: "{}"}},
    });
    let patch = [
        "patch",
        "mysqlinstanceclaim",
        "db",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &status.to_string(),
    ];
    team.kubectl(&patch).ok();
    team.assert_unmoved(&before);
    assert_eq!(team.claim("db")["status"]["endpoint"], "db.example.org");
    let finalizers = |finalizers: Value| json!({"metadata": {"finalizers": finalizers}});
    team.call("PATCH", "db", Some(&finalizers(json!(["example.org/hold"]))))
        .ok();
    team.assert_unmoved(&before);
    team.call("PATCH", "db", Some(&finalizers(json!([])))).ok();
    team.assert_unmoved(&before);
}

fn fixed(platform: &Platform) {
    let team = platform.team("held-fixed");
    for (name, field, from, to) in [
        ("cell", "cell", "payments", "archive"),
        ("cell-back", "cell", "archive", "payments"),
        ("environment", "environment", "prod", "dev"),
        ("environment-back", "environment", "dev", "prod"),
    ] {
        let before = team.placed(name, json!({"ha": false, field: from}));
        let moved = claim(name, json!({"ha": false, field: to}));
        for user in [User::Developer, User::Operator, User::Crossplane] {
            let answer = team.by(user).call("PATCH", name, Some(&json!({"spec": moved["spec"]})));
            answer.forbidden(&[&format!("spec.parameters.{field}")]);
        }
        let refused = team.apply(&moved);
        refused.refused(&["Forbidden", "set it back, or make a new claim and move the data"]);
        team.assert_unmoved(&before);
    }
}

fn raised(platform: &Platform) {
    let team = platform.team("held-raised");
    let before = team.placed("db", json!({"ha": false}));
    for parameters in [
        json!({"ha": true}),
        json!({"ha": false}),
        json!({"tier": "C0"}),
        json!({"ha": true}),
    ] {
        team.change("db", parameters).ok();
        team.assert_unmoved(&before);
    }
    // Its place has no second zone.
    let archive = team.placed("archive", json!({"cell": "archive", "ha": false}));
    team.change("archive", json!({"ha": true}))
        .forbidden(&["MultiAZ", "oci-us-ashburn-1"]);
    team.change("archive", json!({"tier": "C0"}))
        .forbidden(&["MultiAZ", "oci-us-ashburn-1"]);
    team.change("archive", json!({"size": "large"})).ok();
    team.assert_unmoved(&archive);
}

fn lowered(platform: &Platform) {
    let team = platform.team("held-lowered");
    let before = team.placed("db", json!({"tier": "C0"}));
    for tier in ["C1", "C2"] {
        team.change("db", json!({"tier": tier}))
            .forbidden(&["spec.parameters.tier", "operators may lower it"]);
    }
    team.change("db", json!({"tier": "c0"})).ok();
    team.by(User::Operator).change("db", json!({"tier": "C2"})).ok();
    team.assert_unmoved(&before);
    team.change("db", json!({"tier": "C1"})).ok();
    team.assert_unmoved(&before);
}

fn older(platform: &Platform) {
    let team = platform.in_namespace(OLDER);
    let before = team.claim("plain");
    assert_eq!(before["spec"]["parameters"]["provider"], Value::Null, "{before:#}");
    for parameters in [
        json!({"provider": "aws"}),
        json!({"region": "us-east-1"}),
        json!({"network": {"vpcId": "vpc-1"}}),
    ] {
        team.change("plain", parameters)
            .forbidden(&["is not stored and cannot be added"]);
    }
    for (named, patch) in [
        (REASON, json!({"metadata": {"annotations": {REASON: "{}"}}})),
        (
            "spec.crossplane",
            json!({"spec": {"crossplane": {"compositionRef": {"name": "mysql-aws"}}}}),
        ),
        ("spec.crossplane", json!({"spec": {"crossplane": {}}})),
    ] {
        for user in [User::Developer, User::Operator] {
            team.by(user).call("PATCH", "plain", Some(&patch)).forbidden(&[named]);
        }
    }
    assert_eq!(
        placement(&team.claim("plain")),
        placement(&before),
        "wanted: still without a placement"
    );
    // What it asks for may change, and it stays unplaced.
    team.apply(&claim("plain", json!({"size": "large"}))).ok();
    team.send(&["replace"], &claim("plain", json!({"size": "large"}))).ok();
    team.change("plain", json!({"storageGB": 49}))
        .forbidden(&["spec.parameters.storageGB"]);
    team.kubectl(&["label", "mysqlinstanceclaim", "plain", "age=old"]).ok();
    assert_eq!(
        placement(&team.claim("plain")),
        placement(&before),
        "wanted: still without a placement"
    );
}
