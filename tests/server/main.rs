//! The real binary over real connections: what it serves, what it withstands, how it starts and ends, what it tells.
#![allow(clippy::float_cmp, reason = "the metrics compared are counts")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests: a failure is to fail the test that called them"
)]

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod ending;
mod files;
mod limits;
mod starting;
mod telling;
mod traces;
mod webhooks;
