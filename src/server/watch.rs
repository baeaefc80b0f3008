//! Looks at the certificate files and the catalog folder once a second, and puts what is good into force.
//!
//! Each has a thread of its own: files can hang, on a network volume for one, and then neither a request, nor the other
//! files, nor the end of the process waits for them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{io, thread};

use super::State;
use crate::catalog::folder::Folder;
use crate::catalog::{CatalogError, Snapshot};
use crate::certs::{Certificates, Polled};

const EVERY: Duration = Duration::from_secs(1);

/// Watches for as long as the server's state lives.
///
/// # Errors
/// A thread cannot be started.
pub(super) fn start(state: &Arc<State>, certificates: Arc<Certificates>, folder: Option<Folder>) -> io::Result<()> {
    each_second("certificate", Arc::downgrade(state), move |state| {
        let polled = certificates.poll();
        let status = certificates.status();
        state.metrics.certificate_is_refused(status.refusal.is_some());
        take_certificate(state, polled, status.leaf.is_some());
    })?;
    if let Some(mut folder) = folder {
        each_second("catalog", Arc::downgrade(state), move |state| {
            if let Some(outcome) = folder.poll() {
                take_catalog(state, outcome);
            }
        })?;
    }
    Ok(())
}

pub(super) fn each_second(
    name: &'static str,
    state: Weak<State>,
    mut look: impl FnMut(&State) + Send + 'static,
) -> io::Result<()> {
    let watch = move || {
        while let Some(state) = state.upgrade() {
            // What is looked at is compared and swapped whole, so a panic leaves nothing half done.
            if catch_unwind(AssertUnwindSafe(|| look(&state))).is_err() {
                state.metrics.panicked();
                tracing::error!("looking at the {name} panicked, which is a bug; what is in force stays");
            }
            drop(state);
            thread::sleep(EVERY);
        }
    };
    thread::Builder::new().name(name.to_owned()).spawn(watch).map(drop)
}

fn take_certificate(state: &State, polled: Polled, serves: bool) {
    match polled {
        Polled::Unchanged => {}
        Polled::Swapped(validity) => {
            state.metrics.certificate(validity.not_after);
            tracing::info!(not_after = validity.not_after, "new serving certificate in force");
        }
        Polled::Refused(error) => {
            state.metrics.certificate_refused();
            if serves {
                tracing::warn!(%error, "new serving certificate refused; the last good one stays in force");
            } else {
                no_certificate(&error.to_string());
            }
        }
    }
}

fn no_certificate(error: &str) {
    tracing::error!(%error, "no certificate to serve with: handshakes fail until there is a good one, without a restart");
}

fn take_catalog(state: &State, outcome: Result<Snapshot, CatalogError>) {
    state.metrics.catalog_is_refused(outcome.is_err());
    match outcome {
        Ok(snapshot) => {
            state.catalog_refusal.store(None);
            let held = state.catalog.current();
            if held.is_some_and(|held| snapshot.revision() == held.snapshot().revision()) {
                return;
            }
            tracing::info!(revision = snapshot.revision().short(), "new catalog in force");
            state.catalog.replace(snapshot);
            state.announce_catalog();
        }
        Err(error) => {
            state.metrics.catalog_refused();
            let error = shortened(error.to_string());
            tracing::warn!(%error, "catalog change refused; the last good catalog stays in force");
            state.catalog_refusal.store(Some(Arc::new(error)));
        }
    }
}

/// A text short enough for a log: ten thousand bad candidates have five megabytes of problems.
pub(super) fn shortened(text: String) -> String {
    const MOST: usize = 4096;
    match text.char_indices().nth(MOST).and_then(|(end, _)| text.get(..end)) {
        None => text,
        Some(beginning) => format!("{beginning}…\n  (`idp-multicloud catalog check DIR` tells the rest)"),
    }
}

impl State {
    /// Says which certificate is served at the start, or why there is none.
    pub fn announce_certificate(&self, certificates: &Certificates) {
        let status = certificates.status();
        if let Some(leaf) = status.leaf {
            self.metrics.certificate(leaf.validity.not_after);
        }
        if let Some(refusal) = status.refusal {
            self.metrics.certificate_is_refused(true);
            self.metrics.certificate_refused();
            no_certificate(&refusal);
        }
    }

    /// Tells the metrics which catalog is in force.
    pub fn announce_catalog(&self) {
        if let Some(held) = self.catalog.current() {
            self.metrics.catalog(held.snapshot().revision().short(), held.since());
            for policy in held.snapshot().policies() {
                self.metrics.expect_policy(&policy.name);
            }
        }
    }
}
