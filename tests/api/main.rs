//! The REST API with the embedded store, over real connections to the real binary. The rules are those of `rules.rs`, which
//! hold with claims in a cluster, too: see `tests/api_cluster`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and its values are made where they are used"
)]

#[path = "../support"]
mod support {
    pub mod disk;
    pub mod guard;
    pub mod missing;
    pub mod rest;
    pub mod schemathesis;
    pub mod server;
}

mod document;
mod durable;
mod local;
mod rules;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use rules::{RULES, World};
use support::rest::Rest;
use support::server::{Server, binary};

/// A case: its name, and what it does.
type Case = (&'static str, fn());

/// The built-in catalog, and a cell that has no room for a standby.
fn catalog(dir: &Path) {
    let builtin = binary().args(["catalog", "show", "-o", "yaml"]).output().unwrap();
    fs::write(dir.join("builtin.yaml"), builtin.stdout).unwrap();
    fs::write(dir.join("archive.yaml"), include_str!("../support/archive.yaml")).unwrap();
}

/// Whoever asks that server; there, nobody has to say who.
fn rest(server: &Server) -> Rest {
    Rest {
        address: server.api().unwrap(),
        token: None,
    }
}

fn on_embedded(rule: fn(&World)) {
    let dir = tempfile::tempdir().unwrap();
    catalog(dir.path());
    let server = Server::start(&["--catalog", dir.path().to_str().unwrap()]);
    let rest = rest(&server);
    let asked = rest.clone();
    let stored = move |name: &str| {
        let told = asked.get(&format!("/api/status/mysql/orders/{name}"));
        (told.status != 404).then(|| told.is(200)["claim"].clone())
    };
    let world = World {
        rest,
        namespace: "orders".to_owned(),
        stored: Box::new(stored),
    };
    rule(&world);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // They wait more than they work.
    args.test_threads.get_or_insert(4);
    let rules = RULES.iter().map(|&(name, rule)| {
        Trial::test(format!("rules::{name}"), move || {
            on_embedded(rule);
            Ok(())
        })
    });
    let rooms: [(&str, &[Case]); 3] = [
        ("local", local::CASES),
        ("durable", durable::CASES),
        ("document", document::CASES),
    ];
    let cases = rooms.into_iter().flat_map(|(room, cases)| {
        let trial = move |&(name, case): &Case| {
            Trial::test(format!("{room}::{name}"), move || {
                case();
                Ok(())
            })
        };
        cases.iter().map(trial)
    });
    let full = Trial::ignorable_test(
        "local::once_there_is_room_again_on_a_full_disk_claims_are_stored",
        local::full,
    );
    let tried = Trial::ignorable_test("document::schemathesis_finds_nothing", document::tried);
    libtest_mimic::run(&args, rules.chain(cases).chain([full, tried]).collect()).exit_code()
}
