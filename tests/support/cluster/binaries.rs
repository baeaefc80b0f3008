//! kube-apiserver, etcd, kubectl and Helm: found, or built from their Go modules and kept under `target/tools`. And
//! Crossplane and the functions of the compositions: built.
//!
//! `tests/tools` has a Go module for each version of Kubernetes and one for each other program: nothing but the versions
//! and their checksums, and one program of ours. What is found is taken as a set, as a kubectl of another age
//! is another client.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use libtest_mimic::{Completion, Failed};

use crate::support::missing::Missing;

/// The version that is built unless `KUBERNETES_VERSION` names another one.
const NEWEST: &str = "1.36";

/// What `KUBEBUILDER_ASSETS` holds.
const SET: [&str; 3] = ["kube-apiserver", "etcd", "kubectl"];

/// Why there are no programs.
#[derive(Debug)]
pub enum Absent {
    /// They are not installed, and neither is Go.
    Missing(String),
    /// They were asked for in a way that can't be, or don't build.
    Broken(String),
}

impl Absent {
    /// What becomes of a case without them: it is skipped, except where everything has to be run.
    pub fn verdict(&self) -> Result<Completion, Failed> {
        match self {
            Self::Missing(why) => Missing(why.clone()).verdict(),
            Self::Broken(why) => Err(why.into()),
        }
    }
}

/// Programs of one version of Kubernetes, and of Helm.
#[derive(Clone, Debug)]
pub struct Binaries {
    pub apiserver: PathBuf,
    pub etcd: PathBuf,
    pub kubectl: PathBuf,
    /// kube-controller-manager.
    pub controllers: PathBuf,
    pub helm3: PathBuf,
    pub helm4: PathBuf,
}

impl Binaries {
    /// Finds or builds them all.
    pub fn find() -> Result<Self, Absent> {
        let version = std::env::var("KUBERNETES_VERSION").ok();
        // A version that is asked for is built, whatever else lies about.
        let found = if version.is_none() { found()? } else { None };
        let built = Module::kubernetes(version.as_deref().unwrap_or(NEWEST))?;
        let dir = if let Some(dir) = found {
            dir
        } else {
            for name in SET {
                built.build(name)?;
            }
            built.out.clone()
        };
        let [apiserver, etcd, kubectl] = SET.map(|name| dir.join(name));
        let controllers = dir.join("kube-controller-manager");
        Ok(Self {
            apiserver,
            etcd,
            kubectl,
            controllers: if dir != built.out && controllers.is_file() {
                controllers
            } else {
                built.build("kube-controller-manager")?
            },
            helm3: installed_helm("v3.").map_or_else(|| Module::helm().build("helm3"), Ok)?,
            helm4: helm()?,
        })
    }
}

/// Helm 4 alone, for those who only render.
pub fn helm() -> Result<PathBuf, Absent> {
    installed_helm("v4.").map_or_else(|| Module::helm().build("helm4"), Ok)
}

/// The functions that compositions name, and the program that runs them as Crossplane does.
#[derive(Clone, Debug)]
pub struct Functions {
    pub go_templating: PathBuf,
    pub auto_ready: PathBuf,
    pub driver: PathBuf,
}

impl Functions {
    /// Builds them all.
    pub fn find() -> Result<Self, Absent> {
        let module = |name| Module::new(name, String::new());
        let (templating, ready) = (module("function-go-templating"), module("function-auto-ready"));
        Ok(Self {
            go_templating: templating.build("function-go-templating")?,
            auto_ready: ready.build("function-auto-ready")?,
            driver: templating.build("pipeline")?,
        })
    }
}

/// Crossplane, with the functions that the compositions name.
#[derive(Clone, Debug)]
pub struct CrossplaneBinaries {
    pub crossplane: PathBuf,
    pub functions: Functions,
    /// Crossplane's source tree, which has its CRDs and its chart.
    pub sources: PathBuf,
}

impl CrossplaneBinaries {
    /// Builds them all.
    pub fn find() -> Result<Self, Absent> {
        let module = Module::new("crossplane", String::new());
        Ok(Self {
            crossplane: module.build("crossplane")?,
            functions: Functions::find()?,
            sources: module.source_tree("github.com/crossplane/crossplane/v2")?,
        })
    }
}

/// A `helm` on the PATH, if it is of the version that is wanted.
fn installed_helm(version: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let helm = std::env::split_paths(&path)
        .map(|dir| dir.join("helm"))
        .find(|helm| helm.is_file())?;
    let said = Command::new(&helm).args(["version", "--short"]).output().ok()?;
    said.stdout.starts_with(version.as_bytes()).then_some(helm)
}

/// The folder of a whole set that somebody has installed: `KUBEBUILDER_ASSETS`, or one on the PATH.
fn found() -> Result<Option<PathBuf>, Absent> {
    let missing = |dir: &Path| {
        SET.into_iter()
            .filter(|name| !dir.join(name).is_file())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if let Some(dir) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) {
        return match missing(&dir) {
            none if none.is_empty() => Ok(Some(dir)),
            some => Err(Absent::Broken(format!(
                "KUBEBUILDER_ASSETS is {}, which lacks {some}",
                dir.display()
            ))),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::split_paths(&path).find(|dir| missing(dir).is_empty()))
}

/// A Go module that names what to build.
struct Module {
    dir: PathBuf,
    out: PathBuf,
    /// `-X` settings, so that what is built knows its version.
    stamps: String,
}

impl Module {
    fn new(name: &str, stamps: String) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        // Beside the build's own folders, wherever those are.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        Self {
            dir: root.join("tests/tools").join(name),
            out: target.join("tools").join(name),
            stamps,
        }
    }

    fn kubernetes(version: &str) -> Result<Self, Absent> {
        let name = format!("kubernetes-{version}");
        let (mut module, package) = (Self::new(&name, String::new()), "k8s.io/component-base/version");
        let Ok(text) = fs::read_to_string(module.dir.join("go.mod")) else {
            let message = format!("KUBERNETES_VERSION is {version}; use 1.34, 1.35 or 1.36");
            return Err(Absent::Broken(message));
        };
        let mut words = text.split_whitespace().skip_while(|word| *word != "k8s.io/kubernetes");
        let exact = words.nth(1).unwrap();
        let (major, minor) = version.split_once('.').unwrap();
        for (variable, value) in [("gitVersion", exact), ("gitMajor", major), ("gitMinor", minor)] {
            write!(module.stamps, " -X {package}.{variable}={value}").unwrap();
        }
        Ok(module)
    }

    fn helm() -> Self {
        Self::new("helm", String::new())
    }

    /// The program, built if it is not there yet or its module has changed since.
    fn build(&self, name: &str) -> Result<PathBuf, Absent> {
        let package = match name {
            "etcd" => "go.etcd.io/etcd/server/v3".to_owned(),
            "helm3" => "helm.sh/helm/v3/cmd/helm".to_owned(),
            "helm4" => "helm.sh/helm/v4/cmd/helm".to_owned(),
            "crossplane" => "github.com/crossplane/crossplane/v2/cmd/crossplane".to_owned(),
            "function-auto-ready" => "github.com/crossplane/function-auto-ready".to_owned(),
            "function-go-templating" => "github.com/crossplane-contrib/function-go-templating".to_owned(),
            "pipeline" => "./pipeline".to_owned(),
            _ => format!("k8s.io/kubernetes/cmd/{name}"),
        };
        let (program, stamp) = (self.out.join(name), self.out.join(format!("{name}.go.sum")));
        let broken = |error: String| Absent::Broken(format!("{name} cannot be built: {}", error.trim()));
        let sums = self.sources(name).map_err(|error| broken(error.to_string()))?;
        fs::create_dir_all(&self.out).map_err(|error| broken(error.to_string()))?;
        // Another test program may want it at the same time.
        let lock = File::create(self.out.join(format!("{name}.lock"))).and_then(|file| file.lock().map(|()| file));
        let _lock = lock.map_err(|error| broken(error.to_string()))?;
        if program.is_file() && fs::read(&stamp).is_ok_and(|built| built == sums) {
            return Ok(program);
        }
        eprintln!("building {package} from tests/tools into {} …", program.display());
        let began = Instant::now();
        let mut go = self.go();
        go.args(["build", "-trimpath", "-ldflags"])
            .arg(format!("-s -w{}", self.stamps))
            .arg("-o")
            .arg(&program)
            .arg(&package);
        said(name, &mut go)?;
        fs::write(&stamp, sums).map_err(|error| broken(error.to_string()))?;
        eprintln!("built {name} in {} s", began.elapsed().as_secs());
        Ok(program)
    }

    /// The source tree of a module that this one needs.
    fn source_tree(&self, module: &str) -> Result<PathBuf, Absent> {
        let text = said(module, self.go().args(["mod", "download", "-json", module]))?;
        let found: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        match found["Dir"].as_str() {
            Some(dir) => Ok(PathBuf::from(dir)),
            None => Err(Absent::Broken(format!("{module} has no source tree: {found}"))),
        }
    }

    /// Go in the module's folder: no C compiler, no work space of somebody else's, and no change of a version behind our
    /// back.
    fn go(&self) -> Command {
        let mut go = Command::new("go");
        go.current_dir(&self.dir)
            .envs([("CGO_ENABLED", "0"), ("GOWORK", "off"), ("GOFLAGS", "-mod=readonly")]);
        go
    }

    /// What may change of that which a program is built from: checksums, and the sources of one of ours.
    fn sources(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut files = vec![self.dir.join("go.sum")];
        if let Ok(folder) = fs::read_dir(self.dir.join(name)) {
            files.extend(folder.flatten().map(|file| file.path()));
            files.sort();
        }
        let texts: io::Result<Vec<_>> = files.iter().map(fs::read).collect();
        Ok(texts?.concat())
    }
}

/// What Go says on its standard output when it is asked for a program or a module.
fn said(name: &str, go: &mut Command) -> Result<Vec<u8>, Absent> {
    match go.output() {
        Err(error) => {
            let message = format!("{name} is neither installed nor can it be built: go: {error}");
            Err(Absent::Missing(message))
        }
        Ok(run) if !run.status.success() => {
            let why = String::from_utf8_lossy(&run.stderr).trim().to_owned();
            Err(Absent::Broken(format!("{name} cannot be built: {why}")))
        }
        Ok(run) => Ok(run.stdout),
    }
}

/// The source tree of somebody else's Go module, as in `example.org/module@v1.2.3`.
///
/// # Errors
/// It cannot be had.
pub fn module_source(module: &str) -> Result<PathBuf, Absent> {
    Module::helm().source_tree(module)
}
