//! What objects say of each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Bearing, Checker};
use crate::catalog::reader::listed;

/// The names that policies may match.
pub(super) struct Names {
    cells: BTreeSet<String>,
    tiers: BTreeSet<String>,
    environments: BTreeSet<String>,
    /// What is unread may be the very one that a policy names.
    some_environments_are_unread: bool,
}

impl Checker<'_> {
    /// Providers named, network keys given, weighed dimensions scored.
    /// `refused` are providers that are there and not accepted.
    pub(super) fn references(&mut self, refused: &[String]) {
        let mut providers = BTreeMap::new();
        let named = self.providers.iter().map(|provider| &provider.value);
        for provider in named.filter(|provider| !provider.name.is_empty()) {
            providers.entry(provider.name.as_str()).or_insert(provider);
        }
        let mut weighed = BTreeMap::<&str, BTreeSet<&str>>::new();
        for tier in self.tiers.iter().map(|tier| &tier.value) {
            for dimension in tier.weights.keys() {
                weighed.entry(dimension).or_default().insert(&tier.name);
            }
        }
        for cell in &self.cells {
            let mut note = |bearing, path, message| self.noted.push(cell.noted(bearing, path, message));
            let unread = |path: &String| cell.unread.contains(path);
            for (i, candidate) in cell.value.candidates.iter().enumerate() {
                let at = format!("spec.candidates[{i}]");
                if unread(&at) {
                    continue;
                }
                match providers.get(candidate.provider.as_str()) {
                    Some(provider) if !unread(&format!("{at}.network")) => {
                        let keys = provider.network_keys.iter();
                        for key in keys.filter(|key| !candidate.network.contains_key(*key)) {
                            let path = format!("{at}.network.{key}");
                            if !unread(&path) {
                                let message = format!("is missing; CloudProvider {} needs it", provider.name);
                                note(Bearing::Unresolved, path, message);
                            }
                        }
                    }
                    None if refused.contains(&candidate.provider) => note(
                        Bearing::Unresolved,
                        format!("{at}.provider"),
                        format!("CloudProvider {} is there, but not accepted", candidate.provider),
                    ),
                    None if !candidate.provider.is_empty() => note(
                        Bearing::Unresolved,
                        format!("{at}.provider"),
                        format!(
                            "there is no CloudProvider {}; known: {}",
                            candidate.provider,
                            listed(providers.keys())
                        ),
                    ),
                    _ => {}
                }
                if unread(&format!("{at}.scores")) {
                    continue;
                }
                for (dimension, tiers) in &weighed {
                    let path = format!("{at}.scores.{dimension}");
                    if !candidate.scores.contains_key(*dimension) && !unread(&path) {
                        let (noun, verb) = if tiers.len() == 1 {
                            ("Tier", "weighs")
                        } else {
                            ("Tiers", "weigh")
                        };
                        let message = format!(
                            "is missing; {noun} {} {verb} it, so give a number from 0 to 1",
                            listed(tiers)
                        );
                        let tiers = tiers.iter().map(ToString::to_string).collect();
                        note(Bearing::Tiers(tiers), path, message);
                    }
                }
            }
        }
    }

    /// The names that policies may match.
    pub(super) fn names(&self) -> Names {
        let named = |name: &String| !name.is_empty();
        let cells = self.cells.iter().map(|cell| cell.value.name.clone());
        let tiers = self.tiers.iter().map(|tier| tier.value.name.clone());
        let environments = self.cells.iter().flat_map(|cell| &cell.value.environments);
        let unread = |path: &String| path.starts_with("spec.environments");
        Names {
            cells: cells.filter(named).collect(),
            tiers: tiers.filter(named).collect(),
            environments: environments.cloned().collect(),
            some_environments_are_unread: self.cells.iter().any(|cell| cell.unread.iter().any(unread)),
        }
    }

    /// Names that policies match and no object has: such a policy would be about nothing, in silence.
    pub(super) fn matched(&mut self, known: &Names) {
        for policy in &self.policies {
            for (field, names) in policy.value.matches.lists() {
                let (what, known) = match field {
                    "cells" => ("there is no Cell", &known.cells),
                    "tiers" => ("there is no Tier", &known.tiers),
                    "environments" if !known.some_environments_are_unread => {
                        ("no Cell has the environment", &known.environments)
                    }
                    _ => continue,
                };
                for name in names.iter().filter(|name| !known.contains(*name)) {
                    let message = format!("{what} {name}; known: {}", listed(known));
                    self.noted
                        .push(policy.noted(Bearing::Absent, format!("spec.match.{field}"), message));
                }
            }
        }
    }
}
