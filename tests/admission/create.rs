//! CREATE: a bare claim comes back placed, everything else is refused with every reason at once.

use idp_multicloud::admission::Outcome;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{
    Answered, Claim, FOUR, REASON, REASON_FIELD, UID, bare, catalog, create, placed, revision, running,
};

fn aws() -> Value {
    json!({
        "provider": "aws", "region": "us-east-1", "runtimeCluster": "aws-use1-prod",
        "network": {"vpcId": "vpc-0payments", "dbSubnetGroup": "payments-private", "securityGroup": "sg-0payments"},
    })
}

fn gcp() -> Value {
    json!({
        "provider": "gcp", "region": "us-central1", "runtimeCluster": "gcp-usc1-prod",
        "network": {
            "network": "projects/payments-host/global/networks/payments",
            "allocatedIpRange": "payments-mysql",
        },
    })
}

fn oci() -> Value {
    json!({
        "provider": "oci", "region": "us-ashburn-1", "runtimeCluster": "oci-iad-prod",
        "network": {
            "compartmentId": "ocid1.compartment.oc1..payments",
            "subnetId": "ocid1.subnet.oc1.iad.payments",
            "availabilityDomain": "Uocm:US-ASHBURN-AD-1",
        },
    })
}

fn selector(provider: &str) -> Value {
    json!({"matchLabels": {
        "db.platform.example.org/provider": provider,
        "db.platform.example.org/class": "mysql",
    }})
}

/// A claim with this placement and this reason, and nothing else added.
fn placed_on(claim: &Claim, placement: &Value, reason: &Value) -> Claim {
    let mut placed = claim.clone();
    for field in FOUR {
        placed = placed.with(field, placement[field].clone());
    }
    placed
        .set(
            "/spec/crossplane/compositionSelector",
            selector(placement["provider"].as_str().unwrap()),
        )
        .set(REASON, reason.clone())
}

/// The reason for [`bare`] on the built-in catalog, worked out by hand: every weight of C1 is a quarter.
fn reason_of_bare() -> Value {
    let part = |dimension: &str, score: f64, points: f64| json!({"dimension": dimension, "score": score, "weight": 0.25, "points": points});
    json!({
        "winner": {
            "candidate": "aws-us-east-1", "provider": "aws", "region": "us-east-1", "runtimeCluster": "aws-use1-prod",
            "network": aws()["network"], "score": 0.825,
        },
        "request": {
            "cell": "payments", "tier": "C1", "environment": "prod", "size": "medium", "storageGB": 50, "ha": false,
        },
        "requirements": {"rtoMinutes": 120, "rpoMinutes": 15, "capabilities": ["PITR", "PrivateNetworking"]},
        "weights": {"latency": 0.25, "dr": 0.25, "maturity": 0.25, "cost": 0.25},
        "ranking": [
            {"candidate": "aws-us-east-1", "score": 0.825, "breakdown": [
                part("cost", 0.5, 0.125), part("dr", 0.95, 0.2375), part("latency", 0.9, 0.225), part("maturity", 0.95, 0.2375),
            ]},
            {"candidate": "gcp-us-central1", "score": 0.815, "breakdown": [
                part("cost", 0.65, 0.1625), part("dr", 0.85, 0.2125), part("latency", 0.88, 0.22), part("maturity", 0.88, 0.22),
            ]},
            {"candidate": "oci-us-ashburn-1", "score": 0.75, "breakdown": [
                part("cost", 0.85, 0.2125), part("dr", 0.7, 0.175), part("latency", 0.8, 0.2), part("maturity", 0.65, 0.1625),
            ]},
        ],
        "fit": 3,
        "candidates": 3,
        "excluded": [],
        "catalogRevision": revision(),
        "digest": digest_of_bare(),
    })
}

/// The digest of what was decided, as an auditor works it out.
fn digest_of_bare() -> String {
    let decided = concat!(
        r#"{"winner":{"candidate":"aws-us-east-1","provider":"aws","region":"us-east-1","runtimeCluster":"aws-use1-prod","#,
        r#""network":{"dbSubnetGroup":"payments-private","securityGroup":"sg-0payments","vpcId":"vpc-0payments"},"score":0.825},"#,
        r#""request":{"cell":"payments","tier":"C1","environment":"prod","size":"medium","storageGB":50,"ha":false},"#,
        r#""requirements":{"rtoMinutes":120,"rpoMinutes":15,"capabilities":["PITR","PrivateNetworking"]},"#,
    );
    let decided = format!("{decided}\"catalogRevision\":\"{}\"}}", revision());
    hex_simd::encode_to_string(Sha256::digest(decided), hex_simd::AsciiCase::Lower)
}

#[test]
fn a_bare_claim_comes_back_with_placement_selector_and_reason_and_nothing_else() {
    let answered = create(&bare()).answer();
    let patched = answered.patched();
    let text = patched.at(REASON).clone();
    assert_eq!(patched.reason(), reason_of_bare());
    assert_eq!(patched, placed_on(&bare(), &aws(), &text));
    let patch = answered.response()["patch"].clone();
    assert_eq!(
        answered.whole,
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {
                "uid": UID,
                "allowed": true,
                "patchType": "JSONPatch",
                "patch": patch,
                "auditAnnotations": {
                    "outcome": "placed", "winner": "aws-us-east-1", "score": "0.825", "catalog-revision": revision(),
                    "digest": digest_of_bare(),
                },
            },
        })
    );
    assert_eq!(answered.outcome, Outcome::Placed);
}

#[test]
fn the_patch_touches_the_six_values_of_the_placement_only() {
    let answered = create(&bare()).answer();
    let patch = answered.patch().unwrap();
    let operations: Vec<_> = patch
        .as_array()
        .unwrap()
        .iter()
        .map(|o| (&o["op"], &o["path"]))
        .collect();
    let add = json!("add");
    let paths = [
        json!("/spec/parameters/provider"),
        json!("/spec/parameters/region"),
        json!("/spec/parameters/runtimeCluster"),
        json!("/spec/parameters/network"),
        json!("/spec/crossplane"),
        json!("/metadata/annotations"),
    ];
    assert_eq!(operations, paths.iter().map(|path| (&add, path)).collect::<Vec<_>>());
}

#[test]
fn each_tier_and_ha_goes_where_the_arithmetic_says() {
    for (tier, ha, placement, score) in [
        // .30 × .90 + .30 × .95 + .25 × .95 + .15 × .50
        ("C0", false, aws(), 0.8675),
        ("C0", true, aws(), 0.8675),
        ("C1", false, aws(), 0.825),
        ("C1", true, aws(), 0.825),
        // .20 × .80 + .15 × .70 + .15 × .65 + .50 × .85
        ("C2", false, oci(), 0.7875),
        // OCI lacks MultiAZ: .20 × .88 + .15 × .85 + .15 × .88 + .50 × .65
        ("C2", true, gcp(), 0.7605),
    ] {
        let claim = bare().with("tier", tier).with("ha", ha);
        let patched = claim.placed();
        assert_eq!(
            patched,
            placed_on(&claim, &placement, patched.at(REASON)),
            "{tier} {ha}"
        );
        assert_eq!(patched.reason()["winner"]["score"], score, "{tier} {ha}");
    }
}

#[test]
fn unknown_fields_and_everything_else_survive() {
    let claim = bare()
        .set("/metadata/labels", json!({"app": "payments"}))
        .set(
            "/metadata/annotations",
            json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"}),
        )
        .set("/metadata/generation", 1)
        .set(
            "/metadata/managedFields",
            json!([{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]),
        )
        .set("/spec/parameters/tomorrow", json!({"a": [1, 2.5, null, "ü\u{0}"]}))
        .set("/spec/writeConnectionSecretToRef", json!({"name": "x"}))
        .set("/status", json!({"conditions": []}))
        .set("/zzz", 18_446_744_073_709_551_615_u64);
    let patched = claim.placed();
    assert_eq!(patched, placed_on(&claim, &aws(), patched.at(REASON)));
}

#[test]
fn annotations_may_be_there_absent_empty_or_null() {
    for claim in [
        bare().set("/metadata/annotations", json!({"a": "b"})),
        bare(),
        bare().set("/metadata/annotations", json!({})),
        bare().set("/metadata/annotations", Value::Null),
        bare().set(REASON, Value::Null),
    ] {
        let patched = claim.placed();
        assert_eq!(patched, placed_on(&claim, &aws(), patched.at(REASON)));
    }
}

#[test]
fn spec_crossplane_may_be_absent_null_empty_or_ask_for_manual_updates() {
    for crossplane in [
        json!(null),
        json!({}),
        json!({"compositionUpdatePolicy": "Manual"}),
        json!({"compositionUpdatePolicy": null}),
    ] {
        let claim = bare().set("/spec/crossplane", crossplane.clone());
        let patched = claim.placed();
        assert_eq!(patched, placed_on(&claim, &aws(), patched.at(REASON)), "{crossplane}");
    }
}

#[test]
fn a_placement_field_is_refused_at_both_places_whatever_its_value() {
    let values = [
        json!(null),
        json!(""),
        json!("aws"),
        json!(0),
        json!(false),
        json!([]),
        json!({}),
        json!({"vpcId": "vpc-0payments"}),
    ];
    for field in FOUR {
        for value in &values {
            for at in ["spec.parameters", "spec"] {
                let claim = bare().set(&format!("/{}/{field}", at.replace('.', "/")), value.clone());
                assert_eq!(
                    create(&claim).answer().one_problem(),
                    (
                        "PlacementForbidden".to_owned(),
                        format!("{at}.{field}"),
                        "is written by the platform alone; remove it".to_owned()
                    ),
                    "{at}.{field}: {value}"
                );
            }
        }
    }
}

#[test]
fn anything_else_under_spec_crossplane_is_refused() {
    for (crossplane, field) in [
        (
            json!({"compositionUpdatePolicy": "Automatic"}),
            ".compositionUpdatePolicy",
        ),
        (json!({"compositionUpdatePolicy": "manual"}), ".compositionUpdatePolicy"),
        (json!({"compositionUpdatePolicy": true}), ".compositionUpdatePolicy"),
        (
            json!({"compositionUpdatePolicy": {"Manual": "Manual"}}),
            ".compositionUpdatePolicy",
        ),
        (json!({"compositionSelector": selector("aws")}), ".compositionSelector"),
        (json!({"compositionSelector": null}), ".compositionSelector"),
        (json!({"compositionRef": {"name": "mysql-aws"}}), ".compositionRef"),
        (
            json!({"compositionRevisionRef": {"name": "mysql-aws-1"}}),
            ".compositionRevisionRef",
        ),
        (
            json!({"compositionRevisionSelector": {"matchLabels": {}}}),
            ".compositionRevisionSelector",
        ),
        (json!({"resourceRefs": []}), ".resourceRefs"),
        (json!({"a\n\u{202e}": 1}), ".a\\n\\u{202e}"),
        (json!("Manual"), ""),
        (json!(["compositionUpdatePolicy"]), ""),
        (json!(false), ""),
    ] {
        let claim = bare().set("/spec/crossplane", crossplane.clone());
        assert_eq!(
            create(&claim).answer().refused(),
            [format!("PlacementForbidden spec.crossplane{field}")],
            "{crossplane}"
        );
    }
}

#[test]
fn the_reason_annotation_is_refused_even_when_it_is_the_right_one() {
    for reason in [json!(""), json!("because"), placed().at(REASON).clone()] {
        assert_eq!(
            create(&bare().set(REASON, reason)).answer().refused(),
            [format!("PlacementForbidden {REASON_FIELD}")]
        );
    }
}

#[test]
fn a_claim_whose_name_is_still_to_be_generated_is_placed_alike() {
    let claim = bare()
        .unset("/metadata/name")
        .set("/metadata/generateName", "payments-db-");
    let patched = claim.placed();
    assert_eq!(patched, placed_on(&claim, &aws(), placed().at(REASON)));
}

#[test]
fn a_deletion_timestamp_on_a_new_claim_is_not_looked_at() {
    let claim = bare().terminating();
    let patched = claim.placed();
    assert_eq!(patched, placed_on(&claim, &aws(), patched.at(REASON)));
    assert_eq!(
        create(&claim.with("provider", "aws")).answer().refused(),
        ["PlacementForbidden spec.parameters.provider"]
    );
}

#[test]
fn a_claim_that_fits_nowhere_is_told_why_in_one_sentence() {
    let catalog = catalog().cordoned("aws-us-east-1").candidate_with(
        "gcp-us-central1",
        "capabilities",
        json!(["PrivateNetworking"]),
    );
    let answered = create(&bare().with("tier", "C0").with("ha", true)).on(catalog).answer();
    let sentence = "0/3 candidates fit: 2 lack MultiAZ, 1 lacks PITR, 1 cordoned; \
        aws-us-east-1: cordoned (region evacuation); gcp-us-central1: lacks MultiAZ, lacks PITR; \
        oci-us-ashburn-1: lacks MultiAZ; ask for less (tier, ha), or ask your platform team";
    assert_eq!(
        answered.response()["status"],
        json!({
            "status": "Failure", "code": 403, "reason": "Forbidden", "message": sentence,
            "details": {
                "group": "db.platform.example.org", "kind": "MySQLInstanceClaim",
                "causes": [{"reason": "Unschedulable", "message": sentence}],
            },
        })
    );
}

#[test]
fn a_cordon_of_candidate_region_or_cloud_keeps_new_claims_away() {
    let closed = json!({"reason": "region evacuation"});
    for catalog in [
        catalog().cordoned("aws-us-east-1"),
        catalog().with("CloudProvider", "aws", "cordoned", closed.clone()),
        catalog().with(
            "CloudProvider",
            "aws",
            "regions",
            json!([{"name": "us-east-1", "cordoned": closed}]),
        ),
    ] {
        let answered = create(&bare()).on(catalog).answer();
        assert_eq!(answered.patched().at("/spec/parameters/provider"), "gcp");
        assert_eq!(answered.response()["auditAnnotations"]["winner"], "gcp-us-central1");
    }
}

fn warnings(answered: &Answered) -> Vec<String> {
    answered.patched();
    answered.warnings()
}

#[test]
fn a_runner_up_closer_than_a_hundredth_is_worth_a_warning() {
    // C1: AWS has .825 and GCP (.88 + .85 + .88 + cost) / 4.
    let gcp = |cost: f64| {
        let scores = json!({"latency": 0.88, "dr": 0.85, "maturity": 0.88, "cost": cost});
        let catalog = catalog().candidate_with("gcp-us-central1", "scores", scores);
        warnings(&create(&bare()).on(catalog).answer())
    };
    assert_eq!(gcp(0.65), [""; 0]);
    assert_eq!(
        gcp(0.6501),
        ["aws-us-east-1 is ahead of gcp-us-central1 by only 0.009975 points"]
    );
    assert_eq!(
        gcp(0.69),
        ["aws-us-east-1 is ahead of gcp-us-central1 by only 0 points"]
    );
    assert_eq!(
        gcp(0.6904),
        ["gcp-us-central1 is ahead of aws-us-east-1 by only 0.0001 points"]
    );
    assert_eq!(gcp(0.73), [""; 0]);
}

#[test]
fn a_claim_that_fits_one_candidate_only_is_worth_a_warning() {
    let catalog = catalog().cordoned("aws-us-east-1");
    let claim = bare().with("ha", true);
    assert_eq!(
        warnings(&create(&claim).on(catalog).answer()),
        ["only gcp-us-central1 fits this claim"]
    );
}

#[test]
fn a_warning_is_cut_at_120_characters() {
    let long = |letter: &str| letter.repeat(63);
    let scores = json!({"latency": 0.9, "dr": 0.95, "maturity": 0.95, "cost": 0.5});
    let catalog = catalog()
        .candidate_with("gcp-us-central1", "scores", scores)
        .candidate_with("aws-us-east-1", "name", json!(long("a")))
        .candidate_with("gcp-us-central1", "name", json!(long("b")));
    let cut = format!("{} is ahead of {}…", long("a"), "b".repeat(43));
    assert_eq!(cut.chars().count(), 120);
    assert_eq!(warnings(&create(&bare()).on(catalog).answer()), [cut]);
}

#[test]
fn a_dry_run_gets_the_same_answer() {
    for claim in [bare(), bare().with("provider", "aws"), bare().with("tier", "C9")] {
        assert_eq!(create(&claim).asking("dryRun", true).answer(), create(&claim).answer());
    }
}

#[test]
fn nothing_but_the_claim_and_the_catalog_enters_the_decision() {
    let elsewhere = create(
        &bare()
            .set("/metadata/name", "other")
            .set("/metadata/namespace", "billing"),
    )
    .by("somebody@example.org")
    .managed_by("helm")
    .asking("name", "other")
    .asking("namespace", "billing");
    assert_eq!(elsewhere.answer().patched().at(REASON), placed().at(REASON));
}

#[test]
fn nobody_but_an_operator_creates_a_claim_with_a_placement() {
    for claim in [placed(), running(), placed().backed_up()] {
        for review in [create(&claim), create(&claim).by_crossplane()] {
            let refused = review.answer().refused();
            for path in [
                "spec.parameters.provider",
                "spec.crossplane.compositionSelector",
                REASON_FIELD,
            ] {
                assert!(refused.contains(&format!("PlacementForbidden {path}")), "{refused:?}");
            }
        }
    }
}

#[test]
fn crossplanes_account_has_no_privilege_when_it_creates() {
    let claim = bare().set("/spec/crossplane", json!({"compositionRef": {"name": "mysql-aws"}}));
    assert_eq!(
        create(&claim).by_crossplane().answer().refused(),
        ["PlacementForbidden spec.crossplane.compositionRef"]
    );
}
