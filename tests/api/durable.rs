//! What was acknowledged is there after the process is gone, however it went.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::rest::{Rest, database, name_of};
use crate::support::server::{Server, eventually};
use crate::{Case, rest};

pub const CASES: &[Case] = &[
    ("claims_are_there_after_a_restart", restart),
    (
        "after_fifty_kills_every_acknowledged_claim_is_there_once_and_placed",
        killed,
    ),
];

fn restart() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("deep/er/claims.redb").display());
    let start = || Server::start(&["--store", &store]);
    let mut server = start();
    rest(&server)
        .post("/api/mysql", &database("orders", "orders-db", json!({})))
        .is(201);
    rest(&server)
        .post(
            "/api/mysql",
            &database("orders", "gone-db", json!({"environment": "dev"})),
        )
        .is(201);
    rest(&server).delete("/api/mysql/orders/gone-db").is(204);
    let path = "/api/status/mysql/orders/orders-db";
    let before = rest(&server).get(path).is(200);
    server.signal("INT");
    assert_eq!(server.exit_code(), 0);
    let server = start();
    assert_eq!(rest(&server).get(path).is(200), before);
    rest(&server)
        .get("/api/status/mysql/orders/gone-db")
        .problem(404, "not-found");
}

/// How many writers there are at a time.
const WRITERS: usize = 4;

/// Creates and deletes until the server is gone. Gives what was acknowledged: the claim's answer, or none if it was deleted.
fn write(rest: &Rest, prefix: &str, acknowledged: &Mutex<BTreeMap<String, Option<Value>>>) {
    for number in 0.. {
        let name = format!("{prefix}-{number}");
        let body = database("orders", &name, json!({"environment": "dev"})).to_string();
        let Some(created) = sent(rest, "POST", "/api/mysql", &body) else {
            return;
        };
        acknowledged.lock().unwrap().insert(name.clone(), Some(created));
        if number % 3 == 0 {
            // Whether it is done is not known until it is acknowledged.
            let before = acknowledged.lock().unwrap().remove(&name);
            if sent(rest, "DELETE", &format!("/api/mysql/orders/{name}"), "").is_none() {
                return;
            }
            assert!(before.is_some());
            acknowledged.lock().unwrap().insert(name, None);
        }
    }
}

/// Sends a request; none where the server went away before it answered.
fn sent(rest: &Rest, method: &str, path: &str, body: &str) -> Option<Value> {
    let mut connection = crate::support::server::Connection::plain(rest.address).ok()?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection.try_send(head).ok()?;
    let response = connection.try_response().ok()?;
    assert!((200..300).contains(&response.status), "{response:?}");
    Some(serde_json::from_str(&response.body).unwrap_or_default())
}

fn killed() {
    let dir = tempfile::tempdir().unwrap();
    let store = format!("embedded:{}", dir.path().join("claims.redb").display());
    let acknowledged = Mutex::new(BTreeMap::new());
    for round in 0..50_u64 {
        let mut server = Server::start(&["--store", &store, "--log", "warn"]);
        let asked = rest(&server);
        assert_kept(&asked, &acknowledged.lock().unwrap());
        thread::scope(|scope| {
            for writer in 0..WRITERS {
                let (asked, acknowledged) = (&asked, &acknowledged);
                scope.spawn(move || write(asked, &format!("db-{round}-{writer}"), acknowledged));
            }
            let before = acknowledged.lock().unwrap().len();
            eventually("a write is acknowledged", || {
                acknowledged.lock().unwrap().len() > before
            });
            // Not always at the same point of a write.
            thread::sleep(Duration::from_millis(round * 7 % 53));
            server.kill();
        });
    }
    let server = Server::start(&["--store", &store]);
    let acknowledged = acknowledged.into_inner().unwrap();
    assert_kept(&rest(&server), &acknowledged);
    let kept = acknowledged.values().flatten().count();
    assert!(
        kept >= 10 && kept < acknowledged.len(),
        "{kept} of {}",
        acknowledged.len()
    );
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

/// Fails unless what was acknowledged is there, once, as it was, and what was deleted is not.
fn assert_kept(rest: &Rest, acknowledged: &BTreeMap<String, Option<Value>>) {
    let mut listed = BTreeMap::new();
    for claim in rest.pages("limit=1000").into_iter().flatten() {
        assert_eq!(
            (&claim["stage"], &claim["provider"]),
            (&json!("placed"), &json!("aws")),
            "{claim}"
        );
        assert!(
            listed.insert(name_of(&claim), claim.clone()).is_none(),
            "twice: {claim}"
        );
    }
    for (name, created) in acknowledged {
        assert_eq!(listed.contains_key(name), created.is_some(), "{name}");
    }
    // The last few in whole: what was answered is what is stored.
    for (name, created) in acknowledged.iter().rev().take(20) {
        let Some(created) = created else { continue };
        let claim = rest.get(&format!("/api/status/mysql/orders/{name}")).is(200)["claim"].clone();
        let reason = claim["metadata"]["annotations"]["platform.example.org/placement-reason"]
            .as_str()
            .unwrap();
        assert_eq!(created["reason"], serde_json::from_str::<Value>(reason).unwrap());
    }
}
