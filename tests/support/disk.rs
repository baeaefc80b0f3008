//! A small disk that one process alone sees, and how it is filled.
#![allow(
    clippy::unwrap_used,
    reason = "a test helper: a failure is to fail the test that called it"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::missing::Missing;
use super::server::Server;

/// Why no disk can be mounted here.
pub fn missing() -> Option<Missing> {
    let may = Command::new("unshare")
        .args(["--mount", "true"])
        .stderr(Stdio::null())
        .status();
    let may = may.is_ok_and(|status| status.success());
    (!may).then(|| Missing("no disk can be mounted here: that takes root and util-linux".to_owned()))
}

/// The program, with a disk of its own mounted over that folder.
pub fn with(folder: &Path, mebibytes: usize) -> Command {
    mounted(folder, &format!("-t tmpfs -o size={mebibytes}m tmpfs"))
}

/// The program, with what those arguments of `mount` name mounted over that folder for itself alone.
pub fn mounted(folder: &Path, what: &str) -> Command {
    let mut command = Command::new("unshare");
    let script = format!("mount {what} {} && exec \"$0\" \"$@\"", folder.display());
    command.args(["--mount", "sh", "-c", &script, env!("CARGO_BIN_EXE_idp-multicloud")]);
    command
}

/// Where others find a file of that disk.
pub fn seen(server: &Server, file: &Path) -> PathBuf {
    format!("/proc/{}/root{}", server.id(), file.display()).into()
}

/// Fills the disk of that server to the brim; gives what has to be deleted for room.
pub fn fill(server: &Server, folder: &Path, mebibytes: usize) -> PathBuf {
    let filler = seen(server, &folder.join("filler"));
    let _ = fs::write(&filler, vec![b'x'; mebibytes << 20]);
    filler
}
