//! The kinds of the catalog as the API server knows them.

use std::fs;

use idp_multicloud::yaml;
use serde_json::{Value, json};

use super::admission::{apply, cell, delete, object};
use crate::Case;
use crate::support::cluster::apiserver::{User, run};
use crate::support::cluster::platform::Platform;
use crate::support::server::binary;

pub const CASES: &[Case] = &[
    (
        "every_field_of_every_kind_survives_the_way_through_the_api_server",
        survive,
    ),
    ("each_field_is_explained", explained),
    ("columns_tell_at_a_glance", columns),
    ("short_names_and_the_category_reach_them", named),
];

pub const ALONE: &[Case] = &[("what_has_a_wrong_type_is_refused_by_the_api_server", typed)];

/// Every field of every kind. Cell and policy are about a cell of their own.
const EVERY_FIELD: &str = r#"
apiVersion: platform.example.org/v1alpha1
kind: CloudProvider
metadata: {name: metal}
spec:
  networkKeys: [rack]
  regions:
  - {name: hall-1, cordoned: {reason: "full: no more racks"}}
  - {name: hall-2}
  cordoned: {reason: "moving house"}
---
apiVersion: platform.example.org/v1alpha1
kind: Tier
metadata: {name: lab}
spec: {rtoMinutes: 0, rpoMinutes: 525600, requires: [PITR], weights: {latency: 0.3333, dr: 0.6667}}
---
apiVersion: platform.example.org/v1alpha1
kind: Cell
metadata: {name: everything}
spec:
  environments: [lab]
  candidates:
  - name: metal-1
    provider: metal
    region: hall-1
    runtimeCluster: metal-1
    network: {rack: "7", extra: "yes"}
    capabilities: [PITR, MultiAZ, PrivateNetworking]
    scores: {latency: 0.9, dr: 1, maturity: 0.1234, cost: 0}
    cordoned: {reason: "being built"}
---
apiVersion: platform.example.org/v1alpha1
kind: PlacementPolicy
metadata: {name: everything}
spec:
  mode: Audit
  match: {cells: [everything], tiers: [LAB], environments: [lab], namespaces: [nobody]}
  params: {text: a, number: 5, fraction: 0.5, flag: true, list: [b, c]}
  validations:
  - {expression: "claim.storageGB > params.number && params.flag", message: "too small"}
  - {expression: "candidate.name in params.list || candidate.region != params.text", messageExpression: "candidate.name + params.text"}
"#;

fn catalog(args: &[&str]) -> std::process::Command {
    let mut command = binary();
    command.arg("catalog").args(args);
    command
}

/// Whole numbers are the same with and without a fraction.
fn exactly(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(values) => values.iter().map(exactly).collect(),
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| (key.clone(), exactly(value)))
            .collect(),
        other => other.clone(),
    }
}

fn survive(platform: &Platform) {
    let ours = yaml::documents(EVERY_FIELD).unwrap();
    let own =
        |object: &Value| [&object["kind"], &object["metadata"]["name"]].map(|word| word.as_str().unwrap().to_owned());
    let mut read = Vec::new();
    for way in [&["apply"][..], &["apply", "--server-side"], &["create"]] {
        for object in &ours {
            let args = [way, &["--validate=strict", "--filename", "-"]].concat();
            platform.api.kubectl(User::Admin, &args, &object.to_string()).ok();
        }
        read.clear();
        for object in &ours {
            let [kind, name] = own(object);
            let get = ["get", &kind, &name, "--output", "json"];
            let stored: Value = serde_json::from_str(&platform.api.kubectl(User::Admin, &get, "").ok()).unwrap();
            assert_eq!(
                exactly(&stored["spec"]),
                exactly(&object["spec"]),
                "{way:?} {kind} {name}"
            );
            read.push(stored);
        }
        for object in ours.iter().rev() {
            let [kind, name] = own(object);
            platform.api.kubectl(User::Admin, &["delete", &kind, &name], "").ok();
        }
    }
    // What is read back is the same catalog as what was written.
    let builtin = run(catalog(&["show", "--output", "yaml"]), "").ok();
    let revision = |name: &str, text: String| {
        let folder = platform.api.folder(name);
        fs::write(folder.join("ours.yaml"), text).unwrap();
        fs::write(folder.join("builtin.yaml"), &builtin).unwrap();
        let checked = run(catalog(&["check", "--output", "json", folder.to_str().unwrap()]), "").ok();
        serde_json::from_str::<Value>(&checked).unwrap()["revision"].clone()
    };
    let again: Vec<String> = read.iter().map(Value::to_string).collect();
    assert_eq!(
        revision("read-back", again.join("\n---\n")),
        revision("written", EVERY_FIELD.to_owned())
    );
}

fn explained(platform: &Platform) {
    let explain = |path: &str| platform.api.kubectl(User::Admin, &["explain", path], "").ok();
    assert_eq!(
        explain("cell.spec.candidates.scores").trim_end(),
        "GROUP:      platform.example.org
KIND:       Cell
VERSION:    v1alpha1

FIELD: scores <map[string]number>


DESCRIPTION:
    How good this place is in each dimension, from 0 (worst) to 1 (best) with at
    most four decimals: at least the dimensions that some tier weighs, for
    example latency, dr, maturity and cost. Higher is better in each, so a cheap
    place has a high cost score."
    );
    let validations = explain("placementpolicy.spec.validations");
    for part in [
        "FIELD: validations <[]Object>",
        "Required, at least one and at most 8. The conditions.",
        "expression\t<string>",
    ] {
        assert!(validations.contains(part), "wanted: {part}; saw: {validations}");
    }
    for kind in ["cell", "tier", "cloudprovider", "placementpolicy"] {
        let all = platform
            .api
            .kubectl(User::Admin, &["explain", kind, "--recursive"], "")
            .ok();
        assert!(all.contains("spec\t<Object>"), "{all}");
    }
}

fn columns(platform: &Platform) {
    apply(platform, &cell("columns", "no-cloud")).ok();
    let status = json!({"status": {"candidates": 3, "open": 2, "conditions": [{"type": "Accepted", "status": "True", "message": "fine"}]}});
    let patch = [
        "patch",
        "cell",
        "columns",
        "--subresource=status",
        "--type=merge",
        "--patch",
        &status.to_string(),
    ];
    platform.api.kubectl(User::Admin, &patch, "").ok();
    let get = |args: &[&str]| platform.api.kubectl(User::Admin, &[&["get"], args].concat(), "").ok();
    let words = |text: &str, line: usize| {
        text.lines()
            .nth(line)
            .unwrap()
            .split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let cells = get(&["cell", "columns"]);
    assert_eq!(words(&cells, 0), ["NAME", "CANDIDATES", "OPEN", "ACCEPTED", "AGE"]);
    assert_eq!(words(&cells, 1)[..4], ["columns", "3", "2", "True"]);
    assert_eq!(words(&get(&["cell", "columns", "--output", "wide"]), 1)[5..], ["fine"]);
    assert_eq!(
        words(&get(&["tier", "c1"]), 0),
        ["NAME", "RTO", "RPO", "ACCEPTED", "AGE"]
    );
    assert_eq!(words(&get(&["tier", "c1"]), 1)[..3], ["c1", "120", "15"]);
    assert_eq!(
        words(&get(&["cloudprovider", "aws"]), 0),
        ["NAME", "CLOSED", "ACCEPTED", "AGE"]
    );
    let condition = json!([{"expression": "claim.ha", "message": "m"}]);
    let spec = json!({"mode": "Audit", "match": {"namespaces": ["columns"]}, "validations": condition});
    apply(platform, &object("PlacementPolicy", "columns", spec)).ok();
    let policies = get(&["placementpolicy", "columns"]);
    assert_eq!(words(&policies, 0), ["NAME", "MODE", "ACCEPTED", "AGE"]);
    assert_eq!(words(&policies, 1)[..2], ["columns", "Audit"]);
    for kind in ["cell", "placementpolicy"] {
        delete(platform, kind, "columns");
    }
}

fn named(platform: &Platform) {
    let get = |what: &str| {
        platform
            .api
            .kubectl(User::Admin, &["get", what, "--output", "name"], "")
            .ok()
    };
    for (short, has) in [
        ("ce", "cell.platform.example.org/payments"),
        ("ti", "tier.platform.example.org/c1"),
        ("clp", "cloudprovider.platform.example.org/aws"),
        ("platform", "cell.platform.example.org/payments"),
        ("platform", "tier.platform.example.org/c0"),
        ("platform", "cloudprovider.platform.example.org/oci"),
    ] {
        let names = get(short);
        assert!(
            names.lines().any(|line| line == has),
            "wanted: {has} for {short}; saw: {names}"
        );
    }
    let resources = [
        "api-resources",
        "--api-group=platform.example.org",
        "--categories=platform",
        "--no-headers",
    ];
    let resources = platform.api.kubectl(User::Admin, &resources, "").ok();
    let words = resources
        .lines()
        .map(|line| line.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    assert_eq!(
        words.collect::<Vec<_>>(),
        ["cells ce", "cloudproviders clp", "placementpolicies plp", "tiers ti"]
    );
}

fn typed(platform: &Platform) {
    let apply = |object: &Value| {
        platform
            .api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &object.to_string())
    };
    let spec = json!({"rtoMinutes": "soon", "requires": "PITR"});
    apply(&object("Tier", "typed", spec)).refused(&["spec.rtoMinutes", "spec.requires"]);
    // Were one of these stored while no server is asked, nobody could read it, nor anything beside it.
    let mut deep = json!("deep");
    for _ in 0..200 {
        deep = json!([deep]);
    }
    let nobody_asked = platform.stop_serving();
    for param in [deep, json!([["nested"]]), json!({"nested": 1}), json!([1])] {
        let spec = json!({"params": {"p": param}, "validations": [{"expression": "true", "message": "m"}]});
        apply(&object("PlacementPolicy", "typed", spec)).refused(&["spec.params.p"]);
    }
    drop(nobody_asked);
}
