//! idp-multicloud.

pub mod admission;
pub mod catalog;
pub mod certs;
pub mod claim;
pub mod placement;
pub mod yaml;
