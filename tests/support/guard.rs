//! What ends a process that a test started, if the test run is ended before it could do so.
#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A shell that waits for us to end, be it by `kill -9`: its standard input closes, and it does what we can't any more.
/// A signal to all of our group passes it by.
pub struct Guard(Child);

impl Guard {
    /// Kills a child of ours. Dropped before the child is waited for, so that the id is not another one's by then.
    pub fn over(id: u32) -> Self {
        Self::start("kill -KILL \"$1\"", &id.to_string())
    }

    /// Removes a folder, once those who write to it are killed.
    pub fn over_folder(folder: &Path) -> Self {
        Self::start("sleep 1; rm -rf \"$1\"", folder.to_str().unwrap())
    }

    fn start(at_the_end: &str, what: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("trap '' HUP INT TERM; cat; {at_the_end}"), "guard", what]);
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
