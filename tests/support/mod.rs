//! What the integration tests share.

pub mod guard;
pub mod server;
