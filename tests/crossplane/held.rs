//! What a claim in use goes through: its database, its Secrets and its password stay.

use serde_json::{Value, json};

use crate::Case;
use crate::cloud::Cloud;
use crate::database::{Database, data};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::provider::Provider;

pub const CASES: &[Case] = &[
    ("a_bare_replace_moves_nothing_and_still_brings_more_storage", replaced),
    ("a_restart_of_crossplane_moves_nothing", restarted),
    ("the_admin_secret_is_put_back_with_the_same_password", admin_deleted),
    (
        "the_connection_secret_stays_whole_when_the_cloud_says_nothing_more",
        forgotten,
    ),
    (
        "lost_references_are_found_again_and_nothing_new_is_made",
        references_lost,
    ),
    (
        "without_its_password_nothing_is_touched_until_it_is_back",
        password_lost,
    ),
    ("a_claim_that_lost_its_placement_touches_nothing", unplaced),
];

fn replaced(cloud: &Cloud) {
    for mut database in cloud.databases() {
        let before = database.lasting();
        database.team.send(&["replace"], &database.bare).ok();
        database.settle();
        database.assert_lasting(&before);
        database.bare["spec"]["parameters"]["storageGB"] = 64.into();
        database.team.send(&["replace"], &database.bare).ok();
        cloud.crossplane.until("64 GB", || {
            let instance = database.await_instance();
            let spec = instance["spec"].to_string();
            spec.contains(":64,").then_some(()).ok_or(spec)
        });
        database.settle();
        database.assert_lasting(&before);
    }
}

fn restarted(cloud: &Cloud) {
    let databases = cloud.databases();
    let before: Vec<_> = databases.iter().map(Database::lasting).collect();
    cloud.crossplane.restart();
    for (database, before) in databases.iter().zip(&before) {
        database.settle();
        database.assert_lasting(before);
    }
}

fn admin_deleted(cloud: &Cloud) {
    for database in cloud.databases() {
        let before = database.lasting();
        let uid = |secret: &Value| secret["metadata"]["uid"].clone();
        let old = uid(&database.secret("admin").unwrap());
        delete(&database, "admin");
        cloud
            .crossplane
            .until("the admin Secret again", || match database.secret("admin") {
                Some(secret) if uid(&secret) != old => Ok(()),
                other => Err(format!("{other:?}")),
            });
        database.settle();
        database.assert_lasting(&before);
    }
}

fn forgotten(cloud: &Cloud) {
    for database in cloud.databases() {
        let (before, status) = (database.lasting(), database.claim()["status"].clone());
        for resource in database.managed() {
            Provider(&cloud.platform.api).forgets(&resource);
        }
        database.settle();
        database.assert_lasting(&before);
        let claim = database.claim();
        for field in ["endpoint", "port", "connectionSecret"] {
            assert_eq!(
                claim["status"][field], status[field],
                "wanted: {field} as it was, on the right"
            );
        }
        database.await_condition("Ready", "True");
        database.remember();
    }
}

fn references_lost(cloud: &Cloud) {
    let databases = cloud.databases();
    let before: Vec<_> = databases.iter().map(Database::lasting).collect();
    // Once with both Secrets there, once with the connection Secret alone.
    for lost in [None, Some("admin")] {
        cloud.crossplane.stop();
        for database in &databases {
            database.lose_references();
            if let Some(suffix) = lost {
                delete(database, suffix);
            }
        }
        cloud.crossplane.restart();
        for (database, before) in databases.iter().zip(&before) {
            database.await_references();
            database.settle();
            database.assert_lasting(before);
        }
    }
}

fn password_lost(cloud: &Cloud) {
    let databases = cloud.databases();
    let before: Vec<_> = databases.iter().map(Database::lasting).collect();
    let specs = |database: &Database| -> Vec<Value> {
        database
            .everything_managed()
            .iter()
            .map(|resource| resource["spec"].clone())
            .collect()
    };
    let specs_before: Vec<_> = databases.iter().map(specs).collect();
    cloud.crossplane.stop();
    let mut kept = Vec::new();
    for database in &databases {
        database.lose_references();
        kept.push(database.secret("admin").unwrap());
        for suffix in ["admin", "conn"] {
            delete(database, suffix);
        }
    }
    cloud.crossplane.restart();
    for (at, database) in databases.iter().enumerate() {
        let told = database.await_condition("DatabaseReady", "False");
        assert_eq!(told["reason"], "PasswordLost", "{told:#}");
        database.await_condition("Synced", "False");
        assert_eq!(
            specs(database),
            specs_before[at],
            "wanted: resources as they were, on the right"
        );
        for suffix in ["admin", "conn"] {
            assert_eq!(database.secret(suffix), None, "wanted: no new password");
        }
        // From a backup.
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
            kept[at]["metadata"].as_object_mut().unwrap().remove(field);
        }
        let secrets = format!("/api/v1/namespaces/{}/secrets", database.team.namespace);
        cloud
            .platform
            .api
            .call(User::Admin, "POST", &secrets, Some(&kept[at]))
            .ok();
        database.touch("repaired");
        database.await_references();
        database.await_condition("Ready", "True");
        database.settle();
        database.assert_lasting(&before[at]);
    }
}

/// The webhook and the policy on UPDATE are away, and a bare replace takes everything.
fn unplaced(cloud: &Cloud) {
    let team = cloud.platform.team("unplaced");
    let database = Database::used(cloud, &team, "orders", json!({}));
    let kept = |database: &Database| {
        let resources = database.everything_managed().into_iter();
        let resources: Vec<_> = resources
            .map(|object| (object["metadata"]["uid"].clone(), object["spec"].clone()))
            .collect();
        (
            resources,
            ["admin", "conn"].map(|suffix| data(&database.secret(suffix).unwrap())),
        )
    };
    let before = kept(&database);
    let _outage = cloud.platform.unguarded();
    // It may take a moment until the policy is no longer asked.
    cloud.crossplane.until("a claim without a placement", || {
        let ran = team.send(&["replace"], &database.bare);
        let claim = database.claim();
        let provider = claim["spec"]["parameters"].get("provider");
        provider
            .is_none()
            .then_some(())
            .ok_or_else(|| format!("{ran}{claim:#}"))
    });
    let told = database.await_condition("DatabaseReady", "False");
    assert_eq!(told["reason"], "NotPlaced", "{told:#}");
    database.await_condition("Synced", "False");
    assert_eq!(kept(&database), before, "wanted: everything as it was, on the right");
}

fn delete(database: &Database, suffix: &str) {
    let api = &database.cloud.platform.api;
    api.call(User::Admin, "DELETE", &database.secret_path(suffix), None)
        .ok();
}
