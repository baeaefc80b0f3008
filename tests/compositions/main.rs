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
    pub mod missing;
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

use std::process::ExitCode;

use support::cluster::binaries::Functions;
use support::cluster::shared;
use support::pipeline::Pipeline;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Pipeline));

fn main() -> ExitCode {
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
    shared::run(
        || Ok(Pipeline::start(Functions::find()?)),
        rooms.map(|room| (false, room)),
    )
}
