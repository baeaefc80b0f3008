//! etcd and a Kubernetes API server on free loopback ports, and clients for its users.

use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use axum::http::Request;
use http_body_util::BodyExt as _;
use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::binaries::Binaries;
use super::pki::Authority;
use super::process::{Process, thrifty, without_proxy};
use crate::support::guard::Guard;
use crate::support::server::SOON;

/// How long the servers may take to start on a machine that is busy building.
const START: Duration = Duration::from_secs(90);

/// What the audit log keeps: writes of claims and of the catalog, without the objects; and whatever is read of Secrets, in full.
const AUDIT: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  verbs: [create, update, patch, delete, deletecollection]
  resources: [{group: db.platform.example.org}, {group: platform.example.org}, {group: admissionregistration.k8s.io}]
- level: RequestResponse
  verbs: [get, list, watch]
  resources: [{group: '', resources: [secrets]}]
- level: None
";

/// The group of [`User::Operator`].
pub const OPERATORS: &str = "platform-operators";

/// Who calls the API server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The cluster's administrator.
    Admin,
    /// An app team: claims and what Helm needs.
    Developer,
    /// Crossplane's service account.
    Crossplane,
    /// A platform engineer in the operators' group.
    Operator,
}

impl User {
    pub const ALL: [Self; 4] = [Self::Admin, Self::Developer, Self::Crossplane, Self::Operator];

    /// The user name, and the groups beside `system:authenticated`.
    fn name_and_groups(self) -> (&'static str, &'static str) {
        match self {
            Self::Admin => ("admin", "system:masters"),
            Self::Developer => ("developer", "app-team"),
            Self::Crossplane => (
                "system:serviceaccount:crossplane-system:crossplane",
                "system:serviceaccounts",
            ),
            Self::Operator => ("operator", OPERATORS),
        }
    }
}

/// What a program said.
#[derive(Debug)]
pub struct Ran {
    pub command: String,
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Fails unless it ended well; gives its standard output.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!(self.code, 0, "wanted: done; saw: {self}");
        self.stdout
    }

    /// Fails unless it ended badly and its standard error has all of these; gives its standard error.
    #[track_caller]
    pub fn refused(self, parts: &[&str]) -> String {
        assert_ne!(self.code, 0, "wanted: refused with {parts:?}; saw: {self}");
        for part in parts {
            assert!(self.stderr.contains(part), "wanted: refused with {part:?}; saw: {self}");
        }
        self.stderr
    }
}

impl std::fmt::Display for Ran {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "exit status {} of `{}`\n{}{}",
            self.code, self.command, self.stdout, self.stderr
        )
    }
}

/// Runs a program to its end with a text on its standard input.
pub fn run(mut command: Command, stdin: &str) -> Ran {
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words: Vec<_> = words.map(OsStr::to_string_lossy).collect();
    let shown = words.join(" ");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|error| panic!("{shown}: {error}"));
    // A program that doesn't read all of it says why itself.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    Ran {
        command: shown,
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

/// An answer of the API server.
#[derive(Debug)]
pub struct Answer {
    pub code: u16,
    pub body: Value,
}

impl Answer {
    /// Fails unless the request was done; gives the object.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(self.code < 300, "wanted: done; saw: {} {:#}", self.code, self.body);
        self.body
    }

    /// Fails unless it is 403 and its message has all of these; gives the message.
    #[track_caller]
    pub fn forbidden(self, parts: &[&str]) -> String {
        let message = self.body["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            self.code, 403,
            "wanted: 403 with {parts:?}; saw: {} {:#}",
            self.code, self.body
        );
        for part in parts {
            assert!(message.contains(part), "wanted: 403 with {part:?}; saw: {message}");
        }
        message
    }
}

/// Waits until an answer fits; fails with the last one.
#[track_caller]
pub fn await_answer(what: &str, ask: impl Fn() -> Answer, mut fits: impl FnMut(&Answer) -> bool) {
    let began = Instant::now();
    loop {
        let answer = ask();
        if fits(&answer) {
            return;
        }
        assert!(
            began.elapsed() < SOON,
            "still not: {what}; saw: {} {:#}",
            answer.code,
            answer.body
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// A running API server, with etcd behind it.
pub struct ApiServer {
    // Dropped in this order.
    _sweeper: Guard,
    controllers: OnceLock<Process>,
    apiserver: Process,
    args: Vec<OsString>,
    etcd: Process,
    etcd_args: Vec<OsString>,
    etcd_url: String,
    clients: Vec<kube::Client>,
    runtime: Runtime,
    pub binaries: Binaries,
    dir: TempDir,
}

impl ApiServer {
    /// Starts both and waits until the API server is ready.
    pub fn start(binaries: Binaries) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sweeper = Guard::over_folder(dir.path());
        let at = |name: &str| dir.path().join(name);
        let (etcd_args, etcd_url) = etcd(dir.path());
        let etcd = start(&binaries.etcd, &etcd_args, &at("etcd.log"));
        let authority = Authority::new();
        let pair = authority.issue(&["localhost", "kubernetes.default.svc"], &at("apiserver"));
        let tokens: Vec<String> = User::ALL.iter().map(|_| random()).collect();
        let mut file = String::new();
        for (user, token) in User::ALL.iter().zip(&tokens) {
            let (name, groups) = user.name_and_groups();
            writeln!(file, "{token},{name},{name},\"{groups}\"").unwrap();
        }
        fs::write(at("tokens.csv"), file).unwrap();
        fs::write(at("authority.crt"), authority.pem()).unwrap();
        fs::write(at("audit.yaml"), AUDIT).unwrap();

        let port = free_port();
        let mut command = Command::new(&binaries.apiserver);
        command.args([
            "--bind-address=127.0.0.1",
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
        ]);
        command.args([
            "--authorization-mode=RBAC",
            // A Service's address is one of this machine, so that what listens there is reached by the Service as it is shipped.
            &format!("--service-cluster-ip-range={}", loopback_range()),
            "--allow-privileged=true",
        ]);
        command.args([
            "--service-account-issuer=https://kubernetes.default.svc",
            "--profiling=false",
        ]);
        for (flag, value) in [
            ("etcd-servers", etcd_url.as_str()),
            ("secure-port", &port.to_string()),
            ("tls-cert-file", &pair.cert.display().to_string()),
            ("tls-private-key-file", &pair.key.display().to_string()),
            ("service-account-key-file", &pair.cert.display().to_string()),
            ("service-account-signing-key-file", &pair.key.display().to_string()),
            ("token-auth-file", &at("tokens.csv").display().to_string()),
            ("audit-policy-file", &at("audit.yaml").display().to_string()),
            ("audit-log-path", &at("audit.log").display().to_string()),
            ("cert-dir", &at("apiserver").display().to_string()),
        ] {
            command.arg(format!("--{flag}={value}"));
        }
        let args: Vec<_> = command.get_args().map(OsStr::to_owned).collect();
        let apiserver = start(&binaries.apiserver, &args, &at("apiserver.log"));

        let runtime = Runtime::new().unwrap();
        let mut clients = Vec::new();
        for (user, token) in User::ALL.iter().zip(&tokens) {
            let text = kubeconfig(port, &at("authority.crt"), token);
            fs::write(kubeconfig_path(dir.path(), *user), &text).unwrap();
            let options = KubeConfigOptions::default();
            let client = runtime.block_on(async {
                let mut config = kube::Config::from_custom_kubeconfig(Kubeconfig::from_yaml(&text).unwrap(), &options)
                    .await
                    .unwrap();
                config.proxy_url = None;
                kube::Client::try_from(config).unwrap()
            });
            clients.push(client);
        }
        let mut started = Self {
            _sweeper: sweeper,
            controllers: OnceLock::new(),
            apiserver,
            args,
            etcd,
            etcd_args,
            etcd_url,
            clients,
            runtime,
            binaries,
            dir,
        };
        started.await_ready();
        started
    }

    fn await_ready(&mut self) {
        let began = Instant::now();
        let ready = |server: &Self| {
            let request = Request::get("/readyz").body(Body::empty()).unwrap();
            let answer = server.block_on(server.clients[0].send(request));
            answer.is_ok_and(|response| response.status().is_success())
        };
        while !ready(self) {
            self.etcd.assert_running();
            self.apiserver.assert_running();
            assert!(
                began.elapsed() < START,
                "the API server is not ready:\n{}",
                self.apiserver.log_end()
            );
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Kills the API server.
    pub fn kill(&mut self) {
        self.apiserver.end();
    }

    /// Starts the API server again.
    pub fn start_again(&mut self) {
        self.apiserver = start(
            &self.binaries.apiserver,
            &self.args,
            &self.dir.path().join("apiserver.log"),
        );
        self.await_ready();
    }

    /// Sends etcd a signal, such as `STOP`.
    pub fn signal_etcd(&self, name: &str) {
        self.etcd.signal(name);
    }

    /// Kills etcd.
    pub fn kill_etcd(&mut self) {
        self.etcd.end();
    }

    /// Starts etcd again, on what it had stored.
    pub fn start_etcd_again(&mut self) {
        self.etcd = start(&self.binaries.etcd, &self.etcd_args, &self.dir.path().join("etcd.log"));
        self.await_ready();
    }

    /// Makes etcd forget every version but the newest: a watch cannot go on from an older one.
    pub fn forget_history(&self) {
        let ask = |path: &str, body: Value| {
            self.block_on(async {
                let client = kube::Client::try_from(kube::Config::new(self.etcd_url.parse().unwrap())).unwrap();
                call(&client, "POST", path, "application/json", Some(&body))
                    .await
                    .unwrap()
                    .ok()
            })
        };
        let newest = ask("/v3/kv/range", json!({"key": "AA=="}))["header"]["revision"].clone();
        ask("/v3/kv/compaction", json!({"revision": newest, "physical": true}));
    }

    /// Runs the controllers that delete namespaces and garbage, from now on.
    pub fn start_controllers(&self) {
        self.controllers.get_or_init(|| {
            let mut command = Command::new(&self.binaries.controllers);
            command.arg(
                "--controllers=namespace-controller,garbage-collector-controller,clusterrole-aggregation-controller",
            );
            command.args(["--leader-elect=false", "--bind-address=127.0.0.1"]);
            command.arg(format!("--secure-port={}", free_port()));
            command.arg(format!("--kubeconfig={}", self.kubeconfig(User::Admin).display()));
            command.arg(format!("--cert-dir={}", self.dir.path().join("controllers").display()));
            Process::start(command, &self.dir.path().join("controllers.log"))
        });
    }

    /// Where the audit log is.
    pub fn audit_log(&self) -> PathBuf {
        self.dir.path().join("audit.log")
    }

    /// The audit log's events about the claims of a namespace.
    pub fn audited(&self, namespace: &str) -> Vec<Value> {
        self.audited_of("mysqlinstanceclaims", namespace)
    }

    /// The audit log's events about the objects of that kind in a namespace.
    pub fn audited_of(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let log = fs::read_to_string(self.audit_log()).unwrap();
        let events = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["objectRef"]["namespace"] == namespace && event["objectRef"]["resource"] == resource)
            .collect()
    }

    /// A token of a service account.
    pub fn token(&self, namespace: &str, name: &str) -> String {
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        let answer = self.call(User::Admin, "POST", &path, Some(&request)).ok();
        answer["status"]["token"].as_str().unwrap().to_owned()
    }

    /// A folder that goes away with the API server.
    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.dir.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// A file that lets a user in.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        kubeconfig_path(self.dir.path(), user)
    }

    /// A file that lets a service account in, by a token of its own.
    pub fn account(&self, namespace: &str, name: &str) -> PathBuf {
        let token = self.token(namespace, name);
        let admin = fs::read_to_string(self.kubeconfig(User::Admin)).unwrap();
        let mut config: Value = serde_json::from_str(&admin).unwrap();
        config["users"][0]["user"] = json!({"token": token});
        let file = self.folder("accounts").join(format!("{namespace}.{name}"));
        fs::write(&file, config.to_string()).unwrap();
        file
    }

    /// How much processor time the API server has taken.
    pub fn cpu(&self) -> Duration {
        self.apiserver.cpu()
    }

    /// The token of a user.
    pub fn static_token(&self, user: User) -> String {
        let kubeconfig = fs::read_to_string(self.kubeconfig(user)).unwrap();
        let kubeconfig: Value = serde_json::from_str(&kubeconfig).unwrap();
        kubeconfig["users"][0]["user"]["token"].as_str().unwrap().to_owned()
    }

    /// A client of a user's.
    pub fn client(&self, user: User) -> kube::Client {
        self.clients[User::ALL.iter().position(|each| *each == user).unwrap()].clone()
    }

    /// Does something beside the test, until its end.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(future);
    }

    /// What clients run on.
    pub fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    /// Waits for what is to be done.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs `kubectl` as a user.
    pub fn kubectl(&self, user: User, args: &[&str], stdin: &str) -> Ran {
        let mut command = Command::new(&self.binaries.kubectl);
        command.args(args);
        self.prepare(&mut command, user);
        run(command, stdin)
    }

    /// Lets a command in as a user, with none of our own settings.
    pub fn prepare(&self, command: &mut Command, user: User) {
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HELM_") || name.starts_with("KUBE")) {
            command.env_remove(name);
        }
        without_proxy(command);
        thrifty(command);
        command.env("KUBECONFIG", self.kubeconfig(user));
        command.env("KUBECACHEDIR", self.dir.path().join("cache"));
        // Helm's own caches and settings, and anything that kubectl would keep.
        command.env("HOME", self.dir.path());
    }

    /// Sends a request as a user. A PATCH has the content type of its kind.
    pub fn call(&self, user: User, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        self.block_on(call(&self.client(user), method, path, kind, body))
            .unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }
}

/// Sends a request; the error is one of the connection.
pub async fn call(
    client: &kube::Client,
    method: &str,
    path: &str,
    kind: &str,
    body: Option<&Value>,
) -> Result<Answer, kube::Error> {
    let request = Request::builder().method(method).uri(path).header("content-type", kind);
    let body = body.map_or_else(Body::empty, |body| Body::from(serde_json::to_vec(body).unwrap()));
    let response = client.send(request.body(body).unwrap()).await?;
    let code = response.status().as_u16();
    let bytes = response.into_body().collect().await?.to_bytes();
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into());
    Ok(Answer { code, body })
}

/// Starts a program, its output in a file.
fn start(program: &Path, args: &[OsString], log: &Path) -> Process {
    let mut command = Command::new(program);
    command.args(args);
    Process::start(command, log)
}

/// The arguments of etcd, and where it is.
fn etcd(dir: &Path) -> (Vec<OsString>, String) {
    let (client, peer) = (
        format!("http://127.0.0.1:{}", free_port()),
        format!("http://127.0.0.1:{}", free_port()),
    );
    let data = dir.join("etcd");
    let member = format!("default={peer}");
    let args = [
        "--unsafe-no-fsync",
        "--data-dir",
        data.to_str().unwrap(),
        "--listen-client-urls",
        &client,
        "--advertise-client-urls",
        &client,
        "--listen-peer-urls",
        &peer,
        "--initial-advertise-peer-urls",
        &peer,
        "--initial-cluster",
        &member,
    ];
    (args.map(OsString::from).to_vec(), client)
}

fn kubeconfig_path(dir: &Path, user: User) -> PathBuf {
    dir.join(format!("{user:?}.kubeconfig"))
}

fn kubeconfig(port: u16, authority: &Path, token: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {
            "server": format!("https://127.0.0.1:{port}"), "certificate-authority": authority,
        }}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    })
    .to_string()
}

/// Addresses of this machine that nobody else is likely to have taken.
fn loopback_range() -> String {
    let [a, b]: [u8; 2] = [random(), random()].map(|random| u8::from_str_radix(&random[..2], 16).unwrap());
    format!("127.{}.{b}.0/24", 16 + a % 200)
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// 128 bits that nobody can guess.
fn random() -> String {
    let mut bytes = [0; 16];
    fs::File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    format!("{:032x}", u128::from_ne_bytes(bytes))
}
