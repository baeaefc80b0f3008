//! `--why-not` where a policy is in the way.

use idp_multicloud::catalog::Snapshot;
use idp_multicloud::placement::Decision;
use idp_multicloud::placement::why_not::why_not;
use serde_json::json;

use super::{asking, catalog, decided, no, policy};

fn smallest(decision: &Decision<'_>, name: &str) -> String {
    why_not(decision, name)
        .unwrap()
        .to_string()
        .lines()
        .last()
        .unwrap()
        .to_owned()
}

#[test]
fn why_not_finds_the_policy_the_size_or_the_tier_in_the_way() {
    let one = catalog([no("aws", "Enforce")]);
    assert_eq!(
        smallest(&decided(&one), "aws"),
        "It would win if policy no-aws were deleted."
    );
    // Two conditions of one policy are one edit, two policies are two.
    let both = policy(
        "both",
        &json!({ "validations": [
            { "expression": "candidate.provider != 'aws'", "message": "a" },
            { "expression": "candidate.region != 'us-east-1'", "message": "b" },
        ] }),
    );
    let both = catalog([both]);
    assert_eq!(
        smallest(&decided(&both), "aws"),
        "It would win if policy both were deleted."
    );
    let two = catalog([
        no("aws", "Enforce"),
        asking("more", "Enforce", "candidate.provider != 'aws'", "m"),
    ]);
    assert_eq!(smallest(&decided(&two), "aws"), "No single change would make it win.");
    // A policy that is deleted frees the others, too.
    let all = catalog([asking("all", "Enforce", "candidate.provider == 'oci'", "m")]);
    assert_eq!(smallest(&decided(&all), "gcp"), "No single change would make it win.");
    let sized = catalog([asking(
        "sized",
        "Enforce",
        "candidate.provider != 'aws' || claim.size == 'small'",
        "m",
    )]);
    let changes = why_not(&decided(&sized), "aws")
        .unwrap()
        .changes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    assert_eq!(changes, ["if policy sized were deleted", "as size small"]);
}

#[test]
fn why_not_raises_a_score_to_where_policies_let_the_candidate_win() {
    // Gcp wins from 0.6901 in cost upwards, were there no policy.
    let holding = |condition: &str| {
        let expression = format!("candidate.provider != 'gcp' || !has(candidate.scores.cost) || {condition}");
        catalog([asking("costs", "Enforce", &expression, "m")])
    };
    let raised = |catalog: &Snapshot| {
        let decision = decided(catalog);
        let why = why_not(&decision, "gcp").unwrap();
        let mut changes = why.changes.iter().map(ToString::to_string);
        changes.find(|change| change.contains("cost"))
    };
    let to = |score: &str| Some(format!("with cost {score} instead of 0.65"));
    assert_eq!(raised(&holding("candidate.scores.cost < 0.75")), to("0.6901"));
    assert_eq!(
        raised(&holding("candidate.scores.cost < 0.66 || candidate.scores.cost > 0.8")),
        to("0.8001")
    );
    assert_eq!(raised(&holding("candidate.scores.cost < 0.69")), None);
}
