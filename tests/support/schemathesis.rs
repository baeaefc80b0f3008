//! Schemathesis: asks a server everything that its `OpenAPI` document allows, and much that it does not.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test helper: a failure is to fail the test that called it"
)]

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::{Completion, Failed};

use super::missing::Missing;
use super::rest::Rest;

const VERSION: &str = "4.32.5";

/// Fails unless it finds nothing. Skipped where there is no Python to install it with.
pub fn finds_nothing(rest: &Rest) -> Result<Completion, Failed> {
    let program = match installed() {
        Ok(program) => program,
        Err(why) => return Missing(why).verdict(),
    };
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/schemathesis.toml");
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(program);
    command.current_dir(dir.path()).args(["--config-file", config, "run"]);
    command.arg(format!("http://{}/openapi.json", rest.address));
    // Always the same requests, so that a failure comes again.
    command.args(["--seed", "1", "--generation-deterministic", "--max-examples", "30"]);
    command.args(["--workers", "1", "--no-color"]);
    if let Some(token) = &rest.token {
        command.arg("--header").arg(format!("Authorization: Bearer {token}"));
    }
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    // Every operation and every phase, and nothing set aside.
    assert!(said.contains("Operations:       7 selected / 7 total"), "{said}");
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(said.contains(&format!("✅ {phase}")), "{said}");
    }
    Ok(Completion::Completed)
}

/// The program: built once into `target/tools`.
fn installed() -> Result<PathBuf, String> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools");
    let home = tools.join(format!("schemathesis-{VERSION}"));
    let program = home.join("bin/schemathesis");
    std::fs::create_dir_all(&tools).unwrap();
    // Test programs may want it at the same time.
    let lock = File::create(tools.join("schemathesis.lock")).unwrap();
    lock.lock().unwrap();
    let done = home.join("installed");
    if done.exists() {
        return Ok(program);
    }
    let run = |program: &Path, args: &[&str]| {
        let output = Command::new(program).args(args).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
        let why = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
        output.status.success().then_some(()).ok_or_else(why)
    };
    let place = home.to_str().unwrap();
    run(Path::new("python3"), &["-m", "venv", "--clear", place])
        .map_err(|why| format!("Python 3 with venv is missing: {why}"))?;
    let package = format!("schemathesis=={VERSION}");
    run(
        &home.join("bin/python"),
        &[
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            &package,
        ],
    )
    .map_err(|why| format!("schemathesis cannot be installed: {why}"))?;
    File::create(done).unwrap();
    Ok(program)
}
