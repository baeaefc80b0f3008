//! Names in the cloud, which come from the claim's uid, and tags, which say whose database it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Outcome, Pipeline, claim};
use crate::world::{CLOUDS, first, leaves};

pub const CASES: &[Case] = &[
    ("names_in_the_cloud_come_from_the_uid_alone", from_uid),
    ("names_in_the_cloud_are_ones_that_the_cloud_takes", taken),
    ("tags_say_whose_database_it_is", tags),
    ("tags_are_valid_whatever_the_claim_holds", valid),
];

const UID: &str = "0a4c2d10-5b7e-4f1d-8a35-9e6f7c8b1d02";

/// A claim of a name.
fn named(cloud: &str, name: &str, namespace: &str, uid: &str) -> Value {
    let mut claim = claim(cloud, "C1", "small", false, "prod");
    claim["metadata"]["name"] = json!(name);
    claim["metadata"]["namespace"] = json!(namespace);
    claim["metadata"]["uid"] = json!(uid);
    claim
}

/// Every name that something in a cloud, or its managed resource, gets.
fn names(outcome: &Outcome) -> BTreeMap<String, String> {
    let managed = outcome.resources.iter().filter(|(_, it)| it["kind"] != "Secret");
    let mut names = BTreeMap::new();
    for (resource, it) in managed {
        for path in [
            "/metadata/name",
            "/metadata/annotations/crossplane.io~1external-name",
            "/spec/writeConnectionSecretToRef/name",
            "/spec/forProvider/identifier",
            "/spec/forProvider/finalSnapshotIdentifier",
            "/spec/forProvider/instance",
            "/spec/forProvider/displayName",
            "/spec/forProvider/hostnameLabel",
        ] {
            if let Some(name) = it.pointer(path) {
                names.insert(format!("{resource}{path}"), name.as_str().unwrap().to_owned());
            }
        }
    }
    // These two are inside the instance, and the same in every one.
    for (inside, name) in [("database", "app"), ("user", "admin")] {
        let path = format!("{inside}/metadata/annotations/crossplane.io~1external-name");
        if let Some(seen) = names.remove(&path) {
            assert_eq!(seen, name, "{inside}");
        }
    }
    names
}

/// The names that each cloud has.
fn wanted(cloud: &str) -> BTreeSet<&'static str> {
    match cloud {
        "aws" => BTreeSet::from([
            "instance/metadata/name",
            "instance/spec/forProvider/finalSnapshotIdentifier",
            "instance/spec/forProvider/identifier",
            "instance/spec/writeConnectionSecretToRef/name",
        ]),
        "gcp" => BTreeSet::from([
            "database/metadata/name",
            "database/spec/forProvider/instance",
            "instance/metadata/annotations/crossplane.io~1external-name",
            "instance/metadata/name",
            "instance/spec/writeConnectionSecretToRef/name",
            "user/metadata/name",
            "user/spec/forProvider/instance",
        ]),
        _ => BTreeSet::from([
            "instance/metadata/name",
            "instance/spec/forProvider/displayName",
            "instance/spec/forProvider/hostnameLabel",
            "instance/spec/writeConnectionSecretToRef/name",
        ]),
    }
}

fn from_uid(pipeline: &Pipeline) {
    let claims = [
        ("c", "a-b", "11111111-5b7e-4f1d-8a35-9e6f7c8b1d02"),
        ("b-c", "a", "22222222-5b7e-4f1d-8a35-9e6f7c8b1d02"),
        // The namespace was deleted and made again.
        ("c", "a-b", "33333333-5b7e-4f1d-8a35-9e6f7c8b1d02"),
        // They differ in the last letter only.
        ("c", "a-b", "33333333-5b7e-4f1d-8a35-9e6f7c8b1d03"),
    ];
    for cloud in CLOUDS {
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (name, namespace, uid) in claims {
            let names = names(&first(pipeline, cloud, &named(cloud, name, namespace, uid)).composed());
            assert_eq!(
                names.keys().map(String::as_str).collect::<BTreeSet<_>>(),
                wanted(cloud),
                "{cloud}"
            );
            for (path, name) in &names {
                assert!(name.contains(uid), "{cloud}: {path} is {name}, which is not of {uid}");
                let other = *seen.entry(name.clone()).or_insert(uid);
                assert_eq!(other, uid, "{cloud}: {path} is {name} for two claims");
            }
        }
        let [one, other] = [("c", "a-b"), ("orders.db", "elsewhere")].map(|(name, namespace)| {
            let outcome = first(pipeline, cloud, &named(cloud, name, namespace, UID)).composed();
            let database = outcome.resources["instance"].clone();
            (names(&outcome), database, name, namespace)
        });
        assert_eq!(one.0, other.0, "{cloud}: names of two claims of one uid");
        // Nothing but the tags, and where the password is, knows of the claim's own name.
        let [seen, wanted] = [&one, &other].map(|(_, database, ..)| leaves(database));
        for (path, value) in seen {
            let free = path.contains("/tags/")
                || path.contains("/userLabels/")
                || path.contains("/freeformTags/")
                || path.contains("asswordSecretRef");
            assert!(
                free || wanted[&path] == value,
                "{cloud}: {path} is {value} and {}",
                wanted[&path]
            );
        }
    }
}

fn taken(pipeline: &Pipeline) {
    let name = ["n"; 63].concat();
    for cloud in CLOUDS {
        let outcome = first(pipeline, cloud, &named(cloud, &name, &name, UID)).composed();
        for (path, name) in names(&outcome) {
            let most = match cloud {
                // With the project's id, which has 30 characters at most, and a colon: 98.
                "gcp" => 98 - 30 - 1,
                _ => 63,
            };
            assert!(
                name.len() <= most
                    && name.starts_with(|first: char| first.is_ascii_lowercase())
                    && name.ends_with(|last: char| last.is_ascii_alphanumeric())
                    && name
                        .chars()
                        .all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || it == '-')
                    && !name.contains("--"),
                "{cloud}: {path} is {name}"
            );
        }
        for (resource, it) in &outcome.resources {
            let name = it["metadata"]["name"].as_str().unwrap();
            assert!(name.len() <= 253, "{cloud}: {resource} is called {name}");
        }
    }
}

/// What is written on the cloud's database.
fn written<'a>(cloud: &str, outcome: &'a Outcome) -> &'a Value {
    let database = &outcome.resources["instance"]["spec"]["forProvider"];
    match cloud {
        "aws" => &database["tags"],
        "gcp" => &database["settings"]["userLabels"],
        _ => &database["freeformTags"],
    }
}

fn tags(pipeline: &Pipeline) {
    for (cloud, cluster) in [
        ("aws", "aws-use1-prod"),
        ("gcp", "gcp-usc1-prod"),
        ("oci", "oci-iad-prod"),
    ] {
        let outcome = first(pipeline, cloud, &claim(cloud, "C1", "small", false, "prod")).composed();
        let wanted = json!({
            "cell": "payments", "tier": "c1", "environment": "prod", "runtime-cluster": cluster, "namespace": "shop",
            "claim": "orders-db", "claim-uid": "3f0c9a52-7d1b-4e62-9a57-c1d20b8e6f04",
        });
        assert_eq!(written(cloud, &outcome), &wanted, "{cloud}");
    }
}

fn valid(pipeline: &Pipeline) {
    let long = ["N0.x"; 16].concat()[..63].to_owned();
    let words = [
        "",
        "plain",
        "with.dots",
        "CAPITALS_and-Dashes",
        "two words",
        "a/b:c=d+e@f",
        "Zürich",
        "東京",
        "ÅÄÖ",
        "\u{202e}x",
        "tab\tline\n",
        "<&>",
        "'\"",
        "{{ . }}",
        "$(x)",
        "🦀",
        &long,
    ];
    for cloud in CLOUDS {
        for word in words {
            let mut claim = named(cloud, "orders.db.v2", "shop", UID);
            for field in ["cell", "environment", "runtimeCluster"] {
                claim["spec"]["parameters"][field] = json!(word);
            }
            let outcome = first(pipeline, cloud, &claim).composed();
            let tags = written(cloud, &outcome).as_object().unwrap();
            assert_eq!(tags.len(), 7, "{cloud}, {word:?}: {tags:?}");
            for (key, value) in tags {
                let value = value.as_str().unwrap_or_else(|| panic!("{cloud}: {key} is {value}"));
                let length = value.chars().count();
                let (fits, letters): (bool, fn(char) -> bool) = match cloud {
                    "aws" => (length <= 256, |it| {
                        it.is_ascii_alphanumeric() || " _.:/=+-@".contains(it)
                    }),
                    "gcp" => (length <= 63 && key.len() <= 63, |it| {
                        it.is_ascii_lowercase() || it.is_ascii_digit() || "_-".contains(it)
                    }),
                    _ => (length <= 256, |_| true),
                };
                assert!(
                    fits && value.chars().all(letters),
                    "{cloud}, {word:?}: {key} is {value:?}"
                );
                let spelled = key.chars().all(|it| it.is_ascii_lowercase() || it == '-');
                assert!(spelled, "{cloud}: a tag is called {key}");
            }
            // Oracle takes any text, of which YAML could not hold all. What can be written as it is, is.
            let readable = |it: char| if it == ' ' || it.is_ascii_graphic() { it } else { '_' };
            let wanted: String = word.to_lowercase().chars().map(readable).collect();
            if word == "plain" || cloud == "oci" {
                for key in ["cell", "environment", "runtime-cluster"] {
                    assert_eq!(tags[key], wanted, "{cloud}: {key}");
                }
            }
        }
    }
}
