//! The object: what is read, and everything that is wrong with it.

use super::{asking, catalog, policy, problems};
use serde_json::{Value, json};

/// Path and message of what is wrong with a policy of this spec.
fn wrong(spec: &Value) -> Vec<(String, String)> {
    let problems = problems([policy("caps", spec)]);
    let own = problems.into_iter().map(|(object, path, message)| {
        assert_eq!(object, "PlacementPolicy caps");
        (path, message)
    });
    own.collect()
}

fn told(problems: &[(&str, &str)]) -> Vec<(String, String)> {
    problems
        .iter()
        .map(|(path, message)| ((*path).to_owned(), (*message).to_owned()))
        .collect()
}

#[test]
fn a_policy_is_part_of_the_catalog_and_of_its_revision() {
    let spec = json!({
        "mode": "Warn",
        "match": { "cells": ["payments"], "tiers": ["C1", "c0"], "environments": ["prod"], "namespaces": ["a", "b"] },
        "params": { "cap": 100.0, "floor": 0.25, "strict": true, "team": "a", "names": ["a", "b"] },
        "validations": [
            { "expression": "claim.storageGB <= params.cap", "message": "größer als erlaubt" },
            { "expression": "claim.ha", "messageExpression": "'no ' + claim.cell" },
        ],
    });
    let with = catalog([policy("caps", &spec)]);
    let mut expected = policy("caps", &spec);
    expected["spec"]["match"]["tiers"] = json!(["c0", "c1"]);
    expected["spec"]["params"]["cap"] = json!(100);
    assert_eq!(with.objects().last(), Some(&expected));
    assert_eq!(
        with.policies().map(|policy| policy.name.as_str()).collect::<Vec<_>>(),
        ["caps"]
    );
    // Through its own objects, the same again; without them, as before.
    let again = catalog(
        with.objects()
            .into_iter()
            .filter(|object| object["kind"] == "PlacementPolicy"),
    );
    assert_eq!(again.revision(), with.revision());
    assert_ne!(catalog([]).revision(), with.revision());
    for (field, value) in [
        ("/spec/mode", json!("Audit")),
        ("/spec/match/cells", Value::Null),
        ("/spec/params/cap", json!(101)),
        ("/spec/validations/0/message", json!("other")),
        ("/spec/validations/0/expression", json!("claim.storageGB < params.cap")),
    ] {
        let mut other = policy("caps", &spec);
        *other.pointer_mut(field).unwrap() = value;
        assert_ne!(catalog([other]).revision(), with.revision(), "{field}");
    }
}

#[test]
fn what_is_left_out_is_enforced_on_everything() {
    let spec = json!({ "validations": [{ "expression": "claim.ha", "message": "m" }] });
    let catalog = catalog([policy("caps", &spec)]);
    let written = &catalog.objects().pop().unwrap()["spec"];
    assert_eq!(written["mode"], "Enforce");
    assert!(written.get("match").is_none() && written.get("params").is_none());
}

#[test]
fn every_problem_is_told_with_its_path() {
    let spec = json!({
        "mode": "enforce",
        "matches": {},
        "match": { "cell": [], "cells": [], "tiers": ["C_1"], "environments": "prod", "namespaces": ["A"] },
        "params": { "a b": 1, "map": {}, "long": "ä", "list": ["x", 1], "big": 18_446_744_073_709_551_615_u64 },
        "validations": [
            { "expression": "true", "message": "two\nlines" },
            { "expression": 5, "message": "m" },
            { "message": "m", "messageExpression": "'m'" },
            { "expression": "true" },
            "true",
        ],
    });
    assert_eq!(
        wrong(&spec),
        told(&[
            (
                "spec.matches",
                "is not known here; known: mode, match, params, validations"
            ),
            ("spec.mode", "must be Enforce, Warn or Audit, is \"enforce\""),
            (
                "spec.match.cell",
                "is not known here; known: cells, tiers, environments, namespaces"
            ),
            ("spec.match.cells", "must name at least one; leave it out for all"),
            (
                "spec.match.tiers[0]",
                "must be 1 to 63 letters, digits and '-', with a letter or digit at both ends, is \"C_1\""
            ),
            ("spec.match.environments", "must be a list, not a string"),
            (
                "spec.match.namespaces[0]",
                "must be 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends, is \"A\""
            ),
            (
                "spec.params.a b",
                "is no name: it must be 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends"
            ),
            (
                "spec.params.list[1]",
                "must be a string, not a number; put it in quotes"
            ),
            (
                "spec.params.long",
                "must be 1 to 253 printable ASCII characters, is \"ä\""
            ),
            (
                "spec.params.map",
                "must be a string, a number, a boolean or a list of strings"
            ),
            (
                "spec.validations[0].message",
                "must be 1 to 256 bytes of text on one line, is \"two\\nlines\""
            ),
            (
                "spec.validations[1].expression",
                "must be a CEL expression, a bool; put it in quotes"
            ),
            (
                "spec.validations[2].expression",
                "is missing; must be a CEL expression, a bool"
            ),
            (
                "spec.validations[2].message",
                "stands beside messageExpression; keep one of them"
            ),
            (
                "spec.validations[3].message",
                "is missing; must be 1 to 256 bytes of text on one line"
            ),
            ("spec.validations[4]", "must be a mapping, not a string"),
        ])
    );
}

#[test]
fn names_that_no_object_has_are_told() {
    let spec = json!({
        "match": { "cells": ["paymnts"], "tiers": ["C9"], "environments": ["live"], "namespaces": ["any"] },
        "validations": [{ "expression": "true", "message": "m" }],
    });
    assert_eq!(
        wrong(&spec),
        told(&[
            ("spec.match.cells", "there is no Cell paymnts; known: payments"),
            ("spec.match.tiers", "there is no Tier c9; known: c0, c1, c2"),
            (
                "spec.match.environments",
                "no Cell has the environment live; known: dev, prod, staging"
            ),
        ])
    );
}

#[test]
fn a_policy_has_its_bounds() {
    let validation = json!({ "expression": "true", "message": "m" });
    let many = |count: usize| json!({ "validations": vec![validation.clone(); count] });
    assert_eq!(wrong(&many(8)), []);
    assert_eq!(
        wrong(&many(9)),
        told(&[("spec.validations", "has 9 entries; at most 8")])
    );
    assert_eq!(wrong(&many(0)), told(&[("spec.validations", "must list at least one")]));
    let params = |count: usize| {
        let params: serde_json::Map<String, Value> = (0..count).map(|i| (format!("p{i}"), json!(i))).collect();
        json!({ "params": params, "validations": [validation.clone()] })
    };
    assert_eq!(wrong(&params(32)), []);
    assert_eq!(
        wrong(&params(33)),
        told(&[("spec.params", "has 33 entries; at most 32")])
    );
    let listed = |count: usize| json!({ "params": { "l": vec!["x"; count] }, "validations": [validation.clone()] });
    assert_eq!(wrong(&listed(64)), []);
    assert_eq!(
        wrong(&listed(65)),
        told(&[("spec.params.l", "has 65 entries; at most 64")])
    );
    let message = |bytes: usize| json!({ "validations": [{ "expression": "true", "message": "ü".repeat(bytes / 2) }] });
    assert_eq!(wrong(&message(256)), []);
    assert_eq!(wrong(&message(258)).len(), 1);
    let named = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("n{i}")).collect();
        json!({ "match": { "namespaces": names }, "validations": [validation.clone()] })
    };
    assert_eq!(wrong(&named(64)), []);
    assert_eq!(
        wrong(&named(65)),
        told(&[("spec.match.namespaces", "has 65 entries; at most 64")])
    );
}

#[test]
fn an_expression_that_has_no_value_somewhere_is_told_where() {
    let expression = |expression: &str| json!({ "validations": [{ "expression": expression, "message": "m" }] });
    assert_eq!(
        wrong(&expression("claim.ha &&\n candidate.scores.cost > 0.5")),
        told(&[(
            "spec.validations[0].expression",
            "line 2, column 18: there is no key \"cost\", on a claim of cell grid-a, tier C0, environment dev, size medium, \
             500 GiB, ha true, namespace \"grid-team\", and the candidate grid-none with 0 capabilities and 0 scores; ask \
             with has() or in first"
        )])
    );
    for refused in [
        "candidate.capabilities[0] == 'PITR'",
        "{'dev': 1}[claim.environment] == 1",
        "claim.storageGB * 9000000000000000 > 0",
        "{'a': true}[namespace]",
        "candidate.scores[claim.cell] > 0.5",
    ] {
        assert_eq!(wrong(&expression(refused)).len(), 1, "{refused}");
    }
    let message = json!({ "validations": [{
        "expression": "claim.ha", "messageExpression": "'cost ' + string(candidate.scores.cost)",
    }] });
    let path = "spec.validations[0].messageExpression";
    assert!(matches!(wrong(&message).as_slice(), [(at, _)] if at == path));
    let kind = json!({ "validations": [{ "expression": "claim.ha", "messageExpression": "claim.ha" }] });
    assert_eq!(
        wrong(&kind),
        told(&[(path, "line 1, column 6: is bool; must be string")])
    );
    // What a policy never sees need not be in its maps.
    let matching = |field: &str, name: &str, of: &str| {
        let expression = format!("{{'{name}': true}}[{of}]");
        json!({ "match": { field: [name] }, "validations": [{ "expression": expression, "message": "m" }] })
    };
    assert_eq!(wrong(&matching("environments", "prod", "claim.environment")), []);
    assert_eq!(wrong(&matching("cells", "payments", "claim.cell")), []);
    assert_eq!(wrong(&matching("namespaces", "a", "namespace")), []);
    assert_eq!(wrong(&matching("tiers", "C1", "claim.tier")), []);
    assert_eq!(
        wrong(&matching("tiers", "c1", "claim.tier")).len(),
        1,
        "a tier is in capitals"
    );
    let names: Vec<String> = (0..60).map(|i| format!("n{i}")).collect();
    let last = json!({ "match": { "namespaces": names, "environments": ["dev", "prod"] }, "validations": [{
        "expression": "{'a': true}[namespace == 'n59' ? 'b' : 'a']", "message": "m",
    }] });
    assert_eq!(wrong(&last).len(), 1, "each name comes up, also among many");
}

#[test]
fn an_expression_that_takes_too_long_is_told() {
    let all = "candidate.capabilities.all(c, c in params.l)";
    let spec = |count: usize| {
        let expression = vec![all; count].join(" && ");
        json!({
            "params": { "l": vec!["x"; 64] },
            "validations": [{ "expression": expression, "message": "m" }],
        })
    };
    assert_eq!(wrong(&spec(2)), []);
    assert_eq!(
        wrong(&spec(3)),
        told(&[(
            "spec.validations[0].expression",
            "line 1, column 1: takes up to 13061 steps; at most 10000: look through fewer lists"
        )])
    );
}

#[test]
fn two_policies_of_one_name_and_a_policy_like_a_cell_are_told_apart() {
    let twice = [
        asking("payments", "Enforce", "true", "m"),
        asking("payments", "Warn", "true", "m"),
    ];
    let problems = problems(twice);
    assert_eq!(problems.len(), 1);
    assert_eq!(
        problems[0].2,
        "is taken already, by a PlacementPolicy in policies.yaml; rename one"
    );
}
