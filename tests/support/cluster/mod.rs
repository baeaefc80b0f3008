//! A real Kubernetes API server for tests, with everything the product ships installed in it.
//!
//! | file | holds |
//! |---|---|
//! | [`binaries`] | kube-apiserver, etcd, kubectl, Helm, Crossplane: found, or built from their Go modules |
//! | [`process`] | a server that ends with the test run, however that ends |
//! | [`pki`] | a certificate authority for one run |
//! | [`apiserver`] | etcd, API server, controllers, and clients for each of the users below |
//! | [`balancer`] | what a Service is to the API server: one address, servers behind it that come and go |
//! | [`platform`] | the CRD, webhooks and policies installed as shipped, and servers behind them |
//! | [`catalog`] | the catalog as objects, and every revision it had |
//! | [`manual`] | the recipes of the manuals, run as they stand there |
//! | [`objects`] | what goes into the cluster that we do not ship: rights, a Service, a cell |
//! | [`pod`] | a Deployment's pods, run by us |
//! | [`crossplane`] | Crossplane and its functions, the real ones, installed as their chart does |
//! | [`provider`] | what a cloud's provider writes about a managed resource, by hand |
//! | [`shared`] | a test program whose cases share what one of them has started |
//! | [`soak`] | steady writers for a long time, and whether memory and descriptors are level meanwhile |
//! | [`team`] | a namespace of its own for one case, and what an app team does in it |
//! | [`writers`] | many writers at once, and what they write |
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

pub mod apiserver;
pub mod balancer;
pub mod binaries;
pub mod catalog;
pub mod crossplane;
pub mod manual;
pub mod objects;
pub mod pki;
pub mod platform;
pub mod pod;
pub mod process;
pub mod provider;
pub mod shared;
pub mod soak;
pub mod team;
pub mod writers;
