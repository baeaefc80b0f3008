//! What the compositions make of a claim, with their real functions and without Crossplane.
//!
//! Two functions for all cases, which share nothing else: a case hands in all that is observed.
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

mod connection;
mod driver;
mod golden;
mod injection;
mod keep;
mod names;
mod password;
mod problems;
mod selection;
mod shipped;
mod tables;
mod template;
mod tier;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Trial};

use support::cluster::binaries::{Absent, Functions};
use support::pipeline::Pipeline;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Pipeline));

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let rooms = [
        ("driver", driver::CASES),
        ("template", template::CASES),
        ("shipped", shipped::CASES),
        ("tables", tables::CASES),
        ("tier", tier::CASES),
        ("password", password::CASES),
        ("connection", connection::CASES),
        ("keep", keep::CASES),
        ("names", names::CASES),
        ("problems", problems::CASES),
        ("golden", golden::CASES),
        ("injection", injection::CASES),
        ("selection", selection::CASES),
    ];
    // Started by the first case that needs it.
    let pipeline: Arc<OnceLock<Result<Pipeline, Absent>>> = Arc::default();
    let mut trials = Vec::new();
    for (room, cases) in rooms {
        for &(name, case) in cases {
            let pipeline = Arc::clone(&pipeline);
            trials.push(Trial::ignorable_test(format!("{room}::{name}"), move || {
                match pipeline.get_or_init(start) {
                    Ok(pipeline) => case(pipeline),
                    Err(absent) => return absent.verdict(),
                }
                Ok(libtest_mimic::Completion::Completed)
            }));
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    drop(pipeline);
    conclusion.exit_code()
}

fn start() -> Result<Pipeline, Absent> {
    let programs = Functions::find()?;
    let broken = |_| Absent::Broken("the functions did not start: the first case says why, above".to_owned());
    catch_unwind(AssertUnwindSafe(|| Pipeline::start(programs))).map_err(broken)
}
