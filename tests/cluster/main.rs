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

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use support::cluster::binaries::{Absent, Binaries};
use support::cluster::platform::Platform;

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
    let platform: Arc<Lazy> = Arc::default();
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

/// The platform, started by the first case that needs it; or why there is none.
#[derive(Default)]
struct Lazy {
    platform: OnceLock<Result<Platform, Absent>>,
    turn: RwLock<()>,
}

impl Lazy {
    fn run(&self, case: fn(&Platform), alone: bool) -> Result<Completion, Failed> {
        let platform = match self.platform.get_or_init(start) {
            Ok(platform) => platform,
            Err(absent) => return absent.verdict(),
        };
        if alone {
            let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            case(platform);
        } else {
            let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            case(platform);
        }
        Ok(Completion::Completed)
    }
}

fn start() -> Result<Platform, Absent> {
    let binaries = Binaries::find()?;
    let broken = |_| Absent::Broken("the platform did not start: its first case says why, above".to_owned());
    catch_unwind(AssertUnwindSafe(|| Platform::start(binaries))).map_err(broken)
}
