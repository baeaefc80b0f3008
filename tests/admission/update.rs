//! UPDATE, the six fields: what may change, and by whom.

use idp_multicloud::admission::{Outcome, Webhook};
use serde_json::{Value, json};

use crate::support::{Claim, bare, catalog, create, placed, review, running, update};

#[test]
fn cell_and_environment_stay_for_life() {
    for (field, stored, others) in [
        (
            "cell",
            "payments",
            vec![
                json!("billing"),
                json!("Payments"),
                json!(""),
                json!(1),
                json!([]),
                json!({}),
            ],
        ),
        (
            "environment",
            "prod",
            vec![
                json!("dev"),
                json!("PROD"),
                json!(""),
                json!(true),
                json!([]),
                json!({}),
            ],
        ),
    ] {
        let mut news: Vec<Claim> = others.into_iter().map(|other| running().with(field, other)).collect();
        news.push(running().with(field, Value::Null));
        news.push(running().without(field));
        for new in news {
            for review in [
                update(&running(), &new),
                update(&running(), &new).by_operator(),
                update(&running(), &new).by_crossplane(),
                update(&running(), &new).on(catalog().copied("Cell", "payments", "billing")),
            ] {
                assert_eq!(
                    review.answer().one_problem(),
                    (
                        "FieldFixed".to_owned(),
                        format!("spec.parameters.{field}"),
                        format!("is \"{stored}\" for life; set it back, or make a new claim and move the data")
                    )
                );
            }
        }
        let stored = running().without(field);
        update(&stored, &stored).answer().untouched();
        update(&stored, &stored.clone().with(field, Value::Null))
            .answer()
            .untouched();
        assert_eq!(
            update(&stored, &running()).answer().one_problem(),
            (
                "FieldFixed".to_owned(),
                format!("spec.parameters.{field}"),
                "was never set and stays so; set it back, or make a new claim and move the data".to_owned()
            )
        );
    }
}

#[test]
fn storage_only_grows() {
    let stored = running().with("storageGB", 100);
    for gb in [100, 101, 16_384] {
        update(&stored, &stored.clone().with("storageGB", gb))
            .answer()
            .untouched();
    }
    for gb in [50, 99] {
        for review in [
            update(&stored, &stored.clone().with("storageGB", gb)),
            update(&stored, &stored.clone().with("storageGB", gb)).by_operator(),
        ] {
            assert_eq!(
                review.answer().one_problem(),
                (
                    "StorageShrunk".to_owned(),
                    "spec.parameters.storageGB".to_owned(),
                    format!("is {gb}, less than the 100 stored; storage only grows")
                )
            );
        }
    }
    let huge = running().with("storageGB", 20_000);
    assert_eq!(
        update(&huge, &running().with("storageGB", 16_384)).answer().refused(),
        ["StorageShrunk spec.parameters.storageGB"]
    );
    update(&huge, &huge).answer().untouched();
}

#[test]
fn size_changes_both_ways() {
    for (from, to) in [("small", "xlarge"), ("xlarge", "small")] {
        update(&running().with("size", from), &running().with("size", to))
            .answer()
            .untouched();
    }
}

#[test]
fn a_value_that_changed_is_judged_as_on_create() {
    for (new, problem) in [
        (running().with("tier", "C9"), "FieldUnknown spec.parameters.tier"),
        (running().with("tier", ""), "FieldInvalid spec.parameters.tier"),
        (running().with("tier", 1), "FieldType spec.parameters.tier"),
        (running().with("tier", Value::Null), "FieldMissing spec.parameters.tier"),
        (running().without("tier"), "FieldMissing spec.parameters.tier"),
        (running().with("size", "tiny"), "FieldInvalid spec.parameters.size"),
        (running().with("size", json!([])), "FieldType spec.parameters.size"),
        (running().without("size"), "FieldMissing spec.parameters.size"),
        (
            running().with("storageGB", "100"),
            "FieldType spec.parameters.storageGB",
        ),
        (
            running().with("storageGB", 100.0),
            "FieldType spec.parameters.storageGB",
        ),
        (
            running().with("storageGB", 10),
            "FieldInvalid spec.parameters.storageGB",
        ),
        (
            running().with("storageGB", -1),
            "FieldInvalid spec.parameters.storageGB",
        ),
        (
            running().with("storageGB", 16_385),
            "FieldInvalid spec.parameters.storageGB",
        ),
        (running().without("storageGB"), "FieldMissing spec.parameters.storageGB"),
        (running().with("ha", "true"), "FieldType spec.parameters.ha"),
        (running().with("ha", 1), "FieldType spec.parameters.ha"),
    ] {
        for review in [update(&running(), &new), update(&running(), &new).by_operator()] {
            assert_eq!(review.answer().refused(), [problem]);
        }
    }
}

#[test]
fn every_bad_change_is_named_at_once() {
    let new = running()
        .with("cell", "billing")
        .with("environment", "dev")
        .with("tier", "C9")
        .with("size", "tiny")
        .with("storageGB", "1")
        .with("ha", 1);
    assert_eq!(
        update(&running(), &new).answer().refused(),
        [
            "FieldFixed spec.parameters.cell",
            "FieldFixed spec.parameters.environment",
            "FieldInvalid spec.parameters.size",
            "FieldType spec.parameters.storageGB",
            "FieldType spec.parameters.ha",
            "FieldUnknown spec.parameters.tier",
        ]
    );
}

#[test]
fn a_bad_value_that_was_stored_already_holds_nothing_up() {
    let stored = running()
        .with("size", "tiny")
        .with("storageGB", 10)
        .with("tier", "gold")
        .with("environment", "Prod")
        .with("cell", "No Such");
    update(&stored, &stored.clone().set("/metadata/labels", json!({"a": "b"})))
        .answer()
        .patched();
    for field in ["size", "storageGB", "tier"] {
        let lacking = stored.clone().without(field);
        update(&lacking, &lacking).answer().patched();
    }
    // Storage may leave the bad value upwards only.
    update(&stored, &stored.clone().with("storageGB", 50))
        .answer()
        .patched();
    assert_eq!(
        update(&stored, &stored.clone().with("storageGB", 20))
            .answer()
            .refused(),
        ["FieldInvalid spec.parameters.storageGB"]
    );
}

#[test]
fn a_tier_written_in_another_case_is_no_change() {
    update(&running(), &running().with("tier", "c1")).answer().untouched();
    let gone = catalog().without("Tier", "c1");
    update(&running(), &running().with("tier", "c1"))
        .on(gone)
        .answer()
        .untouched();
}

#[test]
fn ha_left_out_null_or_false_is_the_same() {
    let forms = [
        running(),
        running().with("ha", false),
        running().with("ha", Value::Null),
    ];
    for old in &forms {
        for new in &forms {
            // OCI has no second zone, yet nothing changes.
            let catalog =
                catalog().candidate_with("aws-us-east-1", "capabilities", json!(["PITR", "PrivateNetworking"]));
            update(old, new).on(catalog).answer().untouched();
        }
    }
}

#[test]
fn a_claim_that_is_being_deleted_is_judged_for_nothing_else() {
    let stored = running().with("storageGB", 100).terminating();
    for new in [
        stored.clone().with("tier", "C2"),
        stored.clone().with("tier", "C9"),
        stored.clone().without("tier"),
        stored.clone().with("size", json!([])),
        stored.clone().with("storageGB", 50),
        stored.clone().with("ha", "x"),
        // A bare PUT comes without the timestamp.
        running().with("storageGB", 50),
    ] {
        let answered = update(&stored, &new).on(catalog().cordoned("aws-us-east-1")).answer();
        answered.untouched();
        assert_eq!(answered.warnings(), [""; 0]);
    }
}

#[test]
fn the_deletion_timestamp_of_the_new_object_is_anybodys_word() {
    let new = running().with("tier", "C2").terminating();
    assert_eq!(
        update(&running(), &new).answer().refused(),
        ["TierLowered spec.parameters.tier"]
    );
    let null = running().set("/metadata/deletionTimestamp", Value::Null);
    assert_eq!(
        update(&null, &running().with("tier", "C2")).answer().refused(),
        ["TierLowered spec.parameters.tier"]
    );
}

#[test]
fn the_rest_api_only_creates() {
    for manager in ["idp-multicloud-api", "idp-multicloud-api.0a1b2c"] {
        for new in [
            running().with("storageGB", 60),
            running().set("/spec/tomorrow", 1),
            bare(),
        ] {
            for review in [update(&running(), &new), update(&running(), &new).by_operator()] {
                assert_eq!(
                    review.managed_by(manager).answer().one_problem(),
                    (
                        "WriterForbidden".to_owned(),
                        "spec".to_owned(),
                        "the REST API only creates claims; change this one with kubectl or GitOps".to_owned()
                    )
                );
            }
        }
        update(&running(), &running()).managed_by(manager).answer().untouched();
        let relabelled = running().set("/metadata/labels", json!({"a": "b"}));
        update(&running(), &relabelled).managed_by(manager).answer().untouched();
        create(&bare()).managed_by(manager).answer().patched();
    }
    for manager in [
        "idp-multicloud-api2",
        "idp-multicloud",
        "kubectl",
        "",
        "IDP-multicloud-api",
        "x.idp-multicloud-api",
    ] {
        update(&running(), &running().with("storageGB", 60))
            .managed_by(manager)
            .answer()
            .untouched();
    }
    update(&running(), &running().with("storageGB", 60))
        .asking("options", Value::Null)
        .answer()
        .untouched();
}

#[test]
fn a_spec_or_parameters_missing_or_of_another_type_is_refused() {
    let remedy = "send it as it is stored, with your changes";
    let missing = |path: &str| {
        (
            "FieldMissing".to_owned(),
            path.to_owned(),
            format!("is missing; {remedy}"),
        )
    };
    let kind = |path: &str| {
        (
            "FieldType".to_owned(),
            path.to_owned(),
            format!("must be a mapping; {remedy}"),
        )
    };
    for stored in [running(), running().terminating(), placed(), bare()] {
        for (new, problem) in [
            (running().unset("/spec"), missing("spec")),
            (running().set("/spec", Value::Null), missing("spec")),
            (running().set("/spec", json!([])), kind("spec")),
            (running().set("/spec", "x"), kind("spec")),
            (running().unset("/spec/parameters"), missing("spec.parameters")),
            (
                running().set("/spec/parameters", Value::Null),
                missing("spec.parameters"),
            ),
            (running().set("/spec/parameters", json!([])), kind("spec.parameters")),
            (running().set("/spec/parameters", "x"), kind("spec.parameters")),
        ] {
            for review in [
                update(&stored, &new),
                update(&stored, &new).by_operator(),
                update(&stored, &new).by_crossplane(),
            ] {
                assert_eq!(review.answer().one_problem(), problem);
            }
        }
    }
}

#[test]
fn the_reason_stays_as_it_was_decided() {
    let new = running()
        .with("size", "xlarge")
        .with("storageGB", 500)
        .with("tier", "C0")
        .with("ha", true);
    let answered = update(&running(), &new).answer();
    answered.untouched();
    assert_eq!(answered.outcome, Outcome::Unchanged);
    assert_eq!(answered.response()["auditAnnotations"], Value::Null);
    let bare = new.clone().backed_up().unset(crate::support::REASON);
    assert_eq!(update(&running(), &bare).answer().patched(), new);
}

#[test]
fn a_dry_run_gets_the_same_answer() {
    for new in [
        running(),
        bare(),
        running().with("provider", "gcp"),
        running().with("tier", "C9"),
    ] {
        assert_eq!(
            update(&running(), &new).asking("dryRun", true).answer(),
            update(&running(), &new).answer()
        );
    }
}

#[test]
fn the_validating_webhook_refuses_an_update_that_would_need_repair() {
    let validate = |new: &Claim| review(Webhook::Validate, "UPDATE", &new.0, &running().0).answer();
    validate(&running()).untouched();
    validate(&running().with("storageGB", 60)).untouched();
    assert_eq!(validate(&bare()).refused(), ["PlacementMismatch"]);
    assert_eq!(
        validate(&running().with("provider", "gcp")).refused(),
        ["PlacementChanged spec.parameters.provider"]
    );
}
