//! Follows the catalog in a cluster, and puts what is good of it into force.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use tokio::sync::mpsc::Receiver;

use super::State;
use crate::catalog::cluster::News;
use crate::catalog::{Isolated, KINDS, Object, Snapshot, Verdict, isolate};

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
                followed.has(objects);
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
            let of_it = of_it.filter(|(object, _)| object.is(kind));
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
