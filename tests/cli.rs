//! The command line as people and programs meet it: the real binary, its output as a whole, its exit status.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "support/command.rs"]
mod command;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use command::{BIN, Run, catalog, claim, done, folder, path, read_json, run, run_with, stream};

/// The arguments of the claim that [`claim`] holds.
fn flags(tier: &str) -> String {
    format!("place --cell payments --tier {tier} --environment prod --size medium --storage-gb 50")
}

fn place(args: &str, documents: &[Value]) -> Run {
    run_with(&format!("place -f - {args}"), &stream(documents))
}

fn nowhere() -> TempDir {
    catalog(|text| text.replace("    - MultiAZ\n", ""))
}

fn read_yaml(text: &str) -> Vec<Value> {
    idp_multicloud::yaml::documents(text).unwrap()
}

// ---- place: for people

#[test]
fn a_claim_from_flags_is_explained_as_a_table() {
    assert_eq!(
        run(&(flags("c2") + " --ha")),
        done(
            "\
request: placed on gcp-us-central1 (gcp, us-central1, cluster gcp-usc1-prod) with 0.7605 points
  asks for  cell payments, environment prod, size medium, 50 GiB, ha
  tier C2   RTO 480 min, RPO 60 min
  requires  MultiAZ, PrivateNetworking
  catalog   9c91a13be412

   CANDIDATE         GATES             cost × 0.5    dr × 0.15      latency × 0.2  maturity × 0.15  TOTAL
*  gcp-us-central1   pass              0.65 → 0.325  0.85 → 0.1275  0.88 → 0.176   0.88 → 0.132     0.7605
   aws-us-east-1     pass              0.5 → 0.25    0.95 → 0.1425  0.9 → 0.18     0.95 → 0.1425    0.715
   oci-us-ashburn-1  fails capability  0.85 → 0.425  0.7 → 0.105    0.8 → 0.16     0.65 → 0.0975    excluded

2/3 candidates fit: 1 lacks MultiAZ
  oci-us-ashburn-1: lacks MultiAZ
"
        )
    );
}

#[test]
fn a_claim_that_fits_nowhere_is_shown_with_every_failure_and_refused() {
    let dir = catalog(|text| {
        text.replace("    - MultiAZ\n", "").replace(
            "  name: oci\nspec:\n",
            "  name: oci\nspec:\n  cordoned: {reason: contract ended}\n",
        )
    });
    let run = place(&format!("--catalog {}", path(&dir)), &[claim("db", "C1", true)]);
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    let (head, rest) = run.out.split_once("  catalog   ").unwrap();
    assert_eq!(
        head,
        "\
payments/db: unschedulable
  asks for  cell payments, environment prod, size medium, 50 GiB, ha
  tier C1   RTO 120 min, RPO 15 min
  requires  MultiAZ, PITR, PrivateNetworking
"
    );
    assert_eq!(
        rest.split_once("\n\n").unwrap().1,
        "   \
   CANDIDATE         GATES                       cost × 0.25    dr × 0.25      latency × 0.25  maturity × 0.25  TOTAL
   aws-us-east-1     fails capability            0.5 → 0.125    0.95 → 0.2375  0.9 → 0.225     0.95 → 0.2375    excluded
   gcp-us-central1   fails capability            0.65 → 0.1625  0.85 → 0.2125  0.88 → 0.22     0.88 → 0.22      excluded
   oci-us-ashburn-1  fails provider, capability  0.85 → 0.2125  0.7 → 0.175    0.8 → 0.2       0.65 → 0.1625    excluded

  aws-us-east-1: lacks MultiAZ
  gcp-us-central1: lacks MultiAZ
  oci-us-ashburn-1: its provider is cordoned (contract ended), lacks MultiAZ
0/3 candidates fit: 3 lack MultiAZ, 1 cordoned; aws-us-east-1: lacks MultiAZ; gcp-us-central1: lacks MultiAZ; \
oci-us-ashburn-1: its provider is cordoned (contract ended), lacks MultiAZ; \
ask for less (tier, ha), or ask your platform team
"
    );
}

#[test]
fn a_refused_claim_is_told_every_problem_in_the_webhooks_words() {
    let mut bad = claim("db", "C9", false);
    bad["spec"]["provider"] = json!("aws");
    bad["spec"]["parameters"]["region"] = json!(null);
    bad["spec"]["parameters"]["storageGB"] = json!("50");
    let refused = "\
payments/db: refused
4 problems, nothing was changed:
  - spec.provider: is written by the platform alone; remove it
  - spec.parameters.region: is written by the platform alone; remove it
  - spec.parameters.storageGB: is the string \"50\"; must be a whole number of GiB from 50 to 16384
  - spec.parameters.tier: there is no tier \"C9\"; use one of: C0, C1, C2
";
    let run = place("", &[bad]);
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    assert_eq!(sorted(&run.out), sorted(refused));
}

#[test]
fn a_claim_that_the_webhook_cannot_read_is_refused_in_its_words() {
    let mut other_version = claim("db", "C1", false);
    other_version["apiVersion"] = json!("db.platform.example.org/v9");
    let run = place("", &[other_version]);
    assert_eq!(run.status, 1);
    assert_eq!(
        run.out,
        "payments/db: refused\napiVersion: db.platform.example.org/v9 of MySQLInstanceClaim is not known to this \
         server; use v1alpha1\n"
    );
    let mut no_metadata = claim("db", "C1", false);
    no_metadata["metadata"] = json!("x");
    let run = place("", &[no_metadata]);
    assert_eq!(run.status, 1);
    assert!(
        run.out.starts_with("(no name): refused\nobject: cannot be read: "),
        "{run:?}"
    );
}

#[test]
fn warnings_are_shown_to_people_and_to_programs() {
    // Only AWS is left of those that have MultiAZ.
    let only = catalog(|text| text.replace("  name: gcp\nspec:\n", "  name: gcp\nspec:\n  cordoned: {reason: x}\n"));
    let args = format!("--catalog {}", path(&only));
    let table = place(&args, &[claim("db", "C1", true)]);
    assert_eq!((table.status, table.err.as_str()), (0, ""));
    assert!(
        table.out.ends_with("\nwarning: only aws-us-east-1 fits this claim\n"),
        "{table:?}"
    );
    for data in ["-o json", "-o yaml", "-o yaml --claim"] {
        let run = place(&format!("{args} {data}"), &[claim("db", "C1", true)]);
        assert_eq!(run.err, "warning: payments/db: only aws-us-east-1 fits this claim\n");
        assert!(!run.out.contains("warning"));
    }
}

// ---- place: many claims, other kinds

#[test]
fn every_claim_of_a_file_is_answered_and_other_kinds_are_skipped_with_a_note() {
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": [
        claim("a", "C1", true),
        { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "x" } },
        { "apiVersion": "v1", "kind": "List", "items": [claim("b", "C9", true)] },
    ]});
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" } });
    let typed = json!({ "apiVersion": "db.platform.example.org/v1alpha1", "kind": "MySQLInstanceClaimList",
        "items": [claim("c", "C2", false)] });
    let run = place(
        "",
        &[
            config,
            list,
            typed,
            json!({"x": 1}),
            json!({"kind": "MySQLInstanceClaim"}),
        ],
    );
    assert_eq!(run.status, 1);
    let heads: Vec<&str> = run.out.lines().filter(|line| line.starts_with("payments/")).collect();
    assert_eq!(
        heads,
        [
            "payments/a: placed on aws-us-east-1 (aws, us-east-1, cluster aws-use1-prod) with 0.825 points",
            "payments/b: refused",
            "payments/c: placed on oci-us-ashburn-1 (oci, us-ashburn-1, cluster oci-iad-prod) with 0.7875 points",
        ]
    );
    assert_eq!(
        run.err,
        "\
note: skipped ConfigMap settings of v1
note: skipped Service x/web of v1
note: skipped a document without a kind
note: skipped MySQLInstanceClaim (no name), which has no apiVersion
"
    );
}

#[test]
fn a_file_without_a_claim_is_used_wrongly() {
    let config = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "settings" } });
    let run = place("", &[config]);
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert_eq!(
        run.err,
        "error: standard input holds no MySQLInstanceClaim of db.platform.example.org\n  - ConfigMap settings of v1\n"
    );
    assert_eq!(run_with("place -f -", b"").status, 2);
    assert_eq!(run_with("place -f -", b"---\n---\n# nothing\n").status, 2);
}

#[test]
fn a_claim_is_called_by_what_of_its_name_there_is() {
    let mut generated = claim("x", "C1", true);
    generated["metadata"] = json!({ "generateName": "db-" });
    let mut none = claim("x", "C1", true);
    none.as_object_mut().unwrap().remove("metadata");
    let run = place("", &[generated, none]);
    assert_eq!(run.status, 0);
    assert!(run.out.starts_with("db-…: placed on aws"), "{run:?}");
    assert!(run.out.contains("\n(no name): placed on aws"), "{run:?}");
}

// ---- place: for programs

#[test]
fn the_reason_as_json_is_byte_for_byte_the_annotation() {
    let reason = place("-o json", &[claim("db", "C1", true)]);
    let stored = place("-o json --claim", &[claim("db", "C1", true)]);
    assert_eq!((reason.status, stored.status), (0, 0));
    let stored = read_json(&stored.out);
    let annotation = &stored["metadata"]["annotations"]["platform.example.org/placement-reason"];
    assert_eq!(reason.out, annotation.as_str().unwrap().to_owned() + "\n");
    // From flags it is the same, because the name never enters a decision; and YAML says the same.
    assert_eq!(run(&(flags("C1") + " --ha -o json")), reason);
    let as_yaml = place("-o yaml", &[claim("db", "C1", true)]);
    assert_eq!(read_yaml(&as_yaml.out), [read_json(&reason.out)]);
}

#[test]
fn a_refusal_as_data_names_cause_field_and_message() {
    let mut bad = claim("db", "C1", false);
    bad["spec"]["parameters"]["size"] = json!("huge");
    let told = json!({
        "name": "db",
        "namespace": "payments",
        "problems": [{
            "cause": "FieldInvalid",
            "field": "spec.parameters.size",
            "message": "is \"huge\"; must be small, medium, large or xlarge",
        }],
    });
    let json = place("-o json", &[bad.clone()]);
    let yaml = place("-o yaml", &[bad]);
    assert_eq!((json.status, yaml.status), (1, 1));
    assert_eq!((json.err.as_str(), yaml.err.as_str()), ("", ""));
    assert_eq!(read_json(&json.out), told);
    assert_eq!(read_yaml(&yaml.out), [told]);
}

#[test]
fn an_unschedulable_claim_as_data_has_the_reason_without_a_winner() {
    let dir = nowhere();
    let run = place(&format!("-o json --catalog {}", path(&dir)), &[claim("db", "C1", true)]);
    assert_eq!(run.status, 1);
    let told = read_json(&run.out);
    assert_eq!(told["problems"][0]["cause"], "Unschedulable");
    assert_eq!(told["reason"]["winner"], Value::Null);
    assert_eq!(told["reason"]["excluded"].as_array().unwrap().len(), 3);
}

#[test]
fn several_claims_as_data_are_a_list_in_json_and_documents_in_yaml() {
    let claims = [claim("a", "C1", true), claim("b", "C9", true), claim("c", "C2", true)];
    let json = place("-o json", &claims);
    let yaml = place("-o yaml", &claims);
    assert_eq!((json.status, yaml.status), (1, 1));
    let told = read_json(&json.out);
    assert_eq!(Value::Array(read_yaml(&yaml.out)), told);
    let shape: Vec<_> = told
        .as_array()
        .unwrap()
        .iter()
        .map(|told| {
            (
                told["name"].as_str(),
                told["reason"]["winner"]["candidate"].as_str(),
                told.get("problems").is_some(),
            )
        })
        .collect();
    assert_eq!(
        shape,
        [
            (Some("a"), Some("aws-us-east-1"), false),
            (Some("b"), None, true),
            (Some("c"), Some("gcp-us-central1"), false),
        ]
    );
}

// ---- place --claim

#[test]
fn the_stored_claim_is_the_claim_as_it_came_plus_the_placement() {
    let mut given = claim("db", "C1", true);
    given["metadata"]["labels"] = json!({ "team": "x", "yes": "012" });
    given["spec"]["crossplane"] = json!({ "compositionUpdatePolicy": "Manual" });
    given["spec"]["unknown"] = json!({ "deep": [1, 2.5, null, 18_446_744_073_709_551_615_u64] });
    let mut stored = given.clone();
    let reason = place("-o json", &[given.clone()]).out.trim_end().to_owned();
    stored["metadata"]["annotations"] = json!({ "platform.example.org/placement-reason": reason });
    stored["spec"]["crossplane"]["compositionSelector"] = json!({ "matchLabels": {
        "db.platform.example.org/provider": "aws", "db.platform.example.org/class": "mysql",
    }});
    for (field, value) in [
        ("provider", json!("aws")),
        ("region", json!("us-east-1")),
        ("runtimeCluster", json!("aws-use1-prod")),
        ("network", read_json(&reason)["winner"]["network"].clone()),
    ] {
        stored["spec"]["parameters"][field] = value;
    }
    let json = place("-o json --claim", &[given.clone()]);
    let yaml = place("-o yaml --claim", &[given]);
    assert_eq!((json.status, yaml.status), (0, 0));
    assert_eq!(read_json(&json.out), stored);
    assert_eq!(read_yaml(&yaml.out), [stored]);
}

#[test]
fn a_claim_that_is_refused_is_not_among_the_stored() {
    let bad = claim("b", "C9", true);
    let said = "payments/b: spec.parameters.tier: there is no tier \"C9\"; use one of: C0, C1, C2\n";
    let alone = place("-o json --claim", std::slice::from_ref(&bad));
    assert_eq!(
        alone,
        Run {
            status: 1,
            out: String::new(),
            err: said.to_owned()
        }
    );
    let claims = [claim("a", "C1", true), bad, claim("c", "C1", true)];
    let json = place("-o json --claim", &claims);
    let yaml = place("-o yaml --claim", &claims);
    assert_eq!((json.status, json.err.as_str()), (1, said));
    assert_eq!((yaml.status, yaml.err.as_str()), (1, said));
    let list = read_json(&json.out);
    assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
    assert_eq!(Value::Array(read_yaml(&yaml.out)), list["items"]);
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
}

// ---- place --why-not

#[test]
fn why_not_is_answered_for_flags_and_files_in_words_and_as_data() {
    let said = "\
gcp-us-central1 is 0.01 points behind aws-us-east-1 (0.815 against 0.825).
It loses most in dr: 0.2125 points (0.85 × 0.25) against 0.2375 (0.95 × 0.25).
It would win with cost 0.6901 instead of 0.65.
";
    assert_eq!(run(&(flags("C1") + " --ha --why-not gcp")), done(said));
    assert_eq!(
        place("--why-not gcp-us-central1", &[claim("db", "C1", true)]),
        done(said)
    );
    let json = place("--why-not gcp -o json", &[claim("db", "C1", true)]);
    let yaml = place("--why-not gcp -o yaml", &[claim("db", "C1", true)]);
    let told = read_json(&json.out);
    assert_eq!(told["candidate"], "gcp-us-central1");
    assert_eq!(told["standing"]["behind"], 0.01);
    assert_eq!(read_yaml(&yaml.out), [told]);
}

#[test]
fn why_not_of_an_unschedulable_claim_is_answered_and_the_status_still_says_refused() {
    let dir = nowhere();
    let run = run(&(flags("C1") + " --ha --why-not oci --catalog " + path(&dir)));
    assert_eq!((run.status, run.err.as_str()), (1, ""));
    assert!(
        run.out.starts_with("oci-us-ashburn-1 does not fit: lacks MultiAZ.\n"),
        "{run:?}"
    );
}

#[test]
fn why_not_of_a_refused_claim_is_its_refusal() {
    let table = run(&(flags("C9") + " --why-not oci"));
    assert_eq!(
        table.out,
        "request: refused\nspec.parameters.tier: there is no tier \"C9\"; use one of: C0, C1, C2\n"
    );
    let json = run(&(flags("C9") + " --why-not oci -o json"));
    assert_eq!((table.status, json.status), (1, 1));
    assert_eq!(read_json(&json.out)["problems"][0]["cause"], "FieldUnknown");
}

#[test]
fn why_not_of_an_unknown_name_lists_the_candidates() {
    let run = run(&(flags("C1") + " --why-not azure\u{1b}[2J"));
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert_eq!(
        run.err,
        "error: cell payments has no candidate and no provider \"azure\\u{1b}[2J\"; its candidates: aws-us-east-1, \
         gcp-us-central1, oci-us-ashburn-1\n"
    );
    let two = place("--why-not aws", &[claim("a", "C1", true), claim("b", "C1", true)]);
    assert_eq!(
        (two.status, two.err.as_str()),
        (2, "error: --why-not asks about one claim; the file holds 2\n")
    );
}

// ---- used wrongly

#[test]
fn what_is_used_wrongly_ends_with_2_and_says_so_on_standard_error_alone() {
    for args in [
        "place",
        "place --cell payments",
        "place -f - --ha",
        "place -f - --tier C1",
        "place -f - --claim",
        "place -f - --claim -o json --why-not aws",
        "place --claim --cell a --tier b --environment c --size d --storage-gb 50",
        "place --cell a --tier b --environment c --size d --storage-gb many",
        "place -f - -o xml",
        "place -f /nowhere.yaml",
        "place -f /",
        "place -f - --catalog /nowhere",
        "catalog",
        "catalog check",
        "catalog check /nowhere",
        "catalog show --catalog /nowhere",
        "completions csh",
        "unheard-of",
    ] {
        let run = run_with(args, &stream(&[claim("db", "C1", true)]));
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{args}");
        assert!(
            run.err.starts_with("error: ") || run.err.contains("Usage: "),
            "{args}: {run:?}"
        );
    }
}

#[test]
fn numbers_out_of_range_are_for_the_webhook_to_refuse() {
    for gb in ["10", "-5", "99999999999"] {
        let args = format!("place --cell payments --tier C1 --environment prod --size medium --storage-gb {gb}");
        let run = run(&args);
        assert_eq!(run.status, 1, "{run:?}");
        assert_eq!(
            run.out,
            format!(
                "request: refused\nspec.parameters.storageGB: is {gb}; must be a whole number of GiB from 50 to 16384\n"
            )
        );
    }
}

#[test]
fn the_reason_of_an_error_is_said_once() {
    assert_eq!(
        run("catalog check /nowhere").err,
        "error: /nowhere: cannot be read: No such file or directory (os error 2)\n"
    );
    assert_eq!(
        run("place -f /nowhere.yaml").err,
        "error: /nowhere.yaml cannot be read: No such file or directory (os error 2)\n"
    );
    let twice = run_with("place -f -", b"a: 1\na: 2\n").err;
    assert_eq!(twice.matches("duplicate").count(), 1, "{twice}");
}

// ---- bad input

#[test]
fn bad_input_is_an_error_in_words_and_never_a_panic() {
    let claim = String::from_utf8(stream(&[claim("db", "C1", true)])).unwrap();
    let nested = |depth: usize| format!("{claim}\n---\nx: {}{}\n", "[".repeat(depth), "]".repeat(depth));
    let laughs: String = (1..12).fold("l0: &l0 [x]\n".to_owned(), |text, i| {
        let refs = vec![format!("*l{}", i - 1); 9].join(",");
        format!("{text}l{i}: &l{i} [{refs}]\n")
    });
    let inputs: Vec<Vec<u8>> = vec![
        (0..=255).collect(),
        vec![0; 1000],
        vec![0xff; 1000],
        b"\xef\xbb\xbf".to_vec(),
        b"\xff\xfea\0:\0 \0".to_vec(),
        b"a: b: c".to_vec(),
        b"a: 1\na: 2".to_vec(),
        b"\t- x".to_vec(),
        b"*nobody".to_vec(),
        b"&a [*a]".to_vec(),
        b"!!binary x".to_vec(),
        b"%YAML 9.9\n---\nx".to_vec(),
        b"{\"a\": ".to_vec(),
        b"<<: [1]".to_vec(),
        b"? [a, b]\n: c".to_vec(),
        b"1: 2\ntrue: x\nnull: y".to_vec(),
        laughs.into_bytes(),
        nested(100).into_bytes(),
        nested(200_000).into_bytes(),
        "---\n".repeat(100_000).into_bytes(),
        "- ".repeat(100_000).into_bytes(),
        vec![b'a'; 17 * 1024 * 1024],
    ];
    for input in inputs {
        let run = run_with("place -f -", &input);
        let start = String::from_utf8_lossy(&input[..input.len().min(60)]).into_owned();
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{start:?}: {}", run.err);
        assert!(run.err.starts_with("error: standard input "), "{start:?}: {}", run.err);
        assert!(!run.err.contains("panicked"), "{start:?}: {}", run.err);
        assert!(run.err.len() < 1000, "{start:?}: {}", run.err);
    }
}

#[test]
fn json_is_read_as_it_is_commonly_written() {
    let object = claim("db", "C1", true);
    let pretty = serde_json::to_string_pretty(&object).unwrap();
    let tabs = pretty.replace("  ", "\t");
    let escaped = pretty.replace("\"db\"", "\"d\\u0062\", \"x\": \"\\ud83d\\ude00 \\/\"");
    for text in [pretty, tabs, escaped] {
        let run = run_with("place -f -", text.as_bytes());
        assert_eq!(run.status, 0, "{text}: {run:?}");
        assert!(run.out.starts_with("payments/db: placed on aws"), "{run:?}");
    }
}

#[test]
fn aliases_and_merge_keys_within_bounds_are_understood() {
    let text = "\
x: &p {cell: payments, tier: C1, environment: prod, size: medium, storageGB: 50}
apiVersion: db.platform.example.org/v1alpha1
kind: MySQLInstanceClaim
metadata: {name: db}
spec: {parameters: *p}
";
    let run = run_with("place -f -", text.as_bytes());
    assert_eq!(run.status, 0, "{run:?}");
}

#[test]
fn nothing_that_a_terminal_obeys_in_a_claim_reaches_the_output() {
    let evil = "x\u{1b}[2J\u{7}\u{9b}1m\u{7f}\u{202e}\u{2066}\r\n";
    let mut odd = claim(evil, "C1", true);
    odd["metadata"]["namespace"] = json!(evil);
    odd["metadata"]["labels"] = json!({ evil: evil });
    let mut refused = odd.clone();
    refused["spec"]["parameters"]["tier"] = json!(evil);
    refused["spec"]["crossplane"] = json!({ evil: evil });
    let mut other = odd.clone();
    other["kind"] = json!(evil);
    other["apiVersion"] = json!(evil);
    for args in ["", "-o json", "-o yaml", "-o json --claim", "-o yaml --claim"] {
        let run = place(args, &[odd.clone(), refused.clone(), other.clone()]);
        assert_eq!(run.status, 1, "{run:?}");
        for text in [&run.out, &run.err] {
            let bad = text
                .chars()
                .find(|c| (c.is_control() && *c != '\n') || ('\u{200b}'..'\u{2070}').contains(c));
            assert_eq!(bad, None, "{args}: {text}");
        }
        if args.ends_with("yaml --claim") {
            assert_eq!(read_yaml(&run.out)[0]["metadata"]["name"], evil);
        }
    }
}

// ---- catalog

#[test]
fn the_catalog_is_shown_as_tables() {
    assert_eq!(
        run("catalog show"),
        done(
            "\
built-in catalog, revision 9c91a13be412711556a15efeb7cc5b26743610a8dec0341571e0b076497cf770

TIER  RTO      RPO     REQUIRES                          WEIGHTS
C0    30 min   5 min   MultiAZ, PITR, PrivateNetworking  cost 0.15, dr 0.3, latency 0.3, maturity 0.25
C1    120 min  15 min  PITR, PrivateNetworking           cost 0.25, dr 0.25, latency 0.25, maturity 0.25
C2    480 min  60 min  PrivateNetworking                 cost 0.5, dr 0.15, latency 0.2, maturity 0.15

cell payments, for dev, prod, staging
CANDIDATE         PROVIDER  REGION        CLUSTER        cost  dr    latency  maturity  CAPABILITIES                      CLOSED
aws-us-east-1     aws       us-east-1     aws-use1-prod  0.5   0.95  0.9      0.95      MultiAZ, PITR, PrivateNetworking  -
gcp-us-central1   gcp       us-central1   gcp-usc1-prod  0.65  0.85  0.88     0.88      MultiAZ, PITR, PrivateNetworking  -
oci-us-ashburn-1  oci       us-ashburn-1  oci-iad-prod   0.85  0.7   0.8      0.65      PITR, PrivateNetworking           -

PROVIDER  NETWORK KEYS                                 CLOSED
aws       dbSubnetGroup, securityGroup, vpcId          -
gcp       allocatedIpRange, network                    -
oci       availabilityDomain, compartmentId, subnetId  -
"
        )
    );
}

#[test]
fn what_is_closed_is_shown_at_provider_and_candidate() {
    let dir = catalog(|text| {
        text.replace(
            "  name: aws\nspec:\n",
            "  name: aws\nspec:\n  regions: [{name: us-east-1, cordoned: {reason: fire}}, {name: us-west-2}]\n",
        )
        .replace(
            "  name: oci\nspec:\n",
            "  name: oci\nspec:\n  cordoned: {reason: contract}\n",
        )
        .replace("    name: oci-us", "    cordoned: {reason: full}\n    name: oci-us")
    });
    let run = run(&format!("catalog show --catalog {}", path(&dir)));
    let ends: Vec<&str> = ["us-east-1 ", "oci-us-ashburn-1 ", "dbSubnetGroup", "availabilityDomain"]
        .iter()
        .filter_map(|word| run.out.lines().find(|line| line.contains(word)))
        .filter_map(|line| line.rsplit("  ").next())
        .collect();
    assert_eq!(
        ends,
        [
            "its region is cordoned (fire)",
            "its provider is cordoned (contract), cordoned (full)",
            "us-east-1 (fire)",
            "all (contract)",
        ]
    );
    assert!(
        run.out.starts_with(&format!("catalog {}, revision ", path(&dir))),
        "{run:?}"
    );
}

/// A catalog with every text that a YAML reader could take for something else.
const ODD: &str = r#"
apiVersion: platform.example.org/v1alpha1
kind: Tier
metadata: {name: "1"}
spec:
  rtoMinutes: 0
  rpoMinutes: 0
  requires: ["null", "true", "1e3", "0x1F", "012"]
  weights: {"no": 1, "y": 0, "1.5": 0.0}
---
apiVersion: platform.example.org/v1alpha1
kind: CloudProvider
metadata: {name: "on"}
spec:
  networkKeys: ["yes", "1_000"]
  regions: [{name: "190", cordoned: {reason: "a: b # c"}}]
  cordoned:
    reason: "  - a long reason, with leading and trailing blanks,  and    many   of them within, longer than a line is wide, 'quoted' and \"quoted\"  "
---
apiVersion: platform.example.org/v1alpha1
kind: Cell
metadata: {name: "no"}
spec:
  environments: ["off", "2024-01-01"]
  candidates:
  - name: "0"
    provider: "on"
    region: "1.0"
    runtimeCluster: "inf"
    network: {"yes": "~", "1_000": "12:30:45", "a": "- x", "b": "{}", "c": " ", "d": "!!int 1", "e": "|", "f": "---"}
    capabilities: ["null", "true", "1e3", "0x1F", "012", "NaN"]
    scores: {"no": 0.0001, "y": 1, "1.5": 0.9999, "z": 0.1}
"#;

#[test]
fn the_catalog_as_yaml_loads_again_as_the_same_revision() {
    let odd = folder(&[("odd.yaml", ODD)]);
    for source in ["builtin", path(&odd)] {
        let yaml = run(&format!("catalog show -o yaml --catalog {source}"));
        let json = run(&format!("catalog show -o json --catalog {source}"));
        assert_eq!((yaml.status, json.status), (0, 0), "{yaml:?}");
        let list = read_json(&json.out);
        assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        assert_eq!(Value::Array(read_yaml(&yaml.out)), list["items"]);
        let again = folder(&[("again.yaml", &yaml.out)]);
        let revision = |source: &str| {
            let shown = run(&format!("catalog show --catalog {source}")).out;
            shown.lines().next().unwrap().rsplit_once(' ').unwrap().1.to_owned()
        };
        assert_eq!(revision(source), revision(path(&again)));
        assert_eq!(run(&format!("catalog show -o yaml --catalog {}", path(&again))), yaml);
    }
}

#[test]
fn a_good_catalog_is_ok_with_counts_and_revision() {
    let dir = catalog(str::to_owned);
    let revision = "9c91a13be412711556a15efeb7cc5b26743610a8dec0341571e0b076497cf770";
    assert_eq!(
        run(&format!("catalog check {}", path(&dir))),
        done(&format!(
            "ok: 1 cell, 3 candidates, 3 tiers, 3 providers, 0 policies; revision {revision}\n"
        ))
    );
    let told = json!({
        "revision": revision, "cells": 1, "candidates": 3, "tiers": 3, "providers": 3, "policies": 0, "problems": [],
    });
    assert_eq!(
        read_json(&run(&format!("catalog check -o json {}", path(&dir))).out),
        told
    );
    assert_eq!(
        read_yaml(&run(&format!("catalog check -o yaml {}", path(&dir))).out),
        [told]
    );
}

#[test]
fn everything_that_is_wrong_with_a_catalog_is_listed() {
    let good = run("catalog show -o yaml").out;
    let dir = folder(&[
        (
            "a.yaml",
            &good
                .replace("rtoMinutes: 30", "rtoMinutes: soon")
                .replace("cost: 0.85", "cost: 8.5"),
        ),
        ("b.yaml", "a: 1\na: 2\n"),
        ("c\u{1b}[2J.yaml", "kind: Tier\n"),
        ("ignored.txt", "x"),
    ]);
    let told = run(&format!("catalog check {}", path(&dir)));
    assert_eq!((told.status, told.err.as_str()), (1, ""));
    let at = |file: &str| format!("{}/{file}", path(&dir));
    let lines: Vec<&str> = told.out.lines().collect();
    for expected in [
        format!(
            "{}: Tier c0: spec.rtoMinutes: must be a whole number of minutes",
            at("a.yaml")
        ),
        format!(
            "{}: Cell payments: spec.candidates[2].scores.cost: must be from 0 to 1",
            at("a.yaml")
        ),
        format!(
            "{}: cannot be read as YAML: line 2, column 1: duplicate mapping key",
            at("b.yaml")
        ),
        format!("{}: Tier (no name): metadata: is missing", at("c\\u{1b}[2J.yaml")),
    ] {
        assert!(
            lines.iter().any(|line| line.starts_with(&expected)),
            "{expected}\n{}",
            told.out
        );
    }
    assert_eq!(*lines.last().unwrap(), format!("{} problems", lines.len() - 1));
    let json = run(&format!("catalog check -o json {}", path(&dir)));
    assert_eq!(json.status, 1);
    let problems = read_json(&json.out)["problems"].as_array().unwrap().clone();
    assert_eq!(problems.len(), lines.len() - 1);
    assert!(
        problems.iter().all(|problem| problem.as_object().unwrap().len() == 4),
        "{problems:?}"
    );
    // The same catalog is no good for placing, either, and that is no fault of the claim.
    let run = run(&(flags("C1") + " --catalog " + path(&dir)));
    assert_eq!(run.status, 2);
    assert!(
        run.err
            .starts_with(&format!("error: the catalog has {} problems:\n", problems.len())),
        "{run:?}"
    );
}

#[test]
fn a_catalog_can_be_named_by_the_environment() {
    let dir = nowhere();
    let output = |args: &[&str]| {
        Command::new(BIN)
            .args(args)
            .env("IDP_CATALOG", dir.path())
            .output()
            .unwrap()
    };
    let shown = String::from_utf8(output(&["catalog", "show"]).stdout).unwrap();
    assert!(
        shown.starts_with(&format!("catalog {}, revision ", path(&dir))),
        "{shown}"
    );
    let by_flag = String::from_utf8(output(&["catalog", "show", "--catalog", "builtin"]).stdout).unwrap();
    assert!(by_flag.starts_with("built-in catalog, revision "), "{by_flag}");
    let args = flags("C1") + " --ha";
    let args: Vec<&str> = args.split(' ').collect();
    assert_eq!(output(&args).status.code(), Some(1));
}

// ---- certs

#[test]
fn certs_makes_an_authority_once_and_a_new_pair_each_time() {
    use std::os::unix::fs::PermissionsExt;

    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("made");
    let file = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let certs = format!("certs --service ours --namespace platform --out {}", out.display());
    let first = run(&certs);
    assert_eq!(first.status, 0, "{}", first.err);
    for (name, mode) in [
        ("ca.crt", 0o644),
        ("ca.key", 0o600),
        ("tls.crt", 0o644),
        ("tls.key", 0o600),
    ] {
        let seen = fs::metadata(out.join(name)).unwrap().permissions().mode();
        assert_eq!(seen & 0o777, mode, "{name}");
    }
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, file("ca.crt"));
    assert_eq!(first.out, format!("{base64}\n"));
    assert!(
        first.err.contains("made for ours.platform.svc; good until "),
        "{}",
        first.err
    );
    assert!(
        first.err.contains("--from-file=") && !first.err.contains("PRIVATE"),
        "{}",
        first.err
    );

    let before = ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(file);
    let second = run(&certs);
    assert_eq!((second.status, &second.out), (0, &first.out));
    let after = ["ca.crt", "ca.key", "tls.crt", "tls.key"].map(file);
    assert_eq!(after[..2], before[..2]);
    assert!(after[2] != before[2] && after[3] != before[3]);
    assert_eq!(fs::read_dir(&out).unwrap().count(), 4, "nothing else is left there");
}

#[test]
fn certs_says_what_is_wrong_with_what_is_there_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let certs = format!("certs --out {}", path(&dir));
    run(&certs);
    let file = |name: &str| dir.path().join(name);
    let failed = |certs: &str, parts: &[&str]| {
        let run = run(certs);
        assert_eq!((run.status, run.out.as_str()), (2, ""), "{}", run.err);
        for part in parts {
            assert!(run.err.contains(part), "{part}: {}", run.err);
        }
    };
    let key = fs::read(file("ca.key")).unwrap();
    fs::remove_file(file("ca.key")).unwrap();
    failed(&certs, &["ca.key: is not there, but ", "give another folder"]);
    fs::write(file("ca.key"), "garbage").unwrap();
    failed(&certs, &["ca.key: no unencrypted private key"]);
    fs::write(file("ca.key"), key).unwrap();
    fs::copy(file("tls.crt"), file("ca.crt")).unwrap();
    failed(&certs, &["ca.key: the key does not belong"]);
    for (wrong, named) in [
        ("--service Ours", "--service"),
        ("--namespace -", "--namespace"),
        ("--lifetime 1s", "--lifetime"),
        ("--lifetime soon", "--lifetime"),
    ] {
        failed(&format!("{certs} {wrong}"), &[named]);
    }
    failed("certs", &["--out"]);
}

// ---- crd, completions, help, pipes

#[test]
fn the_committed_crd_and_xrd_are_what_the_command_prints() {
    for (command, file) in [
        ("crd", "manifests/crds.yaml"),
        ("crd --xrd", "crossplane/mysqlinstanceclaim-xrd.yaml"),
    ] {
        let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap_or_default();
        assert!(
            run(command) == done(&committed),
            "{file} is not up to date; run: cargo run -- {command} > {file}"
        );
    }
}

#[test]
fn completions_come_for_each_shell() {
    for (shell, has) in [
        ("bash", "complete -F _idp__multicloud"),
        ("zsh", "#compdef idp-multicloud"),
        ("fish", "complete -c idp-multicloud"),
    ] {
        let run = run(&format!("completions {shell}"));
        assert_eq!((run.status, run.err.as_str()), (0, ""));
        assert!(run.out.contains(has) && run.out.contains("why-not"), "{shell}");
    }
}

#[test]
fn bash_accepts_its_completions() {
    let script = run("completions bash").out;
    let checked = "eval \"$1\" && complete -p idp-multicloud";
    let output = Command::new("bash")
        .args(["-c", checked, "bash", &script])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn every_subcommand_has_help_with_examples() {
    for command in [
        "",
        "place",
        "audit",
        "catalog check",
        "catalog show",
        "catalog diff",
        "certs",
        "controller",
        "crd",
        "completions",
    ] {
        let run = run(&format!("{command} --help"));
        assert_eq!((run.status, run.err.as_str()), (0, ""));
        assert!(run.out.contains("\nExamples:\n  "), "{command}: {}", run.out);
        let too_long = run.out.lines().find(|line| line.chars().count() > 120);
        assert_eq!(too_long, None, "{command}");
    }
}

#[test]
fn a_reader_that_has_gone_is_no_error_and_changes_no_status() {
    let dir = nowhere();
    for (args, status) in [
        ("catalog show".to_owned(), 0),
        ("crd".to_owned(), 0),
        ("completions bash".to_owned(), 0),
        ("--help".to_owned(), 0),
        (flags("C1"), 0),
        (format!("{} --ha --catalog {}", flags("C1"), path(&dir)), 1),
    ] {
        let mut child = Command::new(BIN)
            .args(args.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), output.stderr.as_slice()),
            (Some(status), &b""[..]),
            "{args}"
        );
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(BIN).arg("crd").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot write to standard output: "), "{said}");
}

#[test]
fn a_claim_made_of_flags_is_shown_as_it_would_be_stored_too() {
    let run =
        run("place --claim -o json --cell payments --tier C1 --environment prod --size medium --storage-gb 50 --ha");
    let claim: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(run.status, 0);
    assert_eq!(claim["spec"]["parameters"]["provider"], "aws");
    assert_eq!(claim["spec"]["parameters"]["storageGB"], 50);
}
