//! Policies on the command line: `catalog check`, `catalog show`, `place`.

use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use super::{asking, no, policy};

/// A folder with the built-in catalog and these policies.
fn folder(policies: &[serde_json::Value]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("a.yaml"),
        include_str!("../../src/catalog/builtin.yaml"),
    )
    .unwrap();
    for (i, policy) in policies.iter().enumerate() {
        std::fs::write(dir.path().join(format!("p{i}.yaml")), policy.to_string()).unwrap();
    }
    dir
}

/// Exit status and standard output.
fn run(args: &str, dir: &TempDir) -> (Option<i32>, String) {
    let ran = Command::new(env!("CARGO_BIN_EXE_idp-multicloud"))
        .args(args.split_whitespace())
        .arg(dir.path())
        .output()
        .unwrap();
    (ran.status.code(), String::from_utf8(ran.stdout).unwrap())
}

const PLACE: &str = "place --cell payments --tier C1 --environment prod --size medium --storage-gb 50";

#[test]
fn a_policy_is_checked_with_line_and_column() {
    let (status, text) = run("catalog check", &folder(&[no("oci", "Enforce")]));
    assert_eq!(status, Some(0));
    assert!(text.contains("3 providers, 1 policy; revision "), "{text}");
    let broken = asking("broken", "Warn", "claim.ha &&\n  claim.nope", "m");
    let (status, text) = run("catalog check", &folder(&[no("oci", "Enforce"), broken]));
    assert_eq!(status, Some(1));
    assert!(
        text.contains(
            "p1.yaml: PlacementPolicy broken: spec.validations[0].expression: line 2, column 8: claim has no nope; "
        ),
        "{text}"
    );
}

#[test]
fn policies_are_shown_a_row_for_each_condition() {
    let two = policy(
        "two",
        &json!({
            "mode": "Audit",
            "match": { "tiers": ["C0", "C1"], "environments": ["prod"] },
            "validations": [
                { "expression": "claim.ha ||\n  true", "message": "m" },
                { "expression": "true", "message": "m" },
            ],
        }),
    );
    let (_, text) = run("catalog show --catalog", &folder(&[no("oci", "Enforce"), two]));
    let shown = text.split_once("POLICY").unwrap().1;
    let rows: Vec<Vec<&str>> = shown.lines().map(|line| line.split_whitespace().collect()).collect();
    let rows: Vec<String> = rows.iter().map(|row| row.join(" ")).collect();
    assert_eq!(
        rows,
        [
            "MODE MATCH CONDITION",
            "no-oci Enforce - candidate.provider != 'oci'",
            "two Audit tiers: c0, c1, environments: prod claim.ha || true",
            "two Audit tiers: c0, c1, environments: prod true",
        ]
    );
    let (_, text) = run("catalog show --catalog", &folder(&[]));
    assert!(!text.contains("POLICY"));
}

#[test]
fn place_shows_what_policies_keep_out_and_takes_a_namespace() {
    let bound = asking(
        "bound",
        "Enforce",
        "namespace == 'payments' || candidate.provider != 'aws'",
        "aws is for payments",
    );
    let dir = folder(&[bound]);
    let (status, text) = run(&format!("{PLACE} --namespace payments --catalog"), &dir);
    assert_eq!(status, Some(0));
    assert!(text.contains("placed on aws-us-east-1"), "{text}");
    for other in ["", "--namespace orders"] {
        let (status, text) = run(&format!("{PLACE} {other} --catalog"), &dir);
        assert_eq!(status, Some(0));
        assert!(text.contains("placed on gcp-us-central1"), "{text}");
        assert!(text.contains("fails policy "), "{text}");
        assert!(
            text.contains("aws-us-east-1: fails policy bound: aws is for payments"),
            "{text}"
        );
    }
}
