//! The CRD, webhooks and policies installed as shipped, and two servers behind them.

use std::fs;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::apiserver::{ApiServer, OPERATORS, User, await_answer};
use super::balancer::Balancer;
use super::binaries::Binaries;
use super::objects::{ARCHIVE, NAMESPACE, SERVICE, crossplane_rights, loose, rights, service};
use super::pki::{Authority, Pair};
use super::team::{CLAIMS, Team, claim};
use crate::support::server::{Server, binary, on};

const MUTATING: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";
const VALIDATING: &str = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations";

/// The names of our configurations: those about claims, and the one about the catalog.
const OURS: &str = "idp-multicloud";
const CATALOG: &str = "idp-multicloud-catalog";

/// Claims that are older than the webhook live here: `plain` as an app team wrote it, `cased` with an environment in
/// capitals, `empty` without a spec, and `composed` as Crossplane left it, which has picked a composition.
pub const OLDER: &str = "older";

/// Claims that are older than the schema, by name: what they have for a spec.
pub const ODD: &[(&str, &str)] = &[
    ("odd-spec", "[]"),
    ("odd-text", "\"dev\""),
    ("odd-parameters", "{\"parameters\": [\"dev\"]}"),
    (
        "odd-environment",
        "{\"parameters\": {\"environment\": [\"dev\"]}, \"crossplane\": [\"dev\"]}",
    ),
];

/// Where the servers take their catalog from. It is the built-in one and the cell of [`ARCHIVE`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    Folder,
    Cluster,
}

/// A Kubernetes API server with the product in it.
pub struct Platform {
    pub api: ApiServer,
    pub balancer: Balancer,
    pub servers: [Server; 2],
    source: Source,
    authority: Authority,
    dir: PathBuf,
}

impl Platform {
    /// Starts everything, with the CRD as we ship it.
    pub fn start(binaries: Binaries) -> Self {
        Self::start_with(binaries, Self::install_crd)
    }

    /// Starts everything; the CRD comes from `define`.
    pub fn start_with(binaries: Binaries, define: impl FnOnce(&Self)) -> Self {
        Self::start_on(binaries, Source::Folder, define)
    }

    /// Starts everything, with the catalog as objects of the cluster.
    pub fn following(binaries: Binaries) -> Self {
        Self::start_on(binaries, Source::Cluster, Self::install_crd)
    }

    fn start_on(binaries: Binaries, source: Source, define: impl FnOnce(&Self)) -> Self {
        let api = ApiServer::start(binaries);
        let (authority, dir) = (Authority::new(), api.folder("servers"));
        put_catalog(&api, source);
        let pair = issue(&authority, &dir);
        let servers = [(); 2].map(|()| instance(&api, source, &pair, &[]));
        let balancer = Balancer::open();
        let platform = Self {
            api,
            balancer,
            servers,
            source,
            authority,
            dir,
        };
        platform.serve_again();
        platform.install(define);
        platform
    }

    /// The folder of the catalog.
    pub fn catalog(&self) -> PathBuf {
        catalog_folder(&self.api)
    }

    /// The files of the servers' certificate.
    pub fn pair(&self) -> Pair {
        Pair {
            cert: self.dir.join("tls.crt"),
            key: self.dir.join("tls.key"),
        }
    }

    /// Another certificate of the same authority, for 127.0.0.1.
    pub fn certificate(&self, name: &str) -> Pair {
        self.authority.issue(&[], &self.api.folder(name))
    }

    /// Puts a new certificate into those files.
    pub fn rotate(&self) {
        issue(&self.authority, &self.dir);
    }

    /// One more server, not behind the balancer yet.
    pub fn instance(&self, args: &[&str]) -> Server {
        instance(&self.api, self.source, &self.pair(), args)
    }

    /// The command of one more server, to be changed before it is run.
    pub fn command(&self) -> Command {
        command(&self.api, self.source, &self.pair())
    }

    /// Where the two servers take reviews.
    pub fn backends(&self) -> [SocketAddr; 2] {
        [0, 1].map(|n: usize| self.servers[n].admission().unwrap())
    }

    /// Puts the two servers behind the balancer, and nobody else.
    pub fn serve_again(&self) {
        self.balancer.only(&self.backends());
    }

    /// What is taken away from now on is there again once this is dropped, also if the case fails.
    pub fn outage(&self) -> Outage<'_> {
        Outage {
            platform: self,
            policies: false,
        }
    }

    /// Takes the servers away.
    pub fn stop_serving(&self) -> Outage<'_> {
        let outage = self.outage();
        self.balancer.only(&[]);
        outage
    }

    /// Takes our configuration of mutating webhooks away.
    pub fn unconfigure(&self) -> Outage<'_> {
        let outage = self.outage();
        self.delete_mutating();
        let change = json!({"spec": {"parameters": {"size": "huge"}}});
        let older = self.in_namespace(OLDER);
        let ask = || older.call("PATCH", "plain?dryRun=All", Some(&change));
        await_answer("the webhook is not called", ask, |answer| answer.code == 200);
        outage
    }

    /// Takes the policy on UPDATE away, too.
    pub fn unguarded(&self) -> Outage<'_> {
        let mut outage = self.unconfigure();
        outage.policies = true;
        let bindings = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
        let path = format!("{bindings}/update.mysqlinstanceclaims.platform.example.org");
        self.api.call(User::Admin, "DELETE", &path, None).ok();
        outage
    }

    /// How many reviews the two servers have answered, with these words in the metric's labels.
    pub fn reviews(&self, labels: &[&str]) -> f64 {
        self.servers.iter().map(|server| reviews(server, labels)).sum()
    }

    /// A namespace for one case.
    pub fn team(&self, namespace: &str) -> Team<'_> {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
        self.api
            .call(User::Admin, "POST", "/api/v1/namespaces", Some(&object))
            .ok();
        self.in_namespace(namespace)
    }

    /// An app team in a namespace that is there.
    pub fn in_namespace(&self, namespace: &str) -> Team<'_> {
        Team {
            platform: self,
            namespace: namespace.to_owned(),
            user: User::Developer,
        }
    }

    /// Applies objects.
    fn apply(&self, objects: impl IntoIterator<Item = Value>) {
        let objects: Vec<Value> = objects.into_iter().collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        self.api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &list.to_string())
            .ok();
    }

    fn install(&self, define: impl FnOnce(&Self)) {
        self.api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &rights())
            .ok();
        let older = self.team(OLDER);
        define(self);
        // Not for a Crossplane that may be here: it would take any composition for them.
        let unmanaged = |name: &str, changes: Value| {
            let mut claim = claim(name, changes);
            claim["metadata"]["annotations"] = json!({"crossplane.io/paused": "true"});
            claim
        };
        older.apply(&unmanaged("plain", json!({}))).ok();
        let mut composed = unmanaged("composed", json!({}));
        composed["spec"]["crossplane"] = json!({"compositionRef": {"name": "aws"}});
        older.apply(&composed).ok();
        older.apply(&unmanaged("cased", json!({"environment": "Dev"}))).ok();

        self.install_policies();
        self.install_webhooks();
    }

    /// The CRD as we ship it, and claims that are older than its schema.
    fn install_crd(&self) {
        self.api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &crossplane_rights())
            .ok();
        self.api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &loose())
            .ok();
        self.await_crd();
        let older = self.in_namespace(OLDER);
        for (name, spec) in ODD {
            let mut odd = claim(name, json!({}));
            odd["spec"] = serde_json::from_str(spec).unwrap();
            await_answer(
                "odd claims are stored",
                || older.call("POST", "", Some(&odd)),
                |answer| answer.code == 201,
            );
        }
        self.apply([definition_of_claims()]);
        self.await_crd();
        let mut empty = claim("empty", json!({}));
        empty.as_object_mut().unwrap().remove("spec");
        older.apply(&empty).ok();
    }

    /// Applies the accounts of our pods, and what they may do.
    pub fn install_rights(&self) {
        let rights = shipped("manifests/install.yaml").into_iter().filter(|object| {
            let kind = object["kind"].as_str().unwrap();
            kind == "ServiceAccount" || kind.contains("Role")
        });
        self.apply(rights);
    }

    /// Waits until claims are served.
    pub fn await_crd(&self) {
        let crd = "crd/mysqlinstanceclaims.db.platform.example.org";
        let wait = ["wait", "--for=condition=Established", crd, "--timeout=60s"];
        self.api.kubectl(User::Admin, &wait, "").ok();
    }

    /// Applies the policies as shipped, with a group of operators, and waits until each is in force.
    pub fn install_policies(&self) {
        let guard = json!(shipped("manifests/guard.yaml")).to_string();
        let nobody = "exists(group, group in [])";
        assert_eq!(
            guard.matches(nobody).count(),
            1,
            "there is one place for the operators' group"
        );
        let guard = guard.replace(nobody, &format!("exists(group, group in ['{OPERATORS}'])"));
        self.apply(serde_json::from_str::<Vec<Value>>(&guard).unwrap());
        let older = self.in_namespace(OLDER);
        let change = json!({"spec": {"crossplane": {"compositionRef": {"name": "gcp"}}}});
        let update = || {
            older
                .by(User::Crossplane)
                .call("PATCH", "composed?dryRun=All", Some(&change))
        };
        await_answer("the policy of UPDATE is in force", update, |answer| answer.code == 403);
        let delete = || older.call("DELETE", "plain?dryRun=All", None);
        await_answer("the policy of DELETE is in force", delete, |answer| answer.code == 403);
    }

    /// Applies the webhook configurations as shipped, with the bundle and port that an installation adds, and waits
    /// until they are in force.
    pub fn install_webhooks(&self) {
        let configurations = shipped("manifests/install.yaml").into_iter().filter(|object| {
            let kind = object["kind"].as_str().unwrap();
            let ours = self.source == Source::Cluster || object["metadata"]["name"] != CATALOG;
            kind.ends_with("WebhookConfiguration") && ours
        });
        self.apply(configurations);
        self.call_webhooks_at(self.balancer.port(), &self.authority.pem());
        self.await_placing();
    }

    /// Sends the API server to another port, or gives it another authority to trust. It may take a moment.
    pub fn call_webhooks_at(&self, port: u16, authority: &str) {
        self.api
            .kubectl(User::Admin, &["apply", "--filename", "-"], &service())
            .ok();
        let mut configurations = vec![(MUTATING, OURS), (VALIDATING, OURS)];
        if self.source == Source::Cluster {
            configurations.push((VALIDATING, CATALOG));
        }
        for (configurations, name) in configurations {
            self.edit_configuration(configurations, name, |configuration| {
                for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                    webhook["clientConfig"]["caBundle"] = STANDARD.encode(authority).into();
                    webhook["clientConfig"]["service"]["port"] = port.into();
                }
            });
        }
    }

    /// The authority that the servers' certificates come from.
    pub fn authority(&self) -> String {
        self.authority.pem()
    }

    /// Changes our configuration of mutating webhooks.
    pub fn edit_mutating(&self, edit: impl FnOnce(&mut Value)) {
        self.edit_configuration(MUTATING, OURS, edit);
    }

    fn edit_configuration(&self, configurations: &str, name: &str, edit: impl FnOnce(&mut Value)) {
        let path = format!("{configurations}/{name}");
        let mut configuration = self.api.call(User::Admin, "GET", &path, None).ok();
        edit(&mut configuration);
        self.api.call(User::Admin, "PUT", &path, Some(&configuration)).ok();
    }

    /// Deletes our configuration of mutating webhooks.
    pub fn delete_mutating(&self) {
        self.api
            .call(User::Admin, "DELETE", &format!("{MUTATING}/idp-multicloud"), None)
            .ok();
    }

    /// Sends the API server to another port for the validating webhook alone.
    pub fn call_validating_at(&self, port: u16) {
        self.edit_configuration(VALIDATING, OURS, |configuration| {
            configuration["webhooks"][0]["clientConfig"]["service"]["port"] = port.into();
        });
    }

    /// Deletes our configuration of validating webhooks.
    pub fn delete_validating(&self) {
        let path = format!("{VALIDATING}/idp-multicloud");
        self.api.call(User::Admin, "DELETE", &path, None).ok();
    }

    /// Waits until a claim would be placed, ten times in a row: what was deleted or stopped is back in force.
    pub fn await_placing(&self) {
        let older = self.in_namespace(OLDER);
        let ask = || older.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({}))));
        let mut row = 0;
        await_answer("claims are placed", ask, |answer| {
            let placed = answer.code == 201 && answer.body["spec"]["parameters"]["provider"] == "aws";
            row = if placed { row + 1 } else { 0 };
            row == 10
        });
    }
}

/// See [`Platform::outage`].
pub struct Outage<'a> {
    platform: &'a Platform,
    policies: bool,
}

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        let Self { platform, policies } = *self;
        let mended = catch_unwind(AssertUnwindSafe(|| {
            for server in &platform.servers {
                server.signal("CONT");
            }
            platform.serve_again();
            // `kubectl apply` would leave in place what was added to them.
            for configurations in [MUTATING, VALIDATING] {
                let path = format!("{configurations}/idp-multicloud");
                platform.api.call(User::Admin, "DELETE", &path, None);
            }
            platform.install_webhooks();
            if policies {
                platform.install_policies();
            }
        }));
        // While a panic is on its way, another one would end the whole run.
        if let (Err(why), false) = (mended, thread::panicking()) {
            resume_unwind(why);
        }
    }
}

/// How many reviews a server has answered, with these words in the metric's labels.
pub fn reviews(server: &Server, labels: &[&str]) -> f64 {
    let metrics = server.metrics();
    let counts = metrics
        .lines()
        .filter(|line| line.starts_with("idp_admission_reviews_total{"));
    let counts = counts.filter(|line| labels.iter().all(|label| line.contains(label)));
    counts
        .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
        .sum()
}

fn issue(authority: &Authority, dir: &Path) -> Pair {
    authority.issue(&[&format!("{SERVICE}.{NAMESPACE}.svc")], dir)
}

fn catalog_folder(api: &ApiServer) -> PathBuf {
    api.folder("servers/catalog")
}

fn put_catalog(api: &ApiServer, source: Source) {
    let builtin = binary().args(["catalog", "show", "-o", "yaml"]).output().unwrap();
    let builtin = String::from_utf8(builtin.stdout).unwrap();
    if source == Source::Folder {
        fs::write(catalog_folder(api).join("builtin.yaml"), builtin).unwrap();
        fs::write(catalog_folder(api).join("archive.yaml"), ARCHIVE).unwrap();
        return;
    }
    install_kinds(api);
    let apply = ["apply", "--server-side", "--filename", "-"];
    for text in [&builtin, ARCHIVE] {
        api.kubectl(User::Admin, &apply, text).ok();
    }
}

/// Installs the kinds of the catalog, and waits until they are served.
pub fn install_kinds(api: &ApiServer) {
    let crds = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests/crds.yaml");
    let catalog = "--selector=app.kubernetes.io/component=catalog";
    for command in [
        ["apply", "--server-side", "--filename", crds, catalog],
        ["wait", "crd", "--for=condition=Established", "--timeout=60s", catalog],
    ] {
        api.kubectl(User::Admin, &command, "").ok();
    }
}

/// The objects of a file that we ship.
pub fn shipped(file: &str) -> Vec<Value> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(file)).unwrap();
    idp_multicloud::yaml::documents(&text).unwrap()
}

/// The standalone definition of the claim's kind, as we ship it.
pub fn definition_of_claims() -> Value {
    let mut crds = shipped("manifests/crds.yaml").into_iter();
    crds.find(|crd| crd["spec"]["names"]["kind"] == "MySQLInstanceClaim")
        .unwrap()
}

fn instance(api: &ApiServer, source: Source, pair: &Pair, args: &[&str]) -> Server {
    let mut command = command(api, source, pair);
    command.args(args);
    Server::run(command)
}

fn command(api: &ApiServer, source: Source, pair: &Pair) -> Command {
    let mut command = on(binary(), &["127.0.0.1:0", "off", "127.0.0.1:0"]);
    command
        .arg("--tls-cert")
        .arg(&pair.cert)
        .arg("--tls-key")
        .arg(&pair.key)
        .args(["--operator-group", OPERATORS])
        .arg("--catalog");
    match source {
        Source::Folder => command.arg(catalog_folder(api)),
        Source::Cluster => command.arg("cluster").env("KUBECONFIG", api.kubeconfig(User::Admin)),
    };
    command
}

/// The collection of a namespace's claims, or one of them.
pub fn path(namespace: &str, rest: &str) -> String {
    let slash = if rest.is_empty() || rest.starts_with('?') {
        ""
    } else {
        "/"
    };
    format!("{CLAIMS}/namespaces/{namespace}/mysqlinstanceclaims{slash}{rest}")
}
