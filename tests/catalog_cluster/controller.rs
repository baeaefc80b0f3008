//! The controller, run with the rights that we ship: statuses and the number of claims, and nothing else.

use std::path::Path;

use serde_json::{Value, json};

use super::admission::{apply, cell, delete, object};
use crate::Case;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::platform::Platform;
use crate::support::server::{Server, binary, eventually};

pub const CASES: &[Case] = &[
    ("it_writes_whether_an_object_is_in_force_and_why_not", statuses),
    ("it_writes_once_and_again_after_a_restart_only_what_is_due", settled),
    ("many_objects_are_written_once_each", many),
    ("it_counts_claims_and_those_without_a_placement", counted),
    ("each_account_may_do_what_it_needs_and_no_more", rights),
];

const CATALOG: &str = "/apis/platform.example.org/v1alpha1";
const CLAIMS: &str = "/apis/db.platform.example.org/v1alpha1/mysqlinstanceclaims";

/// A kubeconfig with a token of one of our service accounts, which have the rights that we ship.
fn token(platform: &Platform, account: &str) -> std::path::PathBuf {
    platform.install_rights();
    platform.api.account("idp-multicloud", account)
}

/// A controller as shipped.
fn controller(platform: &Platform) -> Server {
    started(&token(platform, "idp-multicloud-controller"))
}

fn started(kubeconfig: &Path) -> Server {
    let mut command = binary();
    command.args(["controller", "--ops-addr", "127.0.0.1:0"]);
    command.env("KUBECONFIG", kubeconfig);
    let server = Server::run(command);
    eventually("the controller is ready", || server.get("/readyz").status == 200);
    server
}

/// The condition of an object: status, reason, message.
fn condition(platform: &Platform, kinds: &str, name: &str) -> [String; 3] {
    let object = platform
        .api
        .call(User::Admin, "GET", &format!("{CATALOG}/{kinds}/{name}"), None)
        .ok();
    let condition = &object["status"]["conditions"][0];
    ["status", "reason", "message"].map(|field| condition[field].as_str().unwrap_or_default().to_owned())
}

#[track_caller]
fn awaits(platform: &Platform, kinds: &str, name: &str, wanted: [&str; 3]) {
    let path = format!("{CATALOG}/{kinds}/{name}");
    await_answer(
        &format!("{wanted:?} of {name}"),
        || platform.api.call(User::Admin, "GET", &path, None),
        |_| condition(platform, kinds, name) == wanted,
    );
}

fn statuses(platform: &Platform) {
    let mut controller = controller(platform);
    apply(platform, &cell("statuses", "status-cloud")).ok();
    awaits(
        platform,
        "cells",
        "statuses",
        [
            "False",
            "Unresolved",
            "not in force: spec.candidates[0].provider: there is no CloudProvider status-cloud; known: aws, gcp, oci",
        ],
    );
    apply(platform, &object("CloudProvider", "status-cloud", json!({}))).ok();
    let wait = [
        "wait",
        "--for=condition=Accepted",
        "cell/statuses",
        "cloudprovider/status-cloud",
        "--timeout=30s",
    ];
    platform.api.kubectl(User::Admin, &wait, "").ok();
    let open = || {
        platform
            .api
            .call(User::Admin, "GET", &format!("{CATALOG}/cells/statuses"), None)
    };
    await_answer("it is open", open, |answer| answer.body["status"]["open"] == 1);
    let row = platform
        .api
        .kubectl(User::Admin, &["get", "cell", "statuses", "--no-headers"], "")
        .ok();
    assert_eq!(
        row.split_whitespace().take(4).collect::<Vec<_>>(),
        ["statuses", "1", "1", "True"]
    );

    // One edit closes every candidate of a cloud.
    let close = json!({"spec": {"cordoned": {"reason": "drill"}}}).to_string();
    let patch = [
        "patch",
        "cloudprovider",
        "status-cloud",
        "--type=merge",
        "--patch",
        &close,
    ];
    platform.api.kubectl(User::Admin, &patch, "").ok();
    await_answer("it is closed", open, |answer| answer.body["status"]["open"] == 0);
    let row = platform
        .api
        .kubectl(
            User::Admin,
            &["get", "cloudprovider", "status-cloud", "--no-headers"],
            "",
        )
        .ok();
    assert_eq!(
        row.split_whitespace().take(3).collect::<Vec<_>>(),
        ["status-cloud", "drill", "True"]
    );

    // A tier that nobody scores is in force, and each cell says that it is not for it.
    apply(
        platform,
        &object(
            "Tier",
            "statuses",
            json!({"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"carbon": 1}}),
        ),
    )
    .ok();
    await_answer(
        "the cell is incomplete",
        || {
            platform
                .api
                .call(User::Admin, "GET", &format!("{CATALOG}/cells/statuses"), None)
        },
        |_| {
            let [status, reason, message] = condition(platform, "cells", "statuses");
            status == "True"
                && reason == "Incomplete"
                && message.starts_with("in force, but: spec.candidates[0].scores.carbon")
        },
    );
    for (kind, name) in [
        ("tier", "statuses"),
        ("cell", "statuses"),
        ("cloudprovider", "status-cloud"),
    ] {
        delete(platform, kind, name);
    }
    controller.signal("TERM");
    assert_eq!(controller.exit_code(), 0);
}

fn settled(platform: &Platform) {
    let versions = || -> Vec<Value> {
        ["cells", "tiers", "cloudproviders"]
            .iter()
            .flat_map(|kinds| {
                let list = platform
                    .api
                    .call(User::Admin, "GET", &format!("{CATALOG}/{kinds}"), None)
                    .ok();
                list["items"].as_array().unwrap().clone()
            })
            .map(|object| json!([object["metadata"]["name"], object["metadata"]["resourceVersion"]]))
            .collect()
    };
    let wait = |server: &Server| {
        let wait = [
            "wait",
            "--for=condition=Accepted",
            "cell/payments",
            "tier/c0",
            "cloudprovider/oci",
            "--timeout=30s",
        ];
        platform.api.kubectl(User::Admin, &wait, "").ok();
        // Its own writes come back to it, and are what it wants.
        let mut before = server.metric("idp_controller_status_writes_total");
        eventually("it is done", || {
            std::thread::sleep(std::time::Duration::from_millis(700));
            let now = server.metric("idp_controller_status_writes_total");
            std::mem::replace(&mut before, now).total_cmp(&now).is_eq()
        });
    };
    let first = controller(platform);
    wait(&first);
    let before = versions();
    // Killed, not asked to end.
    drop(first);
    let second = controller(platform);
    wait(&second);
    assert_eq!(versions(), before);
    assert_eq!(second.metric("idp_controller_status_writes_total").to_string(), "0");
    assert_eq!(second.metric("idp_controller_status_failures_total").to_string(), "0");
    assert_eq!(second.metric("idp_catalog_age_seconds").to_string(), "0");
    let stderr = second.stderr();
    let foreseen = ["the catalog", "claims without a placement"];
    let strange = |line: &&str| !foreseen.iter().any(|words| line.contains(words));
    assert_eq!(stderr.lines().find(strange), None, "{stderr}");
}

fn many(platform: &Platform) {
    let kubectl = |args: &[&str], input: &str| platform.api.kubectl(User::Admin, args, input).ok();
    let names: Vec<String> = (0..24).map(|i| format!("many-{i}")).collect();
    let cells: Vec<Value> = names.iter().map(|name| cell(name, "status-many")).collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": cells});
    let unasked = platform.stop_serving();
    kubectl(&["create", "--filename", "-"], &list.to_string());
    drop(unasked);
    let objects = || -> Vec<Value> {
        let objects = kubectl(
            &["get", "cells,tiers,cloudproviders,placementpolicies", "--output=json"],
            "",
        );
        let mut objects: Value = serde_json::from_str(&objects).unwrap();
        objects["items"].take().as_array().unwrap().clone()
    };
    let versions = || -> Vec<Value> {
        let versions = objects().into_iter();
        versions
            .map(|object| object["metadata"]["resourceVersion"].clone())
            .collect()
    };
    let without = |object: &Value| object["status"]["conditions"][0]["type"] != "Accepted";
    let before = versions();
    let first = controller(platform);
    eventually("all are written", || !objects().iter().any(without));
    // News from before a write have nothing written again.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let written = first.metric("idp_controller_status_writes_total");
    let changed = before
        .iter()
        .zip(versions())
        .filter(|(before, now)| *before != now)
        .count();
    let wanted = f64::from(u32::try_from(changed).unwrap());
    assert!(
        changed >= names.len() && written.total_cmp(&wanted).is_eq(),
        "{written} for {changed}"
    );

    // A second one agrees with the first, and does no harm.
    let second = controller(platform);
    kubectl(
        &["create", "--filename", "-"],
        &object("CloudProvider", "status-many", json!({})).to_string(),
    );
    let are_true = |object: &Value| object["status"]["conditions"][0]["status"] == "True";
    eventually("all are in force", || objects().iter().all(are_true));
    std::thread::sleep(std::time::Duration::from_secs(2));
    let before = versions();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(versions(), before);
    for controller in [&first, &second] {
        assert_eq!(
            controller.metric("idp_controller_status_failures_total").to_string(),
            "0"
        );
    }
    let mut delete = vec!["delete", "cells", "--wait=false"];
    delete.extend(names.iter().map(String::as_str));
    kubectl(&delete, "");
    kubectl(&["delete", "cloudprovider", "status-many"], "");
}

fn counted(platform: &Platform) {
    let stored = || {
        let claims = platform.api.call(User::Admin, "GET", CLAIMS, None).ok();
        let claims = claims["items"].as_array().unwrap().clone();
        let unplaced = |claim: &&Value| claim["spec"]["parameters"]["provider"].is_null();
        let unplaced = claims.iter().filter(unplaced).count();
        [claims.len() - unplaced, unplaced]
    };
    platform.team("counted").placed("counted", json!({}));
    let [placed, unplaced] = stored();
    assert!(placed > 0 && unplaced > 0, "{placed} {unplaced}");
    let first = controller(platform);
    let told = |controller: &Server, state: &str, wanted: usize| {
        let wanted = format!("\nidp_claims{{state=\"{state}\"}} {wanted}\n");
        eventually(&wanted, || controller.metrics().contains(&wanted));
    };
    told(&first, "placed", placed);
    told(&first, "unplaced", unplaced);
    first.await_log(&["WARN", "claims without a placement"], 1);
    assert_eq!(first.metric("idp_ready"), 1.0);
    let told_of = first.get("/readyz?verbose").body;
    assert!(
        told_of.starts_with("[+]catalog ok: ") && told_of.ends_with("\nready\n"),
        "{told_of}"
    );
    assert_eq!(first.get("/livez?verbose").body, "[+]ping ok\nok\n");

    // One that may not list them says so, and does all else.
    let kubeconfig = token(platform, "idp-multicloud-controller");
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/idp-multicloud-controller";
    let role = platform.api.call(User::Admin, "GET", path, None).ok();
    let rules = role["rules"].as_array().unwrap().iter();
    let rules = rules.filter(|rule| rule["resources"] != json!(["mysqlinstanceclaims"]));
    let without = json!({"rules": rules.collect::<Vec<_>>()});
    platform.api.call(User::Admin, "PATCH", path, Some(&without)).ok();
    let claims = ["db.platform.example.org", "mysqlinstanceclaims", ""];
    eventually("it may not list them", || {
        !may(platform, "idp-multicloud-controller", "list", claims)
    });
    let second = started(&kubeconfig);
    eventually("it fails", || {
        second.metric("idp_controller_claims_failures_total") > 0.0
    });
    assert!(!second.metrics().contains("\nidp_claims{"));
    second.await_log(&["WARN", "cannot see the number of claims", "cannot list"], 1);
    apply(
        platform,
        &object(
            "Tier",
            "counted",
            json!({"rtoMinutes": 1, "rpoMinutes": 1, "requires": [], "weights": {"cost": 1}}),
        ),
    )
    .ok();
    let wait = ["wait", "--for=condition=Accepted", "tier/counted", "--timeout=30s"];
    platform.api.kubectl(User::Admin, &wait, "").ok();
    delete(platform, "tier", "counted");
    let with = json!({"rules": role["rules"]});
    platform.api.call(User::Admin, "PATCH", path, Some(&with)).ok();
    told(&second, "unplaced", unplaced);
}

/// Whether one of our accounts may do that to a group's resource and subresource.
fn may(platform: &Platform, account: &str, verb: &str, [group, resource, subresource]: [&str; 3]) -> bool {
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {
            "user": format!("system:serviceaccount:idp-multicloud:{account}"),
            "groups": ["system:serviceaccounts", "system:serviceaccounts:idp-multicloud", "system:authenticated"],
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": subresource},
        },
    });
    let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
    let answer = platform.api.call(User::Admin, "POST", path, Some(&review)).ok();
    answer["status"]["allowed"] == true
}

fn rights(platform: &Platform) {
    token(platform, "idp-multicloud-controller");
    let may = |account: &str, verb: &str, group: &str, resource: &str, subresource: &str| {
        may(platform, account, verb, [group, resource, subresource])
    };
    let ours = "platform.example.org";
    for account in ["idp-multicloud-admission", "idp-multicloud-controller"] {
        for kinds in ["cells", "tiers", "cloudproviders", "placementpolicies"] {
            for verb in ["list", "watch"] {
                assert!(may(account, verb, ours, kinds, ""), "{account} {verb} {kinds}");
            }
            for verb in ["create", "update", "patch", "delete"] {
                assert!(!may(account, verb, ours, kinds, ""), "{account} {verb} {kinds}");
            }
            let writes = may(account, "patch", ours, kinds, "status");
            assert_eq!(
                writes,
                account == "idp-multicloud-controller",
                "{account} {kinds}/status"
            );
            assert!(
                !may(account, "update", ours, kinds, "status"),
                "{account} {kinds}/status"
            );
        }
        for (verb, group, resource) in [
            ("get", "", "secrets"),
            ("get", "db.platform.example.org", "mysqlinstanceclaims"),
            ("watch", "db.platform.example.org", "mysqlinstanceclaims"),
            ("get", "", "configmaps"),
            ("patch", "admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
        ] {
            assert!(!may(account, verb, group, resource, ""), "{account} {verb} {resource}");
        }
    }
    for (account, lists) in [("idp-multicloud-admission", false), ("idp-multicloud-controller", true)] {
        let may = may(account, "list", "db.platform.example.org", "mysqlinstanceclaims", "");
        assert_eq!(may, lists, "{account}");
    }
    // What the serving account may do is enough to serve.
    let mut command = crate::support::server::on(binary(), &["off", "off", "127.0.0.1:0"]);
    command
        .args(["--catalog", "cluster"])
        .env("KUBECONFIG", token(platform, "idp-multicloud-admission"));
    let server = Server::run(command);
    eventually("it is ready", || server.get("/readyz").status == 200);
}
