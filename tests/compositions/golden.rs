//! The database as each cloud is asked for it, whole; and what the connection Secret says of it.

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim};
use crate::world::{CLOUDS, HOST, World, decoded, first};

pub const CASES: &[Case] = &[
    ("aws_is_asked_for_this", aws),
    ("gcp_is_asked_for_this", gcp),
    ("oci_is_asked_for_this", oci),
    ("a_large_disk_on_rds_has_the_speed_that_rds_wants_for_it", large_disk),
    ("the_connection_secret_says_what_the_cloud_was_asked_for", same_details),
];

const NAME: &str = "mysql-3f0c9a52-7d1b-4e62-9a57-c1d20b8e6f04";

fn tags(tier: &str, environment: &str, cluster: &str) -> Value {
    json!({
        "cell": "payments", "tier": tier, "environment": environment, "runtime-cluster": cluster,
        "namespace": "shop", "claim": "orders-db", "claim-uid": "3f0c9a52-7d1b-4e62-9a57-c1d20b8e6f04",
    })
}

fn asked(pipeline: &Pipeline, claim: &Value, resource: &str) -> Value {
    let cloud = claim["spec"]["parameters"]["provider"].as_str().unwrap();
    let outcome = first(pipeline, cloud, claim).composed();
    outcome.resources[resource]["spec"]["forProvider"].clone()
}

fn password() -> Value {
    json!({"name": "orders-db-admin", "key": "password"})
}

fn aws(pipeline: &Pipeline) {
    let wanted = |tier: &str, class: &str, ha: bool, days: u32, environment: &str| {
        let disposable = environment == "dev";
        json!({
            "region": "us-east-1", "identifier": NAME,
            "engine": "mysql", "engineVersion": "8.4", "autoMinorVersionUpgrade": true, "applyImmediately": true,
            "instanceClass": class, "storageType": "gp3", "allocatedStorage": 50, "storageEncrypted": true,
            "multiAz": ha, "dbSubnetGroupName": "payments-private", "vpcSecurityGroupIds": ["sg-0payments"],
            "publiclyAccessible": false, "parameterGroupName": "mysql84-require-tls",
            "port": 3306, "dbName": "app", "username": "admin", "passwordSecretRef": password(),
            "backupRetentionPeriod": days, "copyTagsToSnapshot": true,
            "deletionProtection": !disposable, "deleteAutomatedBackups": disposable,
            "skipFinalSnapshot": disposable, "finalSnapshotIdentifier": format!("{NAME}-final"),
            "tags": tags(tier, environment, "aws-use1-prod"),
        })
    };
    let production = asked(pipeline, &claim("aws", "C0", "medium", false, "prod"), "instance");
    assert_eq!(production, wanted("c0", "db.m7g.xlarge", true, 35, "prod"));
    let development = asked(pipeline, &claim("aws", "C2", "xlarge", false, "dev"), "instance");
    assert_eq!(development, wanted("c2", "db.m7g.4xlarge", false, 7, "dev"));
}

fn gcp(pipeline: &Pipeline) {
    let wanted = |tier: &str, machine: &str, ha: bool, log: bool, days: u32, environment: &str| {
        let disposable = environment == "dev";
        let mut last = json!({"enabled": !disposable});
        if !disposable {
            last["retentionDays"] = json!(days);
        }
        json!({
            "region": "us-central1", "databaseVersion": "MYSQL_8_4", "deletionProtection": !disposable,
            "settings": {
                "edition": "ENTERPRISE", "tier": machine, "availabilityType": if ha { "REGIONAL" } else { "ZONAL" },
                "diskType": "PD_SSD", "diskSize": 50, "diskAutoresize": false,
                "deletionProtectionEnabled": !disposable, "retainBackupsOnDelete": !disposable,
                "finalBackupConfig": last,
                "backupConfiguration": {
                    "enabled": true, "binaryLogEnabled": log, "transactionLogRetentionDays": 7,
                    "backupRetentionSettings": {"retentionUnit": "COUNT", "retainedBackups": days},
                },
                "ipConfiguration": {
                    "ipv4Enabled": false, "privateNetwork": "projects/payments-host/global/networks/payments",
                    "allocatedIpRange": "payments-mysql", "sslMode": "ENCRYPTED_ONLY",
                },
                "userLabels": tags(tier, environment, "gcp-usc1-prod"),
            },
        })
    };
    let production = claim("gcp", "C0", "medium", false, "prod");
    let asked_for = asked(pipeline, &production, "instance");
    assert_eq!(asked_for, wanted("c0", "db-custom-4-16384", true, true, 35, "prod"));
    let development = asked(pipeline, &claim("gcp", "C2", "xlarge", false, "dev"), "instance");
    assert_eq!(development, wanted("c2", "db-custom-16-65536", false, false, 7, "dev"));
    // A standby is fed with the binary log, whether the tier wants one or not.
    let standby = asked(pipeline, &claim("gcp", "C2", "xlarge", true, "dev"), "instance");
    assert_eq!(standby, wanted("c2", "db-custom-16-65536", true, true, 7, "dev"));

    let schema = asked(pipeline, &production, "database");
    assert_eq!(schema, json!({"instance": NAME, "charset": "utf8mb4"}));
    let user = asked(pipeline, &production, "user");
    assert_eq!(
        user,
        json!({"instance": NAME, "host": "%", "passwordSecretRef": password()})
    );
}

fn oci(pipeline: &Pipeline) {
    let wanted = |tier: &str, shape: &str, ha: bool, pitr: bool, days: u32, environment: &str| {
        let disposable = environment == "dev";
        json!({
            "compartmentId": "ocid1.compartment.oc1..payments", "availabilityDomain": "Uocm:US-ASHBURN-AD-1",
            "subnetId": "ocid1.subnet.oc1.iad.payments", "displayName": NAME, "hostnameLabel": NAME,
            "shapeName": shape, "dataStorageSizeInGb": 50,
            "dataStorage": [{"isAutoExpandStorageEnabled": false}], "isHighlyAvailable": ha, "port": 3306,
            "adminUsername": "admin", "adminPasswordSecretRef": password(),
            "encryptData": [{"keyGenerationType": "SYSTEM"}],
            "secureConnections": [{"certificateGenerationType": "SYSTEM"}],
            "backupPolicy": [{"isEnabled": true, "retentionInDays": days, "pitrPolicy": [{"isEnabled": pitr}]}],
            "deletionPolicy": [{
                "isDeleteProtected": !disposable,
                "finalBackup": if disposable { "SKIP_FINAL_BACKUP" } else { "REQUIRE_FINAL_BACKUP" },
                "automaticBackupRetention": if disposable { "DELETE" } else { "RETAIN" },
            }],
            "freeformTags": tags(tier, environment, "oci-iad-prod"),
        })
    };
    let production = asked(pipeline, &claim("oci", "C0", "medium", false, "prod"), "instance");
    assert_eq!(production, wanted("c0", "MySQL.4", true, true, 35, "prod"));
    let development = asked(pipeline, &claim("oci", "C2", "xlarge", false, "dev"), "instance");
    assert_eq!(development, wanted("c2", "MySQL.16", false, false, 7, "dev"));
}

fn large_disk(pipeline: &Pipeline) {
    for (size, speed) in [
        (399, json!([null, null])),
        (400, json!([12000, 500])),
        (16384, json!([12000, 500])),
    ] {
        let mut claim = claim("aws", "C1", "small", false, "prod");
        claim["spec"]["parameters"]["storageGB"] = json!(size);
        let disk = asked(pipeline, &claim, "instance");
        assert_eq!(json!([disk["iops"], disk["storageThroughput"]]), speed, "{size} GB");
    }
}

fn same_details(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let world = World::available(pipeline, cloud);
        let (secret, admin) = (&world.resources["connection"], &world.resources["admin"]);
        let instance = &world.resources["instance"]["spec"]["forProvider"];
        let external =
            |name: &str| world.resources[name]["metadata"]["annotations"]["crossplane.io/external-name"].clone();
        // Cloud SQL has one port; OCI makes no schema, so the name is one that the developer is told to make.
        let (port, user, schema) = match cloud {
            "aws" => (
                instance["port"].clone(),
                instance["username"].clone(),
                instance["dbName"].clone(),
            ),
            "gcp" => (json!(3306), external("user"), external("database")),
            _ => (
                instance["port"].clone(),
                instance["adminUsername"].clone(),
                json!("app"),
            ),
        };
        let said = ["host", "port", "username", "password", "database"].map(|key| decoded(secret, key));
        let wanted = [
            HOST.to_owned(),
            port.to_string(),
            user.as_str().unwrap().to_owned(),
            decoded(admin, "password"),
            schema.as_str().unwrap().to_owned(),
        ];
        assert_eq!(said, wanted, "{cloud}");
    }
}
