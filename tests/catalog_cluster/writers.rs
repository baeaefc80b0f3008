//! Twenty writers while cells are edited: each claim is what the catalog of the revision in its reason decides.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Case;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::catalog::{CELL, Revisions, decided, objects, put, rescored};
use crate::support::cluster::platform::{Platform, path};
use crate::support::cluster::team::{Team, assert_placed, claim};
use crate::support::cluster::writers::{asked, name, send};

pub const CASES: &[Case] = &[(
    "claims_made_while_cells_are_edited_are_what_their_revision_decides",
    edited,
)];

const WRITERS: usize = 20;
const EDITS: u32 = 5;

/// Changes which candidate of the cell is best.
fn edit(platform: &Platform, number: u32) {
    let cell = platform.api.call(User::Admin, "GET", CELL, None).ok();
    put(&platform.api, &rescored(cell, number));
}

fn edited(platform: &Platform) {
    let team = platform.team("writers");
    let mut revisions = Revisions::default();
    let original = platform.api.call(User::Admin, "GET", CELL, None).ok();
    in_force(&team, &revisions.keep(&objects(&platform.api)));
    let path = path(&team.namespace, "");
    let made = |number| claim(&name(number), asked(number));
    let mut slowest = Duration::ZERO;
    let sent = thread::scope(|scope| {
        let meanwhile = scope.spawn(|| {
            for number in 1..=EDITS {
                let began = Instant::now();
                edit(platform, number);
                let revision = revisions.keep(&objects(&platform.api));
                in_force(&team, &revision);
                slowest = slowest.max(began.elapsed());
            }
        });
        let sent = send(platform, WRITERS, team.user, &path, made, |_| !meanwhile.is_finished());
        meanwhile.join().unwrap();
        sent
    });
    put(&platform.api, &original);
    eprintln!(
        "{} claims during {EDITS} edits; an edit took {slowest:?} at most to be in force everywhere",
        sent.len()
    );

    let mut met = BTreeSet::new();
    for sent in sent {
        let stored = sent.answer.ok();
        assert_placed(&stored);
        revisions.assert_decided(&stored, &stored, &team.namespace);
        met.insert(decided(&stored).1);
    }
    assert!(met.len() > 5, "wanted: claims on many revisions; saw: {met:?}");
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
