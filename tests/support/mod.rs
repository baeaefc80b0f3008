//! What the integration tests share.

pub mod collector;
pub mod guard;
pub mod server;
