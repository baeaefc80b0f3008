//! A server that ends with the test run, however that ends.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::guard::Guarded;

/// Keeps a program's traffic on this machine.
pub fn without_proxy(command: &mut Command) {
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_lowercase());
    }
}

/// Has a program of Go's spend memory, of which there is plenty, rather than the processor on collecting it.
pub fn thrifty(command: &mut Command) {
    command.env("GOGC", "400");
}

/// A running program; killed when dropped, and also if the test run is.
pub struct Process {
    child: Guarded,
    log: PathBuf,
}

impl Process {
    /// Starts it, its output in a file.
    pub fn start(mut command: Command, log: &Path) -> Self {
        let file = File::create(log).unwrap();
        without_proxy(&mut command);
        thrifty(&mut command);
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        Self {
            child: Guarded::spawn(&mut command),
            log: log.to_owned(),
        }
    }

    /// Fails with the end of its log if it has ended.
    pub fn assert_running(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            panic!("ended with {status}:\n{}", self.log_end());
        }
    }

    /// Sends it a signal, such as `STOP`.
    pub fn signal(&self, name: &str) {
        self.child.signal(name);
    }

    /// Kills it.
    pub fn end(&mut self) {
        self.child.end();
    }

    /// How much processor time it has taken.
    pub fn cpu(&self) -> Duration {
        self.child.cpu()
    }

    /// The end of its log.
    pub fn log_end(&self) -> String {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}
