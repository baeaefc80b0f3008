//! The admission room from outside: an `AdmissionReview` in bytes goes in, its response in bytes comes out.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot go on is to say so and end"
)]

#[path = "../support/admission.rs"]
mod support;

mod catalog_objects;
mod create;
mod create_fields;
mod envelope;
mod not_accepted;
mod restore;
mod settings;
mod update;
mod update_candidate;
mod update_placement;
mod validate;
