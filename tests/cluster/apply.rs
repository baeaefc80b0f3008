//! Claims as app teams apply them: placed, previewed, refused, applied again.

use serde_json::json;

use crate::Case;
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{assert_placed, claim};

pub const CASES: &[Case] = &[
    ("a_bare_claim_comes_back_placed_whichever_way_it_is_made", made),
    ("a_dry_run_shows_the_placement_and_nothing_stays", dry_run),
];

fn made(platform: &Platform) {
    let team = platform.team("made");
    for (name, args) in [
        ("client", &["apply"][..]),
        ("server", &["apply", "--server-side"]),
        ("create", &["create"]),
    ] {
        team.send(args, &claim(name, json!({}))).ok();
        let stored = team.claim(name);
        assert_placed(&stored);
        assert_eq!(stored["spec"]["parameters"]["provider"], "aws");
    }
    let mut unnamed = claim("", json!({}));
    unnamed["metadata"] = json!({"generateName": "orders-"});
    let said = team.send(&["create", "--output", "name"], &unnamed).ok();
    assert_placed(&team.claim(said.trim().rsplit('/').next().unwrap()));
}

fn dry_run(platform: &Platform) {
    let team = platform.team("dry-run");
    let said = team
        .send(&["apply", "--dry-run=server", "--output=json"], &claim("db", json!({})))
        .ok();
    assert_placed(&serde_json::from_str(&said).unwrap());
    assert_eq!(team.stored("db"), None);
}
