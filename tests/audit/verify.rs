//! `verify`: a decision that was made is made again, and nobody makes one up.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::command::{Run, catalog, claim, path, read_json, run_with, stream};
use crate::support;

const REASON: &str = "platform.example.org/placement-reason";

fn verify(args: &str, claims: &[Value]) -> Run {
    run_with(&format!("verify -f - {args}"), &stream(claims))
}

/// A claim as the built-in catalog places it.
fn placed() -> Value {
    let run = run_with("place -f - --claim -o json", &stream(&[claim("orders", "C1", false)]));
    read_json(&run.out)
}

fn reason(claim: &Value) -> Value {
    read_json(claim["metadata"]["annotations"][REASON].as_str().unwrap())
}

/// The claim with another reason.
fn with_reason(mut claim: Value, reason: &Value) -> Value {
    claim["metadata"]["annotations"][REASON] = json!(reason.to_string());
    claim
}

/// The claim moved to the runner-up by somebody who knows how: placement, selector and reason, whose figures add up and
/// whose digest is right.
fn forged() -> Value {
    let genuine = placed();
    let text = genuine["metadata"]["annotations"][REASON].as_str().unwrap();
    let dearer = catalog(|text| text.replace("      cost: 0.5\n", "      cost: 0.4\n"));
    let run = run_with(
        &format!("place -f - --claim -o json --catalog {}", path(&dearer)),
        &stream(&[claim("orders", "C1", false)]),
    );
    let forged = read_json(&run.out);
    let forged_text = forged["metadata"]["annotations"][REASON].as_str().unwrap();
    let revision = |text: &str| read_json(text)["catalogRevision"].as_str().unwrap().to_owned();
    let text = forged_text.replace(&revision(forged_text), &revision(text));
    let (decided, _) = text.split_once(",\"weights\":{").unwrap();
    let decided = format!("{decided},\"catalogRevision\":\"{}\"}}", revision(&text));
    let digest = hex_simd::encode_to_string(Sha256::digest(decided), hex_simd::AsciiCase::Lower);
    let mut reason = read_json(&text);
    reason["digest"] = json!(digest);
    with_reason(forged, &reason)
}

#[test]
fn a_decision_holds_on_the_catalog_that_it_names() {
    let claim = placed();
    let (reason, run) = (reason(&claim), verify("", std::slice::from_ref(&claim)));
    let short = |field: &str| reason[field].as_str().unwrap()[..12].to_owned();
    let expected = format!(
        "\
CLAIM            VERDICT  ON             CATALOG       DIGEST
payments/orders  holds    aws-us-east-1  {}  {}
",
        short("catalogRevision"),
        short("digest")
    );
    assert_eq!((run.status, run.out, run.err), (0, expected, String::new()));

    let run = verify("-o json", &[claim]);
    let expected = json!([{
        "namespace": "payments", "name": "orders", "catalogRevision": reason["catalogRevision"],
        "digest": reason["digest"], "verdict": "holds", "winner": "aws-us-east-1",
    }]);
    assert_eq!((run.status, read_json(&run.out)), (0, expected));
}

#[test]
fn what_a_claim_asks_for_may_have_moved_on_and_what_it_has_may_not() {
    let changed = |field: &str, value: Value| {
        let mut claim = placed();
        claim["spec"]["parameters"][field] = value;
        verify("", &[claim])
    };
    for (field, value) in [
        ("storageGB", json!(500)),
        ("tier", json!("C0")),
        ("size", json!("large")),
    ] {
        assert_eq!(changed(field, value).status, 0, "{field}");
    }
    for (field, value) in [
        ("provider", json!("gcp")),
        ("region", json!("us-west-2")),
        ("runtimeCluster", json!("x")),
        ("network", json!({})),
        ("cell", json!("orders")),
        ("environment", json!("dev")),
    ] {
        let run = changed(field, value);
        assert_eq!(run.status, 1, "{field}");
        let told = format!("\npayments/orders: spec.parameters.{field}: is not what the placement reason says\n");
        assert!(run.out.contains(&told), "{field}: {}", run.out);
    }
}

#[test]
fn a_reason_that_is_made_up_does_not_hold_even_where_it_agrees_with_itself() {
    let run = verify("", &[forged()]);
    let told = format!(
        "\npayments/orders: metadata.annotations[{REASON}]: is not what the catalog of its revision decides; \
         it differs in digest, ranking, winner\n"
    );
    assert_eq!(run.status, 1);
    assert!(run.out.contains(&told), "{}", run.out);

    // A part that no digest is of.
    let mut softer = reason(&placed());
    softer["fit"] = json!(7);
    let run = verify("", &[with_reason(placed(), &softer)]);
    assert_eq!(run.status, 1);
    assert!(run.out.contains("; it differs in fit\n"), "{}", run.out);

    let mut undone = reason(&placed());
    undone["digest"] = json!("0".repeat(64));
    let run = verify("", &[with_reason(placed(), &undone)]);
    assert_eq!(run.status, 1);
    assert!(run.out.contains("does not add up"), "{}", run.out);
}

#[test]
fn a_reason_that_is_older_than_digests_holds_without_one() {
    let mut older = reason(&placed());
    older.as_object_mut().unwrap().remove("digest");
    let run = verify("-o json", &[with_reason(placed(), &older)]);
    let told = read_json(&run.out);
    assert_eq!((run.status, &told[0]["verdict"]), (0, &json!("holds")));
    assert_eq!(told[0].get("digest"), None);
}

#[test]
fn a_catalog_that_was_not_given_is_asked_for_and_among_several_the_right_one_counts() {
    let later = catalog(|text| text.replace("rtoMinutes: 30", "rtoMinutes: 31"));
    let run = verify(&format!("--catalog {}", path(&later)), &[placed()]);
    assert_eq!(run.status, 1);
    assert!(run.out.contains("payments/orders  otherCatalog  -   "), "{}", run.out);
    assert!(
        run.out.ends_with("; give the one decided on, too (--catalog)\n"),
        "{}",
        run.out
    );
    for order in ["--catalog DIR --catalog builtin", "--catalog builtin --catalog DIR"] {
        let run = verify(&order.replace("DIR", path(&later)), &[placed()]);
        assert_eq!(run.status, 0, "{order}: {}", run.out);
    }
}

#[test]
fn claims_without_a_decision_and_files_without_claims_are_no_proof() {
    let run = verify("", &[placed(), claim("bare", "C1", false)]);
    assert_eq!(run.status, 1);
    assert!(
        run.out
            .contains("payments/bare    unplaced  -              -             -"),
        "{}",
        run.out
    );

    let mut bare = placed();
    bare["metadata"]["annotations"] = json!({});
    let run = verify("", &[bare]);
    assert_eq!(run.status, 1);
    assert!(
        run.out.contains("is missing; a placement comes with its reason"),
        "{}",
        run.out
    );

    let run = verify(
        "",
        &[json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}})],
    );
    assert_eq!((run.status, run.out.as_str()), (2, ""));
    assert!(run.err.contains("holds no MySQLInstanceClaim"), "{}", run.err);
}

#[test]
fn what_the_webhook_confirms_verify_confirms_with_the_same_digest() {
    let review = support::create(&support::bare()).answer();
    let annotated = review.response()["auditAnnotations"]["digest"].clone();
    let run = verify("-o json", &[review.patched().0]);
    let told = read_json(&run.out);
    assert_eq!((run.status, &told[0]["digest"]), (0, &annotated));
}
