//! A namespace of its own for one case, and what an app team does in it.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::apiserver::{Answer, Ran, User, run};
use super::platform::{Platform, path};

/// The API group and version of claims.
pub const CLAIMS: &str = "/apis/db.platform.example.org/v1alpha1";

/// The annotation with the reason.
pub const REASON: &str = "platform.example.org/placement-reason";

/// The annotation that allows a deletion.
pub const ALLOW_DELETION: &str = "platform.example.org/allow-deletion";

/// A bare claim for production, with changes to `spec.parameters`.
pub fn claim(name: &str, changes: Value) -> Value {
    let mut claim = json!({
        "apiVersion": "db.platform.example.org/v1alpha1",
        "kind": "MySQLInstanceClaim",
        "metadata": {"name": name},
        "spec": {"parameters": {
            "cell": "payments", "tier": "C1", "environment": "prod", "size": "medium", "storageGB": 50, "ha": true,
        }},
    });
    for (field, value) in changes.as_object().unwrap() {
        claim["spec"]["parameters"][field] = value.clone();
    }
    claim
}

/// What a claim keeps for life, and the uid that says it is the same one.
pub fn placement(claim: &Value) -> Value {
    let parameters = &claim["spec"]["parameters"];
    json!({
        "uid": claim["metadata"]["uid"],
        "provider": parameters["provider"],
        "region": parameters["region"],
        "runtimeCluster": parameters["runtimeCluster"],
        "network": parameters["network"],
        "cell": parameters["cell"],
        "environment": parameters["environment"],
        "reason": claim["metadata"]["annotations"][REASON],
        "crossplane": claim["spec"]["crossplane"],
    })
}

/// A user in a namespace.
#[derive(Clone)]
pub struct Team<'a> {
    pub platform: &'a Platform,
    pub namespace: String,
    pub user: User,
}

impl Team<'_> {
    /// The same namespace, another user.
    pub fn by(&self, user: User) -> Self {
        Self { user, ..self.clone() }
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, args: &[&str]) -> Ran {
        self.kubectl_with(args, "")
    }

    /// Runs kubectl in the namespace with a text on its standard input.
    pub fn kubectl_with(&self, args: &[&str], stdin: &str) -> Ran {
        let args = [&["--namespace", self.namespace.as_str()], args].concat();
        self.platform.api.kubectl(self.user, &args, stdin)
    }

    /// `kubectl apply` of an object.
    pub fn apply(&self, object: &Value) -> Ran {
        self.send(&["apply"], object)
    }

    /// A kubectl command that reads an object from its standard input.
    pub fn send(&self, args: &[&str], object: &Value) -> Ran {
        self.kubectl_with(&[args, &["--filename", "-"]].concat(), &object.to_string())
    }

    /// Runs Helm in the namespace, under the name that it has everywhere: it signs what it writes with it.
    pub fn helm(&self, helm: &Path, args: &[&str]) -> Ran {
        let mut command = Command::new(helm);
        command.arg0("helm");
        command.args(["--namespace", &self.namespace]).args(args);
        self.platform.api.prepare(&mut command, self.user);
        run(command, "")
    }

    /// Sends a request about a claim (`name`, `name/status`, `?dryRun=All`, …) to the API server, as it is. A PATCH is a
    /// merge patch.
    pub fn call(&self, method: &str, rest: &str, body: Option<&Value>) -> Answer {
        self.platform
            .api
            .call(self.user, method, &path(&self.namespace, rest), body)
    }

    /// Changes what a claim asks for.
    pub fn change(&self, name: &str, parameters: Value) -> Answer {
        self.call("PATCH", name, Some(&json!({"spec": {"parameters": parameters}})))
    }

    /// The audit log's events about claims of the namespace, in order.
    pub fn audited(&self) -> Vec<Value> {
        self.platform.api.audited(&self.namespace)
    }

    /// The stored claim, if there is one.
    pub fn stored(&self, name: &str) -> Option<Value> {
        let answer = self.by(User::Admin).call("GET", name, None);
        (answer.code != 404).then(|| answer.ok())
    }

    /// The stored claim.
    #[track_caller]
    pub fn claim(&self, name: &str) -> Value {
        self.stored(name)
            .unwrap_or_else(|| panic!("wanted: the claim {name}; saw: it is gone"))
    }

    /// Makes a claim; fails unless it is stored and placed. Gives it as it is stored.
    #[track_caller]
    pub fn placed(&self, name: &str, changes: Value) -> Value {
        self.apply(&claim(name, changes)).ok();
        let stored = self.claim(name);
        assert_placed(&stored);
        stored
    }

    /// POSTs a claim, with a query if there is one; fails unless it is made. Gives it as the API server does.
    #[track_caller]
    pub fn made(&self, claim: &Value, query: &str) -> Value {
        self.call("POST", query, Some(claim)).ok()
    }

    /// Fails unless the claim is there, the same one, and where it was.
    #[track_caller]
    pub fn assert_unmoved(&self, before: &Value) {
        let now = self.claim(before["metadata"]["name"].as_str().unwrap());
        assert_eq!(
            placement(&now),
            placement(before),
            "wanted: the placement on the right; saw: the one on the left"
        );
    }

    /// Says on a claim that it may be deleted.
    pub fn allow_deletion(&self, name: &str) {
        let allow = format!("{ALLOW_DELETION}=true");
        self.kubectl(&["annotate", "mysqlinstanceclaim", name, &allow]).ok();
    }

    /// What Crossplane writes into `spec.crossplane`, by its own account.
    pub fn crossplane_writes(&self, name: &str, fields: Value) -> Value {
        let change = json!({"spec": {"crossplane": fields}});
        self.by(User::Crossplane).call("PATCH", name, Some(&change)).ok()
    }
}

/// Fails unless every part of a placement is there and they agree.
#[track_caller]
pub fn assert_placed(claim: &Value) {
    let parameters = &claim["spec"]["parameters"];
    let reason = claim["metadata"]["annotations"][REASON].as_str().unwrap_or("{}");
    let reason: Value = serde_json::from_str(reason).unwrap();
    let labels =
        json!({"db.platform.example.org/provider": parameters["provider"], "db.platform.example.org/class": "mysql"});
    assert!(
        parameters["provider"].is_string(),
        "wanted: a placed claim; saw: {claim:#}"
    );
    assert_eq!(
        claim["spec"]["crossplane"]["compositionSelector"]["matchLabels"], labels,
        "{claim:#}"
    );
    for field in ["provider", "region", "runtimeCluster", "network"] {
        assert_eq!(
            parameters[field], reason["winner"][field],
            "wanted: {field} as in the reason; saw: {claim:#}"
        );
    }
}

/// The arguments of the kubectl command that a refusal or a warning says to run, whatever stands around it.
#[track_caller]
pub fn remedy(said: &str) -> Vec<&str> {
    let command = said.split("first run: kubectl ").nth(1);
    let command = command.and_then(|rest| rest.split(['\n', '\'', '"', '\\']).next());
    let command = command.unwrap_or_else(|| panic!("wanted: a command to run; saw: {said}"));
    command.split_whitespace().collect()
}
