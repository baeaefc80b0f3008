//! Follows the catalog in a cluster, and puts what is good of it into force.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use tokio::sync::mpsc::Receiver;

use super::State;
use crate::catalog::cluster::News;
use crate::catalog::{Isolated, KINDS, Object, Snapshot, Verdict, isolate};

/// What a server knows of the cluster that it follows.
#[derive(Debug, Default)]
pub struct Followed {
    objects: ArcSwapOption<Vec<Object>>,
    away: ArcSwapOption<Away>,
}

/// The cluster does not say what it has.
#[derive(Debug)]
struct Away {
    since: Instant,
    why: String,
}

impl Followed {
    /// One that has not been told anything.
    #[must_use]
    pub fn new() -> Self {
        let followed = Self::default();
        followed.is_away("the cluster has not been read yet".to_owned());
        followed
    }

    /// Every object of the catalog, good or bad, as last told.
    #[must_use]
    pub fn objects(&self) -> Option<Arc<Vec<Object>>> {
        self.objects.load_full()
    }

    /// Why the cluster does not say what it has, while that is so.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        self.away.load().as_ref().map(|away| away.why.clone())
    }

    /// For how many seconds nobody has known whether the catalog is still what the cluster has.
    #[must_use]
    pub fn age(&self) -> f64 {
        let away = self.away.load();
        away.as_ref().map_or(0.0, |away| away.since.elapsed().as_secs_f64())
    }

    fn is_away(&self, why: String) {
        let since = self.away.load().as_ref().map_or_else(Instant::now, |away| away.since);
        self.away.store(Some(Arc::new(Away { since, why })));
    }
}

/// Follows for as long as the server's state lives.
pub(super) async fn run(state: Weak<State>, mut news: Receiver<News>) {
    let mut told = BTreeSet::new();
    while let Some(news) = news.recv().await {
        let Some(state) = state.upgrade() else { return };
        let Some(followed) = &state.followed else { return };
        match news {
            News::Away(why) => {
                if followed.away().as_ref() != Some(&why) {
                    tracing::warn!(%why, "the catalog cannot be followed; what is in force stays");
                }
                followed.is_away(why);
            }
            News::Objects(objects) => {
                let objects = Arc::new(objects);
                let checked = Arc::clone(&objects);
                // A large catalog takes a while, and no review is to wait for it.
                let Ok(isolated) = tokio::task::spawn_blocking(move || isolate(&checked)).await else {
                    state.metrics.panicked();
                    tracing::error!("checking the catalog panicked, which is a bug; what is in force stays");
                    continue;
                };
                if followed.away().is_some() {
                    tracing::info!(objects = objects.len(), "the catalog is followed");
                }
                told = warned(&objects, &isolated.verdicts, &told);
                state.take_followed(isolated, &objects);
                followed.objects.store(Some(objects));
                followed.away.store(None);
            }
        }
    }
}

/// Says what is not accepted, unless it was said before. Gives all that is to be said.
fn warned(objects: &[Object], verdicts: &[Verdict], before: &BTreeSet<String>) -> BTreeSet<String> {
    let bad = verdicts.iter().filter(|verdict| !verdict.is_accepted());
    let told = bad.flat_map(Verdict::problems).map(ToString::to_string);
    let told: BTreeSet<String> = told.collect();
    for problem in told.difference(before) {
        tracing::warn!(problem = %super::watch::shortened(problem.clone()), "a catalog object is not accepted");
    }
    if told.is_empty() && !before.is_empty() {
        tracing::info!(objects = objects.len(), "every catalog object is accepted");
    }
    told
}

impl State {
    fn take_followed(&self, isolated: Isolated, objects: &[Object]) {
        let refused = |kind: &str| {
            let of_it = objects.iter().zip(&isolated.verdicts);
            let of_it = of_it.filter(|(object, _)| object.value.get("kind").is_some_and(|found| found == kind));
            of_it.filter(|(_, verdict)| !verdict.is_accepted()).count()
        };
        for kind in KINDS {
            self.metrics.catalog_objects_refused(kind, refused(kind));
        }
        let before = self.catalog.current();
        let snapshot = match &before {
            Some(held) => isolated.snapshot.sharing_with(held.snapshot()),
            None => isolated.snapshot,
        };
        let revision = |snapshot: &Snapshot| snapshot.revision().short().to_owned();
        let (old, new) = (before.map(|held| revision(held.snapshot())), revision(&snapshot));
        self.catalog.replace(snapshot);
        if old.as_ref() != Some(&new) {
            tracing::info!(revision = new, "new catalog in force");
            self.announce_catalog();
        }
    }
}
