//! idp-multicloud.

pub mod catalog;
pub mod certs;
pub mod claim;
pub mod placement;
pub mod yaml;
