//! What is wrong with a claim: nothing is made, changed or deleted, and its team reads why.

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim};
use crate::world::{CLOUDS, World, assert_refused, first, network_keys};

pub const CASES: &[Case] = &[
    ("an_unknown_size_or_tier_is_refused", unknown),
    ("a_placement_that_does_not_fit_is_refused", placement),
    ("a_claim_without_what_it_needs_is_refused", nothing),
    ("all_that_is_wrong_is_said_at_once", together),
    ("a_claim_that_becomes_wrong_keeps_what_it_has", later),
    ("an_environment_that_nobody_knows_is_no_problem", environment),
];

const SIZES: &str = "large, medium, small, xlarge";
const TIERS: &str = "C0, C1, C2";

/// The words for a value that the tables lack.
fn unlisted(field: &str, value: &str, cloud: &str, listed: &str) -> String {
    format!(
        "spec.parameters.{field} is {value}, which the composition for {cloud} does not list; set one of {listed}, or \
         ask your platform team to add it"
    )
}

fn lacks(key: &str, cloud: &str) -> String {
    format!("spec.parameters.network lacks {key}, which a database on {cloud} needs; tell your platform team")
}

const NOT_PLACED: &str = "this claim was never placed on a cloud; tell your platform team, and make a new one";
const NO_STORAGE: &str = "spec.parameters.storageGB is missing; set the size of the disk in GB";

/// A claim that is fine but for one parameter, which null takes away.
fn but(cloud: &str, field: &str, value: Value) -> Value {
    let mut claim = claim(cloud, "C1", "small", false, "prod");
    let parameters = claim["spec"]["parameters"].as_object_mut().unwrap();
    if value.is_null() {
        assert!(parameters.remove(field).is_some(), "there is no {field}");
    } else {
        parameters.insert(field.to_owned(), value);
    }
    claim
}

fn unknown(pipeline: &Pipeline) {
    let long = ["x"; 63].concat();
    for cloud in CLOUDS {
        for size in ["huge", "Small", "small ", "", "db.t4g.micro", &long] {
            let message = unlisted("size", &format!("{size:?}"), cloud, SIZES);
            let outcome = first(pipeline, cloud, &but(cloud, "size", json!(size)));
            assert_refused(&outcome, "UnknownSize", &message, &format!("{cloud}, size {size:?}"));
        }
        for tier in ["C3", "C", "gold", "C1 ", "", &long] {
            let message = unlisted("tier", &format!("{tier:?}"), cloud, TIERS);
            let outcome = first(pipeline, cloud, &but(cloud, "tier", json!(tier)));
            assert_refused(&outcome, "UnknownTier", &message, &format!("{cloud}, tier {tier:?}"));
        }
        for (field, reason, listed) in [("size", "UnknownSize", SIZES), ("tier", "UnknownTier", TIERS)] {
            let message = unlisted(field, "\"\"", cloud, listed);
            let outcome = first(pipeline, cloud, &but(cloud, field, json!(null)));
            assert_refused(&outcome, reason, &message, &format!("{cloud}, no {field}"));
        }
        // As everywhere else, a tier is read without case.
        assert!(
            first(pipeline, cloud, &but(cloud, "tier", json!("c1"))).fatal.is_none(),
            "{cloud}"
        );
    }
}

fn placement(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for other in CLOUDS.iter().filter(|other| **other != cloud).chain(&["azure", "AWS"]) {
            let message = format!(
                "this claim is placed on \"{other}\", but the composition that builds it is for {cloud}; tell your \
                 platform team"
            );
            let outcome = first(pipeline, cloud, &but(cloud, "provider", json!(other)));
            assert_refused(
                &outcome,
                "WrongProvider",
                &message,
                &format!("{cloud}, placed on {other}"),
            );
        }
        for (field, value) in [
            ("provider", json!(null)),
            ("provider", json!("")),
            ("region", json!(null)),
            ("region", json!("")),
        ] {
            let about = format!("{cloud}, {field} {value}");
            let outcome = first(pipeline, cloud, &but(cloud, field, value));
            assert_refused(&outcome, "NotPlaced", NOT_PLACED, &about);
        }
        let network = claim(cloud, "C1", "small", false, "prod")["spec"]["parameters"]["network"].clone();
        let keys = network_keys(pipeline, cloud);
        for key in &keys {
            for left in [None, Some(json!(""))] {
                let mut network = network.clone();
                let fields = network.as_object_mut().unwrap();
                assert!(
                    fields.remove(key).is_some(),
                    "{cloud} needs {key}, which the catalog lacks"
                );
                fields.extend(left.map(|left| (key.clone(), left)));
                let outcome = first(pipeline, cloud, &but(cloud, "network", network));
                assert_refused(
                    &outcome,
                    "NetworkIncomplete",
                    &lacks(key, cloud),
                    &format!("{cloud}, no {key}"),
                );
            }
        }
        let all: Vec<_> = keys.iter().map(|key| lacks(key, cloud)).collect();
        for network in [json!(null), json!({}), json!({"more": "of it"})] {
            let about = format!("{cloud}, network {network}");
            let outcome = first(pipeline, cloud, &but(cloud, "network", network));
            assert_refused(&outcome, "NetworkIncomplete", &all.join("; "), &about);
        }
    }
}

fn nothing(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let outcome = first(pipeline, cloud, &but(cloud, "storageGB", json!(null)));
        assert_refused(&outcome, "NoStorage", NO_STORAGE, &format!("{cloud}, no storage"));

        let all = [
            NOT_PLACED.to_owned(),
            unlisted("tier", "\"\"", cloud, TIERS),
            unlisted("size", "\"\"", cloud, SIZES),
            NO_STORAGE.to_owned(),
        ];
        let whole = claim(cloud, "C1", "small", false, "prod");
        for spec in [
            json!({"parameters": {}, "crossplane": whole["spec"]["crossplane"]}),
            json!({"crossplane": whole["spec"]["crossplane"]}),
            json!({"parameters": null}),
            json!({}),
            json!(null),
        ] {
            let about = format!("{cloud}, spec {spec}");
            let mut claim = whole.clone();
            if spec.is_null() {
                claim.as_object_mut().unwrap().remove("spec");
            } else {
                claim["spec"] = spec;
            }
            assert_refused(&first(pipeline, cloud, &claim), "NotPlaced", &all.join("; "), &about);
        }
    }
}

fn together(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut claim = but(cloud, "network", json!({}));
        claim["spec"]["parameters"]["tier"] = json!("C9");
        claim["spec"]["parameters"]["size"] = json!("huge");
        claim["spec"]["parameters"]["storageGB"] = json!(null);
        let mut world = World::with(cloud, claim);
        world.others = vec![world.secret("admin", &[], &[]), world.secret("conn", &[], &[])];
        let mut all: Vec<_> = network_keys(pipeline, cloud)
            .iter()
            .map(|key| lacks(key, cloud))
            .collect();
        all.push(unlisted("tier", "\"C9\"", cloud, TIERS));
        all.push(unlisted("size", "\"huge\"", cloud, SIZES));
        all.push(NO_STORAGE.to_owned());
        all.extend(["admin", "conn"].map(|suffix| {
            format!(
                "Secret orders-db-{suffix} exists and is not this claim's; move it away, or give the claim another name"
            )
        }));
        assert_refused(&world.look(pipeline), "NetworkIncomplete", &all.join("; "), cloud);
    }
}

fn later(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::available(pipeline, cloud);
        world.claim["spec"]["parameters"]["size"] = json!("huge");
        let message = unlisted("size", "\"huge\"", cloud, SIZES);
        assert_refused(&world.look(pipeline), "UnknownSize", &message, cloud);
        world.claim["spec"]["parameters"]["size"] = json!("large");
        let outcome = world.reconcile(pipeline);
        assert_eq!(outcome.condition("DatabaseReady")["reason"], "Available", "{cloud}");
    }
}

fn environment(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for word in [json!("qa"), json!(""), json!(null)] {
            let outcome = first(pipeline, cloud, &but(cloud, "environment", word)).composed();
            assert_eq!(outcome.condition("DatabaseReady")["reason"], "Creating", "{cloud}");
        }
    }
}
