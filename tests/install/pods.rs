//! What the API server makes of the pods, and the kinds of others that the chart may ask for.

use serde_json::{Value, json};

use crate::Case;
use crate::installation::{Cluster, NAME, Road, TEAM, file};
use crate::roads::FEW;
use crate::support::cluster::apiserver::User;
use crate::support::cluster::binaries::module_source;
use crate::support::cluster::pod::Pod;
use crate::support::rest::{Rest, database};
use crate::support::server::{Connection, any_certificate};

pub const CASES: &[Case] = &[
    ("a_namespace_that_is_restricted_takes_every_pod", restricted),
    ("a_pod_mounts_the_serving_pair_and_nothing_else", mounts),
    (
        "what_is_asked_of_cert_manager_and_prometheus_fits_their_schemas",
        theirs,
    ),
    ("the_api_runs_in_pods_of_its_own", api),
    ("the_api_serves_over_tls_from_the_secret_it_is_given", api_over_tls),
];

const ALL: &[&str] = &["--set=api.enabled=true,api.insecureHttp=true,networkPolicy.enabled=true"];

fn restricted(cluster: &Cluster) {
    let installation = cluster.install(Road::Helm4, ALL);
    let enforce = "pod-security.kubernetes.io/enforce=restricted";
    cluster.kubectl(&["label", "namespace", NAME, enforce, "--overwrite"]);
    for component in ["admission", "controller", "api"] {
        let mut pod = cluster.deployment(component)["spec"]["template"].clone();
        pod["apiVersion"] = "v1".into();
        pod["kind"] = "Pod".into();
        pod["metadata"]["name"] = component.into();
        let pods = format!("/api/v1/namespaces/{NAME}/pods?dryRun=All");
        let made = cluster.call("POST", &pods, Some(&pod)).ok();
        let container = &made["spec"]["containers"][0];
        assert_eq!(
            container["securityContext"]["readOnlyRootFilesystem"], true,
            "{component}"
        );
        assert_eq!(
            container["resources"]["requests"].as_object().map(serde_json::Map::len),
            Some(2),
            "{component}"
        );
        assert!(container["resources"]["limits"]["memory"].is_string(), "{component}");

        // A restricted namespace does refuse: the same pod as root.
        pod["spec"]["securityContext"]["runAsNonRoot"] = false.into();
        let refused = cluster.call("POST", &pods, Some(&pod));
        assert_eq!(refused.code, 403, "{refused:?}");
    }
    installation.clean();
}

fn mounts(cluster: &Cluster) {
    let installation = cluster.install(Road::Helm4, ALL);
    let volumes = |component: &str| cluster.deployment(component)["spec"]["template"]["spec"]["volumes"].clone();
    let pair = json!([{"key": "tls.crt", "path": "tls.crt"}, {"key": "tls.key", "path": "tls.key"}]);
    assert_eq!(volumes("admission").as_array().unwrap().len(), 1);
    assert_eq!(
        volumes("admission")[0]["secret"]["secretName"],
        "idp-multicloud-admission-tls"
    );
    assert_eq!(volumes("admission")[0]["secret"]["items"], pair);
    for component in ["controller", "api"] {
        assert_eq!(volumes(component), Value::Null, "{component}");
    }
    installation.clean();
}

/// Installs the kinds of cert-manager and Prometheus, out of their own repositories; false where those cannot be had.
pub fn install_their_kinds(cluster: &Cluster) -> bool {
    for (module, folder) in [
        ("github.com/cert-manager/cert-manager@v1.21.2", "deploy/crds"),
        (
            "github.com/prometheus-operator/prometheus-operator@v0.85.0",
            "example/prometheus-operator-crd",
        ),
    ] {
        let source = match module_source(module) {
            Ok(source) => source,
            Err(absent) if std::env::var_os("CI").is_some() => panic!("{absent:?}"),
            Err(absent) => {
                eprintln!("skipped: {absent:?}");
                return false;
            }
        };
        let crds = source.join(folder).display().to_string();
        cluster.kubectl(&["apply", "--server-side", "--filename", &crds]);
    }
    for crd in [
        "certificates.cert-manager.io",
        "issuers.cert-manager.io",
        "servicemonitors.monitoring.coreos.com",
        "prometheusrules.monitoring.coreos.com",
    ] {
        let crd = format!("crd/{crd}");
        cluster.kubectl(&["wait", "--for=condition=Established", "--timeout=60s", &crd]);
    }
    true
}

fn theirs(cluster: &Cluster) {
    if !install_their_kinds(cluster) {
        return;
    }
    cluster.kubectl(&["create", "namespace", NAME]);
    for settings in [
        "certificates.source=cert-manager,serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus,\
         prometheusRule.enabled=true,prometheusRule.labels.release=prometheus",
        "certificates.source=cert-manager,certificates.certManager.issuerRef.name=company,\
         certificates.certManager.issuerRef.kind=ClusterIssuer,certificates.certManager.issuerRef.group=cert-manager.io",
    ] {
        let set = format!("--set={settings}");
        let template = ["template", NAME, &file("manifests/chart"), "--kube-version=1.30", &set];
        let text = cluster.helm(Road::Helm4, &template).ok();
        let apply = [
            "apply",
            "--server-side",
            "--dry-run=server",
            "--validate=strict",
            "--filename",
            "-",
        ];
        let said = cluster.api.kubectl(User::Admin, &apply, &text).ok();
        assert!(
            said.contains("certificate.cert-manager.io/idp-multicloud-admission"),
            "{said}"
        );
        assert_eq!(
            said.contains("issuer.cert-manager.io/idp-multicloud-ca"),
            !settings.contains("company"),
            "{said}"
        );
        for (kind, value) in [
            ("servicemonitor", "serviceMonitor"),
            ("prometheusrule", "prometheusRule"),
        ] {
            assert_eq!(
                said.contains(&format!("{kind}.monitoring.coreos.com/idp-multicloud")),
                settings.contains(value),
                "{said}"
            );
        }
        for configuration in idp_multicloud::yaml::documents(&text).unwrap() {
            if configuration["webhooks"].is_array() {
                let from = &configuration["metadata"]["annotations"]["cert-manager.io/inject-ca-from"];
                assert_eq!(from, "idp-multicloud/idp-multicloud-admission");
            }
        }
    }
    cluster.kubectl(&["delete", "namespace", NAME, "--timeout=60s"]);
}

fn api(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, &[FEW, ALL].concat());
    installation.run();
    let pod = Pod::start(&cluster.api, &cluster.deployment("api"));
    pod.await_ready();
    assert!(pod.server.admission().is_none());
    assert!(installation.servers.iter().all(|pod| pod.server.api().is_none()));
    serves(cluster, &pod);
    pod.end();
    installation.clean();
}

/// Fails unless REST does what its caller may do, and nothing by the pod's own account.
fn serves(cluster: &Cluster, pod: &Pod) {
    let nobody = Rest {
        address: pod.server.api().unwrap(),
        token: None,
    };
    let asked = database(TEAM, "by-rest", json!({"environment": "dev"}));
    nobody.get("/web/").is(200);
    nobody.post("/api/mysql", &asked).problem(401, "not-authenticated");
    let itself = nobody.by(&cluster.api.token(NAME, "idp-multicloud-api"));
    itself.post("/api/mysql", &asked).problem(403, "forbidden");
    itself.get("/api/catalog").problem(403, "forbidden");
    let admin = nobody.by(&cluster.api.static_token(User::Admin));
    assert_eq!(
        admin.get("/api/catalog").is(200)["disposableEnvironments"],
        json!(["dev"])
    );
    cluster.await_placing();
    assert_eq!(admin.post("/api/mysql", &asked).is(201)["placement"]["provider"], "aws");
    admin.delete(&format!("/api/mysql/{TEAM}/by-rest")).is(204);
}

fn api_over_tls(cluster: &Cluster) {
    let tls = &["--set=api.enabled=true,api.tlsSecretName=idp-multicloud-admission-tls"];
    let mut installation = cluster.install(Road::Helm4, &[FEW, tls].concat());
    installation.run();
    let service = format!("/api/v1/namespaces/{NAME}/services/idp-multicloud-api");
    assert_eq!(cluster.get(&service).unwrap()["spec"]["ports"][0]["port"], 443);
    let pod = Pod::start(&cluster.api, &cluster.deployment("api"));
    pod.await_ready();
    let mut connection = Connection::tls(pod.server.api().unwrap(), &any_certificate(rustls::ALL_VERSIONS)).unwrap();
    assert_eq!(connection.get("/health").body, "ok\n");
    pod.end();
    installation.clean();
}
