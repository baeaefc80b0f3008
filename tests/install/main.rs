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

use libtest_mimic::Completion;

use installation::{Cluster, Pool};
use support::cluster::binaries::Binaries;
use support::cluster::{manual as recipes, shared};
use support::missing::Missing;

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Cluster));

/// Why the cases of a room cannot be run here.
type NotHere = fn() -> Option<Missing>;

fn main() -> ExitCode {
    let nothing = || None;
    let rooms: [(&str, &[Case], NotHere); 7] = [
        ("image", image::CASES, nothing),
        ("certificates", certificates::CASES, nothing),
        ("roads", roads::CASES, nothing),
        ("manual", manual::CASES, recipes::missing),
        ("rights", rights::CASES, nothing),
        ("pods", pods::CASES, nothing),
        ("chart", chart::CASES, nothing),
    ];
    let cases = rooms.into_iter().flat_map(|(room, cases, missing)| {
        cases.iter().map(move |&(name, case)| shared::Case {
            name: format!("{room}::{name}"),
            alone: false,
            long: false,
            run: Box::new(move |pool: &Pool| {
                if let Some(missing) = missing() {
                    return missing.verdict();
                }
                case(&pool.take());
                Ok(Completion::Completed)
            }),
        })
    });
    shared::run_cases(|| Ok(Pool::new(Binaries::find()?)), cases.collect())
}
