//! Crossplane and its functions, the real ones, installed as their chart does.
//!
//! There is no kubelet, so its programs run beside the API server: Crossplane under its service account's name with the
//! rights of its chart, the functions behind mutual TLS on ports of their own. Its package manager is told to leave the
//! functions alone, as it would fetch them from a registry.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apiserver::{ApiServer, User, free_port, run};
use super::binaries::{Absent, CrossplaneBinaries};
use super::pki::Authority;
use super::process::Process;

const NAMESPACE: &str = "crossplane-system";
const REVISIONS: &str = "/apis/pkg.crossplane.io/v1/functionrevisions";
const FUNCTIONS: &str = "/apis/pkg.crossplane.io/v1/functions";

/// How long Crossplane may take for one thing.
const PATIENCE: Duration = Duration::from_mins(1);

/// The groups that providers bring.
const PROVIDED: [&str; 3] = ["rds.aws.m.upbound.io", "sql.gcp.m.upbound.io", "mysql.oci.m.upbound.io"];

/// A running Crossplane.
pub struct Crossplane {
    running: Mutex<Option<Process>>,
    _functions: Vec<Process>,
    binary: PathBuf,
    args: Vec<String>,
    kubeconfig: PathBuf,
    dir: PathBuf,
}

/// The folder with the providers' own CRDs: `PROVIDER_CRDS`, or one beside the repository.
pub fn provider_crds() -> Result<PathBuf, Absent> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/provider-crds");
    let dir = std::env::var_os("PROVIDER_CRDS").map_or_else(beside, PathBuf::from);
    if dir.is_dir() {
        return Ok(dir);
    }
    let message = format!(
        "the providers' CRDs are not in {}; PROVIDER_CRDS names another folder",
        dir.display()
    );
    Err(Absent::Missing(message))
}

impl Crossplane {
    /// Installs it with our `functions.yaml` and starts it.
    pub fn start(api: &ApiServer, binaries: &CrossplaneBinaries, provider_crds: &Path) -> Self {
        install(api, &binaries.sources, provider_crds);
        let dir = api.folder("crossplane");
        let authority = Authority::new();
        let certificates = |name: &str| {
            let dir = dir.join(name);
            authority.issue(&["localhost"], &dir);
            fs::write(dir.join("ca.crt"), authority.pem()).unwrap();
            dir.display().to_string()
        };
        let functions = functions(api, binaries, &certificates("function"), &dir);
        let cache = dir.join("cache").display().to_string();
        let args = [
            ("tls-client-certs-dir", certificates("client")),
            ("xpkg-cache-dir", cache.clone()),
            ("xfn-cache-dir", cache),
            ("package-runtime", "External".to_owned()),
            ("enable-webhooks", "false".to_owned()),
            ("leader-election", "false".to_owned()),
            ("metrics-port", free_port().to_string()),
            ("health-probe-port", free_port().to_string()),
            // In a minute the cases do to a claim what takes weeks elsewhere; it would look away for minutes.
            ("circuit-breaker-burst", "100000".to_owned()),
        ];
        let crossplane = Self {
            running: Mutex::default(),
            _functions: functions,
            binary: binaries.crossplane.clone(),
            args: args.map(|(flag, value)| format!("--{flag}={value}")).to_vec(),
            kubeconfig: api.kubeconfig(User::Crossplane),
            dir,
        };
        crossplane.restart();
        crossplane
    }

    /// Ends it at once, if it runs.
    pub fn stop(&self) {
        self.running.lock().unwrap().take();
    }

    /// Ends it at once, if it runs, and starts it.
    pub fn restart(&self) {
        self.stop();
        let mut command = Command::new(&self.binary);
        command.args(["core", "start", "--debug"]).args(&self.args);
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", &self.dir);
        let process = Process::start(command, &self.log());
        *self.running.lock().unwrap() = Some(process);
    }

    /// Waits until `ask` gives what is wanted; its error says what there is instead.
    #[track_caller]
    pub fn until<T>(&self, wanted: &str, ask: impl Fn() -> Result<T, String>) -> T {
        let began = Instant::now();
        loop {
            let seen = match ask() {
                Ok(found) => return found,
                Err(seen) => seen,
            };
            assert!(
                began.elapsed() < PATIENCE,
                "wanted: {wanted}; saw for {} s: {seen}\nCrossplane's log:\n{}",
                PATIENCE.as_secs(),
                self.log_end()
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// How often it has composed a claim to the end, without a warning, since its last start.
    pub fn composed(&self, namespace: &str, name: &str) -> usize {
        let request = format!("\"request\": {{\"name\":\"{name}\",\"namespace\":\"{namespace}\"}}");
        let log = fs::read_to_string(self.log()).unwrap();
        log.lines()
            .filter(|line| line.contains("Successfully composed resources") && line.contains(&request))
            .count()
    }

    fn log(&self) -> PathBuf {
        self.dir.join("crossplane.log")
    }

    /// The end of its log, but for what it says all the time.
    fn log_end(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let told = log
            .lines()
            .filter(|line| !line.contains("Reconciling") && !line.contains("\"msg\":\"Reconcil"));
        let told: Vec<_> = told.collect();
        told[told.len().saturating_sub(20)..].join("\n")
    }
}

/// Crossplane's CRDs and chart, what a provider adds to them, and our functions.
fn install(api: &ApiServer, sources: &Path, provider_crds: &Path) {
    let apply = |args: &[&str], stdin: &str| {
        let apply = ["apply", "--server-side", "--force-conflicts"];
        api.kubectl(User::Admin, &[&apply, args].concat(), stdin).ok()
    };
    let mut crds = fs::read_dir(provider_crds)
        .unwrap()
        .map(|file| file.unwrap().path().display().to_string())
        .filter(|path| path.contains(".m.upbound.io_"))
        .chain([sources.join("cluster/crds").display().to_string()])
        .collect::<Vec<_>>();
    crds.sort();
    let files: Vec<_> = crds.iter().flat_map(|path| ["--filename", path]).collect();
    apply(&files, "");

    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    apply(&["--filename", "-"], &namespace.to_string());
    let mut template = Command::new(&api.binaries.helm4);
    let chart = sources.join("cluster/charts/crossplane");
    template
        .arg("template")
        .arg("crossplane")
        .arg(chart)
        .args(["--namespace", NAMESPACE]);
    api.prepare(&mut template, User::Admin);
    apply(&["--filename", "-"], &run(template, "").ok());
    apply(&["--filename", "-"], &added_rights().to_string());
    let wait = ["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"];
    api.kubectl(User::Admin, &wait, "").ok();
    // They look for kinds to collect when they start, and then every 30 s.
    api.start_controllers();

    let functions = Path::new(env!("CARGO_MANIFEST_DIR")).join("crossplane/functions.yaml");
    apply(&["--filename", &functions.display().to_string()], "");
    await_rights(api);
}

/// What Crossplane's RBAC manager gives to it for our XRD and for the providers. (It always listens on port 8080, so it
/// does not run here.)
fn added_rights() -> Value {
    let role = |name: &str, rules: Value| {
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "rules": rules,
            "metadata": {"name": name, "labels": {"rbac.crossplane.io/aggregate-to-crossplane": "true"}},
        })
    };
    let claims = "mysqlinstanceclaims";
    json!({"apiVersion": "v1", "kind": "List", "items": [
        role("crossplane:composite:mysqlinstanceclaims.db.platform.example.org:aggregate-to-crossplane", json!([
            {"apiGroups": ["db.platform.example.org"], "resources": [claims, format!("{claims}/status")], "verbs": ["*"]},
            {"apiGroups": ["db.platform.example.org"], "resources": [format!("{claims}/finalizers")], "verbs": ["update"]},
        ])),
        role("crossplane:provider:test:aggregate-to-crossplane", json!([
            {"apiGroups": PROVIDED, "resources": ["*"], "verbs": ["*"]},
        ])),
    ]})
}

/// Waits until the controllers have added all rules up, and the API server knows.
fn await_rights(api: &ApiServer) {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"verb": "list", "group": PROVIDED[0], "resource": "instances"}},
    });
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    super::apiserver::await_answer(
        "Crossplane has its rights",
        || api.call(User::Crossplane, "POST", path, Some(&review)),
        |answer| answer.body["status"]["allowed"] == true,
    );
}

/// Runs the functions that are installed, and says to Crossplane where they are.
fn functions(api: &ApiServer, binaries: &CrossplaneBinaries, certificates: &str, dir: &Path) -> Vec<Process> {
    let installed = api.call(User::Admin, "GET", FUNCTIONS, None).ok();
    let installed = installed["items"].as_array().unwrap().iter();
    let start = |function: &Value| {
        let name = function["metadata"]["name"].as_str().unwrap();
        let binary = match name {
            "function-go-templating" => &binaries.functions.go_templating,
            "function-auto-ready" => &binaries.functions.auto_ready,
            _ => panic!("wanted: a function that tests/tools builds; saw: {name}"),
        };
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(binary);
        command.args(["--address", &address, "--tls-certs-dir", certificates]);
        let process = Process::start(command, &dir.join(format!("{name}.log")));
        point(api, function, &address);
        process
    };
    installed.map(start).collect()
}

/// The package manager leaves a function alone; this is what it would have written about it.
fn point(api: &ApiServer, function: &Value, address: &str) {
    let paused = json!({"crossplane.io/paused": "true"});
    let name = function["metadata"]["name"].as_str().unwrap();
    let pause = json!({"metadata": {"annotations": paused}});
    api.call(User::Admin, "PATCH", &format!("{FUNCTIONS}/{name}"), Some(&pause))
        .ok();
    let revision = json!({
        "apiVersion": "pkg.crossplane.io/v1", "kind": "FunctionRevision",
        "metadata": {"name": format!("{name}-1"), "annotations": paused, "labels": {"pkg.crossplane.io/package": name}},
        "spec": {"desiredState": "Active", "image": function["spec"]["package"], "revision": 1},
    });
    api.call(User::Admin, "POST", REVISIONS, Some(&revision)).ok();
    let status = json!({"status": {
        "endpoint": format!("dns:///{address}"),
        "capabilities": ["composition"],
    }});
    api.call(
        User::Admin,
        "PATCH",
        &format!("{REVISIONS}/{name}-1/status"),
        Some(&status),
    )
    .ok();
}
