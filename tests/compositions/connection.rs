//! The connection Secret, the claim's readiness, its status and its condition, from the first reconcile on.

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Outcome, Pipeline};
use crate::world::{CA, CLOUDS, HOST, World, decoded, encoded};

pub const CASES: &[Case] = &[
    ("a_connection_secret_appears_when_the_host_is_known", appears),
    ("a_host_is_taken_from_what_the_provider_has", sources),
    ("a_connection_secret_stays_whatever_the_provider_says", stays),
    ("a_change_of_host_arrives", moves),
    ("a_claim_is_ready_when_its_connection_secret_is_seen_complete", ready),
    ("each_of_the_five_keys_is_needed", keys),
    ("the_condition_says_how_far_the_database_is", condition),
    ("the_status_says_where_the_database_is", status),
];

/// Something that befalls a database that could be used.
type Happens = fn(&mut World);

const KEYS: [&str; 5] = ["database", "host", "password", "port", "username"];

/// What the connection Secret of a database at a host holds.
fn data(world: &World, host: &str) -> Value {
    let password = &world.resources["admin"]["data"]["password"];
    let mut data = json!({
        "host": encoded(host), "port": encoded("3306"), "username": encoded("admin"), "password": password,
        "database": encoded("app"),
    });
    if world.cloud == "gcp" {
        data["ca.crt"] = json!(encoded(CA));
    }
    data
}

fn assert_connection(outcome: &Outcome, data: &Value, about: &str) {
    let secret = outcome.resources.get("connection");
    let secret = secret.unwrap_or_else(|| panic!("{about}: the connection Secret is dropped"));
    let wanted = json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": "orders-db-conn"}, "data": data,
    });
    let mut seen = secret.clone();
    if let Some(metadata) = seen["metadata"].as_object_mut() {
        metadata.retain(|_, value| value != &json!({}));
    }
    assert_eq!(seen, wanted, "{about}");
}

fn appears(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::new(cloud);
        let dropped = |outcome: &Outcome, when: &str| {
            let there = outcome.resources.contains_key("connection");
            assert!(!there, "{cloud}, {when}: {:#?}", outcome.resources);
        };
        dropped(&world.reconcile(pipeline), "first");
        dropped(&world.reconcile(pipeline), "observed");
        world.reports("False", "True");
        dropped(&world.reconcile(pipeline), "creating");
        // Ready, and yet nobody knows where.
        world.reports("True", "True");
        dropped(&world.reconcile(pipeline), "without a host");
        world.comes_up(HOST);
        assert_connection(&world.reconcile(pipeline), &data(&world, HOST), cloud);
    }
}

fn sources(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut up = World::new(cloud);
        up.reconcile(pipeline);
        up.comes_up(HOST);

        let mut status_only = up.clone();
        status_only.details.retain(|(key, _)| *key == "serverCACertificateCert");
        assert_connection(
            &status_only.look(pipeline).composed(),
            &data(&up, HOST),
            &format!("{cloud}, status"),
        );

        let mut other = up.clone();
        let outcome = if cloud == "oci" {
            // Where the subnet has no names.
            other.resource("instance")["status"]["atProvider"]["endpoints"] = json!([{"ipAddress": "10.0.0.9"}]);
            let outcome = other.look(pipeline).composed();
            assert_connection(&outcome, &data(&up, "10.0.0.9"), "oci, by its address");
            other.resource("instance")["status"]["atProvider"]["endpoints"] = json!([]);
            other.look(pipeline).composed()
        } else {
            other.falls_silent();
            other.details.clone_from(&up.details);
            let outcome = other.look(pipeline).composed();
            assert_connection(&outcome, &data(&up, HOST), &format!("{cloud}, connection details"));
            other.details.clear();
            other.look(pipeline).composed()
        };
        assert!(!outcome.resources.contains_key("connection"), "{cloud}, no host at all");
    }
}

fn stays(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let there = World::available(pipeline, cloud);
        let wanted = data(&there, HOST);
        let cases: [(&str, Happens); 7] = [
            ("nothing has happened", |_| {}),
            ("the details are gone", |world| world.details.clear()),
            ("the provider is silent", World::falls_silent),
            ("the database is not ready", |world| world.reports("False", "False")),
            ("the admin Secret is gone", |world| {
                world.falls_silent();
                world.resources.remove("admin");
            }),
            ("the database's resource is gone", |world| {
                world.resources.remove("instance");
                world.details.clear();
            }),
            ("it is found by its name only", |world| {
                world.falls_silent();
                world.refs_lost = true;
            }),
        ];
        for (what, happens) in cases {
            let mut world = there.clone();
            happens(&mut world);
            for round in ["at once", "and on"] {
                let outcome = world.reconcile(pipeline);
                assert_connection(&outcome, &wanted, &format!("{cloud}, {what}, {round}"));
            }
        }
        // One that is emptied while the provider is silent stays, with all that is known without the provider.
        let mut world = there.clone();
        world.falls_silent();
        world.resource("connection").as_object_mut().unwrap().remove("data");
        let mut left = wanted.clone();
        for key in ["host", "ca.crt"] {
            left.as_object_mut().unwrap().remove(key);
        }
        assert_connection(&world.reconcile(pipeline), &left, &format!("{cloud}, emptied"));
        // One that is damaged keeps what is left.
        for key in KEYS {
            let mut world = there.clone();
            world.falls_silent();
            world.resource("connection")["data"]
                .as_object_mut()
                .unwrap()
                .remove(key);
            let mut left = wanted.clone();
            if key == "host" {
                left.as_object_mut().unwrap().remove(key);
            }
            assert_connection(&world.reconcile(pipeline), &left, &format!("{cloud}, without {key}"));
            world.comes_up(HOST);
            assert_connection(&world.reconcile(pipeline), &wanted, &format!("{cloud}, {key} mended"));
        }
    }
}

fn moves(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::available(pipeline, cloud);
        world.comes_up("elsewhere.db.example.org");
        let wanted = data(&world, "elsewhere.db.example.org");
        assert_connection(&world.reconcile(pipeline), &wanted, cloud);
        world.falls_silent();
        assert_connection(&world.reconcile(pipeline), &wanted, &format!("{cloud}, then silent"));
    }
    let mut world = World::available(pipeline, "gcp");
    world.details[1].1 = "another CA";
    let secret = &world.reconcile(pipeline).resources["connection"];
    assert_eq!(decoded(secret, "ca.crt"), "another CA");
}

fn ready(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::new(cloud);
        world.reconcile(pipeline);
        world.comes_up(HOST);
        let outcome = world.reconcile(pipeline);
        assert_eq!(
            (outcome.ready["instance"], outcome.ready["connection"]),
            (false, false),
            "{cloud}: the Secret is written, and not yet seen"
        );
        let outcome = world.look(pipeline).composed();
        let waiting: Vec<_> = outcome.ready.iter().filter(|(_, ready)| !**ready).collect();
        assert!(waiting.is_empty(), "{cloud}: waiting for {waiting:?}");
        // Crossplane makes the claim's readiness of these, so long as nobody says otherwise.
        assert_eq!(outcome.composite_ready, None, "{cloud}");

        for name in world.resources.clone().keys() {
            let mut world = world.clone();
            if world.resource(name)["kind"] != "Secret" {
                world.resource(name)["status"]["conditions"][0]["status"] = json!("False");
                assert!(
                    !world.look(pipeline).composed().ready[name],
                    "{cloud}: {name} is not ready"
                );
            }
        }
    }
}

fn keys(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let there = World::available(pipeline, cloud);
        let instance = &there.resources["instance"];
        let conditions = &instance["status"]["conditions"];
        assert_eq!(
            conditions[0]["status"], "True",
            "{cloud}: the database says that it is ready"
        );
        for key in KEYS {
            for left in [None, Some("")] {
                let mut world = there.clone();
                let data = world.resource("connection")["data"].as_object_mut().unwrap();
                data.remove(key);
                data.extend(left.map(|left| (key.to_owned(), json!(left))));
                let outcome = world.look(pipeline).composed();
                let about = format!("{cloud}, {key} {left:?}");
                assert!(!outcome.ready["instance"], "{about}: the database is ready");
                assert_eq!(outcome.status["connectionSecret"]["ready"], false, "{about}");
                assert_eq!(outcome.condition("DatabaseReady")["status"], "False", "{about}");
            }
        }
        let mut world = there.clone();
        world.resource("connection")["data"]
            .as_object_mut()
            .unwrap()
            .remove("ca.crt");
        assert!(
            world.look(pipeline).composed().ready["instance"],
            "{cloud}: a CA is not one of the five"
        );
    }
}

fn assert_condition(pipeline: &Pipeline, world: &World, status: &str, reason: &str, message: &str) {
    let outcome = world.look(pipeline).composed();
    let wanted = json!({
        "type": "DatabaseReady", "status": status, "reason": reason, "message": message, "target": "Composite",
    });
    assert_eq!(outcome.conditions, [wanted], "{}", world.cloud);
}

fn condition(pipeline: &Pipeline) {
    for (cloud, place, members, hint) in [
        ("aws", "AWS in us-east-1", &["Instance"][..], ""),
        (
            "gcp",
            "GCP in us-central1",
            &["DatabaseInstance", "Database", "User"],
            "",
        ),
        (
            "oci",
            "OCI in us-ashburn-1",
            &["MysqlDbSystem"],
            " Run CREATE DATABASE IF NOT EXISTS app, and ALTER USER admin REQUIRE SSL, once; OCI does neither.",
        ),
    ] {
        let name = "mysql-3f0c9a52-7d1b-4e62-9a57-c1d20b8e6f04";
        let (cloud_name, _) = place.split_once(' ').unwrap();
        let last = members.last().unwrap();
        let connect = "Connect with what Secret orders-db-conn holds.";
        let creating =
            format!("The database is being made on {place}; Secret orders-db-conn appears when it can be reached.");
        let refused = format!(
            "{cloud_name} does not accept what it was asked for; your platform team sees why in {last} {name}."
        );
        let available = format!("{connect}{hint}");
        let change_refused = format!(
            "{connect} {cloud_name} does not accept what was changed last; your platform team sees why in {last} {name}."
        );
        let unavailable = "The database does not answer at the moment; Secret orders-db-conn stays as it is.";
        let mut world = World::new(cloud);
        assert_condition(pipeline, &world, "False", "Creating", &creating);
        world.reconcile(pipeline);
        assert_condition(pipeline, &world, "False", "Creating", &creating);
        world.reports("False", "True");
        assert_condition(pipeline, &world, "False", "Creating", &creating);
        world.reports("False", "False");
        assert_condition(pipeline, &world, "False", "RefusedByCloud", &refused);
        world.comes_up(HOST);
        assert_condition(pipeline, &world, "False", "Creating", &creating);
        world.reconcile(pipeline);
        assert_condition(pipeline, &world, "True", "Available", &available);
        // A change that the cloud does not take leaves the database as it is.
        world.reports("True", "False");
        assert_condition(pipeline, &world, "True", "ChangeRefused", &change_refused);
        world.reports("False", "True");
        assert_condition(pipeline, &world, "False", "Unavailable", unavailable);
        world.reports("False", "False");
        assert_condition(pipeline, &world, "False", "RefusedByCloud", &refused);
        world.falls_silent();
        assert_condition(pipeline, &world, "False", "Unavailable", unavailable);

        // All of it counts: without its user a database is of no use.
        for member in members {
            let with = |change: &dyn Fn(&mut Value)| {
                let mut world = World::available(pipeline, cloud);
                let mut managed = world.managed();
                change(managed.find(|object| object["kind"] == *member).unwrap());
                drop(managed);
                world
            };
            let waits = with(&|object| object["status"]["conditions"][0]["status"] = json!("False"));
            assert_condition(pipeline, &waits, "False", "Unavailable", unavailable);
            let denies = with(&|object| object["status"]["conditions"][1]["status"] = json!("False"));
            let why = change_refused.replace(&format!("{last} "), &format!("{member} "));
            assert_condition(pipeline, &denies, "True", "ChangeRefused", &why);
            let goes = with(&|object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
            let why = format!("Somebody has deleted a part of the database, {name}; tell your platform team.");
            assert_condition(pipeline, &goes, "False", "Deleting", &why);
        }
    }
}

fn status(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let version = if cloud == "gcp" { "8.4" } else { "8.4.5" };
        let secret = |ready: bool| json!({"name": "orders-db-conn", "ready": ready});
        let at = |host: &str, ready: bool| {
            let secret = secret(ready);
            json!({"endpoint": host, "port": 3306, "version": version, "connectionSecret": secret})
        };
        let none = json!({"connectionSecret": secret(false)});
        let mut world = World::new(cloud);
        assert_eq!(world.reconcile(pipeline).status, none, "{cloud}, first");
        world.reports("False", "True");
        assert_eq!(world.reconcile(pipeline).status, none, "{cloud}, creating");
        world.comes_up(HOST);
        assert_eq!(world.reconcile(pipeline).status, at(HOST, false), "{cloud}, written");
        assert_eq!(world.reconcile(pipeline).status, at(HOST, true), "{cloud}, available");
        world.comes_up("elsewhere.db.example.org");
        let elsewhere = at("elsewhere.db.example.org", true);
        assert_eq!(world.reconcile(pipeline).status, elsewhere, "{cloud}, moved");
        world.falls_silent();
        let mut silent = elsewhere;
        silent.as_object_mut().unwrap().remove("version");
        assert_eq!(world.reconcile(pipeline).status, silent, "{cloud}, silent");
        world.resources.remove("connection");
        assert_eq!(
            world.reconcile(pipeline).status,
            none,
            "{cloud}, silent, and the Secret deleted"
        );
    }
}
