//! Helm, which renders what the chart ships, and Prometheus' promtool, which judges it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Completion, Failed};
use serde_json::Value;

use crate::support::cluster::binaries::{Absent, helm};
use crate::support::missing::Missing;

/// Where they are.
pub struct Tools {
    helm: PathBuf,
    promtool: PathBuf,
}

/// Why there is one that cannot be had.
pub enum Lacking {
    Helm(Absent),
    Promtool,
}

impl Lacking {
    /// What becomes of a case without it.
    pub fn verdict(&self) -> Result<Completion, Failed> {
        match self {
            Self::Helm(absent) => absent.verdict(),
            Self::Promtool => {
                Missing("promtool is not installed: apt-get install --no-install-recommends prometheus".to_owned())
                    .verdict()
            }
        }
    }
}

impl Tools {
    /// Finds or builds them, once.
    pub fn find() -> &'static Result<Self, Lacking> {
        static TOOLS: OnceLock<Result<Tools, Lacking>> = OnceLock::new();
        TOOLS.get_or_init(|| {
            let promtool = PathBuf::from("promtool");
            if Command::new(&promtool).arg("--version").output().is_err() {
                return Err(Lacking::Promtool);
            }
            let helm = helm().map_err(Lacking::Helm)?;
            Ok(Self { helm, promtool })
        })
    }

    /// What the chart renders with these settings.
    #[track_caller]
    pub fn rendered(&self, settings: &str) -> Vec<Value> {
        let home = tempfile::tempdir().unwrap();
        let mut helm = Command::new(&self.helm);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_")) {
            helm.env_remove(name);
        }
        helm.args(["template", "idp-multicloud", "--kube-version=1.30", "--set", settings])
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/chart"))
            .env("HOME", home.path());
        let said = helm.output().unwrap();
        assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
        idp_multicloud::yaml::documents(&String::from_utf8(said.stdout).unwrap()).unwrap()
    }

    /// Has promtool do something in a folder with these files.
    #[track_caller]
    pub fn promtool(&self, args: &[&str], files: &[(&str, &str)]) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let said = Command::new(&self.promtool)
            .args(args)
            .current_dir(folder.path())
            .output()
            .unwrap();
        let told = [said.stdout, said.stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(said.status.success(), "promtool {args:?}: {}", told.concat());
    }
}
