//! `MySQLInstanceClaim` on the wire, and the one conversion into a placement request.
//!
//! | file | holds |
//! |---|---|
//! | [`wire`] | the parts of a claim that admission reads, loosely: whatever a client may have sent |
//! | [`parameters`] | the six fields: wire in, request or every problem out |
//! | [`problem`] | one thing wrong with a claim, and how values are echoed |
//! | [`schema`] | the types that the CRD and the XRD are generated from |

pub mod parameters;
pub mod problem;
pub mod schema;
pub mod wire;

pub use parameters::Parameters;
pub use problem::{Cause, Problem, Shown};
pub use wire::{Claim, Metadata};

/// The API group of the claim.
pub const GROUP: &str = "db.platform.example.org";
/// The one version of the claim.
pub const VERSION: &str = "v1alpha1";
/// The kind of the claim.
pub const KIND: &str = "MySQLInstanceClaim";
/// The annotation that holds the decision as JSON.
pub const REASON: &str = "platform.example.org/placement-reason";
/// The composition label that names the cloud.
pub const PROVIDER_LABEL: &str = "db.platform.example.org/provider";
/// The composition label that names the kind of database.
pub const CLASS_LABEL: &str = "db.platform.example.org/class";
/// The value of [`CLASS_LABEL`].
pub const CLASS: &str = "mysql";
/// The fields of `spec.parameters` that the platform alone writes.
pub const PLACEMENT_FIELDS: [&str; 4] = ["provider", "region", "runtimeCluster", "network"];
