//! An operator's CREATE of a claim with its placement: how a backup is restored. Through both webhooks.

use idp_multicloud::admission::Outcome;
use serde_json::{Value, json};

use crate::support::{
    Catalog, Claim, FOUR, REASON, REASON_FIELD, UID, bare, builtin, catalog, create, placed, revision, running,
    validate,
};

/// A claim of another catalog than the present one, as its backup holds it.
fn backup() -> Claim {
    running().backed_up()
}

/// A catalog that has nothing left of where [`backup`] was.
fn later() -> Catalog {
    catalog().without_candidate("aws-us-east-1")
}

#[test]
fn a_whole_placement_is_taken_as_it_is() {
    for review in [
        create(&backup()).by_operator(),
        create(&backup()).by_operator().on(later()),
        create(&backup()).by_operator().asking("dryRun", true),
    ] {
        let answered = review.answer();
        assert_eq!(
            answered.whole["response"],
            json!({
                "uid": UID,
                "allowed": true,
                "auditAnnotations": {
                    "outcome": "restored", "winner": "aws-us-east-1", "score": "0.825", "catalog-revision": revision(),
                    "digest": backup().reason()["digest"],
                },
            })
        );
        assert_eq!(answered.outcome, Outcome::Restored);
    }
}

#[test]
fn it_passes_the_second_webhook_too() {
    let held = later().held();
    let answered = validate(&backup()).by_operator().held_by(&held).answer();
    answered.untouched();
    assert_eq!(answered.outcome, Outcome::Restored);
    // For anybody else a candidate that is gone is a refusal.
    assert_eq!(
        validate(&backup()).held_by(&held).answer().refused(),
        ["PlacementMismatch spec.parameters"]
    );
}

#[test]
fn size_storage_and_tier_may_have_moved_on_since_it_was_placed() {
    let claim = backup()
        .with("size", "xlarge")
        .with("storageGB", 400)
        .with("tier", "C2")
        .with("ha", true);
    for review in [create(&claim).by_operator(), validate(&claim).by_operator()] {
        let answered = review.answer();
        answered.untouched();
        assert_eq!(answered.outcome, Outcome::Restored);
    }
}

#[test]
fn a_name_that_the_catalog_has_lost_is_a_warning() {
    let catalog = catalog()
        .copied("Cell", "payments", "billing")
        .without("Cell", "payments")
        .without("Tier", "c1");
    let answered = create(&backup()).by_operator().on(catalog).answer();
    answered.untouched();
    assert_eq!(
        answered.warnings(),
        [
            "spec.parameters.cell is not in the catalog; restored as it is",
            "spec.parameters.tier is not in the catalog; restored as it is",
        ]
    );
}

#[test]
fn the_update_policy_may_be_either_but_nothing_else() {
    for policy in [json!("Manual"), json!("Automatic"), json!(null)] {
        let claim = backup().set("/spec/crossplane/compositionUpdatePolicy", policy);
        create(&claim).by_operator().answer().untouched();
        validate(&claim).by_operator().answer().untouched();
    }
    for policy in [json!("manual"), json!(""), json!(true), json!(["Manual"]), json!({})] {
        let claim = backup().set("/spec/crossplane/compositionUpdatePolicy", policy);
        assert_eq!(
            create(&claim).by_operator().answer().one_problem(),
            (
                "FieldInvalid".to_owned(),
                "spec.crossplane.compositionUpdatePolicy".to_owned(),
                "must be Manual or Automatic".to_owned()
            )
        );
        assert!(!validate(&claim).by_operator().answer().allowed());
    }
}

#[test]
fn what_crossplane_wrote_is_refused() {
    for field in [
        "compositionRef",
        "compositionRevisionRef",
        "resourceRefs",
        "compositionRevisionSelector",
        "tomorrow",
    ] {
        let claim = backup().set(&format!("/spec/crossplane/{field}"), json!({"name": "x"}));
        assert_eq!(
            create(&claim).by_operator().answer().one_problem(),
            (
                "PlacementForbidden".to_owned(),
                format!("spec.crossplane.{field}"),
                "must not be in a restored claim; remove it, and Crossplane will write its own".to_owned()
            )
        );
        assert!(!validate(&claim).by_operator().answer().allowed(), "{field}");
    }
    assert_eq!(
        create(&running()).by_operator().answer().refused(),
        ["compositionRef", "compositionRevisionRef", "resourceRefs"]
            .map(|field| format!("PlacementForbidden spec.crossplane.{field}"))
    );
}

#[test]
fn every_disagreement_with_the_reason_is_refused() {
    let other = |value: &str| {
        vec![
            json!(value),
            json!(""),
            Value::Null,
            json!(1),
            json!([value]),
            json!({"a": "b"}),
        ]
    };
    let mut cases: Vec<(String, &str, Vec<Value>)> = vec![
        (
            "/spec/parameters/provider".into(),
            "spec.parameters.provider",
            other("gcp"),
        ),
        (
            "/spec/parameters/region".into(),
            "spec.parameters.region",
            other("us-central1"),
        ),
        (
            "/spec/parameters/runtimeCluster".into(),
            "spec.parameters.runtimeCluster",
            other("gcp-usc1-prod"),
        ),
        (
            "/spec/parameters/network".into(),
            "spec.parameters.network",
            other("vpc-0payments"),
        ),
        (
            "/spec/parameters/network/vpcId".into(),
            "spec.parameters.network",
            other("vpc-1"),
        ),
        (
            "/spec/parameters/network/more".into(),
            "spec.parameters.network",
            other("vpc-1"),
        ),
    ];
    let selector = "spec.crossplane.compositionSelector";
    let at = "/spec/crossplane/compositionSelector";
    for pointer in [
        at.to_owned(),
        format!("{at}/matchLabels"),
        format!("{at}/more"),
        format!("{at}/matchLabels/more"),
        format!("{at}/matchLabels/db.platform.example.org~1provider"),
        format!("{at}/matchLabels/db.platform.example.org~1class"),
    ] {
        cases.push((pointer, selector, other("gcp")));
    }
    for (pointer, field, values) in cases {
        for value in values {
            let claim = backup().set(&pointer, value.clone());
            assert_eq!(
                create(&claim).by_operator().answer().one_problem(),
                (
                    "PlacementMismatch".to_owned(),
                    field.to_owned(),
                    "is not what the placement reason says".to_owned()
                ),
                "{pointer}: {value}"
            );
            assert!(!validate(&claim).by_operator().answer().allowed(), "{pointer}: {value}");
        }
        if backup().at(&pointer).is_null() {
            continue;
        }
        let claim = backup().unset(&pointer);
        assert_eq!(
            create(&claim).by_operator().answer().refused(),
            [format!("PlacementMismatch {field}")],
            "{pointer}"
        );
    }
}

#[test]
fn a_whole_spec_crossplane_of_another_type_is_refused() {
    for crossplane in [json!(null), json!("x"), json!([]), json!({})] {
        let claim = backup().set("/spec/crossplane", crossplane);
        assert_eq!(
            create(&claim).by_operator().answer().refused(),
            ["PlacementMismatch spec.crossplane.compositionSelector"]
        );
    }
}

#[test]
fn another_environment_is_refused_also_one_that_there_is() {
    for environment in ["dev", "nosuch"] {
        let claim = backup().with("environment", environment);
        let refused = create(&claim).by_operator().answer().refused();
        assert_eq!(refused, ["PlacementMismatch spec.parameters.environment"]);
        assert!(!validate(&claim).by_operator().answer().refused().is_empty());
    }
}

#[test]
fn a_placement_longer_than_the_schema_lets_it_be_is_refused_here_as_the_api_server_would_say_422() {
    let keys: serde_json::Map<_, _> = (0..17).map(|i| (format!("key{i}"), json!("value"))).collect();
    for (field, value) in [
        ("region", json!("r".repeat(64))),
        ("network", json!(keys)),
        ("network", json!({ "vpcId": "v".repeat(254) })),
    ] {
        let refused = create(&backup().with(field, value)).by_operator().answer().refused();
        assert!(
            refused.contains(&format!("FieldInvalid spec.parameters.{field}")),
            "{refused:?}"
        );
    }
}

#[test]
fn another_cell_is_refused() {
    let catalog = catalog().copied("Cell", "payments", "billing");
    let claim = backup().with("cell", "billing");
    assert_eq!(
        create(&claim).by_operator().on(catalog).answer().refused(),
        ["PlacementMismatch spec.parameters.cell"]
    );
}

#[test]
fn every_disagreement_is_named_at_once() {
    let mut claim = backup();
    for field in FOUR {
        claim = claim.with(field, "x");
    }
    let claim = claim
        .with("cell", "other")
        .with("size", "tiny")
        .set("/spec/region", "x")
        .set("/metadata/name", "n".repeat(64))
        .set("/spec/crossplane", json!({"compositionRef": {"name": "x"}}));
    assert_eq!(
        create(&claim).by_operator().answer().refused(),
        [
            "PlacementForbidden spec.crossplane.compositionRef",
            "PlacementForbidden spec.region",
            "PlacementMismatch spec.parameters.provider",
            "PlacementMismatch spec.parameters.region",
            "PlacementMismatch spec.parameters.runtimeCluster",
            "PlacementMismatch spec.parameters.network",
            "PlacementMismatch spec.crossplane.compositionSelector",
            "PlacementMismatch spec.parameters.cell",
            "FieldInvalid metadata.name",
            "FieldInvalid spec.parameters.size",
        ]
    );
}

#[test]
fn a_missing_or_garbled_reason_is_refused() {
    let bad = |claim: &Claim| {
        for review in [create(claim).by_operator(), validate(claim).by_operator()] {
            assert_eq!(review.answer().refused(), [format!("PlacementMismatch {REASON_FIELD}")]);
        }
    };
    bad(&backup().unset(REASON));
    bad(&backup().set(REASON, Value::Null));
    for text in [
        "",
        "because",
        "null",
        "[]",
        "{}",
        "\"\"",
        &"[".repeat(3000),
        "{\"winner\":{}}",
    ] {
        bad(&backup().set(REASON, text));
    }
    let whole = backup().at(REASON).as_str().unwrap().to_owned();
    bad(&backup().set(REASON, &whole[..whole.len() - 1]));
    bad(&backup().set(REASON, format!("{whole}{whole}")));
    bad(&backup().set(REASON, format!("{whole}{}", " ".repeat(16 * 1024))));
    bad(&backup().with_reason(|reason| reason["more"] = json!(1)));
    bad(&backup().with_reason(|reason| drop(reason.as_object_mut().unwrap().remove("winner"))));
    bad(&backup().with_reason(|reason| drop(reason.as_object_mut().unwrap().remove("catalogRevision"))));
}

#[test]
fn a_reason_whose_figures_do_not_bear_out_its_winner_is_refused() {
    let bad = |edit: fn(&mut Value)| {
        let claim = backup().with_reason(edit);
        assert_eq!(
            create(&claim).by_operator().answer().one_problem(),
            (
                "PlacementMismatch".to_owned(),
                REASON_FIELD.to_owned(),
                "does not add up; use the claim's own backup as it was".to_owned()
            ),
            "{}",
            claim.at(REASON)
        );
    };
    // Figures by themselves, then the digest by itself.
    let undigested = |reason: &mut Value| drop(reason.as_object_mut().unwrap().remove("digest"));
    create(&backup().with_reason(undigested))
        .by_operator()
        .answer()
        .untouched();
    bad(|reason| reason["digest"] = json!("0"));
    bad(|reason| reason["request"]["storageGB"] = json!(51));
    bad(|reason| reason["winner"]["score"] = json!(0.9));
    bad(|reason| reason["winner"]["candidate"] = json!("gcp-us-central1"));
    bad(|reason| reason["ranking"][0]["score"] = json!(0.83));
    bad(|reason| reason["ranking"][0]["breakdown"][0]["points"] = json!(0.2));
    bad(|reason| reason["ranking"][0]["breakdown"][0]["score"] = json!(0.6));
    bad(|reason| reason["ranking"][0]["breakdown"][0]["weight"] = json!(0.5));
    bad(|reason| reason["ranking"][0]["breakdown"] = json!([]));
    bad(|reason| reason["weights"]["cost"] = json!(0.3));
    bad(|reason| reason["weights"] = json!({}));
    bad(|reason| reason["ranking"] = json!([]));
    bad(|reason| reason["ranking"].as_array_mut().unwrap().swap(0, 1));
    bad(|reason| reason["ranking"].as_array_mut().unwrap().swap(1, 2));
}

#[test]
fn the_fields_are_judged_as_those_of_any_new_claim() {
    for (claim, problem) in [
        (backup().with("storageGB", "100"), "FieldType spec.parameters.storageGB"),
        (backup().with("storageGB", 10), "FieldInvalid spec.parameters.storageGB"),
        (backup().with("ha", "no"), "FieldType spec.parameters.ha"),
        (backup().without("size"), "FieldMissing spec.parameters.size"),
        (
            backup().set("/metadata/name", "n".repeat(64)),
            "FieldInvalid metadata.name",
        ),
    ] {
        assert_eq!(create(&claim).by_operator().answer().refused(), [problem]);
    }
}

#[test]
fn an_operators_bare_claim_is_placed_as_anybodys() {
    assert_eq!(create(&bare()).by_operator().answer(), create(&bare()).answer());
    let manual = bare().set("/spec/crossplane/compositionUpdatePolicy", "Manual");
    assert_eq!(create(&manual).by_operator().answer(), create(&manual).answer());
    for (pointer, problem) in [
        (
            "/spec/crossplane/compositionUpdatePolicy",
            "spec.crossplane.compositionUpdatePolicy",
        ),
        (
            "/spec/crossplane/compositionRevisionRef",
            "spec.crossplane.compositionRevisionRef",
        ),
        (
            "/spec/crossplane/compositionSelector",
            "spec.crossplane.compositionSelector",
        ),
        ("/spec/provider", "spec.provider"),
    ] {
        let claim = bare().set(pointer, "Automatic");
        assert_eq!(
            create(&claim).by_operator().answer().refused(),
            [format!("PlacementForbidden {problem}")]
        );
    }
}

#[test]
fn a_placement_in_part_is_no_bare_claim() {
    for field in FOUR {
        let claim = bare().with(field, placed().at(&format!("/spec/parameters/{field}")).clone());
        assert_eq!(
            create(&claim).by_operator().answer().refused(),
            [format!("PlacementMismatch {REASON_FIELD}")]
        );
        let null = bare().with(field, Value::Null);
        assert_eq!(
            create(&null).by_operator().answer().refused(),
            [format!("PlacementMismatch {REASON_FIELD}")]
        );
    }
    let reason = bare().set(REASON, placed().at(REASON).clone());
    assert_eq!(create(&reason).by_operator().answer().refused().len(), 5);
}

#[test]
fn who_is_no_operator_restores_nothing() {
    for review in [
        create(&backup()),
        create(&backup()).by_crossplane(),
        create(&backup()).by("database-operators"),
        create(&backup()).asking(
            "userInfo",
            json!({"username": "x", "groups": ["database-operators-2", "Database-Operators"]}),
        ),
        create(&backup()).asking("userInfo", json!({"username": "x"})),
        create(&backup()).asking("userInfo", Value::Null),
    ] {
        assert_eq!(review.answer().refused().len(), 6);
    }
    let mut nobody = create(&backup()).by_operator();
    nobody.settings.operator_group = None;
    assert_eq!(nobody.answer().refused().len(), 6);
}

#[test]
fn a_reason_is_echoed_short_and_without_what_a_terminal_obeys() {
    let key = format!("\u{1b}[31m\u{202e}immutable{}", "x".repeat(1000));
    let claim = backup().set(REASON, json!({key: 1}).to_string());
    let answered = create(&claim).by_operator().held_by(&builtin()).answer();
    let (_, _, message) = answered.one_problem();
    assert!(message.chars().count() < 120, "{message}");
}
