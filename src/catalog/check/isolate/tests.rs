use serde_json::{Value, json};

use super::*;
use crate::catalog::{builtin, check};
use crate::yaml;

fn builtin_values() -> Vec<Value> {
    yaml::documents(include_str!("../../builtin.yaml")).unwrap()
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "platform.example.org/v1alpha1", "kind": "PlacementPolicy", "metadata": { "name": name }, "spec": spec })
}

fn objects(values: &[Value]) -> Vec<Object> {
    let object = |value: &Value| Object {
        file: String::new(),
        value: value.clone(),
    };
    values.iter().map(object).collect()
}

/// The verdicts that are not `Accepted`, as `KIND NAME: word: problems`.
fn told(values: &[Value], isolated: &Isolated) -> Vec<String> {
    let verdicts = values.iter().zip(&isolated.verdicts);
    let told = verdicts.filter(|(_, verdict)| **verdict != Verdict::Accepted);
    told.map(|(value, verdict)| {
        let problems: Vec<String> = verdict
            .problems()
            .iter()
            .map(|problem| format!("{}: {}", problem.path, problem.message))
            .collect();
        let name = value["metadata"]["name"].as_str().unwrap();
        format!(
            "{} {name}: {}: {}",
            value["kind"].as_str().unwrap(),
            verdict.as_str(),
            problems.join("; ")
        )
    })
    .collect()
}

fn find<'v>(values: &'v mut [Value], kind: &str, name: &str) -> &'v mut Value {
    let found = |value: &&mut Value| value["kind"] == kind && value["metadata"]["name"] == name;
    values.iter_mut().find(found).unwrap()
}

#[test]
fn good_objects_are_the_catalog_that_a_folder_of_them_is() {
    let values = builtin_values();
    let isolated = isolate(&objects(&values));
    assert!(isolated.verdicts.iter().all(|verdict| *verdict == Verdict::Accepted));
    assert_eq!(isolated.snapshot.revision(), builtin::load().unwrap().revision());
    assert_eq!(*isolated.snapshot.not_accepted(), NotAccepted::default());
    let empty = isolate(&[]);
    assert_eq!((empty.verdicts.len(), empty.snapshot.cells().len()), (0, 0));
}

#[test]
fn a_cell_that_is_wrong_is_out_with_all_that_is_wrong_and_the_others_stay() {
    let mut values = builtin_values();
    let mut bad = find(&mut values, "Cell", "payments").clone();
    bad["metadata"]["name"] = json!("billing");
    bad["spec"]["candidates"][0]["region"] = json!(5);
    bad["spec"]["candidates"][1]["provider"] = json!("azure");
    values.insert(0, bad);
    let isolated = isolate(&objects(&values));
    assert_eq!(
        told(&values, &isolated),
        [
            "Cell billing: Invalid: spec.candidates[0].region: must be a string, not a number; put it in quotes; \
             spec.candidates[1].provider: there is no CloudProvider azure; known: aws, gcp, oci"
        ]
    );
    assert_eq!(isolated.snapshot.revision(), builtin::load().unwrap().revision());
    assert_eq!(
        isolated.snapshot.not_accepted().cells["billing"],
        "spec.candidates[0].region: must be a string, not a number; put it in quotes, and 1 more"
    );
}

#[test]
fn what_needs_a_provider_that_is_not_accepted_is_out_with_it() {
    let mut values = builtin_values();
    find(&mut values, "CloudProvider", "gcp")["spec"]["networkKeys"] = json!("network");
    let isolated = isolate(&objects(&values));
    assert_eq!(
        told(&values, &isolated),
        [
            "CloudProvider gcp: Invalid: spec.networkKeys: must be a list, not a string",
            "Cell payments: Unresolved: spec.candidates[1].provider: CloudProvider gcp is there, but not accepted",
        ]
    );
    let mut values = builtin_values();
    find(&mut values, "CloudProvider", "aws")["spec"]["networkKeys"] = json!(["vpcId", "zone"]);
    assert_eq!(
        told(&values, &isolate(&objects(&values))),
        ["Cell payments: Unresolved: spec.candidates[0].network.zone: is missing; CloudProvider aws needs it"]
    );
}

#[test]
fn a_tier_that_a_cell_does_not_score_is_that_cells_matter_with_that_tier_alone() {
    let mut values = builtin_values();
    let mut green = find(&mut values, "Tier", "c2").clone();
    green["metadata"]["name"] = json!("green");
    green["spec"]["weights"] = json!({ "carbon": 0.5, "cost": 0.5 });
    values.push(green);
    let isolated = isolate(&objects(&values));
    let [told] = told(&values, &isolated).try_into().unwrap();
    assert!(
        told.starts_with(
            "Cell payments: Incomplete: spec.candidates[0].scores.carbon: is missing; Tier green weighs it, so give a \
             number from 0 to 1; spec.candidates[1]"
        ),
        "{told}"
    );
    let not_accepted = isolated.snapshot.not_accepted();
    assert_eq!(not_accepted.cells.len(), 0);
    let gaps: Vec<_> = not_accepted.unscored["payments"].keys().collect();
    assert_eq!(gaps, ["green"]);
    assert!(isolated.snapshot.cell("payments").is_some() && isolated.snapshot.tier("GREEN").is_some());
    // A tier that is wrong itself asks nothing of any cell.
    find(&mut values, "Tier", "green")["spec"]["rtoMinutes"] = json!("soon");
    let isolated = isolate(&objects(&values));
    assert_eq!(
        isolated
            .verdicts
            .iter()
            .filter(|verdict| !verdict.is_accepted())
            .count(),
        1
    );
    assert_eq!(isolated.snapshot.not_accepted().unscored.len(), 0);
    assert!(isolated.snapshot.not_accepted().tiers.contains_key("green"));
}

#[test]
fn a_policy_that_is_wrong_is_known_by_what_it_is_about() {
    let bad = json!([{ "expression": "1", "message": "m" }]);
    let about = |spec: Value| {
        let mut values = builtin_values();
        values.push(policy("p", &spec));
        let isolated = isolate(&objects(&values));
        assert!(!isolated.verdicts.last().unwrap().is_accepted());
        let [policy] = isolated.snapshot.not_accepted().policies.as_slice() else {
            return None;
        };
        assert!(!policy.why.is_empty());
        Some(json!(policy.matches))
    };
    let cells = json!({ "cells": ["payments"] });
    assert_eq!(
        about(json!({ "match": cells, "validations": bad })),
        Some(cells.clone())
    );
    assert_eq!(about(json!({ "validations": bad })), Some(json!({})));
    // Whatever the mode was meant to be, it may have been Enforce.
    assert_eq!(
        about(json!({ "mode": "enforce", "match": cells, "validations": bad })),
        Some(cells.clone())
    );
    for lenient in ["Warn", "Audit"] {
        assert_eq!(
            about(json!({ "mode": lenient, "match": cells, "validations": bad })),
            None
        );
    }
    // What it is about cannot be told, so it is about everything.
    for spec in [
        json!({ "match": { "cells": ["payments", 5] }, "validations": bad }),
        json!({ "match": { "cell": ["payments"] }, "validations": bad }),
        json!({ "match": [], "validations": bad }),
        json!({ "macth": cells, "validations": bad }),
        json!({ "match": cells, "modes": "Warn", "validations": bad }),
        json!({ "match": cells, "spec.validations": bad }),
        json!([]),
        Value::Null,
    ] {
        assert_eq!(about(spec.clone()), Some(json!({})), "{spec}");
    }
}

#[test]
fn a_policy_about_a_cell_that_is_not_there_is_in_force_and_says_so() {
    let mut values = builtin_values();
    let condition = json!([{ "expression": "claim.ha", "message": "m" }]);
    values.push(policy(
        "p",
        &json!({ "match": { "cells": ["payments", "billing"] }, "validations": condition }),
    ));
    let isolated = isolate(&objects(&values));
    assert_eq!(
        told(&values, &isolated),
        ["PlacementPolicy p: Incomplete: spec.match.cells: there is no Cell billing; known: payments"]
    );
    assert_eq!(isolated.snapshot.policies().len(), 1);
    // A cell that is there but not accepted is there.
    find(&mut values, "Cell", "payments")["spec"]["candidates"] = json!([]);
    find(&mut values, "PlacementPolicy", "p")["spec"]["match"]["cells"] = json!(["payments"]);
    let isolated = isolate(&objects(&values));
    assert_eq!(
        told(&values, &isolated),
        ["Cell payments: Invalid: spec.candidates: must list at least one"]
    );
    // To a folder, which is whole, it is an error as before.
    assert!(check(&objects(&values)).is_err());
}

#[test]
fn why_is_short_however_long_the_problem_is() {
    let mut values = builtin_values();
    find(&mut values, "Cell", "payments")["spec"]["candidates"][0]["provider"] = json!("x".repeat(3000));
    let isolated = isolate(&objects(&values));
    let why = &isolated.snapshot.not_accepted().cells["payments"];
    assert!(why.len() < 300, "{}", why.len());
}

#[test]
fn a_snapshot_shares_the_cells_that_are_the_same_and_no_other() {
    let mut values = builtin_values();
    let mut copy = find(&mut values, "Cell", "payments").clone();
    copy["metadata"]["name"] = json!("billing");
    values.push(copy);
    let old = isolate(&objects(&values)).snapshot;
    find(&mut values, "Cell", "billing")["spec"]["candidates"][0]["scores"]["cost"] = json!(0.1);
    let new = isolate(&objects(&values)).snapshot;
    let shared = new.clone().sharing_with(&old);
    assert_eq!(format!("{shared:?}"), format!("{new:?}"));
    let is_shared = |name: &str| std::ptr::eq(old.cell(name).unwrap(), shared.cell(name).unwrap());
    assert!(is_shared("payments") && !is_shared("billing"));
    // A cloud that closes is in every cell that has a candidate there.
    find(&mut values, "CloudProvider", "aws")["spec"]["cordoned"] = json!({ "reason": "drill" });
    let closed = isolate(&objects(&values)).snapshot;
    let shared = closed.clone().sharing_with(&new);
    assert_eq!(format!("{shared:?}"), format!("{closed:?}"));
}

#[test]
fn a_name_that_no_object_can_have_is_told_and_keeps_no_other_out() {
    let mut values = builtin_values();
    for name in ["my.policy", "another.one"] {
        values.push(policy(
            name,
            &json!({ "validations": [{ "expression": "true", "message": "m" }] }),
        ));
    }
    for name in ["my.cell", "another.cell"] {
        let mut cell = find(&mut values, "Cell", "payments").clone();
        cell["metadata"]["name"] = json!(name);
        values.push(cell);
    }
    let isolated = isolate(&objects(&values));
    let not_accepted = isolated.snapshot.not_accepted();
    let names: Vec<&str> = not_accepted
        .policies
        .iter()
        .map(|policy| policy.name.as_str())
        .collect();
    assert_eq!((names, not_accepted.cells.len()), (vec!["another.one", "my.policy"], 0));
}
