//! From a bare claim to its composition: the labels that admission writes are those of one that is shipped.

use std::collections::BTreeSet;

use idp_multicloud::admission::{Edit, Writer, create};
use idp_multicloud::catalog::{Object, Snapshot, check};
use idp_multicloud::claim::Claim;
use idp_multicloud::placement::Size;
use idp_multicloud::yaml;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::Case;
use crate::injection::hold;
use crate::support::pipeline::{Pipeline, claim};
use crate::world::{CLOUDS, composition, first};

pub const CASES: &[Case] = &[
    ("a_claim_that_is_placed_has_exactly_one_composition", one),
    ("a_claim_is_composed_as_it_is_placed", composed),
];

/// A place in a catalog.
#[derive(Clone, Debug)]
struct Place {
    cloud: &'static str,
    region: &'static str,
    capabilities: Vec<&'static str>,
    /// In hundredths, one a dimension.
    scores: [u32; 4],
    closed: bool,
}

fn places() -> impl Strategy<Value = Vec<Place>> {
    let capabilities = subsequence(vec!["PITR", "MultiAZ", "PrivateNetworking"], 0..=3);
    let lucky = prop_oneof![1 => capabilities, 2 => Just(vec!["PITR", "MultiAZ", "PrivateNetworking"])];
    let place = (
        select(&CLOUDS[..]),
        select(&["us-east-1", "eu-west-1", "moon"][..]),
        lucky,
        proptest::array::uniform4(0_u32..=100),
        prop::bool::weighted(0.2),
    );
    let place = place.prop_map(|(cloud, region, capabilities, scores, closed)| Place {
        cloud,
        region,
        capabilities,
        scores,
        closed,
    });
    proptest::collection::vec(place, 1..7)
}

/// The built-in catalog with other places, and with some of its clouds closed.
fn catalog(places: &[Place], closed: &[&str]) -> Snapshot {
    let mut objects = yaml::documents(include_str!("../../src/catalog/builtin.yaml")).unwrap();
    for object in &mut objects {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        if object["kind"] == "CloudProvider" && closed.contains(&name.as_str()) {
            object["spec"]["cordoned"] = json!({"reason": "closed"});
        }
        if object["kind"] == "Cell" {
            let candidate = |(at, place): (usize, &Place)| {
                let [latency, dr, maturity, cost] = place.scores.map(|score| f64::from(score) / 100.0);
                let mut candidate = json!({
                    "name": format!("place-{at}"), "provider": place.cloud, "region": place.region,
                    "runtimeCluster": format!("cluster-{at}"), "capabilities": place.capabilities,
                    "network": claim(place.cloud, "C1", "small", false, "prod")["spec"]["parameters"]["network"],
                    "scores": {"latency": latency, "dr": dr, "maturity": maturity, "cost": cost},
                });
                if place.closed {
                    candidate["cordoned"] = json!({"reason": "closed"});
                }
                candidate
            };
            object["spec"]["candidates"] = places.iter().enumerate().map(candidate).collect();
        }
    }
    let file = "selection.yaml".to_owned();
    let objects: Vec<_> = objects
        .into_iter()
        .map(|value| Object {
            file: file.clone(),
            value,
        })
        .collect();
    check(&objects).unwrap_or_else(|error| panic!("{error}"))
}

fn bare(tier: &str, size: &str, ha: bool, environment: &str) -> Value {
    let mut claim = claim("aws", tier, size, ha, environment);
    claim["spec"].as_object_mut().unwrap().remove("crossplane");
    let parameters = claim["spec"]["parameters"].as_object_mut().unwrap();
    parameters.retain(|field, _| !["provider", "region", "runtimeCluster", "network"].contains(&field.as_str()));
    claim
}

/// The claim as admission lets it in, if it does.
fn admitted(claim: &Value, catalog: &Snapshot) -> Option<Value> {
    let text = claim.to_string();
    let read: Claim<'_> = serde_json::from_str(&text).unwrap();
    let edits = create::answer(&read, "shop", catalog, Writer::default()).verdict.ok()?;
    let mut placed = claim.clone();
    for Edit { path, json } in edits {
        let (parent, key) = path.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/").replace("~0", "~");
        placed.pointer_mut(parent).unwrap()[key] = serde_json::from_str(&json).unwrap();
    }
    Some(placed)
}

/// The clouds whose composition a claim selects, as Crossplane reads its selector.
fn selected(claim: &Value) -> Vec<&'static str> {
    let selector = claim["spec"]["crossplane"]["compositionSelector"]["matchLabels"].as_object();
    let selector = selector.unwrap_or_else(|| panic!("no selector in {claim:#}"));
    assert!(!selector.is_empty(), "a selector that any composition meets");
    let fits = |cloud: &&str| {
        let composition = composition(cloud);
        let of = &composition["spec"]["compositeTypeRef"];
        let labels = &composition["metadata"]["labels"];
        of["apiVersion"] == claim["apiVersion"]
            && of["kind"] == claim["kind"]
            && selector.iter().all(|(key, value)| &labels[key] == value)
    };
    CLOUDS.into_iter().filter(fits).collect()
}

fn one(_: &Pipeline) {
    let asked = (select(&["C0", "C1", "C2"][..]), select(&Size::ALL[..]), any::<bool>());
    let (placed, clouds) = (std::cell::Cell::new(0), std::cell::RefCell::new(BTreeSet::new()));
    hold(
        300,
        &(places(), subsequence(CLOUDS.to_vec(), 0..=1), asked),
        |(places, closed, (tier, size, ha))| {
            let catalog = catalog(&places, &closed);
            let Some(claim) = admitted(&bare(tier, size.as_str(), ha, "prod"), &catalog) else {
                return Ok(());
            };
            placed.set(placed.get() + 1);
            let provider = claim["spec"]["parameters"]["provider"].as_str().unwrap();
            prop_assert_eq!(selected(&claim), [provider]);
            clouds.borrow_mut().insert(provider.to_owned());
            Ok(())
        },
    );
    assert!(
        placed.get() > 100,
        "only {} of 300 claims were placed at all",
        placed.get()
    );
    assert_eq!(
        clouds.into_inner(),
        CLOUDS.map(str::to_owned).into(),
        "clouds that were ever chosen"
    );
    let names = CLOUDS.map(|cloud| composition(cloud)["metadata"]["name"].as_str().unwrap());
    assert_eq!(names, ["mysql-aws", "mysql-gcp", "mysql-oci"]);
}

fn composed(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let place = Place {
            cloud,
            region: "eu-west-1",
            capabilities: vec!["PITR", "MultiAZ", "PrivateNetworking"],
            scores: [50; 4],
            closed: false,
        };
        let catalog = catalog(&[place], &[]);
        for tier in ["C0", "C1", "c2"] {
            for size in Size::ALL {
                for environment in ["dev", "staging", "prod"] {
                    let about = format!("{cloud}, {tier}, {size}, {environment}");
                    let claim = admitted(&bare(tier, size.as_str(), false, environment), &catalog);
                    let claim = claim.unwrap_or_else(|| panic!("{about}: refused"));
                    assert_eq!(selected(&claim), [cloud], "{about}");
                    let outcome = first(pipeline, cloud, &claim);
                    assert_eq!(outcome.fatal, None, "{about}");
                    assert_eq!(outcome.condition("DatabaseReady")["reason"], "Creating", "{about}");
                }
            }
        }
    }
}
