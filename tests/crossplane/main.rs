//! The shipped XRD and compositions under a real Crossplane with the real functions, behind the real webhook. The cloud's
//! part is played by hand.
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
    pub mod pipeline;
    pub mod server;
}

mod accepted;
mod cloud;
mod composed;
mod database;
mod deletion;
mod held;
mod rights;
mod rollout;
mod shipped;

use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use cloud::Cloud;
use support::cluster::shared::Shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Cloud));

/// How many cases run at a time unless `--test-threads` says otherwise: they wait more than they work.
const THREADS: usize = 4;

fn main() -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let alone = [("held", held::CASES), ("rollout", rollout::CASES)];
    // Last, as it takes the garbage collector up to 30 s to see that there are claims.
    let shared = [
        ("shipped", shipped::CASES),
        ("accepted", accepted::CASES),
        ("rights", rights::CASES),
        ("composed", composed::CASES),
        ("deletion", deletion::CASES),
    ];
    let cloud = Arc::new(Shared::new(Cloud::start));
    let mut trials = Vec::new();
    for (cases, is_alone) in [(&alone[..], true), (&shared[..], false)] {
        for (room, cases) in cases {
            for &(name, case) in *cases {
                let cloud = Arc::clone(&cloud);
                trials.push(Trial::ignorable_test(format!("{room}::{name}"), move || {
                    cloud.run(case, is_alone)
                }));
            }
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    drop(cloud);
    conclusion.exit_code()
}
