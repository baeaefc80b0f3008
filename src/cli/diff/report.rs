//! What two catalogs differ in, and what that does to new claims: counted, and shown. Nothing is decided here.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::catalog::check::plural;
use crate::catalog::diff::{Change, Difference};
use crate::catalog::{Candidate, Snapshot};
use crate::claim::Shown;
use crate::cli::output::{harmless, table};
use crate::placement::{Request, same_place};

/// How many examples each move has.
const MOST_EXAMPLES: usize = 3;

/// The comparison; what there is much of is counted.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    old_revision: String,
    new_revision: String,
    objects: Vec<Difference>,
    asked: Asked,
    requests: u64,
    moved: u64,
    unschedulable: u64,
    #[serde(serialize_with = "as_list")]
    groups: BTreeMap<Group, Counts>,
    #[serde(serialize_with = "as_list")]
    moves: BTreeMap<Way, Moved>,
}

/// Whose requests were tried.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum Asked {
    Grid,
    Claims,
}

/// Requests that are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Group {
    cell: String,
    tier: String,
    /// Null for those that fit nowhere.
    provider: Option<String>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Counts {
    before: u64,
    after: u64,
}

/// From which candidate to which; null for none.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Way {
    cell: String,
    tier: String,
    from: Option<String>,
    to: Option<String>,
}

#[derive(Debug, Default, Serialize)]
struct Moved {
    requests: u64,
    examples: Vec<Example>,
}

#[derive(Debug, Serialize)]
struct Example {
    #[serde(skip_serializing_if = "Option::is_none")]
    claim: Option<String>,
    request: Request<'static>,
}

/// A map as a list, each key and value as one object.
fn as_list<K: Serialize, V: Serialize, S: Serializer>(map: &BTreeMap<K, V>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Entry<'m, K, V> {
        #[serde(flatten)]
        key: &'m K,
        #[serde(flatten)]
        value: &'m V,
    }
    serializer.collect_seq(map.iter().map(|(key, value)| Entry { key, value }))
}

impl Report {
    pub(super) fn new(old: &Snapshot, new: &Snapshot, objects: Vec<Difference>, claims: bool) -> Self {
        Self {
            old_revision: old.revision().to_string(),
            new_revision: new.revision().to_string(),
            objects,
            asked: if claims { Asked::Claims } else { Asked::Grid },
            requests: 0,
            moved: 0,
            unschedulable: 0,
            groups: BTreeMap::new(),
            moves: BTreeMap::new(),
        }
    }

    /// Counts a request that lands there before and after.
    pub(super) fn add(
        &mut self,
        request: Request<'_>,
        before: Option<&Candidate>,
        after: Option<&Candidate>,
        title: Option<&str>,
    ) {
        let group = |candidate: Option<&Candidate>| Group {
            cell: request.cell.to_string(),
            tier: request.tier.to_string(),
            provider: candidate.map(|candidate| candidate.provider.clone()),
        };
        self.groups.entry(group(before)).or_default().before += 1;
        self.groups.entry(group(after)).or_default().after += 1;
        self.requests += 1;
        if same_place(before, after) {
            return;
        }
        self.moved += 1;
        self.unschedulable += u64::from(after.is_none());
        let name = |candidate: &Candidate| candidate.name.clone();
        let way = Way {
            cell: request.cell.to_string(),
            tier: request.tier.to_string(),
            from: before.map(name),
            to: after.map(name),
        };
        let moved = self.moves.entry(way).or_default();
        moved.requests += 1;
        if moved.examples.len() < MOST_EXAMPLES {
            moved.examples.push(Example {
                claim: title.map(str::to_owned),
                request: request.into_owned(),
            });
        }
    }

    /// How many requests fitted before and fit nowhere after.
    pub(super) fn unschedulable(&self) -> u64 {
        self.unschedulable
    }

    pub(super) fn text(&self) -> String {
        let mut text = self.objects();
        let asked = match self.asked {
            Asked::Grid => "every cell, tier, environment, size and ha",
            Asked::Claims => "as the claims ask",
        };
        let count = usize::try_from(self.requests).unwrap_or(usize::MAX);
        let _ = write!(text, "{} ({asked}): ", plural(count, "request"));
        let _ = match (self.moved, self.unschedulable) {
            (0, _) => writeln!(text, "all land where they did"),
            (moved, 0) => writeln!(text, "{moved} land elsewhere"),
            (moved, nowhere) => writeln!(text, "{moved} land elsewhere, {nowhere} of them nowhere"),
        };
        if self.moved > 0 {
            let _ = write!(text, "\n{}\n{}", self.groups(), self.moves());
        }
        harmless(&text)
    }

    fn objects(&self) -> String {
        if self.objects.is_empty() {
            return "the catalogs are the same\n\n".to_owned();
        }
        let rows = self.objects.iter().flat_map(|object| {
            let what = match object.change {
                Change::Added => "added",
                Change::Removed => "removed",
                Change::Changed => "changed",
            };
            let name = format!("{} {}", object.kind, object.name);
            let whole = [
                what.to_owned(),
                name.clone(),
                String::new(),
                String::new(),
                String::new(),
            ];
            let edits = object.edits.iter().map(move |edit| {
                let [before, after] = [&edit.before, &edit.after].map(|value| short(value.as_ref()));
                [what.to_owned(), name.clone(), edit.path.clone(), before, after]
            });
            let whole = object.edits.is_empty().then_some(whole);
            whole.into_iter().chain(edits).collect::<Vec<_>>()
        });
        table(["CHANGE", "OBJECT", "PATH", "BEFORE", "AFTER"], rows) + "\n"
    }

    /// The groups that are not as they were.
    fn groups(&self) -> String {
        let changed = self.groups.iter().filter(|(_, counts)| counts.before != counts.after);
        table(
            ["CELL", "TIER", "PROVIDER", "BEFORE", "AFTER"],
            changed.map(|(group, counts)| {
                [
                    group.cell.clone(),
                    group.tier.clone(),
                    nowhere(group.provider.as_ref()),
                    counts.before.to_string(),
                    counts.after.to_string(),
                ]
            }),
        )
    }

    fn moves(&self) -> String {
        table(
            ["CELL", "TIER", "FROM", "TO", "REQUESTS", "SUCH AS"],
            self.moves.iter().map(|(way, moved)| {
                let examples: Vec<String> = moved.examples.iter().map(Example::text).collect();
                [
                    way.cell.clone(),
                    way.tier.clone(),
                    nowhere(way.from.as_ref()),
                    nowhere(way.to.as_ref()),
                    moved.requests.to_string(),
                    examples.join("; "),
                ]
            }),
        )
    }
}

impl Example {
    fn text(&self) -> String {
        let Request {
            environment,
            size,
            storage_gb,
            ha,
            ..
        } = &self.request;
        match &self.claim {
            Some(claim) => claim.clone(),
            None => format!("{environment} {size} {storage_gb} GiB{}", if *ha { " ha" } else { "" }),
        }
    }
}

fn nowhere(name: Option<&String>) -> String {
    name.map_or_else(|| "(nowhere)".to_owned(), Clone::clone)
}

/// A value in a table's room.
fn short(value: Option<&Value>) -> String {
    const MOST: usize = 48;
    let text = match value {
        None => return "-".to_owned(),
        Some(Value::String(text)) => return Shown(text).to_string(),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", text.get(..cut).unwrap_or_default()),
        None => text,
    }
}
