//! What may be deleted, and what nothing here ever deletes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim};
use crate::world::{CLOUDS, HOST, World, first};

pub const CASES: &[Case] = &[
    ("a_database_is_kept_unless_its_environment_is_listed", kept),
    ("a_database_of_a_disposable_environment_goes_with_its_claim", disposable),
    ("what_is_inside_a_database_is_never_deleted_by_itself", inside),
    ("the_resources_keep_their_names", names),
];

const KEEP: [&str; 4] = ["Observe", "Create", "Update", "LateInitialize"];
const DELETE: [&str; 5] = ["Observe", "Create", "Update", "LateInitialize", "Delete"];

/// All that decides what is left of a database.
fn ends(cloud: &str, database: &Value) -> Value {
    match cloud {
        "aws" => json!([
            database["deletionProtection"],
            database["skipFinalSnapshot"],
            database["deleteAutomatedBackups"],
        ]),
        "gcp" => json!([
            database["deletionProtection"],
            database["settings"]["deletionProtectionEnabled"],
            database["settings"]["retainBackupsOnDelete"],
            database["settings"]["finalBackupConfig"],
        ]),
        _ => database["deletionPolicy"].clone(),
    }
}

fn assert_end(pipeline: &Pipeline, claim: &Value, cloud: &str, policies: &[&str], wanted: &Value, about: &str) {
    let outcome = first(pipeline, cloud, claim).composed();
    let spec = &outcome.resources["instance"]["spec"];
    assert_eq!(spec["managementPolicies"], json!(policies), "{cloud}, {about}");
    assert_eq!(ends(cloud, &spec["forProvider"]), *wanted, "{cloud}, {about}");
}

fn kept(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for (tier, days) in [("C0", 35), ("C1", 14), ("C2", 7)] {
            let wanted = match cloud {
                "aws" => json!([true, false, false]),
                "gcp" => json!([true, true, true, {"enabled": true, "retentionDays": days}]),
                _ => json!([{
                    "isDeleteProtected": true, "finalBackup": "REQUIRE_FINAL_BACKUP",
                    "automaticBackupRetention": "RETAIN",
                }]),
            };
            for environment in [
                "prod",
                "production",
                "prd",
                "staging",
                "anything",
                "",
                "Dev",
                "DEV",
                "dev ",
                " dev",
                "dev\n",
                "devel",
                "de",
                "[dev]",
            ] {
                let claim = claim(cloud, tier, "small", false, environment);
                let about = format!("{tier}, {environment:?}");
                assert_end(pipeline, &claim, cloud, &KEEP, &wanted, &about);
            }
            let mut claim = claim(cloud, tier, "small", false, "dev");
            claim["spec"]["parameters"]
                .as_object_mut()
                .unwrap()
                .remove("environment");
            assert_end(
                pipeline,
                &claim,
                cloud,
                &KEEP,
                &wanted,
                &format!("{tier}, no environment"),
            );
        }
    }
}

fn disposable(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for tier in ["C0", "C1", "C2"] {
            let wanted = match cloud {
                "aws" => json!([false, true, true]),
                "gcp" => json!([false, false, false, {"enabled": false}]),
                _ => json!([{
                    "isDeleteProtected": false, "finalBackup": "SKIP_FINAL_BACKUP",
                    "automaticBackupRetention": "DELETE",
                }]),
            };
            let claim = claim(cloud, tier, "small", false, "dev");
            assert_end(pipeline, &claim, cloud, &DELETE, &wanted, tier);
        }
    }
}

fn inside(pipeline: &Pipeline) {
    for environment in ["dev", "prod"] {
        let outcome = first(pipeline, "gcp", &claim("gcp", "C1", "small", false, environment)).composed();
        for name in ["database", "user"] {
            let policies = &outcome.resources[name]["spec"]["managementPolicies"];
            assert_eq!(policies, &json!(KEEP), "{environment}: {name}");
        }
    }
}

/// A claim that is switched to another cloud's composition by mistake drops what the new one does not name. So the name
/// of what holds the data is the same in all three.
fn names(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let mut wanted = vec![("admin", "Secret"), ("connection", "Secret")];
        wanted.extend(match cloud {
            "aws" => vec![("instance", "Instance")],
            "gcp" => vec![
                ("database", "Database"),
                ("instance", "DatabaseInstance"),
                ("user", "User"),
            ],
            _ => vec![("instance", "MysqlDbSystem")],
        });
        for (environment, tier) in [("prod", "C0"), ("dev", "C2")] {
            let mut world = World::with(cloud, claim(cloud, tier, "large", true, environment));
            world.reconcile(pipeline);
            world.comes_up(HOST);
            let outcome = world.reconcile(pipeline);
            let resources = outcome.resources.iter();
            let seen: BTreeSet<_> = resources
                .map(|(name, it)| (name.as_str(), it["kind"].as_str().unwrap()))
                .collect();
            assert_eq!(seen, wanted.iter().copied().collect(), "{cloud}, {environment}");
        }
    }
}
