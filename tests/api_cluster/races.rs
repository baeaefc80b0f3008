//! Two writers of one name: whoever is first has made the claim, and nobody changes it.

use std::thread;

use serde_json::{Value, json};

use crate::support::cluster::apiserver::{User, call};
use crate::support::cluster::platform::path;
use crate::support::cluster::team::claim;
use crate::support::rest::database;
use crate::{Case, Site, developer};

pub const CASES: &[Case] = &[
    ("against_kubectl_apply_whoever_is_first_has_made_the_claim", kubectl),
    (
        "a_server_side_apply_would_have_a_share_in_the_claims_of_others",
        server_side_apply,
    ),
];

fn kubectl(site: &Site) {
    let team = site.team("races-kubectl");
    let rest = site.account(&team.namespace, "developer", developer());
    // kubectl takes its time before it writes; ours waits for a little less or more, so that each is first at times.
    let (mut wait, mut ours, mut theirs) = (60_u64, 0, 0);
    for round in 0..100 {
        let name = format!("race-{round}");
        // Equal ones, and different ones, in turn; by either kind of apply.
        let applied = claim(&name, json!({"storageGB": 50 + round % 2}));
        let kind: &[&str] = if round % 4 < 2 {
            &["apply"]
        } else {
            &["apply", "--server-side"]
        };
        let (ran, told) = thread::scope(|scope| {
            let ran = scope.spawn(|| team.send(kind, &applied));
            thread::sleep(std::time::Duration::from_millis(wait));
            let told = rest.post("/api/mysql", &database(&team.namespace, &name, json!({})));
            (ran.join().unwrap(), told)
        });
        let stored = team.claim(&name);
        let gb = stored["spec"]["parameters"]["storageGB"].clone();
        let was_created = told.status == 201;
        let body = told.is(if was_created { 201 } else { 200 });
        (wait, ours, theirs) = if was_created {
            (wait + 7, ours + 1, theirs)
        } else {
            (wait.saturating_sub(7), ours, theirs + 1)
        };
        if was_created {
            // Ours was first: kubectl is told so, or changes it in its own name, which is its right.
            assert_eq!(body["reason"]["request"]["storageGB"], 50);
            assert!(gb == 50 || ran.code == 0, "{gb} {ran}");
        } else {
            // kubectl's was first: it is as kubectl made it, down to who owns which field.
            assert_eq!(ran.code, 0, "{ran}");
            assert_eq!(gb, 50 + round % 2);
            assert_eq!(body["differs"] == json!([]), round % 2 == 0);
            assert!(
                !stored["metadata"]["managedFields"]
                    .to_string()
                    .contains("idp-multicloud-api"),
                "{stored:#}"
            );
        }
    }
    assert!(
        ours >= 10 && theirs >= 10,
        "ours was first {ours} times, kubectl's {theirs} times"
    );
}

/// Why a claim is made by a plain create: with server-side apply, by a manager that carries a digest of the request and
/// without force, a POST that loses a race against an equal claim takes a share in it, and whoever made it then meets a
/// conflict when changing it.
fn server_side_apply(site: &Site) {
    let team = site.team("races-apply");
    let ours = claim("orders-db", json!({}));
    team.send(&["apply", "--server-side"], &ours).ok();
    let before = team.claim("orders-db");

    let client = site.platform.api.client(User::Developer);
    let apply = |manager: &str| {
        let path = path(
            &team.namespace,
            &format!("orders-db?fieldManager=idp-multicloud-api.{manager}"),
        );
        let asked = call(&client, "PATCH", &path, "application/apply-patch+yaml", Some(&ours));
        site.platform.api.block_on(asked).unwrap().ok()
    };
    let after = apply("digest");
    assert_eq!(after["spec"], before["spec"]);
    assert_ne!(
        after["metadata"]["resourceVersion"],
        before["metadata"]["resourceVersion"]
    );
    let larger = claim("orders-db", json!({"storageGB": 100}));
    team.send(&["apply", "--server-side"], &larger)
        .refused(&["conflict with \"idp-multicloud-api.digest\""]);

    // As it is done: nothing happens to the claim, and its maker goes on.
    let rest = site.account(&team.namespace, "developer", developer());
    team.placed("other-db", json!({}));
    let before = team.claim("other-db");
    let asked = database(&team.namespace, "other-db", json!({}));
    assert_eq!(
        rest.post("/api/mysql", &asked).is(200)["differs"],
        Value::Array(Vec::new())
    );
    assert_eq!(team.claim("other-db"), before);
    team.send(
        &["apply", "--server-side", "--force-conflicts"],
        &claim("other-db", json!({"storageGB": 100})),
    )
    .ok();
}
