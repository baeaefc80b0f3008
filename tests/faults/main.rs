//! Twenty people and tools write claims while something breaks: nothing is created unplaced, nothing moves, nothing is lost.
//!
//! Three instances with the Deployment's arguments and account are behind a balancer, on a real API server. The short form of
//! some faults runs with all tests; `cargo test --test faults -- --ignored` runs each for longer. What was seen is printed as
//! a table.
//!
//! | file | holds |
//! |---|---|
//! | [`world`] | the cluster, and the instances in it |
//! | [`writers`] | who writes what, and what came of it |
//! | [`proof`] | what has to hold of every claim, whatever broke |
//! | [`table`] | what was seen, in figures |
//! | [`instances`], [`cluster`], [`changes`], [`clients`], [`clock`] | the faults |
//! | [`disk`] | those of the embedded store's disk |
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
    pub mod cluster;
    pub mod disk;
    pub mod guard;
    pub mod missing;
    pub mod rest;
    pub mod server;
}

mod changes;
mod clients;
mod clock;
mod cluster;
mod disk;
mod instances;
mod proof;
mod table;
mod world;
mod writers;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::Completion;

use proof::Proof;
use support::cluster::binaries::Binaries;
use support::cluster::shared::{self, Case};
use support::missing::Missing;
use table::Phases;
use world::{Pool, World};
use writers::Writers;

/// Something that breaks, in a world of its kind.
struct Fault<W: 'static = World> {
    /// The case's name.
    name: &'static str,
    /// What breaks, as the table tells it.
    what: &'static str,
    /// What users see of it.
    seen: &'static str,
    /// It is also run in its short form.
    short: bool,
    /// What a write may be answered meanwhile, beside being done. 0 is no answer.
    may: &'static [u16],
    /// In its long form some write is bound to be refused, or nothing was broken.
    felt: bool,
    /// Breaks it, and mends it.
    strike: fn(&mut W, Form),
    /// Why it cannot be run here.
    missing: fn() -> Option<Missing>,
}

/// How long a fault is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Short,
    Long,
}

impl Form {
    /// One or the other.
    fn pick<T>(self, short: T, long: T) -> T {
        match self {
            Self::Short => short,
            Self::Long => long,
        }
    }

    /// How long nothing is broken, before it is and after it was.
    fn calm(self) -> Duration {
        self.pick(Duration::from_secs(1), Duration::from_secs(10))
    }

    /// How long to wait while it is broken.
    fn wait(self, short: Duration, long: Duration) {
        thread::sleep(self.pick(short, long));
    }
}

/// Nothing is missing.
fn nothing() -> Option<Missing> {
    None
}

/// Breaks something while people write.
fn run(pool: &Pool, fault: &Fault, form: Form) {
    pool.lend(|world| {
        let team = fault.name.replace('_', "-");
        let namespace = &team[..team.len().min(60)];
        world.begin(namespace);
        let writers = Writers::start(world, namespace);
        let proof = Proof::start(world, namespace);
        let began = Instant::now();
        thread::sleep(form.calm());
        let broken = Instant::now();
        (fault.strike)(world, form);
        world.platform.await_placing();
        let mended = Instant::now();
        thread::sleep(form.calm());
        let (attempts, acknowledged) = writers.end();
        let claims = proof.end(world, &acknowledged);
        let phases = Phases { began, broken, mended };
        table::conclude(fault, form, &phases, &attempts, claims);
    });
}

/// Both forms of each, as far as there are both.
fn cases<W>(faults: &'static [Fault<W>], run: fn(&Pool, &Fault<W>, Form)) -> Vec<Case<Pool>> {
    let case = |fault: &'static Fault<W>, form: Form| {
        let case = Case {
            name: format!("{}::{}", form.pick("short", "long"), fault.name),
            alone: true,
            long: form == Form::Long,
            run: Box::new(move |pool: &Pool| {
                run(pool, fault, form);
                Ok(Completion::Completed)
            }),
        };
        case.unless(fault.missing)
    };
    let short = faults
        .iter()
        .filter(|fault| fault.short)
        .map(|fault| case(fault, Form::Short));
    short
        .chain(faults.iter().map(|fault| case(fault, Form::Long)))
        .collect()
}

fn main() -> ExitCode {
    let rooms = [
        instances::FAULTS,
        cluster::FAULTS,
        changes::FAULTS,
        clients::FAULTS,
        clock::FAULTS,
    ];
    let names = rooms.into_iter().flatten().map(|fault| fault.name);
    let names: Vec<_> = names.chain(disk::FAULTS.iter().map(|fault| fault.name)).collect();
    let mut all: Vec<_> = rooms.into_iter().flat_map(|faults| cases(faults, run)).collect();
    all.extend(cases(disk::FAULTS, |_, fault, form| disk::run(fault, form)));
    let code = shared::run_cases(|| Ok(Pool::new(Binaries::find()?)), all);
    table::print(&names);
    code
}
