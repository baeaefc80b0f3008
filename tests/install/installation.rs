//! The product installed as its manual says, by each of the roads, and its pods run.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;

use serde_json::{Value, json};

use crate::support::cluster::apiserver::{Answer, ApiServer, Ran, User, await_answer, run};
use crate::support::cluster::balancer::Balancer;
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::manual::Shell;
use crate::support::cluster::pod::Pod;
use crate::support::cluster::team::claim;
use crate::support::server::{binary, eventually};

/// The namespace and the release's name, as in the manual.
pub const NAME: &str = "idp-multicloud";

/// Where claims of the tests are.
pub const TEAM: &str = "payments";

pub const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/idp-multicloud";
pub const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/idp-multicloud";
pub const CATALOG: &str =
    "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/idp-multicloud-catalog";

/// A file of the repository.
pub fn file(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// How it is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Road {
    Helm3,
    Helm4,
    Kubectl,
}

/// Clusters, each of which one case has at a time.
pub struct Pool {
    binaries: Binaries,
    idle: Mutex<Vec<Cluster>>,
}

impl Pool {
    pub fn new(binaries: Binaries) -> Self {
        Self {
            binaries,
            idle: Mutex::default(),
        }
    }

    /// One that nobody else has.
    pub fn take(&self) -> Turn<'_> {
        let idle = self.idle.lock().unwrap().pop();
        let cluster = idle.unwrap_or_else(|| Cluster::start(self.binaries.clone()));
        Turn {
            pool: self,
            cluster: Some(cluster),
        }
    }
}

/// A cluster for as long as a case has it.
pub struct Turn<'p> {
    pool: &'p Pool,
    cluster: Option<Cluster>,
}

impl Deref for Turn<'_> {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        self.cluster.as_ref().unwrap()
    }
}

impl Drop for Turn<'_> {
    /// A case that failed leaves who knows what.
    fn drop(&mut self) {
        if !thread::panicking() {
            self.pool.idle.lock().unwrap().extend(self.cluster.take());
        }
    }
}

/// An API server with the kinds, a catalog, a namespace for claims, and none of our pods.
pub struct Cluster {
    pub api: ApiServer,
    /// What stands for the Service's address, which each installation gets anew.
    balancers: Mutex<BTreeMap<SocketAddr, Balancer>>,
}

impl Cluster {
    /// Starts it.
    pub fn start(binaries: Binaries) -> Self {
        let api = ApiServer::start(binaries);
        api.start_controllers();
        let cluster = Self {
            api,
            balancers: Mutex::default(),
        };
        cluster.kubectl(&["apply", "--server-side", "--filename", &file("manifests/crds.yaml")]);
        cluster.kubectl(&["wait", "crd", "--for=condition=Established", "--timeout=60s", "--all"]);
        let catalog = binary().args(["catalog", "show", "--output=yaml"]).output().unwrap();
        let catalog = String::from_utf8(catalog.stdout).unwrap();
        let apply = ["apply", "--server-side", "--filename", "-"];
        cluster.api.kubectl(User::Admin, &apply, &catalog).ok();
        cluster.kubectl(&["create", "namespace", TEAM]);
        cluster
    }

    /// Runs kubectl as the administrator; fails unless it is done.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> String {
        self.api.kubectl(User::Admin, args, "").ok()
    }

    /// Runs Helm as the administrator.
    pub fn helm(&self, road: Road, args: &[&str]) -> Ran {
        let helm = match road {
            Road::Helm3 => &self.api.binaries.helm3,
            Road::Helm4 | Road::Kubectl => &self.api.binaries.helm4,
        };
        let mut command = Command::new(helm);
        command.args(["--namespace", NAME]).args(args);
        self.api.prepare(&mut command, User::Admin);
        run(command, "")
    }

    /// A shell in the repository.
    pub fn shell(&self, user: User) -> Shell<'_> {
        Shell {
            api: &self.api,
            user,
            folder: env!("CARGO_MANIFEST_DIR").into(),
        }
    }

    /// Sends a request about an object as the administrator.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.api.call(User::Admin, method, path, body)
    }

    /// An object, if it is there.
    pub fn get(&self, path: &str) -> Option<Value> {
        let answer = self.call("GET", path, None);
        (answer.code != 404).then(|| answer.ok())
    }

    /// A Secret of our namespace, if it is there.
    pub fn secret(&self, name: &str) -> Option<Value> {
        self.get(&format!("/api/v1/namespaces/{NAME}/secrets/{name}"))
    }

    /// A Deployment of ours.
    pub fn deployment(&self, component: &str) -> Value {
        let path = format!("/apis/apps/v1/namespaces/{NAME}/deployments/idp-multicloud-{component}");
        self.get(&path).unwrap_or_else(|| panic!("wanted: {path}; saw: none"))
    }

    /// Sends a request about a claim of the team.
    pub fn claim_call(&self, method: &str, rest: &str, body: Option<&Value>) -> Answer {
        let path = format!("/apis/db.platform.example.org/v1alpha1/namespaces/{TEAM}/mysqlinstanceclaims{rest}");
        self.call(method, &path, body)
    }

    /// Makes a claim for a disposable environment, or asks whether it could be made.
    pub fn create(&self, name: &str, query: &str) -> Answer {
        let claim = claim(name, json!({"environment": "dev"}));
        self.claim_call("POST", query, Some(&claim))
    }

    /// The claim as it is stored.
    #[track_caller]
    pub fn claim(&self, name: &str) -> Value {
        self.claim_call("GET", &format!("/{name}"), None).ok()
    }

    /// Waits until new claims are placed.
    pub fn await_placing(&self) {
        let ask = || self.create("not-kept", "?dryRun=All");
        await_answer("claims are placed", ask, |answer| answer.code == 201);
    }

    /// Deletes everything but the kinds and the catalog.
    fn sweep(&self) {
        self.delete_claims();
        let [install, guard] = ["install", "guard"].map(|name| file(&format!("manifests/{name}.yaml")));
        let delete = [
            "delete",
            "--ignore-not-found",
            "--timeout=60s",
            "--filename",
            &guard,
            "--filename",
            &install,
        ];
        self.kubectl(&delete);
        eventually("the namespace is gone", || {
            self.get(&format!("/api/v1/namespaces/{NAME}")).is_none()
        });
    }

    /// Deletes every claim of the team; those that are kept are allowed to go first.
    pub fn delete_claims(&self) {
        let claims = self.claim_call("GET", "", None).ok();
        let allow = json!({"metadata": {"annotations": {"platform.example.org/allow-deletion": "true"}}});
        for claim in claims["items"].as_array().unwrap() {
            if claim["spec"]["parameters"]["environment"] != "dev" {
                let name = claim["metadata"]["name"].as_str().unwrap();
                self.claim_call("PATCH", &format!("/{name}"), Some(&allow)).ok();
            }
        }
        self.claim_call("DELETE", "", None).ok();
    }

    /// Installs by a road, with settings of the chart.
    pub fn install(&self, road: Road, settings: &[&str]) -> Installation<'_> {
        match road {
            Road::Kubectl => self.apply(&self.rendered(&file("manifests/chart"), settings)),
            helm => {
                let install = ["install", NAME, &file("manifests/chart"), "--create-namespace"];
                self.helm(helm, &[&install, settings].concat()).ok();
            }
        }
        Installation {
            cluster: self,
            road,
            controller: None,
            servers: Vec::new(),
        }
    }

    /// `kubectl apply` of the two files, as rendered.
    fn apply(&self, [install, guard]: &[PathBuf; 2]) {
        let [install, guard] = [install, guard].map(|path| path.to_str().unwrap());
        self.kubectl(&["apply", "--server-side", "--filename", install, "--filename", guard]);
    }

    /// The two files that `kubectl apply` takes: as shipped, or from the chart with these settings.
    pub fn rendered(&self, chart: &str, settings: &[&str]) -> [PathBuf; 2] {
        if settings.is_empty() && chart == file("manifests/chart") {
            return ["install", "guard"].map(|name| file(&format!("manifests/{name}.yaml")).into());
        }
        let template = |name: &str, more: &[&str]| {
            let template = ["template", NAME, chart, "--kube-version=1.30"];
            let text = self.helm(Road::Kubectl, &[&template, settings, more].concat()).ok();
            let path = self.api.folder("rendered").join(name);
            fs::write(&path, text).unwrap();
            path
        };
        [
            template("install.yaml", &["--set=createNamespace=true,guard=false"]),
            template("guard.yaml", &["--show-only=templates/guard-*.yaml"]),
        ]
    }

    /// Who stands behind the Service's address.
    fn balancer(&self) -> Balancer {
        let path = format!("/api/v1/namespaces/{NAME}/services/idp-multicloud-admission");
        let service = self.get(&path).unwrap();
        let address = format!(
            "{}:{}",
            service["spec"]["clusterIP"].as_str().unwrap(),
            service["spec"]["ports"][0]["port"]
        );
        let address: SocketAddr = address.parse().unwrap();
        let open = || {
            Balancer::open_at(address)
                .unwrap_or_else(|error| panic!("cannot stand for a Service at {address}: {error}"))
        };
        self.balancers
            .lock()
            .unwrap()
            .entry(address)
            .or_insert_with(open)
            .clone()
    }
}

/// What was installed, and its pods.
pub struct Installation<'c> {
    pub cluster: &'c Cluster,
    pub road: Road,
    pub controller: Option<Pod>,
    pub servers: Vec<Pod>,
}

impl Installation<'_> {
    /// Runs the pods of the Deployments, and waits until claims are placed.
    pub fn run(&mut self) {
        self.run_controller();
        self.run_servers();
        self.cluster.await_placing();
    }

    /// Runs the controller.
    pub fn run_controller(&mut self) {
        let controller = Pod::start(&self.cluster.api, &self.cluster.deployment("controller"));
        controller.await_ready();
        self.controller = Some(controller);
    }

    /// Runs as many servers as there should be, and lets the Service know.
    pub fn run_servers(&mut self) {
        let deployment = self.cluster.deployment("admission");
        let replicas = deployment["spec"]["replicas"].as_u64().unwrap();
        self.servers = (0..replicas)
            .map(|_| Pod::start(&self.cluster.api, &deployment))
            .collect();
        self.servers.iter().for_each(Pod::await_ready);
        self.route();
    }

    /// Ends the connections that the API server has to the servers.
    pub fn cut_connections(&self) {
        self.cluster.balancer().only(&[]);
        self.route();
    }

    fn route(&self) {
        let ready: Vec<SocketAddr> = self.servers.iter().map(Pod::admission).collect();
        self.cluster.balancer().set(&ready);
    }

    /// What a Deployment's controller does when the template has changed: new servers first, then the old ones go.
    pub fn roll(&mut self) {
        let old = std::mem::take(&mut self.servers);
        self.run_servers();
        thread::scope(|scope| {
            for pod in old {
                scope.spawn(|| pod.end());
            }
        });
        // Recreate.
        if let Some(controller) = self.controller.take() {
            controller.end();
            self.run_controller();
        }
    }

    /// Another version of the chart, or other settings.
    pub fn upgrade(&self, chart: &str, settings: &[&str]) {
        match self.road {
            Road::Kubectl => self.cluster.apply(&self.cluster.rendered(chart, settings)),
            helm => {
                let upgrade = ["upgrade", NAME, chart];
                self.cluster.helm(helm, &[&upgrade, settings].concat()).ok();
            }
        }
    }

    /// Ends the pods.
    pub fn stop(&mut self) {
        for balancer in self.cluster.balancers.lock().unwrap().values() {
            balancer.only(&[]);
        }
        let pods = self.servers.drain(..).chain(self.controller.take());
        thread::scope(|scope| {
            for pod in pods {
                scope.spawn(|| pod.end());
            }
        });
    }

    /// Takes it away again, by the road that it came.
    pub fn uninstall(mut self) {
        match self.road {
            Road::Kubectl => {
                self.cluster
                    .kubectl(&["delete", "--filename", &file("manifests/install.yaml"), "--timeout=60s"]);
            }
            helm => {
                self.cluster.helm(helm, &["uninstall", NAME]).ok();
            }
        }
        self.stop();
    }

    /// Takes away all that is left but the kinds.
    pub fn clean(self) {
        let cluster = self.cluster;
        self.uninstall();
        cluster.sweep();
    }
}

/// A copy of the chart as its next version.
pub fn next_version(into: &Path) -> String {
    let copied = Command::new("cp")
        .args(["-r", &file("manifests/chart")])
        .arg(into)
        .status()
        .unwrap();
    assert!(copied.success());
    let chart = into.join("chart");
    let about = fs::read_to_string(chart.join("Chart.yaml")).unwrap();
    let next = about
        .replace("ersion: 0.1.0", "ersion: 9.0.0")
        .replace("\"0.1.0\"", "\"9.0.0\"");
    assert_eq!(next.matches("9.0.0").count(), 2);
    fs::write(chart.join("Chart.yaml"), next).unwrap();
    chart.display().to_string()
}
