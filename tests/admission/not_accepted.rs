//! A catalog of which a part is not accepted: new claims that need it are refused naming it, all others are placed, and
//! databases that are there live on.

use idp_multicloud::admission::audit::{Class, Finding, audit};
use serde_json::{Value, json};

use crate::support::{Catalog, bare, catalog, create, placed, running, update, validate};

const ASK: &str = "; ask your platform team";

fn bad_condition() -> Value {
    json!([{"expression": "claim.cell", "message": "m"}])
}

/// The built-in catalog with a second cell like the first.
fn two_cells() -> Catalog {
    catalog().copied("Cell", "payments", "billing")
}

#[test]
fn a_claim_that_needs_a_bad_object_is_refused_naming_it_and_others_are_placed() {
    let fails = "spec.candidates: must list at least one";
    let held = two_cells().with("Cell", "billing", "candidates", json!([])).good_part();
    assert_eq!(
        create(&bare().with("cell", "billing"))
            .held_by(&held)
            .answer()
            .one_problem(),
        (
            "CatalogNotAccepted".to_owned(),
            "spec.parameters.cell".to_owned(),
            format!("Cell billing is there but not accepted ({fails}){ASK}")
        )
    );
    assert_eq!(
        create(&bare()).held_by(&held).answer().patched().reason()["winner"],
        placed().reason()["winner"]
    );

    let held = catalog().with("Tier", "c0", "rtoMinutes", json!("soon")).good_part();
    let fails = "spec.rtoMinutes: must be a whole number of minutes from 0 to 525600, is \"soon\"";
    assert_eq!(
        create(&bare().with("tier", "C0")).held_by(&held).answer().one_problem(),
        (
            "CatalogNotAccepted".to_owned(),
            "spec.parameters.tier".to_owned(),
            format!("Tier c0 is there but not accepted ({fails}){ASK}")
        )
    );
    assert!(create(&bare()).held_by(&held).answer().allowed());

    // Every cell with a candidate there needs its provider: without its cordons, nothing can be placed for life.
    let held = catalog()
        .with("CloudProvider", "oci", "cordoned", json!("yes"))
        .good_part();
    assert_eq!(
        create(&bare()).held_by(&held).answer().one_problem().2,
        format!(
            "Cell payments is there but not accepted (spec.candidates[2].provider: CloudProvider oci is there, but not \
             accepted){ASK}"
        )
    );
    // A name that is nowhere is told as ever, with those that are in force.
    let held = two_cells().with("Cell", "billing", "candidates", json!([])).good_part();
    let (cause, _, message) = create(&bare().with("cell", "shop"))
        .held_by(&held)
        .answer()
        .one_problem();
    assert_eq!(cause, "FieldUnknown");
    assert!(message.ends_with("use one of: payments"), "{message}");
}

#[test]
fn a_new_tier_that_a_cell_does_not_score_closes_nothing_else() {
    let held = catalog()
        .copied("Tier", "c2", "green")
        .with("Tier", "green", "weights", json!({"carbon": 1}))
        .good_part();
    assert!(create(&bare().with("tier", "C2")).held_by(&held).answer().allowed());
    assert_eq!(
        create(&bare().with("tier", "green"))
            .held_by(&held)
            .answer()
            .one_problem(),
        (
            "CatalogNotAccepted".to_owned(),
            "spec.parameters.tier".to_owned(),
            format!(
                "Cell payments does not score all that this tier weighs (spec.candidates[0].scores.carbon: is missing; \
                 Tier green weighs it, so give a number from 0 to 1){ASK}"
            )
        )
    );
}

#[test]
fn an_enforced_policy_that_is_not_accepted_is_never_skipped() {
    let with = |spec: Value| two_cells().and("PlacementPolicy", "residency", spec).good_part();
    let (here, there) = (bare(), bare().with("cell", "billing"));
    let held = with(json!({"match": {"cells": ["billing"]}, "validations": bad_condition()}));
    assert!(create(&here).held_by(&held).answer().allowed());
    let (cause, field, message) = create(&there).held_by(&held).answer().one_problem();
    assert_eq!((cause.as_str(), field.as_str()), ("CatalogNotAccepted", ""));
    assert!(
        message.starts_with(
            "PlacementPolicy residency is there but not accepted (spec.validations[0].expression: line 1, column 6: "
        ),
        "{message}"
    );
    // Of a match that cannot be read nobody can tell what it is about.
    let held = with(json!({"match": {"cells": "billing"}, "validations": bad_condition()}));
    for claim in [&here, &there] {
        assert_eq!(create(claim).held_by(&held).answer().refused(), ["CatalogNotAccepted"]);
    }
    for mode in ["Warn", "Audit"] {
        let held = with(json!({"mode": mode, "validations": bad_condition()}));
        assert!(create(&here).held_by(&held).answer().allowed(), "{mode}");
    }
}

#[test]
fn all_that_a_claim_needs_is_told_at_once() {
    let held = catalog()
        .with("Cell", "payments", "candidates", json!([]))
        .with("Tier", "c1", "requires", json!("PITR"))
        .and("PlacementPolicy", "b", json!({"validations": bad_condition()}))
        .good_part();
    assert_eq!(
        create(&bare()).held_by(&held).answer().refused(),
        [
            "CatalogNotAccepted spec.parameters.cell",
            "CatalogNotAccepted spec.parameters.tier"
        ]
    );
    let held = catalog()
        .and("PlacementPolicy", "b", json!({"validations": bad_condition()}))
        .and(
            "PlacementPolicy",
            "a",
            json!({"match": {"tiers": ["c1"]}, "validations": []}),
        )
        .good_part();
    let causes = create(&bare()).held_by(&held).answer().causes();
    let policies: Vec<&str> = causes.iter().map(|(_, _, message)| &message[..17]).collect();
    assert_eq!(policies, ["PlacementPolicy a", "PlacementPolicy b"]);
}

#[test]
fn a_claim_that_is_being_created_meets_the_lock_with_the_same_words() {
    let held = catalog()
        .and("PlacementPolicy", "residency", json!({"validations": bad_condition()}))
        .good_part();
    let (cause, _, message) = validate(&placed()).held_by(&held).answer().one_problem();
    assert_eq!(cause, "CatalogNotAccepted");
    assert!(
        message.starts_with("PlacementPolicy residency is there but not accepted"),
        "{message}"
    );
}

#[test]
fn databases_that_are_there_live_on_while_their_cell_or_tier_or_a_policy_is_not_accepted() {
    let cell = catalog().with("Cell", "payments", "candidates", json!([])).good_part();
    let tier = catalog().with("Tier", "c1", "rtoMinutes", json!("soon")).good_part();
    let policy = catalog()
        .and("PlacementPolicy", "cap", json!({"validations": bad_condition()}))
        .good_part();
    for held in [&cell, &tier, &policy] {
        update(&running(), &running()).held_by(held).answer().untouched();
        update(&running(), &running().with("storageGB", 60))
            .held_by(held)
            .answer()
            .untouched();
        update(&running(), &running().set("/metadata/labels", json!({"a": "b"})))
            .held_by(held)
            .answer()
            .untouched();
    }
    let labelled = running().set("/metadata/labels", json!({"a": "b"}));
    let answered = update(&running(), &labelled).held_by(&policy).answer();
    assert_eq!(answered.warnings(), Vec::<String>::new(), "nothing was asked of it");
    let warnings = update(&running(), &running().with("size", "large"))
        .held_by(&policy)
        .answer()
        .warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].starts_with("PlacementPolicy cap was not asked, as it is not accepted: spec.validations"));
    let warnings = update(&running(), &running().with("size", "large"))
        .held_by(&cell)
        .answer()
        .warnings();
    assert!(
        warnings[0].starts_with("stays where it is, though its cell is not accepted: spec.candidates"),
        "{warnings:?}"
    );
    // Raising needs to know what the place has, and a tier what it requires.
    let (cause, _, message) = update(&running(), &running().with("ha", true))
        .held_by(&cell)
        .answer()
        .one_problem();
    assert_eq!(cause, "PlacementUnfit");
    assert!(
        message.starts_with(
            "asks for MultiAZ, and the place of this database is in a part of the catalog that is not accepted (spec."
        ),
        "{message}"
    );
    let to_c0 = update(&running(), &running().with("tier", "C0"));
    let (cause, _, message) = to_c0.held_by(&tier).answer().one_problem();
    assert_eq!(cause, "TierLowered");
    assert!(
        message.contains("the stored tier is in a part of the catalog that is not accepted (spec."),
        "{message}"
    );
    let c2 = catalog().with("Tier", "c0", "rtoMinutes", json!("soon")).good_part();
    let to_c0 = update(&running(), &running().with("tier", "C0"));
    assert_eq!(
        to_c0.held_by(&c2).answer().refused(),
        ["CatalogNotAccepted spec.parameters.tier"]
    );
}

#[test]
fn a_claim_placed_on_another_revision_is_not_confirmed_where_it_would_be_refused() {
    let elsewhere = placed().with_reason(|reason| {
        reason["catalogRevision"] = json!("0".repeat(64));
        reason.as_object_mut().unwrap().remove("digest");
    });
    assert!(validate(&elsewhere).answer().allowed(), "its candidate still fits");
    let policy = catalog()
        .and("PlacementPolicy", "cap", json!({"validations": bad_condition()}))
        .good_part();
    let unscored = catalog()
        .with("Tier", "c1", "weights", json!({"carbon": 1}))
        .good_part();
    for held in [policy, unscored] {
        let causes = validate(&elsewhere).held_by(&held).answer().refused();
        assert_eq!(causes.len(), 1);
        assert!(causes[0].starts_with("CatalogNotAccepted"), "{causes:?}");
    }
}

#[test]
fn audit_takes_no_claim_for_tampered_because_a_policy_is_not_accepted() {
    let held = catalog()
        .and("PlacementPolicy", "cap", json!({"validations": bad_condition()}))
        .good_part();
    assert_eq!(
        held.snapshot().revision().as_str(),
        placed().reason()["catalogRevision"]
    );
    let audited = audit(&placed().0, held.snapshot());
    let kinds: Vec<Class> = audited.findings.iter().map(Finding::class).collect();
    assert_eq!(kinds, [Class::Failing], "{audited:?}");
    assert!(
        audited.findings[0]
            .to_string()
            .contains("PlacementPolicy cap is there but not accepted"),
        "{audited:?}"
    );
}
