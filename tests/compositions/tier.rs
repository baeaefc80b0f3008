//! What a tier, `ha`, a size and a disk are in the cloud's resource.

use std::collections::BTreeSet;

use idp_multicloud::catalog::{MULTI_AZ, Tier, builtin};
use idp_multicloud::placement::Size;
use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Outcome, Pipeline, claim};
use crate::world::{CLOUDS, first};

pub const CASES: &[Case] = &[
    ("what_a_tier_requires_is_in_the_resource_of_every_cloud", required),
    ("backups_are_kept_longer_the_higher_the_tier", retention),
    ("a_larger_size_is_a_larger_machine", sizes),
    ("storage_is_encrypted_and_connections_too", encrypted),
    ("a_database_is_where_the_placement_says_and_as_large_as_asked", placed),
];

/// The tiers of the built-in catalog, the one that may lose most first.
fn tiers() -> Vec<Tier> {
    let mut tiers: Vec<_> = builtin::load().unwrap().tiers().cloned().collect();
    tiers.sort_by_key(|tier| std::cmp::Reverse(tier.rpo_minutes));
    assert_eq!(tiers.len(), 3, "the built-in catalog has another number of tiers");
    tiers
}

fn database(outcome: &Outcome) -> &Value {
    &outcome.resources["instance"]["spec"]["forProvider"]
}

/// Whether the cloud is asked for a capability, by the resource alone.
fn has(cloud: &str, capability: &str, database: &Value) -> bool {
    let network = claim(cloud, "C1", "small", false, "prod")["spec"]["parameters"]["network"].clone();
    let (gcp_backups, gcp_network) = (
        &database["settings"]["backupConfiguration"],
        &database["settings"]["ipConfiguration"],
    );
    match (cloud, capability) {
        ("aws", "PITR") => database["backupRetentionPeriod"].as_u64() >= Some(1),
        ("aws", "MultiAZ") => database["multiAz"] == true,
        ("aws", "PrivateNetworking") => {
            database["publiclyAccessible"] == false
                && database["dbSubnetGroupName"] == network["dbSubnetGroup"]
                && database["vpcSecurityGroupIds"] == json!([network["securityGroup"]])
        }
        ("gcp", "PITR") => gcp_backups["enabled"] == true && gcp_backups["binaryLogEnabled"] == true,
        ("gcp", "MultiAZ") => database["settings"]["availabilityType"] == "REGIONAL",
        ("gcp", "PrivateNetworking") => {
            gcp_network["ipv4Enabled"] == false
                && gcp_network["privateNetwork"] == network["network"]
                && gcp_network["allocatedIpRange"] == network["allocatedIpRange"]
        }
        ("oci", "PITR") => {
            let policy = &database["backupPolicy"][0];
            policy["isEnabled"] == true && policy["pitrPolicy"][0]["isEnabled"] == true
        }
        ("oci", "MultiAZ") => database["isHighlyAvailable"] == true,
        ("oci", "PrivateNetworking") => ["compartmentId", "subnetId", "availabilityDomain"]
            .iter()
            .all(|key| database[key].is_string() && database[key] == network[key]),
        _ => panic!("nobody says here how {capability} is seen in a database on {cloud}"),
    }
}

fn required(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for tier in tiers() {
            for (size, ha, environment) in asked() {
                let about = format!("{cloud}, {}, {size}, ha {ha}, {environment}", tier.name);
                let outcome = first(pipeline, cloud, &claim(cloud, &tier.shown(), size, ha, environment)).composed();
                let mut wanted = BTreeSet::from(["admin", "instance"]);
                if cloud == "gcp" {
                    wanted.extend(["database", "user"]);
                }
                let names: BTreeSet<_> = outcome.resources.keys().map(String::as_str).collect();
                assert_eq!(names, wanted, "{about}");
                let ready: Vec<_> = outcome.ready.iter().filter(|(_, ready)| **ready).collect();
                assert!(ready.is_empty(), "{about}: ready at once: {ready:?}");

                let database = database(&outcome);
                for capability in &tier.requires {
                    assert!(
                        has(cloud, capability, database),
                        "{about}: no {capability} in {database:#}"
                    );
                }
                // A standby costs as much as the database, so it is there only if somebody asks.
                let standby = ha || tier.requires.contains(MULTI_AZ);
                assert_eq!(has(cloud, MULTI_AZ, database), standby, "{about}: {database:#}");
                assert!(has(cloud, "PrivateNetworking", database), "{about}: {database:#}");
            }
        }
    }
}

/// Sizes × `ha` × environments.
fn asked() -> impl Iterator<Item = (&'static str, bool, &'static str)> {
    Size::ALL.into_iter().flat_map(|size| {
        [(false, "dev"), (false, "prod"), (true, "dev"), (true, "prod")]
            .map(|(ha, environment)| (size.as_str(), ha, environment))
    })
}

/// The days that backups are kept, and the most that the cloud takes.
fn kept(cloud: &str, database: &Value) -> (u64, u64) {
    let backups = &database["settings"]["backupConfiguration"];
    let (days, most) = match cloud {
        "aws" => (&database["backupRetentionPeriod"], 35),
        "gcp" => (&backups["backupRetentionSettings"]["retainedBackups"], 365),
        _ => (&database["backupPolicy"][0]["retentionInDays"], 35),
    };
    (days.as_u64().unwrap_or_else(|| panic!("{cloud}: {days} days")), most)
}

fn retention(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for environment in ["dev", "prod"] {
            let mut days = Vec::new();
            for tier in tiers() {
                let claim = claim(cloud, &tier.shown(), "small", false, environment);
                let outcome = first(pipeline, cloud, &claim).composed();
                let database = database(&outcome);
                let (kept, most) = kept(cloud, database);
                assert!((1..=most).contains(&kept), "{cloud}, {}: {kept} days", tier.name);
                days.push(kept);
                if cloud == "gcp" {
                    let backups = &database["settings"]["backupConfiguration"];
                    assert_eq!(
                        backups["backupRetentionSettings"]["retentionUnit"], "COUNT",
                        "{}",
                        tier.name
                    );
                    // Cloud SQL: 7 days at most in this edition, and no more than there are backups.
                    let logs = backups["transactionLogRetentionDays"].as_u64().unwrap();
                    assert!((1..=kept.min(7)).contains(&logs), "{}: logs of {logs} days", tier.name);
                }
            }
            assert!(
                days.is_sorted() && days.first() < days.last(),
                "{cloud}, {environment}: from the lowest tier to the highest, backups are kept for {days:?} days"
            );
        }
    }
}

/// The processors of a machine, by its name.
fn processors(cloud: &str, machine: &str) -> u32 {
    let number = |text: &str| {
        text.parse::<u32>()
            .unwrap_or_else(|_| panic!("{cloud} has no machine {machine}"))
    };
    match cloud {
        "aws" => match machine.rsplit_once('.').unwrap().1 {
            "large" => 2,
            "xlarge" => 4,
            times => 4 * number(times.strip_suffix("xlarge").unwrap_or(times)),
        },
        "gcp" => number(machine.split('-').nth(2).unwrap_or_default()),
        _ => number(machine.strip_prefix("MySQL.").unwrap_or(machine)),
    }
}

fn sizes(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let machines = Size::ALL.map(|size| {
            let outcome = first(pipeline, cloud, &claim(cloud, "C1", size.as_str(), false, "prod")).composed();
            let database = database(&outcome);
            let machine = match cloud {
                "aws" => &database["instanceClass"],
                "gcp" => &database["settings"]["tier"],
                _ => &database["shapeName"],
            };
            machine.as_str().unwrap().to_owned()
        });
        let processors = machines.each_ref().map(|machine| processors(cloud, machine));
        assert!(
            processors.is_sorted_by(|a, b| a < b),
            "{cloud}: {machines:?} have {processors:?} processors"
        );
    }
}

fn encrypted(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for tier in tiers() {
            for environment in ["dev", "prod"] {
                let claim = claim(cloud, &tier.shown(), "small", false, environment);
                let outcome = first(pipeline, cloud, &claim).composed();
                let database = database(&outcome);
                let (seen, wanted) = match cloud {
                    "aws" => (
                        json!([database["storageEncrypted"], database["parameterGroupName"]]),
                        json!([true, "mysql84-require-tls"]),
                    ),
                    "gcp" => (
                        database["settings"]["ipConfiguration"]["sslMode"].clone(),
                        json!("ENCRYPTED_ONLY"),
                    ),
                    _ => (
                        json!([database["encryptData"], database["secureConnections"]]),
                        json!([[{"keyGenerationType": "SYSTEM"}], [{"certificateGenerationType": "SYSTEM"}]]),
                    ),
                };
                assert_eq!(seen, wanted, "{cloud}, {}, {environment}", tier.name);
            }
        }
    }
    // An account has to have it, so it is to be found in the manual.
    let manual = include_str!("../../crossplane/README.md");
    assert!(manual.contains("--db-parameter-group-name mysql84-require-tls"));
    assert!(manual.contains("ParameterName=require_secure_transport,ParameterValue=1"));
}

fn placed(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        for storage in [50, 1234, 16384] {
            let mut claim = claim(cloud, "C1", "small", false, "prod");
            claim["spec"]["parameters"]["storageGB"] = json!(storage);
            claim["spec"]["parameters"]["region"] = json!("xx-test-7");
            let outcome = first(pipeline, cloud, &claim).composed();
            let database = database(&outcome);
            let (disk, grows) = match cloud {
                "aws" => (&database["allocatedStorage"], &database["maxAllocatedStorage"]),
                "gcp" => (
                    &database["settings"]["diskSize"],
                    &database["settings"]["diskAutoresize"],
                ),
                _ => (
                    &database["dataStorageSizeInGb"],
                    &database["dataStorage"][0]["isAutoExpandStorageEnabled"],
                ),
            };
            assert_eq!(disk, storage, "{cloud}");
            let wanted = if cloud == "aws" { json!(null) } else { json!(false) };
            assert_eq!(grows, &wanted, "{cloud}: whether the disk grows by itself");
            let account = |name: &str| json!({"kind": "ClusterProviderConfig", "name": name});
            let (region, config) = match cloud {
                // It takes the region from there.
                "oci" => (json!(null), account("oci-xx-test-7")),
                _ => (json!("xx-test-7"), account(cloud)),
            };
            assert_eq!(database["region"], region, "{cloud}");
            for (name, resource) in &outcome.resources {
                if resource["kind"] != "Secret" {
                    assert_eq!(resource["spec"]["providerConfigRef"], config, "{cloud}: {name}");
                }
            }
        }
    }
}
