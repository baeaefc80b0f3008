//! Whether the connection Secret is there is told; what is in it is never even asked for.

use serde_json::{Value, json};

use crate::support::cluster::apiserver::User;
use crate::support::rest::database;
use crate::{Case, Site, claims, developer};

pub const CASES: &[Case] = &[
    ("whether_a_secret_is_there_is_asked_without_its_content", asked),
    ("who_may_not_get_secrets_is_told_so_and_everything_else", unknown),
    ("a_name_that_is_none_is_not_put_into_a_url", names),
];

/// What must not be seen anywhere.
const PLANTED: &str = "cGxhbnRlZC1wYXNzd29yZA";

/// Puts a Secret's name into a claim's status, as the composition does.
fn named(site: &Site, namespace: &str, name: &str, secret: &str) {
    let team = site.platform.in_namespace(namespace);
    let status = json!({"status": {"connectionSecret": {"name": secret, "ready": true}}});
    team.by(User::Admin)
        .call("PATCH", &format!("{name}/status"), Some(&status))
        .ok();
}

fn asked(site: &Site) {
    let team = site.team("secrets-asked");
    let rest = site.account(&team.namespace, "developer", developer());
    let server = site.another(&["--log", "trace"]);
    let rest = crate::support::rest::Rest {
        address: server.api().unwrap(),
        ..rest
    };
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .is(201);
    named(site, &team.namespace, "orders-db", "orders-db-connection");
    let path = "/api/status/mysql/secrets-asked/orders-db";
    let secret = |exists: bool| json!({"name": "orders-db-connection", "exists": exists});
    assert_eq!(rest.get(path).is(200)["connectionSecret"], secret(false));

    let object = json!({
        "metadata": {"name": "orders-db-connection", "annotations": {"note": "metadata is not secret"}},
        "data": {"password": format!("{PLANTED}==")},
    });
    let secrets = "/api/v1/namespaces/secrets-asked/secrets";
    site.platform.api.call(User::Admin, "POST", secrets, Some(&object)).ok();
    let told = rest.get(path);
    assert!(!told.response.body.contains(PLANTED) && !told.response.body.contains("metadata is not secret"));
    assert_eq!(told.is(200)["connectionSecret"], secret(true));
    assert!(!server.stderr().contains(PLANTED) && !server.stdout().contains(PLANTED));

    // Nor does the token, however much is logged.
    let token = rest.token.as_ref().unwrap();
    assert!(server.stderr().contains("TRACE") && !server.stderr().contains(token.as_str()));

    let events = site.platform.api.audited_of("secrets", &team.namespace);
    let ours: Vec<&Value> = events
        .iter()
        .filter(|event| event["user"]["username"] == "system:serviceaccount:secrets-asked:developer")
        .collect();
    assert_eq!(ours.len(), 2, "{events:#?}");
    assert_eq!(ours[0]["responseStatus"]["code"], 404);
    assert_eq!(
        ours[1]["responseObject"]["kind"], "PartialObjectMetadata",
        "{events:#?}"
    );
    for event in ours {
        assert_eq!(
            (&event["level"], &event["verb"]),
            (&json!("RequestResponse"), &json!("get")),
            "{event:#}"
        );
        assert!(!event.to_string().contains(PLANTED), "{event:#}");
    }
}

fn unknown(site: &Site) {
    let team = site.team("secrets-unknown");
    let rest = site.account(&team.namespace, "developer", json!([claims(&["get", "create"])]));
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .is(201);
    named(site, &team.namespace, "orders-db", "orders-db-connection");
    let body = rest.get("/api/status/mysql/secrets-unknown/orders-db").is(200);
    assert_eq!(body["claim"]["metadata"]["name"], "orders-db");
    let secret = &body["connectionSecret"];
    assert_eq!(
        (&secret["name"], &secret["exists"]),
        (&json!("orders-db-connection"), &Value::Null)
    );
    let reason = secret["reason"].as_str().unwrap();
    assert!(reason.contains("cannot get resource \"secrets\""), "{reason}");
}

fn names(site: &Site) {
    let team = site.team("secrets-names");
    let rest = site.account(&team.namespace, "developer", developer());
    rest.post("/api/mysql", &database(&team.namespace, "orders-db", json!({})))
        .is(201);
    for name in ["../../../api/v1/nodes", "a/b", "a?watch=true", "..", "A"] {
        named(site, &team.namespace, "orders-db", name);
        let body = rest.get("/api/status/mysql/secrets-names/orders-db").is(200);
        assert_eq!(body["connectionSecret"]["exists"], Value::Null, "{body:#}");
        assert!(body["connectionSecret"]["reason"].is_string(), "{body:#}");
    }
    assert_eq!(
        site.platform.api.audited_of("secrets", &team.namespace),
        [] as [Value; 0]
    );
}
