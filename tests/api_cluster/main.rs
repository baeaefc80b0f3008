//! The REST API in front of a real API server, with real rights, through the real webhook. The rules are those of
//! `tests/api`; the rest is about whose rights count, and about what only a cluster can do.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and its values are made where they are used"
)]

#[path = "../support"]
mod support {
    pub mod browser;
    pub mod cluster;
    pub mod collector;
    pub mod guard;
    pub mod missing;
    pub mod rest;
    pub mod schemathesis;
    pub mod server;
}

mod away;
mod lists;
mod people;
mod portal;
mod races;
#[path = "../api/rules.rs"]
mod rules;
mod secrets;
mod traces;
mod writes;

use std::path::Path;
use std::process::{Command, ExitCode};

use libtest_mimic::{Completion, Failed};
use serde_json::{Value, json};

use rules::{RULES, World};
use support::cluster::apiserver::{ApiServer, User, call};
use support::cluster::binaries::Binaries;
use support::cluster::platform::Platform;
use support::cluster::pod;
use support::cluster::shared;
use support::cluster::team::Team;
use support::rest::Rest;
use support::schemathesis;
use support::server::{Server, binary, eventually, on};

/// A case: its name, and what it does.
type Case = (&'static str, fn(&Site));

/// The cluster, and a server of REST in front of it.
struct Site {
    server: Server,
    platform: Platform,
}

/// A server of REST. The credentials in its configuration are an administrator's, so that a request which fell back to them
/// would be let do anything.
fn command(api: &ApiServer, catalog: &Path, args: &[&str]) -> Command {
    let mut command = on(binary(), &["off", "127.0.0.1:0", "127.0.0.1:0"]);
    command
        .args(["--store", "cluster", "--catalog"])
        .arg(catalog)
        .args(args);
    command.env("KUBECONFIG", api.kubeconfig(User::Admin));
    command
}

impl Site {
    fn start(binaries: Binaries) -> Self {
        let platform = Platform::start(binaries);
        let server = Server::run(command(&platform.api, &platform.catalog(), &[]));
        Self { server, platform }
    }

    /// Another server of REST, with other arguments.
    fn another(&self, args: &[&str]) -> Server {
        Server::run(command(&self.platform.api, &self.platform.catalog(), args))
    }

    /// A namespace of its own for one case.
    fn team(&self, namespace: &str) -> Team<'_> {
        self.platform.team(namespace)
    }

    /// Nobody in particular, who has no token.
    fn nobody(&self) -> Rest {
        Rest {
            address: self.server.api().unwrap(),
            token: None,
        }
    }

    /// Somebody who may do everything with claims, everywhere.
    fn developer_of_the_platform(&self) -> Rest {
        self.nobody().by(&self.platform.api.static_token(User::Developer))
    }

    /// A new service account of a namespace, which may do that there and nothing anywhere else.
    fn account(&self, namespace: &str, name: &str, rules: Value) -> Rest {
        let post = |path: &str, object: Value| self.platform.api.call(User::Admin, "POST", path, Some(&object)).ok();
        let metadata = json!({"name": name, "namespace": namespace});
        post(
            &format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
            json!({"metadata": metadata}),
        );
        let rbac = format!("/apis/rbac.authorization.k8s.io/v1/namespaces/{namespace}");
        post(&format!("{rbac}/roles"), json!({"metadata": metadata, "rules": rules}));
        let binding = json!({
            "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
        });
        post(&format!("{rbac}/rolebindings"), binding);
        let rest = self.nobody().by(&self.platform.api.token(namespace, name));
        // The authorizer sees a new binding a moment later.
        let client = pod::client(&self.platform.api, namespace, name);
        let review = json!({"spec": {"namespace": namespace}});
        let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
        eventually("the account has its rights", || {
            let asked = call(&client, "POST", path, "application/json", Some(&review));
            let answer = self.platform.api.block_on(asked).unwrap().ok();
            answer["status"]["resourceRules"]
                .to_string()
                .contains("mysqlinstanceclaims")
        });
        rest
    }
}

/// All that a developer does with claims, and to ask whether a Secret is there.
fn developer() -> Value {
    json!([claims(&["get", "list", "create", "patch", "delete"]), secrets()])
}

/// A rule of a role: that may be done to claims.
fn claims(verbs: &[&str]) -> Value {
    json!({"apiGroups": ["db.platform.example.org"], "resources": ["mysqlinstanceclaims"], "verbs": verbs})
}

/// A rule of a role: Secrets may be got.
fn secrets() -> Value {
    json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]})
}

/// A rule in a namespace of its own, by somebody who may work in that one only.
fn on_cluster(site: &Site, number: usize, rule: fn(&World)) {
    let namespace = format!("rule-{number}");
    let team = site.team(&namespace);
    let rest = site.account(&namespace, "developer", developer());
    // What is stored is asked of the API server itself.
    let (client, path) = (site.platform.api.client(User::Admin), support::cluster::platform::path);
    let handle = site.platform.api.handle();
    let stored = move |name: &str| {
        let path = path(&namespace, name);
        let answer = handle
            .block_on(call(&client, "GET", &path, "application/json", None))
            .unwrap();
        (answer.code != 404).then(|| answer.ok())
    };
    let world = World {
        rest,
        namespace: team.namespace,
        stored: Box::new(stored),
    };
    rule(&world);
}

/// The document is true, whatever is asked, by somebody who may do everything in the namespace of its examples.
fn tried(site: &Site) -> Result<Completion, Failed> {
    let _orders = site.team("orders");
    let server = site.another(&["--log", "warn"]);
    let rest = Rest {
        address: server.api().unwrap(),
        token: Some(site.platform.api.static_token(User::Developer)),
    };
    let verdict = schemathesis::finds_nothing(&rest);
    assert!(!server.stderr().contains("panicked"), "{}", server.stderr());
    verdict
}

fn main() -> ExitCode {
    let rules = RULES.iter().enumerate().map(|(number, &(name, rule))| shared::Case {
        name: format!("rules::{name}"),
        alone: false,
        long: false,
        run: Box::new(move |site: &Site| {
            on_cluster(site, number, rule);
            Ok(Completion::Completed)
        }),
    });
    let rooms = [
        (false, ("people", people::CASES)),
        (false, ("lists", lists::CASES)),
        (false, ("secrets", secrets::CASES)),
        (false, ("writes", writes::CASES)),
        (false, ("races", races::CASES)),
        (false, ("away", away::CASES)),
        (true, ("away", away::ALONE)),
        (true, ("traces", traces::ALONE)),
    ];
    let cases = rooms.into_iter();
    let cases = cases.flat_map(|(alone, room)| shared::cases(alone, room, |site, case| case(site)));
    let tried = shared::Case {
        name: "document::schemathesis_finds_nothing".to_owned(),
        alone: false,
        long: false,
        run: Box::new(tried),
    };
    let signed_in = shared::Case {
        name: "portal::somebody_signs_in_asks_for_a_database_and_signs_out".to_owned(),
        alone: false,
        long: false,
        run: Box::new(portal::signed_in),
    };
    shared::run_cases(
        || Ok(Site::start(Binaries::find()?)),
        rules.chain(cases).chain([tried, signed_in]).collect(),
    )
}
