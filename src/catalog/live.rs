//! The snapshot in force, and those it replaced within the last ten minutes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwap;

use super::snapshot::Snapshot;

/// How long a replaced snapshot can still be asked for: far longer than an API request lives.
const KEPT: Duration = Duration::from_mins(10);

/// The catalog of a running server. A request takes [`Live::current`] once and sees one catalog from beginning to end.
#[derive(Debug)]
pub struct Live(ArcSwap<Held>);

/// What a server held at one moment.
#[derive(Clone, Debug)]
pub struct Held {
    snapshot: Arc<Snapshot>,
    since: SystemTime,
    past: Vec<(Arc<Snapshot>, Instant)>,
}

impl Held {
    /// A server that has just started with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: Arc::new(snapshot),
            since: SystemTime::now(),
            past: Vec::new(),
        }
    }

    /// The snapshot in force.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// When it came into force.
    #[must_use]
    pub fn since(&self) -> SystemTime {
        self.since
    }

    /// The snapshot of that revision, if it is in force or was within the last ten minutes.
    #[must_use]
    pub fn revision(&self, revision: &str) -> Option<&Snapshot> {
        if self.snapshot.revision().as_str() == revision {
            return Some(&self.snapshot);
        }
        let held = self.past.iter().find(|(past, _)| past.revision().as_str() == revision);
        held.filter(|(_, replaced)| replaced.elapsed() < KEPT)
            .map(|(past, _)| past.as_ref())
    }

    /// The same with `snapshot` in force.
    fn replaced_by(&self, snapshot: Snapshot) -> Self {
        let mut past = self.past.clone();
        past.retain(|(old, replaced)| replaced.elapsed() < KEPT && old.revision() != snapshot.revision());
        if self.snapshot.revision() != snapshot.revision() {
            past.push((Arc::clone(&self.snapshot), Instant::now()));
        }
        Self {
            snapshot: Arc::new(snapshot),
            since: SystemTime::now(),
            past,
        }
    }
}

impl Live {
    /// A server that starts with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwap::from_pointee(Held::new(snapshot)))
    }

    /// What is held now.
    #[must_use]
    pub fn current(&self) -> arc_swap::Guard<Arc<Held>> {
        self.0.load()
    }

    /// Puts `snapshot` in force. Called by the one task that watches the catalog's source.
    pub fn replace(&self, snapshot: Snapshot) {
        let next = self.0.load().replaced_by(snapshot);
        self.0.store(Arc::new(next));
    }
}
