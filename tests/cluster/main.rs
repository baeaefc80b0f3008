//! On a real API server, with real kubectl and Helm: no client can move or unplace a claim.
//!
//! One API server for all cases. A case has a namespace of its own; those that take the webhook away run alone.
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
    pub mod guard;
    pub mod server;
}

mod apply;
mod crossplane;
mod deletion;
mod force;
mod held;
mod helm;
mod load;
mod others;
mod outage;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use support::cluster::binaries::Binaries;
use support::cluster::platform::Platform;
use support::cluster::shared::Shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Platform));

/// How many cases run at a time unless `--test-threads` says otherwise: kubectl waits more than it works.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let shared = [
        ("apply", apply::CASES),
        ("held", held::CASES),
        ("crossplane", crossplane::CASES),
        ("force", force::CASES),
        ("deletion", deletion::CASES),
        ("helm", helm::CASES),
        ("others", others::CASES),
    ];
    let alone = [
        ("force", force::ALONE),
        ("outage", outage::CASES),
        ("load", load::CASES),
    ];
    let platform = Arc::new(Shared::new(|| Ok(Platform::start(Binaries::find()?))));
    let mut trials = Vec::new();
    for (cases, is_alone) in [(&shared[..], false), (&alone[..], true)] {
        for (room, cases) in cases {
            for &(name, case) in *cases {
                let platform = Arc::clone(&platform);
                trials.push(Trial::ignorable_test(format!("{room}::{name}"), move || {
                    platform.run(case, is_alone)
                }));
            }
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    drop(platform);
    conclusion.exit_code()
}
