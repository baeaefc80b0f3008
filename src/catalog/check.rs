//! Objects in, snapshot out, or every problem at once: each with file, object and field path.
//!
//! An object by itself is read in `specs`; here objects meet.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::policy::{self, Policy};
use super::reader::{Found, Reader, Text, listed, shown};
use super::snapshot::{Cell, CloudProvider, Revision, Snapshot, Tier};
use super::specs;

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
    /// The file it is in, or the folder where it is in none.
    pub file: String,
    /// Kind and name of the object, empty where there is no readable object.
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
    let mut text = String::new();
    for problem in problems {
        let _ = write!(text, "\n  - {problem}");
    }
    text
}

pub(crate) fn plural(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// Checks `objects` and makes a snapshot of them.
///
/// # Errors
/// [`CatalogError::Invalid`] with every problem of every object, in the order of the objects.
pub fn check(objects: &[Object]) -> Result<Snapshot, CatalogError> {
    let mut checker = Checker::of(objects);
    checker.references();
    checker.matched();
    if checker.problems.is_empty() {
        Ok(checker.snapshot())
    } else {
        Err(CatalogError::Invalid(checker.in_order()))
    }
}

/// What is wrong with each of `objects` by itself. Of a catalog that could be read in part only, no more can be said:
/// what one object misses may be in the other part.
pub(super) fn problems_of_each(objects: &[Object]) -> Vec<Problem> {
    Checker::of(objects).in_order()
}

/// An object as read, and what a problem with it has to say.
struct Read<'o, T> {
    index: usize,
    file: &'o str,
    object: String,
    unread: HashSet<String>,
    value: T,
}

impl<'o, T> Read<'o, T> {
    fn of(index: usize, file: &'o str, object: &str, found: &mut Found, value: T) -> Self {
        Self {
            index,
            file,
            object: object.to_owned(),
            unread: std::mem::take(&mut found.unread),
            value,
        }
    }

    fn problem(&self, path: String, message: String) -> (usize, Problem) {
        let problem = Problem {
            file: self.file.to_owned(),
            object: self.object.clone(),
            path,
            message,
        };
        (self.index, problem)
    }
}

#[derive(Default)]
struct Checker<'o> {
    cells: Vec<Read<'o, Cell>>,
    tiers: Vec<Tier>,
    providers: Vec<CloudProvider>,
    policies: Vec<Read<'o, Policy>>,
    taken: BTreeMap<(&'static str, String), &'o str>,
    /// Each with the index of its object.
    problems: Vec<(usize, Problem)>,
}

impl<'o> Checker<'o> {
    fn of(objects: &'o [Object]) -> Self {
        let mut checker = Self::default();
        for (index, object) in objects.iter().enumerate() {
            checker.object(index, object);
        }
        checker
    }

    fn in_order(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|(index, _)| *index);
        self.problems.into_iter().map(|(_, problem)| problem).collect()
    }

    fn object(&mut self, index: usize, Object { file, value }: &'o Object) {
        let mut found = Found::default();
        let root = Reader::new(Some(value), "", &mut found);
        let object = label(value);
        let version = root.one_of("apiVersion", &[API_VERSION], &mut found);
        let kind = root.one_of(
            "kind",
            &["Cell", "CloudProvider", "PlacementPolicy", "Tier"],
            &mut found,
        );
        // An object of neither our group nor our kinds is no mistyped one of ours: its fields are not judged.
        if version.is_some() || kind.is_some() {
            root.only(&["apiVersion", "kind", "metadata", "spec", "status"], &mut found);
            let metadata = Reader::new(root.get("metadata"), "metadata", &mut found);
            let name = metadata.text("name", Text::Label, &mut found);
            if let (Some(kind), Some(name)) = (kind, name.clone()) {
                match self.taken.entry((kind, name)) {
                    Entry::Vacant(free) => {
                        free.insert(file);
                    }
                    Entry::Occupied(first) => found.note(
                        "metadata.name".to_owned(),
                        format!("is taken already, by a {kind} in {}; rename one", first.get()),
                    ),
                }
            }
            let name = name.unwrap_or_default();
            let spec = Reader::new(root.get("spec"), "spec", &mut found);
            match kind {
                Some("Tier") => self.tiers.push(specs::tier(name, &spec, &mut found)),
                Some("CloudProvider") => self.providers.push(specs::provider(name, &spec, &mut found)),
                Some("PlacementPolicy") => {
                    let value = policy::policy(name, &spec, &mut found);
                    self.policies.push(Read::of(index, file, &object, &mut found, value));
                }
                Some(_) => {
                    let value = specs::cell(name, &spec, &mut found);
                    self.cells.push(Read::of(index, file, &object, &mut found, value));
                }
                None => {}
            }
        }
        self.problems.extend(found.problems.into_iter().map(|(path, message)| {
            let problem = Problem {
                file: file.clone(),
                object: object.clone(),
                path,
                message,
            };
            (index, problem)
        }));
    }

    /// What objects say of each other: providers named, network keys given, weighed dimensions scored.
    fn references(&mut self) {
        let mut providers = BTreeMap::new();
        for provider in self.providers.iter().filter(|provider| !provider.name.is_empty()) {
            providers.entry(provider.name.as_str()).or_insert(provider);
        }
        let mut weighed = BTreeMap::<&str, BTreeSet<&str>>::new();
        for tier in &self.tiers {
            for dimension in tier.weights.keys() {
                weighed.entry(dimension).or_default().insert(&tier.name);
            }
        }
        for cell in &self.cells {
            let mut problem = |path, message| self.problems.push(cell.problem(path, message));
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
                                problem(path, message);
                            }
                        }
                    }
                    None if !candidate.provider.is_empty() => problem(
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
                        let tiers = listed(tiers);
                        problem(
                            path,
                            format!("is missing; {noun} {tiers} {verb} it, so give a number from 0 to 1"),
                        );
                    }
                }
            }
        }
    }

    /// Names that policies match and no object has: such a policy would be about nothing, in silence.
    fn matched(&mut self) {
        let named = |name: &&str| !name.is_empty();
        let cells = self.cells.iter().map(|cell| cell.value.name.as_str());
        let cells: BTreeSet<_> = cells.filter(named).collect();
        let tiers: BTreeSet<_> = self.tiers.iter().map(|tier| tier.name.as_str()).filter(named).collect();
        let environments = self.cells.iter().flat_map(|cell| &cell.value.environments);
        let environments: BTreeSet<_> = environments.map(String::as_str).collect();
        let unread = |path: &String| path.starts_with("spec.environments");
        let unsure = self.cells.iter().any(|cell| cell.unread.iter().any(unread));
        for policy in &self.policies {
            for (field, names) in policy.value.matches.lists() {
                let (what, known) = match field {
                    "cells" => ("there is no Cell", &cells),
                    "tiers" => ("there is no Tier", &tiers),
                    "environments" if !unsure => ("no Cell has the environment", &environments),
                    _ => continue,
                };
                for name in names.iter().filter(|name| !known.contains(name.as_str())) {
                    let message = format!("{what} {name}; known: {}", listed(known));
                    self.problems
                        .push(policy.problem(format!("spec.match.{field}"), message));
                }
            }
        }
    }

    /// The snapshot of objects without problems.
    fn snapshot(self) -> Snapshot {
        fn by_name<T>(values: impl IntoIterator<Item = T>, name: fn(&T) -> &String) -> BTreeMap<String, T> {
            values.into_iter().map(|value| (name(&value).clone(), value)).collect()
        }
        let mut snapshot = Snapshot {
            revision: Revision(String::new()),
            cells: by_name(self.cells.into_iter().map(|cell| cell.value), |cell| &cell.name),
            tiers: by_name(self.tiers, |tier| &tier.name),
            providers: by_name(self.providers, |provider| &provider.name),
            policies: by_name(self.policies.into_iter().map(|policy| policy.value), |policy| {
                &policy.name
            }),
        };
        for cell in snapshot.cells.values_mut() {
            cell.candidates.sort_by(|a, b| a.name.cmp(&b.name));
            for candidate in &mut cell.candidates {
                let provider = snapshot.providers.get(&candidate.provider);
                candidate.provider_cordoned = provider.and_then(|provider| provider.cordoned.clone());
                candidate.region_cordoned = provider
                    .and_then(|provider| provider.regions.get(&candidate.region))
                    .and_then(|region| region.cordoned.clone());
            }
        }
        let content = Value::Array(snapshot.objects()).to_string();
        for byte in Sha256::digest(content) {
            let _ = write!(snapshot.revision.0, "{byte:02x}");
        }
        snapshot
    }
}

/// Kind and name of an object, as its author gave them.
fn label(object: &Value) -> String {
    let text = |value: Option<&Value>, none: &str| value.and_then(Value::as_str).map_or(none.to_owned(), shown);
    if !object.is_object() {
        return String::new();
    }
    let name = object.get("metadata").and_then(|metadata| metadata.get("name"));
    format!("{} {}", text(object.get("kind"), "(no kind)"), text(name, "(no name)"))
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
        let policies = self
            .policies()
            .map(|policy| object("PlacementPolicy", &policy.name, policy));
        providers.chain(tiers).chain(cells).chain(policies).collect()
    }
}

#[cfg(test)]
mod tests;
