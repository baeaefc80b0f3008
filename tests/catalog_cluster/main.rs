//! On a real API server: the catalog as its objects, followed by the servers behind the webhooks.
//!
//! One API server for all cases. A case has a namespace and objects of its own; those that change what others use run
//! alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
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

mod admission;
mod controller;
mod kinds;
mod outage;
mod policies;
mod source;
mod writers;

use std::process::ExitCode;

use support::cluster::binaries::Binaries;
use support::cluster::platform::Platform;
use support::cluster::shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Platform));

fn main() -> ExitCode {
    let rooms = [
        (false, ("kinds", kinds::CASES)),
        (false, ("policies", policies::CASES)),
        (false, ("admission", admission::CASES)),
        (false, ("source", source::CASES)),
        (false, ("outage", outage::CASES)),
        (true, ("kinds", kinds::ALONE)),
        (true, ("controller", controller::CASES)),
        (true, ("admission", admission::ALONE)),
        (true, ("policies", policies::ALONE)),
        (true, ("source", source::ALONE)),
        (true, ("writers", writers::CASES)),
    ];
    shared::run(|| Ok(Platform::following(Binaries::find()?)), rooms)
}
