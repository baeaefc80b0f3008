//! What the compositions render, against the schemas of the clouds' own providers; and our own files, against those of
//! Crossplane. Nothing here is stored, and Crossplane has no part in it.

use serde_json::{Value, json};

use crate::Case;
use crate::cloud::{Cloud, shipped};
use crate::support::cluster::apiserver::{Ran, User, await_answer};
use crate::support::cluster::team::{Team, claim};
use crate::support::pipeline::{self, Outcome, observed};

pub const CASES: &[Case] = &[
    (
        "every_claim_becomes_what_the_schema_of_its_provider_accepts",
        every_claim,
    ),
    (
        "a_bare_claim_of_any_tier_is_placed_and_becomes_what_its_cloud_accepts",
        from_claim_to_resources,
    ),
    ("what_the_schema_does_not_know_or_allow_is_refused", refused),
    ("what_we_ship_is_what_crossplane_accepts", ours),
    (
        "the_provider_configs_of_the_manual_are_what_the_providers_accept",
        manual,
    ),
];

const CLOUDS: [&str; 3] = ["aws", "gcp", "oci"];
const TIERS: [&str; 3] = ["C0", "C1", "C2"];

fn every_claim(cloud: &Cloud) {
    let pipeline = cloud.pipeline();
    let team = cloud.platform.team("accepted");
    let compositions = pipeline::shipped();
    let mut rendered = Vec::new();
    for provider in CLOUDS {
        for tier in TIERS {
            for size in ["small", "medium", "large", "xlarge"] {
                for (ha, environment) in [(false, "dev"), (true, "dev"), (false, "prod"), (true, "prod")] {
                    let claim = pipeline::claim(provider, tier, size, ha, environment);
                    let outcome = pipeline.run(&compositions[provider], &observed(&claim, &[]), &[]);
                    rendered.extend(resources(outcome));
                }
            }
        }
    }
    // 48 claims a cloud: the database and the admin Secret, and on GCP the schema and the user.
    assert_eq!(
        rendered.len(),
        48 * (2 + 4 + 2),
        "wanted: every resource of every claim"
    );
    tried(&team, rendered).ok();
}

/// A cell with one candidate in a cloud, which can do everything: the other clouds are closed.
fn only(provider: &str) -> Value {
    let claim = pipeline::claim(provider, "C0", "small", false, "prod");
    let place = &claim["spec"]["parameters"];
    json!({
        "apiVersion": "platform.example.org/v1alpha1", "kind": "Cell", "metadata": {"name": format!("only-{provider}")},
        "spec": {"candidates": [{
            "name": provider, "provider": provider, "region": place["region"],
            "runtimeCluster": place["runtimeCluster"], "network": place["network"],
            "capabilities": ["PITR", "MultiAZ", "PrivateNetworking"],
            "scores": {"latency": 0.5, "dr": 0.5, "maturity": 0.5, "cost": 0.5},
        }]},
    })
}

fn from_claim_to_resources(cloud: &Cloud) {
    let pipeline = cloud.pipeline();
    let team = cloud.platform.team("claim-to-resources");
    let cells = CLOUDS.map(|provider| only(provider).to_string()).join("\n---\n");
    std::fs::write(cloud.platform.catalog().join("only.yaml"), cells).unwrap();
    let compositions = pipeline::shipped();
    for provider in CLOUDS {
        for tier in TIERS {
            let bare = claim("orders", json!({"cell": format!("only-{provider}"), "tier": tier}));
            // The servers take the new cells up in a moment, one after the other.
            await_answer(
                "the cell is in the catalog",
                || team.call("POST", "?dryRun=All", Some(&bare)),
                |answer| answer.code == 201,
            );
            let placed = team.made(&bare, "?dryRun=All");
            assert_eq!(placed["spec"]["parameters"]["provider"], provider, "{placed:#}");
            let wanted = &placed["spec"]["crossplane"]["compositionSelector"]["matchLabels"];
            let labels = |composition: &Value| composition["metadata"]["labels"].clone();
            let mut chosen = compositions
                .values()
                .filter(|composition| labels(composition) == *wanted);
            let (Some(composition), None) = (chosen.next(), chosen.next()) else {
                panic!("wanted: one composition with the labels {wanted}; saw: none, or more");
            };
            let outcome = pipeline.run(composition, &observed(&placed, &[]), &[]);
            tried(&team, resources(outcome)).ok();
        }
    }
}

fn refused(cloud: &Cloud) {
    let pipeline = cloud.pipeline();
    let team = cloud.platform.team("not-accepted");
    for provider in CLOUDS {
        let claim = pipeline::claim(provider, "C0", "small", true, "prod");
        let outcome = pipeline.run(&pipeline::shipped()[provider], &observed(&claim, &[]), &[]);
        let spoil = |spoiled: &dyn Fn(&mut Value)| {
            let mut instance = outcome.resources["instance"].clone();
            spoiled(&mut instance["spec"]);
            tried(&team, vec![instance])
        };
        spoil(&|_| {}).ok();
        spoil(&|spec| spec["forProvider"]["nosuchfield"] = json!(true)).refused(&["nosuchfield"]);
        spoil(&|spec| spec["managementPolicies"] = json!(["Forget"])).refused(&["managementPolicies"]);
        // The rule that the provider's schema has for a field that is required unless it only observes.
        let required = match provider {
            "aws" => "instanceClass",
            "gcp" => "databaseVersion",
            _ => "shapeName",
        };
        spoil(&|spec| {
            spec["forProvider"].as_object_mut().unwrap().remove(required);
        })
        .refused(&[required, "required"]);
    }
}

fn ours(cloud: &Cloud) {
    let names = [
        "mysqlinstanceclaim-xrd.yaml",
        "composition-aws.yaml",
        "composition-gcp.yaml",
        "composition-oci.yaml",
        "functions.yaml",
        "activation-policy.yaml",
        "rbac.yaml",
    ];
    for name in names {
        let text = shipped(name);
        cloud.platform.api.kubectl(User::Admin, STRICT, &text).ok();
        let invented = text.replacen("\nspec:\n", "\nspec:\n  nosuchfield: true\n", 1);
        if invented != text {
            cloud
                .platform
                .api
                .kubectl(User::Admin, STRICT, &invented)
                .refused(&["nosuchfield"]);
        }
    }
}

fn manual(cloud: &Cloud) {
    let text = shipped("README.md");
    let examples = text
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let examples: Vec<_> = examples
        .filter(|example| example.contains("kind: ClusterProviderConfig"))
        .collect();
    assert_eq!(examples.len(), 1, "wanted: one example with all of them");
    let lines: Vec<_> = examples[0].lines().map(str::trim_start).collect();
    let written = lines.join("\n");
    assert_eq!(
        written.matches("kind: ClusterProviderConfig").count(),
        CLOUDS.len(),
        "{written}"
    );
    cloud.platform.api.kubectl(User::Admin, STRICT, &written).ok();
    // And their names are those that the compositions give.
    for (provider, name) in [("aws", "aws"), ("gcp", "gcp"), ("oci", "oci-us-ashburn-1")] {
        let claim = pipeline::claim(provider, "C1", "small", false, "prod");
        let outcome = cloud
            .pipeline()
            .run(&pipeline::shipped()[provider], &observed(&claim, &[]), &[])
            .composed();
        let asked = &outcome.resources["instance"]["spec"]["providerConfigRef"];
        assert_eq!(
            asked,
            &json!({"kind": "ClusterProviderConfig", "name": name}),
            "{provider}"
        );
        assert!(
            written.contains(&format!("metadata: {{name: {name}}}")),
            "no {name} in {written}"
        );
    }
}

/// What a composition has made, ready to be sent.
fn resources(outcome: Outcome) -> Vec<Value> {
    outcome.composed().resources.into_values().collect()
}

const STRICT: &[&str] = &[
    "apply",
    "--server-side",
    "--force-conflicts",
    "--dry-run=server",
    "--validate=strict",
    "--filename",
    "-",
];

/// Sends resources into a team's namespace as the cluster's administrator; nothing is stored.
fn tried(team: &Team<'_>, items: Vec<Value>) -> Ran {
    let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
    team.by(User::Admin).kubectl_with(STRICT, &list.to_string())
}
