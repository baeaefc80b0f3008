//! What goes when a claim is deleted: its objects do, the database in the cloud only where it is disposable.

use serde_json::Value;

use crate::Case;
use crate::cloud::Cloud;
use crate::database::{Database, clouds};
use crate::support::cluster::provider::Provider;

pub const CASES: &[Case] = &[
    ("a_deleted_claim_takes_its_objects_along_and_leaves_its_database", kept),
    ("a_disposable_claim_takes_its_database_along", disposable),
];

fn kept(cloud: &Cloud) {
    deleted(cloud, "kept", "prod", &|_| false);
}

fn disposable(cloud: &Cloud) {
    // The database takes these two along.
    deleted(cloud, "disposable", "dev", &|kind| kind != "Database" && kind != "User");
}

fn deleted(cloud: &Cloud, namespace: &str, environment: &str, goes: &dyn Fn(&str) -> bool) {
    let team = cloud.platform.team(namespace);
    for (provider, mut changes) in clouds() {
        changes["environment"] = environment.into();
        let database = Database::used(cloud, &team, provider, changes);
        let resources = database.managed();
        for resource in &resources {
            let policies = resource["spec"]["managementPolicies"].as_array().unwrap();
            let deletes = policies.iter().any(|policy| policy == "Delete" || policy == "*");
            let kind = resource["kind"].as_str().unwrap();
            assert_eq!(
                deletes,
                goes(kind),
                "wanted: Delete only of what may go; saw: {provider} {kind} {policies:?}"
            );
        }
        if environment == "prod" {
            team.call("DELETE", provider, None).forbidden(&["allow-deletion"]);
            team.allow_deletion(provider);
        }
        team.call("DELETE", provider, None).ok();
        cloud
            .crossplane
            .until("the claim gone", || match team.stored(provider) {
                None => Ok(()),
                Some(claim) => Err(format!("{claim:#}")),
            });
        for resource in &resources {
            let path = crate::support::cluster::provider::path(resource);
            cloud
                .crossplane
                .until("the resource deleted", || match cloud.get(&path) {
                    Some(object) if object["metadata"]["deletionTimestamp"].is_null() => Err(format!("{object:#}")),
                    _ => Ok(()),
                });
            Provider(&cloud.platform.api).let_go(resource);
            cloud.crossplane.until("the resource gone", || gone(cloud.get(&path)));
        }
        for suffix in ["admin", "conn"] {
            cloud
                .crossplane
                .until("the Secret gone", || gone(database.secret(suffix)));
        }
    }
}

fn gone(object: Option<Value>) -> Result<(), String> {
    object.map_or(Ok(()), |object| Err(format!("{object:#}")))
}
