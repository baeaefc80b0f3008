//! What becomes of a case whose tool is not on this machine.
#![allow(dead_code, reason = "a test helper: not every test file uses all of it")]

use libtest_mimic::{Completion, Failed};

/// Why a case cannot be run here.
#[derive(Debug)]
pub struct Missing(pub String);

impl Missing {
    /// It is skipped, except where everything has to be run.
    pub fn verdict(self) -> Result<Completion, Failed> {
        if std::env::var("CI").is_ok_and(|ci| ci == "true") {
            return Err(self.0.into());
        }
        Ok(Completion::ignored_with(format!("skipped: {}", self.0)))
    }
}
