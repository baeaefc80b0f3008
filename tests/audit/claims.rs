//! `audit`, out of files.

use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{BIN, Run, catalog, claim, folder, path, read_json, run, run_args, run_with, stream};

const REASON: &str = "platform.example.org/placement-reason";

/// A claim as the built-in catalog places it.
fn placed(name: &str, tier: &str, ha: bool) -> Value {
    let run = run_with("place -f - --claim -o json", &stream(&[claim(name, tier, ha)]));
    read_json(&run.out)
}

/// The same, changed by somebody.
fn changed(name: &str, change: impl Fn(&mut Value)) -> Value {
    let mut claim = placed(name, "C1", false);
    change(&mut claim);
    claim
}

fn annotated(name: &str, reason: &str) -> Value {
    changed(name, |claim| claim["metadata"]["annotations"][REASON] = json!(reason))
}

fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}})
}

fn audit(args: &str, document: &Value) -> Run {
    run_with(
        &format!("audit -f - {args}"),
        &serde_json::to_vec_pretty(document).unwrap(),
    )
}

/// AWS without `MultiAZ`, GCP closed, OCI in another region.
fn worse() -> TempDir {
    catalog(|text| {
        text.replacen("    - MultiAZ\n", "", 1)
            .replace(
                "    name: gcp-us-central1\n",
                "    name: gcp-us-central1\n    cordoned: {reason: full}\n",
            )
            .replace("region: us-ashburn-1", "region: us-phoenix-1")
    })
}

fn fleet() -> Value {
    list(&[
        placed("aws", "C1", false),
        placed("aws-ha", "C1", true),
        placed("gcp-ha", "C2", true),
        placed("oci", "C2", false),
        claim("bare", "C1", false),
        changed("moved", |claim| {
            claim["spec"]["parameters"]["region"] = json!("us-west-2");
        }),
        changed("no-reason", |claim| claim["metadata"]["annotations"] = json!({})),
        annotated("garbled", "because"),
        changed("no-such-tier", |claim| {
            claim["spec"]["parameters"]["tier"] = json!("C9");
        }),
    ])
}

#[test]
fn a_fleet_is_told_claim_by_claim_the_worst_first_and_in_numbers() {
    let dir = worse();
    let run = audit(&format!("--catalog {}", path(&dir)), &fleet());
    let text = run.out.replace(&revision(&dir)[..12], "(revision)");
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    assert_eq!(
        text,
        "\
CLAIM                  CELL      TIER  ON                FINDINGS
payments/aws-ha        payments  C1    aws-us-east-1     lacks MultiAZ; today nowhere
payments/no-such-tier  payments  C9    aws-us-east-1     cannot be judged: spec.parameters.tier: there is no tier \"C9\"; use one of: C0, C1, C2
payments/garbled       payments  C1    aws-us-east-1     metadata.annotations[platform.example.org/placement-reason]: is no placement reason: expected value at line 1 column 1
payments/moved         payments  C1    aws us-west-2     spec.parameters.region: is not what the placement reason says; its candidate is gone from the catalog; today on aws-us-east-1
payments/no-reason     payments  C1    aws-us-east-1     has no reason
payments/bare          payments  C1    -                 has no placement; today on aws-us-east-1
payments/oci           payments  C2    oci us-ashburn-1  its candidate is gone from the catalog; today on oci-us-ashburn-1
payments/gcp-ha        payments  C2    gcp-us-central1   sits on a closed candidate: cordoned (full); today nowhere

CELL      TIER  PROVIDER  CLAIMS  OK  FAILING  TAMPERED  UNPLACED  GONE  CLOSED  ELSEWHERE
payments  C1    -         1       0   0        0         1         0     0       1
payments  C1    aws       5       1   1        3         0         1     0       2
payments  C2    gcp       1       0   0        0         0         0     1       1
payments  C2    oci       1       0   0        0         0         1     0       1
payments  C9    aws       1       0   1        0         0         0     0       0
total                     9       1   2        3         1         2     1       5

catalog (revision)
"
    );
}

/// AWS at another price, so that a `C1` claim of the built-in catalog goes to GCP.
fn dearer() -> TempDir {
    catalog(|text| text.replace("      cost: 0.5\n", "      cost: 0.4\n"))
}

#[test]
fn programs_get_one_document_with_claims_and_summary() {
    let dir = dearer();
    let claims = list(&[placed("orders", "C1", true), placed("cheap", "C2", false)]);
    let run = audit(&format!("-o json --catalog {}", path(&dir)), &claims);
    assert_eq!((run.status, run.err.as_str()), (0, ""));
    let counts = |claims: u64, ok: u64, elsewhere: u64| {
        json!({
            "claims": claims, "ok": ok, "failing": 0, "tampered": 0, "unplaced": 0, "gone": 0, "closed": 0,
            "elsewhere": elsewhere,
        })
    };
    let group = |tier: &str, provider: &str, ok: u64, elsewhere: u64| {
        let mut group = counts(1, ok, elsewhere);
        group["cell"] = json!("payments");
        group["tier"] = json!(tier);
        group["provider"] = json!(provider);
        group
    };
    let expected = json!({
        "claims": [{
            "namespace": "payments", "name": "orders", "cell": "payments", "tier": "C1", "environment": "prod",
            "provider": "aws", "region": "us-east-1", "runtimeCluster": "aws-use1-prod", "candidate": "aws-us-east-1",
            // AWS has 0.825 less a quarter of the 0.1 that its cost is worse.
            "findings": [{"kind": "elsewhere", "candidate": "gcp-us-central1", "score": 0.815, "ahead": 0.015}],
        }],
        "summary": {
            "catalogRevision": revision(&dir),
            "total": counts(2, 1, 1),
            "groups": [group("C1", "aws", 0, 1), group("C2", "oci", 1, 0)],
        },
    });
    assert_eq!(read_json(&run.out), expected);
    let yaml = audit(&format!("-o yaml --catalog {}", path(&dir)), &claims);
    assert_eq!(idp_multicloud::yaml::documents(&yaml.out).unwrap(), [expected]);
}

#[test]
fn each_kind_of_finding_is_told_and_only_a_failed_gate_or_tampering_ends_with_1() {
    let at_reason = |reason: &str| annotated("db", reason);
    let (worse, same, dearer) = (worse(), catalog(str::to_owned), dearer());
    for (catalog, claim, kinds, status) in [
        (&same, placed("db", "C1", true), &[][..], 0),
        (&worse, placed("db", "C1", true), &["fails", "nowhere"], 1),
        (&worse, placed("db", "C2", true), &["closed", "nowhere"], 0),
        (&worse, placed("db", "C2", false), &["gone", "elsewhere"], 0),
        (&dearer, placed("db", "C1", true), &["elsewhere"], 0),
        (&same, claim("db", "C1", true), &["unplaced", "elsewhere"], 0),
        (&worse, claim("db", "C1", true), &["unplaced", "nowhere"], 0),
        (
            &same,
            changed("db", |claim| claim["metadata"]["annotations"] = json!({})),
            &["reasonMissing"],
            1,
        ),
        (&same, at_reason("{}"), &["reasonUnreadable"], 1),
        (
            &same,
            changed("db", |claim| claim["spec"]["parameters"]["network"] = json!({})),
            &["reasonDisagrees"],
            1,
        ),
        (
            &same,
            changed("db", |claim| {
                claim["spec"]["crossplane"]["compositionSelector"] = json!({});
            }),
            &["reasonDisagrees"],
            1,
        ),
        (
            &same,
            changed("db", |claim| claim["spec"]["parameters"]["environment"] = json!("qa")),
            &["unjudged", "reasonDisagrees"],
            1,
        ),
        (
            &same,
            changed("db", |claim| claim["spec"]["parameters"]["size"] = json!(3)),
            &["unjudged"],
            1,
        ),
        (
            &same,
            changed("db", |claim| claim["spec"] = json!("none")),
            &["unjudged", "reasonDisagrees"],
            1,
        ),
        (
            &same,
            changed("db", |claim| claim["metadata"]["name"] = json!(3)),
            &["unjudged"],
            1,
        ),
        (
            &same,
            changed("db", |claim| claim["apiVersion"] = json!("db.platform.example.org/v9")),
            &["unjudged"],
            1,
        ),
    ] {
        let run = audit(&format!("--all -o json --catalog {}", path(catalog)), &list(&[claim]));
        let report = read_json(&run.out);
        let findings = report["claims"][0]["findings"].as_array().unwrap();
        let mut found: Vec<&str> = findings
            .iter()
            .map(|finding| finding["kind"].as_str().unwrap())
            .collect();
        found.dedup();
        assert_eq!((found.as_slice(), run.status), (kinds, status), "{report:#}");
    }
}

#[test]
fn a_reason_that_its_own_catalog_does_not_give_is_told() {
    let (same, dearer) = (catalog(str::to_owned), dearer());
    let args = format!("place -f - --claim -o json --catalog {}", path(&dearer));
    let elsewhere = run_with(&args, &stream(&[claim("db", "C1", true)])).out;
    let forged = elsewhere.replace(&revision(&dearer), &revision(&same));
    assert_ne!(forged, elsewhere);
    for (claim, kinds, status) in [
        (elsewhere, &["elsewhere"][..], 0),
        (forged, &["reasonDisagrees", "elsewhere"], 1),
    ] {
        let run = audit("-o json", &read_json(&claim));
        let report = read_json(&run.out);
        let findings = report["claims"][0]["findings"].as_array().unwrap();
        let found: Vec<&str> = findings
            .iter()
            .map(|finding| finding["kind"].as_str().unwrap())
            .collect();
        assert_eq!((found.as_slice(), run.status), (kinds, status), "{report:#}");
    }
}

#[test]
fn claims_are_the_same_in_whichever_way_they_were_exported() {
    let fleet = fleet();
    let items = fleet["items"].as_array().unwrap();
    let yaml = |value: &Value| idp_multicloud::yaml::to_string(value).unwrap();
    let mut raw = fleet.clone();
    raw["apiVersion"] = json!("db.platform.example.org/v1alpha1");
    raw["kind"] = json!("MySQLInstanceClaimList");
    let documents: Vec<String> = items.iter().map(yaml).collect();
    let expected = audit("", &fleet);
    for text in [
        fleet.to_string(),
        yaml(&fleet),
        raw.to_string(),
        yaml(&list(&[list(&items[..3]), list(&items[3..])])),
        documents.join("---\n"),
        documents.join("...\n"),
        String::from_utf8(stream(items)).unwrap(),
    ] {
        assert_eq!(run_with("audit -f -", text.as_bytes()), expected, "{text}");
        let file = folder(&[("claims", &text)]);
        let name = file.path().join("claims");
        assert_eq!(run_args(&["audit", "-f", name.to_str().unwrap()], b""), expected);
    }
}

#[test]
fn what_is_no_claim_is_skipped_with_a_note_as_long_as_there_are_few() {
    let others: Vec<Value> = (0..12)
        .map(|i| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{i}")}}))
        .collect();
    let run = audit("", &list(&others));
    assert_eq!(run.status, 0);
    let notes: Vec<&str> = run.err.lines().collect();
    assert_eq!(notes.len(), 11, "{notes:?}");
    assert_eq!(notes[0], "note: skipped Secret s0 of v1");
    assert_eq!(notes[10], "note: and 2 more that are no claims");
}

#[test]
fn an_empty_fleet_is_good() {
    let run = audit("", &list(&[]));
    let text = run.out.replace(&crate::support::revision()[..12], "(revision)");
    assert_eq!(
        (run.status, text.as_str(), run.err.as_str()),
        (
            0,
            "\
CELL   TIER  PROVIDER  CLAIMS  OK  FAILING  TAMPERED  UNPLACED  GONE  CLOSED  ELSEWHERE
total                  0       0   0        0         0         0     0       0

catalog (revision)
",
            ""
        )
    );
}

#[test]
fn a_table_stops_after_a_thousand_claims_and_says_so() {
    let claims: Vec<Value> = (0..1001).map(|i| claim(&format!("db-{i}"), "C1", false)).collect();
    let run = audit("", &list(&claims));
    assert_eq!(run.status, 0);
    assert_eq!(
        run.out.lines().filter(|line| line.contains("has no placement")).count(),
        1000
    );
    assert!(run.out.contains("\nand 1 more; -o json lists them all\n"));
    let report = read_json(&audit("-o json", &list(&claims)).out);
    assert_eq!(report["claims"].as_array().unwrap().len(), 1001);
}

#[test]
fn nothing_that_a_terminal_obeys_in_a_claim_reaches_the_output() {
    let evil = "\u{1b}[2J\u{202e}\u{7f}";
    let mut claims = Vec::new();
    for pointer in [
        "/metadata/name",
        "/metadata/namespace",
        "/spec/parameters/cell",
        "/spec/parameters/region",
        "/spec/parameters/provider",
        "/metadata/annotations/platform.example.org~1placement-reason",
    ] {
        claims.push(changed("db", |claim| {
            *claim.pointer_mut(pointer).unwrap() = json!(evil);
        }));
    }
    for output in ["table", "json", "yaml"] {
        let run = run_with(&format!("audit -f - -o {output}"), &stream(&[list(&claims)]));
        let obeyed = |c: char| matches!(c, '\u{1b}' | '\u{202e}' | '\u{7f}');
        assert!(!run.out.contains(obeyed) && !run.err.contains(obeyed), "{run:?}");
        assert_eq!(run.status, 1);
    }
}

#[test]
fn what_cannot_be_read_ends_with_2_and_says_what_to_do() {
    for (args, input, error) in [
        ("audit -f nowhere.json", "", "error: nowhere.json cannot be read: "),
        (
            "audit -f -",
            "a: 1\n---\nitems:\n- b: [\n",
            "error: standard input cannot be read as YAML: line 4, column 6: ",
        ),
        ("audit -f - --catalog nowhere", "", "error: nowhere: cannot be read: "),
        (
            "audit -f - --page 3",
            "",
            "error: the argument '--file <FILE|->' cannot be used with '--page <COUNT>'",
        ),
    ] {
        let run = run_with(args, input.as_bytes());
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{args}");
        assert!(run.err.starts_with(error), "{args}: {}", run.err);
    }
}

#[test]
fn without_a_cluster_the_error_says_so() {
    let none = folder(&[]);
    let output = Command::new(BIN)
        .arg("audit")
        .env("KUBECONFIG", none.path().join("config"))
        .env_remove("KUBERNETES_SERVICE_HOST")
        .output()
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.starts_with("error: there is no cluster to ask: set KUBECONFIG: "),
        "{error}"
    );
}

fn revision(dir: &TempDir) -> String {
    let run = run(&format!("catalog check -o json {}", path(dir)));
    read_json(&run.out)["revision"].as_str().unwrap().to_owned()
}
