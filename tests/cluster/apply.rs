//! New claims, as app teams make them: placed, previewed, refused.

use std::fs;

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{REASON, assert_placed, claim};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    ("a_bare_claim_comes_back_placed_whichever_way_it_is_made", made),
    ("a_dry_run_shows_the_placement_and_nothing_stays", dry_run),
    ("each_tier_goes_where_the_catalog_says", tiers),
    ("each_field_of_the_placement_is_refused_by_its_name", forbidden),
    ("a_field_beside_the_parameters_is_unknown_to_the_api_server", beside),
    ("every_problem_is_named_at_once", several),
    ("a_claim_that_fits_nowhere_says_why_for_each_candidate", unschedulable),
    ("a_name_that_is_too_long_or_another_version_makes_no_claim", names),
    ("the_audit_log_tells_each_decision", audited),
    ("a_folder_with_a_kustomization_is_placed_and_applied_again", kustomized),
];

fn made(platform: &Platform) {
    let team = platform.team("apply-made");
    for (name, args) in [
        ("client", &["apply"][..]),
        ("server", &["apply", "--server-side"]),
        ("create", &["create"]),
    ] {
        team.send(args, &claim(name, json!({}))).ok();
        let stored = team.claim(name);
        assert_placed(&stored);
        assert_eq!(stored["spec"]["parameters"]["provider"], "aws");
    }
    let mut unnamed = claim("", json!({}));
    unnamed["metadata"] = json!({"generateName": "orders-"});
    let said = team.send(&["create", "--output", "name"], &unnamed).ok();
    let name = said.trim().rsplit('/').next().unwrap();
    assert!(name.starts_with("orders-") && name.len() > "orders-".len(), "{said}");
    assert_placed(&team.claim(name));
}

fn dry_run(platform: &Platform) {
    let team = platform.team("apply-dry-run");
    for args in [&["apply"][..], &["apply", "--server-side"], &["create"]] {
        let args = [args, &["--dry-run=server", "--output=json"]].concat();
        let said = team.send(&args, &claim("db", json!({}))).ok();
        assert_placed(&serde_json::from_str(&said).unwrap());
        assert_eq!(team.stored("db"), None, "wanted: nothing stored after {args:?}");
    }
}

fn tiers(platform: &Platform) {
    let team = platform.team("apply-tiers");
    for (tier, ha, provider) in [
        ("C0", true, "aws"),
        ("C0", false, "aws"),
        ("C1", true, "aws"),
        ("C1", false, "aws"),
        ("C2", true, "gcp"),
        ("C2", false, "oci"),
        ("c2", false, "oci"),
    ] {
        let name = format!("{}-{ha}-{provider}", tier.to_lowercase());
        let stored = team.made(&claim(&name, json!({"tier": tier, "ha": ha})), "?dryRun=All");
        assert_placed(&stored);
        assert_eq!(
            stored["spec"]["parameters"]["provider"], provider,
            "tier {tier}, ha {ha}"
        );
        assert_eq!(stored["spec"]["parameters"]["tier"], tier, "as it was written");
    }
}

fn forbidden(platform: &Platform) {
    let team = platform.team("apply-forbidden");
    for (field, value) in [
        ("provider", json!("aws")),
        ("region", json!("us-east-1")),
        ("runtimeCluster", json!("aws-use1-prod")),
        ("network", json!({"vpcId": "vpc-1"})),
        ("network", json!({})),
        ("provider", json!("")),
    ] {
        let refused = team.apply(&claim("db", json!({field: value})));
        refused.refused(&["Forbidden", &format!("spec.parameters.{field}"), "remove it"]);
    }
    let reason = claim_with("/metadata/annotations", json!({REASON: "{}"}));
    team.apply(&reason).refused(&["Forbidden", REASON]);
    for field in [
        json!({"compositionSelector": {"matchLabels": {"db.platform.example.org/provider": "aws"}}}),
        json!({"compositionRef": {"name": "aws"}}),
        json!({"compositionRevisionRef": {"name": "aws-1"}}),
        json!({"compositionUpdatePolicy": "Automatic"}),
        json!({"resourceRefs": [{"apiVersion": "v1", "kind": "Secret", "name": "theirs"}]}),
    ] {
        let name = field.as_object().unwrap().keys().next().unwrap().clone();
        team.apply(&claim_with("/spec/crossplane", field))
            .refused(&["Forbidden", &format!("spec.crossplane.{name}")]);
    }
    assert_eq!(team.stored("db"), None);
    // What is the default may be said.
    team.apply(&claim_with(
        "/spec/crossplane",
        json!({"compositionUpdatePolicy": "Manual"}),
    ))
    .ok();
    assert_placed(&team.claim("db"));
}

/// The bare claim `db` with one more mapping in it.
fn claim_with(pointer: &str, value: Value) -> Value {
    let mut claim = claim("db", json!({}));
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    claim.pointer_mut(parent).unwrap()[key] = value;
    claim
}

/// The API server drops what the schema doesn't know before it asks us, and kubectl doesn't even send it.
fn beside(platform: &Platform) {
    let team = platform.team("apply-beside");
    let beside = claim_with("/spec/provider", json!("gcp"));
    team.apply(&beside).refused(&["unknown field \"spec.provider\""]);
    assert_eq!(team.stored("db"), None);
    team.send(&["apply", "--validate=false"], &beside).ok();
    let stored = team.claim("db");
    assert_placed(&stored);
    assert_eq!(
        (&stored["spec"]["provider"], &stored["spec"]["parameters"]["provider"]),
        (&Value::Null, &json!("aws"))
    );
}

fn several(platform: &Platform) {
    let team = platform.team("apply-several");
    let wrong = claim(
        "db",
        json!({"cell": "paymnts", "storageGB": "50", "provider": "aws", "size": "huge", "tier": null}),
    );
    let answer = team.call("POST", "", Some(&wrong));
    answer.forbidden(&[
        "spec.parameters.provider: is written by the platform alone; remove it",
        "there is no cell \"paymnts\"; use one of: archive, payments",
        "spec.parameters.storageGB: is the string \"50\"",
        "spec.parameters.size",
        "spec.parameters.tier",
    ]);
    let causes = team.call("POST", "", Some(&wrong)).body["details"]["causes"].take();
    let fields: Vec<_> = causes
        .as_array()
        .unwrap()
        .iter()
        .map(|cause| (&cause["reason"], &cause["field"]))
        .collect();
    for wanted in [
        (&json!("PlacementForbidden"), &json!("spec.parameters.provider")),
        (&json!("FieldUnknown"), &json!("spec.parameters.cell")),
        (&json!("FieldType"), &json!("spec.parameters.storageGB")),
        (&json!("FieldInvalid"), &json!("spec.parameters.size")),
        (&json!("FieldMissing"), &json!("spec.parameters.tier")),
    ] {
        assert!(fields.contains(&wanted), "wanted: {wanted:?}; saw: {fields:?}");
    }
    let said = team.send(&["apply", "--validate=false"], &wrong);
    said.refused(&["Forbidden", "5 problems, nothing was changed", "remove it", "paymnts"]);
    assert_eq!(team.stored("db"), None);
}

fn unschedulable(platform: &Platform) {
    let team = platform.team("apply-unschedulable");
    let wide = claim("db", json!({"cell": "archive"}));
    team.apply(&wide).refused(&[
        "Forbidden",
        "0/1 candidate fits: 1 lacks MultiAZ",
        "oci-us-ashburn-1: lacks MultiAZ",
    ]);
    assert_eq!(team.stored("db"), None);
    let causes = team.call("POST", "", Some(&wide)).body["details"]["causes"].take();
    assert_eq!(causes[0]["reason"], "Unschedulable");
    assert_eq!(
        team.placed("db", json!({"cell": "archive", "ha": false}))["spec"]["parameters"]["runtimeCluster"],
        "oci-iad-archive"
    );
}

fn names(platform: &Platform) {
    let team = platform.team("apply-names");
    let long = "a".repeat(64);
    team.call("POST", "", Some(&claim(&long, json!({}))))
        .forbidden(&["metadata.name", "63"]);
    team.placed(&long[..63], json!({}));
    let mut newer = claim("newer", json!({}));
    newer["apiVersion"] = "db.platform.example.org/v2".into();
    let path = "/apis/db.platform.example.org/v2/namespaces/apply-names/mysqlinstanceclaims";
    let answer = platform.api.call(User::Developer, "POST", path, Some(&newer));
    assert_eq!(answer.code, 404, "wanted: no such version; saw: {:#}", answer.body);
}

fn audited(platform: &Platform) {
    let team = platform.team("apply-audited");
    let made = team.made(&claim("db", json!({})), "");
    team.call("POST", "", Some(&claim("wrong", json!({"provider": "aws"}))))
        .forbidden(&[]);
    let [placed, refused] = team.audited().try_into().unwrap();
    let annotation = |name: &str| placed["annotations"][format!("create.mysqlinstanceclaims.{name}")].as_str();
    assert_eq!(annotation("platform.example.org/outcome"), Some("placed"), "{placed:#}");
    assert_eq!(
        annotation("platform.example.org/winner"),
        Some("aws-us-east-1"),
        "{placed:#}"
    );
    // One digest joins what the claim, the API server's audit log and our own log say of the decision.
    let digest = annotation("platform.example.org/digest").unwrap();
    let reason: Value = serde_json::from_str(made["metadata"]["annotations"][REASON].as_str().unwrap()).unwrap();
    assert_eq!(reason["digest"], digest);
    let told = ["outcome=\"placed\"", "namespace=\"apply-audited\"", digest];
    eventually("the decision is logged with its digest", || {
        platform.servers.iter().any(|server| server.log(&told).len() == 1)
    });
    let message = refused["responseStatus"]["message"].as_str().unwrap();
    assert!(message.contains("spec.parameters.provider"), "{refused:#}");
}

fn kustomized(platform: &Platform) {
    let team = platform.team("apply-kustomized");
    let dir = tempfile::tempdir().unwrap();
    let kustomization = "resources: [claim.yaml]\nnamePrefix: shop-\nlabels: [{pairs: {team: shop}}]\n";
    fs::write(dir.path().join("kustomization.yaml"), kustomization).unwrap();
    fs::write(dir.path().join("claim.yaml"), claim("db", json!({})).to_string()).unwrap();
    let folder = dir.path().display().to_string();
    team.kubectl(&["apply", "-k", &folder]).ok();
    let stored = team.claim("shop-db");
    assert_placed(&stored);
    assert_eq!(stored["metadata"]["labels"]["team"], "shop");
    assert!(team.kubectl(&["apply", "-k", &folder]).ok().contains("unchanged"));
    let prune = [
        "apply",
        "-k",
        &folder,
        "--prune",
        "--selector=team=shop",
        "--prune-allowlist=db.platform.example.org/v1alpha1/MySQLInstanceClaim",
    ];
    assert!(team.kubectl(&prune).ok().contains("unchanged"));
    team.assert_unmoved(&stored);
    assert_eq!(
        team.kubectl(&["diff", "-k", &folder]).ok(),
        "",
        "a kustomization shows no drift"
    );
}
