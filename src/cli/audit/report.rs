//! What an audit found, counted and shown. Nothing is judged here.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Serialize;

use crate::admission::audit::{Audited, Class, Finding};
use crate::catalog::Revision;
use crate::claim::Shown;
use crate::cli::output::{harmless, table};

/// The most claims that a table for people lists.
const MOST_ROWS: usize = 1000;

/// The most notes about what is no claim.
const MOST_NOTES: usize = 10;

/// Findings and counts; the claims themselves are not kept.
#[derive(Debug, Default)]
pub(super) struct Report {
    all: bool,
    claims: Vec<Audited>,
    groups: BTreeMap<[String; 3], Counts>,
    total: Counts,
    notes: Vec<String>,
    skipped: usize,
}

/// How many claims there are, and how many of them have a finding of each class; one may have several.
#[derive(Clone, Debug, Default, Serialize)]
struct Counts {
    claims: u64,
    /// Those without a finding.
    ok: u64,
    failing: u64,
    tampered: u64,
    unplaced: u64,
    gone: u64,
    closed: u64,
    elsewhere: u64,
}

/// The counts of one cell, tier and provider.
#[derive(Serialize)]
struct Group<'r> {
    cell: &'r str,
    tier: &'r str,
    provider: &'r str,
    #[serde(flatten)]
    counts: &'r Counts,
}

/// The report for programs.
#[derive(Serialize)]
pub(super) struct Document<'r> {
    claims: &'r [Audited],
    summary: Summary<'r>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary<'r> {
    catalog_revision: &'r str,
    total: &'r Counts,
    groups: Vec<Group<'r>>,
}

impl Counts {
    fn add(&mut self, classes: &[Class]) {
        self.claims += 1;
        self.ok += u64::from(classes.is_empty());
        for class in classes {
            *match class {
                Class::Failing => &mut self.failing,
                Class::Tampered => &mut self.tampered,
                Class::Unplaced => &mut self.unplaced,
                Class::Gone => &mut self.gone,
                Class::Closed => &mut self.closed,
                Class::Elsewhere => &mut self.elsewhere,
            } += 1;
        }
    }

    fn numbers(&self) -> [u64; 8] {
        let Self {
            claims,
            ok,
            failing,
            tampered,
            unplaced,
            gone,
            closed,
            elsewhere,
        } = *self;
        [claims, ok, failing, tampered, unplaced, gone, closed, elsewhere]
    }
}

impl Report {
    pub(super) fn new(all: bool) -> Self {
        Self { all, ..Self::default() }
    }

    pub(super) fn add(&mut self, audited: Audited) {
        let mut classes: Vec<Class> = audited.findings.iter().map(Finding::class).collect();
        classes.sort();
        classes.dedup();
        let group = [&audited.cell, &audited.tier, &audited.provider].map(|text| text.clone().unwrap_or_default());
        self.groups.entry(group).or_default().add(&classes);
        self.total.add(&classes);
        if self.all || !classes.is_empty() {
            self.claims.push(audited);
        }
    }

    pub(super) fn skip(&mut self, words: &str) {
        self.skipped += 1;
        if self.skipped <= MOST_NOTES {
            self.notes.push(format!("note: skipped {words}"));
        }
    }

    /// Whether every claim passes its gates and is where its reason says.
    pub(super) fn is_good(&self) -> bool {
        self.total.failing + self.total.tampered == 0
    }

    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        if self.skipped > MOST_NOTES {
            notes.push(format!(
                "note: and {} more that are no claims",
                self.skipped - MOST_NOTES
            ));
        }
        notes
    }

    /// The worst first, then by namespace and name.
    pub(super) fn sorted(mut self) -> Self {
        fn key(audited: &Audited) -> (bool, Option<Class>, &Option<String>, &Option<String>) {
            let worst = audited.findings.iter().map(Finding::class).min();
            (worst.is_none(), worst, &audited.namespace, &audited.name)
        }
        self.claims.sort_by(|a, b| key(a).cmp(&key(b)));
        self
    }

    pub(super) fn document<'r>(&'r self, revision: &'r Revision) -> Document<'r> {
        let groups = self.groups.iter().map(|([cell, tier, provider], counts)| Group {
            cell,
            tier,
            provider,
            counts,
        });
        Document {
            claims: &self.claims,
            summary: Summary {
                catalog_revision: revision.as_str(),
                total: &self.total,
                groups: groups.collect(),
            },
        }
    }

    pub(super) fn text(&self, revision: &Revision) -> String {
        let mut text = String::new();
        if !self.claims.is_empty() {
            text.push_str(&table(
                ["CLAIM", "CELL", "TIER", "ON", "FINDINGS"],
                self.claims.iter().take(MOST_ROWS).map(row),
            ));
            if let Some(more) = self.claims.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
                let _ = writeln!(text, "and {more} more; -o json lists them all");
            }
            text.push('\n');
        }
        let header = "CELL TIER PROVIDER CLAIMS OK FAILING TAMPERED UNPLACED GONE CLOSED ELSEWHERE";
        let groups = self.groups.iter().map(|(names, counts)| {
            let names = names.iter().map(|name| shown(Some(name)));
            names.chain(counts.numbers().map(|n| n.to_string())).collect::<Vec<_>>()
        });
        let mut total = vec!["total".to_owned(), String::new(), String::new()];
        total.extend(self.total.numbers().map(|n| n.to_string()));
        text.push_str(&table(
            header.split(' ').collect::<Vec<_>>(),
            groups.chain(std::iter::once(total)),
        ));
        let _ = writeln!(text, "\ncatalog {}", revision.short());
        harmless(&text)
    }
}

fn row(audited: &Audited) -> [String; 5] {
    let name = shown(audited.name.as_deref());
    let title = match &audited.namespace {
        Some(namespace) => format!("{}/{name}", Shown(namespace)),
        None => name,
    };
    let on = match (&audited.candidate, &audited.provider, &audited.region) {
        (Some(candidate), ..) => candidate.clone(),
        (None, Some(provider), Some(region)) => format!("{} {}", Shown(provider), Shown(region)),
        _ => "-".to_owned(),
    };
    let findings: Vec<String> = audited.findings.iter().map(ToString::to_string).collect();
    let findings = if findings.is_empty() {
        "ok".to_owned()
    } else {
        findings.join("; ")
    };
    [
        title,
        shown(audited.cell.as_deref()),
        shown(audited.tier.as_deref()),
        on,
        findings,
    ]
}

/// A name, or a dash where there is none.
fn shown(name: Option<&str>) -> String {
    match name {
        Some(name) if !name.is_empty() => Shown(name).to_string(),
        _ => "-".to_owned(),
    }
}
