//! A pod of a Deployment, with us for the kubelet: the binary run with the container's own arguments and a token of its
//! account, its Secret mounted and swapped as a kubelet does it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Weak};
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use serde_json::Value;

use super::apiserver::{ApiServer, User};
use crate::support::server::{Server, binary, eventually};

/// How often a mounted Secret is looked at. A real kubelet takes up to a minute or two.
const SYNC: Duration = Duration::from_millis(200);

/// A running pod; killed when dropped.
pub struct Pod {
    pub server: Server,
    probe: String,
    grace: Duration,
    _mounted: Arc<()>,
}

impl Pod {
    /// Runs a pod of a Deployment as it is stored, once its Secret is there.
    pub fn start(api: &ApiServer, deployment: &Value) -> Self {
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap();
        let spec = &deployment["spec"]["template"]["spec"];
        let container = &spec["containers"][0];
        let mounted = Arc::new(());
        let mounts: Vec<(&str, PathBuf)> = list(&container["volumeMounts"])
            .map(|mount| {
                let volume = list(&spec["volumes"]).find(|volume| volume["name"] == mount["name"]);
                let dir = mount_secret(api, namespace, &volume.unwrap()["secret"], Arc::downgrade(&mounted));
                (mount["mountPath"].as_str().unwrap(), dir)
            })
            .collect();
        let mut command = binary();
        for arg in list(&container["args"]) {
            let mut arg = arg.as_str().unwrap().to_owned();
            for (path, dir) in &mounts {
                arg = arg.replace(path, dir.to_str().unwrap());
            }
            // The pod's addresses are its own; here all pods share one machine.
            if let Some((flag, _)) = arg.split_once("=0.0.0.0:") {
                arg = format!("{flag}=127.0.0.1:0");
            }
            command.arg(arg);
        }
        for variable in list(&container["env"]) {
            command.env(variable["name"].as_str().unwrap(), variable["value"].as_str().unwrap());
        }
        let account = spec["serviceAccountName"].as_str().unwrap();
        command.env("KUBECONFIG", api.account(namespace, account));
        Self {
            server: Server::spawn(command, Stdio::piped()).started(),
            probe: container["readinessProbe"]["httpGet"]["path"]
                .as_str()
                .unwrap()
                .to_owned(),
            grace: Duration::from_secs(spec["terminationGracePeriodSeconds"].as_u64().unwrap_or(30)),
            _mounted: mounted,
        }
    }

    /// Whether its readiness probe says so.
    pub fn is_ready(&self) -> bool {
        self.server.get(&self.probe).status == 200
    }

    /// Waits until it is ready.
    pub fn await_ready(&self) {
        eventually("the pod is ready", || self.is_ready());
    }

    /// Where it takes reviews.
    pub fn admission(&self) -> SocketAddr {
        self.server.admission().unwrap()
    }

    /// Asks it to end, as a kubelet does, and fails unless it has in time.
    pub fn end(mut self) {
        self.server.signal("TERM");
        let began = std::time::Instant::now();
        let code = self.server.exit_code();
        assert!(
            code == 0 && began.elapsed() < self.grace,
            "wanted: ended in time; saw: {code}"
        );
    }
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// Mounts a Secret into a folder, for as long as the pod lives.
fn mount_secret(api: &ApiServer, namespace: &str, secret: &Value, pod: Weak<()>) -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let dir = api.folder(&format!("mounts/{number}"));
    let secrets = Api::<Secret>::namespaced(api.client(User::Admin), namespace);
    let name = secret["secretName"].as_str().unwrap().to_owned();
    let items: Vec<(String, String)> = list(&secret["items"])
        .map(|item| {
            ["key", "path"]
                .map(|field| item[field].as_str().unwrap().to_owned())
                .into()
        })
        .collect();
    let files: Vec<PathBuf> = items.iter().map(|(_, path)| dir.join(path)).collect();
    let into = dir.clone();
    api.spawn(async move {
        let mut before = Vec::new();
        while pod.strong_count() > 0 {
            let found = secrets.get_opt(&name).await.ok().flatten();
            let data = found.and_then(|secret| secret.data).unwrap_or_default();
            // A key that is not there: a kubelet waits, and what is mounted stays.
            let now: Option<Vec<(&str, Vec<u8>)>> = items
                .iter()
                .map(|(key, path)| Some((path.as_str(), data.get(key)?.0.clone())))
                .collect();
            if let Some(now) = now.filter(|now| before != fingerprint(now)) {
                before = fingerprint(&now);
                swap(&into, &now);
            }
            tokio::time::sleep(SYNC).await;
        }
    });
    eventually("the Secret is mounted", || files.iter().all(|file| file.exists()));
    dir
}

fn fingerprint(files: &[(&str, Vec<u8>)]) -> Vec<Vec<u8>> {
    files.iter().map(|(_, bytes)| bytes.clone()).collect()
}

/// Puts files into a folder all at once: they are links through `..data`, which is renamed into place.
fn swap(dir: &Path, files: &[(&str, Vec<u8>)]) {
    let version = tempfile::Builder::new().prefix("..").tempdir_in(dir).unwrap().keep();
    for (name, bytes) in files {
        fs::write(version.join(name), bytes).unwrap();
        let link = dir.join(name);
        if !link.is_symlink() {
            symlink(Path::new("..data").join(name), link).unwrap();
        }
    }
    let old = fs::read_link(dir.join("..data"));
    let new = dir.join("..data_tmp");
    symlink(version.file_name().unwrap(), &new).unwrap();
    fs::rename(new, dir.join("..data")).unwrap();
    if let Ok(old) = old {
        fs::remove_dir_all(dir.join(old)).unwrap();
    }
}

/// A client with a token of an account, as a pod has it.
pub fn client(api: &ApiServer, namespace: &str, account: &str) -> Client {
    let text = fs::read_to_string(api.account(namespace, account)).unwrap();
    let kubeconfig = kube::config::Kubeconfig::from_yaml(&text).unwrap();
    api.block_on(async {
        let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default())
            .await
            .unwrap();
        config.proxy_url = None;
        Client::try_from(config).unwrap()
    })
}
