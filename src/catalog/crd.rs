//! The `CustomResourceDefinition`s of the catalog's kinds. Their schemas hold types and nothing else: what a value may be is
//! said by the check, all of it at once.

mod kinds;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::schema;
use kinds::{Cell, CloudProvider, PlacementPolicy, Tier};

/// The definitions, in the order of the kinds' names.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 4] {
    [Cell::crd(), CloudProvider::crd(), PlacementPolicy::crd(), Tier::crd()].map(|mut crd| {
        schema::tidy(&mut crd, "catalog");
        crd
    })
}

#[cfg(test)]
mod tests;
