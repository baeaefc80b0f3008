//! `/validate` on CREATE: after all mutators, the claim is what the decision gives, or it does not get in.

use idp_multicloud::admission::Outcome;
use idp_multicloud::catalog::live::{Held, Live};
use serde_json::{Value, json};

use crate::support::{
    Catalog, Claim, REASON, REASON_FIELD, UID, bare, catalog, create, placed, revision, running, validate,
};

/// A server that held the first catalog and was then given the second.
fn then(first: Catalog, second: Catalog) -> Held {
    let live = Live::new(first.snapshot());
    live.replace(second.snapshot());
    let held = live.current().unwrap();
    Held::clone(&held)
}

/// A catalog of another revision that decides every claim alike.
fn alike() -> Catalog {
    catalog().copied("Tier", "c2", "c3")
}

/// Fields that a mutator could alter between the two calls, each with other values for it.
fn alterations() -> Vec<(&'static str, Vec<Value>)> {
    let any = |values: Vec<Value>| {
        values
            .into_iter()
            .chain([json!(""), json!(0), json!(true), json!([])])
            .collect()
    };
    vec![
        (
            "/spec/parameters/cell",
            any(vec![json!("billing"), json!("Payments"), Value::Null]),
        ),
        (
            "/spec/parameters/tier",
            any(vec![json!("C0"), json!("C2"), json!("C9"), Value::Null]),
        ),
        (
            "/spec/parameters/environment",
            any(vec![json!("dev"), json!("staging"), json!("qa"), Value::Null]),
        ),
        (
            "/spec/parameters/size",
            any(vec![json!("large"), json!("tiny"), Value::Null]),
        ),
        (
            "/spec/parameters/storageGB",
            vec![json!(51), json!("50"), json!(50.5), json!(1), Value::Null],
        ),
        ("/spec/parameters/ha", vec![json!(true), json!("false"), json!(0)]),
        (
            "/spec/parameters/provider",
            any(vec![json!("gcp"), json!("AWS"), Value::Null]),
        ),
        ("/spec/parameters/region", any(vec![json!("us-east-2"), Value::Null])),
        (
            "/spec/parameters/runtimeCluster",
            any(vec![json!("gcp-usc1-prod"), Value::Null]),
        ),
        (
            "/spec/parameters/network",
            any(vec![json!({}), json!({"vpcId": "vpc-0payments"}), Value::Null]),
        ),
        ("/spec/parameters/network/vpcId", any(vec![json!("vpc-1"), Value::Null])),
        ("/spec/parameters/network/more", any(vec![json!("x"), Value::Null])),
        ("/spec/crossplane", any(vec![json!({}), json!("x"), Value::Null])),
        (
            "/spec/crossplane/compositionSelector",
            any(vec![json!({}), Value::Null]),
        ),
        ("/spec/crossplane/compositionSelector/more", any(vec![json!({})])),
        (
            "/spec/crossplane/compositionSelector/matchLabels",
            any(vec![json!({}), Value::Null]),
        ),
        (
            "/spec/crossplane/compositionSelector/matchLabels/more",
            any(vec![json!("x")]),
        ),
        (
            "/spec/crossplane/compositionSelector/matchLabels/db.platform.example.org~1provider",
            any(vec![json!("gcp"), Value::Null]),
        ),
        (
            "/spec/crossplane/compositionSelector/matchLabels/db.platform.example.org~1class",
            any(vec![json!("postgres"), Value::Null]),
        ),
        (
            "/spec/crossplane/compositionRef",
            any(vec![json!({"name": "mysql-gcp"})]),
        ),
        (
            "/spec/crossplane/compositionRevisionRef",
            any(vec![json!({"name": "mysql-gcp-1"})]),
        ),
        (
            "/spec/crossplane/compositionRevisionSelector",
            any(vec![json!({"matchLabels": {}})]),
        ),
        ("/spec/crossplane/resourceRefs", any(vec![json!([{"name": "x"}])])),
        (
            "/spec/crossplane/compositionUpdatePolicy",
            any(vec![json!("Automatic"), json!("manual")]),
        ),
        ("/spec/crossplane/more", any(vec![json!({})])),
        ("/spec/provider", any(vec![json!("aws"), json!("gcp")])),
        ("/spec/network", any(vec![json!({})])),
        (
            REASON,
            vec![json!(""), json!("x"), json!("{}"), json!("null"), Value::Null],
        ),
    ]
}

#[test]
fn what_mutate_made_is_confirmed() {
    for tier in ["C0", "C1", "C2", "c1"] {
        for ha in [json!(true), json!(false), json!(null)] {
            for crossplane in [json!(null), json!({}), json!({"compositionUpdatePolicy": "Manual"})] {
                let claim = bare()
                    .with("tier", tier)
                    .with("ha", ha.clone())
                    .set("/spec/crossplane", crossplane);
                let answered = validate(&claim.placed()).answer();
                answered.untouched();
                assert_eq!(answered.outcome, Outcome::Confirmed);
            }
        }
    }
    assert_eq!(
        validate(&placed()).answer().whole["response"],
        json!({
            "uid": UID,
            "allowed": true,
            "auditAnnotations": {
                "outcome": "confirmed", "winner": "aws-us-east-1", "score": "0.825", "catalog-revision": revision(),
                "digest": placed().reason()["digest"],
            },
        })
    );
}

#[test]
fn what_a_server_from_before_the_digest_has_placed_is_confirmed() {
    let older = |edit: fn(&mut Value)| {
        placed().with_reason(|reason| {
            reason.as_object_mut().unwrap().remove("digest");
            edit(reason);
        })
    };
    let answered = validate(&older(|_| {})).answer();
    answered.untouched();
    assert_eq!(answered.outcome, Outcome::Confirmed);
    // It has to be the decision all the same.
    validate(&older(|reason| reason["fit"] = json!(7)))
        .answer()
        .one_problem();
    validate(&placed().with_reason(|reason| reason["digest"] = json!("0")))
        .answer()
        .one_problem();
}

#[test]
fn what_is_none_of_our_business_may_have_been_altered() {
    let claim = placed()
        .set("/metadata/labels", json!({"injected": "yes"}))
        .set("/metadata/annotations/injected", "yes")
        .set("/metadata/finalizers", json!(["a/b"]))
        .set("/spec/tomorrow", 1)
        .with("tomorrow", 1)
        .set("/status", json!({}));
    assert_eq!(validate(&claim).answer().outcome, Outcome::Confirmed);
}

#[test]
fn every_single_alteration_between_the_two_calls_is_refused() {
    let held = catalog().copied("Cell", "payments", "billing").held();
    let claim = create(&bare()).held_by(&held).answer().patched();
    for (pointer, values) in alterations() {
        for value in values {
            let altered = claim.clone().set(pointer, value.clone());
            if &value == claim.at(pointer) {
                continue;
            }
            for review in [validate(&altered), validate(&altered).by_crossplane()] {
                let answered = review.held_by(&held).answer();
                assert!(!answered.allowed(), "{pointer}: {value}");
                let patches = answered.refused();
                assert!(patches.iter().all(|problem| !problem.is_empty()));
            }
        }
        if !claim.at(pointer).is_null() {
            let without = claim.clone().unset(pointer);
            assert!(
                !validate(&without).held_by(&held).answer().allowed(),
                "{pointer} left out"
            );
        }
    }
}

/// Every leaf of `value`, as pointers.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                leaves(
                    value,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (i, value) in items.iter().enumerate() {
                leaves(value, &format!("{at}/{i}"), found);
            }
        }
        _ => found.push(at.to_owned()),
    }
}

#[test]
fn every_alteration_of_the_reason_is_refused() {
    let mut found = Vec::new();
    leaves(&placed().reason(), "", &mut found);
    assert!(found.len() > 60, "{}", found.len());
    // Another revision is another question, and asked below.
    found.retain(|pointer| pointer != "/catalogRevision");
    for pointer in found {
        let altered = placed().with_reason(|reason| {
            let leaf = reason.pointer_mut(&pointer).unwrap();
            *leaf = match leaf {
                Value::Number(number) if number.is_u64() => json!(number.as_u64().unwrap() + 1),
                Value::Number(number) => json!(number.as_f64().unwrap() + 0.01),
                Value::String(text) => json!(format!("{text}x")),
                Value::Bool(flag) => json!(!*flag),
                _ => json!([{"candidate": "x", "failures": []}]),
            };
        });
        assert!(!validate(&altered).answer().allowed(), "{pointer}");
    }
    // Byte for byte: the same value written otherwise is not what we wrote.
    let spaced = placed().set(REASON, format!("{} ", placed().at(REASON).as_str().unwrap()));
    assert_eq!(
        validate(&spaced).answer().one_problem(),
        (
            "PlacementMismatch".to_owned(),
            REASON_FIELD.to_owned(),
            "is not what was decided; another admission webhook changed the claim after it was placed: ask your platform team"
                .to_owned()
        )
    );
}

#[test]
fn a_whole_other_placement_with_a_reason_of_its_own_is_refused() {
    let other = bare().with("tier", "C2").placed();
    let forged = other.clone().with("tier", "C1");
    assert_eq!(
        validate(&forged).answer().refused(),
        [
            "PlacementMismatch spec.parameters.provider",
            "PlacementMismatch spec.parameters.region",
            "PlacementMismatch spec.parameters.runtimeCluster",
            "PlacementMismatch spec.parameters.network",
            "PlacementMismatch spec.crossplane.compositionSelector",
            &format!("PlacementMismatch {REASON_FIELD}"),
        ]
    );
}

#[test]
fn a_claim_that_was_never_placed_does_not_get_in() {
    for review in [
        validate(&bare()),
        validate(&bare()).by_operator(),
        validate(&bare()).by_crossplane(),
    ] {
        assert_eq!(
            review.answer().one_problem(),
            (
                "PlacementMismatch".to_owned(),
                REASON_FIELD.to_owned(),
                "is missing: the claim was not placed, so the mutating webhook was not called; ask your platform team"
                    .to_owned()
            )
        );
    }
}

#[test]
fn a_malformed_claim_does_not_get_in_and_is_told_every_field() {
    let claim = placed().with("cell", "").without("size").with("storageGB", "1");
    assert_eq!(
        validate(&claim).answer().refused(),
        [
            "FieldInvalid spec.parameters.cell",
            "FieldMissing spec.parameters.size",
            "FieldType spec.parameters.storageGB",
        ]
    );
    for (claim, problem) in [
        (placed().unset("/spec"), "FieldMissing spec.parameters"),
        (placed().set("/spec/parameters", json!([])), "FieldType spec.parameters"),
        (placed().with("tier", "C9"), "FieldUnknown spec.parameters.tier"),
    ] {
        assert_eq!(validate(&claim).answer().refused(), [problem]);
    }
}

/// Fails if a server with these catalogs lets in a claim that was altered after it was placed.
#[track_caller]
fn assert_every_alteration_refused(held: &Held) {
    for (pointer, values) in alterations() {
        for value in values.into_iter().filter(|value| value != placed().at(pointer)) {
            let altered = placed().set(pointer, value.clone());
            assert!(
                !validate(&altered).held_by(held).answer().allowed(),
                "{pointer}: {value}"
            );
        }
    }
}

#[test]
fn a_claim_placed_just_before_a_catalog_change_is_decided_on_the_catalog_it_names() {
    // By now AWS is closed and gone; this server still knows the catalog of a moment ago.
    for second in [
        catalog().cordoned("aws-us-east-1"),
        catalog().without_candidate("aws-us-east-1"),
        catalog().without("Tier", "c1"),
        alike(),
    ] {
        let held = then(catalog(), second);
        let answered = validate(&placed()).held_by(&held).answer();
        answered.untouched();
        assert_eq!(answered.outcome, Outcome::Confirmed);
        assert_eq!(answered.warnings(), [""; 0]);
        assert_every_alteration_refused(&held);
    }
}

#[test]
fn a_claim_placed_elsewhere_on_a_catalog_not_held_is_taken_if_its_candidate_still_fits() {
    let held = alike().held();
    let answered = validate(&placed()).held_by(&held).answer();
    assert_eq!(
        answered.whole["response"],
        json!({
            "uid": UID,
            "allowed": true,
            "auditAnnotations": {
                "outcome": "confirmed_elsewhere", "winner": "aws-us-east-1", "score": "0.825",
                "catalog-revision": revision(), "digest": placed().reason()["digest"],
            },
            "warnings": ["placed on a catalog revision that this server does not hold; its candidate still fits"],
        })
    );
    assert_eq!(answered.outcome, Outcome::ConfirmedElsewhere);
    // Even if another candidate would win by now.
    let scores = json!({"latency": 1, "dr": 1, "maturity": 1, "cost": 1});
    let others = catalog().candidate_with("gcp-us-central1", "scores", scores);
    assert_eq!(
        validate(&placed()).on(others).answer().outcome,
        Outcome::ConfirmedElsewhere
    );
}

#[test]
fn on_a_catalog_not_held_every_alteration_is_refused_too() {
    let held = catalog().copied("Cell", "payments", "billing").held();
    assert_every_alteration_refused(&held);
    let edits: [fn(&mut Value); 8] = [
        |reason| reason["winner"]["provider"] = json!("gcp"),
        |reason| reason["winner"]["candidate"] = json!("gcp-us-central1"),
        |reason| reason["winner"]["score"] = json!(0.9),
        |reason| reason["winner"]["network"]["vpcId"] = json!("vpc-1"),
        |reason| reason["request"]["environment"] = json!("dev"),
        |reason| reason["request"]["ha"] = json!(true),
        |reason| reason["request"]["cell"] = json!("billing"),
        |reason| reason["ranking"][0]["breakdown"][0]["points"] = json!(0.2),
    ];
    for edit in edits {
        assert!(!validate(&placed().with_reason(edit)).held_by(&held).answer().allowed());
    }
}

#[test]
fn on_a_catalog_not_held_a_candidate_that_is_gone_closed_or_changed_is_refused() {
    let closed = json!({"reason": "region evacuation"});
    let gone = "aws-us-east-1 is not a candidate of the present catalog; apply the claim again";
    let network = json!({"vpcId": "vpc-1", "dbSubnetGroup": "payments-private", "securityGroup": "sg-0payments"});
    for (catalog, message) in [
        (catalog().without_candidate("aws-us-east-1"), gone),
        (catalog().candidate_with("aws-us-east-1", "name", json!("aws")), gone),
        (
            catalog().candidate_with("aws-us-east-1", "region", json!("us-east-2")),
            gone,
        ),
        (
            catalog().candidate_with("aws-us-east-1", "runtimeCluster", json!("x")),
            gone,
        ),
        (catalog().candidate_with("aws-us-east-1", "network", network), gone),
        (
            catalog().cordoned("aws-us-east-1"),
            "aws-us-east-1 does not fit any more: cordoned (region evacuation); apply the claim again",
        ),
        (
            catalog().with("CloudProvider", "aws", "cordoned", closed),
            "aws-us-east-1 does not fit any more: its provider is cordoned (region evacuation); apply the claim again",
        ),
        (
            catalog().candidate_with("aws-us-east-1", "capabilities", json!(["MultiAZ", "PrivateNetworking"])),
            "aws-us-east-1 does not fit any more: lacks PITR; apply the claim again",
        ),
        (
            catalog().with("Tier", "c1", "requires", json!(["PITR", "Encryption"])),
            "aws-us-east-1 does not fit any more: lacks Encryption; apply the claim again",
        ),
    ] {
        assert_eq!(
            validate(&placed()).on(catalog).answer().one_problem(),
            (
                "PlacementMismatch".to_owned(),
                "spec.parameters".to_owned(),
                message.to_owned()
            )
        );
    }
    for (catalog, problem) in [
        (
            catalog()
                .copied("Cell", "payments", "billing")
                .without("Cell", "payments"),
            "FieldUnknown spec.parameters.cell",
        ),
        (catalog().without("Tier", "c1"), "FieldUnknown spec.parameters.tier"),
        (
            catalog().with("Cell", "payments", "environments", json!(["dev"])),
            "FieldUnknown spec.parameters.environment",
        ),
    ] {
        assert_eq!(validate(&placed()).on(catalog).answer().refused(), [problem]);
    }
    let ha = bare().with("ha", true).placed();
    let single = || catalog().candidate_with("aws-us-east-1", "capabilities", json!(["PITR", "PrivateNetworking"]));
    assert_eq!(
        validate(&placed()).on(single()).answer().outcome,
        Outcome::ConfirmedElsewhere
    );
    assert_eq!(
        validate(&ha).on(single()).answer().refused(),
        ["PlacementMismatch spec.parameters"]
    );
}

#[test]
fn an_operators_restore_passes_and_nobody_elses_does() {
    let backup: Claim = running().backed_up().with("tier", "C2").with("size", "xlarge");
    let answered = validate(&backup).by_operator().answer();
    answered.untouched();
    assert_eq!(answered.outcome, Outcome::Restored);
    assert!(!validate(&backup).answer().allowed());
    assert!(!validate(&backup).by_crossplane().answer().allowed());
    // What a mutator makes of it meets the rules of a restore.
    for (pointer, value) in [
        ("/spec/parameters/provider", json!("gcp")),
        ("/spec/parameters/size", json!("tiny")),
        ("/spec/parameters/storageGB", json!("1")),
        ("/spec/crossplane/compositionRef", json!({"name": "x"})),
    ] {
        assert!(
            !validate(&backup.clone().set(pointer, value))
                .by_operator()
                .answer()
                .allowed(),
            "{pointer}"
        );
    }
}

#[test]
fn a_claim_that_crossplane_has_taken_up_is_no_new_claim() {
    assert_eq!(
        validate(&running()).answer().refused(),
        [
            "PlacementMismatch spec.crossplane.compositionRef",
            "PlacementMismatch spec.crossplane.compositionRevisionRef",
            "PlacementMismatch spec.crossplane.compositionUpdatePolicy",
            "PlacementMismatch spec.crossplane.resourceRefs",
        ]
    );
}
