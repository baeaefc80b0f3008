//! `catalog diff`: what changed, and where new claims land.

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{Run, catalog, claim, done, path, read_json, run, run_with, stream};

fn diff(old: &TempDir, new: &TempDir, args: &str) -> Run {
    run(&format!("catalog diff {} {} {args}", path(old), path(new)))
}

fn same() -> TempDir {
    catalog(str::to_owned)
}

/// AWS closed, GCP without `MultiAZ` and cheaper, tier `c2` gone and `c3` new.
fn other() -> TempDir {
    catalog(|text| {
        let (before, after) = text.split_at(text.find("    name: aws-us-east-1\n").unwrap());
        let after = after
            .replacen("    - MultiAZ\n", "", 1)
            .replace("cost: 0.65", "cost: 0.7");
        let after = after.replacen("    name: aws", "    cordoned: {reason: full}\n    name: aws", 1);
        format!("{before}{after}").replace("name: c2", "name: c3")
    })
}

#[test]
fn a_comparison_tells_each_path_then_how_many_move_then_whence_and_whither() {
    assert_eq!(
        diff(&same(), &other(), ""),
        done(
            "\
CHANGE   OBJECT         PATH                                           BEFORE                                  AFTER
changed  Cell payments  spec.candidates[aws-us-east-1].cordoned        -                                       {\"reason\":\"full\"}
changed  Cell payments  spec.candidates[gcp-us-central1].capabilities  [\"MultiAZ\",\"PITR\",\"PrivateNetworking\"]  [\"PITR\",\"PrivateNetworking\"]
changed  Cell payments  spec.candidates[gcp-us-central1].scores.cost   0.65                                    0.7
removed  Tier c2
added    Tier c3

96 requests (every cell, tier, environment, size and ha): 84 land elsewhere, 60 of them nowhere

CELL      TIER  PROVIDER   BEFORE  AFTER
payments  C0    (nowhere)  0       24
payments  C0    aws        24      0
payments  C1    (nowhere)  0       12
payments  C1    aws        24      0
payments  C1    gcp        0       12
payments  C2    (nowhere)  0       24
payments  C2    gcp        12      0
payments  C2    oci        12      0
payments  C3    (nowhere)  24      12
payments  C3    oci        0       12

CELL      TIER  FROM              TO                REQUESTS  SUCH AS
payments  C0    aws-us-east-1     (nowhere)         24        dev small 50 GiB; dev small 50 GiB ha; dev medium 50 GiB
payments  C1    aws-us-east-1     (nowhere)         12        dev small 50 GiB ha; dev medium 50 GiB ha; dev large 50 GiB ha
payments  C1    aws-us-east-1     gcp-us-central1   12        dev small 50 GiB; dev medium 50 GiB; dev large 50 GiB
payments  C2    gcp-us-central1   (nowhere)         12        dev small 50 GiB ha; dev medium 50 GiB ha; dev large 50 GiB ha
payments  C2    oci-us-ashburn-1  (nowhere)         12        dev small 50 GiB; dev medium 50 GiB; dev large 50 GiB
payments  C3    (nowhere)         oci-us-ashburn-1  12        dev small 50 GiB; dev medium 50 GiB; dev large 50 GiB
"
        )
    );
}

#[test]
fn the_same_catalog_twice_has_nothing_to_tell() {
    let text = "the catalogs are the same\n\n72 requests (every cell, tier, environment, size and ha): all land where they did\n";
    assert_eq!(run("catalog diff builtin builtin"), done(text));
    assert_eq!(diff(&same(), &same(), "--fail-on-unschedulable"), done(text));
}

#[test]
fn programs_get_objects_groups_and_moves_in_one_document() {
    let new = catalog(|text| text.replace("      cost: 0.5\n", "      cost: 0.4\n"));
    let run = run(&format!("catalog diff builtin {} -o json", path(&new)));
    let report = read_json(&run.out);
    let group = |tier: &str, provider: &str, before: u64, after: u64| json!({"cell": "payments", "tier": tier, "provider": provider, "before": before, "after": after});
    let example = |size: &str, ha: bool| {
        json!({"request": {
            "cell": "payments", "tier": "C1", "environment": "dev", "size": size, "storageGB": 50, "ha": ha,
        }})
    };
    assert_eq!(run.status, 0);
    assert_eq!(
        report["objects"],
        json!([{
            "kind": "Cell", "name": "payments", "change": "changed",
            "edits": [{"path": "spec.candidates[aws-us-east-1].scores.cost", "before": 0.5, "after": 0.4}],
        }])
    );
    assert_eq!(
        report["groups"],
        json!([
            group("C0", "aws", 24, 24),
            group("C1", "aws", 24, 0),
            group("C1", "gcp", 0, 24),
            group("C2", "gcp", 12, 12),
            group("C2", "oci", 12, 12),
        ])
    );
    assert_eq!(
        report["moves"],
        json!([{
            "cell": "payments", "tier": "C1", "from": "aws-us-east-1", "to": "gcp-us-central1", "requests": 24,
            "examples": [example("small", false), example("small", true), example("medium", false)],
        }])
    );
    let numbers = ["requests", "moved", "unschedulable"].map(|field| report[field].as_u64());
    assert_eq!(numbers, [Some(72), Some(24), Some(0)]);
    assert_eq!(report["asked"], "grid");
    assert_eq!(
        report["oldRevision"],
        read_json(&run_with("place -f - -o json", &stream(&[claim("a", "C1", false)])).out)["catalogRevision"]
    );
}

#[test]
fn claims_are_asked_for_as_if_they_were_new() {
    let claims = [
        claim("one", "C1", true),
        claim("two", "C0", true),
        claim("three", "C2", false),
        claim("unknown", "C7", false),
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}),
    ];
    let other = other();
    let args = format!("catalog diff builtin {} -f - -o json", path(&other));
    let bare = run_with(&args, &stream(&claims));
    let report = read_json(&bare.out);
    assert_eq!(
        (bare.status, bare.err.as_str()),
        (
            0,
            "note: 1 skipped, being no claims\nnote: 1 left out: neither catalog takes such a claim\n"
        )
    );
    let numbers = ["requests", "moved", "unschedulable"].map(|field| report[field].as_u64());
    assert_eq!(
        (numbers, &report["asked"]),
        ([Some(3), Some(3), Some(3)], &json!("claims"))
    );
    assert_eq!(report["moves"][0]["examples"][0]["claim"], "payments/two");
    // The placement that a claim has counts for nothing.
    let placed = run_with("place -f - --claim -o yaml", &stream(&claims[..3])).out;
    assert_eq!(read_json(&run_with(&args, placed.as_bytes()).out), report);
}

#[test]
fn what_fits_nowhere_any_more_ends_with_1_only_where_that_is_asked_for() {
    let (same, other) = (same(), other());
    assert_eq!(diff(&same, &other, "").status, 0);
    assert_eq!(diff(&same, &other, "--fail-on-unschedulable").status, 1);
    // The other way round something fits that did not, and c3 is no tier any more.
    assert_eq!(diff(&other, &same, "--fail-on-unschedulable").status, 1);
    let open = catalog(|text| text.replace("cordoned: {reason: full}", ""));
    assert_eq!(diff(&same, &open, "--fail-on-unschedulable").status, 0);
}

#[test]
fn another_name_for_the_same_place_is_no_move() {
    let renamed = catalog(|text| text.replace("name: aws-us-east-1", "name: virginia"));
    let report = read_json(&diff(&same(), &renamed, "-o json").out);
    assert_eq!(report["moved"], 0);
    let paths: Vec<&Value> = report["objects"][0]["edits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|edit| &edit["path"])
        .collect();
    assert_eq!(paths, ["spec.candidates[aws-us-east-1]", "spec.candidates[virginia]"]);
}

#[test]
fn a_catalog_that_cannot_be_read_ends_with_2() {
    for (args, error) in [
        ("catalog diff builtin nowhere", "error: nowhere: cannot be read: "),
        ("catalog diff nowhere builtin", "error: nowhere: cannot be read: "),
        (
            "catalog diff builtin",
            "error: the following required arguments were not provided:\n  <NEW>",
        ),
        (
            "catalog diff builtin builtin -f nowhere",
            "error: nowhere cannot be read: ",
        ),
    ] {
        let run = run(args);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{args}");
        assert!(run.err.starts_with(error), "{args}: {}", run.err);
    }
}
