//! Many claims at once: all are placed as `place` says, also while certificates change and servers come and go. And
//! the same claim is the same bytes, whoever answers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::run;
use crate::support::cluster::platform::{Platform, path, reviews};
use crate::support::cluster::soak::{Watched, Writers};
use crate::support::cluster::team::{REASON, claim};
use crate::support::cluster::writers::{asked, name, send};
use crate::support::server::{Server, binary, eventually};

pub const CASES: &[Case] = &[
    (
        "a_thousand_claims_by_twenty_writers_are_placed_as_place_says_while_certificates_change",
        thousand,
    ),
    ("servers_restarted_one_after_another_refuse_nobody", restarted),
    (
        "the_same_spec_gets_the_same_bytes_by_any_name_in_any_namespace_from_any_server",
        determined,
    ),
    (
        "writers_for_some_seconds_leave_memory_and_descriptors_of_the_servers_level",
        level,
    ),
];

/// How many write at a time.
const WRITERS: usize = 20;

/// Sends claims to a new namespace: at least so many, and for as long as something else is done. Fails if one is
/// refused, or not placed as `place` says.
fn load(platform: &Platform, namespace: &str, least: usize, meanwhile: impl FnOnce() + Send) {
    let team = platform.team(namespace);
    let path = path(namespace, "");
    let made = |number| claim(&name(number), asked(number));
    let sent = thread::scope(|scope| {
        let meanwhile = scope.spawn(meanwhile);
        let sent = send(platform, WRITERS, team.user, &path, made, |number| {
            number < least || !meanwhile.is_finished()
        });
        meanwhile.join().unwrap();
        sent
    });
    let refused: Vec<_> = sent
        .iter()
        .filter(|sent| sent.answer.code != 201)
        .map(|sent| &sent.answer)
        .collect();
    assert!(
        refused.is_empty(),
        "wanted: {} claims created; saw: {} refused, the first with {:#?}",
        sent.len(),
        refused.len(),
        refused[0]
    );
    let wanted = told(&platform.catalog(), (0..sent.len()).map(made).collect());
    let list = team.call("GET", "", None).ok();
    let stored: BTreeMap<_, _> = list["items"].as_array().unwrap().iter().map(decided).collect();
    assert_eq!(
        stored.len(),
        sent.len(),
        "wanted: every claim that was sent is stored; saw: so many on the left"
    );
    for (name, wanted) in &wanted {
        assert_eq!(
            &stored[name], wanted,
            "{name}: wanted: what `place` says, on the right; saw: what is on the left"
        );
    }
    let clouds: BTreeSet<_> = wanted.values().map(|(_, _, provider)| provider).collect();
    assert_eq!(clouds.len(), 3, "wanted: claims on every cloud; saw: {clouds:?}");
}

/// A claim's name, the reason's bytes, the selector, and the cloud.
fn decided(claim: &Value) -> (String, (String, Value, String)) {
    let text = |value: &Value| {
        value
            .as_str()
            .unwrap_or_else(|| panic!("wanted: placed; saw: {claim:#}"))
            .to_owned()
    };
    let decided = (
        text(&claim["metadata"]["annotations"][REASON]),
        claim["spec"]["crossplane"]["compositionSelector"].clone(),
        text(&claim["spec"]["parameters"]["provider"]),
    );
    (text(&claim["metadata"]["name"]), decided)
}

/// What `place` says of them.
fn told(catalog: &Path, claims: Vec<Value>) -> BTreeMap<String, (String, Value, String)> {
    let mut place = binary();
    place
        .args(["place", "-f", "-", "--claim", "-o", "json", "--catalog"])
        .arg(catalog);
    let list = json!({"apiVersion": "v1", "kind": "List", "items": claims});
    let list: Value = serde_json::from_str(&run(place, &list.to_string()).ok()).unwrap();
    list["items"].as_array().unwrap().iter().map(decided).collect()
}

fn thousand(platform: &Platform) {
    let _outage = platform.outage();
    load(platform, "load-thousand", 1000, || {
        for round in 1..=2 {
            let old: Vec<_> = platform
                .servers
                .iter()
                .map(|server| server.connect().certificate())
                .collect();
            platform.rotate();
            for (server, old) in platform.servers.iter().zip(&old) {
                eventually("the new certificate is in force", || {
                    server.connect().certificate() != *old
                });
            }
            // The API server connects anew for a bundle with other bytes, and so meets the new certificate.
            let bundle = platform.authority() + &"\n".repeat(round);
            platform.call_webhooks_at(platform.balancer.port(), &bundle);
        }
    });
}

fn restarted(platform: &Platform) {
    let _outage = platform.outage();
    let start = || platform.instance(&["--drain-delay=1s"]);
    let addresses =
        |servers: &[Server]| -> Vec<SocketAddr> { servers.iter().map(|server| server.admission().unwrap()).collect() };
    let mut servers = vec![start(), start()];
    platform.balancer.only(&addresses(&servers));
    platform.await_placing();
    load(platform, "load-restarted", 200, || {
        for _ in 0..2 {
            servers.push(start());
            platform.balancer.set(&addresses(&servers));
            let mut old = servers.remove(0);
            old.signal("TERM");
            // As a Service does: it learns of the end from readiness, and leaves open connections alone.
            eventually("the server is not ready", || old.get("/readyz").status == 503);
            platform.balancer.set(&addresses(&servers));
            assert_eq!(old.exit_code(), 0, "the exit status after SIGTERM");
        }
    });
    let answered: Vec<_> = servers.iter().map(|server| reviews(server, &["placed"])).collect();
    assert!(
        answered.iter().sum::<f64>() > 0.0,
        "wanted: the new servers place claims; saw: {answered:?}"
    );
}

fn determined(platform: &Platform) {
    let outage = platform.outage();
    let mut teams = Vec::new();
    let mut bytes = BTreeSet::new();
    for (server, names) in platform.servers.iter().zip([0..10, 10..20]) {
        platform.balancer.only(&[server.admission().unwrap()]);
        platform.await_placing();
        let before = reviews(server, &["placed"]);
        for n in 0..5 {
            if teams.len() <= n {
                teams.push(platform.team(&format!("load-determined-{n}")));
            }
            for number in names.clone() {
                let made = teams[n].call("POST", "", Some(&claim(&name(number), json!({})))).ok();
                let (_, (reason, ..)) = decided(&made);
                bytes.insert((reason, made["spec"].to_string()));
            }
        }
        let placed = reviews(server, &["placed"]) - before;
        assert_eq!(
            placed.to_string(),
            "50",
            "wanted: this server has placed 50 claims; saw: the number on the left"
        );
    }
    assert_eq!(bytes.len(), 1, "wanted: one reason and spec; saw: {bytes:#?}");
    drop(outage);
}

/// The short form of `cargo bench --bench cluster -- soak`.
fn level(platform: &Platform) {
    let team = platform.team("load-level");
    let writers = Writers {
        api: &platform.api,
        user: team.user,
        namespace: &team.namespace,
        count: 5,
        pause: Duration::ZERO,
    };
    let mut watched = platform
        .servers
        .each_ref()
        .map(|server| Watched::new("a server", server.id()));
    let written = writers.beside(|written| {
        for _ in 0..64 {
            thread::sleep(Duration::from_millis(100));
            for server in &mut watched {
                server.look();
            }
        }
        std::mem::take(&mut *written.lock().unwrap())
    });
    assert_eq!(written.failed, [""; 0], "wanted: every write done; saw: these were not");
    assert!(
        written.took.len() > 100,
        "wanted: many writes; saw: {}",
        written.took.len()
    );
    for server in &watched {
        // Each writer may have met a connection that is new. A leak in each write would be far more.
        let (memory, descriptors) = server.growth();
        assert!(
            server.is_level(4096.0, 5.0),
            "wanted: no more memory and descriptors than before; saw: {memory:+.0} KiB, {descriptors:+.1}"
        );
    }
}
