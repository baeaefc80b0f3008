//! Where a stored claim runs, as the present catalog sees it. Nothing is judged here.

use serde_json::{Map, Value};

use crate::catalog::{Candidate, Snapshot};

/// Where a stored claim runs.
#[derive(Clone, Copy, Debug)]
pub enum Stored<'s> {
    /// It has no whole placement: it is older than the webhook.
    Nowhere,
    /// The catalog does not have that place any more.
    Gone,
    /// There.
    At(&'s Candidate),
}

impl<'s> Stored<'s> {
    /// The candidate that a claim with these parameters is stored on. Candidates may be renamed, so its place finds it.
    #[must_use]
    pub fn of(parameters: &Map<String, Value>, catalog: &'s Snapshot) -> Self {
        let stored = |field| parameters.get(field).and_then(Value::as_str);
        let (Some(provider), Some(region), Some(cluster)) =
            (stored("provider"), stored("region"), stored("runtimeCluster"))
        else {
            return Self::Nowhere;
        };
        let cell = stored("cell").and_then(|cell| catalog.cell(cell));
        let mut candidates = cell.into_iter().flat_map(|cell| &cell.candidates);
        let found = candidates.find(|candidate| candidate.place() == [provider, region, cluster]);
        found.map_or(Self::Gone, Self::At)
    }
}
