//! Objects in, snapshot out, or every problem at once: each with file, object and field path.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::fraction::Fraction;
use super::reader::{Found, Reader, Text, shown, text};
use super::snapshot::{Candidate, Cell, CloudProvider, Cordon, Region, Revision, Snapshot, Tier};

// Bounds that keep every placement reason below 16 KiB; see `placement::reason`.
const MOST_NETWORK_KEYS: usize = 16;
const MOST_NETWORK_BYTES: usize = 4096;
const MOST_CAPABILITIES: usize = 32;
const MOST_DIMENSIONS: usize = 8;
const MOST_SCORES: usize = 64;

const ENVIRONMENTS: [&str; 3] = ["dev", "staging", "prod"];

/// One object of a catalog, not yet checked, and the file it came from.
#[derive(Clone, Debug)]
pub struct Object {
    /// Name of the file, for messages.
    pub file: String,
    /// The object as read.
    pub value: Value,
}

/// One thing that is wrong with a catalog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The file it is in.
    pub file: String,
    /// Kind and name of the object, empty where the file has no readable object.
    pub object: String,
    /// The field, such as `spec.candidates[0].scores.cost`; empty for the object as a whole.
    pub path: String,
    /// What is wrong, and what to do.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [&self.file, &self.object, &self.path] {
            if !place.is_empty() {
                write!(f, "{place}: ")?;
            }
        }
        f.write_str(&self.message)
    }
}

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// The folder or one of its files cannot be read.
    #[error("{path}: cannot be read: {source}")]
    Unreadable {
        /// The folder or file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The objects do not make a catalog.
    #[error("the catalog has {}:{}", plural(.0.len(), "problem"), bullets(.0))]
    Invalid(Vec<Problem>),
}

fn bullets(problems: &[Problem]) -> String {
    problems.iter().map(|problem| format!("\n  - {problem}")).collect()
}

pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Checks `objects` and makes a snapshot of them.
///
/// # Errors
/// [`CatalogError::Invalid`] with every problem of every object, in the order of the objects.
pub fn check(objects: &[Object]) -> Result<Snapshot, CatalogError> {
    let mut checker = Checker::default();
    for object in objects {
        checker.object(object);
    }
    checker.references();
    if checker.problems.is_empty() {
        Ok(checker.snapshot())
    } else {
        Err(CatalogError::Invalid(checker.problems))
    }
}

/// A checked object with its origin, for the problems that show only when objects meet.
struct Placed<T> {
    file: String,
    value: T,
}

#[derive(Default)]
struct Checker {
    cells: BTreeMap<String, Placed<Cell>>,
    tiers: BTreeMap<String, Placed<Tier>>,
    providers: BTreeMap<String, Placed<CloudProvider>>,
    problems: Vec<Problem>,
}

impl Checker {
    fn object(&mut self, object: &Object) {
        let mut found = Found::new();
        let root = Reader::new(Some(&object.value), "", &mut found);
        root.only(&["apiVersion", "kind", "metadata", "spec", "status"], &mut found);
        match root.get("apiVersion").and_then(Value::as_str) {
            Some(API_VERSION) => {}
            other => found.push((
                "apiVersion".to_owned(),
                format!("must be {API_VERSION}, is \"{}\"", shown(other.unwrap_or_default())),
            )),
        }
        let metadata = Reader::new(root.get("metadata"), "metadata", &mut found);
        let name = metadata.text("name", Text::Label, &mut found);
        let kind = root.get("kind").and_then(Value::as_str).unwrap_or_default();
        let spec = Reader::new(root.get("spec"), "spec", &mut found);
        let named = name.clone().unwrap_or_default();
        let label = format!(
            "{} {}",
            shown(kind),
            if named.is_empty() { "(no name)" } else { &named }
        );
        let file = &object.file;
        match kind {
            "Tier" => {
                let tier = tier(named, &spec, &mut found);
                keep(&mut self.tiers, tier, name, file, &mut found);
            }
            "Cell" => {
                let cell = cell(named, &spec, &mut found);
                keep(&mut self.cells, cell, name, file, &mut found);
            }
            "CloudProvider" => {
                let provider = provider(named, &spec, &mut found);
                keep(&mut self.providers, provider, name, file, &mut found);
            }
            other => found.push((
                "kind".to_owned(),
                format!("must be Cell, Tier or CloudProvider, is \"{}\"", shown(other)),
            )),
        }
        self.problems.extend(found.into_iter().map(|(path, message)| Problem {
            file: file.clone(),
            object: label.clone(),
            path,
            message,
        }));
    }

    /// What objects say of each other: providers named, network keys given, weighed dimensions scored.
    fn references(&mut self) {
        let Self {
            cells,
            tiers,
            providers,
            problems,
        } = self;
        for Placed { file, value: cell } in cells.values_mut() {
            let object = format!("Cell {}", cell.name);
            let mut problem = |path: String, message: String| {
                problems.push(Problem {
                    file: file.clone(),
                    object: object.clone(),
                    path,
                    message,
                });
            };
            for (i, candidate) in cell.candidates.iter_mut().enumerate() {
                let at = format!("spec.candidates[{i}]");
                if let Some(Placed { value: provider, .. }) = providers.get(&candidate.provider) {
                    candidate.provider_cordoned.clone_from(&provider.cordoned);
                    candidate.region_cordoned = provider
                        .regions
                        .get(&candidate.region)
                        .and_then(|region| region.cordoned.clone());
                    for key in provider
                        .network_keys
                        .iter()
                        .filter(|key| !candidate.network.contains_key(*key))
                    {
                        problem(
                            format!("{at}.network.{key}"),
                            format!("is missing; CloudProvider {} asks for it", provider.name),
                        );
                    }
                } else if !candidate.provider.is_empty() {
                    problem(
                        format!("{at}.provider"),
                        format!(
                            "there is no CloudProvider {}; known: {}",
                            candidate.provider,
                            providers.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
                        ),
                    );
                }
                for Placed { value: tier, .. } in tiers.values() {
                    for dimension in tier.weights.keys().filter(|name| !candidate.scores.contains_key(*name)) {
                        problem(
                            format!("{at}.scores.{dimension}"),
                            format!("is missing; Tier {} weighs it, so give a number from 0 to 1", tier.name),
                        );
                    }
                }
            }
        }
    }

    fn snapshot(self) -> Snapshot {
        fn values<T>(placed: BTreeMap<String, Placed<T>>) -> BTreeMap<String, T> {
            placed.into_iter().map(|(name, placed)| (name, placed.value)).collect()
        }
        let mut snapshot = Snapshot {
            revision: Revision(String::new()),
            cells: values(self.cells),
            tiers: values(self.tiers),
            providers: values(self.providers),
        };
        for cell in snapshot.cells.values_mut() {
            cell.candidates.sort_by(|a, b| a.name.cmp(&b.name));
        }
        let content = Value::Array(snapshot.objects()).to_string();
        snapshot.revision = Revision(
            Sha256::digest(content)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
        );
        snapshot
    }
}

impl Snapshot {
    /// The catalog as objects again, in one order whatever order they came in. The revision is the hash of these.
    #[must_use]
    pub fn objects(&self) -> Vec<Value> {
        fn object(kind: &str, name: &str, spec: &impl Serialize) -> Value {
            json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": name }, "spec": spec })
        }
        let providers = self
            .providers()
            .map(|provider| object("CloudProvider", &provider.name, provider));
        let tiers = self.tiers().map(|tier| object("Tier", &tier.name, tier));
        let cells = self.cells().map(|cell| object("Cell", &cell.name, cell));
        providers.chain(tiers).chain(cells).collect()
    }
}

fn keep<T>(kept: &mut BTreeMap<String, Placed<T>>, value: T, name: Option<String>, file: &str, found: &mut Found) {
    let Some(name) = name else { return };
    match kept.entry(name) {
        Entry::Vacant(vacant) => {
            vacant.insert(Placed {
                file: file.to_owned(),
                value,
            });
        }
        Entry::Occupied(first) => {
            found.push((
                "metadata.name".to_owned(),
                format!("is taken already, in {}", first.get().file),
            ));
        }
    }
}

fn tier(name: String, spec: &Reader<'_>, found: &mut Found) -> Tier {
    spec.only(&["rtoMinutes", "rpoMinutes", "requires", "weights"], found);
    let before = found.len();
    let weights = spec.fractions("weights", MOST_DIMENSIONS, found);
    let sum: u32 = weights.values().map(|weight| u32::from(weight.units())).sum();
    if found.len() == before && sum != u32::from(Fraction::UNITS) {
        let sum = f64::from(sum) / f64::from(Fraction::UNITS);
        found.push((spec.at("weights"), format!("must add up to 1, add up to {sum}")));
    }
    Tier {
        name,
        rto_minutes: spec.minutes("rtoMinutes", found).unwrap_or_default(),
        rpo_minutes: spec.minutes("rpoMinutes", found).unwrap_or_default(),
        requires: spec.texts("requires", Text::Word, MOST_CAPABILITIES, found),
        weights,
    }
}

fn provider(name: String, spec: &Reader<'_>, found: &mut Found) -> CloudProvider {
    spec.only(&["networkKeys", "regions", "cordoned"], found);
    let mut regions = BTreeMap::new();
    for (path, value) in spec.list("regions", found) {
        let region = Reader::new(Some(value), &path, found);
        region.only(&["name", "cordoned"], found);
        let cordoned = cordon(&region, found);
        let Some(name) = region.text("name", Text::Word, found) else {
            continue;
        };
        if regions
            .insert(
                name.clone(),
                Region {
                    name: name.clone(),
                    cordoned,
                },
            )
            .is_some()
        {
            found.push((region.at("name"), format!("repeats {name}")));
        }
    }
    CloudProvider {
        name,
        network_keys: spec.texts("networkKeys", Text::Word, MOST_NETWORK_KEYS, found),
        regions,
        cordoned: cordon(spec, found),
    }
}

fn cell(name: String, spec: &Reader<'_>, found: &mut Found) -> Cell {
    spec.only(&["environments", "candidates"], found);
    let mut environments = spec.texts("environments", Text::Label, usize::MAX, found);
    if spec.get("environments").is_none() {
        environments.extend(ENVIRONMENTS.map(str::to_owned));
    } else if environments.is_empty() {
        found.push((
            spec.at("environments"),
            "must name at least one; leave it out for the default".to_owned(),
        ));
    }
    let mut names = BTreeMap::new();
    let mut places = BTreeMap::new();
    let mut candidates = Vec::new();
    let members = spec.list("candidates", found);
    if members.is_empty() {
        found.push((spec.at("candidates"), "must have at least one".to_owned()));
    }
    for (path, value) in members {
        let reader = Reader::new(Some(value), &path, found);
        let candidate = candidate(&reader, found);
        let before = found.len();
        let place = (
            candidate.provider.clone(),
            candidate.region.clone(),
            candidate.runtime_cluster.clone(),
        );
        if let Some(first) = names.insert(candidate.name.clone(), path.clone())
            && !candidate.name.is_empty()
        {
            found.push((reader.at("name"), format!("is taken already, by {first}")));
        }
        // An update finds a claim's candidate by these three.
        if let Some(first) = places.insert(place, path.clone())
            && found.len() == before
        {
            found.push((path, format!("has the provider, region and runtimeCluster of {first}")));
        }
        candidates.push(candidate);
    }
    Cell {
        name,
        environments,
        candidates,
    }
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
    let mut network = BTreeMap::new();
    for (key, path, value) in reader.entries("network", Text::Word, found) {
        if let Some(value) = text(value, &path, Text::Line, found) {
            network.insert(key.to_owned(), value);
        }
    }
    reader.at_most(network.len(), MOST_NETWORK_KEYS, "network", found);
    let bytes = json!(network).to_string().len();
    if bytes > MOST_NETWORK_BYTES {
        found.push((
            reader.at("network"),
            format!("takes {bytes} bytes as JSON; at most {MOST_NETWORK_BYTES}"),
        ));
    }
    Candidate {
        name: reader.text("name", Text::Label, found).unwrap_or_default(),
        provider: reader.text("provider", Text::Label, found).unwrap_or_default(),
        region: reader.text("region", Text::Word, found).unwrap_or_default(),
        runtime_cluster: reader.text("runtimeCluster", Text::Word, found).unwrap_or_default(),
        network,
        capabilities: reader.texts("capabilities", Text::Word, MOST_SCORES, found),
        scores: reader.fractions("scores", MOST_SCORES, found),
        cordoned: cordon(reader, found),
        provider_cordoned: None,
        region_cordoned: None,
    }
}

fn cordon(reader: &Reader<'_>, found: &mut Found) -> Option<Cordon> {
    let cordoned = Reader::new(Some(reader.get("cordoned")?), &reader.at("cordoned"), found);
    cordoned.only(&["reason"], found);
    Some(Cordon {
        reason: cordoned.text("reason", Text::Line, found).unwrap_or_default(),
    })
}
