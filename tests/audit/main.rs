//! `audit` and `catalog diff`: as people and programs meet them, and held against the decision and the webhook.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "../support/command.rs"]
mod command;

#[path = "../support/admission.rs"]
mod support;

mod claims;
mod diff;
mod laws;
mod verify;
