//! The checked catalog, as a decision reads it. Only [`check`](mod@super::check) makes one.
//!
//! Everything is sorted by name, so nothing downstream depends on the order somebody wrote things in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::fraction::Fraction;
use super::policy::{Match, Policy, Subject};

/// One catalog, whole and consistent; swapped as a whole, never edited.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) revision: Revision,
    pub(super) cells: BTreeMap<String, Arc<Cell>>,
    pub(super) tiers: BTreeMap<String, Tier>,
    pub(super) providers: BTreeMap<String, CloudProvider>,
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) not_accepted: NotAccepted,
}

/// What was set aside when a snapshot was made of objects one by one: known by name, so that a claim which needs it can
/// be refused in the right words. Empty for a catalog that was checked as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NotAccepted {
    /// Why, by the name of the cell.
    pub cells: BTreeMap<String, String>,
    /// Why, by the name of the tier in lower case.
    pub tiers: BTreeMap<String, String>,
    /// Cells in force that do not score what a tier weighs: why, by the name of the cell and then of the tier.
    pub unscored: BTreeMap<String, BTreeMap<String, String>>,
    /// The enforced policies, by name.
    pub policies: Vec<RefusedPolicy>,
}

/// An enforced policy that is not accepted. It is never skipped: no new claim that it may be about is placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedPolicy {
    /// Its name.
    pub name: String,
    /// Which claims it is about; all, where that cannot be told.
    pub matches: Match,
    /// What is wrong with it.
    pub why: String,
}

impl Snapshot {
    /// The hash of this catalog's content.
    #[must_use]
    pub fn revision(&self) -> &Revision {
        &self.revision
    }

    /// The cell of that name.
    #[must_use]
    pub fn cell(&self, name: &str) -> Option<&Cell> {
        self.cells.get(name).map(AsRef::as_ref)
    }

    /// The tier of that name, compared without case.
    #[must_use]
    pub fn tier(&self, name: &str) -> Option<&Tier> {
        // Tier names are held in lower case, and none is longer than this.
        let mut lower = [0; 63];
        let lower = lower.get_mut(..name.len())?;
        lower.copy_from_slice(name.as_bytes());
        lower.make_ascii_lowercase();
        self.tiers.get(std::str::from_utf8(lower).ok()?)
    }

    /// Every cell, by name.
    #[must_use]
    pub fn cells(&self) -> impl ExactSizeIterator<Item = &Cell> {
        self.cells.values().map(AsRef::as_ref)
    }

    /// Every tier, by name.
    #[must_use]
    pub fn tiers(&self) -> impl ExactSizeIterator<Item = &Tier> {
        self.tiers.values()
    }

    /// Every cloud, by name.
    #[must_use]
    pub fn providers(&self) -> impl ExactSizeIterator<Item = &CloudProvider> {
        self.providers.values()
    }

    /// Every policy, by name.
    #[must_use]
    pub fn policies(&self) -> impl ExactSizeIterator<Item = &Policy> {
        self.policies.values()
    }

    /// The policies that may have something to say of such a claim, by name.
    #[must_use]
    pub fn policies_on(&self, subject: &Subject<'_>) -> Vec<&Policy> {
        let silent = |policy: &&Policy| !policy.matches.has(subject) || policy.holds_anywhere(subject);
        self.policies().filter(|policy| !silent(policy)).collect()
    }

    /// What is there and not in force.
    #[must_use]
    pub fn not_accepted(&self) -> &NotAccepted {
        &self.not_accepted
    }

    /// The same catalog, holding cells that `other` has just so in common with it: a thousand cells of which one changes
    /// every second are not to be held six hundred times.
    #[must_use]
    pub fn sharing_with(mut self, other: &Self) -> Self {
        for (name, cell) in &mut self.cells {
            if let Some(same) = other.cells.get(name).filter(|same| *same == cell) {
                *cell = Arc::clone(same);
            }
        }
        self
    }
}

/// The SHA-256 of a catalog's content in lower-case hexadecimal: same content, same revision, on every replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision(pub(super) String);

impl Revision {
    /// The whole hash, 64 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A service level that claims ask for by name.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tier {
    /// Name in lower case; [`Tier::shown`] is what people read.
    #[serde(skip)]
    pub name: String,
    /// Recovery time objective, in minutes.
    pub rto_minutes: u32,
    /// Recovery point objective, in minutes.
    pub rpo_minutes: u32,
    /// Capabilities a candidate must have.
    pub requires: BTreeSet<String>,
    /// How much each score dimension counts; adds up to exactly 1.
    pub weights: BTreeMap<String, Fraction>,
}

impl Tier {
    /// The name in capitals, as claims, reasons and messages show it.
    #[must_use]
    pub fn shown(&self) -> String {
        self.name.to_ascii_uppercase()
    }
}

/// A group of applications and the places where its databases may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// Name, as claims give it.
    #[serde(skip)]
    pub name: String,
    /// Environments that claims of this cell may name.
    pub environments: BTreeSet<String>,
    /// Where a database of this cell may run, by name; never empty.
    pub candidates: Vec<Candidate>,
}

/// One place where a database may run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Unique within its cell; ties between equal scores break by it.
    pub name: String,
    /// The cloud, which is a [`CloudProvider`] of the catalog.
    pub provider: String,
    /// The cloud's region.
    pub region: String,
    /// The Kubernetes cluster next to which the database runs.
    pub runtime_cluster: String,
    /// What the cloud's composition needs to know of the network.
    pub network: BTreeMap<String, String>,
    /// What this place can do.
    pub capabilities: BTreeSet<String>,
    /// How good it is in each dimension; at least those that some tier weighs.
    pub scores: BTreeMap<String, Fraction>,
    /// Closed for new claims by its own entry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<Cordon>,
    /// Closed through its cloud, copied from the [`CloudProvider`].
    #[serde(skip)]
    pub provider_cordoned: Option<Cordon>,
    /// Closed through its region, copied from the [`CloudProvider`].
    #[serde(skip)]
    pub region_cordoned: Option<Cordon>,
}

impl Candidate {
    /// Provider, region and runtime cluster, by which a claim is known to be here, whatever the candidate is called.
    #[must_use]
    pub fn place(&self) -> [&str; 3] {
        [&self.provider, &self.region, &self.runtime_cluster]
    }
}

/// A cloud: what its compositions need, and what of it is closed.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudProvider {
    /// Name, as candidates give it.
    #[serde(skip)]
    pub name: String,
    /// Keys that the network map of each of its candidates must have.
    pub network_keys: BTreeSet<String>,
    /// Regions with something to say about them, by name; one not listed is open.
    #[serde(serialize_with = "as_list", skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, Region>,
    /// The whole cloud is closed for new claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<Cordon>,
}

/// One region of a cloud.
#[derive(Clone, Debug, Serialize)]
pub struct Region {
    /// The cloud's name for it.
    pub name: String,
    /// Closed for new claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cordoned: Option<Cordon>,
}

/// Closed for new claims; those that are there stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cordon {
    /// Why, in an operator's words.
    pub reason: String,
}

fn as_list<S: Serializer>(regions: &BTreeMap<String, Region>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(regions.values())
}
