//! The catalog inside the binary: what `serve` and `place` decide from when they are given no other.

use super::check::{CatalogError, check};
use super::folder::objects;
use super::snapshot::Snapshot;

/// The built-in catalog, through the same check as every other.
///
/// # Errors
/// Never in a released binary: a test loads it.
pub fn load() -> Result<Snapshot, CatalogError> {
    check(&objects("builtin.yaml", include_str!("builtin.yaml"))?)
}
