//! The invented claims and candidates on which every expression must have a value before a policy is accepted.
//!
//! Names come from the policy's own `match` where it has some, as it never sees others; all else is fixed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::evaluate::Scope;
use super::tree::{EvalError, Node};
use super::{Match, Subject};
use crate::catalog::fraction::Fraction;
use crate::catalog::snapshot::Candidate;

/// Where all combinations of names are more than this, every name still comes up, but not with every other.
const MOST_COMBINATIONS: usize = 64;

const CELLS: [&str; 2] = ["grid-a", "grid-b"];
const TIERS: [&str; 3] = ["C0", "C1", "C2"];
const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];
const NAMESPACES: [&str; 2] = ["grid-team", ""];
const SHAPES: [(&str, u16, bool); 4] = [
    ("small", 50, false),
    ("medium", 500, true),
    ("large", 16_384, false),
    ("xlarge", 16_384, true),
];

/// The claims and candidates of one policy.
pub(super) struct Grid {
    names: Vec<[String; 4]>,
    candidates: [Candidate; 4],
}

/// One claim and one candidate.
pub(super) struct Point<'g> {
    subject: Subject<'g>,
    candidate: &'g Candidate,
}

impl fmt::Display for Point<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Subject {
            cell,
            tier,
            environment,
            size,
            storage_gb,
            ha,
            namespace,
        } = self.subject;
        let Candidate {
            name,
            capabilities,
            scores,
            ..
        } = self.candidate;
        write!(
            f,
            "a claim of cell {cell}, tier {tier}, environment {environment}, size {size}, {storage_gb} GiB, ha {ha}, \
             namespace \"{namespace}\", and the candidate {name} with {} capabilities and {} scores",
            capabilities.len(),
            scores.len()
        )
    }
}

impl Grid {
    pub(super) fn of(matches: &Match) -> Self {
        fn names(list: Option<&BTreeSet<String>>, invented: &[&str]) -> Vec<String> {
            match list {
                Some(list) if !list.is_empty() => list.iter().cloned().collect(),
                _ => invented.iter().map(ToString::to_string).collect(),
            }
        }
        let tiers = names(matches.tiers.as_ref(), &TIERS);
        let lists = [
            names(matches.cells.as_ref(), &CELLS),
            tiers.iter().map(|tier| tier.to_ascii_uppercase()).collect(),
            names(matches.environments.as_ref(), &ENVIRONMENTS),
            names(matches.namespaces.as_ref(), &NAMESPACES),
        ];
        let all: usize = lists.iter().map(Vec::len).product();
        let longest = lists.iter().map(Vec::len).max().unwrap_or_default();
        let every = all <= MOST_COMBINATIONS;
        let combination = |i: usize| {
            let mut rest = i;
            lists.each_ref().map(|list| {
                let at = if every { rest % list.len() } else { i % list.len() };
                rest /= list.len();
                list.get(at).cloned().unwrap_or_default()
            })
        };
        Self {
            names: (0..if every { all } else { longest }).map(combination).collect(),
            candidates: candidates(),
        }
    }

    fn points(&self) -> impl Iterator<Item = Point<'_>> {
        let claims = self.names.iter().flat_map(|[cell, tier, environment, namespace]| {
            SHAPES.map(|(size, storage_gb, ha)| Subject {
                cell,
                tier,
                environment,
                size,
                storage_gb,
                ha,
                namespace,
            })
        });
        claims.flat_map(|subject| self.candidates.each_ref().map(|candidate| Point { subject, candidate }))
    }

    /// The first point at which a condition (or a text, where it is none) has no value, and why.
    pub(super) fn first_error(&self, node: &Node, is_condition: bool) -> Option<(EvalError, Point<'_>)> {
        self.points().find_map(|point| {
            let scope = Scope::new(&point.subject, Some(point.candidate));
            let stop = if is_condition {
                scope.truth(node).err()
            } else {
                scope.text(node).err()
            };
            Some((stop?.told(), point))
        })
    }
}

/// From one that has everything to one that has nothing.
fn candidates() -> [Candidate; 4] {
    const CAPABILITIES: [&str; 4] = ["MultiAZ", "PITR", "PrivateNetworking", "Grid"];
    const SCORES: [&str; 5] = ["cost", "dr", "grid", "latency", "maturity"];
    let candidate = |provider: &str, region: &str, capabilities: usize, scores: usize| Candidate {
        name: format!("{provider}-{region}"),
        provider: provider.to_owned(),
        region: region.to_owned(),
        runtime_cluster: format!("{provider}-grid"),
        network: BTreeMap::new(),
        capabilities: CAPABILITIES
            .iter()
            .take(capabilities)
            .map(ToString::to_string)
            .collect(),
        scores: SCORES
            .iter()
            .take(scores)
            .map(|score| ((*score).to_owned(), Fraction::ONE))
            .collect(),
        cordoned: None,
        provider_cordoned: None,
        region_cordoned: None,
    };
    [
        candidate("aws", "us-east-1", 4, 5),
        candidate("gcp", "europe-west1", 2, 4),
        candidate("oci", "us-ashburn-1", 1, 2),
        candidate("grid", "none", 0, 0),
    ]
}
