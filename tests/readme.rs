//! The README's commands, pasted: each is run as it stands there and has to print what stands below it.

#![allow(clippy::expect_used, clippy::panic, reason = "a test may end at the first surprise")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_idp-multicloud");

/// A command of the README and the output shown for it.
struct Shown {
    command: String,
    output: String,
}

/// The commands of every `console` block that shows output; the others are `cargo` itself.
fn shown() -> Vec<Shown> {
    let mut shown: Vec<Shown> = Vec::new();
    let mut in_console = false;
    for line in include_str!("../README.md").lines() {
        match (in_console, line) {
            (_, "```console") => in_console = true,
            (_, "```") => in_console = false,
            (true, line) => match (line.strip_prefix("$ "), shown.last_mut()) {
                (Some(command), _) => shown.push(Shown {
                    command: command.to_owned(),
                    output: String::new(),
                }),
                (None, Some(last)) => last.output.extend([line, "\n"]),
                (None, None) => panic!("output without a command: {line}"),
            },
            (false, _) => {}
        }
    }
    shown.retain(|shown| !shown.output.is_empty());
    shown
}

/// The server of the tour, on ports of its own; it ends with this.
struct Server {
    process: Child,
    admission: String,
    api: String,
    ops: String,
    _state: TempDir,
}

impl Server {
    fn start() -> Self {
        let state = tempfile::tempdir().expect("a folder");
        let mut process = Command::new(BINARY)
            .env("XDG_STATE_HOME", state.path())
            .args([
                "--admission-addr",
                "127.0.0.1:0",
                "--api-addr",
                "127.0.0.1:0",
                "--ops-addr",
                "127.0.0.1:0",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut address = |scheme: &str| {
            let line = lines.by_ref().map_while(Result::ok).find(|line| line.contains(scheme));
            let line = line.expect("an address is printed");
            let rest = line
                .split_once(scheme)
                .map(|(_, rest)| rest.split(' ').next().unwrap_or_default().to_owned());
            rest.expect("an address")
        };
        Self {
            admission: address("https://"),
            api: address("http://"),
            ops: address("http://"),
            process,
            _state: state,
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn the_commands_of_the_readme_work_as_pasted() {
    let curl = Command::new("curl").arg("--version").output();
    if curl.is_err() {
        assert!(
            std::env::var_os("CI").is_none(),
            "curl is missing, and with CI set that is a failure"
        );
        println!("skipped: curl is missing");
        return;
    }
    let server = Server::start();
    let shown = shown();
    assert!(shown.len() >= 5, "the README has lost its tour");
    for Shown { command, output } in shown {
        let here = command
            .replace("target/debug/idp-multicloud", BINARY)
            .replace("127.0.0.1:8443", &server.admission)
            .replace("127.0.0.1:8080", &server.api)
            .replace("127.0.0.1:8081", &server.ops);
        let ran = Command::new("sh")
            .args(["-c", &here])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("a shell");
        let printed = String::from_utf8_lossy(&ran.stdout);
        assert_eq!(printed, output, "$ {command}\n{}", String::from_utf8_lossy(&ran.stderr));
    }
}
