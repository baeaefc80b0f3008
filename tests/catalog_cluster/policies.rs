//! Policies as objects: each mode at CREATE, what an update meets, and what is not accepted.

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{REASON, Team, claim};

pub const CASES: &[Case] = &[
    ("a_policy_enforces_warns_or_audits", modes),
    ("within_a_cap_at_create_and_beyond_it_by_update_is_refused", capped),
    ("a_claim_beyond_a_cap_that_came_later_takes_every_other_change", beyond),
];

pub const ALONE: &[Case] = &[(
    "an_enforced_policy_that_is_not_accepted_refuses_new_claims_it_is_about_and_no_others",
    refused,
)];

const POLICIES: &str = "/apis/platform.example.org/v1alpha1/placementpolicies";

/// A policy about the claims of a namespace, put in force or taken away.
struct Policy<'a> {
    team: &'a Team<'a>,
}

impl<'a> Policy<'a> {
    fn about(team: &'a Team<'a>) -> Self {
        Self { team }
    }

    fn name(&self) -> &str {
        &self.team.namespace
    }

    fn is(&self, mode: &str, expression: &str) {
        let policy = json!({
            "apiVersion": "platform.example.org/v1alpha1", "kind": "PlacementPolicy", "metadata": {"name": self.name()},
            "spec": {
                "mode": mode, "match": {"namespaces": [self.name()]},
                "validations": [{"expression": expression, "message": "not here"}],
            },
        });
        let api = &self.team.platform.api;
        api.kubectl(User::Admin, &["apply", "--filename", "-"], &policy.to_string())
            .ok();
    }
}

impl Drop for Policy<'_> {
    fn drop(&mut self) {
        let path = format!("{POLICIES}/{}", self.name());
        self.team.platform.api.call(User::Admin, "DELETE", &path, None);
    }
}

/// Waits until both servers answer a claim like this. They are asked in turn.
#[track_caller]
fn eventually(
    team: &Team<'_>,
    changes: Value,
    what: &str,
    fits: impl Fn(&crate::support::cluster::apiserver::Answer) -> bool,
) {
    let mut row = 0;
    await_answer(
        what,
        || team.call("POST", "?dryRun=All", Some(&claim("not-kept", changes.clone()))),
        |answer| {
            row = if fits(answer) { row + 1 } else { 0 };
            row == 10
        },
    );
}

fn on(provider: &str) -> impl Fn(&crate::support::cluster::apiserver::Answer) -> bool {
    move |answer| answer.code == 201 && answer.body["spec"]["parameters"]["provider"] == provider
}

fn modes(platform: &Platform) {
    let team = platform.team("policies-modes");
    let policy = Policy::about(&team);
    eventually(&team, json!({}), "the best candidate is aws", on("aws"));

    policy.is("Enforce", "candidate.provider != 'aws'");
    eventually(&team, json!({}), "the policy is in force", on("gcp"));
    let made = team.made(&claim("enforced", json!({})), "");
    let reason: Value = serde_json::from_str(made["metadata"]["annotations"][REASON].as_str().unwrap()).unwrap();
    assert_eq!(
        reason["excluded"][0],
        json!({"candidate": "aws-us-east-1", "failures": [{"gate": "Policy", "detail": "policies-modes: not here"}]})
    );
    let other = platform.team("policies-modes-not");
    other.placed("elsewhere", json!({}));
    assert_eq!(other.claim("elsewhere")["spec"]["parameters"]["provider"], "aws");

    policy.is("Warn", "candidate.provider != 'aws'");
    eventually(&team, json!({}), "it only warns", on("aws"));
    let ran = team.apply(&claim("warned", json!({})));
    assert!(ran.stderr.contains("Warning: policy policies-modes: not here"), "{ran}");

    policy.is("Audit", "candidate.provider != 'gcp' && candidate.provider != 'aws'");
    let quiet = || team.apply(&claim("warned", json!({})));
    quiet().ok();
    let audited = |server: &crate::support::server::Server| server.stderr().contains("policies=\"Audit policies-modes");
    let ask = || {
        team.by(User::Admin).call("DELETE", "audited", None);
        team.call("POST", "?dryRun=All", Some(&claim("audited", json!({}))))
    };
    await_answer("the log tells of it", ask, |_| platform.servers.iter().any(audited));
    drop(policy);
    eventually(&team, json!({}), "without it, nothing is in the way", on("aws"));
}

fn capped(platform: &Platform) {
    let team = platform.team("policies-capped");
    let policy = Policy::about(&team);
    policy.is("Enforce", "claim.storageGB <= 100");
    eventually(&team, json!({"storageGB": 101}), "the cap is in force", |answer| {
        answer.code == 403
    });
    team.placed("capped", json!({"storageGB": 60}));
    team.change("capped", json!({"storageGB": 101}))
        .forbidden(&["spec.parameters.storageGB", "fails policy policies-capped: not here"]);
    team.change("capped", json!({"storageGB": 100})).ok();
}

fn beyond(platform: &Platform) {
    let team = platform.team("policies-beyond");
    let before = team.placed("large", json!({"storageGB": 500}));
    let policy = Policy::about(&team);
    policy.is("Enforce", "claim.storageGB <= 100");
    eventually(&team, json!({"storageGB": 101}), "the cap is in force", |answer| {
        answer.code == 403
    });
    team.change("large", json!({"size": "large"})).ok();
    team.change("large", json!({"storageGB": 600})).ok();
    team.kubectl(&["label", "mysqlinstanceclaim", "large", "team=orders"])
        .ok();
    team.assert_unmoved(&before);
}

fn refused(platform: &Platform) {
    let team = platform.team("policies-refused");
    let before = team.placed("there", json!({}));
    let policy = Policy::about(&team);
    let nobody_asked = platform.stop_serving();
    policy.is("Enforce", "claim.storage <= 100");
    drop(nobody_asked);
    eventually(&team, json!({}), "claims it is about are refused", |answer| {
        answer.code == 403
    });
    team.call("POST", "", Some(&claim("new", json!({})))).forbidden(&[
        "PlacementPolicy policies-refused is there but not accepted",
        "spec.validations[0].expression: line 1, column",
        "ask your platform team",
    ]);
    platform.team("policies-refused-not").placed("new", json!({}));
    // Databases that are there live on.
    team.change("there", json!({"storageGB": 60})).ok();
    team.assert_unmoved(&before);
    policy.is("Enforce", "claim.storageGB <= 100");
    eventually(&team, json!({}), "mended, it lets claims in", |answer| {
        answer.code == 201
    });
}
