//! One request under two catalogs: where a new claim would land before and after a change. Decided, both times, by the
//! one function that decides.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::decide::decide;
use super::request::{Request, Size};
use crate::catalog::{Candidate, Cell, Snapshot, Tier};

/// Storage of the requests in a grid, in GiB: the least that a claim may ask for.
const GRID_STORAGE: u16 = 50;

/// Where a new claim with this request lands; `None` where no candidate fits, or the catalog does not know a name in it.
#[must_use]
pub fn landing<'a>(catalog: &'a Snapshot, request: Request<'a>) -> Option<&'a Candidate> {
    let decision = decide(catalog, request).ok()?;
    decision.winner().map(|winner| winner.candidate)
}

/// Whether two landings are one place, whatever it is called.
#[must_use]
pub fn same_place(a: Option<&Candidate>, b: Option<&Candidate>) -> bool {
    a.map(Candidate::place) == b.map(Candidate::place)
}

/// Every request that one of `catalogs` has names for: cell by tier by environment by size, without and with `ha`. They
/// come from no namespace, so that a policy about some namespaces has no say.
pub fn grid(catalogs: [&Snapshot; 2]) -> impl Iterator<Item = Request<'_>> {
    let cells: BTreeSet<&str> = names(catalogs.map(Snapshot::cells), |cell: &Cell| &cell.name);
    let tiers: BTreeSet<&str> = names(catalogs.map(Snapshot::tiers), |tier: &Tier| &tier.name);
    let tiers: Vec<String> = tiers.iter().map(|tier| tier.to_ascii_uppercase()).collect();
    cells.into_iter().flat_map(move |cell| {
        let in_both = catalogs.iter().filter_map(|catalog| catalog.cell(cell));
        let environments: BTreeSet<&str> = in_both
            .flat_map(|cell| cell.environments.iter().map(String::as_str))
            .collect();
        let mut requests = Vec::new();
        for tier in &tiers {
            for environment in &environments {
                for size in Size::ALL {
                    for ha in [false, true] {
                        requests.push(Request {
                            cell: Cow::Borrowed(cell),
                            tier: Cow::Owned(tier.clone()),
                            environment: Cow::Borrowed(environment),
                            size,
                            storage_gb: GRID_STORAGE,
                            ha,
                            namespace: Cow::Borrowed(""),
                        });
                    }
                }
            }
        }
        requests
    })
}

fn names<'a, T: 'a, I: Iterator<Item = &'a T>>(all: [I; 2], name: impl Fn(&'a T) -> &'a str) -> BTreeSet<&'a str> {
    all.into_iter().flatten().map(name).collect()
}
