//! From an empty cluster to a catalog and back, object by object, good and bad; and the commands that read it.

use std::hash::{BuildHasher, RandomState};

use serde_json::{Value, json};

use super::admission;
use crate::Case;
use crate::support::cluster::apiserver::{ApiServer, Ran, User, await_answer, run};
use crate::support::cluster::catalog::{delete, paths, put};
use crate::support::cluster::objects::ARCHIVE;
use crate::support::cluster::platform::{Platform, install_kinds};
use crate::support::cluster::team::{REASON, claim};
use crate::support::server::{Server, binary, eventually, on, review};

pub const CASES: &[Case] = &[
    (
        "a_server_waits_for_the_kinds_and_then_takes_a_catalog_in_any_order",
        from_nothing,
    ),
    ("a_bad_object_takes_out_itself_and_what_needs_it", bad),
];

pub const ALONE: &[Case] = &[
    ("a_cloud_is_closed_and_opened_with_one_patch", closed),
    ("every_command_reads_the_catalog_of_the_cluster", commands),
];

/// A server that follows the catalog of this cluster. Reviews are posted to it by hand.
pub fn follower(api: &ApiServer) -> Server {
    let mut command = on(binary(), &["127.0.0.1:0", "off", "127.0.0.1:0"]);
    command.args(["--catalog", "cluster", "--log", "info,kube_runtime=debug"]);
    api.prepare(&mut command, User::Admin);
    Server::run(command)
}

/// Where a new claim of this cell and tier goes, or why it is refused.
pub fn asked(server: &Server, cell: &str, tier: &str) -> Result<String, String> {
    let review = review(|review| {
        let parameters = &mut review["request"]["object"]["spec"]["parameters"];
        (parameters["cell"], parameters["tier"], parameters["ha"]) = (cell.into(), tier.into(), false.into());
    });
    let response = server.connect().post("/mutate", review);
    if response.status != 200 {
        return Err(response.body);
    }
    let answer = response.review();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    if answer["allowed"] == true {
        Ok(word(&answer["auditAnnotations"]["winner"]))
    } else {
        Err(word(&answer["status"]["message"]))
    }
}

/// Waits until such a claim is refused with all these words.
#[track_caller]
fn refused(server: &Server, (cell, tier): (&str, &str), words: &[&str]) {
    eventually(&format!("refused with {words:?}"), || {
        let answer = asked(server, cell, tier);
        answer.is_err_and(|why| words.iter().all(|word| why.contains(word)))
    });
}

/// Waits until such a claim is placed there.
#[track_caller]
pub fn placed(server: &Server, (cell, tier): (&str, &str), on: &str) {
    eventually(&format!("placed on {on}"), || {
        asked(server, cell, tier).is_ok_and(|winner| winner == on)
    });
}

/// The built-in catalog and one more cell, object by object.
pub fn objects() -> Vec<Value> {
    let show = |args: &[&str]| {
        let mut command = binary();
        command.args(["catalog", "show", "--output", "json"]).args(args);
        serde_json::from_str::<Value>(&run(command, "").ok()).unwrap()
    };
    let mut objects = show(&[])["items"].as_array().unwrap().clone();
    objects.extend(idp_multicloud::yaml::documents(ARCHIVE).unwrap());
    objects
}

/// One object of [`objects`].
pub fn object(kind: &str, name: &str) -> Value {
    let mut objects = objects().into_iter();
    let found = objects.find(|object| object["kind"] == kind && object["metadata"]["name"] == name);
    found.unwrap()
}

fn policy(name: &str, spec: Value) -> Value {
    admission::object("PlacementPolicy", name, spec)
}

fn from_nothing(platform: &Platform) {
    let api = ApiServer::start(platform.api.binaries.clone());
    let server = follower(&api);
    assert!(
        server
            .stdout()
            .contains("catalog of the cluster, ready once it is read")
    );
    let missing = "install the kinds of the catalog: idp-multicloud crd --catalog | kubectl apply --server-side -f -";
    eventually("it says what is missing", || {
        let told = server.get("/readyz?verbose");
        (told.status, told.body.contains(missing)) == (503, true)
    });
    let told = server.get("/readyz");
    assert!(
        told.body.starts_with("not ready: there is no catalog yet: "),
        "{told:?}"
    );
    let answer = server.connect().post("/mutate", review(|_| {}));
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(
        answer.body.contains("there is no catalog yet") && answer.body.contains(missing),
        "{answer:?}"
    );
    assert_eq!(server.get("/livez").status, 200);
    eventually("its age grows", || server.metric("idp_catalog_age_seconds") > 0.0);
    let mut command = binary();
    command.args(["catalog", "show", "--catalog", "cluster"]);
    api.prepare(&mut command, User::Admin);
    let shown = run(command, "");
    assert_eq!(shown.code, 2, "{shown}");
    shown.refused(&[missing]);

    install_kinds(&api);
    eventually("it is ready, with an empty catalog", || {
        server.get("/readyz").status == 200
    });
    assert_eq!(server.metric("idp_catalog_age_seconds"), 0.0);
    refused(&server, ("payments", "C1"), &["cell", "the catalog has none yet"]);

    for _ in 0..3 {
        let mut objects = objects();
        let order = RandomState::new();
        objects.sort_by_key(|object| order.hash_one(object.to_string()));
        for object in &objects {
            put(&api, object);
        }
        let names = objects.iter().map(|object| paths(object).1).collect::<Vec<_>>();
        eprintln!("put in this order: {names:?}");
        placed(&server, ("payments", "C1"), "aws-us-east-1");
        placed(&server, ("archive", "C2"), "oci-us-ashburn-1");
        let good = |kind: &str| server.metric(&format!("idp_catalog_objects_refused{{kind=\"{kind}\"}}")) == 0.0;
        eventually("every object is accepted", || {
            ["Cell", "Tier", "CloudProvider"].into_iter().all(good)
        });
        // What comes last says it all, in whatever order it came.
        let second = follower(&api);
        eventually("a second server is ready", || second.get("/readyz").status == 200);
        let revision = |server: &Server| {
            let ready = server.get("/readyz?verbose").body;
            let catalog = ready.lines().find(|line| line.starts_with("[+]catalog ok: "));
            catalog.unwrap().to_owned()
        };
        eventually("both have the same catalog", || revision(&server) == revision(&second));
        for object in &objects {
            delete(&api, object);
        }
        refused(&server, ("payments", "C1"), &["the catalog has none yet"]);
    }
    assert_eq!(server.metric("idp_panics_total"), 0.0);
}

fn bad(platform: &Platform) {
    let api = ApiServer::start(platform.api.binaries.clone());
    install_kinds(&api);
    for object in objects() {
        put(&api, &object);
    }
    let server = follower(&api);
    all_good(&server);
    bad_cell(&api, &server);
    bad_tier_and_cloud(&api, &server);
    bad_policy(&api, &server);
    assert_eq!(server.metric("idp_panics_total"), 0.0);
}

const PAYMENTS: (&str, &str) = ("payments", "C1");
const ARCHIVED: (&str, &str) = ("archive", "C2");

fn all_good(server: &Server) {
    placed(server, PAYMENTS, "aws-us-east-1");
    placed(server, ("payments", "C0"), "aws-us-east-1");
    placed(server, ARCHIVED, "oci-us-ashburn-1");
}

fn bad_cell(api: &ApiServer, server: &Server) {
    let mut cell = object("Cell", "payments");
    cell["spec"]["candidates"][0]["scores"]["latency"] = json!(1.5);
    put(api, &cell);
    refused(
        server,
        PAYMENTS,
        &[
            "Cell payments is there but not accepted",
            "candidates[0].scores.latency",
        ],
    );
    assert_eq!(asked(server, "archive", "C2").unwrap(), "oci-us-ashburn-1");
    assert_eq!(server.metric("idp_catalog_objects_refused{kind=\"Cell\"}"), 1.0);
    let told = ["WARN", "not accepted", "Cell payments", "scores.latency"];
    server.await_log(&told, 1);
    // A change elsewhere is no reason to say it again.
    put(
        api,
        &policy(
            "elsewhere",
            json!({"mode": "Audit", "validations": [{"expression": "true", "message": "m"}]}),
        ),
    );
    eventually("the policy is in force", || server.stderr().contains("policies=1"));
    assert_eq!(server.log(&told).len(), 1);
    delete(api, &policy("elsewhere", json!({})));

    // Who starts now finds a bad cell, and is ready all the same.
    let restarted = follower(api);
    eventually("it is ready", || restarted.get("/readyz").status == 200);
    refused(&restarted, PAYMENTS, &["Cell payments is there but not accepted"]);
    assert_eq!(asked(&restarted, "archive", "C2").unwrap(), "oci-us-ashburn-1");
    let check = |code: i32, words: &[&str]| {
        let mut command = binary();
        command.args(["catalog", "check", "cluster"]);
        api.prepare(&mut command, User::Admin);
        let ran = run(command, "");
        assert_eq!(ran.code, code, "{ran}");
        assert!(
            words.iter().all(|word| ran.stdout.contains(word)),
            "wanted: {words:?}; saw: {ran}"
        );
    };
    check(
        1,
        &[
            "Cell payments",
            "scores.latency",
            "1 problem",
            "accepted: 1 cell, 1 candidate, 3 tiers",
        ],
    );
    put(api, &object("Cell", "payments"));
    check(0, &["ok: 2 cells"]);
    all_good(server);
}

fn bad_tier_and_cloud(api: &ApiServer, server: &Server) {
    let mut tier = object("Tier", "c0");
    tier["spec"]["weights"] = json!({"latency": 0.5});
    put(api, &tier);
    refused(
        server,
        ("payments", "C0"),
        &["Tier c0 is there but not accepted", "spec.weights"],
    );
    assert_eq!(asked(server, "payments", "C1").unwrap(), "aws-us-east-1");
    put(api, &object("Tier", "c0"));
    all_good(server);

    let mut provider = object("CloudProvider", "aws");
    provider["spec"]["regions"] = json!([{"name": "us-east-1"}, {"name": "us-east-1"}]);
    put(api, &provider);
    refused(
        server,
        PAYMENTS,
        &["Cell payments is there but not accepted", "CloudProvider aws"],
    );
    assert_eq!(asked(server, "archive", "C2").unwrap(), "oci-us-ashburn-1");
    put(api, &object("CloudProvider", "aws"));
    all_good(server);
}

fn bad_policy(api: &ApiServer, server: &Server) {
    let wrong = json!([{"expression": "claim.cel == 'a'", "message": "m"}]);
    let about = |spec: Value| policy("residency", spec);
    put(
        api,
        &about(json!({"match": {"cells": ["archive"]}, "validations": wrong})),
    );
    refused(
        server,
        ARCHIVED,
        &[
            "PlacementPolicy residency is there but not accepted",
            "expression: line 1",
        ],
    );
    assert_eq!(asked(server, "payments", "C1").unwrap(), "aws-us-east-1");
    put(
        api,
        &about(json!({"match": {"cells": ["No Name"]}, "validations": wrong})),
    );
    for new in [PAYMENTS, ARCHIVED] {
        refused(server, new, &["PlacementPolicy residency is there but not accepted"]);
    }
    for mode in ["Warn", "Audit"] {
        put(
            api,
            &about(json!({"mode": mode, "match": {"cells": ["archive"]}, "validations": wrong})),
        );
        all_good(server);
        assert_eq!(
            server.metric("idp_catalog_objects_refused{kind=\"PlacementPolicy\"}"),
            1.0
        );
    }
    let right = json!([{"expression": "claim.cell == 'a'", "message": "m"}]);
    put(
        api,
        &about(json!({"match": {"cells": ["archive"]}, "validations": right})),
    );
    refused(server, ARCHIVED, &["policy residency"]);
    delete(api, &about(json!({})));
    all_good(server);
    eventually("nothing is refused any more", || {
        server.metric("idp_catalog_objects_refused{kind=\"PlacementPolicy\"}") == 0.0
    });
}

/// Opens AWS again, also where the case fails.
struct Opened<'a>(&'a Platform);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        patch(self.0, &json!({"spec": {"cordoned": null}}));
    }
}

fn patch(platform: &Platform, change: &Value) -> Ran {
    let patch = [
        "patch",
        "cloudprovider",
        "aws",
        "--type=merge",
        "--patch",
        &change.to_string(),
    ];
    platform.api.kubectl(User::Admin, &patch, "")
}

fn ours(platform: &Platform, args: &[&str], stdin: &str) -> Ran {
    let mut command = binary();
    command.args(args);
    platform.api.prepare(&mut command, User::Admin);
    run(command, stdin)
}

fn closed(platform: &Platform) {
    let team = platform.team("source-closed");
    let before = team.placed("before", json!({}));
    let goes_to = |provider: &str| {
        let mut row = 0;
        await_answer(
            provider,
            || team.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({})))),
            |answer| {
                let there = answer.body["spec"]["parameters"]["provider"] == provider;
                row = if there { row + 1 } else { 0 };
                row == 10
            },
        );
    };
    goes_to("aws");
    let closed_now = || {
        let args = ["audit", "--catalog", "cluster", "--all", "--output", "json"];
        let report: Value = serde_json::from_str(&ours(platform, &args, "").stdout).unwrap();
        let claims = report["claims"].as_array().unwrap().iter();
        let ours = claims.filter(|claim| claim["namespace"] == team.namespace.as_str());
        ours.filter(|claim| claim["findings"][0]["kind"] == "closed").count()
    };
    assert_eq!(closed_now(), 0);
    {
        let _opened = Opened(platform);
        patch(platform, &json!({"spec": {"cordoned": {"reason": "contract ends"}}})).ok();
        goes_to("gcp");
        let made = team.made(&claim("during", json!({})), "");
        let reason: Value = serde_json::from_str(made["metadata"]["annotations"][REASON].as_str().unwrap()).unwrap();
        let excluded = reason["excluded"].as_array().unwrap().iter();
        let aws: Vec<_> = excluded
            .filter(|excluded| excluded["candidate"] == "aws-us-east-1")
            .collect();
        assert_eq!(aws.len(), 1, "{reason:#}");
        assert!(aws[0].to_string().contains("contract ends"), "{reason:#}");
        team.assert_unmoved(&before);
        team.change("before", json!({"storageGB": 60})).ok();
        team.assert_unmoved(&before);
        assert_eq!(closed_now(), 1);
    }
    goes_to("aws");
    assert_eq!(closed_now(), 0);
}

fn commands(platform: &Platform) {
    let team = platform.team("source-commands");
    let ours = |args: &[&str], stdin: &str| ours(platform, args, stdin);
    let shown = ours(&["catalog", "show", "--catalog", "cluster"], "").ok();
    assert!(shown.starts_with("catalog of the cluster, revision "), "{shown}");
    let show = |source: &str| ours(&["catalog", "show", "--catalog", source, "--output", "yaml"], "").ok();
    // What is shown is the same catalog again, without what a cluster adds.
    let folder = platform.api.folder("source-commands");
    std::fs::write(folder.join("all.yaml"), show("cluster")).unwrap();
    assert_eq!(show(folder.to_str().unwrap()), show("cluster"));
    assert!(!show("cluster").contains("uid"), "{}", show("cluster"));

    let same = ours(
        &[
            "catalog",
            "diff",
            "cluster",
            folder.to_str().unwrap(),
            "--output",
            "json",
        ],
        "",
    )
    .ok();
    let same: Value = serde_json::from_str(&same).unwrap();
    assert_eq!(same["old"], same["new"], "{same:#}");
    let diff = ours(&["catalog", "diff", "builtin", "cluster"], "").ok();
    assert!(diff.contains("archive"), "{diff}");

    let mut asked = claim("asked", json!({}));
    asked["metadata"]["namespace"] = team.namespace.as_str().into();
    let placed = ours(&["place", "--catalog", "cluster", "--file", "-"], &asked.to_string()).ok();
    assert!(placed.contains("aws-us-east-1"), "{placed}");

    // A bad object is told and the rest is used.
    let bad = policy(
        "source-commands",
        json!({"match": {"cells": ["archive"]}, "validations": [{"expression": "1", "message": "m"}]}),
    );
    // Asked, a server would refuse it.
    let nobody_asked = platform.stop_serving();
    put(&platform.api, &bad);
    drop(nobody_asked);
    let noted = [
        "warning: not accepted: PlacementPolicy source-commands",
        "spec.validations[0].expression",
    ];
    let all = [
        ours(&["catalog", "show", "--catalog", "cluster"], ""),
        ours(&["catalog", "diff", "cluster", "builtin"], ""),
        ours(&["place", "--catalog", "cluster", "--file", "-"], &asked.to_string()),
        ours(&["audit", "--catalog", "cluster"], ""),
    ];
    let check = ours(&["catalog", "check", "cluster"], "");
    delete(&platform.api, &bad);
    for ran in all {
        assert!(
            noted.iter().all(|part| ran.stderr.contains(part)),
            "wanted: {noted:?}; saw: {ran}"
        );
        assert_ne!(ran.code, 2, "{ran}");
    }
    assert_eq!(check.code, 1, "{check}");
    assert!(check.stdout.contains("PlacementPolicy source-commands"), "{check}");
}
