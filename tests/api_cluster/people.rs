//! Whose rights count: the caller's, and nobody else's.

use serde_json::{Value, json};

use crate::support::cluster::apiserver::User;
use crate::support::cluster::team::placement;
use crate::support::rest::{Rest, Told, database};
use crate::support::server::{Server, binary, on};
use crate::{Case, Site, claims, developer};

pub const CASES: &[Case] = &[
    ("without_a_token_nothing_is_done_or_told", nobody),
    ("a_token_that_is_none_is_401", strangers),
    ("a_token_that_has_run_out_of_rights_is_403", powerless),
    ("who_may_create_in_one_namespace_may_do_so_there_only", elsewhere),
    ("who_may_only_create_needs_no_other_right", creator),
    ("who_may_not_create_is_not_told_what_the_catalog_has", reader),
    ("whose_claim_it_is_stands_in_the_audit_log", audited),
    ("a_foreign_host_is_fine_where_a_token_is_asked_for", hosts),
];

/// One request of each kind.
fn every(rest: &Rest, namespace: &str) -> Vec<Told> {
    let body = database(namespace, "orders-db", json!({}));
    vec![
        rest.post("/api/mysql", &body),
        rest.post(
            "/api/mysql",
            &database(namespace, "orders-db", json!({"provider": "aws", "cell": "nowhere"})),
        ),
        rest.get("/api/mysql"),
        rest.get(&format!("/api/mysql?namespace={namespace}")),
        rest.get(&format!("/api/status/mysql/{namespace}/kept")),
        rest.delete(&format!("/api/mysql/{namespace}/kept?confirm=kept")),
        rest.post("/api/placement", &body),
        rest.get("/api/catalog"),
        rest.get(&format!("/api/catalog?namespace={namespace}")),
    ]
}

fn nobody(site: &Site) {
    let team = site.team("people-nobody");
    let kept = team.placed("kept", json!({}));
    for told in every(&site.nobody(), &team.namespace) {
        assert_eq!(told.response.header("www-authenticate"), ["Bearer"]);
        let body = told.problem(401, "not-authenticated");
        assert!(!body.to_string().contains("payments"), "{body}");
    }
    for header in ["Basic YWRtaW46YWRtaW4=", "Bearer", "Bearer ", "bearer\t", "x"] {
        let told = site
            .nobody()
            .send("GET", "/api/mysql", &[("Authorization", header)], b"");
        told.problem(401, "not-authenticated");
    }
    // Neither a header that some proxies trust, nor a parameter.
    let forged = [
        ("X-Remote-User", "admin"),
        ("Impersonate-User", "admin"),
        ("X-Remote-Group", "system:masters"),
    ];
    site.nobody()
        .send("GET", "/api/mysql", &forged, b"")
        .problem(401, "not-authenticated");
    assert_eq!(team.claim("kept"), kept);
    assert_eq!(team.stored("orders-db"), None);
    site.nobody().get("/health").is(200);
    site.nobody().get("/openapi.json").is(200);
}

fn strangers(site: &Site) {
    let team = site.team("people-strangers");
    team.placed("kept", json!({}));
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzeXN0ZW06YWRtaW4ifQ.";
    for token in ["x", forged, &"x".repeat(8000)] {
        for told in every(&site.nobody().by(token), &team.namespace) {
            let body = told.problem(401, "not-authenticated");
            assert!(!body.to_string().contains("payments"), "{body}");
        }
    }
}

fn powerless(site: &Site) {
    let team = site.team("people-powerless");
    let kept = team.placed("kept", json!({}));
    let other = site.team("people-powerless-other");
    // Somebody who may do everything, elsewhere.
    let rest = site.account(&other.namespace, "developer", developer());
    for told in every(&rest, &team.namespace) {
        let body = told.problem(403, "forbidden");
        assert!(!body.to_string().contains("aws-us-east-1"), "{body}");
    }
    // What the caller sends beside the token is not passed on.
    let headers = [("Impersonate-User", "admin"), ("Impersonate-Group", "system:masters")];
    let path = format!("/api/status/mysql/{}/kept", team.namespace);
    rest.send("GET", &path, &headers, b"").problem(403, "forbidden");
    assert_eq!(placement(&team.claim("kept")), placement(&kept));
}

fn elsewhere(site: &Site) {
    let (here, there) = (site.team("people-here"), site.team("people-there"));
    let rest = site.account(&here.namespace, "developer", developer());
    rest.post("/api/mysql", &database(&here.namespace, "orders-db", json!({})))
        .is(201);
    let body = rest
        .post("/api/mysql", &database(&there.namespace, "orders-db", json!({})))
        .problem(403, "forbidden");
    assert!(body["detail"].as_str().unwrap().contains("people-there"), "{body}");
    assert_eq!(there.stored("orders-db"), None);
    // A namespace that there is not, for somebody who may do anything.
    let admin = site.developer_of_the_platform();
    let body = admin
        .post("/api/mysql", &database("no-such-place", "orders-db", json!({})))
        .problem(404, "not-found");
    assert!(body["detail"].as_str().unwrap().contains("no-such-place"), "{body}");
}

fn creator(site: &Site) {
    let team = site.team("people-creator");
    let rest = site.account(&team.namespace, "creator", json!([claims(&["create"])]));
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .is(201);
    crate::support::cluster::team::assert_placed(&team.claim("orders-db"));
    // It is there, and not for this caller to see.
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .problem(403, "forbidden");
    rest.get(&format!("/api/status/mysql/{}/orders-db", team.namespace))
        .problem(403, "forbidden");
    rest.get(&format!("/api/catalog?namespace={}", team.namespace)).is(200);
    // And what is wrong is told to who may create.
    rest.post(
        "/api/mysql",
        &database(&team.namespace, "orders-db", json!({"tier": "C9", "region": "x"})),
    )
    .invalid(&["PlacementForbidden region", "FieldUnknown tier"]);
}

fn reader(site: &Site) {
    let team = site.team("people-reader");
    team.placed("kept", json!({}));
    let rest = site.account(&team.namespace, "reader", json!([claims(&["get", "list"])]));
    rest.get(&format!("/api/status/mysql/{}/kept", team.namespace)).is(200);
    for told in [
        rest.get(&format!("/api/catalog?namespace={}", team.namespace)),
        rest.post("/api/placement", &database(&team.namespace, "orders-db", json!({}))),
        rest.post(
            "/api/mysql",
            &database(&team.namespace, "orders-db", json!({"cell": "nowhere", "region": "x"})),
        ),
        rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({}))),
        rest.delete(&format!("/api/mysql/{}/kept?confirm=kept", team.namespace)),
    ] {
        let body = told.problem(403, "forbidden");
        assert!(!body.to_string().contains("archive"), "{body}");
    }
    // The claim that was not to be deleted has not been made deletable either.
    assert_eq!(
        team.claim("kept")["metadata"]["annotations"].as_object().unwrap().len(),
        2
    );
}

fn audited(site: &Site) {
    let team = site.team("people-audited");
    let rest = site.account(&team.namespace, "developer", developer());
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .is(201);
    rest.delete(&format!("/api/mysql/{}/orders-db?confirm=orders-db", team.namespace))
        .is(204);
    let events = team.audited();
    let seen: Vec<Value> = events
        .iter()
        .map(|event| json!([event["verb"], event["user"]["username"]]))
        .collect();
    let user = "system:serviceaccount:people-audited:developer";
    assert_eq!(
        seen,
        [json!(["create", user]), json!(["patch", user]), json!(["delete", user])],
        "{events:#?}"
    );
    assert!(
        events[0]["requestURI"]
            .as_str()
            .unwrap()
            .contains("fieldManager=idp-multicloud-api"),
        "{events:#?}"
    );
}

fn hosts(site: &Site) {
    let told = site
        .nobody()
        .send("GET", "/health", &[("Host", "databases.example.org")], b"");
    told.is(200);
    // Beyond this machine it listens with TLS, or where somebody says that TLS ends before it.
    let mut command = on(binary(), &["off", "0.0.0.0:0", "127.0.0.1:0"]);
    command.args(["--store", "cluster", "--insecure-http", "--catalog"]);
    command.arg(site.platform.catalog());
    command.env("KUBECONFIG", site.platform.api.kubeconfig(User::Admin));
    let server = Server::run(command);
    let rest = Rest {
        address: ([127, 0, 0, 1], server.api().unwrap().port()).into(),
        token: None,
    };
    rest.get("/api/mysql").problem(401, "not-authenticated");
}
