//! Cells, candidates, tiers, clouds and policies: what a decision is made from.
//!
//! | file | holds |
//! |---|---|
//! | [`fraction`] | the numbers of a catalog, exact to four decimals |
//! | [`snapshot`] | the checked catalog, as a decision reads it |
//! | [`mod@check`] | objects in, snapshot or every problem out; or what is good of them, and a verdict on each |
//! | `specs` | what the spec of each kind may hold |
//! | `reader` | one loose object read field by field, every problem noted |
//! | [`policy`] | conditions in CEL: read, checked, evaluated |
//! | [`builtin`] | the catalog inside the binary |
//! | [`folder`] | the catalog in a folder of YAML files |
//! | [`cluster`] | the catalog as objects of a cluster |
//! | [`followed`] | what is known of a cluster that is followed |
//! | [`crd`] | the definitions of its kinds for a cluster |
//! | [`diff`] | two catalogs compared |
//! | [`live`] | the snapshot in force, and those of the last ten minutes |
//!
//! `fraction`, `snapshot` and the evaluation of a policy know std, serde and thiserror only; the `cel` crate is known to
//! `policy/parse` and `policy/check`, kube to `cluster`. Nothing here knows of claims.

pub mod builtin;
pub mod check;
pub mod cluster;
pub mod crd;
pub mod diff;
pub mod folder;
pub mod followed;
pub mod fraction;
pub mod live;
pub mod policy;
mod reader;
pub mod snapshot;
mod specs;

pub use check::{CatalogError, Isolated, KINDS, Object, Problem, Verdict, check, effects, isolate};
pub use fraction::Fraction;
pub use policy::{Finding, Match, Mode, Policy, Subject};
pub(crate) use reader::{cut, listed};
pub use snapshot::{
    Candidate, Cell, CloudProvider, Cordon, NotAccepted, RefusedPolicy, Region, Revision, Snapshot, Tier,
};

/// The API group of every catalog object.
pub const GROUP: &str = "platform.example.org";

/// The version of every catalog object.
pub const VERSION: &str = "v1alpha1";

/// Both, as an object has them.
pub const API_VERSION: &str = "platform.example.org/v1alpha1";

/// The capability that `ha: true` asks for.
pub const MULTI_AZ: &str = "MultiAZ";
