//! Looks at the cluster now and then, for what only metrics and the log tell. Nothing is written, and nothing else waits for one.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::pause;

/// Looks at one thing.
pub(super) struct Looks {
    /// What they are at.
    pub(super) at: &'static str,
    /// How long after one look the next begins.
    pub(super) every: Duration,
    /// How long one may take.
    pub(super) patience: Duration,
}

impl Looks {
    /// Looks for ever, and tells what each look found; nothing where one failed, of which the log has why, once.
    pub(super) async fn each<T>(&self, look: impl AsyncFn() -> Result<T, String>, mut found: impl FnMut(Option<T>)) {
        let Self { at, every, patience } = self;
        let (mut told, mut failures) = (None, 0);
        loop {
            let looked = timeout(*patience, look()).await;
            let wait = match looked.unwrap_or_else(|_| Err(format!("the cluster did not answer within {patience:?}"))) {
                Ok(seen) => {
                    found(Some(seen));
                    if told.take().is_some() {
                        tracing::info!("sees the {at} again");
                    }
                    failures = 0;
                    *every
                }
                Err(why) => {
                    found(None);
                    if told.as_ref() != Some(&why) {
                        tracing::warn!(%why, "cannot see the {at}; it is tried again");
                    }
                    told = Some(why);
                    failures += 1;
                    pause(failures - 1)
                }
            };
            sleep(wait).await;
        }
    }
}
