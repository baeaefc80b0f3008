//! CREATE, the six fields: each one missing, of another type, out of range or unknown, and all of them at once.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::{Claim, REASON, REASON_FIELD, UID, bare, catalog, create};

/// A claim with something wrong everywhere.
fn all_wrong() -> Claim {
    bare()
        .set("/metadata/name", "n".repeat(64))
        .set(REASON, "{}")
        .set("/spec/provider", "aws")
        .set("/spec/network", Value::Null)
        .with("provider", "aws")
        .with("region", Value::Null)
        .with("runtimeCluster", "x")
        .with("network", json!({}))
        .set(
            "/spec/crossplane",
            json!({"compositionRef": {"name": "x"}, "compositionUpdatePolicy": "Automatic"}),
        )
        .with("cell", "Payments")
        .with("tier", "C9")
        .with("environment", 5)
        .without("size")
        .with("storageGB", "50")
        .with("ha", "true")
}

/// What is wrong with [`all_wrong`]: cause, field, message.
fn all_that_is_wrong() -> Vec<(&'static str, &'static str, String)> {
    let forbidden = [
        "spec.parameters.provider",
        "spec.provider",
        "spec.parameters.region",
        "spec.parameters.runtimeCluster",
        "spec.parameters.network",
        "spec.network",
        "spec.crossplane.compositionRef",
        "spec.crossplane.compositionUpdatePolicy",
        REASON_FIELD,
    ];
    let forbidden = forbidden.map(|field| {
        (
            "PlacementForbidden",
            field,
            "is written by the platform alone; remove it".to_owned(),
        )
    });
    let long = "n".repeat(64);
    let bad = [
        (
            "FieldInvalid",
            "metadata.name",
            format!("is \"{long}\"; must have at most 63 characters"),
        ),
        (
            "FieldInvalid",
            "spec.parameters.cell",
            "is \"Payments\"; must be 1 to 63 lower-case letters, digits and '-'".to_owned(),
        ),
        (
            "FieldType",
            "spec.parameters.environment",
            "is 5; must be a string, the name of an environment, such as dev or prod".to_owned(),
        ),
        (
            "FieldMissing",
            "spec.parameters.size",
            "is required; set it to small, medium, large or xlarge".to_owned(),
        ),
        (
            "FieldType",
            "spec.parameters.storageGB",
            "is the string \"50\"; must be a whole number of GiB from 50 to 16384".to_owned(),
        ),
        (
            "FieldType",
            "spec.parameters.ha",
            "is the string \"true\"; must be true or false (without quotes), or left out for false".to_owned(),
        ),
        (
            "FieldUnknown",
            "spec.parameters.tier",
            "there is no tier \"C9\"; use one of: C0, C1, C2".to_owned(),
        ),
    ];
    forbidden.into_iter().chain(bad).collect()
}

#[test]
fn every_offending_path_and_every_bad_field_is_named_at_once() {
    let expected = all_that_is_wrong();
    let causes: Vec<Value> = expected
        .iter()
        .map(|(reason, field, message)| json!({"reason": reason, "field": field, "message": message}))
        .collect();
    let mut text = "16 problems, nothing was changed:".to_owned();
    for (_, field, message) in &expected {
        let _ = write!(text, "\n  - {field}: {message}");
    }
    assert_eq!(
        create(&all_wrong()).answer().whole,
        json!({
            "apiVersion": "admission.k8s.io/v1",
            "kind": "AdmissionReview",
            "response": {
                "uid": UID,
                "allowed": false,
                "status": {
                    "status": "Failure",
                    "code": 403,
                    "reason": "Forbidden",
                    "message": text,
                    "details": {"group": "db.platform.example.org", "kind": "MySQLInstanceClaim", "causes": causes},
                },
            },
        })
    );
}

#[test]
fn a_single_problem_is_one_line_with_its_path() {
    let answered = create(&bare().with("cell", "billing")).answer();
    assert_eq!(
        answered.message(),
        "spec.parameters.cell: there is no cell \"billing\"; use one of: payments"
    );
}

#[test]
fn unknown_names_are_refused_with_those_there_are() {
    let catalog = catalog().copied("Cell", "payments", "billing").with(
        "Cell",
        "payments",
        "environments",
        json!(["prod", "canary"]),
    );
    let claim = bare()
        .with("cell", "payment")
        .with("tier", "gold")
        .with("environment", "qa");
    // Which environments there are is the cell's matter, so an unknown cell leaves that open.
    assert_eq!(
        create(&claim).on(catalog).answer().causes(),
        [
            (
                "FieldUnknown",
                "spec.parameters.cell",
                "there is no cell \"payment\"; use one of: billing, payments"
            ),
            (
                "FieldUnknown",
                "spec.parameters.tier",
                "there is no tier \"GOLD\"; use one of: C0, C1, C2"
            ),
        ]
        .map(|(cause, field, message)| (cause.to_owned(), field.to_owned(), message.to_owned()))
    );
    for (environments, given, known) in [
        (None, "qa", "dev, prod, staging"),
        (Some(json!(["prod", "canary"])), "dev", "canary, prod"),
    ] {
        let mut catalog = crate::support::catalog();
        if let Some(environments) = environments {
            catalog = catalog.with("Cell", "payments", "environments", environments);
        }
        assert_eq!(
            create(&bare().with("environment", given))
                .on(catalog)
                .answer()
                .one_problem(),
            (
                "FieldUnknown".to_owned(),
                "spec.parameters.environment".to_owned(),
                format!("there is no environment \"{given}\"; use one of: {known}")
            )
        );
    }
}

#[test]
fn a_tier_is_read_without_case_and_kept_as_it_was_written() {
    let lower = bare().with("tier", "c0");
    let patched = lower.placed();
    assert_eq!(patched.at("/spec/parameters/tier"), "c0");
    assert_eq!(patched.reason()["request"]["tier"], "C0");
    assert_eq!(patched.at(REASON), bare().with("tier", "C0").placed().at(REASON));
}

#[test]
fn a_required_field_that_is_missing_or_null_is_refused() {
    for (field, remedy) in [
        ("cell", "the name of your cell"),
        ("tier", "the name of the tier, such as C1"),
        ("environment", "the name of an environment, such as dev or prod"),
        ("size", "small, medium, large or xlarge"),
        ("storageGB", "a whole number of GiB from 50 to 16384"),
    ] {
        for claim in [bare().without(field), bare().with(field, Value::Null)] {
            assert_eq!(
                create(&claim).answer().one_problem(),
                (
                    "FieldMissing".to_owned(),
                    format!("spec.parameters.{field}"),
                    format!("is required; set it to {remedy}")
                )
            );
        }
    }
}

#[test]
fn ha_left_out_or_null_is_false() {
    for claim in [bare(), bare().with("ha", Value::Null), bare().with("ha", false)] {
        let claim = claim.with("tier", "C2");
        assert_eq!(claim.placed().reason()["request"]["ha"], false);
        assert_eq!(claim.placed().at("/spec/parameters/provider"), "oci");
    }
}

#[test]
fn a_field_of_the_wrong_type_is_refused() {
    let text = [json!(1), json!(1.5), json!(true), json!(["C1"]), json!({"name": "C1"})];
    let number = [
        json!("100"),
        json!(100.5),
        json!(1e300),
        json!(true),
        json!([100]),
        json!({"gb": 100}),
    ];
    let boolean = [json!("true"), json!(1), json!(0), json!([true]), json!({})];
    for (field, values) in [
        ("cell", &text[..]),
        ("tier", &text),
        ("environment", &text),
        ("size", &text),
        ("storageGB", &number),
        ("ha", &boolean),
    ] {
        for value in values {
            assert_eq!(
                create(&bare().with(field, value.clone())).answer().refused(),
                [format!("FieldType spec.parameters.{field}")],
                "{field}: {value}"
            );
        }
    }
}

#[test]
fn a_malformed_name_or_size_is_refused() {
    let long = "a".repeat(64);
    for field in ["cell", "tier", "environment", "size"] {
        for value in [
            "",
            " ",
            "pay ments",
            "payments\n",
            "päyments",
            "a_b",
            "a.b",
            "a/b",
            "{}",
            &long,
        ] {
            assert_eq!(
                create(&bare().with(field, value)).answer().refused(),
                [format!("FieldInvalid spec.parameters.{field}")],
                "{field}: {value:?}"
            );
        }
    }
    for size in ["Small", "MEDIUM", "xxlarge", "tiny"] {
        assert_eq!(
            create(&bare().with("size", size)).answer().one_problem(),
            (
                "FieldInvalid".to_owned(),
                "spec.parameters.size".to_owned(),
                format!("is \"{size}\"; must be small, medium, large or xlarge")
            )
        );
    }
    // 63 characters are a name, only not a known one.
    let longest = "a".repeat(63);
    for field in ["cell", "tier", "environment"] {
        assert_eq!(
            create(&bare().with(field, longest.clone())).answer().refused(),
            [format!("FieldUnknown spec.parameters.{field}")]
        );
    }
}

#[test]
fn every_size_is_taken() {
    for size in ["small", "medium", "large", "xlarge"] {
        assert_eq!(bare().with("size", size).placed().reason()["request"]["size"], size);
    }
}

#[test]
fn storage_is_from_50_to_16384() {
    for gb in [50, 51, 16_383, 16_384] {
        assert_eq!(
            bare().with("storageGB", gb).placed().reason()["request"]["storageGB"],
            gb
        );
    }
    for gb in [
        json!(-50),
        json!(0),
        json!(49),
        json!(16_385),
        json!(65_536 + 100),
        json!(i64::MIN),
        json!(u64::MAX),
    ] {
        assert_eq!(
            create(&bare().with("storageGB", gb.clone())).answer().one_problem(),
            (
                "FieldInvalid".to_owned(),
                "spec.parameters.storageGB".to_owned(),
                format!("is {gb}; must be a whole number of GiB from 50 to 16384")
            )
        );
    }
}

#[test]
fn a_name_has_at_most_63_characters() {
    create(&bare().set("/metadata/name", "n".repeat(63))).answer().patched();
    assert_eq!(
        create(&bare().set("/metadata/name", "n".repeat(64))).answer().refused(),
        ["FieldInvalid metadata.name"]
    );
}

#[test]
fn a_missing_or_garbled_spec_is_refused() {
    for (claim, problem) in [
        (bare().unset("/spec"), "FieldMissing spec.parameters"),
        (bare().set("/spec", Value::Null), "FieldMissing spec.parameters"),
        (bare().set("/spec", json!({})), "FieldMissing spec.parameters"),
        (bare().set("/spec", json!([])), "FieldType spec"),
        (bare().set("/spec", json!("parameters")), "FieldType spec"),
        (
            bare().set("/spec/parameters", Value::Null),
            "FieldMissing spec.parameters",
        ),
        (bare().set("/spec/parameters", json!([])), "FieldType spec.parameters"),
        (
            bare().set("/spec/parameters", json!("cell")),
            "FieldType spec.parameters",
        ),
    ] {
        assert_eq!(create(&claim).answer().refused(), [problem], "{}", claim.0);
    }
    let empty = bare().set("/spec/parameters", json!({}));
    assert_eq!(
        create(&empty).answer().refused(),
        ["cell", "tier", "environment", "size", "storageGB"]
            .map(|field| format!("FieldMissing spec.parameters.{field}"))
    );
}
