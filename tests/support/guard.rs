//! What ends a process that a test started, if the test run is ended before it could do so.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper: a failure is to fail the test that called it"
)]

use std::process::{Child, Command, Stdio};

/// A shell that waits for us to end, be it by `kill -9`: its standard input closes, and it kills the process.
/// Dropped before the process is waited for, so that the id is not another one's by then.
pub struct Guard(Child);

impl Guard {
    /// Watches over a child of ours.
    pub fn over(id: u32) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' INT; cat; kill -KILL \"$1\"", "guard", &id.to_string()]);
        // Open pipes of ours would be kept open by it.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
