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
    pub mod missing;
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

use cloud::Cloud;
use support::cluster::shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Cloud));

fn main() -> ExitCode {
    let rooms = [
        (true, ("held", held::CASES)),
        (true, ("rollout", rollout::CASES)),
        (false, ("shipped", shipped::CASES)),
        (false, ("accepted", accepted::CASES)),
        (false, ("rights", rights::CASES)),
        (false, ("composed", composed::CASES)),
        // Last, as it takes the garbage collector up to 30 s to see that there are claims.
        (false, ("deletion", deletion::CASES)),
    ];
    shared::run(Cloud::start, rooms)
}
