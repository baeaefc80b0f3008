//! Install, claims, upgrade, rollback, uninstall, install again: by Helm 3, Helm 4 and kubectl.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::{Value, json};

use crate::Case;
use crate::installation::{CATALOG, Cluster, Installation, MUTATING, NAME, Road, TEAM, VALIDATING, file, next_version};
use crate::support::cluster::apiserver::{Ran, User, await_answer};
use crate::support::cluster::manual::Recipe;
use crate::support::cluster::team::{assert_placed, claim, placement};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    ("by_helm_3", |cluster| road(cluster, Road::Helm3)),
    ("by_helm_4", |cluster| road(cluster, Road::Helm4)),
    ("by_kubectl", |cluster| road(cluster, Road::Kubectl)),
    ("applied_twice_the_second_changes_nothing", twice),
    ("every_switch_turned_off_leaves_the_guard", switched_off),
    (
        "what_holds_claims_and_is_not_in_force_is_told_and_installed_again",
        unheld,
    ),
];

/// Two servers that end quickly.
pub const FEW: &[&str] = &["--set=admission.replicas=2", "--set=admission.drainDelaySeconds=1"];

fn road(cluster: &Cluster, road: Road) {
    let mut installation = cluster.install(road, &[]);
    // Nothing of ours runs: claims wait, and everything else goes on.
    let refused = cluster.create("early", "");
    assert_eq!(refused.code, 500, "{refused:?}");
    assert_others_go_on(cluster);
    installation.run();
    assert_eq!(installation.servers.len(), 3);

    for name in ["kept", "leaving"] {
        cluster.claim_call("POST", "", Some(&claim(name, json!({})))).ok();
    }
    let kept = cluster.claim("kept");
    assert_placed(&kept);

    // Other settings, another version, and back: under a stream of creates.
    let folder = tempfile::tempdir().unwrap();
    let next = next_version(folder.path());
    let made = under_creates(cluster, || {
        installation.upgrade(&file("manifests/chart"), &[FEW, &["--set=operatorGroup=dba"]].concat());
        installation.roll();
        assert_eq!(installation.servers.len(), 2);
        installation.upgrade(&next, FEW);
        let image = &cluster.deployment("admission")["spec"]["template"]["spec"]["containers"][0]["image"];
        assert!(image.as_str().unwrap().ends_with(":9.0.0"), "{image}");
        installation.roll();
        roll_back(&installation);
        installation.roll();
    });
    assert!(made > 20, "wanted: a stream of creates; saw: {made}");
    assert_unmoved(cluster, &kept);

    installation.uninstall();
    assert_locked(cluster, &kept);
    assert_others_go_on(cluster);

    // It comes back, and takes over what is there.
    let mut again = cluster.install(road, FEW);
    again.run();
    assert_unmoved(cluster, &kept);
    cluster.create("after", "").ok();
    assert_placed(&cluster.claim("after"));
    replaced(cluster, 100).ok();
    assert_eq!(cluster.claim("kept")["spec"]["parameters"]["storageGB"], 100);
    assert_unmoved(cluster, &kept);
    again.clean();
}

/// What was there before the upgrade to the next version.
fn roll_back(installation: &Installation) {
    match installation.road {
        Road::Kubectl => installation.upgrade(&file("manifests/chart"), FEW),
        helm => {
            installation.cluster.helm(helm, &["rollback", NAME, "2"]).ok();
        }
    }
    let image = &installation.cluster.deployment("admission")["spec"]["template"]["spec"]["containers"][0]["image"];
    assert!(image.as_str().unwrap().ends_with(":0.1.0"), "{image}");
}

/// Does something while two writers make claims; fails unless each of them is placed. Gives how many there were.
pub fn under_creates(cluster: &Cluster, act: impl FnOnce()) -> usize {
    let (over, number) = (AtomicBool::new(false), AtomicUsize::new(0));
    let first = number_of_claims(cluster);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let name = format!("stream-{}", first + number.fetch_add(1, Ordering::Relaxed));
                    let answer = cluster.create(&name, "");
                    assert_eq!(answer.code, 201, "{name}: {answer:?}");
                    assert_placed(&answer.body);
                    thread::sleep(std::time::Duration::from_millis(50));
                }
            });
        }
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        over.store(true, Ordering::Relaxed);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    number.into_inner()
}

fn number_of_claims(cluster: &Cluster) -> usize {
    cluster.claim_call("GET", "", None).ok()["items"]
        .as_array()
        .unwrap()
        .len()
}

#[track_caller]
fn assert_unmoved(cluster: &Cluster, before: &Value) {
    let name = before["metadata"]["name"].as_str().unwrap();
    assert_eq!(placement(&cluster.claim(name)), placement(before));
}

/// `kubectl replace` of the claim as its author knows it.
fn replaced(cluster: &Cluster, storage: u64) -> Ran {
    let bare = claim("kept", json!({"storageGB": storage})).to_string();
    let replace = ["replace", "--namespace", TEAM, "--filename", "-"];
    cluster.api.kubectl(User::Admin, &replace, &bare)
}

/// With nothing of ours left but the guard: claims stay where they are, none is made, none is deleted unasked.
fn assert_locked(cluster: &Cluster, kept: &Value) {
    assert_eq!(cluster.get(MUTATING), None);
    assert_unmoved(cluster, kept);
    replaced(cluster, 50).refused(&["Forbidden", "keeps its placement for life"]);
    let created = cluster.create("locked-out", "");
    assert_eq!(created.code, 422, "{created:?}");
    cluster
        .claim_call("DELETE", "/kept", None)
        .forbidden(&["allow-deletion=true"]);
    let label = json!({"metadata": {"labels": {"team": "payments"}}});
    cluster.claim_call("PATCH", "/kept", Some(&label)).ok();
    assert_unmoved(cluster, kept);
    // Allowed, one goes.
    let allow = json!({"metadata": {"annotations": {"platform.example.org/allow-deletion": "true"}}});
    cluster.claim_call("PATCH", "/leaving", Some(&allow)).ok();
    cluster.claim_call("DELETE", "/leaving", None).ok();
    // Nor does a definition go.
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for crd in [
        "mysqlinstanceclaims.db.platform.example.org",
        "placementpolicies.platform.example.org",
    ] {
        cluster
            .call("DELETE", &format!("{crds}/{crd}"), None)
            .forbidden(&["deletes every object of its kind", crd]);
    }
}

/// Calls that have nothing to do with claims.
fn assert_others_go_on(cluster: &Cluster) {
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "others"}, "data": {"a": "b"}});
    let maps = format!("/api/v1/namespaces/{TEAM}/configmaps");
    cluster.call("POST", &maps, Some(&map)).ok();
    cluster.call("PUT", &format!("{maps}/others"), Some(&map)).ok();
    cluster.call("DELETE", &format!("{maps}/others"), None).ok();
    let other = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "others.example.org"},
        "spec": {"group": "example.org", "scope": "Namespaced", "names": {"kind": "Other", "plural": "others"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    cluster.call("POST", crds, Some(&other)).ok();
    cluster.call("DELETE", &format!("{crds}/others.example.org"), None).ok();
    cluster.kubectl(&["create", "namespace", "others"]);
    cluster.kubectl(&["delete", "namespace", "others", "--timeout=60s"]);
    let cells = "/apis/platform.example.org/v1alpha1/cells/payments";
    let label = json!({"metadata": {"labels": {"seen": "yes"}}});
    cluster.call("PATCH", cells, Some(&label)).ok();
}

fn unheld(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    let controller = &installation.controller.as_ref().unwrap().server;
    let told = |metric: &str, label: &str, wanted: [(&str, u8); 3]| {
        let wanted = wanted.map(|(name, wanted)| {
            let name = format!("{name}.mysqlinstanceclaims.platform.example.org");
            format!("\nidp_{metric}_in_force{{{label}=\"{name}\"}} {wanted}\n")
        });
        eventually(&wanted.concat(), || {
            let metrics = controller.metrics();
            wanted.iter().all(|line| metrics.contains(line))
        });
    };
    let guard = |wanted| {
        let policies = ["create", "delete", "update"];
        told("guard", "policy", policies.map(|name| (name, wanted)));
    };
    let webhooks = |rest| {
        let webhooks = [("create", 1), ("update", rest), ("validate", rest)];
        told("webhook", "webhook", webhooks);
    };
    guard(1);
    webhooks(1);
    let mend = |title: &str, names: &str| {
        let mend = &Recipe::of("manifests/runbooks.md", title).blocks[0];
        cluster.shell(User::Admin).run(&mend.replace("NAME", names)).ok();
    };

    let of = |kind: &str, name: &str| {
        format!(
            "/apis/admissionregistration.k8s.io/v1/validatingadmission{kind}/{name}.mysqlinstanceclaims.platform.example.org"
        )
    };
    cluster.call("DELETE", &of("policybindings", "create"), None).ok();
    cluster.call("DELETE", &of("policies", "delete"), None).ok();
    let warns = json!({"spec": {"validationActions": ["Warn"]}});
    cluster
        .call("PATCH", &of("policybindings", "update"), Some(&warns))
        .ok();
    guard(0);
    let problems = [
        "ERROR",
        "what holds claims is not in force",
        "create.mysqlinstanceclaims.platform.example.org: its binding is not there; ",
        "delete.mysqlinstanceclaims.platform.example.org: the policy is not there; ",
        "update.mysqlinstanceclaims.platform.example.org: its binding denies nothing",
    ];
    eventually("the log says what is wrong", || !controller.log(&problems).is_empty());
    let names = ["create", "delete", "update"].map(|name| format!("{name}.mysqlinstanceclaims.platform.example.org"));
    mend("IdpGuardNotInForce", &names.join(" "));
    guard(1);
    controller.await_log(&["INFO", "what holds claims is in force again"], 1);

    for (kind, patch) in [
        (
            "mutatingwebhookconfiguration",
            r#"[{"op": "replace", "path": "/webhooks/1/failurePolicy", "value": "Ignore"}]"#,
        ),
        (
            "validatingwebhookconfiguration",
            r#"[{"op": "add", "path": "/webhooks/0/namespaceSelector", "value": {"matchLabels": {"a": "b"}}}]"#,
        ),
    ] {
        cluster.kubectl(&["patch", kind, "idp-multicloud", "--type=json", "--patch", patch]);
    }
    webhooks(0);
    let problems = [
        "update.mysqlinstanceclaims.platform.example.org: the webhook lets pass what nobody answers; ",
        "validate.mysqlinstanceclaims.platform.example.org: the webhook leaves something out",
    ];
    eventually("the log says what is wrong", || !controller.log(&problems).is_empty());
    mend("IdpWebhookNotInForce", "");
    webhooks(1);
    cluster.await_placing();
    installation.clean();
}

fn twice(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Kubectl, &[]);
    installation.run();
    let versions = || {
        let get = ["get", "--output=json", "--filename"];
        ["install", "guard"].map(|name| {
            let objects = cluster.kubectl(&[&get[..], &[&file(&format!("manifests/{name}.yaml"))]].concat());
            let objects: Value = serde_json::from_str(&objects).unwrap();
            let version = |object: &Value| {
                json!([
                    object["kind"],
                    object["metadata"]["name"],
                    object["metadata"]["resourceVersion"]
                ])
            };
            objects["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(version)
                .collect::<Vec<_>>()
        })
    };
    let before = versions();
    assert!(before[0].len() > 12 && before[1].len() == 9, "{before:?}");
    installation.upgrade(&file("manifests/chart"), &[]);
    assert_eq!(versions(), before);
    installation.clean();
}

fn switched_off(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    for name in ["kept", "leaving"] {
        cluster.claim_call("POST", "", Some(&claim(name, json!({})))).ok();
    }
    let kept = cluster.claim("kept");
    let off = [
        FEW,
        &["--set=guard=false,api.enabled=false,networkPolicy.enabled=false,serviceMonitor.enabled=false"],
    ];
    installation.upgrade(&file("manifests/chart"), &off.concat());
    assert_unmoved(cluster, &kept);
    cluster
        .claim_call("DELETE", "/kept", None)
        .forbidden(&["allow-deletion=true"]);
    for configuration in [MUTATING, VALIDATING, CATALOG] {
        assert!(cluster.get(configuration).is_some(), "{configuration}");
    }
    installation.uninstall();
    assert_locked(cluster, &kept);

    // A release of another name takes the guard over only if it is told to.
    for (helm, name) in [(Road::Helm3, "another"), (Road::Helm4, "a-third")] {
        let chart = file("manifests/chart");
        let install = ["install", name, &chart, "--create-namespace"];
        cluster.helm(helm, &install).refused(&["exists and cannot be imported"]);
        cluster.helm(helm, &[&install[..], &["--take-ownership"]].concat()).ok();
        cluster.helm(helm, &["uninstall", name]).ok();
        replaced(cluster, 50).refused(&["keeps its placement for life"]);
        assert_unmoved(cluster, &kept);
    }

    // The last lock, taken off as the manual says.
    cluster.kubectl(&["delete", "--filename", &file("manifests/guard.yaml")]);
    let free = || cluster.api.call(User::Admin, "DELETE", &path("kept"), None);
    await_answer("the lock is off", free, |answer| answer.code == 200);
    let rest = cluster.install(Road::Helm4, FEW);
    rest.clean();
}

fn path(name: &str) -> String {
    format!("/apis/db.platform.example.org/v1alpha1/namespaces/{TEAM}/mysqlinstanceclaims/{name}")
}
