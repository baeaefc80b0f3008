//! Looks at the certificate files and the catalog folder once a second, and puts what is good into force.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use super::State;
use crate::catalog::folder::Folder;
use crate::catalog::{CatalogError, Snapshot};
use crate::certs::{Certificates, Polled};

const EVERY: Duration = Duration::from_secs(1);

/// Runs for as long as the server does.
pub(super) async fn watch(state: Arc<State>, certificates: Arc<Certificates>, mut folder: Option<Folder>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // Files are read where waiting for a disk holds no request up.
        let polling = Arc::clone(&certificates);
        let mut looked_at = folder.clone();
        let polled = tokio::task::spawn_blocking(move || {
            let catalog = looked_at.as_mut().and_then(Folder::poll);
            (polling.poll(), catalog, looked_at)
        });
        match polled.await {
            Ok((certificate, catalog, looked_at)) => {
                folder = looked_at;
                take_certificate(&state, certificate);
                if let Some(outcome) = catalog {
                    take_catalog(&state, outcome);
                }
            }
            Err(error) => {
                state.metrics.panicked();
                tracing::error!(%error, "watching the files panicked, which is a bug; it goes on");
            }
        }
    }
}

fn take_certificate(state: &State, polled: Polled) {
    match polled {
        Polled::Unchanged => {}
        Polled::Swapped(validity) => {
            state.metrics.certificate(validity.not_after);
            tracing::info!(not_after = validity.not_after, "new serving certificate in force");
        }
        Polled::Refused(error) => {
            state.metrics.certificate_refused();
            tracing::warn!(%error, "new serving certificate refused; the last good one stays in force");
        }
    }
}

fn take_catalog(state: &State, outcome: Result<Snapshot, CatalogError>) {
    match outcome {
        Ok(snapshot) => {
            state.catalog_refusal.store(None);
            if snapshot.revision() == state.catalog.current().snapshot().revision() {
                return;
            }
            tracing::info!(revision = snapshot.revision().short(), "new catalog in force");
            state.catalog.replace(snapshot);
            state.announce_catalog();
        }
        Err(error) => {
            state.metrics.catalog_refused();
            tracing::warn!(%error, "catalog change refused; the last good catalog stays in force");
            state.catalog_refusal.store(Some(Arc::new(error.to_string())));
        }
    }
}

impl State {
    /// Tells the metrics which catalog is in force.
    pub fn announce_catalog(&self) {
        let held = self.catalog.current();
        self.metrics.catalog(held.snapshot().revision().short(), held.since());
    }
}
