//! Which cloud a managed database runs in, decided at admission, provably and for life.
//!
//! The house, room by room. Arrows run one way, down this list; a room may use those below it and none above.
//!
//! | room | what lives there |
//! |---|---|
//! | [`cli`] | the command line, one file a subcommand |
//! | [`server`] | listeners, limits, health, drain: the only place that wires rooms together |
//! | [`controller`] | the status of catalog objects, certificates and the bundle to trust, the number of claims, whether what holds them is in force: the only room that writes into a cluster with rights of its own |
//! | [`api`] | REST: HTTP in, JSON out, one file a resource; the OpenAPI document |
//! | [`portal`] | the web page: its files, held in the binary |
//! | [`store`] | where claims live: the cluster, or a file of our own |
//! | [`admission`] | review in, review out: create, update, validate, the envelope |
//! | [`claim`] | `MySQLInstanceClaim` on the wire, and the one conversion into a placement request |
//! | [`placement`] | the decision: gates, scores, reason; pure |
//! | [`catalog`] | cells, candidates, tiers, clouds, policies: the checked snapshot, and its sources |
//! | `because` | a leaf: an error and its causes, in words |
//! | [`certs`] | a leaf: serving certificates, and the authority that issues them |
//! | [`health`] | a leaf: what probes are told |
//! | [`schema`] | a leaf: what the schemas of our kinds have in common |
//! | [`telemetry`] | a leaf: logs, traces and metrics |
//! | [`yaml`] | a leaf: YAML in and out |

pub mod admission;
pub mod api;
mod because;
pub mod catalog;
pub mod certs;
pub mod claim;
pub mod cli;
pub mod controller;
pub mod health;
pub mod placement;
pub mod portal;
pub mod schema;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod yaml;
