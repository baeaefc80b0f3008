//! What ends a process that a test started, if the test run is ended before it could do so.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// A child of ours; killed when dropped, and also if the test run is.
pub struct Guarded {
    child: Child,
    guard: Option<Guard>,
}

impl Guarded {
    /// Starts it.
    pub fn spawn(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let guard = Some(Guard::start("kill -KILL \"$1\"", &child.id().to_string()));
        Self { child, guard }
    }

    /// Kills it and waits for it.
    pub fn end(&mut self) {
        // Before it is waited for, as its id may be another one's afterwards.
        self.guard = None;
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Sends it a signal, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// How much processor time it has taken, in steps of 10 ms.
    pub fn cpu(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // After the program's name, which may hold spaces: the 12th and the 13th field, for itself and for the kernel.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let ticks = fields
            .split(' ')
            .skip(11)
            .take(2)
            .map(|field| field.parse::<u64>().unwrap());
        Duration::from_millis(ticks.sum::<u64>() * 10)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.end();
    }
}

impl Deref for Guarded {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl DerefMut for Guarded {
    fn deref_mut(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// What a process has taken of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory, in KiB.
    pub resident: u64,
    /// What of it is no page of a file, in KiB: the kernel cannot take it back.
    pub anonymous: u64,
    /// The most that was resident so far, in KiB.
    pub peak: u64,
    /// Open file descriptors.
    pub descriptors: u64,
    pub threads: u64,
}

impl Usage {
    /// What a process has now; none if it has ended.
    pub fn of(process: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            resident: field("VmRSS:")?,
            anonymous: field("RssAnon:")?,
            peak: field("VmHWM:")?,
            descriptors: std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64,
            threads: field("Threads:")?,
        })
    }
}

/// A shell that waits for us to end, be it by `kill -9`: its standard input closes, and it does what we can't any more.
/// A signal to all of our group passes it by.
pub struct Guard(Child);

impl Guard {
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
