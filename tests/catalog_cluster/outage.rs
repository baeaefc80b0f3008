//! The API server goes away and comes back: the last catalog serves meanwhile, and nothing that happened is missed.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Case;
use crate::source::{asked, follower, object, objects, placed};
use crate::support::cluster::apiserver::ApiServer;
use crate::support::cluster::catalog::{delete, put};
use crate::support::cluster::platform::{Platform, install_kinds};
use crate::support::server::{Server, eventually};

pub const CASES: &[Case] = &[
    ("the_last_catalog_serves_while_the_api_server_is_away", away),
    ("a_version_that_has_expired_leaves_no_gap", expired),
    ("a_change_of_one_cell_is_in_force_in_under_a_second", soon),
];

fn age(server: &Server) -> f64 {
    server.metric("idp_catalog_age_seconds")
}

/// A cluster with the catalog in it.
fn cluster(platform: &Platform) -> ApiServer {
    let api = ApiServer::start(platform.api.binaries.clone());
    install_kinds(&api);
    for object in objects() {
        put(&api, &object);
    }
    api
}

/// Cell `payments` with AWS closed.
fn closed() -> Value {
    let mut cell = object("Cell", "payments");
    cell["spec"]["candidates"][0]["cordoned"] = json!({"reason": "evacuated"});
    cell
}

fn away(platform: &Platform) {
    let mut api = cluster(platform);
    let server = follower(&api);
    placed(&server, ("payments", "C1"), "aws-us-east-1");
    assert_eq!(age(&server), 0.0);

    api.kill();
    eventually("its age grows", || age(&server) > 1.0);
    assert_eq!(asked(&server, "payments", "C1").unwrap(), "aws-us-east-1");
    assert_eq!(server.get("/readyz").status, 200);
    let told = server.get("/readyz?verbose").body;
    assert!(
        told.contains("[+]catalog ok: still revision ") && told.contains("can be reached"),
        "{told}"
    );
    let unfollowed = ["WARN", "cannot be followed", "can be reached"];
    eventually("the log says it", || !server.log(&unfollowed).is_empty());
    let late = follower(&api);
    eventually("one that starts now says why it is not ready", || {
        let told = late.get("/readyz");
        (told.status, told.body.contains("can be reached")) == (503, true)
    });

    api.start_again();
    eventually("it is followed again", || age(&server) == 0.0);
    eventually("so it is by the one that started meanwhile", || {
        late.get("/readyz").status == 200
    });
    for each in [&server, &late] {
        assert_eq!(asked(each, "payments", "C1").unwrap(), "aws-us-east-1");
    }
    put(&api, &closed());
    for each in [&server, &late] {
        placed(each, ("payments", "C1"), "gcp-us-central1");
        assert_eq!(each.metric("idp_panics_total"), 0.0);
    }
}

fn expired(platform: &Platform) {
    let mut api = cluster(platform);
    let server = follower(&api);
    placed(&server, ("archive", "C2"), "oci-us-ashburn-1");
    // Its watches end, and when it sees that, what has happened since is forgotten. It takes a second start: the first one
    // would still know, and before the first one it would have been told.
    server.signal("STOP");
    api.kill();
    api.start_again();
    delete(&api, &object("Cell", "archive"));
    put(&api, &closed());
    api.forget_history();
    api.kill();
    api.start_again();
    server.signal("CONT");
    placed(&server, ("payments", "C1"), "gcp-us-central1");
    assert!(
        asked(&server, "archive", "C2")
            .unwrap_err()
            .contains("use one of: payments")
    );
    eventually("the log tells of a watch that cannot go on", || {
        !server.log(&["too old resource version"]).is_empty()
    });
    assert_eq!(server.log(&["cannot be followed"]), Vec::<String>::new());
    assert_eq!(age(&server), 0.0);
}

fn soon(platform: &Platform) {
    const CHANGES: u32 = 20;
    let api = cluster(platform);
    let server = follower(&api);
    placed(&server, ("payments", "C1"), "aws-us-east-1");
    let (open, closed) = (object("Cell", "payments"), closed());
    let mut took: Vec<Duration> = (0..CHANGES)
        .map(|change| {
            let (cell, on) = if change % 2 == 0 {
                (&closed, "gcp-us-central1")
            } else {
                (&open, "aws-us-east-1")
            };
            put(&api, cell);
            let began = Instant::now();
            placed(&server, ("payments", "C1"), on);
            began.elapsed()
        })
        .collect();
    took.sort();
    let (half, most) = (took[took.len() / 2], took[took.len() - 1]);
    eprintln!("from the API server's answer until it decides: {half:?} at the median, {most:?} at most");
    assert!(half < Duration::from_secs(1), "{took:?}");

    // Many changes at once are taken together: not one catalog each, and the last one counts.
    let catalogs = || server.log(&["new catalog in force"]).len();
    let before = catalogs();
    let began = Instant::now();
    for _ in 0..CHANGES {
        put(&api, &closed);
        put(&api, &open);
    }
    let intervals = began.elapsed().as_millis() / 250;
    placed(&server, ("payments", "C1"), "aws-us-east-1");
    let made = catalogs() - before;
    eprintln!("{} changes made {made} catalogs in {intervals} intervals", 2 * CHANGES);
    assert!(
        made as u128 <= intervals + 2,
        "{made} catalogs in {intervals} intervals"
    );
}
