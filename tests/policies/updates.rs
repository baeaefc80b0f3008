//! UPDATE: a database that is there is held to what its change makes it fail, and to nothing that it failed before.

use idp_multicloud::admission::envelope;
use idp_multicloud::claim::Cause;
use serde_json::{Value, json};

use super::{asking, catalog, judged, policy};
use crate::support::{self, Claim};

fn cap(mode: &str, gb: u16) -> Value {
    policy(
        "cap",
        &json!({ "mode": mode, "params": { "cap": gb }, "validations": [{
            "expression": "claim.storageGB <= params.cap",
            "messageExpression": "string(claim.storageGB) + ' GiB are more than ' + string(params.cap)",
        }] }),
    )
}

fn running() -> Claim {
    support::running().with("storageGB", 100)
}

#[test]
fn an_update_beyond_a_cap_is_refused() {
    let catalog = catalog([cap("Enforce", 200)]);
    judged(
        Some(&running()),
        &running().with("storageGB", 200),
        &catalog,
        |answer| {
            assert_eq!(answer.verdict, Ok(vec![]));
        },
    );
    judged(
        Some(&running()),
        &running().with("storageGB", 201),
        &catalog,
        |answer| {
            let problems = answer.verdict.as_ref().unwrap_err();
            assert_eq!((problems.len(), problems[0].cause), (1, Cause::PlacementUnfit));
            assert_eq!(problems[0].field, "spec.parameters.storageGB");
            assert_eq!(
                problems[0].message,
                "aws-us-east-1 fails policy cap: 201 GiB are more than 200; a database is not moved: set it back, or make a \
             new claim and move the data"
            );
        },
    );
    let two = running().with("storageGB", 201).with("size", "large");
    judged(Some(&running()), &two, &catalog, |answer| {
        assert_eq!(answer.verdict.as_ref().unwrap_err()[0].field, "spec.parameters");
    });
}

#[test]
fn a_claim_beyond_a_cap_that_came_later_takes_every_other_change() {
    let catalog = catalog([cap("Enforce", 60)]);
    for change in [
        running().with("size", "large"),
        running().with("ha", true),
        running().with("tier", "C0"),
        // Further beyond: the same condition failed before, though its message was another.
        running().with("storageGB", 150),
    ] {
        judged(Some(&running()), &change, &catalog, |answer| {
            assert_eq!(answer.verdict, Ok(vec![]));
            assert!(answer.warnings[0].starts_with("stays on aws-us-east-1, though: fails policy cap: "));
        });
    }
}

#[test]
fn a_change_that_moves_a_claim_under_another_policy_is_held_to_it() {
    let c0 = policy(
        "c0",
        &json!({ "match": { "tiers": ["C0"] }, "validations": [
            { "expression": "candidate.provider != 'aws'", "message": "not for C0" },
        ] }),
    );
    judged(
        Some(&running()),
        &running().with("tier", "C0"),
        &catalog([c0.clone()]),
        |answer| {
            assert_eq!(answer.verdict.as_ref().unwrap_err()[0].field, "spec.parameters.tier");
        },
    );
    judged(
        Some(&running()),
        &running().with("storageGB", 120),
        &catalog([c0]),
        |answer| {
            assert_eq!(answer.verdict, Ok(vec![]));
        },
    );
}

#[test]
fn warnings_and_audits_are_told_of_what_an_update_newly_fails() {
    for (mode, warnings) in [("Warn", 1), ("Audit", 0)] {
        let catalog = catalog([cap(mode, 200)]);
        judged(
            Some(&running()),
            &running().with("storageGB", 201),
            &catalog,
            |answer| {
                assert_eq!(answer.verdict, Ok(vec![]));
                assert_eq!(answer.warnings.len(), warnings);
                assert_eq!(answer.policies.text(), format!("{mode} cap: 201 GiB are more than 200"));
                let response: Value = serde_json::from_slice(&envelope::write("u", answer)).unwrap();
                let annotations = &response["response"]["auditAnnotations"];
                assert_eq!(annotations["outcome"], "unchanged");
                assert_eq!(
                    annotations["policies"],
                    format!("{mode} cap: 201 GiB are more than 200")
                );
            },
        );
        let over = running().with("storageGB", 300);
        judged(Some(&over), &over.clone().with("size", "large"), &catalog, |answer| {
            assert_eq!((answer.warnings.len(), answer.policies.text()), (0, String::new()));
        });
    }
}

#[test]
fn an_update_that_a_policy_has_no_verdict_on_is_refused_and_counted() {
    judged(
        Some(&running()),
        &running().with("storageGB", 157),
        &catalog([asking(
            "caps",
            "Enforce",
            "{'a': true}[claim.storageGB == 157 ? 'b' : 'a']",
            "m",
        )]),
        |answer| {
            assert!(answer.verdict.is_err());
            assert_eq!(answer.policies.broken, ["caps".to_owned()].into());
        },
    );
}

#[test]
fn a_claim_on_its_way_out_is_not_judged_by_policies() {
    let never = catalog([asking("never", "Enforce", "claim.size == 'medium'", "m")]);
    let leaving = running().terminating();
    judged(
        Some(&leaving),
        &leaving.clone().with("size", "large"),
        &never,
        |answer| {
            assert_eq!(answer.verdict, Ok(vec![]));
        },
    );
}
