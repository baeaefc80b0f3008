//! The snapshot in force, and those it replaced within the last ten minutes.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use arc_swap::ArcSwapOption;

use super::snapshot::Snapshot;

/// How long a replaced snapshot can still be asked for: far longer than an API request lives.
const KEPT: Duration = Duration::from_mins(10);

/// The catalog of a running server; none while it is not known yet. A request takes [`Live::current`] once and sees one
/// catalog from beginning to end.
#[derive(Debug, Default)]
pub struct Live(ArcSwapOption<Held>);

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
        Self::first(Arc::new(snapshot))
    }

    fn first(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
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
        self.revision_at(revision, Instant::now())
    }

    fn revision_at(&self, revision: &str, now: Instant) -> Option<&Snapshot> {
        let past = self.past.iter().filter(|(_, replaced)| kept(*replaced, now));
        std::iter::once(&self.snapshot)
            .chain(past.map(|(past, _)| past))
            .find(|held| held.revision().as_str() == revision)
            .map(AsRef::as_ref)
    }

    /// The same with `snapshot` in force. One of the same revision is the same catalog: what it decides does not change,
    /// only what it refuses.
    fn replaced_by(&self, snapshot: &Arc<Snapshot>, now: Instant) -> Self {
        let mut next = self.clone();
        if self.snapshot.revision() == snapshot.revision() {
            next.snapshot = Arc::clone(snapshot);
            return next;
        }
        next.past
            .retain(|(old, replaced)| kept(*replaced, now) && old.revision() != snapshot.revision());
        next.past.push((Arc::clone(&self.snapshot), now));
        next.snapshot = Arc::clone(snapshot);
        next.since = SystemTime::now();
        next
    }
}

fn kept(replaced: Instant, now: Instant) -> bool {
    now.saturating_duration_since(replaced) < KEPT
}

impl Live {
    /// A server that starts with `snapshot`.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        Self(ArcSwapOption::from_pointee(Held::new(snapshot)))
    }

    /// What is held now.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Held>> {
        self.0.load_full()
    }

    /// Puts `snapshot` in force.
    pub fn replace(&self, snapshot: Snapshot) {
        let (snapshot, now) = (Arc::new(snapshot), Instant::now());
        self.0.rcu(|held| {
            let next = match held {
                Some(held) => held.replaced_by(&snapshot, now),
                None => Held::first(Arc::clone(&snapshot)),
            };
            Some(Arc::new(next))
        });
    }
}

#[cfg(test)]
mod tests;
