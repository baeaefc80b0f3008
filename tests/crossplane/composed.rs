//! From a bare claim to a database that can be used.

use serde_json::{Value, json};

use crate::Case;
use crate::cloud::{Cloud, condition};
use crate::database::{DETAILS, Database, clouds};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::provider::Provider;
use crate::support::cluster::team::assert_placed;

pub const CASES: &[Case] = &[
    ("a_bare_claim_becomes_a_database_in_aws", |cloud| composed(cloud, "aws")),
    ("a_bare_claim_becomes_a_database_in_gcp", |cloud| composed(cloud, "gcp")),
    ("a_bare_claim_becomes_a_database_in_oci", |cloud| composed(cloud, "oci")),
    ("a_secret_of_somebody_else_stops_it_before_anything_is_made", foreign),
];

fn composed(cloud: &Cloud, provider: &str) {
    let team = cloud.platform.team(&format!("composed-{provider}"));
    let secrets = format!("/api/v1/namespaces/{}/secrets", team.namespace);
    let since = cloud.get(&secrets).unwrap()["metadata"]["resourceVersion"].clone();
    let since = since.as_str().unwrap();
    let (_, changes) = clouds().into_iter().find(|(name, _)| *name == provider).unwrap();
    let database = Database::ask(cloud, &team, "orders", changes);
    assert_placed(&database.claim());

    let instance = database.await_instance();
    let claim = database.claim();
    assert_eq!(claim["spec"]["parameters"]["provider"], provider, "{claim:#}");
    assert_eq!(
        claim["spec"]["crossplane"]["compositionRef"]["name"],
        format!("mysql-{provider}"),
        "{claim:#}"
    );
    // The controller counts claims by this column, of the definition as Crossplane makes it.
    let table = team.kubectl(&["get", "mysqlinstanceclaim", "orders"]).ok();
    let (names, row) = table.split_once('\n').unwrap();
    let column = names
        .find("PROVIDER")
        .unwrap_or_else(|| panic!("wanted: a column PROVIDER; saw: {names}"));
    assert!(row[column..].starts_with(provider), "{table}");
    for (at, value) in shown(&claim) {
        assert_eq!(
            instance.pointer(at),
            Some(&value),
            "wanted: {at} as the claim has it, on the right; saw: {instance:#}"
        );
    }
    for resource in database.managed() {
        Provider(&cloud.platform.api).creating(&resource);
    }
    database.settle();
    // It is there, but nobody knows where.
    for resource in database.managed() {
        Provider(&cloud.platform.api).ready(&resource, &json!({}), &[]);
    }
    database.settle();
    database.await_condition("Ready", "False");
    let claim = database.claim();
    assert_eq!(
        condition(&claim, "DatabaseReady").map(|ours| &ours["status"]),
        Some(&json!("False")),
        "wanted: not yet to be used; saw: {claim:#}"
    );
    assert_ne!(claim["status"]["connectionSecret"]["ready"], true, "{claim:#}");

    database.remember();
    database.provide();
    database.settle();
    // With an old copy of the claim at hand, Crossplane may take it all back for a moment.
    let claim = cloud.crossplane.until("a status that agrees with itself", || {
        let claim = database.claim();
        let is = |kind: &str| condition(&claim, kind).is_some_and(|condition| condition["status"] == "True");
        let secret = json!({"name": "orders-conn", "ready": true});
        let agrees = is("Ready") && is("DatabaseReady") && claim["status"]["connectionSecret"] == secret;
        agrees.then(|| claim.clone()).ok_or_else(|| format!("{claim:#}"))
    });
    let (status, details) = (&claim["status"], database.details());
    for detail in DETAILS {
        let value = details.get(detail);
        assert!(
            value.is_some_and(|value| !value.is_empty()),
            "wanted: {detail}; saw: {details:?}"
        );
    }
    assert_eq!(status["endpoint"], details["host"], "{claim:#}");
    assert_eq!(status["port"].to_string(), details["port"], "{claim:#}");
    let version = status["version"].as_str().unwrap_or_default();
    assert!(version.starts_with("8.4"), "wanted: a version 8.4; saw: {version:?}");

    // One password from the first moment on, and no Secret that lacks something.
    for held in database.history("admin", since) {
        assert_eq!(
            held["password"], details["password"],
            "wanted: the password that the database has, on the right"
        );
    }
    for held in database.history("conn", since) {
        let lacks: Vec<_> = DETAILS
            .into_iter()
            .filter(|detail| !held.contains_key(*detail))
            .collect();
        assert!(
            lacks.is_empty(),
            "wanted: all details from the first moment on; lacked: {lacks:?}"
        );
    }
    for held in database.history_of_claim(since) {
        let ready = condition(&held, "Ready").is_some_and(|ready| ready["status"] == "True");
        let complete = held["status"]["connectionSecret"]["ready"] == true;
        assert!(
            complete || !ready,
            "wanted: ready once the Secret is complete; saw: {held:#}"
        );
    }
}

/// What a database's managed resource shows of its claim.
fn shown(claim: &Value) -> Vec<(&'static str, Value)> {
    let parameters = &claim["spec"]["parameters"];
    let (network, region) = (&parameters["network"], &parameters["region"]);
    match parameters["provider"].as_str().unwrap() {
        "aws" => vec![
            ("/spec/forProvider/region", region.clone()),
            ("/spec/forProvider/allocatedStorage", parameters["storageGB"].clone()),
            ("/spec/forProvider/dbSubnetGroupName", network["dbSubnetGroup"].clone()),
        ],
        "gcp" => vec![
            ("/spec/forProvider/region", region.clone()),
            ("/spec/forProvider/settings/diskSize", parameters["storageGB"].clone()),
            (
                "/spec/forProvider/settings/ipConfiguration/privateNetwork",
                network["network"].clone(),
            ),
        ],
        _ => vec![
            ("/spec/forProvider/subnetId", network["subnetId"].clone()),
            ("/spec/forProvider/compartmentId", network["compartmentId"].clone()),
            ("/spec/forProvider/dataStorageSizeInGb", parameters["storageGB"].clone()),
        ],
    }
}

fn foreign(cloud: &Cloud) {
    let team = cloud.platform.team("composed-foreign");
    let secrets = format!("/api/v1/namespaces/{}/secrets", team.namespace);
    for (name, suffix) in [("first", "admin"), ("second", "conn")] {
        let theirs = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("{name}-{suffix}")},
            "stringData": {"password": "theirs"},
        });
        cloud
            .platform
            .api
            .call(User::Developer, "POST", &secrets, Some(&theirs))
            .ok();
        let database = Database::ask(cloud, &team, name, json!({}));
        let told = database.await_condition("DatabaseReady", "False");
        let message = told["message"].as_str().unwrap();
        assert!(
            message.contains(&format!("{name}-{suffix}")),
            "wanted: the Secret's name; saw: {message}"
        );
        database.await_condition("Synced", "False");
        let claim = database.claim();
        assert_eq!(
            claim["spec"]["crossplane"].get("resourceRefs"),
            None,
            "wanted: nothing made; saw: {claim:#}"
        );
        let path = database.secret_path(suffix);
        let held = cloud.get(&path).unwrap();
        assert_eq!(
            crate::database::data(&held)["password"],
            "theirs",
            "wanted: their Secret as it was"
        );
        // Once it is gone, all goes its way.
        cloud.platform.api.call(User::Developer, "DELETE", &path, None).ok();
        database.touch("freed");
        database.await_instance();
    }
}
