//! What it tells: a log line and a few counts for each decision, and never what is in a claim.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, pipe};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::server::{Connection, REVIEW, Server, UID, assert_placed, binary, eventually, on, review, value};

/// A review of that name, by that user, with a secret in it.
fn named(name: &str, user: &str, tier: &str) -> String {
    review(|review| {
        let request = &mut review["request"];
        request["name"] = json!(name);
        request["namespace"] = json!("payments");
        request["userInfo"]["username"] = json!(user);
        request["object"]["metadata"]["name"] = json!(name);
        request["object"]["metadata"]["annotations"]["note"] = json!("body-marker");
        request["object"]["spec"]["parameters"]["tier"] = json!(tier);
    })
}

/// The decisions in a log of JSON lines, every line of which has to be JSON.
fn decisions(server: &Server) -> Vec<Value> {
    let stderr = server.stderr();
    let lines = stderr.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["message"] == "admission").collect()
}

#[test]
fn every_decision_is_one_line_of_json_with_its_circumstances() {
    let server = Server::start(&["--log-format=json"]);
    let mut connection = server.connect();
    let placed = connection.post("/mutate", named("payments-db", "dev@example.org", "C1"));
    assert_placed(&placed);
    let digest = placed.review()["auditAnnotations"]["digest"].clone();
    assert_eq!(digest.as_str().unwrap().len(), 64, "{digest}");
    connection.post("/mutate", named("payments-db", "dev@example.org", "C9"));
    let dry = review(|review| review["request"]["dryRun"] = json!(true));
    connection.post("/mutate", dry);
    eventually("three lines", || decisions(&server).len() == 3);

    let revision = server.revision();
    let shown: Vec<_> = decisions(&server)
        .into_iter()
        .map(|mut line| {
            assert!(
                line["duration_us"]
                    .take()
                    .as_u64()
                    .is_some_and(|micros| micros < 5_000_000)
            );
            assert!(line["timestamp"].take().is_string());
            line
        })
        .collect();
    let line = |dry_run: bool, outcome: &str, causes: &str, winner: &str, digest: &Value| {
        json!({
            "timestamp": null, "level": "INFO", "message": "admission", "uid": UID, "namespace": "payments",
            "name": "payments-db", "user": "dev@example.org", "operation": "CREATE", "dry_run": dry_run,
            "outcome": outcome, "causes": causes, "winner": winner, "policies": "", "catalog": revision, "digest": digest,
            "duration_us": null,
        })
    };
    assert_eq!(
        shown,
        [
            line(false, "placed", "", "aws-us-east-1", &digest),
            line(false, "refused", "FieldUnknown", "", &json!("")),
            line(true, "placed", "", "aws-us-east-1", &digest),
        ]
    );
    assert!(!server.stderr().contains("body-marker"));
}

#[test]
fn a_line_of_text_says_the_same_and_no_name_can_forge_or_garble_one() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    assert_placed(&connection.post("/mutate", named("payments-db", "dev@example.org", "C1")));
    let odd = "x\" outcome=\"denied\"\n2026-01-01T00:00:00Z  INFO admission\u{1b}[31m\u{202e}\u{0}";
    connection.post("/mutate", named(odd, odd, "C1"));
    connection.post("/mutate", named("a b outcome=placed", "y", "C1"));
    connection.post("/mutate", named(&"long".repeat(1000), "y", "C1"));
    server.await_log(&[" admission "], 4);

    let lines = server.log(&[" admission "]);
    for part in [
        &format!("uid=\"{UID}\""),
        "namespace=\"payments\"",
        "name=\"payments-db\"",
        "user=\"dev@example.org\"",
        "operation=\"CREATE\"",
        "dry_run=false",
        "outcome=\"placed\"",
        "winner=\"aws-us-east-1\"",
        "catalog=\"",
        "digest=\"",
        "duration_us=",
    ] {
        assert!(lines[0].contains(part), "{part}: {}", lines[0]);
    }
    for line in &lines {
        assert!(line.contains(" INFO admission uid=\""), "{line}");
        assert_eq!(line.matches(" outcome=\"").count(), 1, "{line}");
        assert!(line.len() < 800, "{line}");
    }
    let stderr = server.stderr();
    assert!(!stderr.contains("body-marker"));
    let garbling = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
    assert!(!stderr.contains(garbling), "{stderr:?}");
}

#[test]
fn what_is_no_review_is_one_warning_without_its_text() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let kind = "body-marker\u{1b}[31m\n".repeat(10);
    connection.post(
        "/mutate",
        json!({"apiVersion": "admission.k8s.io/v1", "kind": kind}).to_string(),
    );
    connection.post("/mutate", json!({"kind": {"body-marker": kind}}).to_string());
    connection.post("/mutate", "body-marker");
    server.await_log(&["WARN", "status=400"], 3);
    assert!(!server.stderr().contains("body-marker"), "{}", server.stderr());
    assert!(server.log(&[" admission "]).is_empty());
}

#[test]
fn the_log_filter_leaves_out_what_it_says() {
    for (filter, decisions, warnings) in [
        ("warn", 0, 1),
        ("off", 0, 0),
        ("info", 1, 1),
        ("off,idp_multicloud=info", 1, 1),
    ] {
        let server = Server::start(&["--log", filter]);
        let mut connection = server.connect();
        connection.post("/mutate", REVIEW);
        connection.post("/mutate", "no review");
        let mut server = server;
        server.signal("INT");
        assert_eq!(server.exit_code(), 0);
        let found = (
            server.log(&[" admission "]).len(),
            server.log(&["WARN", "not answered"]).len(),
        );
        assert_eq!(found, (decisions, warnings), "{filter}: {}", server.stderr());
    }
}

#[test]
fn a_log_that_nobody_reads_holds_no_review_up() {
    let (reader, writer) = pipe().unwrap();
    let server = Server::spawn(on(binary(), &["127.0.0.1:0"; 3]), Stdio::from(writer)).started();
    let mut connection = server.connect();
    // Some 300 KB of lines; a pipe takes 64 KiB.
    for _ in 0..1000 {
        assert_placed(&connection.post("/mutate", REVIEW));
    }
    server.assert_unharmed();
    // Nor does it hold the end up for long.
    let mut server = server;
    server.signal("INT");
    assert_eq!(server.exit_code(), 0);
    drop(reader);
}

#[test]
fn a_log_whose_reader_is_gone_fails_no_review() {
    let (mut reader, writer) = pipe().unwrap();
    let server = Server::spawn(on(binary(), &["127.0.0.1:0"; 3]), Stdio::from(writer)).started();
    reader.read_exact(&mut [0; 10]).unwrap();
    drop(reader);
    for _ in 0..10 {
        assert_placed(&server.connect().post("/mutate", REVIEW));
    }
    eventually("the lost lines are counted", || {
        server.metric("idp_log_lines_lost_total") >= 10.0
    });
    server.assert_unharmed();
}

#[test]
fn decisions_are_counted_by_operation_outcome_cause_and_place() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    for _ in 0..2 {
        assert_placed(&connection.post("/mutate", REVIEW));
    }
    let dry = review(|review| review["request"]["dryRun"] = json!(true));
    assert_placed(&connection.post("/mutate", dry));
    let two_problems = review(|review| {
        review["request"]["object"]["spec"]["parameters"]["tier"] = json!("C9");
        review["request"]["object"]["spec"]["parameters"]["region"] = json!("here");
    });
    connection.post("/mutate", two_problems);
    connection.post(
        "/mutate",
        review(|review| review["request"]["operation"] = json!("DELETE")),
    );
    connection.post("/mutate", "no review");

    let metrics = server.metrics();
    for (name, count) in [
        (
            "idp_admission_reviews_total{operation=\"CREATE\",outcome=\"placed\"}",
            3.0,
        ),
        (
            "idp_admission_reviews_total{operation=\"CREATE\",outcome=\"refused\"}",
            1.0,
        ),
        ("idp_admission_refusals_total{cause=\"FieldUnknown\"}", 1.0),
        ("idp_admission_refusals_total{cause=\"PlacementForbidden\"}", 1.0),
        // Told before there is one, so that the first is seen to come.
        ("idp_admission_refusals_total{cause=\"Unschedulable\"}", 0.0),
        (
            "idp_admission_reviews_total{operation=\"UPDATE\",outcome=\"refused\"}",
            0.0,
        ),
        // Not the dry run.
        (
            "idp_placements_total{cell=\"payments\",tier=\"C1\",provider=\"aws\"}",
            2.0,
        ),
        ("idp_admission_duration_seconds_count", 5.0),
        ("idp_admission_unreadable_total", 1.0),
        ("idp_admission_in_flight", 0.0),
        ("idp_panics_total", 0.0),
        ("idp_connections_refused_total", 0.0),
        ("idp_certificate_refusals_total", 0.0),
        ("idp_certificate_refused", 0.0),
        ("idp_catalog_refusals_total", 0.0),
        ("idp_catalog_refused", 0.0),
        ("idp_ready", 1.0),
        ("idp_log_lines_lost_total", 0.0),
    ] {
        assert_eq!(value(&metrics, name), Some(count), "{name}: {metrics}");
    }
    let deletes = metrics
        .lines()
        .filter(|line| line.starts_with("idp_admission_reviews_total{operation=\"DELETE\""));
    assert_eq!(deletes.count(), 1, "{metrics}");
    let revision = server.revision();
    assert_eq!(
        value(&metrics, &format!("idp_catalog_info{{revision=\"{revision}\"}}")),
        Some(1.0)
    );
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let since = value(&metrics, "idp_catalog_since_timestamp_seconds").unwrap();
    assert!((now - 60.0..=now).contains(&since), "{since}");
    let year = 365.0 * 24.0 * 60.0 * 60.0;
    let expires = value(&metrics, "idp_certificate_not_after_timestamp_seconds").unwrap() - now;
    assert!((year - 120.0..=year + 1.0).contains(&expires), "{expires}");
    let bucket = "idp_admission_duration_seconds_bucket{le=\"";
    let bounds: Vec<f64> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix(bucket)?.split('"').next()?.parse().ok())
        .collect();
    assert!(bounds[0] == 50e-6 && bounds[bounds.len() - 2] > 10.0, "{bounds:?}");
}

#[test]
fn nothing_that_a_claims_author_types_is_in_a_metric() {
    let server = Server::start(&[]);
    let mut connection = server.connect();
    let before: BTreeSet<_> = names(&server.metrics());
    for tier in ["C1", "marker", "c1"] {
        connection.post("/mutate", named("marker", "marker", tier));
    }
    for change in [
        ("/request/operation", json!("marker")),
        ("/request/kind/version", json!("marker")),
        ("/request/kind/group", json!("marker")),
        ("/request/subResource", json!("marker")),
        ("/request/object/kind", json!("marker")),
        ("/request/object/spec/parameters/cell", json!("marker")),
        ("/request/object/spec/parameters/environment", json!("marker")),
        ("/request/object/spec/parameters/size", json!("marker")),
        ("/request/object/spec/parameters/provider", json!("marker")),
        ("/request/object/spec/parameters", json!({"marker": "marker"})),
    ] {
        let (pointer, value) = change;
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let body = review(|review| review.pointer_mut(parent).unwrap()[key] = value);
        for path in ["/mutate", "/validate", "/marker", "/mutate?marker=marker"] {
            connection.post(path, &body);
        }
    }
    let metrics = server.metrics();
    assert!(!metrics.to_lowercase().contains("marker"), "{metrics}");
    // A tier's spelling is the catalog's.
    let placements = "idp_placements_total{cell=\"payments\",tier=\"C1\",provider=\"aws\"}";
    assert_eq!(value(&metrics, placements), Some(2.0), "{metrics}");
    assert!(before.is_subset(&names(&metrics)));
}

fn names(metrics: &str) -> BTreeSet<String> {
    let samples = metrics.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.split(['{', ' ']).next().unwrap().to_owned())
        .collect()
}

/// See <https://prometheus.io/docs/specs/om/open_metrics_spec/>.
#[test]
fn the_metrics_are_valid_openmetrics() {
    let server = Server::start(&[]);
    server.connect().post("/mutate", REVIEW);
    server
        .connect()
        .post("/mutate", review(|review| review["request"]["object"] = json!({})));
    let response = Connection::plain(server.ops().unwrap()).unwrap().get("/metrics");
    assert_eq!(response.status, 200);
    assert_eq!(
        response.header("content-type"),
        ["application/openmetrics-text; version=1.0.0; charset=utf-8"]
    );
    let lines = response.body.strip_suffix("# EOF\n").unwrap();
    let mut families = BTreeMap::new();
    let mut current = "";
    let mut samples = BTreeSet::new();
    for line in lines.lines() {
        if let Some(told) = line.strip_prefix("# ") {
            let mut words = told.splitn(3, ' ');
            let (keyword, family, rest) = (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            assert!(family.starts_with("idp_"), "{line}");
            match keyword {
                "HELP" => assert!(rest.ends_with('.') && !families.contains_key(family), "{line}"),
                "TYPE" => assert_eq!(families.insert(family, rest), None, "{line}"),
                "UNIT" => assert!(family.ends_with(rest), "{line}"),
                _ => panic!("{line}"),
            }
            current = family;
        } else {
            let (sample, number) = line.rsplit_once(' ').unwrap();
            assert!(number.parse::<f64>().is_ok(), "{line}");
            assert!(samples.insert(sample), "twice: {line}");
            let suffix = sample.split('{').next().unwrap().strip_prefix(current).unwrap();
            let suffixes: &[_] = match families[current] {
                "counter" => &["_total"],
                "gauge" => &[""],
                "histogram" => &["_bucket", "_sum", "_count"],
                kind => panic!("{kind}: {line}"),
            };
            assert!(suffixes.contains(&suffix), "{line}");
        }
    }
    assert!(families.len() >= 15, "{families:?}");
    let buckets: Vec<f64> = lines
        .lines()
        .filter(|line| line.starts_with("idp_admission_duration_seconds_bucket"))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.is_sorted() && buckets.last() == Some(&2.0), "{buckets:?}");
}
