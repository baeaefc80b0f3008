//! The cluster, and three instances in it as the Deployment has them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use serde_json::Value;

use crate::support::cluster::apiserver::User;
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::catalog::{self, CELL, Revisions, put, rescored};
use crate::support::cluster::objects::NAMESPACE;
use crate::support::cluster::pki::Pair;
use crate::support::cluster::platform::{Platform, shipped};
use crate::support::server::{Server, binary, eventually, on};

/// How many instances there are.
const INSTANCES: usize = 3;

/// A world that one fault has after the other. Where one has failed, the next begins with another one.
pub struct Pool {
    binaries: Binaries,
    idle: Mutex<Option<World>>,
}

impl Pool {
    pub fn new(binaries: Binaries) -> Self {
        Self {
            binaries,
            idle: Mutex::default(),
        }
    }

    /// Lets a case have it.
    pub fn lend(&self, case: impl FnOnce(&mut World)) {
        let idle = self.idle.lock().unwrap().take();
        let mut world = idle.unwrap_or_else(|| World::start(self.binaries.clone()));
        case(&mut world);
        *self.idle.lock().unwrap() = Some(world);
    }
}

/// See above.
pub struct World {
    // Ended before the API server is.
    pub instances: Vec<Server>,
    old: Vec<Server>,
    pub platform: Platform,
    pub revisions: Revisions,
    container: Value,
    account: PathBuf,
}

impl World {
    fn start(binaries: Binaries) -> Self {
        let platform = Platform::following(binaries);
        platform.install_rights();
        let mut deployments = shipped("manifests/install.yaml").into_iter();
        let ours =
            |object: &Value| object["kind"] == "Deployment" && object["metadata"]["name"] == "idp-multicloud-admission";
        let pod = deployments.find(ours).unwrap()["spec"]["template"]["spec"].take();
        let account = platform
            .api
            .account(NAMESPACE, pod["serviceAccountName"].as_str().unwrap());
        Self {
            instances: Vec::new(),
            old: Vec::new(),
            platform,
            revisions: Revisions::default(),
            container: pod["containers"][0].clone(),
            account,
        }
    }

    /// Has new instances, and a namespace for the case.
    pub fn begin(&mut self, namespace: &str) {
        self.keep();
        self.old.clear();
        self.instances = (0..INSTANCES).map(|_| self.instance(binary())).collect();
        self.route();
        self.platform.team(namespace);
        self.platform.await_placing();
    }

    /// One more instance, ready; nobody calls it yet. `program` runs it.
    pub fn instance(&self, program: Command) -> Server {
        let ours = self.platform.pair();
        self.instance_with(program, &ours, None)
    }

    /// The same with another certificate, and with its catalog in a folder if there is one.
    pub fn instance_with(&self, program: Command, pair: &Pair, folder: Option<&Path>) -> Server {
        let server = self.begun(program, pair, folder);
        eventually("the instance is ready", || server.get("/readyz").status == 200);
        server
    }

    /// One that has a reason not to be ready.
    pub fn unready(&self, program: Command, pair: &Pair) -> Server {
        self.begun(program, pair, None)
    }

    fn begun(&self, program: Command, pair: &Pair, folder: Option<&Path>) -> Server {
        let mut command = on(program, &["127.0.0.1:0", "off", "127.0.0.1:0"]);
        let given = [
            "serve",
            "--admission-addr=",
            "--api-addr=",
            "--ops-addr=",
            "--catalog=",
            "--tls-cert=",
            "--tls-key=",
        ];
        let args = self.container["args"].as_array().unwrap().iter();
        let args = args.map(|arg| arg.as_str().unwrap());
        command.args(args.filter(|arg| !given.iter().any(|given| arg.starts_with(given))));
        command
            .arg("--tls-cert")
            .arg(&pair.cert)
            .arg("--tls-key")
            .arg(&pair.key);
        command.arg("--catalog").arg(folder.unwrap_or(Path::new("cluster")));
        for variable in self.container["env"].as_array().unwrap() {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        command.env("KUBECONFIG", &self.account);
        Server::run(command)
    }

    /// Sends new connections to the instances that there are now, as a Service does.
    pub fn route(&self) {
        self.platform.balancer.set(&addresses(&self.instances));
    }

    /// Replaces the instances by those that `program` runs.
    pub fn replace_by(&mut self, program: impl Fn() -> Command) {
        let new: Vec<Server> = (0..INSTANCES).map(|_| self.instance(program())).collect();
        self.replace(new);
    }

    /// Replaces the instances by others: the old ones are asked to end, and are gone at the latest when the next case begins.
    pub fn replace(&mut self, new: Vec<Server>) {
        self.old = std::mem::replace(&mut self.instances, new);
        self.route();
        for instance in &self.old {
            instance.signal("TERM");
        }
    }

    /// Cuts every connection to an instance.
    pub fn cut(&self) {
        self.platform.balancer.only(&addresses(&self.instances));
    }

    /// Notes the catalog as it is now; gives its revision.
    pub fn keep(&mut self) -> String {
        self.revisions.keep(&catalog::objects(&self.platform.api))
    }

    /// Edits the catalog: another candidate is the best.
    pub fn edit_catalog(&mut self, number: u32) {
        let cell = self.platform.api.call(User::Admin, "GET", CELL, None).ok();
        put(&self.platform.api, &rescored(cell, number));
        self.keep();
    }
}

/// Where instances take reviews.
fn addresses(instances: &[Server]) -> Vec<SocketAddr> {
    instances.iter().map(|instance| instance.admission().unwrap()).collect()
}

/// Has a program of the system run an instance.
pub fn under(wrapper: &[&str]) -> Command {
    let program = binary();
    let mut command = Command::new(wrapper[0]);
    command.args(&wrapper[1..]).arg(program.get_program());
    for (name, _) in program.get_envs() {
        command.env_remove(name);
    }
    command
}
