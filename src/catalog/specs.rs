//! What the spec of each kind may hold. A spec with a problem still gives a value, with gaps: there will be no snapshot.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde_json::json;

use super::fraction::Fraction;
use super::reader::{Found, Reader, Text, text};
use super::snapshot::{Candidate, Cell, CloudProvider, Cordon, Region, Tier};

// Bounds that, with those of `Text`, keep every placement reason below 16 KiB; see `placement::reason`.
const MOST_NETWORK_KEYS: usize = 16;
const MOST_NETWORK_BYTES: usize = 4096;
const MOST_REQUIRED: usize = 32;
const MOST_DIMENSIONS: usize = 8;

/// The bound of every other list that has one.
const MOST_ENTRIES: usize = 64;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

pub(super) fn tier(name: String, spec: &Reader<'_>, found: &mut Found) -> Tier {
    spec.only(&["rtoMinutes", "rpoMinutes", "requires", "weights"], found);
    Tier {
        name,
        rto_minutes: spec.minutes("rtoMinutes", found).unwrap_or_default(),
        rpo_minutes: spec.minutes("rpoMinutes", found).unwrap_or_default(),
        requires: spec.texts("requires", Text::Word, MOST_REQUIRED, found),
        weights: weights(spec, found),
    }
}

fn weights(spec: &Reader<'_>, found: &mut Found) -> BTreeMap<String, Fraction> {
    let before = found.problems.len();
    spec.required(
        "weights",
        "must be a mapping of dimensions to numbers that add up to 1",
        found,
    );
    let weights = spec.fractions("weights", MOST_DIMENSIONS, found);
    let sum: u32 = weights.values().map(|weight| u32::from(weight.units())).sum();
    if spec.readable() && found.problems.len() == before && sum != u32::from(Fraction::UNITS) {
        let sum = f64::from(sum) / f64::from(Fraction::UNITS);
        found.note(spec.at("weights"), format!("must add up to 1, add up to {sum}"));
    }
    weights
}

pub(super) fn provider(name: String, spec: &Reader<'_>, found: &mut Found) -> CloudProvider {
    spec.only(&["networkKeys", "regions", "cordoned"], found);
    CloudProvider {
        name,
        network_keys: spec.texts("networkKeys", Text::Word, MOST_NETWORK_KEYS, found),
        regions: regions(spec, found),
        cordoned: cordon(spec, found),
    }
}

fn regions(spec: &Reader<'_>, found: &mut Found) -> BTreeMap<String, Region> {
    let mut regions = BTreeMap::new();
    for (path, value) in spec.list("regions", found) {
        let region = Reader::new(Some(value), &path, found);
        region.only(&["name", "cordoned"], found);
        let name = region.text("name", Text::Word, found);
        let cordoned = cordon(&region, found);
        let Some(name) = name else { continue };
        match regions.entry(name.clone()) {
            Entry::Vacant(free) => {
                free.insert(Region { name, cordoned });
            }
            Entry::Occupied(_) => found.note(region.at("name"), format!("repeats {name}; list it once")),
        }
    }
    regions
}

pub(super) fn cell(name: String, spec: &Reader<'_>, found: &mut Found) -> Cell {
    spec.only(&["environments", "candidates"], found);
    let before = found.problems.len();
    let mut environments = spec.texts("environments", Text::Label, MOST_ENTRIES, found);
    if spec.get("environments").is_none() {
        environments.extend(ENVIRONMENTS.map(str::to_owned));
    } else if environments.is_empty() && found.problems.len() == before {
        found.note(
            spec.at("environments"),
            format!("must name at least one; leave it out for {}", ENVIRONMENTS.join(", ")),
        );
    }
    Cell {
        name,
        environments,
        candidates: candidates(spec, found),
    }
}

fn candidates(spec: &Reader<'_>, found: &mut Found) -> Vec<Candidate> {
    let mut names = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut candidates = Vec::new();
    let before = found.problems.len();
    let members = spec.list("candidates", found);
    if spec.readable() && members.is_empty() && found.problems.len() == before {
        found.note(spec.at("candidates"), "must list at least one".to_owned());
    }
    for (path, value) in members {
        let reader = Reader::new(Some(value), &path, found);
        let candidate = candidate(&reader, found);
        if !candidate.name.is_empty() {
            match names.entry(candidate.name.clone()) {
                Entry::Vacant(free) => {
                    free.insert(path.clone());
                }
                Entry::Occupied(first) => found.note(
                    reader.at("name"),
                    format!("is taken already, by {}; rename one", first.get()),
                ),
            }
        }
        let place = candidate.place().map(str::to_owned);
        if !place.iter().any(String::is_empty) {
            match places.entry(place) {
                Entry::Vacant(free) => {
                    free.insert(path);
                }
                Entry::Occupied(first) => found.note(
                    reader.at("runtimeCluster"),
                    format!(
                        "is that of {}, as are provider and region; a claim is known by these three, so one must differ",
                        first.get()
                    ),
                ),
            }
        }
        candidates.push(candidate);
    }
    candidates
}

fn candidate(reader: &Reader<'_>, found: &mut Found) -> Candidate {
    reader.only(
        &[
            "name",
            "provider",
            "region",
            "runtimeCluster",
            "network",
            "capabilities",
            "scores",
            "cordoned",
        ],
        found,
    );
    Candidate {
        name: reader.text("name", Text::Label, found).unwrap_or_default(),
        provider: reader.text("provider", Text::Label, found).unwrap_or_default(),
        region: reader.text("region", Text::Word, found).unwrap_or_default(),
        runtime_cluster: reader.text("runtimeCluster", Text::Word, found).unwrap_or_default(),
        network: network(reader, found),
        capabilities: reader.texts("capabilities", Text::Word, MOST_ENTRIES, found),
        scores: reader.fractions("scores", MOST_ENTRIES, found),
        cordoned: cordon(reader, found),
        provider_cordoned: None,
        region_cordoned: None,
    }
}

fn network(reader: &Reader<'_>, found: &mut Found) -> BTreeMap<String, String> {
    let mut network = BTreeMap::new();
    for (key, path, value) in reader.entries("network", MOST_NETWORK_KEYS, found) {
        if let Some(value) = text(value, &path, Text::Line, found) {
            network.insert(key.to_owned(), value);
        }
    }
    let bytes = json!(network).to_string().len();
    if bytes > MOST_NETWORK_BYTES {
        found.note(
            reader.at("network"),
            format!("takes {bytes} bytes as JSON; at most {MOST_NETWORK_BYTES}"),
        );
    }
    network
}

/// Absent or null: open.
fn cordon(reader: &Reader<'_>, found: &mut Found) -> Option<Cordon> {
    let cordoned = Reader::new(Some(reader.get("cordoned")?), &reader.at("cordoned"), found);
    cordoned.only(&["reason"], found);
    Some(Cordon {
        reason: cordoned.text("reason", Text::Line, found).unwrap_or_default(),
    })
}
