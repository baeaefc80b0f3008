use super::super::gate::newly_failed;
use super::super::request::Size;
use super::*;
use crate::catalog::{Object, builtin, check};
use serde_json::{Value, json};

fn request(tier: &str, ha: bool) -> Request<'_> {
    Request {
        cell: "payments".into(),
        tier: tier.into(),
        environment: "prod".into(),
        size: Size::Medium,
        storage_gb: 50,
        ha,
        namespace: "".into(),
    }
}

/// The built-in catalog with these fields set: kind, name, JSON pointer, value.
fn builtin_with(edits: &[(&str, &str, &str, Value)]) -> Snapshot {
    let mut objects = builtin::load().unwrap().objects();
    for (kind, name, pointer, value) in edits {
        let object = objects
            .iter_mut()
            .find(|object| object["kind"] == *kind && object["metadata"]["name"] == *name)
            .unwrap();
        let (parent, field) = pointer.rsplit_once('/').unwrap();
        object.pointer_mut(parent).unwrap()[field] = value.clone();
    }
    let objects: Vec<Object> = objects
        .into_iter()
        .map(|value| Object {
            file: "test".to_owned(),
            value,
        })
        .collect();
    check(&objects).unwrap()
}

type Pairs = Vec<(String, String)>;

/// Candidate and points of the ranking, then candidate and failures of the excluded.
fn outcome(decision: &Decision<'_>) -> (Pairs, Pairs) {
    let ranked = decision.ranked.iter();
    let excluded = decision.excluded.iter();
    (
        ranked
            .map(|ranked| (ranked.candidate.name.clone(), ranked.score.to_string()))
            .collect(),
        excluded
            .map(|excluded| {
                let failures: Vec<String> = excluded.failures.iter().map(ToString::to_string).collect();
                (excluded.candidate.name.clone(), failures.join(", "))
            })
            .collect(),
    )
}

const AWS: &str = "aws-us-east-1";
const GCP: &str = "gcp-us-central1";
const OCI: &str = "oci-us-ashburn-1";

struct Case {
    name: &'static str,
    tier: &'static str,
    ha: bool,
    ranked: &'static [(&'static str, &'static str)],
    excluded: &'static [(&'static str, &'static str)],
}

// Scores, as latency, dr, maturity, cost: AWS .90 .95 .95 .50, GCP .88 .85 .88 .65, OCI .80 .70 .65 .85.
const CASES: &[Case] = &[
    Case {
        name: "C0 weighs latency and recovery most and needs MultiAZ anyway: AWS",
        tier: "C0",
        ha: false,
        ranked: &[
            // .30×.90 + .30×.95 + .25×.95 + .15×.50 = .27  + .285 + .2375 + .075
            (AWS, "0.8675"),
            // .30×.88 + .30×.85 + .25×.88 + .15×.65 = .264 + .255 + .22   + .0975
            (GCP, "0.8365"),
        ],
        excluded: &[(OCI, "lacks MultiAZ")],
    },
    Case {
        name: "C0 with ha asks for nothing that C0 does not: the same",
        tier: "C0",
        ha: true,
        ranked: &[(AWS, "0.8675"), (GCP, "0.8365")],
        excluded: &[(OCI, "lacks MultiAZ")],
    },
    Case {
        name: "C1 weighs all four alike, and AWS has the best mean",
        tier: "C1",
        ha: false,
        ranked: &[
            // .25 × (.90 + .95 + .95 + .50) = .25 × 3.30
            (AWS, "0.825"),
            // .25 × (.88 + .85 + .88 + .65) = .25 × 3.26
            (GCP, "0.815"),
            // .25 × (.80 + .70 + .65 + .85) = .25 × 3.00
            (OCI, "0.75"),
        ],
        excluded: &[],
    },
    Case {
        name: "C1 with ha loses OCI, which was third",
        tier: "C1",
        ha: true,
        ranked: &[(AWS, "0.825"), (GCP, "0.815")],
        excluded: &[(OCI, "lacks MultiAZ")],
    },
    Case {
        name: "C2 is half about cost, and OCI is cheapest: the order turns round",
        tier: "C2",
        ha: false,
        ranked: &[
            // .20×.80 + .15×.70 + .15×.65 + .50×.85 = .16  + .105  + .0975 + .425
            (OCI, "0.7875"),
            // .20×.88 + .15×.85 + .15×.88 + .50×.65 = .176 + .1275 + .132  + .325
            (GCP, "0.7605"),
            // .20×.90 + .15×.95 + .15×.95 + .50×.50 = .18  + .1425 + .1425 + .25
            (AWS, "0.715"),
        ],
        excluded: &[],
    },
    Case {
        name: "C2 with ha loses OCI, and GCP is next",
        tier: "C2",
        ha: true,
        ranked: &[(GCP, "0.7605"), (AWS, "0.715")],
        excluded: &[(OCI, "lacks MultiAZ")],
    },
    Case {
        name: "a tier in lower case is the same tier",
        tier: "c2",
        ha: true,
        ranked: &[(GCP, "0.7605"), (AWS, "0.715")],
        excluded: &[(OCI, "lacks MultiAZ")],
    },
];

#[test]
fn every_tier_with_and_without_ha_in_the_built_in_cell() {
    let catalog = builtin::load().unwrap();
    let owned =
        |pairs: &[(&str, &str)]| -> Pairs { pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect() };
    for case in CASES {
        let decision = decide(&catalog, request(case.tier, case.ha)).unwrap();
        let expected = (owned(case.ranked), owned(case.excluded));
        assert_eq!(outcome(&decision), expected, "{}", case.name);
        assert_eq!(
            decision.winner().unwrap().candidate.name,
            case.ranked[0].0,
            "{}",
            case.name
        );
    }
}

#[test]
fn what_is_required_is_the_tiers_list_and_multi_az_for_ha() {
    let catalog = builtin::load().unwrap();
    let required = |tier, ha| -> Vec<String> {
        let decision = decide(&catalog, request(tier, ha)).unwrap();
        decision.required.iter().map(ToString::to_string).collect()
    };
    assert_eq!(required("C0", false), ["MultiAZ", "PITR", "PrivateNetworking"]);
    assert_eq!(required("C0", true), ["MultiAZ", "PITR", "PrivateNetworking"]);
    assert_eq!(required("C1", false), ["PITR", "PrivateNetworking"]);
    assert_eq!(required("C2", false), ["PrivateNetworking"]);
    assert_eq!(required("C2", true), ["MultiAZ", "PrivateNetworking"]);
}

#[test]
fn equal_scores_go_to_the_name_that_comes_first() {
    // C1 weighs all four .25. GCP's cost up by .04 from .65 to .69: .25 × 3.30 = .825, as AWS.
    let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates/1/scores/cost", json!(0.69))]);
    let decision = decide(&catalog, request("C1", false)).unwrap();
    let (ranked, _) = outcome(&decision);
    assert_eq!(ranked[0], (AWS.to_owned(), "0.825".to_owned()));
    assert_eq!(ranked[1], (GCP.to_owned(), "0.825".to_owned()));
    // With names the other way round, the win goes the other way.
    let catalog = builtin_with(&[
        ("Cell", "payments", "/spec/candidates/1/scores/cost", json!(0.69)),
        ("Cell", "payments", "/spec/candidates/0/name", json!("z-was-aws")),
    ]);
    let decision = decide(&catalog, request("C1", false)).unwrap();
    assert_eq!(decision.winner().unwrap().candidate.name, GCP);
}

#[test]
fn a_closed_provider_region_or_candidate_is_excluded_for_its_reason() {
    let closed = json!({"reason": "evacuation"});
    let region = json!([{"name": "us-east-1", "cordoned": closed}, {"name": "us-central1"}]);
    for (edit, says) in [
        (
            ("CloudProvider", "aws", "/spec/cordoned", closed.clone()),
            "its provider is cordoned (evacuation)",
        ),
        (
            ("CloudProvider", "aws", "/spec/regions", region.clone()),
            "its region is cordoned (evacuation)",
        ),
        (
            ("Cell", "payments", "/spec/candidates/0/cordoned", closed.clone()),
            "cordoned (evacuation)",
        ),
    ] {
        let catalog = builtin_with(&[edit]);
        let decision = decide(&catalog, request("C0", false)).unwrap();
        let (ranked, excluded) = outcome(&decision);
        assert_eq!(ranked, [(GCP.to_owned(), "0.8365".to_owned())], "{says}");
        assert_eq!(excluded[0], (AWS.to_owned(), says.to_owned()));
        assert_eq!(excluded[1], (OCI.to_owned(), "lacks MultiAZ".to_owned()));
        // A database that is there already is held to what it lacks, and not to a cordon.
        let nothing = Demands {
            capabilities: &BTreeSet::new(),
            ..decision.demands()
        };
        let newly = |i: usize| newly_failed(decision.excluded[i].candidate, &decision.demands(), &nothing).failures;
        assert_eq!((newly(0), newly(1)), (vec![], decision.excluded[1].failures.clone()));
    }
    // The same region name in another cloud is another region.
    let catalog = builtin_with(&[("CloudProvider", "gcp", "/spec/regions", region)]);
    let decision = decide(&catalog, request("C0", false)).unwrap();
    assert_eq!(decision.winner().unwrap().candidate.name, AWS);
}

#[test]
fn a_candidate_is_excluded_for_everything_it_fails_in_the_order_of_the_gates() {
    let closed = |reason: &str| json!({"reason": reason});
    let catalog = builtin_with(&[
        ("Cell", "payments", "/spec/candidates/2/cordoned", closed("itself")),
        ("Cell", "payments", "/spec/candidates/2/capabilities", json!([])),
        ("CloudProvider", "oci", "/spec/cordoned", closed("cloud")),
        (
            "CloudProvider",
            "oci",
            "/spec/regions",
            json!([{"name": "us-ashburn-1", "cordoned": closed("region")}]),
        ),
    ]);
    let decision = decide(&catalog, request("C1", true)).unwrap();
    let (_, excluded) = outcome(&decision);
    assert_eq!(
        excluded[0].1,
        "its provider is cordoned (cloud), its region is cordoned (region), cordoned (itself), \
         lacks MultiAZ, lacks PITR, lacks PrivateNetworking"
    );
}

#[test]
fn a_claim_that_fits_nowhere_is_told_the_counts_and_then_each_candidate() {
    // AWS loses MultiAZ, OCI never had it, GCP is closed: twice, which counts once.
    let catalog = builtin_with(&[
        (
            "Cell",
            "payments",
            "/spec/candidates/0/capabilities",
            json!(["PITR", "PrivateNetworking"]),
        ),
        (
            "Cell",
            "payments",
            "/spec/candidates/1/cordoned",
            json!({"reason": "full"}),
        ),
        (
            "CloudProvider",
            "gcp",
            "/spec/cordoned",
            json!({"reason": "contract ended"}),
        ),
    ]);
    let decision = decide(&catalog, request("C0", false)).unwrap();
    assert!(decision.winner().is_none());
    assert_eq!(decision.summary(), "0/3 candidates fit: 2 lack MultiAZ, 1 cordoned");
    assert_eq!(
        decision.refusal(),
        "0/3 candidates fit: 2 lack MultiAZ, 1 cordoned; aws-us-east-1: lacks MultiAZ; \
         gcp-us-central1: its provider is cordoned (contract ended), cordoned (full); \
         oci-us-ashburn-1: lacks MultiAZ"
    );
}

#[test]
fn causes_come_commonest_first_and_equal_ones_by_name_with_cordons_last() {
    let catalog = builtin_with(&[
        ("Cell", "payments", "/spec/candidates/0/capabilities", json!(["PITR"])),
        (
            "Cell",
            "payments",
            "/spec/candidates/1/cordoned",
            json!({"reason": "full"}),
        ),
        (
            "Cell",
            "payments",
            "/spec/candidates/2/capabilities",
            json!(["MultiAZ"]),
        ),
    ]);
    let decision = decide(&catalog, request("C0", false)).unwrap();
    assert_eq!(
        decision.summary(),
        "0/3 candidates fit: 2 lack PrivateNetworking, 1 lacks MultiAZ, 1 lacks PITR, 1 cordoned"
    );
}

#[test]
fn the_summary_of_one_candidate_and_of_many_that_fit_is_good_english() {
    let one = json!([builtin::load().unwrap().objects()[6]["spec"]["candidates"][2]]);
    let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates", one)]);
    let refused = decide(&catalog, request("C0", false)).unwrap();
    assert_eq!(
        refused.refusal(),
        "0/1 candidate fits: 1 lacks MultiAZ; oci-us-ashburn-1: lacks MultiAZ"
    );
    let catalog = builtin::load().unwrap();
    let taken = decide(&catalog, request("C2", false)).unwrap();
    assert_eq!(taken.summary(), "3/3 candidates fit");
    let taken = decide(&catalog, request("C2", true)).unwrap();
    assert_eq!(taken.summary(), "2/3 candidates fit: 1 lacks MultiAZ");
}

#[test]
fn a_refusal_names_twenty_candidates_and_counts_the_rest() {
    let candidates = |count: usize| -> Value {
        let one = builtin::load().unwrap().objects()[6]["spec"]["candidates"][2].clone();
        (0..count)
            .map(|i| {
                let mut candidate = one.clone();
                candidate["name"] = json!(format!("oci-{i:02}"));
                candidate["runtimeCluster"] = json!(format!("oci-{i:02}"));
                candidate
            })
            .collect()
    };
    for (count, end) in [
        (20, "; oci-19: lacks MultiAZ"),
        (21, "; oci-19: lacks MultiAZ; and 1 more"),
        (22, "; oci-19: lacks MultiAZ; and 2 more"),
    ] {
        let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates", candidates(count))]);
        let refusal = decide(&catalog, request("C0", false)).unwrap().refusal();
        assert!(refusal.starts_with(&format!("0/{count} candidates fit: {count} lack MultiAZ; oci-00: ")));
        assert!(refusal.ends_with(end), "{refusal}");
    }
}

#[test]
fn every_unknown_name_is_told_with_those_there_are() {
    let catalog = builtin::load().unwrap();
    let unknown = |cell: &'static str, tier: &'static str, environment: &'static str| {
        let request = Request {
            cell: cell.into(),
            environment: environment.into(),
            ..request(tier, false)
        };
        decide(&catalog, request).map(|_| ()).unwrap_err()
    };
    let cell = Undecided::Unknown {
        named: Named::Cell,
        given: "billing".into(),
        known: vec!["payments"],
    };
    let tier = Undecided::Unknown {
        named: Named::Tier,
        given: "C9".into(),
        known: vec!["c0", "c1", "c2"],
    };
    let environment = Undecided::Unknown {
        named: Named::Environment,
        given: "qa".into(),
        known: vec!["dev", "prod", "staging"],
    };
    assert_eq!(unknown("billing", "C1", "prod"), vec![cell.clone()]);
    assert_eq!(unknown("payments", "C9", "prod"), vec![tier.clone()]);
    assert_eq!(unknown("payments", "C1", "qa"), vec![environment.clone()]);
    assert_eq!(unknown("payments", "C9", "qa"), [environment, tier.clone()]);
    // Environments are a cell's own, so without the cell there is nothing to say of them.
    assert_eq!(unknown("billing", "C9", "qa"), [cell, tier]);
    // Names of cells and environments are compared with case.
    assert_eq!(unknown("Payments", "C1", "prod").len(), 1);
    assert_eq!(unknown("payments", "C1", "Prod").len(), 1);
}

#[test]
fn a_name_left_out_is_not_asked_about() {
    let catalog = builtin::load().unwrap();
    let (cell, bad) = (Cow::Borrowed("payments"), Cow::Borrowed("x"));
    assert_eq!(super::unknown(&catalog, None, None, Some(&bad)), []);
    assert_eq!(super::unknown(&catalog, Some(&cell), None, None), []);
    assert_eq!(super::unknown(&catalog, Some(&cell), Some(&bad), Some(&bad)).len(), 2);
}

#[test]
fn a_refusal_stays_short_enough_for_a_message_however_much_there_is_to_say() {
    let long = "x".repeat(253);
    let cordoned = json!({ "reason": long });
    let candidates: Vec<Value> = (0..20)
        .map(|i| {
            json!({
                "name": format!("aws-{i}"), "provider": "aws", "region": format!("r-{i}"), "runtimeCluster": "c",
                "network": { "vpcId": "v", "dbSubnetGroup": "g", "securityGroup": "s" },
                "scores": { "latency": 1, "dr": 1, "maturity": 1, "cost": 1 }, "cordoned": cordoned,
            })
        })
        .collect();
    let catalog = builtin_with(&[("Cell", "payments", "/spec/candidates", json!(candidates))]);
    let refusal = decide(&catalog, request("C1", false)).unwrap().refusal();
    assert!(refusal.len() < 4096 + 32, "{}", refusal.len());
    assert!(refusal.ends_with("and 8 more"), "{refusal}");
}
