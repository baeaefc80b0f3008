//! What is shipped, against what Crossplane makes of it and what is tried here.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::Case;
use crate::cloud::{Cloud, condition};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform::install_kinds;

pub const CASES: &[Case] = &[
    (
        "nothing_of_a_claim_is_pruned_when_one_crd_takes_the_place_of_the_other",
        same,
    ),
    (
        "short_names_of_the_catalog_reach_ours_beside_all_the_others",
        short_names,
    ),
    ("the_shipped_functions_are_installed_and_nobody_fetches_them", functions),
];

/// What Crossplane adds to every schema. Each object has the first two.
const THEIRS: [&str; 3] = ["/properties/apiVersion/type", "/properties/kind/type", "/required"];

fn same(cloud: &Cloud) {
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/mysqlinstanceclaims.db.platform.example.org";
    let made = cloud
        .get(path)
        .expect("wanted: the CRD that Crossplane makes; saw: none");
    let ours = serde_json::to_value(idp_multicloud::claim::schema::crd()).unwrap();
    let (made, ours) = (facts(&made), facts(&ours));
    let differ: Vec<_> = made
        .keys()
        .chain(ours.keys())
        .filter(|fact| !THEIRS.contains(&fact.as_str()))
        .filter(|fact| made.get(*fact) != ours.get(*fact))
        .map(|fact| {
            format!(
                "{fact}: {:?} of Crossplane's, {:?} of ours",
                made.get(fact),
                ours.get(fact)
            )
        })
        .collect();
    assert!(differ.is_empty(), "wanted: the same; saw: {differ:#?}");
}

fn short_names(cloud: &Cloud) {
    let api = &cloud.platform.api;
    install_kinds(api);
    for (short, resource) in [
        ("ce", "cells"),
        ("clp", "cloudproviders"),
        ("plp", "placementpolicies"),
        ("ti", "tiers"),
        ("mic", "mysqlinstanceclaims.db"),
    ] {
        let found = api.kubectl(User::Admin, &["get", short, "--all-namespaces", "--v=6"], "");
        let asked = format!(
            "/apis/{}platform.example.org/v1alpha1/",
            if resource.contains('.') { "db." } else { "" }
        );
        let plural = resource.split('.').next().unwrap();
        assert!(
            found.stderr.contains(&asked) && found.stderr.contains(&format!("/{plural}?")),
            "wanted: {short} is {resource}; saw: {found}"
        );
    }
}

fn functions(cloud: &Cloud) {
    let installed = cloud.get("/apis/pkg.crossplane.io/v1/functions").unwrap();
    let installed = installed["items"].as_array().unwrap();
    assert!(
        !installed.is_empty(),
        "wanted: the functions of functions.yaml; saw: none"
    );
    for function in installed {
        // Nobody has tried to fetch it.
        let synced = condition(function, "Synced").unwrap_or(&Value::Null);
        assert_eq!(synced["reason"], "ReconcilePaused", "{function:#}");
        assert_eq!(condition(function, "Installed"), None, "{function:#}");
    }
}

/// What a CRD's schema says, but for words to people: each leaf by its path.
fn facts(crd: &Value) -> BTreeMap<String, Value> {
    fn walk(at: &str, value: &Value, facts: &mut BTreeMap<String, Value>) {
        match value {
            Value::Object(fields) if !fields.is_empty() => {
                for (name, value) in fields {
                    let is_words = name == "description" && value.is_string();
                    if !is_words {
                        walk(&format!("{at}/{name}"), value, facts);
                    }
                }
            }
            _ => {
                facts.insert(at.to_owned(), value.clone());
            }
        }
    }
    let mut facts = BTreeMap::new();
    let version = &crd["spec"]["versions"][0];
    walk("", &version["schema"]["openAPIV3Schema"], &mut facts);
    facts.insert("scope".to_owned(), crd["spec"]["scope"].clone());
    facts.insert("name".to_owned(), version["name"].clone());
    facts
}
