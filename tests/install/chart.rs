//! The chart as text: what it renders, what it refuses, and the files rendered from it.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::Case;
use crate::installation::{Cluster, NAME, Road, file};
use crate::support::cluster::apiserver::User;

pub const CASES: &[Case] = &[
    ("it_is_linted_without_a_word", linted),
    ("the_rendered_files_are_committed", committed),
    ("both_helms_render_the_same", same),
    ("it_takes_the_versions_that_managed_clusters_report", versions),
    ("a_wrong_value_is_named", refused),
    ("it_renders_no_authority_and_no_definition", nothing_of_others),
    ("what_guards_claims_stays_when_a_release_goes", kept),
    ("a_setting_stands_alike_everywhere", settings),
    ("the_servers_can_be_let_trace", traced),
    ("names_that_could_end_a_condition_are_refused", quoted),
    ("a_pod_has_time_to_drain", drained),
    ("each_value_is_in_the_manual", documented),
    ("each_proof_in_the_manual_is_a_case", proven),
    ("its_version_is_the_binarys", version),
];

const HELMS: [Road; 2] = [Road::Helm3, Road::Helm4];

/// Every switch turned on.
const ALL: &str = "--set=api.enabled=true,api.insecureHttp=true,networkPolicy.enabled=true,serviceMonitor.enabled=true,\
                   prometheusRule.enabled=true,grafanaDashboard.enabled=true,createNamespace=true";

const SOURCES: [&str; 3] = ["self-managed", "cert-manager", "secret"];

fn chart() -> String {
    file("manifests/chart")
}

/// What the chart renders.
fn rendered(cluster: &Cluster, road: Road, args: &[&str]) -> String {
    let chart = chart();
    let template = ["template", NAME, &chart, "--kube-version=1.30"];
    cluster.helm(road, &[&template, args].concat()).ok()
}

fn objects(cluster: &Cluster, args: &[&str]) -> Vec<Value> {
    idp_multicloud::yaml::documents(&rendered(cluster, Road::Helm4, args)).unwrap()
}

fn linted(cluster: &Cluster) {
    for helm in HELMS {
        for set in ["--set=guard=true", ALL, "--set=certificates.source=cert-manager"] {
            let said = cluster
                .helm(helm, &["lint", "--strict", &chart(), "--kube-version=1.33.1", set])
                .ok();
            assert!(!said.contains("WARNING") && !said.contains("ERROR"), "{said}");
        }
    }
}

/// The files that `kubectl` takes, and the arguments of `helm template` that make them.
const RENDERED: &[(&str, &[&str])] = &[
    ("manifests/install.yaml", &["--set", "createNamespace=true,guard=false"]),
    ("manifests/guard.yaml", &["--show-only", "templates/guard-*.yaml"]),
    (
        "certs/cert-manager.yaml",
        &[
            "--set",
            "certificates.source=cert-manager",
            "--show-only",
            "templates/certificate.yaml",
        ],
    ),
];

fn committed(cluster: &Cluster) {
    for (name, args) in RENDERED {
        let wanted = rendered(cluster, Road::Helm4, args);
        let seen = fs::read_to_string(file(name)).unwrap_or_default();
        let args: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
        assert!(
            seen == wanted,
            "{name} is not up to date; with Helm 4, run: helm template {NAME} manifests/chart --namespace {NAME} \
             --kube-version 1.30 {} > {name}",
            args.join(" ")
        );
    }
}

fn same(cluster: &Cluster) {
    for source in SOURCES {
        let source = format!("--set=certificates.source={source}");
        let of = |helm| {
            let text = rendered(cluster, helm, &[ALL, &source]);
            let objects = idp_multicloud::yaml::documents(&text).unwrap();
            objects.iter().map(Value::to_string).collect::<BTreeSet<_>>()
        };
        assert_eq!(of(Road::Helm3), of(Road::Helm4), "{source}");
    }
}

fn versions(cluster: &Cluster) {
    for helm in HELMS {
        let template = |version: &str| {
            let version = format!("--kube-version={version}");
            cluster.helm(helm, &["template", NAME, &chart(), &version])
        };
        for version in [
            "v1.33.1-eks-1234567",
            "1.30.0",
            "v1.34.0-gke.1709000",
            "v1.31.2+k3s1",
            "1.36.3",
        ] {
            template(version).ok();
        }
        for version in ["1.29.9", "v1.29.15-eks-1234567"] {
            template(version).refused(&["kubeVersion"]);
        }
    }
}

fn refused(cluster: &Cluster) {
    for (set, named) in [
        ("image.tga=1", "tga"),
        ("image.digest=latest", "digest"),
        ("operatorGruop=dba", "operatorGruop"),
        ("disposableEnvironments={Dev}", "disposableEnvironments"),
        ("certificates.source=letsencrypt", "source"),
        ("certificates.lifetime=90d", "lifetime"),
        ("certificates.secretName=Not_A_Name", "secretName"),
        ("certificates.secretName=idp-multicloud-ca", "secretName"),
        ("certificates.lifetime=876001h", "lifetime"),
        ("admission.replicas=0", "replicas"),
        ("admission.drainDelaySeconds=soon", "drainDelaySeconds"),
        ("listenAddress=localhost", "listenAddress"),
        ("networkPolicy.apiServerPorts={}", "apiServerPorts"),
        ("log.format=xml", "format"),
        ("env[0].nmae=OTEL_SERVICE_NAME", "nmae"),
        ("volumes[0].name=tls", "volumes"),
        ("volumeMounts[0].mountPath=/etc/collector", "name"),
        ("volumeMounts[0].name=collector", "mountPath"),
        (
            "volumeMounts[0].name=tls,volumeMounts[0].mountPath=/etc/collector",
            "volumeMounts",
        ),
        (
            "volumeMounts[0].name=a,volumeMounts[0].mountPath=/a,volumeMounts[0].readonly=true",
            "readonly",
        ),
        ("networkPolicy.egress=everybody", "egress"),
        ("api.enabled=true", "api.tlsSecretName"),
        ("api.tlsSecretName=idp-multicloud-ca", "tlsSecretName"),
        ("prometheusRule.enabled=true", "serviceMonitor.enabled"),
        ("prometheusRule.runbooks=runbooks.md", "runbooks"),
        ("prometheusRule.unplacedClaims=-1", "unplacedClaims"),
        (
            "api.enabled=true,api.insecureHttp=true,api.tlsSecretName=tls",
            "api.insecureHttp",
        ),
    ] {
        for helm in HELMS {
            let set = format!("--set={set}");
            cluster
                .helm(helm, &["template", NAME, &chart(), "--kube-version=1.33.1", &set])
                .refused(&[named]);
        }
    }
}

fn nothing_of_others(cluster: &Cluster) {
    assert!(!fs::exists(file("manifests/chart/crds")).unwrap());
    for source in SOURCES {
        let text = rendered(
            cluster,
            Road::Helm4,
            &[ALL, &format!("--set=certificates.source={source}")],
        );
        let objects = idp_multicloud::yaml::documents(&text).unwrap();
        for object in &objects {
            assert_ne!(object["kind"], "CustomResourceDefinition");
            assert_ne!(object["kind"], "Secret");
            for webhook in object["webhooks"].as_array().into_iter().flatten() {
                assert_eq!(webhook["clientConfig"]["caBundle"], Value::Null, "{webhook}");
                assert_eq!(webhook["namespaceSelector"], Value::Null, "{webhook}");
            }
        }
    }
}

fn kept(cluster: &Cluster) {
    let objects = objects(cluster, &[]);
    let mut guards = 0;
    for object in &objects {
        let guard = object["kind"]
            .as_str()
            .unwrap()
            .starts_with("ValidatingAdmissionPolicy");
        let policy = &object["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(policy == "keep", guard, "{object:#}");
        guards += usize::from(guard);
    }
    assert_eq!(guards, 9);
}

fn settings(cluster: &Cluster) {
    let account = "system:serviceaccount:xp:crossplane";
    let shipped = "system:serviceaccount:crossplane-system:crossplane";
    // As a group may be called; in YAML it would be another thing without quotes.
    let group = "Team: DBA #1";
    let args = [
        &format!("--set=crossplaneAccount={account}"),
        &format!("--set=operatorGroup={group}"),
        "--set=disposableEnvironments={dev,sandbox}",
        "--set=api.enabled=true,api.insecureHttp=true",
    ];
    let text = rendered(cluster, Road::Helm4, &args);
    assert!(!text.contains(shipped), "{text}");
    // A matchCondition, a policy, and the servers.
    assert_eq!(text.matches(account).count(), 3);
    assert_eq!(text.matches(&format!("group in ['{group}']")).count(), 1);
    assert_eq!(text.matches(&format!("- \"--operator-group={group}\"")).count(), 1);
    assert_eq!(text.matches("variables.environment in ['dev', 'sandbox']").count(), 1);
    assert_eq!(text.matches("--disposable-environments=dev,sandbox").count(), 1);
    let none = rendered(cluster, Road::Helm4, &["--set=disposableEnvironments=null"]);
    assert_eq!(none.matches("variables.environment in []").count(), 1);
}

fn traced(cluster: &Cluster) {
    let manual = fs::read_to_string(file("manifests/traces.md")).unwrap();
    let values: Vec<String> = manual
        .split("```yaml\n")
        .skip(1)
        .enumerate()
        .map(|(i, rest)| {
            let path = cluster.api.folder("traced").join(format!("{i}.yaml"));
            fs::write(&path, rest.split("```").next().unwrap()).unwrap();
            format!("--values={}", path.display())
        })
        .collect();
    let [plain, tls] = &values[..] else {
        panic!("{values:?}")
    };
    let is_controller = |object: &Value| object["metadata"]["name"] == "idp-multicloud-controller";

    let traced = objects(cluster, &[ALL, plain]);
    let of = |kind: &'static str| traced.iter().filter(move |object| object["kind"] == kind);
    for deployment in of("Deployment") {
        let env = &deployment["spec"]["template"]["spec"]["containers"][0]["env"];
        assert_eq!(env[1]["value"], "http://collector.monitoring:4318", "{deployment}");
    }
    for policy in of("NetworkPolicy") {
        let egress = policy["spec"]["egress"].as_array().unwrap();
        let ports = [443, 4318, 53].map(|port| {
            let of_port = egress.iter().filter(|rule| rule["ports"][0]["port"] == port);
            of_port.count()
        });
        assert_eq!(
            ports,
            if is_controller(policy) { [1, 0, 0] } else { [1, 1, 1] },
            "{policy}"
        );
    }

    // With a pair of its own, and without.
    for set in ["--set=api.enabled=true,api.tlsSecretName=pair", ALL] {
        let servers = ["--show-only=templates/admission.yaml", "--show-only=templates/api.yaml"];
        let text = rendered(cluster, Road::Helm4, &[&[set, tls], &servers[..]].concat());
        let text = text.replace("namespace: idp-multicloud", "namespace: default");
        let create = [
            "create",
            "--dry-run=server",
            "--validate=strict",
            "--output=json",
            "--filename=-",
        ];
        let stored = cluster.api.kubectl(User::Admin, &create, &text).ok();
        let objects = serde_json::Deserializer::from_str(&stored).into_iter::<Value>();
        let objects = objects.map(Result::unwrap);
        let deployments: Vec<Value> = objects.filter(|object| object["kind"] == "Deployment").collect();
        assert_eq!(deployments.len(), 2);
        for deployment in deployments {
            let pod = &deployment["spec"]["template"]["spec"];
            let mut mounts = pod["containers"][0]["volumeMounts"].as_array().unwrap().iter();
            assert!(mounts.any(|mount| mount["mountPath"] == "/etc/collector"), "{pod}");
            let mut volumes = pod["volumes"].as_array().unwrap().iter();
            assert!(
                volumes.any(|volume| volume["configMap"]["name"] == "collector-ca"),
                "{pod}"
            );
        }
    }
}

fn quoted(cluster: &Cluster) {
    for set in [
        "crossplaneAccount=x' || true || '",
        "operatorGroup=a'",
        "disposableEnvironments={dev'}",
    ] {
        let set = format!("--set={set}");
        let name = set.split(['=', '.']).nth(1).unwrap();
        cluster
            .helm(
                Road::Helm4,
                &["template", NAME, &chart(), "--kube-version=1.33.1", &set],
            )
            .refused(&[name]);
    }
}

fn drained(cluster: &Cluster) {
    for delay in [0, 5, 60] {
        let objects = objects(cluster, &[&format!("--set=admission.drainDelaySeconds={delay}"), ALL]);
        for object in objects.iter().filter(|object| object["kind"] == "Deployment") {
            let pod = &object["spec"]["template"]["spec"];
            let args = &pod["containers"][0]["args"];
            let seconds = |flag: &str| {
                let arg = args
                    .as_array()
                    .unwrap()
                    .iter()
                    .find_map(|arg| arg.as_str().unwrap().strip_prefix(flag));
                arg.map(|arg| arg.trim_end_matches('s').parse::<u64>().unwrap())
            };
            let Some(drain) = seconds("--drain-delay=") else {
                continue;
            };
            // One second for the last answer and two for the last spans, as the server has it.
            let needed = drain + seconds("--request-timeout=").unwrap() + 1 + 2;
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap();
            assert!(grace > needed, "{grace} {needed} {}", object["metadata"]["name"]);
        }
    }
}

fn documented(_: &Cluster) {
    let values: Value =
        serde_saphyr::from_str(&fs::read_to_string(file("manifests/chart/values.yaml")).unwrap()).unwrap();
    let manual = fs::read_to_string(file("manifests/README.md")).unwrap();
    let mut names = Vec::new();
    for (name, value) in values.as_object().unwrap() {
        match value.as_object() {
            Some(fields) if !fields.is_empty() => names.extend(fields.keys().map(|field| format!("{name}.{field}"))),
            _ => names.push(name.clone()),
        }
    }
    // What the three parts have in common stands there once.
    let names = names.iter().filter(|name| {
        let part = name.split('.').next().unwrap();
        let field = name.split('.').nth(1).unwrap_or_default();
        !["controller", "api"].contains(&part) || ["enabled", "replicas"].contains(&field)
    });
    for name in names {
        assert!(
            manual.contains(&format!("| `{name}`")),
            "{name} is not in the table of values"
        );
    }
}

fn proven(_: &Cluster) {
    let manual = fs::read_to_string(file("manifests/README.md")).unwrap();
    let security = manual.split("**What a tenant can try.**").nth(1).unwrap();
    let named: Vec<&str> = security.split('`').filter(|word| word.contains("::")).collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named {
        let (room, case) = name.split_once("::").unwrap();
        let found = ["cluster", "catalog_cluster", "crossplane", "install"]
            .iter()
            .any(|program| {
                let source = fs::read_to_string(file(&format!("tests/{program}/{room}.rs")));
                source.is_ok_and(|source| source.contains(&format!("\"{case}\"")))
            });
        assert!(found, "there is no case {name}");
    }
}

fn version(_: &Cluster) {
    let about: Value =
        serde_saphyr::from_str(&fs::read_to_string(file("manifests/chart/Chart.yaml")).unwrap()).unwrap();
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
}
