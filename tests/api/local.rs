//! The embedded store is for one machine: nobody else reaches it, by whatever road; and its file is one process's.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use libtest_mimic::{Completion, Failed};
use serde_json::json;

use crate::support::disk;
use crate::support::rest::{Rest, database};
use crate::support::server::{Connection, Server, binary, eventually, on};
use crate::{Case, rest};

pub const CASES: &[Case] = &[
    ("a_host_that_is_not_this_machine_is_answered_nothing", hosts),
    ("an_address_that_others_reach_is_refused_at_the_start", addresses),
    ("a_second_process_is_told_that_the_file_is_in_use", in_use),
    ("a_file_that_is_no_store_of_ours_is_refused_and_left_alone", foreign),
    ("without_a_word_claims_are_in_the_users_state_directory", usual_file),
    ("a_store_that_is_none_is_refused", no_store),
    ("without_rest_no_file_is_made", no_rest),
    ("rest_is_served_over_tls_if_asked_for", tls),
    ("admission_counts_what_rest_creates", counted),
    ("a_body_that_does_not_come_is_not_waited_for", slow),
    (
        "a_body_that_is_announced_as_far_too_large_is_not_waited_for_either",
        huge,
    ),
];

fn hosts() {
    let server = Server::start(&[]);
    let rest = rest(&server);
    for host in [
        "evil.example",
        "evil.example:8080",
        "localhost.evil.example",
        "10.0.0.1",
        "[2001:db8::1]:80",
        "",
    ] {
        for path in [
            "/api/mysql",
            "/api/catalog",
            "/health",
            "/openapi.json",
            "/web/",
            "/nothing",
        ] {
            let told = rest.send("GET", path, &[("Host", host)], b"");
            told.problem(421, "not-local");
        }
        let body = database("orders", "orders-db", json!({})).to_string();
        let headers = [("Host", host), ("Content-Type", "application/json")];
        rest.send("POST", "/api/mysql", &headers, body.as_bytes())
            .problem(421, "not-local");
    }
    for host in ["localhost", "LocalHost:1", "127.0.0.1:8080", "[::1]:8080"] {
        rest.send("GET", "/api/mysql", &[("Host", host)], b"").is(200);
    }
    assert_eq!(rest.get("/api/mysql").is(200)["claims"], json!([]));
    // Nor by two names, or by one in the request itself.
    for request in [
        "GET /api/mysql HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        "GET http://evil.example/api/mysql HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /api/mysql HTTP/1.1\r\n\r\n",
    ] {
        let mut connection = Connection::plain(rest.address).unwrap();
        connection.send(request);
        let status = connection.response().status;
        assert!([400, 421].contains(&status), "{request:?} {status}");
    }
}

/// Standard error of a start that fails.
fn refused(address: &str, args: &[&str]) -> String {
    let mut command = on(binary(), &["off", address, "off"]);
    command.args(args);
    let mut server = Server::spawn(command, Stdio::piped());
    let (code, stderr) = (server.exit_code(), server.stderr());
    assert_eq!(code, 2, "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

fn addresses() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:0"] {
        let said = refused(address, &[]);
        assert!(
            said.contains("--api-addr") && said.contains("--store cluster"),
            "{said}"
        );
        // Neither TLS nor a promise of it says who is asking.
        refused(address, &["--api-tls"]);
        refused(address, &["--insecure-http"]);
        let said = refused(address, &["--store", "cluster"]);
        assert!(said.contains("--api-tls") && said.contains("--insecure-http"), "{said}");
    }
}

fn embedded(file: &Path) -> String {
    format!("embedded:{}", file.display())
}

fn in_use() {
    let dir = tempfile::tempdir().unwrap();
    let store = embedded(&dir.path().join("claims.redb"));
    let server = Server::start(&["--store", &store]);
    rest(&server)
        .post("/api/mysql", &database("orders", "orders-db", json!({})))
        .is(201);
    let said = refused("127.0.0.1:0", &["--store", &store]);
    assert!(
        said.contains("claims.redb is in use by another process") && said.contains("--store embedded:FILE"),
        "{said}"
    );
    rest(&server).get("/api/status/mysql/orders/orders-db").is(200);
}

fn foreign() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("notes.txt");
    for text in ["", "my notes\n", &"x".repeat(100_000)] {
        fs::write(&file, text).unwrap();
        if text.is_empty() {
            // An empty file, as `mktemp` makes one, is as good as none.
            Server::start(&["--store", &embedded(&file)]);
            continue;
        }
        let said = refused("127.0.0.1:0", &["--store", &embedded(&file)]);
        assert!(said.contains("notes.txt is no store of claims"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), text);
    }
    // Nor is somebody else's of the same make.
    let theirs = dir.path().join("wallet.redb");
    let wallet = redb::TableDefinition::<&str, u64>::new("wallet");
    let database = redb::Database::create(&theirs).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(wallet).unwrap().insert("coins", 7).unwrap();
    writing.commit().unwrap();
    drop(database);
    let said = refused("127.0.0.1:0", &["--store", &embedded(&theirs)]);
    assert!(said.contains("wallet.redb is no store of claims"), "{said}");
    let database = redb::Database::open(&theirs).unwrap();
    let tables = redb::ReadableDatabase::begin_read(&database)
        .unwrap()
        .list_tables()
        .unwrap()
        .count();
    assert_eq!(tables, 1);
    let said = refused("127.0.0.1:0", &["--store", &embedded(dir.path())]);
    assert!(said.contains(dir.path().to_str().unwrap()), "{said}");
    let said = refused("127.0.0.1:0", &["--store", &embedded(&file.join("claims.redb"))]);
    assert!(
        said.contains("the folder") && said.contains("notes.txt cannot be made"),
        "{said}"
    );
}

fn usual_file() {
    let home = tempfile::tempdir().unwrap();
    let start = |state: Option<&Path>| {
        let mut command = on(binary(), &["off", "127.0.0.1:0", "off"]);
        command.env("HOME", home.path());
        match state {
            Some(state) => command.env("XDG_STATE_HOME", state),
            None => command.env_remove("XDG_STATE_HOME"),
        };
        Server::run(command)
    };
    for (state, file) in [
        (
            Some(home.path().join("state")),
            home.path().join("state/idp-multicloud/claims.redb"),
        ),
        (None, home.path().join(".local/state/idp-multicloud/claims.redb")),
    ] {
        let server = start(state.as_deref());
        assert!(
            server.stdout().contains(&format!("claims in {}", file.display())),
            "{}",
            server.stdout()
        );
        assert!(file.exists());
    }
}

fn no_store() {
    for wrong in ["", "memory", "embedded:", "cluster:x"] {
        let mut command = binary();
        command.args(["--store", wrong]);
        let mut server = Server::spawn(command, Stdio::piped());
        assert_eq!(server.exit_code(), 2);
        assert!(
            server.stderr().contains("give embedded, embedded:FILE or cluster"),
            "{}",
            server.stderr()
        );
    }
}

fn no_rest() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("claims.redb");
    let mut command = on(binary(), &["127.0.0.1:0", "off", "127.0.0.1:0"]);
    command.args(["--store", &embedded(&file)]);
    let server = Server::run(command);
    assert_eq!(server.get("/readyz").status, 200);
    assert!(!file.exists());
}

fn tls() {
    let server = Server::start(&["--api-tls"]);
    assert!(
        server.stdout().contains("api        https://127.0.0.1"),
        "{}",
        server.stdout()
    );
    server.await_log(&["WARN", "self-signed certificate"], 1);
    let config = crate::support::server::any_certificate(rustls::ALL_VERSIONS);
    let mut connection = Connection::tls(server.api().unwrap(), &config).unwrap();
    assert_eq!(connection.get("/health").body, "ok\n");
    let plain = Rest {
        address: server.api().unwrap(),
        token: None,
    };
    let mut connection = Connection::plain(plain.address).unwrap();
    connection.send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert!(!connection.rest().contains("200 OK"));
}

fn counted() {
    let server = Server::start(&[]);
    let rest = rest(&server);
    rest.post("/api/mysql", &database("orders", "orders-db", json!({})))
        .is(201);
    rest.post("/api/mysql", &database("orders", "orders-db", json!({})))
        .is(200);
    rest.post(
        "/api/mysql",
        &database("orders", "other-db", json!({"cell": "nowhere"})),
    )
    .is(400);
    for (metric, count) in [
        (
            "idp_admission_reviews_total{operation=\"CREATE\",outcome=\"placed\"}",
            1.0,
        ),
        (
            "idp_admission_reviews_total{operation=\"CREATE\",outcome=\"confirmed\"}",
            1.0,
        ),
        ("idp_admission_refusals_total{cause=\"FieldUnknown\"}", 1.0),
        (
            "idp_placements_total{cell=\"payments\",tier=\"C1\",provider=\"aws\"}",
            1.0,
        ),
        (
            "idp_api_requests_total{method=\"POST\",route=\"/api/mysql\",status=\"201\"}",
            1.0,
        ),
        (
            "idp_api_requests_total{method=\"POST\",route=\"/api/mysql\",status=\"200\"}",
            1.0,
        ),
        (
            "idp_api_requests_total{method=\"POST\",route=\"/api/mysql\",status=\"400\"}",
            1.0,
        ),
    ] {
        assert!(
            (server.metric(metric) - count).abs() < f64::EPSILON,
            "{metric}: {}",
            server.metrics()
        );
    }
    eventually("the log tells of it", || {
        let lines = |parts: &[&str]| server.log(parts).len() == 1;
        lines(&["admission", "outcome=\"placed\"", "name=\"orders-db\""])
            && lines(&["request", "route=\"/api/mysql\"", "status=201"])
    });
}

/// After the disk was full, the store goes on by itself as soon as there is room.
pub fn full() -> Result<Completion, Failed> {
    if let Some(missing) = disk::missing() {
        return missing.verdict();
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = on(disk::with(dir.path(), 2), &["off", "127.0.0.1:0", "127.0.0.1:0"]);
    command.args(["--log", "error", "--store", &embedded(&dir.path().join("claims.redb"))]);
    let server = Server::run(command);
    let rest = rest(&server);
    let ask = |name: &str| rest.post("/api/mysql", &database("orders", name, json!({})));
    ask("before").is(201);
    let filler = disk::fill(&server, dir.path(), 4);
    let mut stored = 1;
    let refused = (0..5000).find_map(|number| {
        let told = ask(&format!("db-{number}"));
        stored += usize::from(told.status == 201);
        (told.status != 201).then_some(told)
    });
    let body = refused.expect("the disk is full").problem(503, "unavailable");
    assert!(
        body["detail"].as_str().unwrap().contains("is there room on the disk?"),
        "{body}"
    );
    for _ in 0..3 {
        ask("not-stored").problem(503, "unavailable");
        // What is there can be read all the while.
        rest.get("/api/status/mysql/orders/before").is(200);
        rest.get("/api/mysql").is(200);
    }
    fs::remove_file(filler).unwrap();
    eventually("it stores again", || ask("after").status == 201);
    let listed = rest.get("/api/mysql?limit=1000").is(200);
    assert_eq!(listed["claims"].as_array().unwrap().len(), stored + 1);
    assert_eq!(rest.get("/api/status/mysql/orders/before").is(200)["stage"], "placed");
    Ok(Completion::Completed)
}

fn slow() {
    let server = Server::start(&["--request-timeout", "500ms"]);
    let mut connection = Connection::plain(server.api().unwrap()).unwrap();
    connection.send(crate::support::server::head("/api/mysql", 100));
    connection.send("{\"namespace\": ");
    let response = connection.response();
    assert_eq!(response.status, 408, "{response:?}");
    assert!(response.body.contains("did not arrive within 500ms"), "{response:?}");
    rest(&server).get("/health").is(200);
}

fn huge() {
    let server = Server::start(&[]);
    let mut connection = Connection::plain(server.api().unwrap()).unwrap();
    connection.send(
        "POST /api/mysql HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5000000000\r\n\r\n",
    );
    assert_eq!(connection.response().status, 413);
    rest(&server).get("/health").is(200);
}
