//! Reviews of catalog objects: what is wrong by itself refuses, what it means for others is a warning, and nothing that is
//! stored is locked up.

use idp_multicloud::admission::{Outcome, catalog::answer, envelope};
use idp_multicloud::catalog::{Object, effects};
use idp_multicloud::yaml;
use serde_json::{Value, json};

/// What came of a review.
#[derive(Debug)]
struct Answered {
    outcome: Outcome,
    response: Value,
}

impl Answered {
    fn refused(&self) -> Vec<(&str, &str)> {
        assert_eq!(self.outcome, Outcome::Refused, "{self:?}");
        let status = &self.response["status"];
        assert_eq!((&status["code"], &status["reason"]), (&json!(403), &json!("Forbidden")));
        let causes = status["details"]["causes"].as_array().unwrap();
        causes
            .iter()
            .map(|cause| {
                (
                    cause["reason"].as_str().unwrap(),
                    cause["field"].as_str().unwrap_or_default(),
                )
            })
            .collect()
    }

    fn warnings(&self) -> Vec<&str> {
        assert_eq!(self.response["allowed"], true, "{self:?}");
        let warnings = self.response["warnings"].as_array().into_iter().flatten();
        let warnings: Vec<&str> = warnings.map(|warning| warning.as_str().unwrap()).collect();
        assert!(
            warnings.iter().all(|warning| warning.chars().count() <= 120),
            "{warnings:?}"
        );
        warnings
    }
}

fn builtin() -> Vec<Object> {
    let values = yaml::documents(include_str!("../../src/catalog/builtin.yaml")).unwrap();
    let object = |value| Object {
        file: String::new(),
        value,
    };
    values.into_iter().map(object).collect()
}

fn stored(kind: &str, name: &str) -> Value {
    let is_it = |object: &Object| object.value["kind"] == kind && object.value["metadata"]["name"] == name;
    builtin().into_iter().find(is_it).unwrap().value
}

fn review(operation: &str, object: &Value, old: &Value) -> Value {
    let kind = if object.is_null() { old } else { object }["kind"].clone();
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5", "kind": {"group": "platform.example.org", "version": "v1alpha1", "kind": kind},
            "name": "x", "operation": operation, "userInfo": {"username": "platform@example.org"},
            "object": object, "oldObject": old,
        },
    })
}

fn asked(review: &Value, current: Option<&[Object]>) -> Answered {
    let body = review.to_string();
    let review = envelope::read_any(body.as_bytes()).unwrap();
    let answer = answer(&review, |object| match current {
        Some(current) => Ok(effects(current, object)),
        None => Err("nothing is known"),
    });
    let bytes = envelope::write_about(&review.uid, &answer, "platform.example.org", "Cell");
    let whole: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(whole["response"]["uid"], "705ab4f5");
    assert_eq!(whole["response"]["patch"], Value::Null);
    Answered {
        outcome: answer.outcome,
        response: whole["response"].clone(),
    }
}

fn applied(object: &Value) -> Answered {
    asked(&review("CREATE", object, &Value::Null), Some(&builtin()))
}

#[test]
fn a_good_object_is_accepted_in_silence() {
    for Object { value, .. } in builtin() {
        let answered = applied(&value);
        assert_eq!((answered.outcome, answered.warnings()), (Outcome::Accepted, vec![]));
    }
}

#[test]
fn everything_that_is_wrong_with_it_is_a_cause() {
    let mut cell = stored("Cell", "payments");
    cell["spec"]["candidates"][0]["name"] = json!("A");
    cell["spec"]["candidates"][2]["scores"]["cost"] = json!("much");
    cell["spec"]["extra"] = json!(1);
    let answered = applied(&cell);
    let invalid = "CatalogInvalid";
    assert_eq!(
        answered.refused(),
        [
            (invalid, "spec.extra"),
            (invalid, "spec.candidates[0].name"),
            (invalid, "spec.candidates[2].scores.cost")
        ]
    );
    assert_eq!(answered.response["status"]["details"]["kind"], "Cell");
    let message = answered.response["status"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("3 problems, nothing was changed:\n  - spec.extra: is not known here"),
        "{message}"
    );
    for spec in [Value::Null, json!([]), json!("x"), json!({})] {
        cell["spec"] = spec;
        assert!(!applied(&cell).refused().is_empty());
    }
    cell["metadata"]["name"] = json!("with.dots");
    assert!(applied(&cell).refused().contains(&(invalid, "metadata.name")));
}

#[test]
fn what_it_needs_of_others_is_a_warning() {
    let mut cell = stored("Cell", "payments");
    cell["metadata"]["name"] = json!("billing");
    cell["spec"]["candidates"][0]["provider"] = json!("azure");
    cell["spec"]["candidates"][1]["scores"]
        .as_object_mut()
        .unwrap()
        .remove("cost");
    assert_eq!(
        applied(&cell).warnings(),
        [
            "Cell billing: spec.candidates[0].provider: there is no CloudProvider azure; known: aws, gcp, oci",
            "Cell billing: spec.candidates[1].scores.cost: is missing; Tiers c0, c1, c2 weigh it, so give a number from 0 to 1",
        ]
    );
    // On an empty cluster, it is the first of many.
    let first = asked(&review("CREATE", &stored("Cell", "payments"), &Value::Null), Some(&[]));
    assert_eq!(first.warnings().len(), 3);
}

#[test]
fn what_it_means_for_others_is_a_warning_and_what_was_so_before_is_not() {
    let old = stored("CloudProvider", "aws");
    let mut new = old.clone();
    new["spec"]["networkKeys"] = json!(["vpcId", "zone"]);
    let update = review("UPDATE", &new, &old);
    assert_eq!(
        asked(&update, Some(&builtin())).warnings(),
        ["Cell payments: spec.candidates[0].network.zone: is missing; CloudProvider aws needs it"]
    );
    let mut current = builtin();
    let aws = current
        .iter_mut()
        .find(|object| object.value["metadata"]["name"] == "aws")
        .unwrap();
    aws.value = new.clone();
    assert_eq!(
        asked(&review("UPDATE", &new, &Value::Null), Some(&current))
            .warnings()
            .len(),
        0
    );

    let tier = json!({
        "apiVersion": "platform.example.org/v1alpha1", "kind": "Tier", "metadata": {"name": "green"},
        "spec": {"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"a": 0.2, "b": 0.2, "c": 0.2, "d": 0.2, "e": 0.2}},
    });
    let many = applied(&tier);
    let warnings = many.warnings();
    assert_eq!(warnings.len(), 11);
    assert_eq!(warnings[10], "5 more: see `idp-multicloud catalog check cluster`");
}

#[test]
fn an_object_that_is_stored_wrong_is_not_locked_up() {
    let mut bad = stored("Cell", "payments");
    bad["spec"]["candidates"] = json!([]);
    let mut labelled = bad.clone();
    labelled["metadata"]["labels"] = json!({"seen": "yes"});
    labelled["metadata"]["finalizers"] = json!([]);
    let answered = asked(&review("UPDATE", &labelled, &bad), Some(&builtin()));
    assert_eq!((answered.outcome, answered.warnings()), (Outcome::Unchanged, vec![]));
    let mut worse = bad.clone();
    worse["spec"]["environments"] = json!([]);
    assert_eq!(
        asked(&review("UPDATE", &worse, &bad), Some(&builtin())).refused().len(),
        2
    );
    let deleted = asked(&review("DELETE", &Value::Null, &bad), Some(&builtin()));
    assert_eq!(deleted.outcome, Outcome::NotOurs);
}

#[test]
fn where_consequences_are_not_known_it_says_so_and_judges_the_object_all_the_same() {
    let answered = asked(&review("CREATE", &stored("Tier", "c0"), &Value::Null), None);
    assert_eq!(answered.warnings(), ["nothing is known"]);
    let mut bad = stored("Tier", "c0");
    bad["spec"]["rtoMinutes"] = json!("soon");
    assert_eq!(asked(&review("CREATE", &bad, &Value::Null), None).refused().len(), 1);
}

#[test]
fn names_that_come_are_no_new_problem_of_whoever_misses_another() {
    let mut waiting = stored("Cell", "payments");
    waiting["metadata"]["name"] = json!("waiting");
    waiting["spec"]["candidates"][0]["provider"] = json!("azure");
    let mut current = builtin();
    current.push(Object {
        file: String::new(),
        value: waiting,
    });
    let mut harmless = stored("CloudProvider", "aws");
    harmless["metadata"]["name"] = json!("harmless");
    let answered = asked(&review("CREATE", &harmless, &Value::Null), Some(&current));
    assert_eq!(answered.warnings(), Vec::<&str>::new());
}

#[test]
fn what_is_not_ours_passes_and_what_cannot_be_read_is_refused_with_its_uid() {
    let good = review("CREATE", &stored("Tier", "c0"), &Value::Null);
    let with = |pointer: &str, value: Value| {
        let mut review = good.clone();
        *review.pointer_mut(pointer).unwrap() = value;
        asked(&review, Some(&builtin()))
    };
    for (pointer, value) in [
        ("/request/kind/group", json!("pkg.crossplane.io")),
        ("/request/kind/kind", json!("Provider")),
        ("/request/operation", json!("CONNECT")),
    ] {
        assert_eq!(with(pointer, value).outcome, Outcome::NotOurs, "{pointer}");
    }
    let mut status = good.clone();
    status["request"]["subResource"] = json!("status");
    assert_eq!(asked(&status, None).outcome, Outcome::NotOurs);
    for (pointer, value, field) in [
        ("/request/kind/version", json!("v2"), "apiVersion"),
        ("/request/object", Value::Null, "object"),
        ("/request/object", json!([]), "object"),
        ("/request/object/kind", json!("Cell"), "object"),
        ("/request/kind", Value::Null, "request.kind"),
    ] {
        assert_eq!(with(pointer, value).refused(), [("Malformed", field)], "{pointer}");
    }
    let mut deep = json!(1);
    for _ in 0..200 {
        deep = json!([deep]);
    }
    assert_eq!(with("/request/object/spec", deep).refused(), [("Malformed", "object")]);
}
