//! Day 2: the recipes of the manual, run as they stand there.

use std::fs;

use serde_json::{Value, json};

use crate::Case;
use crate::installation::{Cluster, Road, TEAM};
use crate::roads::FEW;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::manual::{Recipe, Shell};
use crate::support::cluster::objects::rights;
use crate::support::cluster::team::{REASON, assert_placed, claim};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    ("day_2", day_2),
    ("a_lost_cluster_is_replaced_and_the_new_one_upgraded_and_removed", lost),
];

const OPERATIONS: &str = "manifests/operations.md";
const MANUAL: &str = "manifests/README.md";

/// A shell in a folder of its own, in which the catalog of the cluster is in a folder `catalog`.
fn with_catalog(cluster: &Cluster) -> Shell<'_> {
    let folder = cluster.api.folder("manual");
    fs::create_dir_all(folder.join("catalog")).unwrap();
    let shell = Shell {
        folder,
        ..cluster.shell(User::Admin)
    };
    shell
        .run("idp-multicloud catalog show --catalog cluster -o yaml > catalog/all.yaml")
        .ok();
    shell
}

fn told(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "wanted: {part}; saw: {text}");
    }
}

fn day_2(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    for (name, changes) in [
        ("payments-db", json!({})),
        ("cheap-db", json!({"tier": "C2", "ha": false})),
        ("plain-db", json!({"tier": "C2", "ha": false, "environment": "dev"})),
    ] {
        cluster.claim_call("POST", "", Some(&claim(name, changes))).ok();
    }
    let shell = with_catalog(cluster);
    std::os::unix::fs::symlink(cluster.api.audit_log(), shell.folder.join("audit.log")).unwrap();
    let run = |title: &str, block: usize| -> String {
        let recipe = Recipe::of(OPERATIONS, title);
        for (name, text) in &recipe.files {
            fs::write(shell.folder.join(name), text).unwrap();
        }
        shell.run(&recipe.blocks[block]).ok()
    };
    let placed = |name: &str, changes: Value| cluster.claim_call("POST", "?dryRun=All", Some(&claim(name, changes)));

    told(&run("Add a cell", 0), &["/orders condition met", "gcp-us-central1"]);
    let in_orders = || placed("orders-db", json!({"cell": "orders"}));
    await_answer("the cell takes claims", in_orders, |answer| answer.code == 201);
    assert_placed(&in_orders().ok());
    told(&run("Add a cell", 1), &["\"orders\" deleted"]);

    let goes_to = |cloud: &str| {
        eventually(cloud, || {
            placed("new", json!({})).ok()["spec"]["parameters"]["provider"] == cloud
        });
    };
    goes_to("aws");
    told(
        &run("Close a region", 0),
        &["sits on a closed candidate", "region evacuation"],
    );
    goes_to("gcp");
    run("Close a region", 1);
    goes_to("aws");

    told(
        &run("Raise a tier's bar", 0),
        &["spec.requires", "tier.platform.example.org/c2 configured"],
    );
    run("Raise a tier's bar", 1);

    told(&run("Prove a decision", 0), &["payments-db  holds "]);
    told(
        &run("Prove a decision", 1),
        &[&format!("admin\tcreate\t{TEAM}/payments-db")],
    );

    told(
        &run("Find who changed what", 0),
        &["admin\tpatch\ttiers/c2\t200", "admin\tdelete\tcells/orders\t200"],
    );
    shell
        .run(&format!("kubectl delete mysqlinstanceclaim payments-db -n {TEAM}"))
        .refused(&["(Forbidden)"]);
    told(
        &run("Find who changed what", 1),
        &["admin\tcreate\t201", "admin\tdelete\t403\t"],
    );
    let guard = "validatingadmissionpolicybindings/delete.mysqlinstanceclaims.platform.example.org";
    cluster.kubectl(&[
        "annotate",
        &guard.replacen('/', " ", 1).replace("bindings ", "binding/"),
        "seen=yes",
    ]);
    let changes = run("Find who changed what", 2);
    told(&changes, &[&format!("admin\tpatch\t{guard}\t200")]);
    assert!(!changes.contains("idp-multicloud-controller"), "{changes}");
    let nothing = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings?labelSelector=of=nothing";
    cluster.call("DELETE", nothing, None).ok();
    let all = "admin\tdeletecollection\tvalidatingadmissionpolicybindings/*\t200";
    told(&run("Find who changed what", 2), &[all]);
    installation.clean();
}

/// Gives people their rights, and Crossplane's account all of them.
fn let_in(cluster: &Cluster) {
    let crossplane = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "test-crossplane"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "system:serviceaccount:crossplane-system:crossplane"}],
    });
    for objects in [rights(), crossplane.to_string()] {
        let apply = ["apply", "--filename", "-"];
        cluster.api.kubectl(User::Admin, &apply, &objects).ok();
    }
}

fn lost(cluster: &Cluster) {
    let settings = [FEW, &["--set=operatorGroup=platform-operators"]].concat();
    let_in(cluster);
    let mut installation = cluster.install(Road::Helm4, &settings);
    installation.run();
    // A catalog that a new cluster does not have.
    let shell = with_catalog(cluster);
    let cell = Recipe::of(OPERATIONS, "Add a cell");
    for (name, text) in &cell.files {
        fs::write(shell.folder.join(name), text).unwrap();
    }
    shell.run(&cell.blocks[0]).ok();
    let in_orders = || cluster.claim_call("POST", "?dryRun=All", Some(&claim("new", json!({"cell": "orders"}))));
    await_answer("the cell takes claims", in_orders, |answer| answer.code == 201);
    for (name, changes) in [
        ("first", json!({})),
        ("second", json!({"tier": "C2", "ha": false, "environment": "dev"})),
    ] {
        cluster.claim_call("POST", "", Some(&claim(name, changes))).ok();
    }
    let references = json!({"spec": {"crossplane": {"compositionRef": {"name": "mysql-aws"}, "resourceRefs": [{"apiVersion": "v1", "kind": "ConfigMap"}]}}});
    let first = format!("/apis/db.platform.example.org/v1alpha1/namespaces/{TEAM}/mysqlinstanceclaims/first");
    cluster
        .api
        .call(User::Crossplane, "PATCH", &first, Some(&references))
        .ok();
    let before = ["first", "second"].map(|name| cluster.claim(name));
    assert_ne!(before[0]["spec"]["crossplane"]["compositionRef"], Value::Null);
    let backup = Recipe::of(MANUAL, "Back up and restore claims").blocks.swap_remove(0);
    shell.run(&backup).ok();
    let folder = shell.folder.clone();

    // Another cluster, in which there is nothing of that one.
    let new = Cluster::start(cluster.api.binaries.clone());
    new.kubectl(&["delete", "namespace", TEAM]);
    let_in(&new);
    let mut replaced = new.install(Road::Helm4, &settings);
    replaced.run_controller();
    replaced.run_servers();
    let [catalog, restore, proof] = Recipe::of(OPERATIONS, "Replace a cluster that is lost")
        .blocks
        .try_into()
        .unwrap();
    let shell = Shell {
        folder,
        ..new.shell(User::Admin)
    };
    shell.run(&catalog).ok();
    let [namespaces, claims] = restore.split_once('\n').map(<[&str; 2]>::from).unwrap();
    shell.run(namespaces).ok();
    new.await_placing();
    let (operator, developer) = (shell.by(User::Operator), shell.by(User::Developer));
    developer.run(claims).refused(&["spec.parameters.provider"]);
    // Somebody has moved them in the backup.
    let moved = r#"jq '.items[].spec.parameters.region = "us-west-2"' claims.json | kubectl create -f -"#;
    operator
        .run(moved)
        .refused(&["spec.parameters.region: is not what the placement reason says"]);
    operator.run(claims).ok();
    for before in before {
        let after = new.claim(before["metadata"]["name"].as_str().unwrap());
        assert_ne!(after["metadata"]["uid"], before["metadata"]["uid"]);
        assert_eq!(after["spec"]["parameters"], before["spec"]["parameters"]);
        // What Crossplane made there is not here.
        for left in ["compositionRef", "resourceRefs"] {
            assert_eq!(after["spec"]["crossplane"][left], Value::Null);
        }
        let reason = &after["metadata"]["annotations"][REASON];
        assert_eq!(reason, &before["metadata"]["annotations"][REASON]);
        assert_placed(&after);
    }
    // It ends well only if every decision holds, on the catalog of the cluster that is lost.
    let proven = shell.run(&proof).ok();
    assert_eq!(proven.matches(" holds ").count(), 2, "{proven}");

    let removed = Recipe::of(MANUAL, "Uninstall").blocks;
    let [upgrade, back] = Recipe::of(MANUAL, "Upgrade and roll back").blocks.try_into().unwrap();
    let shell = new.shell(User::Admin);
    told(&shell.run(&upgrade).ok(), &["\"idp-multicloud\" has been upgraded"]);
    told(&shell.run(&back).ok(), &["Rollback was a success"]);
    told(&shell.run(&removed[0]).ok(), &["\"idp-multicloud\" uninstalled"]);
    for name in ["first", "second"] {
        assert_placed(&new.claim(name));
    }
    shell.run(&removed[1]).ok();
    assert_eq!(new.claim_call("GET", "", None).code, 404);
    installation.clean();
}
