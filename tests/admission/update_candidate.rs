//! UPDATE, tier and `ha`: who may lower what, and whether the place where the database is can follow what is raised.

use serde_json::{Value, json};

use crate::support::{Catalog, Claim, bare, catalog, running, update};

/// A claim of this tier, placed and running.
fn of(tier: &str, ha: bool) -> Claim {
    bare().with("tier", tier).with("ha", ha).placed().taken_up()
}

#[test]
fn a_tier_that_requires_less_is_for_operators_only() {
    for (from, to, less) in [
        (
            "C0",
            "C1",
            "C1 requires less than C0: no MultiAZ, an RTO of 120 minutes instead of 30, an RPO of 15 minutes instead of 5",
        ),
        (
            "C0",
            "C2",
            "C2 requires less than C0: no MultiAZ, no PITR, an RTO of 480 minutes instead of 30, an RPO of 60 minutes instead of 5",
        ),
        (
            "C1",
            "C2",
            "C2 requires less than C1: no PITR, an RTO of 480 minutes instead of 120, an RPO of 60 minutes instead of 15",
        ),
    ] {
        let (old, new) = (of(from, false), of(from, false).with("tier", to));
        for review in [update(&old, &new), update(&old, &new).by_crossplane()] {
            assert_eq!(
                review.answer().one_problem(),
                (
                    "TierLowered".to_owned(),
                    "spec.parameters.tier".to_owned(),
                    format!("{less}; set it back, or ask your platform team, whose operators may lower it")
                )
            );
        }
        update(&old, &new).by_operator().answer().untouched();
        // Even where `ha` goes on asking for a second zone.
        assert!(
            !update(&of(from, true), &of(from, true).with("tier", to))
                .answer()
                .allowed()
        );
    }
}

#[test]
fn each_of_capabilities_rto_and_rpo_alone_makes_a_tier_less() {
    let like_c1 = |field: &str, value: Value| catalog().copied("Tier", "c1", "cx").with("Tier", "cx", field, value);
    let to_cx = |catalog: Catalog| {
        let answered = update(&running(), &running().with("tier", "CX")).on(catalog).answer();
        if answered.allowed() {
            None
        } else {
            Some(answered.one_problem().2)
        }
    };
    let remedy = "set it back, or ask your platform team, whose operators may lower it";
    assert_eq!(
        to_cx(like_c1("rtoMinutes", json!(121))),
        Some(format!(
            "CX requires less than C1: an RTO of 121 minutes instead of 120; {remedy}"
        ))
    );
    assert_eq!(
        to_cx(like_c1("rpoMinutes", json!(16))),
        Some(format!(
            "CX requires less than C1: an RPO of 16 minutes instead of 15; {remedy}"
        ))
    );
    assert_eq!(
        to_cx(like_c1("requires", json!(["PITR"]))),
        Some(format!("CX requires less than C1: no PrivateNetworking; {remedy}"))
    );
    // More in one respect does not make up for less in another.
    assert_eq!(
        to_cx(like_c1("requires", json!(["MultiAZ", "PITR"]))),
        Some(format!("CX requires less than C1: no PrivateNetworking; {remedy}"))
    );
    for (field, value) in [
        ("rtoMinutes", json!(120)),
        ("rtoMinutes", json!(119)),
        ("rpoMinutes", json!(15)),
        ("rpoMinutes", json!(14)),
        ("requires", json!(["PITR", "PrivateNetworking", "MultiAZ"])),
        ("weights", json!({"cost": 1})),
    ] {
        assert_eq!(to_cx(like_c1(field, value)), None, "{field}");
    }
}

#[test]
fn a_tier_that_requires_more_is_for_everybody_where_the_candidate_has_it() {
    for (from, to) in [("C1", "C0"), ("C2", "C1")] {
        let old = of(from, false);
        update(&old, &old.clone().with("tier", to)).answer().untouched();
    }
    let old = of("C2", false);
    assert_eq!(
        update(&old, &old.clone().with("tier", "C0")).answer().one_problem(),
        (
            "PlacementUnfit".to_owned(),
            "spec.parameters.tier".to_owned(),
            "oci-us-ashburn-1 lacks MultiAZ; a database is not moved: set it back, or make a new claim and move the data"
                .to_owned()
        )
    );
    assert!(
        !update(&old, &old.clone().with("tier", "C0"))
            .by_operator()
            .answer()
            .allowed()
    );
}

#[test]
fn ha_goes_both_ways_where_the_candidate_has_a_second_zone() {
    update(&of("C1", false), &of("C1", false).with("ha", true))
        .answer()
        .untouched();
    update(&of("C1", true), &of("C1", true).with("ha", false))
        .answer()
        .untouched();
    update(&of("C1", true), &of("C1", true).without("ha"))
        .answer()
        .untouched();
    let oci = of("C2", false);
    for review in [
        update(&oci, &oci.clone().with("ha", true)),
        update(&oci, &oci.clone().with("ha", true)).by_operator(),
    ] {
        assert_eq!(
            review.answer().one_problem(),
            (
                "PlacementUnfit".to_owned(),
                "spec.parameters.ha".to_owned(),
                "oci-us-ashburn-1 lacks MultiAZ; a database is not moved: set it back, or make a new claim and move the data"
                    .to_owned()
            )
        );
    }
}

#[test]
fn ha_is_judged_even_where_the_stored_tier_is_gone_or_unreadable() {
    let oci = of("C2", false);
    let raised = oci.clone().with("ha", true);
    let gone = || catalog().without("Tier", "c2");
    assert_eq!(
        update(&oci, &raised).on(gone()).answer().refused(),
        ["PlacementUnfit spec.parameters.ha"]
    );
    let garbled = |claim: &Claim| claim.clone().with("tier", "no tier at all");
    assert_eq!(
        update(&garbled(&oci), &garbled(&raised)).answer().refused(),
        ["PlacementUnfit spec.parameters.ha"]
    );
    // Where the candidate is gone as well, nobody can tell.
    assert_eq!(
        update(&oci, &raised)
            .on(gone().without_candidate("oci-us-ashburn-1"))
            .answer()
            .refused(),
        ["PlacementUnfit spec.parameters.ha"]
    );
    // A candidate with a second zone can follow.
    let aws = of("C1", false);
    update(&aws, &aws.clone().with("ha", true))
        .on(catalog().without("Tier", "c1"))
        .answer()
        .untouched();
}

#[test]
fn a_tier_is_judged_even_where_the_stored_ha_is_unreadable() {
    let oci = of("C2", false).with("ha", "yes");
    assert_eq!(
        update(&oci, &oci.clone().with("tier", "C0")).answer().refused(),
        ["PlacementUnfit spec.parameters.tier"]
    );
}

#[test]
fn the_field_that_asks_for_what_is_lacking_is_the_one_named() {
    let oci = of("C2", false);
    // C1 is fine on OCI; it is `ha` that is not.
    assert_eq!(
        update(&oci, &oci.clone().with("tier", "C1").with("ha", true))
            .answer()
            .refused(),
        ["PlacementUnfit spec.parameters.ha"]
    );
    assert_eq!(
        update(&oci, &oci.clone().with("tier", "C0").with("ha", true))
            .answer()
            .refused(),
        ["PlacementUnfit spec.parameters.tier"]
    );
}

#[test]
fn the_candidate_is_judged_only_when_something_was_asked_for_anew() {
    let stripped = || catalog().candidate_with("aws-us-east-1", "capabilities", json!(["PrivateNetworking"]));
    let relabelled = running().set("/metadata/labels", json!({"a": "b"}));
    let answered = update(&running(), &relabelled).on(stripped()).answer();
    answered.untouched();
    assert_eq!(answered.warnings(), ["stays on aws-us-east-1, though: lacks PITR"]);
}

#[test]
fn only_a_failure_that_the_old_request_did_not_have_refuses() {
    let stripped = || catalog().candidate_with("aws-us-east-1", "capabilities", json!(["PrivateNetworking"]));
    for new in [running().with("size", "large"), running().with("storageGB", 60)] {
        let answered = update(&running(), &new).on(stripped()).answer();
        answered.untouched();
        assert_eq!(answered.warnings(), ["stays on aws-us-east-1, though: lacks PITR"]);
    }
    assert_eq!(
        update(&running(), &running().with("ha", true))
            .on(stripped())
            .answer()
            .one_problem(),
        (
            "PlacementUnfit".to_owned(),
            "spec.parameters.ha".to_owned(),
            "aws-us-east-1 lacks MultiAZ; a database is not moved: set it back, or make a new claim and move the data"
                .to_owned()
        )
    );
    assert_eq!(
        update(&running(), &running().with("tier", "C0"))
            .on(stripped())
            .answer()
            .refused(),
        ["PlacementUnfit spec.parameters.tier"]
    );
}

#[test]
fn a_cordon_refuses_no_change_and_is_worth_a_warning() {
    let closed = json!({"reason": "region evacuation"});
    for (catalog, note) in [
        (catalog().cordoned("aws-us-east-1"), "cordoned"),
        (
            catalog().with("CloudProvider", "aws", "cordoned", closed.clone()),
            "its provider is cordoned",
        ),
        (
            catalog().with(
                "CloudProvider",
                "aws",
                "regions",
                json!([{"name": "us-east-1", "cordoned": closed}]),
            ),
            "its region is cordoned",
        ),
    ] {
        let held = catalog.held();
        for new in [
            running(),
            running().with("tier", "C0"),
            running().with("ha", true),
            running().with("size", "large"),
            running().with("storageGB", 60),
        ] {
            let answered = update(&running(), &new).held_by(&held).answer();
            answered.untouched();
            assert_eq!(
                answered.warnings(),
                [format!("stays on aws-us-east-1, though: {note} (region evacuation)")]
            );
        }
    }
}

#[test]
fn a_warning_of_an_update_is_cut_at_120_characters() {
    let reason = "x".repeat(253);
    let catalog = catalog().candidate_with("aws-us-east-1", "cordoned", json!({"reason": reason}));
    let [warning] = &update(&running(), &running()).on(catalog).answer().warnings()[..] else {
        panic!("one warning")
    };
    let whole = format!("stays on aws-us-east-1, though: cordoned ({reason})");
    assert_eq!(warning, &format!("{}…", &whole[..119]));
}

#[test]
fn a_candidate_that_was_renamed_is_found_by_provider_region_and_cluster() {
    let renamed = || {
        catalog()
            .candidate_with("oci-us-ashburn-1", "name", json!("a-new-name"))
            .candidate_with(
                "a-new-name",
                "network",
                json!({"compartmentId": "x", "subnetId": "y", "availabilityDomain": "z"}),
            )
    };
    let oci = of("C2", false);
    let answered = update(&oci, &oci).on(renamed()).answer();
    answered.untouched();
    assert_eq!(answered.warnings(), [""; 0]);
    assert_eq!(
        update(&oci, &oci.clone().with("ha", true))
            .on(renamed())
            .answer()
            .one_problem()
            .2,
        "a-new-name lacks MultiAZ; a database is not moved: set it back, or make a new claim and move the data"
    );
}

#[test]
fn where_the_candidate_is_gone_raising_is_refused_and_all_else_passes_with_a_warning() {
    let gone = [
        catalog().without_candidate("aws-us-east-1").held(),
        catalog()
            .candidate_with("aws-us-east-1", "region", json!("us-east-2"))
            .held(),
        catalog()
            .candidate_with("aws-us-east-1", "runtimeCluster", json!("other"))
            .held(),
        catalog()
            .copied("Cell", "payments", "billing")
            .without("Cell", "payments")
            .held(),
        // Another cloud of the same region and cluster is another place.
        catalog()
            .without_candidate("aws-us-east-1")
            .candidate_with("gcp-us-central1", "region", json!("us-east-1"))
            .candidate_with("gcp-us-central1", "runtimeCluster", json!("aws-use1-prod"))
            .held(),
    ];
    for held in &gone {
        for (new, asked) in [
            (running().with("tier", "C0"), ("tier", "MultiAZ")),
            (running().with("ha", true), ("ha", "MultiAZ")),
        ] {
            for review in [update(&running(), &new), update(&running(), &new).by_operator()] {
                assert_eq!(
                    review.held_by(held).answer().one_problem(),
                    (
                        "PlacementUnfit".to_owned(),
                        format!("spec.parameters.{}", asked.0),
                        format!(
                            "asks for {}, and the place of this database is not in the catalog any more, so nobody can \
                             tell whether it has that; a database is not moved: set it back, or make a new claim and move \
                             the data",
                            asked.1
                        )
                    )
                );
            }
        }
        for new in [
            running(),
            running().with("size", "large"),
            running().with("storageGB", 60),
            running().set("/metadata/labels", json!({"a": "b"})),
        ] {
            let answered = update(&running(), &new).held_by(held).answer();
            answered.untouched();
            assert_eq!(
                answered.warnings(),
                ["the place of this database is not in the catalog any more; it stays where it is"]
            );
        }
        update(&running(), &running().with("tier", "C2"))
            .by_operator()
            .held_by(held)
            .answer()
            .untouched();
    }
    // Two capabilities more are both named.
    let oci = of("C2", false);
    let (_, _, message) = update(&oci, &oci.clone().with("tier", "C0"))
        .on(catalog().without_candidate("oci-us-ashburn-1"))
        .answer()
        .one_problem();
    assert!(
        message.starts_with("asks for MultiAZ and PITR, and the place"),
        "{message}"
    );
    // `ha` had it already.
    let ha = of("C1", true);
    update(&ha, &ha.clone().with("tier", "C0"))
        .held_by(&gone[0])
        .answer()
        .untouched();
}

#[test]
fn where_the_stored_tier_is_gone_another_one_is_for_operators_only() {
    let gone = || catalog().without("Tier", "c1");
    let new = running().with("tier", "C0");
    assert_eq!(
        update(&running(), &new).on(gone()).answer().one_problem(),
        (
            "TierLowered".to_owned(),
            "spec.parameters.tier".to_owned(),
            "the stored tier is not in the catalog any more, so nobody can tell whether it requires less; set it back, or \
             ask your platform team, whose operators may lower it"
                .to_owned()
        )
    );
    update(&running(), &new).on(gone()).by_operator().answer().untouched();
    update(&running(), &running().with("storageGB", 60))
        .on(gone())
        .answer()
        .untouched();
    // An operator asks for what OCI lacks.
    let oci = of("C2", false);
    assert_eq!(
        update(&oci, &oci.clone().with("tier", "C0"))
            .on(catalog().without("Tier", "c2"))
            .by_operator()
            .answer()
            .refused(),
        ["PlacementUnfit spec.parameters.tier"]
    );
    // `ha` had asked for a second zone already, so lacking one is no news.
    let unlucky = of("C2", false).with("ha", true);
    let catalog = catalog().without("Tier", "c2").candidate_with(
        "oci-us-ashburn-1",
        "capabilities",
        json!(["PITR", "PrivateNetworking"]),
    );
    update(&unlucky, &unlucky.clone().with("tier", "C0"))
        .on(catalog)
        .by_operator()
        .answer()
        .untouched();
}

#[test]
fn a_claim_without_a_placement_is_not_judged_against_any_candidate() {
    let answered = update(&bare(), &bare().with("ha", true).with("tier", "C0")).answer();
    answered.untouched();
    assert_eq!(answered.warnings(), [""; 0]);
    assert_eq!(
        update(&bare(), &bare().with("tier", "C2")).answer().refused(),
        ["TierLowered spec.parameters.tier"]
    );
}
