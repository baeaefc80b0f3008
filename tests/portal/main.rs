//! The portal in a real browser, with the embedded store behind it: what a developer does, sees and is told.
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
    pub mod browser;
    pub mod guard;
    pub mod missing;
    pub mod rest;
    pub mod server;
}

mod looks;
mod uses;

use std::fs;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;

use support::browser::{Browser, Theme, axe};
use support::rest::{Rest, database};
use support::server::{Server, binary};

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Desk));

/// A browser in front of a server.
struct Desk {
    browser: Browser,
    rest: Rest,
    server: Server,
    _catalog: TempDir,
}

impl Desk {
    /// A claim that is there already.
    fn have(&self, name: &str, changes: Value) {
        let told = self.rest.post("/api/mysql", &database("orders", name, changes));
        assert_eq!(told.status, 201, "{told:?}");
    }

    /// What is stored as the claim of that name.
    fn stored(&self, name: &str) -> Option<Value> {
        let told = self.rest.get(&format!("/api/status/mysql/orders/{name}"));
        (told.status == 200).then_some(told.body)
    }
}

/// A catalog with something of everything: what is closed, a policy, a cell without room for a standby.
fn catalog() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let builtin = binary().args(["catalog", "show", "-o", "yaml"]).output().unwrap();
    fs::write(dir.path().join("builtin.yaml"), builtin.stdout).unwrap();
    fs::write(dir.path().join("archive.yaml"), include_str!("../support/archive.yaml")).unwrap();
    fs::write(dir.path().join("residency.yaml"), include_str!("residency.yaml")).unwrap();
    dir
}

fn run(case: impl FnOnce(&Desk)) -> Result<Completion, Failed> {
    let catalog = catalog();
    let server = Server::start(&["--log", "warn", "--catalog", catalog.path().to_str().unwrap()]);
    let address = server.api().unwrap();
    let browser = match Browser::open(&format!("http://{address}")) {
        Ok(browser) => browser,
        Err(missing) => return missing.verdict(),
    };
    let desk = Desk {
        browser,
        rest: Rest { address, token: None },
        server,
        _catalog: catalog,
    };
    case(&desk);
    assert!(!desk.server.stderr().contains("panicked"), "{}", desk.server.stderr());
    Ok(Completion::Completed)
}

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    // They wait more than they work.
    args.test_threads.get_or_insert(4);
    let rooms: [(&str, &[Case]); 2] = [("uses", uses::CASES), ("looks", looks::CASES)];
    let trials = rooms.into_iter().flat_map(|(room, cases)| {
        let trial = move |&(name, case): &Case| Trial::ignorable_test(format!("{room}::{name}"), move || run(case));
        cases.iter().map(trial)
    });
    let axes = Theme::BOTH.map(|theme| {
        let name = format!("looks::axe_finds_nothing_where_it_is_{}", theme.word());
        Trial::ignorable_test(name, move || match axe() {
            Ok(axe) => run(|desk| looks::accessible(desk, &axe, theme)),
            Err(missing) => missing.verdict(),
        })
    });
    // The longest first.
    libtest_mimic::run(&args, axes.into_iter().chain(trials).collect()).exit_code()
}
