//! What all cases of a test program share, started by the first one that needs it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{OnceLock, PoisonError, RwLock};

use libtest_mimic::{Completion, Failed};

use super::binaries::Absent;

/// A cluster for all cases, or why there is none.
pub struct Shared<T> {
    start: fn() -> Result<T, Absent>,
    started: OnceLock<Result<T, Absent>>,
    turn: RwLock<()>,
}

impl<T> Shared<T> {
    /// It is not started before a case runs.
    pub fn new(start: fn() -> Result<T, Absent>) -> Self {
        Self {
            start,
            started: OnceLock::new(),
            turn: RwLock::new(()),
        }
    }

    /// Runs a case, beside others or alone.
    pub fn run(&self, case: fn(&T), alone: bool) -> Result<Completion, Failed> {
        let shared = match self.started.get_or_init(|| self.start()) {
            Ok(shared) => shared,
            Err(absent) => return absent.verdict(),
        };
        if alone {
            let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            case(shared);
        } else {
            let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            case(shared);
        }
        Ok(Completion::Completed)
    }

    fn start(&self) -> Result<T, Absent> {
        let broken = |_| Absent::Broken("the platform did not start: its first case says why, above".to_owned());
        catch_unwind(AssertUnwindSafe(self.start)).unwrap_or_else(|panic| Err(broken(panic)))
    }
}
