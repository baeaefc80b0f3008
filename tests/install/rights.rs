//! Each account with a token of its own: what it needs works, and what it does not is 403.

use kube::Client;
use serde_json::{Value, json};

use crate::Case;
use crate::installation::{CATALOG, Cluster, MUTATING, NAME, Road, VALIDATING};
use crate::roads::FEW;
use crate::support::cluster::apiserver::{Answer, User, await_answer, call};
use crate::support::cluster::pod;
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    ("serving_pods_read_the_catalog_and_nothing_else", admission),
    ("the_controller_writes_what_is_named_and_nothing_else", controller),
    ("the_api_reads_the_catalog_and_nothing_else", api),
    ("whoever_audits_lists_claims_and_the_catalog", audit),
];

const KINDS: [&str; 4] = ["cells", "cloudproviders", "placementpolicies", "tiers"];
const SECRETS: &str = "/api/v1/namespaces/idp-multicloud/secrets";
const CLAIMS: &str = "/apis/db.platform.example.org/v1alpha1/mysqlinstanceclaims";
const APPLY: &str = "application/apply-patch+yaml";

/// A client of one account of ours.
struct Account<'c> {
    cluster: &'c Cluster,
    client: Client,
}

impl<'c> Account<'c> {
    fn new(cluster: &'c Cluster, namespace: &str, name: &str) -> Self {
        let client = pod::client(&cluster.api, namespace, name);
        Self { cluster, client }
    }

    fn send(&self, method: &str, path: &str, kind: &str, body: &Value) -> Answer {
        let body = (!body.is_null()).then_some(body);
        self.cluster
            .api
            .block_on(call(&self.client, method, path, kind, body))
            .unwrap()
    }

    fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "application/json", &Value::Null)
    }

    #[track_caller]
    fn may(&self, method: &str, path: &str, kind: &str, body: &Value) {
        let answer = self.send(method, path, kind, body);
        assert!(answer.code < 300, "{method} {path}: {answer:?}");
    }

    #[track_caller]
    fn may_not(&self, method: &str, path: &str, kind: &str, body: &Value) {
        let answer = self.send(method, path, kind, body);
        assert_eq!(answer.code, 403, "{method} {path}: {answer:?}");
    }

    /// What is for nobody but an administrator, or for the caller of the REST API.
    #[track_caller]
    fn assert_no_more(&self) {
        let json = "application/json";
        for path in [
            "/api/v1/secrets",
            SECRETS,
            "/api/v1/namespaces/kube-system/secrets",
            "/api/v1/namespaces/payments/secrets/db-connection",
            "/api/v1/configmaps",
            "/api/v1/nodes",
            "/api/v1/namespaces",
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies",
            "/apis/apps/v1/namespaces/idp-multicloud/deployments",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles",
        ] {
            self.may_not("GET", path, json, &Value::Null);
        }
        for path in [
            "/apis/platform.example.org/v1alpha1/cells/payments",
            "/apis/db.platform.example.org/v1alpha1/namespaces/payments/mysqlinstanceclaims/kept",
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/update.mysqlinstanceclaims.platform.example.org",
            "/apis/apps/v1/namespaces/idp-multicloud/deployments/idp-multicloud-admission",
        ] {
            self.may_not("PATCH", path, "application/merge-patch+json", &json!({}));
            self.may_not("DELETE", path, json, &Value::Null);
        }
        let account = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token",
            "annotations": {"kubernetes.io/service-account.name": "idp-multicloud-controller"}},
            "type": "kubernetes.io/service-account-token"});
        self.may_not("POST", SECRETS, json, &account);
        let token = "/api/v1/namespaces/idp-multicloud/serviceaccounts/idp-multicloud-controller/token";
        let request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
        self.may_not("POST", token, json, &request);
        self.may_not(
            "POST",
            "/apis/db.platform.example.org/v1alpha1/namespaces/payments/mysqlinstanceclaims",
            json,
            &crate::support::cluster::team::claim("forged", json!({})),
        );
    }

    #[track_caller]
    fn assert_reads_the_catalog(&self) {
        for kind in KINDS {
            let path = format!("/apis/platform.example.org/v1alpha1/{kind}");
            assert_eq!(self.get(&path).code, 200, "{path}");
            assert_eq!(
                self.get(&format!("{path}?watch=true&timeoutSeconds=1")).code,
                200,
                "{path}"
            );
        }
    }

    #[track_caller]
    fn assert_writes_no_status(&self) {
        for kind in KINDS {
            let path = format!("/apis/platform.example.org/v1alpha1/{kind}/any/status");
            self.may_not("PATCH", &path, "application/merge-patch+json", &json!({}));
        }
    }

    #[track_caller]
    fn assert_touches_no_configuration(&self) {
        for path in [MUTATING, VALIDATING, CATALOG] {
            self.may_not("GET", path, "application/json", &Value::Null);
            self.may_not("PATCH", path, "application/merge-patch+json", &json!({}));
        }
    }
}

fn admission(cluster: &Cluster) {
    let installation = cluster.install(Road::Helm4, FEW);
    let account = Account::new(cluster, NAME, "idp-multicloud-admission");
    account.assert_reads_the_catalog();
    account.assert_writes_no_status();
    account.assert_touches_no_configuration();
    for name in ["idp-multicloud-ca", "idp-multicloud-admission-tls"] {
        let path = format!("{SECRETS}/{name}");
        account.may_not("GET", &path, "application/json", &Value::Null);
        account.may_not("PATCH", &path, "application/merge-patch+json", &json!({}));
    }
    account.assert_no_more();
    installation.clean();
}

fn controller(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    let account = Account::new(cluster, NAME, "idp-multicloud-controller");
    account.assert_reads_the_catalog();
    account.may("GET", CLAIMS, "application/json", &Value::Null);
    let watch = format!("{CLAIMS}?watch=true&timeoutSeconds=1");
    account.may_not("GET", &watch, "application/json", &Value::Null);
    let applied = |path: &str| format!("{path}?fieldManager=test&force=true");
    let secret = |name: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    for name in ["idp-multicloud-ca", "idp-multicloud-admission-tls"] {
        // It is not there yet: this asks for `create`, by name.
        let path = format!("{SECRETS}/{name}");
        account.may("PATCH", &applied(&path), APPLY, &secret(name));
        account.may("PATCH", &applied(&path), APPLY, &secret(name));
        account.may("GET", &path, "application/json", &Value::Null);
        account.may_not("POST", SECRETS, "application/json", &secret(name));
        account.may_not("PUT", &path, "application/json", &secret(name));
        account.may_not("DELETE", &path, "application/json", &Value::Null);
        // Of another type than what it makes; it starts anew.
        cluster.call("DELETE", &path, None).ok();
    }
    for kind in ["policies", "policybindings"] {
        let of = |name: &str| {
            format!("/apis/admissionregistration.k8s.io/v1/validatingadmission{kind}/{name}.platform.example.org")
        };
        let path = of("update.mysqlinstanceclaims");
        account.may("GET", &path, "application/json", &Value::Null);
        account.may_not("PATCH", &path, "application/merge-patch+json", &json!({}));
        account.may_not("DELETE", &path, "application/json", &Value::Null);
        account.may_not("GET", &of("another"), "application/json", &Value::Null);
    }
    let other = format!("{SECRETS}/other");
    account.may_not("GET", &other, "application/json", &Value::Null);
    account.may_not("PATCH", &applied(&other), APPLY, &secret("other"));
    for (path, kind) in [
        (MUTATING, "MutatingWebhookConfiguration"),
        (VALIDATING, "ValidatingWebhookConfiguration"),
        (CATALOG, "ValidatingWebhookConfiguration"),
    ] {
        account.may("GET", path, "application/json", &Value::Null);
        let name = path.rsplit('/').next().unwrap();
        let nothing =
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}});
        account.may("PATCH", &applied(path), APPLY, &nothing);
        account.may_not("DELETE", path, "application/json", &Value::Null);
        let other = path.replace("idp-multicloud", "another");
        account.may_not("GET", &other, "application/json", &Value::Null);
        let made =
            json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": "another"}});
        account.may_not("PATCH", &applied(&other), APPLY, &made);
        // Nor does it bring one back that somebody has deleted.
        let before = cluster.get(path).unwrap();
        cluster.call("DELETE", path, None).ok();
        account.may_not("PATCH", &applied(path), APPLY, &nothing);
        let mut again = before;
        again["metadata"].as_object_mut().unwrap().remove("resourceVersion");
        let collection = path.rsplit_once('/').unwrap().0;
        cluster.call("POST", collection, Some(&again)).ok();
    }
    account.assert_no_more();

    // And it is enough for its work.
    installation.run();
    let controller = installation.controller.as_ref().unwrap();
    cluster.kubectl(&["wait", "cells", "--all", "--for=condition=Accepted", "--timeout=30s"]);
    eventually("claims are counted", || {
        controller
            .server
            .metrics()
            .contains("\nidp_claims{state=\"unplaced\"} 0\n")
    });
    assert_eq!(controller.server.log(&["Forbidden"]), Vec::<String>::new());
    assert_eq!(controller.server.log(&["forbidden"]), Vec::<String>::new());
    installation.clean();
}

fn api(cluster: &Cluster) {
    let installation = cluster.install(
        Road::Helm4,
        &[FEW, &["--set=api.enabled=true,api.insecureHttp=true"]].concat(),
    );
    let account = Account::new(cluster, NAME, "idp-multicloud-api");
    account.assert_reads_the_catalog();
    account.assert_writes_no_status();
    account.assert_touches_no_configuration();
    account.assert_no_more();
    account.may_not("GET", CLAIMS, "application/json", &Value::Null);
    installation.clean();
}

fn audit(cluster: &Cluster) {
    let installation = cluster.install(Road::Helm4, FEW);
    cluster.kubectl(&["create", "serviceaccount", "auditor", "--namespace=default"]);
    // The role is nobody's until it is bound.
    let account = Account::new(cluster, "default", "auditor");
    account.may_not("GET", CLAIMS, "application/json", &Value::Null);
    let bind = [
        "create",
        "clusterrolebinding",
        "auditor",
        "--clusterrole=idp-multicloud-audit",
    ];
    cluster.kubectl(&[&bind[..], &["--serviceaccount=default:auditor"]].concat());
    // The API server learns of a binding a moment after it is stored.
    await_answer("the role is bound", || account.get(CLAIMS), |answer| answer.code != 403);
    account.may("GET", CLAIMS, "application/json", &Value::Null);
    account.assert_writes_no_status();
    account.assert_touches_no_configuration();
    account.assert_no_more();
    let mut audit = crate::support::server::binary();
    audit.args(["audit", "--catalog", "cluster"]);
    audit.env("KUBECONFIG", cluster.api.account("default", "auditor"));
    let said = crate::support::cluster::apiserver::run(audit, "").ok();
    assert!(said.contains("catalog "), "{said}");
    cluster
        .api
        .kubectl(User::Admin, &["delete", "clusterrolebinding", "auditor"], "")
        .ok();
    cluster
        .api
        .kubectl(
            User::Admin,
            &["delete", "serviceaccount", "auditor", "--namespace=default"],
            "",
        )
        .ok();
    installation.clean();
}
