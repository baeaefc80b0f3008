//! On a real API server: the product installed by each road, its pods run with their own arguments and rights.
//!
//! The names of what is installed are fixed, so each case has a cluster for itself, and leaves it as it was.
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
    pub mod rest;
    pub mod server;
}

mod certificates;
mod chart;
mod image;
mod installation;
mod manual;
mod pods;
mod rights;
mod roads;

use std::process::ExitCode;

use installation::{Cluster, Pool};
use support::cluster::binaries::Binaries;
use support::cluster::{manual as recipes, shared};

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Cluster));

/// Lends a case a cluster that no other case has meanwhile.
fn lend(pool: &Pool, case: fn(&Cluster)) {
    case(&pool.take());
}

fn main() -> ExitCode {
    let rooms = [
        ("image", image::CASES),
        ("certificates", certificates::CASES),
        ("roads", roads::CASES),
        ("rights", rights::CASES),
        ("pods", pods::CASES),
        ("chart", chart::CASES),
    ];
    let cases = rooms.into_iter().flat_map(|room| shared::cases(false, room, lend));
    let manual = shared::cases(false, ("manual", manual::CASES), lend).map(|case| case.unless(recipes::missing));
    shared::run_cases(|| Ok(Pool::new(Binaries::find()?)), cases.chain(manual).collect())
}
