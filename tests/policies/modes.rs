//! What a policy does to a new claim in each mode: in the reason, the refusal, the warnings and the logs.

use idp_multicloud::admission::{Settings, Webhook, answer, envelope};
use idp_multicloud::catalog::live::Held;
use idp_multicloud::claim::Cause;
use idp_multicloud::placement::{Reason, Request, Size, decide};
use serde_json::{Value, json};

use super::{asking, catalog, decided, judged, no, policy, request};
use crate::support::{self, bare};

#[test]
fn an_enforced_policy_is_one_more_gate() {
    let catalog = catalog([no("aws", "Enforce"), no("gcp", "Enforce")]);
    let decision = decided(&catalog);
    assert_eq!(decision.winner().unwrap().candidate.name, "oci-us-ashburn-1");
    assert_eq!(
        decision.summary(),
        "1/3 candidates fit: 1 fails policy no-aws, 1 fails policy no-gcp"
    );
    let text = decision.reason();
    let reason: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        reason["excluded"],
        json!([
            { "candidate": "aws-us-east-1", "failures": [{ "gate": "Policy", "detail": "no-aws: aws is full" }] },
            { "candidate": "gcp-us-central1", "failures": [{ "gate": "Policy", "detail": "no-gcp: gcp is full" }] },
        ])
    );
    // The claim has its own namespace; the reason repeats the six fields.
    assert!(reason["request"].get("namespace").is_none());
    let read: Reason<'_> = serde_json::from_str(&text).unwrap();
    assert_eq!(read.excluded, Reason::of(&decision).excluded);
}

#[test]
fn every_condition_that_fails_is_a_failure_beside_the_other_gates() {
    let two = policy(
        "two",
        &json!({ "validations": [
            { "expression": "claim.storageGB < 10", "message": "first" },
            { "expression": "claim.ha", "messageExpression": "claim.size + ' \"needs\" ' + namespace" },
            { "expression": "claim.tier == 'C1'", "message": "third" },
        ] }),
    );
    let catalog = catalog([two]);
    let decision = decide(
        &catalog,
        Request {
            tier: "C0".into(),
            ..request(Size::Small, 50)
        },
    )
    .unwrap();
    let lines: Vec<_> = decision.excluded[2].failures.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "lacks MultiAZ",
            "fails policy two: first",
            "fails policy two: small \"needs\" payments",
            "fails policy two: third"
        ]
    );
    assert_eq!(
        decision.summary(),
        "0/3 candidates fit: 3 fail policy two, 1 lacks MultiAZ"
    );
    let escaped: String = serde_json::from_str(&format!("\"{}\"", decision.reason_escaped())).unwrap();
    assert_eq!(escaped, decision.reason());
    assert!(serde_json::from_str::<Reason<'_>>(&escaped).is_ok());
}

#[test]
fn a_policy_is_about_what_it_matches_and_nothing_else() {
    let matching = |field: &str, name: &str| {
        policy(
            "never",
            &json!({ "match": { field: [name] }, "validations": [{ "expression": "false", "message": "m" }] }),
        )
    };
    for (field, name, fits) in [
        ("cells", "payments", false),
        ("tiers", "c1", false),
        ("tiers", "C1", false),
        ("tiers", "C0", true),
        ("environments", "prod", false),
        ("environments", "dev", true),
        ("namespaces", "payments", false),
        ("namespaces", "orders", true),
    ] {
        let catalog = catalog([matching(field, name)]);
        let decision = decided(&catalog);
        assert_eq!(decision.winner().is_some(), fits, "{field} {name}");
        assert_eq!(decision.policies.is_empty(), fits, "{field} {name}");
    }
}

#[test]
fn a_refusal_counts_the_candidates_by_policy() {
    let all = [
        no("aws", "Enforce"),
        no("gcp", "Enforce"),
        asking("never", "Enforce", "false", "not now"),
    ];
    judged(None, &bare().with("ha", true), &catalog(all), |answer| {
        let problems = answer.verdict.as_ref().unwrap_err();
        assert_eq!(problems[0].cause, Cause::Unschedulable);
        assert_eq!(
            problems[0].message,
            "0/3 candidates fit: 3 fail policy never, 1 lacks MultiAZ, 1 fails policy no-aws, 1 fails policy no-gcp; \
             aws-us-east-1: fails policy never: not now, fails policy no-aws: aws is full; \
             gcp-us-central1: fails policy never: not now, fails policy no-gcp: gcp is full; \
             oci-us-ashburn-1: lacks MultiAZ, fails policy never: not now; \
             ask for less (tier, ha), or ask your platform team"
        );
    });
}

#[test]
fn many_policies_are_counted_by_name_up_to_eight() {
    let policies = (0..12).map(|i| asking(&format!("p{i:02}"), "Enforce", "false", "m"));
    let catalog = catalog(policies);
    let decision = decided(&catalog);
    let expected: Vec<_> = (0..8).map(|i| format!("3 fail policy p{i:02}")).collect();
    assert_eq!(
        decision.summary(),
        format!("0/3 candidates fit: {}, 3 fail other policies", expected.join(", "))
    );
    assert_eq!(decision.excluded[0].failures.len(), 12);
}

#[test]
fn a_warning_policy_leaves_the_winner_and_tells_the_author() {
    let catalog = catalog([no("aws", "Warn"), no("gcp", "Warn"), no("oci", "Warn")]);
    judged(None, &bare(), &catalog, |answer| {
        assert_eq!(answer.placed.as_ref().unwrap().candidate, "aws-us-east-1");
        assert_eq!(answer.warnings, ["policy no-aws: aws is full"]);
        assert_eq!(answer.policies.notices, ["Warn no-aws: aws is full"]);
        let response: Value = serde_json::from_slice(&envelope::write("u", answer)).unwrap();
        assert_eq!(
            response["response"]["auditAnnotations"]["policies"],
            "Warn no-aws: aws is full"
        );
    });
    assert!(!decided(&catalog).reason().contains("no-aws"));
}

#[test]
fn an_auditing_policy_tells_the_logs_only() {
    judged(
        None,
        &bare(),
        &catalog([no("aws", "Audit"), no("gcp", "Audit")]),
        |answer| {
            assert_eq!(answer.placed.as_ref().unwrap().candidate, "aws-us-east-1");
            assert!(answer.warnings.is_empty());
            assert_eq!(answer.policies.text(), "Audit no-aws: aws is full");
            let response: Value = serde_json::from_slice(&envelope::write("u", answer)).unwrap();
            assert_eq!(
                response["response"]["auditAnnotations"]["policies"],
                "Audit no-aws: aws is full"
            );
            assert_eq!(response["response"].get("warnings"), None);
        },
    );
}

#[test]
fn what_policies_say_has_its_bounds() {
    let long = |i: usize| asking(&format!("p{i:02}"), "Warn", "false", &"é".repeat(128));
    judged(None, &bare(), &catalog((0..12).map(long)), |answer| {
        assert_eq!(answer.warnings.len(), 6);
        assert!(answer.warnings.iter().all(|warning| warning.chars().count() <= 120));
        assert_eq!(answer.warnings[5], "7 more policies warn");
        assert_eq!(answer.policies.notices.len(), 12);
        assert!(answer.policies.text().len() <= 2048 && answer.policies.text().ends_with('…'));
    });
    let made = policy(
        "made",
        &json!({ "validations": [{
            "expression": "false",
            "messageExpression": format!("'a\\n\\u202e' + '{}' + claim.cell", "é".repeat(150)),
        }] }),
    );
    let catalog = catalog([made]);
    let decision = decided(&catalog);
    let detail = &decision.excluded[0].failures[0].detail;
    let expected = format!("made: a\u{fffd}\u{fffd}{}…", "é".repeat(123));
    assert_eq!(*detail, expected);
    assert_eq!(detail.len(), "made: ".len() + 256);
}

/// A policy that the grid lets through and that has no verdict on a claim of 7 GiB more than the grid's.
fn broken(mode: &str) -> Value {
    asking("caps", mode, "{'a': true}[claim.storageGB == 57 ? 'b' : 'a']", "m")
}

#[test]
fn a_policy_without_a_verdict_keeps_the_candidate_out_and_is_counted() {
    let claim = bare().with("storageGB", 57);
    let told = "caps: cannot be evaluated: line 1, column 12: there is no key \"b\"";
    judged(None, &claim, &catalog([broken("Enforce")]), |answer| {
        let problems = answer.verdict.as_ref().unwrap_err();
        assert!(
            problems[0]
                .message
                .contains(&format!("aws-us-east-1: fails policy {told}; ")),
            "{}",
            problems[0]
        );
        assert_eq!(answer.policies.broken, ["caps".to_owned()].into());
    });
    judged(None, &claim, &catalog([broken("Warn")]), |answer| {
        assert_eq!(answer.warnings, [format!("policy {told}")]);
        assert_eq!(answer.policies.broken, ["caps".to_owned()].into());
    });
    // One that is kept out does not hinder the rest.
    let aws_only = asking(
        "caps",
        "Enforce",
        "candidate.provider != 'aws' || {'a': true}[claim.storageGB == 57 ? 'b' : 'a']",
        "m",
    );
    judged(None, &claim, &catalog([aws_only]), |answer| {
        assert_eq!(answer.placed.as_ref().unwrap().candidate, "gcp-us-central1");
        assert_eq!(answer.policies.broken, ["caps".to_owned()].into());
    });
    let message = policy(
        "caps",
        &json!({ "validations": [{
            "expression": "false", "messageExpression": "{'a': 'x'}[claim.storageGB == 57 ? 'b' : 'a']",
        }] }),
    );
    judged(None, &claim, &catalog([message]), |answer| {
        let text = &answer.verdict.as_ref().unwrap_err()[0].message;
        assert!(
            text.contains("fails policy caps: its message cannot be evaluated: line 1, column 11: "),
            "{text}"
        );
        assert_eq!(answer.policies.broken, ["caps".to_owned()].into());
    });
    judged(None, &bare(), &catalog([broken("Enforce")]), |answer| {
        assert!(answer.verdict.is_ok() && answer.policies.broken.is_empty());
    });
}

#[test]
fn validate_holds_a_claim_to_the_decision_with_its_policies() {
    let catalog = catalog([no("aws", "Enforce")]);
    let held = Held::new(catalog);
    let body = support::create(&bare()).held_by(&held).answer().patched();
    let review = support::validate(&body).bytes();
    let review = envelope::read(&review).unwrap();
    let answer = answer(Webhook::Validate, &review, &held, &Settings::default());
    assert_eq!(
        answer.placed.as_ref().map(|placed| &*placed.candidate),
        Some("gcp-us-central1")
    );
}

#[test]
fn validate_holds_a_claim_of_an_unknown_revision_to_the_present_policies() {
    // Placed by the built-in catalog, which this server never held.
    let placed = bare().placed();
    let judged = |policy| {
        let held = Held::new(catalog([policy]));
        support::validate(&placed).held_by(&held).answer()
    };
    assert!(judged(no("gcp", "Enforce")).allowed());
    assert!(judged(no("aws", "Warn")).allowed());
    assert_eq!(
        judged(no("aws", "Enforce")).one_problem().2,
        "aws-us-east-1 does not fit any more: fails policy no-aws: aws is full; apply the claim again"
    );
}

#[test]
fn the_namespace_is_the_reviews_or_else_the_claims_own() {
    let bound = catalog([asking("bound", "Enforce", "namespace == 'payments'", "m")]);
    let held = Held::new(bound);
    let allowed = |claim: &support::Claim, namespace: &str| {
        let review = support::create(claim).asking("namespace", namespace).held_by(&held);
        review.answer().allowed()
    };
    let without = bare().unset("/metadata/namespace");
    assert!(allowed(&bare(), "payments") && allowed(&without, "payments") && allowed(&bare(), ""));
    assert!(!allowed(&bare(), "orders") && !allowed(&without, ""));
}
