use super::*;
use crate::catalog::{Object, Snapshot, builtin, check};
use crate::placement::{Request, decide};
use serde_json::{Value, json};

fn decided<'a>(catalog: &'a Snapshot, tier: &'a str, ha: bool) -> Decision<'a> {
    let request = Request {
        cell: "payments".into(),
        tier: tier.into(),
        environment: "prod".into(),
        size: Size::Small,
        storage_gb: 50,
        ha,
        namespace: "".into(),
    };
    decide(catalog, request).unwrap()
}

/// The built-in catalog, its objects changed: two of its clouds, gcp and oci, are `[1]` and `[2]`, its cell `[6]`.
fn builtin_with(edit: impl FnOnce(&mut [Value])) -> Snapshot {
    let mut objects = builtin::load().unwrap().objects();
    edit(&mut objects);
    let objects: Vec<Object> = objects
        .into_iter()
        .map(|value| Object {
            file: "test".to_owned(),
            value,
        })
        .collect();
    check(&objects).unwrap()
}

fn said(catalog: &Snapshot, tier: &str, ha: bool, name: &str) -> String {
    why_not(&decided(catalog, tier, ha), name).unwrap().to_string()
}

fn changes(tier: &str, ha: bool, name: &str) -> Vec<String> {
    let catalog = builtin::load().unwrap();
    let decision = decided(&catalog, tier, ha);
    let why_not = why_not(&decision, name).unwrap();
    why_not.changes.iter().map(ToString::to_string).collect()
}

// Scores, as latency, dr, maturity, cost: AWS .90 .95 .95 .50, GCP .88 .85 .88 .65, OCI .80 .70 .65 .85.
// Totals: C0 AWS .8675, GCP .8365; C1 AWS .825, GCP .815, OCI .75; C2 OCI .7875, GCP .7605, AWS .715.

#[test]
fn gcp_for_c1_is_a_hundredth_behind_and_needs_a_little_more_than_a_tie() {
    // Weights .25 each, AWS less GCP: latency .005, dr .025, maturity .0175, cost -.0375; in all .01.
    // .01 / .25 = .04 would tie, and aws comes before gcp by name, so .0401 in whichever dimension. All four can
    // take it (.9201, .8901, .9201, .6901), and of equal raises cost is first by name.
    let catalog = builtin::load().unwrap();
    assert_eq!(
        said(&catalog, "C1", false, "gcp-us-central1"),
        "gcp-us-central1 is 0.01 points behind aws-us-east-1 (0.815 against 0.825).\n\
         It loses most in dr: 0.2125 points (0.85 × 0.25) against 0.2375 (0.95 × 0.25).\n\
         It would win with cost 0.6901 instead of 0.65."
    );
    assert_eq!(
        changes("C1", false, "gcp"),
        [
            "with cost 0.6901 instead of 0.65",
            "with dr 0.8901 instead of 0.85",
            "with latency 0.9201 instead of 0.88",
            "with maturity 0.9201 instead of 0.88",
        ]
    );
}

#[test]
fn gcp_for_c2_only_has_to_tie_with_oci() {
    // .027 behind. By cost (weight .50): .054, and gcp comes before oci, so the tie at .704 wins. By latency (.20)
    // .135 would be 1.015; by dr and maturity (.15) .18 would be 1.03 and 1.06. With ha, OCI is out and GCP wins.
    assert_eq!(
        changes("C2", false, "gcp"),
        ["with cost 0.704 instead of 0.65", "with ha: true"]
    );
}

#[test]
fn aws_for_c2_wins_by_cost_or_as_another_tier() {
    // .0725 behind. By cost .145: .645, a tie that aws wins. By latency .3625, by the others .48: beyond 1.
    // With ha GCP wins. C0 and C1 are AWS's.
    assert_eq!(
        changes("C2", false, "aws"),
        ["with cost 0.645 instead of 0.5", "as tier C0", "as tier C1"]
    );
}

#[test]
fn the_least_raise_comes_first_and_equal_ones_by_dimension() {
    // .031 behind, and a tie goes to aws. By dr and latency (.30): .031 / .30 = .1033…, so .1034: .9534, .9834.
    // By cost (.15): .2067, so .8567. By maturity (.25): .124 ties, .1241 would be 1.0041.
    assert_eq!(
        changes("C0", false, "gcp"),
        [
            "with dr 0.9534 instead of 0.85",
            "with latency 0.9834 instead of 0.88",
            "with cost 0.8567 instead of 0.65",
        ]
    );
    // With ha, C2 is GCP's; without, it is OCI's.
    assert_eq!(changes("C0", true, "gcp").last().unwrap(), "as tier C2");
}

#[test]
fn oci_for_c1_can_only_rise_in_maturity_or_be_c2() {
    // .075 behind, and a tie goes to aws: .3001 more. latency 1.1001, dr 1.0001, cost 1.1501, maturity .9501.
    assert_eq!(
        changes("C1", false, "oci"),
        ["with maturity 0.9501 instead of 0.65", "as tier C2"]
    );
}

#[test]
fn a_lacking_capability_is_the_change_where_that_alone_would_do() {
    // With MultiAZ, OCI's .7875 beats GCP's .7605. Without ha nobody asks for it.
    let catalog = builtin::load().unwrap();
    assert_eq!(
        said(&catalog, "C2", true, "oci"),
        "oci-us-ashburn-1 does not fit: lacks MultiAZ.\n\
         It would score 0.7875; the winner, gcp-us-central1, has 0.7605.\n\
         It would win if it had MultiAZ."
    );
    assert_eq!(changes("C2", true, "oci"), ["if it had MultiAZ", "with ha: false"]);
}

#[test]
fn a_capability_that_would_not_be_enough_is_not_offered() {
    // C0 with MultiAZ: .30×.80 + .30×.70 + .25×.65 + .15×.85 = .24 + .21 + .1625 + .1275 = .74, below AWS's .8675.
    let catalog = builtin::load().unwrap();
    assert_eq!(changes("C0", false, "oci"), ["as tier C2"]);
    // With ha, C2 asks for MultiAZ too, and C0 without ha still does.
    assert_eq!(
        said(&catalog, "C0", true, "oci"),
        "oci-us-ashburn-1 does not fit: lacks MultiAZ.\n\
         It would score 0.74; the winner, aws-us-east-1, has 0.8675.\n\
         No single change would make it win."
    );
}

#[test]
fn the_winner_is_told_its_runner_up() {
    let catalog = builtin::load().unwrap();
    assert_eq!(
        said(&catalog, "C1", false, "aws"),
        "aws-us-east-1 is the winner, with 0.825 points; next is gcp-us-central1 with 0.815."
    );
    assert_eq!(changes("C1", false, "aws"), [""; 0]);
    let alone = builtin_with(|objects| {
        objects[1]["spec"]["cordoned"] = json!({"reason": "x"});
    });
    assert_eq!(
        said(&alone, "C0", false, "aws"),
        "aws-us-east-1 is the winner, with 0.8675 points; no other candidate fits."
    );
}

#[test]
fn a_tie_is_said_to_be_one_on_both_sides() {
    // GCP at AWS's scores: nothing is lost in any dimension, and one ten-thousandth is enough.
    let tie = builtin_with(|objects| {
        let candidates = &mut objects[6]["spec"]["candidates"];
        candidates[1]["scores"] = candidates[0]["scores"].clone();
    });
    assert_eq!(
        said(&tie, "C1", false, "aws"),
        "aws-us-east-1 is the winner, with 0.825 points; gcp-us-central1 has as many, and comes after it by name."
    );
    assert_eq!(
        said(&tie, "C1", false, "gcp"),
        "gcp-us-central1 has as many points as aws-us-east-1 (0.825), and comes after it by name.\n\
         It would win with cost 0.5001 instead of 0.5."
    );
}

#[test]
fn a_cordon_that_is_the_only_failure_is_lifted_wherever_it_is() {
    let closed = json!({"reason": "evacuation"});
    for (place, of) in [(0, "provider oci"), (1, "region us-ashburn-1"), (2, "oci-us-ashburn-1")] {
        let catalog = builtin_with(|objects| match place {
            0 => objects[2]["spec"]["cordoned"] = closed.clone(),
            1 => objects[2]["spec"]["regions"] = json!([{"name": "us-ashburn-1", "cordoned": closed}]),
            _ => objects[6]["spec"]["candidates"][2]["cordoned"] = closed.clone(),
        });
        let said = said(&catalog, "C2", false, "oci");
        assert!(
            said.ends_with(&format!("\nIt would win if {of} were not cordoned.")),
            "{said}"
        );
    }
    // Two cordons are two changes; and no change of the claim opens anything.
    let twice = builtin_with(|objects| {
        objects[2]["spec"]["cordoned"] = closed.clone();
        objects[6]["spec"]["candidates"][2]["cordoned"] = closed.clone();
    });
    assert_eq!(
        said(&twice, "C2", false, "oci"),
        "oci-us-ashburn-1 does not fit: its provider is cordoned (evacuation), cordoned (evacuation).\n\
         It would score 0.7875; the winner, gcp-us-central1, has 0.7605.\n\
         No single change would make it win."
    );
}

/// OCI's candidate a second time, in the same cloud and region, and better.
fn with_a_better_sibling(objects: &mut [Value]) {
    let candidates = objects[6]["spec"]["candidates"].as_array_mut().unwrap();
    let mut sibling = candidates[2].clone();
    sibling["name"] = json!("oci-better");
    sibling["runtimeCluster"] = json!("oci-better");
    sibling["scores"]["cost"] = json!(0.9);
    candidates.push(sibling);
}

#[test]
fn lifting_a_cordon_opens_the_siblings_too_and_one_of_them_may_win() {
    for (pointer, value) in [
        ("cordoned", json!({"reason": "x"})),
        (
            "regions",
            json!([{"name": "us-ashburn-1", "cordoned": {"reason": "x"}}]),
        ),
    ] {
        let catalog = builtin_with(|objects| {
            with_a_better_sibling(objects);
            objects[2]["spec"][pointer] = value;
        });
        let lifted = |name: &str| said(&catalog, "C2", false, name).contains("were not cordoned");
        assert!(lifted("oci-better"), "{pointer}");
        assert!(!lifted("oci-us-ashburn-1"), "{pointer}");
    }
    // A sibling with a cordon of its own stays closed.
    let catalog = builtin_with(|objects| {
        with_a_better_sibling(objects);
        objects[2]["spec"]["cordoned"] = json!({"reason": "x"});
        objects[6]["spec"]["candidates"][3]["cordoned"] = json!({"reason": "x"});
    });
    assert!(said(&catalog, "C2", false, "oci-us-ashburn-1").contains("were not cordoned"));
}

#[test]
fn where_nobody_fits_the_one_failure_still_counts() {
    let catalog = builtin_with(|objects| {
        for candidate in objects[6]["spec"]["candidates"].as_array_mut().unwrap() {
            candidate["capabilities"] = json!(["PrivateNetworking"]);
        }
    });
    assert_eq!(
        said(&catalog, "C1", false, "gcp"),
        "gcp-us-central1 does not fit: lacks PITR.\n\
         It would score 0.815; no candidate fits.\n\
         It would win if it had PITR."
    );
    let two = said(&catalog, "C1", true, "gcp");
    assert!(two.ends_with("\nNo single change would make it win."), "{two}");
}

#[test]
fn names_are_those_of_candidates_then_of_providers_without_case() {
    let catalog = builtin_with(|objects| {
        with_a_better_sibling(objects);
        // A candidate called as another one's provider: the candidate is meant.
        objects[6]["spec"]["candidates"][0]["name"] = json!("gcp");
    });
    let decision = decided(&catalog, "C1", false);
    assert_eq!(why_not(&decision, "gcp").unwrap().candidate, "gcp");
    assert_eq!(why_not(&decision, "AWS").unwrap().candidate, "gcp");
    assert_eq!(
        why_not(&decision, "GCP-US-Central1").unwrap().candidate,
        "gcp-us-central1"
    );
    assert_eq!(
        why_not(&decision, "oci").unwrap_err().to_string(),
        "provider oci has 2 candidates; name one of them: oci-better, oci-us-ashburn-1"
    );
    assert_eq!(
        why_not(&decision, "az\u{1b}ure").unwrap_err().to_string(),
        "cell payments has no candidate and no provider \"az\\u{1b}ure\"; its candidates: gcp, gcp-us-central1, \
         oci-better, oci-us-ashburn-1"
    );
}

#[test]
fn long_lists_are_cut_in_words_but_not_in_data() {
    let catalog = builtin_with(|objects| {
        let candidates = objects[6]["spec"]["candidates"].as_array_mut().unwrap();
        let one = candidates[0].clone();
        *candidates = (0..22)
            .map(|i| {
                let mut candidate = one.clone();
                candidate["name"] = json!(format!("c{i:02}"));
                candidate["runtimeCluster"] = json!(format!("c{i:02}"));
                candidate
            })
            .collect();
    });
    let decision = decided(&catalog, "C1", false);
    let NoCandidate::Several { candidates, .. } = why_not(&decision, "aws").unwrap_err() else {
        panic!()
    };
    assert_eq!(candidates.len(), 22);
    let text = why_not(&decision, "aws").unwrap_err().to_string();
    assert!(text.ends_with(", c19 and 2 more"), "{text}");
}

#[test]
fn as_data_it_is_all_there_with_exact_numbers() {
    let catalog = builtin::load().unwrap();
    let behind = decided(&catalog, "C2", false);
    assert_eq!(
        serde_json::to_value(why_not(&behind, "gcp").unwrap()).unwrap(),
        json!({
            "candidate": "gcp-us-central1",
            "standing": {
                "kind": "behind",
                "score": 0.7605,
                "winner": {"candidate": "oci-us-ashburn-1", "score": 0.7875},
                "behind": 0.027,
                "dimensions": [
                    {"dimension": "cost", "weight": 0.5, "score": 0.65, "points": 0.325,
                     "winnerScore": 0.85, "winnerPoints": 0.425, "behind": 0.1},
                    {"dimension": "dr", "weight": 0.15, "score": 0.85, "points": 0.1275,
                     "winnerScore": 0.7, "winnerPoints": 0.105, "behind": -0.0225},
                    {"dimension": "latency", "weight": 0.2, "score": 0.88, "points": 0.176,
                     "winnerScore": 0.8, "winnerPoints": 0.16, "behind": -0.016},
                    {"dimension": "maturity", "weight": 0.15, "score": 0.88, "points": 0.132,
                     "winnerScore": 0.65, "winnerPoints": 0.0975, "behind": -0.0345},
                ],
            },
            "changes": [
                {"kind": "raiseScore", "dimension": "cost", "from": 0.65, "to": 0.704},
                {"kind": "setHa", "ha": true},
            ],
        })
    );
    let excluded = decided(&catalog, "C2", true);
    assert_eq!(
        serde_json::to_value(why_not(&excluded, "oci").unwrap()).unwrap(),
        json!({
            "candidate": "oci-us-ashburn-1",
            "standing": {
                "kind": "excluded",
                "failures": [{"gate": "Capability", "detail": "MultiAZ"}],
                "score": 0.7875,
                "winner": {"candidate": "gcp-us-central1", "score": 0.7605},
            },
            "changes": [{"kind": "addCapability", "capability": "MultiAZ"}, {"kind": "setHa", "ha": false}],
        })
    );
    assert_eq!(
        serde_json::to_value(why_not(&excluded, "gcp").unwrap()).unwrap(),
        json!({
            "candidate": "gcp-us-central1",
            "standing": {
                "kind": "winner",
                "score": 0.7605,
                "runnerUp": {"candidate": "aws-us-east-1", "score": 0.715},
            },
            "changes": [],
        })
    );
}

#[test]
fn a_margin_is_shown_with_its_sign() {
    let points = |units| Points::weighed(Fraction::from_units(units).unwrap(), Fraction::ONE);
    assert_eq!(Margin::between(points(5000), points(5375)).to_string(), "-0.0375");
    assert_eq!(Margin::between(points(5375), points(5000)).to_string(), "0.0375");
    assert_eq!(Margin::between(points(1), points(1)).to_string(), "0");
}
