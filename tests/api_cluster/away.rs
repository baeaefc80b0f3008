//! What REST answers when something that it needs is away or not installed.

use serde_json::json;

use crate::support::cluster::apiserver::{ApiServer, User, await_answer};
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::platform::{definition_of_claims, path};
use crate::support::cluster::team::claim;
use crate::support::rest::{Rest, Told, database};
use crate::support::server::{Server, eventually};
use crate::{Case, Site, developer};

pub const CASES: &[Case] = &[("before_anything_is_installed_it_says_what_to_install", not_installed)];

pub const ALONE: &[Case] = &[
    ("without_the_webhook_new_claims_wait", no_webhook),
    ("what_the_cluster_does_not_take_is_passed_on_in_its_words", rejected),
];

fn later(told: Told) -> serde_json::Value {
    assert_eq!(told.response.header("retry-after"), ["2"]);
    told.problem(503, "unavailable")
}

fn no_webhook(site: &Site) {
    let team = site.team("away-webhook");
    let rest = site.account(&team.namespace, "developer", developer());
    let kept = rest
        .post("/api/mysql", &database(&team.namespace, "kept", json!({})))
        .is(201);
    let outage = site.platform.stop_serving();
    let asked = database(&team.namespace, "orders-db", json!({}));
    let body = later(rest.post("/api/mysql", &asked));
    assert!(body["detail"].as_str().unwrap().contains("try-again"), "{body}");
    assert_eq!(team.stored("orders-db"), None);
    // What is there is told all the same.
    let again = rest
        .post("/api/mysql", &database(&team.namespace, "kept", json!({})))
        .is(200);
    assert_eq!(again["placement"], kept["placement"]);
    rest.post("/api/placement", &asked).is(200);
    drop(outage);
    rest.post("/api/mysql", &asked).is(201);
}

/// A cluster with nothing of ours in it.
fn not_installed(site: &Site) {
    let mut api = ApiServer::start(Binaries::find().unwrap());
    let server = Server::run(crate::command(&api, &site.platform.catalog(), &[]));
    let rest = Rest {
        address: server.api().unwrap(),
        token: Some(api.static_token(User::Admin)),
    };
    let asked = database("default", "orders-db", json!({}));
    for told in [
        rest.post("/api/mysql", &asked),
        rest.get("/api/mysql"),
        rest.get("/api/mysql?namespace=default"),
        rest.get("/api/status/mysql/default/orders-db"),
        rest.delete("/api/mysql/default/orders-db"),
    ] {
        let body = told.problem(424, "not-installed");
        assert!(
            body["detail"]
                .as_str()
                .unwrap()
                .contains("idp-multicloud crd | kubectl apply"),
            "{body}"
        );
    }

    // The kind, and no webhook: what is stored is not placed, and nobody is told that it is.
    let definition = definition_of_claims().to_string();
    api.kubectl(User::Admin, &["apply", "--server-side", "--filename", "-"], &definition)
        .ok();
    let ask = || api.call(User::Admin, "GET", &path("default", ""), None);
    await_answer("claims are served", ask, |answer| answer.code == 200);
    let body = rest.post("/api/mysql", &asked).problem(424, "not-placed");
    assert!(
        body["detail"].as_str().unwrap().contains("Tell your platform team"),
        "{body}"
    );
    // Asked again it is no better.
    rest.post("/api/mysql", &asked).problem(424, "not-placed");

    api.kill();
    for told in [
        rest.post("/api/mysql", &asked),
        rest.get("/api/mysql"),
        rest.get("/api/status/mysql/default/orders-db"),
        rest.delete("/api/mysql/default/orders-db"),
        rest.post("/api/placement", &asked),
        rest.get("/api/catalog"),
    ] {
        later(told);
    }
    api.start_again();
    eventually("it is asked again", || rest.get("/api/mysql").status == 200);

    // A list of which the cluster has forgotten what it was when it began.
    for number in 0..3 {
        let claim = claim(&format!("db-{number}"), json!({}));
        api.call(User::Admin, "POST", &path("default", ""), Some(&claim)).ok();
    }
    let nexts = ["", "&cell=payments"].map(|filter| {
        let page = rest.get(&format!("/api/mysql?limit=1{filter}")).is(200);
        format!(
            "/api/mysql?limit=1{filter}&continue={}",
            page["continue"].as_str().unwrap()
        )
    });
    let note = json!({"metadata": {"annotations": {"note": "x"}}});
    api.call(User::Admin, "PATCH", &path("default", "db-0"), Some(&note))
        .ok();
    api.forget_history();
    api.kill();
    api.start_again();
    for next in nexts {
        let body = rest.get(&next).problem(410, "expired");
        assert!(body["detail"].as_str().unwrap().contains("begin again"), "{body}");
    }
}

fn rejected(site: &Site) {
    let team = site.team("away-rejected");
    let rest = site.account(&team.namespace, "developer", developer());
    let outage = site.platform.unconfigure();
    let body = rest
        .post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .problem(502, "rejected");
    let detail = body["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("the cluster answers 422: ") && detail.contains("create.mysqlinstanceclaims"),
        "{detail}"
    );
    assert_eq!(team.stored("orders-db"), None);
    drop(outage);
}
