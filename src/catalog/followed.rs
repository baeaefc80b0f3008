//! What a process that follows a cluster's catalog knows of it, for whoever asks.

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwapOption;

use super::check::Object;

/// What is known of the cluster whose catalog is followed.
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

    /// The cluster has just told these objects.
    pub fn has(&self, objects: Arc<Vec<Object>>) {
        self.objects.store(Some(objects));
        self.away.store(None);
    }

    /// The cluster does not say what it has, for this reason.
    pub fn is_away(&self, why: String) {
        let since = self.away.load().as_ref().map_or_else(Instant::now, |away| away.since);
        self.away.store(Some(Arc::new(Away { since, why })));
    }
}
