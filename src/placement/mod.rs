//! The decision: which candidate of its cell a claim is placed on, and why.
//!
//! | file | holds |
//! |---|---|
//! | [`request`] | what is asked for |
//! | [`gate`] | what a candidate must pass |
//! | [`points`] | scores added up, exact |
//! | [`mod@decide`] | gates, then scores: the one decision function |
//! | [`reason`] | the decision as JSON, written and read back |
//! | [`mod@audit`] | an existing database held against today's decision |
//! | [`mod@landing`] | one request under two catalogs |
//! | [`why_not`] | why another candidate did not win, and what would change that |
//!
//! Pure: no I/O, no clock, no async, no randomness, nothing of Kubernetes or HTTP. Same request and same catalog give
//! the same bytes, everywhere and always.

pub mod audit;
pub mod decide;
pub mod gate;
pub mod landing;
pub mod points;
pub mod reason;
pub mod request;
pub mod why_not;

pub use audit::{Audit, Today, audit};
pub use decide::{Decision, Excluded, Named, Ranked, Undecided, breakdown, decide, refused, score, unknown};
pub use gate::{Cause, Demands, Failure, Gate, NewlyFailed, Notice, cordons, failures, newly_failed, required};
pub use landing::{grid, landing, same_place};
pub use points::Points;
pub use reason::Reason;
pub use request::{Request, Size};
