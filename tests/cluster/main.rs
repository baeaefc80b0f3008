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
    pub mod missing;
    pub mod server;
}

mod apply;
mod audit;
mod crossplane;
mod deletion;
mod force;
mod held;
mod helm;
mod load;
mod others;
mod outage;

use std::process::ExitCode;

use support::cluster::binaries::Binaries;
use support::cluster::platform::Platform;
use support::cluster::shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Platform));

fn main() -> ExitCode {
    let rooms = [
        (false, ("apply", apply::CASES)),
        (false, ("audit", audit::CASES)),
        (false, ("held", held::CASES)),
        (false, ("crossplane", crossplane::CASES)),
        (false, ("force", force::CASES)),
        (false, ("deletion", deletion::CASES)),
        (false, ("helm", helm::CASES)),
        (false, ("others", others::CASES)),
        (true, ("force", force::ALONE)),
        (true, ("outage", outage::CASES)),
        (true, ("load", load::CASES)),
    ];
    shared::run(|| Ok(Platform::start(Binaries::find()?)), rooms)
}
