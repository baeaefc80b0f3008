//! Follows the catalog in a cluster, and puts what is good of it into force.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::mpsc::Receiver;
use tokio::task::spawn_blocking;

use super::State;
use crate::catalog::cluster::News;
use crate::catalog::followed::Followed;
use crate::catalog::live::Held;
use crate::catalog::{Isolated, KINDS, Object, Verdict, isolate};

/// How long to wait after a panic. It is likely to come again.
const PAUSE: Duration = Duration::from_secs(1);

/// Follows for as long as the server's state lives. `start` gives the news from the beginning, and is called again where
/// they end or a panic has lost some.
pub(super) async fn run(state: Weak<State>, start: impl Fn() -> Receiver<News>) {
    let mut told = BTreeSet::new();
    loop {
        let round = async { take(&state, start(), &mut told).await };
        let _ = AssertUnwindSafe(round).catch_unwind().await;
        let Some(state) = state.upgrade() else { return };
        // News end by a panic alone.
        state.metrics.panicked();
        tracing::error!("following the catalog panicked, which is a bug; what is in force stays, and it is begun anew");
        if let Some(followed) = &state.followed {
            followed.is_away("following the catalog panicked, which is a bug; the log says more".to_owned());
        }
        drop(state);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Takes news until they end.
async fn take(state: &Weak<State>, mut news: Receiver<News>, told: &mut BTreeSet<String>) {
    while let Some(news) = news.recv().await {
        let Some(state) = state.upgrade() else { return };
        let Some(followed) = &state.followed else { return };
        match news {
            News::Away(why) => {
                tracing::warn!(%why, "the catalog cannot be followed; what is in force stays");
                followed.is_away(why);
            }
            News::Objects(objects) => {
                let objects = Arc::new(objects);
                if let Some(isolated) = state.isolated(&objects).await {
                    state.take_followed(isolated, &objects, told);
                }
                if followed.away().is_some() {
                    tracing::info!(objects = objects.len(), "the catalog is followed");
                }
                let before = followed.objects();
                followed.has(objects);
                // Letting go of a large one takes a while, too.
                spawn_blocking(move || drop(before));
            }
        }
    }
}

impl State {
    /// What is good of them; none where nothing has changed that counts. A large catalog takes a while, and no review is to
    /// wait for it.
    async fn isolated(&self, objects: &Arc<Vec<Object>>) -> Option<Isolated> {
        let before = self.followed.as_ref().and_then(Followed::objects);
        let (held, objects) = (self.catalog.current(), Arc::clone(objects));
        let checked = spawn_blocking(move || {
            if before.is_some_and(|before| before.iter().map(content).eq(objects.iter().map(content))) {
                return None;
            }
            let mut isolated = isolate(objects.iter());
            if let Some(held) = held {
                isolated.snapshot = isolated.snapshot.sharing_with(held.snapshot());
            }
            Some(isolated)
        });
        match checked.await {
            Ok(isolated) => isolated,
            Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }

    fn take_followed(&self, isolated: Isolated, objects: &[Object], told: &mut BTreeSet<String>) {
        for kind in KINDS {
            let refused = isolated.refused(objects, kind);
            self.metrics.catalog_objects_refused(kind, refused);
        }
        let Isolated { snapshot, verdicts } = isolated;
        let refused = || verdicts.iter().filter(|verdict| !verdict.is_accepted());
        let before = self.catalog.current();
        let is_new = before.as_deref().map(revision) != Some(snapshot.revision().as_str());
        if is_new {
            tracing::info!(
                revision = snapshot.revision().short(),
                cells = snapshot.cells().len(),
                tiers = snapshot.tiers().len(),
                providers = snapshot.providers().len(),
                policies = snapshot.policies().len(),
                not_accepted = refused().count(),
                "new catalog in force"
            );
        }
        // One of the same revision may say otherwise why something is not accepted.
        self.catalog.replace(snapshot);
        if is_new {
            self.announce_catalog();
        }
        let refusals: BTreeSet<String> = refused().filter_map(in_one_line).collect();
        for refusal in refusals.difference(told) {
            tracing::warn!("a catalog object is not accepted: {refusal}");
        }
        if refusals.is_empty() && !told.is_empty() {
            tracing::info!(objects = objects.len(), "every catalog object is accepted");
        }
        *told = refusals;
    }
}

fn revision(held: &Held) -> &str {
    held.snapshot().revision().as_str()
}

/// What is judged of an object: not its status, nor what the API server notes of it.
fn content(object: &Object) -> impl PartialEq {
    let fields = object.value.as_object();
    let content = fields.map(|fields| {
        let judged = fields
            .iter()
            .filter(|(field, _)| !matches!(field.as_str(), "metadata" | "status"));
        judged.collect::<Vec<_>>()
    });
    (content, object.value.pointer("/metadata/name"))
}

/// The first problem, and how many more there are.
fn in_one_line(verdict: &Verdict) -> Option<String> {
    let (first, more) = verdict.problems().split_first()?;
    let first = super::watch::shortened(first.to_string());
    Some(match more.len() {
        0 => first,
        more => format!("{first}, and {more} more"),
    })
}

#[cfg(test)]
mod tests;
