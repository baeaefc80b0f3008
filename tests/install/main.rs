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
use support::cluster::shared;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Cluster));

fn main() -> ExitCode {
    let rooms = [
        ("image", image::CASES),
        ("certificates", certificates::CASES),
        ("roads", roads::CASES),
        ("manual", manual::CASES),
        ("rights", rights::CASES),
        ("pods", pods::CASES),
        ("chart", chart::CASES),
    ];
    let pool = || Ok(Pool::new(Binaries::find()?));
    shared::run_lent(pool, |pool, case| case(&pool.take()), rooms.map(|room| (false, room)))
}
