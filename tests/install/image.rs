//! The image's build, without a container engine: the steps of the Dockerfile run as a script in a copy of what it copies.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::Case;
use crate::installation::{Cluster, file};

pub const CASES: &[Case] = &[
    ("the_steps_of_its_build_work", built),
    ("it_is_not_root_and_says_what_it_is", described),
];

/// The instructions of the Dockerfile, each on one line.
fn instructions() -> Vec<(String, String)> {
    let text = fs::read_to_string(file("Dockerfile")).unwrap().replace("\\\n", " ");
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap();
            (word.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

fn built(_: &Cluster) {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("image");
    let context = tempfile::tempdir().unwrap();
    let ignored = fs::read_to_string(file(".dockerignore")).unwrap();
    let mut ran = 0;
    let instructions = instructions();
    let stage = instructions.iter().skip(1).take_while(|(word, _)| word != "FROM");
    for (word, rest) in stage {
        match word.as_str() {
            "COPY" => {
                let paths: Vec<&str> = rest.split(' ').collect();
                let (into, from) = paths.split_last().unwrap();
                for path in from {
                    assert!(
                        ignored.lines().any(|line| line == format!("!{path}")),
                        "{path} is not sent to the builder"
                    );
                    let copied = Command::new("cp")
                        .arg("-r")
                        .arg(file(path))
                        .arg(context.path().join(into))
                        .status();
                    assert!(copied.unwrap().success(), "{path}");
                }
            }
            "RUN" => {
                let path = std::env::var("PATH").unwrap();
                let mut step = Command::new("sh");
                step.args(["-ec", rest]).current_dir(context.path());
                step.env("PATH", format!("{}:{path}", target.join("tools/bin").display()));
                step.env("CARGO_INSTALL_ROOT", target.join("tools"));
                step.env("CARGO_TARGET_DIR", &target);
                step.env("RUSTUP_TOOLCHAIN", toolchain());
                // The steps are what is tried. The optimiser is tried by the benchmarks, and takes minutes.
                for (name, value) in [
                    ("LTO", "off"),
                    ("CODEGEN_UNITS", "16"),
                    ("OPT_LEVEL", "0"),
                    ("DEBUG", "0"),
                ] {
                    step.env(format!("CARGO_PROFILE_RELEASE_{name}"), value);
                }
                let output = step.output().unwrap();
                assert!(
                    output.status.success(),
                    "{rest}\n{}",
                    String::from_utf8_lossy(&output.stderr)
                );
                ran += 1;
            }
            "WORKDIR" => {}
            other => panic!("the build has a step that this test does not know: {other} {rest}"),
        }
    }
    assert_eq!(ran, 2);
    let binary = target.join("release/idp-multicloud");
    let said = Command::new(&binary).arg("--version").output().unwrap();
    let version = format!("idp-multicloud {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(String::from_utf8_lossy(&said.stdout), version);
    // The list of what went in.
    let bytes = fs::read(&binary).unwrap();
    assert!(
        bytes.windows(8).any(|window| window == b".dep-v0\0"),
        "there is no list of dependencies in it"
    );
    // Nothing that the last stage lacks.
    let needed = Command::new("ldd").arg(&binary).output().unwrap();
    for line in String::from_utf8_lossy(&needed.stdout).lines() {
        let library = line
            .trim()
            .split(['.', ' '])
            .next()
            .unwrap()
            .rsplit('/')
            .next()
            .unwrap();
        let there = [
            "linux-vdso",
            "libgcc_s",
            "libc",
            "libm",
            "libdl",
            "libpthread",
            "ld-linux-x86-64",
            "ld-linux-aarch64",
        ];
        assert!(there.contains(&library), "{line}");
    }
}

/// The one of the repository, as the first stage's image has it.
fn toolchain() -> String {
    let text = fs::read_to_string(file("rust-toolchain.toml")).unwrap();
    let channel = text.split("channel = \"").nth(1).unwrap().split('"').next().unwrap();
    channel.to_owned()
}

fn described(_: &Cluster) {
    let instructions = instructions();
    let of = |wanted: &str| {
        let found = instructions.iter().filter(|(word, _)| word == wanted);
        found.map(|(_, rest)| rest.clone()).collect::<Vec<_>>()
    };
    let stages = of("FROM");
    assert_eq!(stages[0], format!("rust:{}-bookworm AS build", toolchain()));
    assert!(
        stages[1].starts_with("gcr.io/distroless/") && stages[1].ends_with(":nonroot"),
        "{stages:?}"
    );
    // A number, so that runAsNonRoot can be checked.
    assert_eq!(of("USER"), ["65532:65532"]);
    assert_eq!(of("ENTRYPOINT"), ["[\"/usr/local/bin/idp-multicloud\"]"]);
    let labels = of("LABEL").join(" ");
    for label in ["title", "description", "source", "licenses", "version", "revision"] {
        assert!(
            labels.contains(&format!("org.opencontainers.image.{label}=")),
            "{label}: {labels}"
        );
    }
    assert!(of("ARG").contains(&format!("VERSION={}", env!("CARGO_PKG_VERSION"))));
}
