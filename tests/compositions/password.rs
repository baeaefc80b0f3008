//! The admin password: made once, kept whatever is lost, taken from nobody else, and shown nowhere.

use idp_multicloud::yaml;
use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::Pipeline;
use crate::world::{CLOUDS, World, assert_refused, decoded, encoded, whole};

pub const CASES: &[Case] = &[
    ("a_new_password_is_one_that_every_cloud_takes", fit),
    ("two_claims_get_two_passwords", differs),
    ("a_password_is_kept_from_one_reconcile_to_the_next", kept),
    (
        "a_password_is_kept_when_a_secret_or_crossplanes_references_are_lost",
        recovered,
    ),
    ("a_password_that_is_written_into_the_admin_secret_arrives", changed),
    ("no_new_password_is_made_for_a_database_that_is_there", lost),
    ("a_lost_password_is_put_back_as_the_manual_says", manual),
    ("a_secret_that_is_not_the_claims_is_left_alone", foreign),
    ("a_password_is_shown_in_its_two_secrets_only", shown),
];

fn password(pipeline: &Pipeline, world: &World) -> String {
    decoded(&world.look(pipeline).composed().resources["admin"], "password")
}

fn fit(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for _ in 0..20 {
            let password = password(pipeline, &World::new(cloud));
            let has = |kind: fn(&char) -> bool| password.chars().any(|letter| kind(&letter));
            assert!(
                (20..=32).contains(&password.len())
                    && password.starts_with(|letter: char| letter.is_ascii_alphanumeric())
                    && has(char::is_ascii_uppercase)
                    && has(char::is_ascii_lowercase)
                    && has(char::is_ascii_digit)
                    && has(char::is_ascii_punctuation)
                    && password.chars().all(|letter| letter.is_ascii_graphic())
                    && !password.contains(['/', '\'', '"', '@', ' ', '\\', '%']),
                "{cloud}: {password}"
            );
        }
    }
}

fn differs(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let world = World::new(cloud);
        let [one, other] = [password(pipeline, &world), password(pipeline, &world)];
        assert_ne!(one, other, "{cloud}");
        // Not only in its end, nor only in its start.
        assert_ne!(one[..8], other[..8], "{cloud}");
        assert_ne!(one[8..24], other[8..24], "{cloud}");
    }
}

/// That the password of every Secret that is rendered is this one.
fn assert_password(pipeline: &Pipeline, world: &World, wanted: &str, about: &str) {
    let outcome = world.look(pipeline).composed();
    for name in ["admin", "connection"] {
        if let Some(secret) = outcome.resources.get(name) {
            let about = format!("{}, {about}: password of {name}", world.cloud);
            assert_eq!(decoded(secret, "password"), wanted, "{about}");
        }
    }
    assert!(
        outcome.resources.contains_key("admin"),
        "{}, {about}: no admin",
        world.cloud
    );
    let database = match world.cloud {
        "aws" => &outcome.resources["instance"]["spec"]["forProvider"]["passwordSecretRef"],
        "gcp" => &outcome.resources["user"]["spec"]["forProvider"]["passwordSecretRef"],
        _ => &outcome.resources["instance"]["spec"]["forProvider"]["adminPasswordSecretRef"],
    };
    let admin = json!({"name": "orders-db-admin", "key": "password"});
    assert_eq!(database, &admin, "{}, {about}", world.cloud);
}

fn kept(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::new(cloud);
        let first = decoded(&world.reconcile(pipeline).resources["admin"], "password");
        assert_password(pipeline, &world, &first, "provisioning");
        world.comes_up("orders.db.example.org");
        for round in ["the host is known", "the connection is written", "nothing is new"] {
            assert_password(pipeline, &world, &first, round);
            world.reconcile(pipeline);
        }
    }
}

fn recovered(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut there = World::available(pipeline, cloud);
        let password = decoded(there.resource("admin"), "password");
        for gone in [&["admin"][..], &["connection"], &[]] {
            for refs_lost in [false, true] {
                for silent in [false, true] {
                    let mut world = there.clone();
                    world.refs_lost = refs_lost;
                    if silent {
                        world.falls_silent();
                    }
                    world.resources.retain(|name, _| !gone.contains(&name.as_str()));
                    let about = format!("{gone:?} gone, references lost {refs_lost}, provider silent {silent}");
                    assert_password(pipeline, &world, &password, &about);
                    world.reconcile(pipeline);
                    assert_password(pipeline, &world, &password, &format!("{about}, and on"));
                }
            }
        }
        // A Secret that is there without a password is as good as none.
        for emptied in ["admin", "connection"] {
            let mut world = there.clone();
            world.resource(emptied)["data"] = json!({});
            assert_password(pipeline, &world, &password, &format!("{emptied} emptied"));
        }
    }
}

fn changed(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut world = World::available(pipeline, cloud);
        world.resource("admin")["data"]["password"] = json!(encoded("Written-by-hand-1"));
        assert_password(pipeline, &world, "Written-by-hand-1", "changed in the admin Secret");
    }
}

fn lost(pipeline: &Pipeline) {
    let message = "the database exists, but neither Secret orders-db-admin nor Secret orders-db-conn has its password; \
                   tell your platform team";
    for cloud in CLOUDS {
        let mut there = World::available(pipeline, cloud);
        let owned = [there.owner()];
        for refs_lost in [false, true] {
            let mut world = there.clone();
            world.refs_lost = refs_lost;
            world.resources.retain(|_, object| object["kind"] != "Secret");
            let about = format!("{cloud}, references lost {refs_lost}");
            assert_refused(&world.look(pipeline), "PasswordLost", message, &about);

            let mut back = world.clone();
            back.others = vec![back.secret("admin", &owned, &[("password", "Put-back-1")])];
            assert_password(pipeline, &back, "Put-back-1", &format!("{about}, put back"));
        }
        // A user of the database is as good as the database.
        let mut user = there.clone();
        user.resources.retain(|name, _| name == "user");
        if !user.resources.is_empty() {
            assert_refused(
                &user.look(pipeline),
                "PasswordLost",
                message,
                &format!("{cloud}, the user alone"),
            );
        }
        for secret in ["admin", "connection"] {
            there.resource(secret)["data"] = json!({});
        }
        assert_refused(
            &there.look(pipeline),
            "PasswordLost",
            message,
            &format!("{cloud}, both emptied"),
        );
    }
}

fn manual(pipeline: &Pipeline) {
    let text = include_str!("../../crossplane/README.md");
    let recipe = text
        .split("<<EOF\n")
        .find(|part| part.contains("name: payments-db-admin"));
    let recipe = recipe.unwrap().split("EOF\n").next().unwrap();
    for cloud in CLOUDS {
        let mut world = World::available(pipeline, cloud);
        world.resources.retain(|_, object| object["kind"] != "Secret");
        world.claim["metadata"]["name"] = json!("payments-db");
        let uid = world.claim["metadata"]["uid"].as_str().unwrap();
        let mut secret = yaml::documents(&recipe.replace("$uid", uid)).unwrap().remove(0);
        // Crossplane refers to it still, and takes nothing up that does not say which resource it is.
        let resource = &secret["metadata"]["annotations"]["crossplane.io/composition-resource-name"];
        assert_eq!(resource, "admin", "in the manual");
        assert_eq!(
            secret["metadata"]["ownerReferences"],
            json!([world.owner()]),
            "in the manual"
        );
        let password = secret["stringData"]["password"].as_str().unwrap().to_owned();
        secret["data"] = json!({"password": encoded(&password)});
        secret["metadata"]["namespace"] = world.claim["metadata"]["namespace"].clone();
        for found_by_name in [false, true] {
            let mut world = world.clone();
            if found_by_name {
                world.others = vec![secret.clone()];
            } else {
                world.resources.insert("admin".to_owned(), secret.clone());
            }
            let outcome = world.look(pipeline).composed();
            assert_eq!(decoded(&outcome.resources["admin"], "password"), password, "{cloud}");
        }
    }
}

fn foreign(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let world = World::new(cloud);
        let owner = world.owner();
        let with = |field: &str, value: Value| {
            let mut owner = owner.clone();
            owner[field] = value;
            owner
        };
        let without = |field: &str| {
            let mut owner = owner.clone();
            owner.as_object_mut().unwrap().remove(field);
            owner
        };
        let others = [
            ("no owner", vec![]),
            (
                "another claim's",
                vec![with("uid", json!("00000000-0000-4000-8000-000000000000"))],
            ),
            ("no uid", vec![without("uid")]),
            (
                "an owner that does not control it",
                vec![with("controller", json!(false))],
            ),
            (
                "an owner that does not say whether it controls it",
                vec![without("controller")],
            ),
            (
                "two owners, the other one in control",
                vec![
                    with("controller", json!(false)),
                    with("uid", json!("00000000-0000-4000-8000-000000000000")),
                ],
            ),
        ];
        for (suffix, slot) in [("admin", "admin"), ("conn", "connection")] {
            let message = format!(
                "Secret orders-db-{suffix} exists and is not this claim's; move it away, or give the claim another name"
            );
            for (what, owners) in &others {
                let about = format!("{cloud}, {suffix}: {what}");
                let mut world = world.clone();
                world.others = vec![world.secret(suffix, owners, &[("password", "Not-yours-1")])];
                let outcome = world.look(pipeline);
                assert_refused(&outcome, "ForeignSecret", &message, &about);
                let said = format!("{:?}{:?}", outcome.conditions, outcome.fatal);
                assert!(!said.contains("Not-yours"), "{about}: {said}");

                // Even if all the rest is there: the claim's own Secret was deleted, and somebody else's took its name.
                // (One without a controller is not let through to the functions then: Crossplane itself stops.)
                if owners.iter().any(|owner| owner["controller"] == true) {
                    let mut later = World::available(pipeline, cloud);
                    later.resources.remove(slot);
                    later.others = world.others;
                    assert_refused(
                        &later.look(pipeline),
                        "ForeignSecret",
                        &message,
                        &format!("{about}, later"),
                    );
                }
            }
            let mut own = world.clone();
            let owners = [with("controller", json!(false)), owner.clone()];
            own.others = vec![own.secret(suffix, &owners, &[("password", "Mine-1234")])];
            assert_password(pipeline, &own, "Mine-1234", &format!("its own {suffix}, found by name"));
            // Of the same name elsewhere.
            own.others[0]["metadata"]["namespace"] = json!("elsewhere");
            assert!(
                own.look(pipeline).fatal.is_none(),
                "{cloud}: a {suffix} in another namespace"
            );
        }
    }
}

fn shown(pipeline: &Pipeline) {
    let assert_hidden = |world: &World, password: &str, about: &str| {
        let mut all = whole(&world.look(pipeline));
        let context = all["context"].take();
        assert!(
            context.is_null() || context.to_string().contains(&encoded(password)),
            "{about}"
        );
        for name in ["admin", "connection"] {
            if let Some(secret) = all["resources"].get_mut(name) {
                assert_eq!(secret["data"]["password"].take(), encoded(password), "{about}: {name}");
            }
        }
        let all = all.to_string();
        for form in [password, &encoded(password)] {
            assert!(!all.contains(form), "{about}: {form} stands in {all}");
        }
    };
    for cloud in CLOUDS {
        let mut world = World::new(cloud);
        world.reconcile(pipeline);
        let password = decoded(world.resource("admin"), "password");
        assert_hidden(&world, &password, "creating");
        world.reports("False", "False");
        assert_hidden(&world, &password, "refused by the cloud");
        world.comes_up("orders.db.example.org");
        assert_hidden(&world, &password, "coming up");
        world.reconcile(pipeline);
        assert_hidden(&world, &password, "available");
        world.claim["spec"]["parameters"]["size"] = json!("huge");
        assert_hidden(&world, &password, "an unknown size");
    }
}
