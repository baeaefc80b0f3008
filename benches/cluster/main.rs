//! The product under load on a real API server.
//!
//! ```console
//! $ cargo bench --bench cluster                     # creates with the webhook and without it, by 1 to 200 writers
//! $ cargo bench --bench cluster -- soak [MINUTES]   # steady writers for 30 minutes; exit status 1 unless it ends as level as it was
//! $ cargo bench --bench cluster -- many [CLAIMS]    # 50,000 claims: audit, list, count, restart
//! ```
//!
//! What they print is Markdown for the manual.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a benchmark may end at the first surprise, and its values are made where they are used"
)]

#[path = "../../tests/support"]
mod support {
    pub mod cluster;
    pub mod guard;
    pub mod missing;
    pub mod rest;
    pub mod server;
}

mod creates;
#[allow(dead_code, reason = "made for tests: not everything in it is used here")]
#[path = "../../tests/install/installation.rs"]
mod installation;
mod many;
mod soak;

use std::process::ExitCode;
use std::time::Duration;

use support::cluster::binaries::Binaries;

fn main() -> ExitCode {
    // Cargo adds flags of its own.
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let number = |default: usize| args.get(1).map_or(default, |number| number.parse().expect("a number"));
    let binaries = Binaries::find().unwrap_or_else(|why| panic!("{why:?}"));
    match args.first().map(String::as_str) {
        None => creates::run(binaries),
        Some("soak") => return soak::run(binaries, number(30)),
        Some("many") => many::run(binaries, number(50_000)),
        Some(other) => panic!("{other}: not soak, not many"),
    }
    ExitCode::SUCCESS
}

/// The value that this share of them does not exceed, in milliseconds. They are sorted.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rank"
)]
fn quantile(took: &[Duration], share: f64) -> f64 {
    let rank = (took.len() as f64 * share) as usize;
    took[rank.min(took.len() - 1)].as_secs_f64() * 1e3
}

/// KiB as MiB.
#[expect(clippy::cast_precision_loss, reason = "memory is small")]
fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
