//! Twenty writers while cells are edited: each claim is what the catalog of the revision in its reason decides.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use idp_multicloud::catalog::{KINDS, Object, Snapshot, check};
use idp_multicloud::claim::parameters::Parameters;
use idp_multicloud::placement::decide;
use serde_json::{Value, json};

use super::source::collection;
use crate::Case;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::platform::{Platform, path};
use crate::support::cluster::team::{REASON, Team, assert_placed, claim};
use crate::support::cluster::writers::{asked, name, send};

pub const CASES: &[Case] = &[(
    "claims_made_while_cells_are_edited_are_what_their_revision_decides",
    edited,
)];

const WRITERS: usize = 20;
const EDITS: u32 = 5;
const CELL: &str = "/apis/platform.example.org/v1alpha1/cells/payments";

/// Every object of the catalog, as the API server has it.
fn objects(platform: &Platform) -> Vec<Object> {
    let list = |kind: &str| {
        let listed = platform.api.call(User::Admin, "GET", &collection(kind), None);
        listed.ok()["items"].clone()
    };
    let items = KINDS.iter().flat_map(|kind| {
        let items = list(kind).as_array().unwrap().clone();
        items.into_iter().map(|value| Object {
            file: String::new(),
            value,
        })
    });
    items.collect()
}

fn snapshot(platform: &Platform) -> Snapshot {
    check(&objects(platform)).unwrap()
}

/// Scores of the candidates in cell `payments` after so many edits: each time another one is best.
fn edit(platform: &Platform, number: u32) {
    let mut cell = platform.api.call(User::Admin, "GET", CELL, None).ok();
    for (i, candidate) in (0..).zip(cell["spec"]["candidates"].as_array_mut().unwrap()) {
        let best = (number + i).is_multiple_of(3);
        candidate["scores"]["latency"] = json!(f64::from(if best { 9000 + number } else { 1000 + number }) / 10_000.0);
        candidate["scores"]["cost"] = candidate["scores"]["latency"].clone();
        candidate["scores"]["dr"] = candidate["scores"]["latency"].clone();
    }
    platform.api.call(User::Admin, "PUT", CELL, Some(&cell)).ok();
}

fn edited(platform: &Platform) {
    let team = platform.team("writers");
    let mut known = BTreeMap::new();
    let mut keep = |snapshot: Snapshot| {
        let revision = snapshot.revision().to_string();
        known.insert(revision.clone(), snapshot);
        revision
    };
    let original = platform.api.call(User::Admin, "GET", CELL, None).ok();
    in_force(&team, &keep(snapshot(platform)));
    let path = path(&team.namespace, "");
    let made = |number| claim(&name(number), asked(number));
    let mut slowest = Duration::ZERO;
    let sent = thread::scope(|scope| {
        let meanwhile = scope.spawn(|| {
            for number in 1..=EDITS {
                let began = Instant::now();
                edit(platform, number);
                let revision = keep(snapshot(platform));
                in_force(&team, &revision);
                slowest = slowest.max(began.elapsed());
            }
        });
        let sent = send(platform, WRITERS, team.user, &path, made, |_| !meanwhile.is_finished());
        meanwhile.join().unwrap();
        sent
    });
    platform
        .api
        .kubectl(
            User::Admin,
            &["replace", "--force=false", "--filename", "-"],
            &unversioned(original),
        )
        .ok();
    eprintln!(
        "{} claims during {EDITS} edits; an edit took {slowest:?} at most to be in force everywhere",
        sent.len()
    );

    let mut revisions = BTreeMap::new();
    for sent in sent {
        let stored = sent.answer.ok();
        assert_placed(&stored);
        let (reason, revision) = decided(&stored);
        let catalog = known
            .get(&revision)
            .unwrap_or_else(|| panic!("{revision} was never the catalog: {stored:#}"));
        let request = Parameters::read(stored["spec"]["parameters"].as_object().unwrap())
            .request(catalog, &team.namespace)
            .unwrap();
        assert_eq!(reason, decide(catalog, request).unwrap().reason());
        *revisions.entry(revision).or_insert(0) += 1;
    }
    assert!(
        revisions.len() > 5,
        "wanted: claims on many revisions; saw: {revisions:?}"
    );
}

/// Waits until both servers decide by this revision: ten answers in a row are enough to meet both.
fn in_force(team: &Team<'_>, revision: &str) {
    let mut row = 0;
    await_answer(
        "the edit is in force",
        || team.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({})))),
        |answer| {
            row = if decided(&answer.body).1 == revision {
                row + 1
            } else {
                0
            };
            row == 10
        },
    );
}

/// The reason of a claim, and the revision in it.
fn decided(claim: &Value) -> (String, String) {
    let reason = claim["metadata"]["annotations"][REASON].as_str().unwrap();
    let read: Value = serde_json::from_str(reason).unwrap();
    (reason.to_owned(), read["catalogRevision"].as_str().unwrap().to_owned())
}

fn unversioned(mut object: Value) -> String {
    object["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    object.to_string()
}
