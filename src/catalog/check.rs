//! Objects in, snapshot out, or every problem at once: each with file, object and field path.
//!
//! An object by itself is read in `specs`; here objects meet, in `references`. A folder is a catalog as a whole or not at
//! all; [`isolate`] takes what is good of objects that come one by one.

mod effects;
mod isolate;
mod references;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashSet};
use std::fmt::{self, Write};
use std::sync::Arc;

use hex_simd::AsciiCase;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::API_VERSION;
use super::policy::{self, Policy};
use super::reader::{Found, Reader, Text, shown};
use super::snapshot::{Cell, CloudProvider, NotAccepted, Revision, Snapshot, Tier};
use super::specs;

pub use effects::effects;
pub use isolate::{Isolated, Verdict, isolate};

/// The kinds of a catalog, in the order of their names.
pub const KINDS: [&str; 4] = ["Cell", "CloudProvider", "PlacementPolicy", "Tier"];

/// One object of a catalog, not yet checked, and the file it came from.
#[derive(Clone, Debug)]
pub struct Object {
    /// Name of the file, for messages.
    pub file: String,
    /// The object as read.
    pub value: Value,
}

impl Object {
    /// Whether it says that it is of this kind.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        self.value.get("kind").is_some_and(|found| found == kind)
    }
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

impl Problem {
    /// Field and message, for where it is plain which object is meant.
    #[must_use]
    pub fn in_object(&self) -> String {
        if self.path.is_empty() {
            self.message.clone()
        } else {
            format!("{}: {}", self.path, self.message)
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [&self.file, &self.object] {
            if !place.is_empty() {
                write!(f, "{place}: ")?;
            }
        }
        f.write_str(&self.in_object())
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
    checker.references(&[]);
    checker.matched(&checker.names());
    if checker.noted.is_empty() {
        Ok(checker.snapshot())
    } else {
        Err(CatalogError::Invalid(checker.in_order()))
    }
}

/// What is wrong with each of `objects` by itself. Of a catalog of which a part is not known, no more can be said: what one
/// object misses may be in the other part.
#[must_use]
pub fn problems_of_each(objects: &[Object]) -> Vec<Problem> {
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

    fn noted(&self, bearing: Bearing, path: String, message: String) -> Noted {
        let problem = Problem {
            file: self.file.to_owned(),
            object: self.object.clone(),
            path,
            message,
        };
        Noted {
            index: self.index,
            bearing,
            problem,
        }
    }
}

/// How far a problem of an object reaches, where objects are taken one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Bearing {
    /// The object itself is wrong.
    Own,
    /// It cannot be used for want of another.
    Unresolved,
    /// It can be used, but not with these tiers.
    Tiers(Vec<String>),
    /// It names what is not there, and can be used all the same.
    Absent,
}

/// A problem of one object.
struct Noted {
    /// Which object.
    index: usize,
    bearing: Bearing,
    problem: Problem,
}

#[derive(Default)]
struct Checker<'o> {
    cells: Vec<Read<'o, Cell>>,
    tiers: Vec<Read<'o, Tier>>,
    providers: Vec<Read<'o, CloudProvider>>,
    policies: Vec<Read<'o, Policy>>,
    taken: BTreeMap<(&'static str, String), &'o str>,
    noted: Vec<Noted>,
}

impl<'o> Checker<'o> {
    fn of(objects: impl IntoIterator<Item = &'o Object>) -> Self {
        let mut checker = Self::default();
        for (index, object) in objects.into_iter().enumerate() {
            checker.object(index, object);
        }
        checker
    }

    fn in_order(mut self) -> Vec<Problem> {
        self.noted.sort_by_key(|noted| noted.index);
        self.noted.into_iter().map(|noted| noted.problem).collect()
    }

    fn object(&mut self, index: usize, Object { file, value }: &'o Object) {
        let mut found = Found::default();
        let root = Reader::new(Some(value), "", &mut found);
        let object = label(value);
        let version = root.one_of("apiVersion", &[API_VERSION], &mut found);
        let kind = root.one_of("kind", &KINDS, &mut found);
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
                Some("Tier") => {
                    let value = specs::tier(name, &spec, &mut found);
                    self.tiers.push(Read::of(index, file, &object, &mut found, value));
                }
                Some("CloudProvider") => {
                    let value = specs::provider(name, &spec, &mut found);
                    self.providers.push(Read::of(index, file, &object, &mut found, value));
                }
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
        self.noted
            .extend(found.problems.into_iter().map(|(path, message)| Noted {
                index,
                bearing: Bearing::Own,
                problem: Problem {
                    file: file.clone(),
                    object: object.clone(),
                    path,
                    message,
                },
            }));
    }

    /// The snapshot of objects without problems.
    fn snapshot(self) -> Snapshot {
        fn by_name<T>(read: Vec<Read<'_, T>>, name: fn(&T) -> &String) -> BTreeMap<String, T> {
            let values = read.into_iter().map(|read| read.value);
            values.map(|value| (name(&value).clone(), value)).collect()
        }
        let providers = by_name(self.providers, |provider| &provider.name);
        let mut cells = by_name(self.cells, |cell| &cell.name);
        for cell in cells.values_mut() {
            cell.candidates.sort_by(|a, b| a.name.cmp(&b.name));
            for candidate in &mut cell.candidates {
                let provider = providers.get(&candidate.provider);
                candidate.provider_cordoned = provider.and_then(|provider| provider.cordoned.clone());
                candidate.region_cordoned = provider
                    .and_then(|provider| provider.regions.get(&candidate.region))
                    .and_then(|region| region.cordoned.clone());
            }
        }
        let mut snapshot = Snapshot {
            revision: Revision(String::new()),
            cells: cells.into_iter().map(|(name, cell)| (name, Arc::new(cell))).collect(),
            tiers: by_name(self.tiers, |tier| &tier.name),
            providers,
            policies: by_name(self.policies, |policy| &policy.name),
            not_accepted: NotAccepted::default(),
        };
        let content = Value::Array(snapshot.objects()).to_string();
        snapshot.revision = Revision(hex_simd::encode_to_string(Sha256::digest(content), AsciiCase::Lower));
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
