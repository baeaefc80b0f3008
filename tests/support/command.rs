//! The real binary, run on its own: what goes in, what comes out. No test's own words.

#![allow(dead_code, reason = "each test binary uses its own part of this")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "clippy takes only the functions marked #[test] for tests, not their helpers"
)]

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

pub const BIN: &str = env!("CARGO_BIN_EXE_idp-multicloud");

/// What a run of the binary said, and its exit status.
#[derive(Debug, PartialEq, Eq)]
pub struct Run {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// Runs the binary with `args`, separated by spaces, and `input` on its standard input.
pub fn run_with(args: &str, input: &[u8]) -> Run {
    let args: Vec<&str> = args.split_whitespace().collect();
    run_args(&args, input)
}

pub fn run_args(args: &[&str], input: &[u8]) -> Run {
    let mut child = Command::new(BIN)
        .args(args)
        .env_remove("IDP_CATALOG")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    // A child that does not read all of it closes the pipe, which is its right.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
    Run {
        status: output.status.code().expect("the binary ends by itself"),
        out: text(output.stdout),
        err: text(output.stderr),
    }
}

pub fn run(args: &str) -> Run {
    run_with(args, b"")
}

pub fn done(out: &str) -> Run {
    Run {
        status: 0,
        out: out.to_owned(),
        err: String::new(),
    }
}

pub fn claim(name: &str, tier: &str, ha: bool) -> Value {
    json!({
        "apiVersion": "db.platform.example.org/v1alpha1",
        "kind": "MySQLInstanceClaim",
        "metadata": { "name": name, "namespace": "payments" },
        "spec": { "parameters": {
            "cell": "payments", "tier": tier, "environment": "prod", "size": "medium", "storageGB": 50, "ha": ha,
        }},
    })
}

/// JSON documents as a YAML stream, with the controls escaped that YAML does not allow and JSON does.
pub fn stream(documents: &[Value]) -> Vec<u8> {
    let text: Vec<String> = documents.iter().map(Value::to_string).collect();
    let escaped = |c: char| match c {
        '\u{7f}'..='\u{9f}' => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    };
    text.join("\n---\n")
        .chars()
        .map(escaped)
        .collect::<String>()
        .into_bytes()
}

pub fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

/// The built-in catalog in a folder, as `edit` changes its text.
pub fn catalog(edit: impl Fn(&str) -> String) -> TempDir {
    folder(&[("catalog.yaml", &edit(&run("catalog show -o yaml").out))])
}

pub fn path(dir: &TempDir) -> &str {
    dir.path().to_str().unwrap()
}

pub fn read_json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}
