//! `audit` of what is there: the same claims as kubectl lists, page by page, by the rights of whoever asks.

use std::fs;

use idp_multicloud::yaml;
use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{Ran, User, run};
use crate::support::cluster::platform::{OLDER, Platform};
use crate::support::server::binary;

pub const CASES: &[Case] = &[
    (
        "the_claims_of_a_cluster_are_judged_page_by_page_as_those_of_its_export",
        whole,
    ),
    ("who_may_not_list_claims_is_told_so", forbidden),
];

fn audit(platform: &Platform, user: User, args: &[&str], stdin: &str) -> Ran {
    let mut command = binary();
    command.arg("audit").args(args);
    platform.api.prepare(&mut command, user);
    run(command, stdin)
}

/// What a report says of the claims of a namespace, by name.
fn of(report: &str, namespace: &str) -> Vec<Value> {
    let report: Value = serde_json::from_str(report).unwrap();
    let claims = report["claims"].as_array().unwrap().iter();
    let mut claims: Vec<Value> = claims
        .filter(|claim| claim["namespace"] == namespace)
        .cloned()
        .collect();
    claims.sort_by_key(|claim| claim["name"].to_string());
    claims
}

fn whole(platform: &Platform) {
    let team = platform.team("audit-whole");
    let names = ["db-0", "db-1", "db-2", "db-3", "db-4"];
    for name in names {
        team.placed(name, json!({}));
    }
    let catalog = platform.catalog();
    let args = ["--all", "--output", "json", "--catalog", catalog.to_str().unwrap()];
    let paged = audit(platform, User::Admin, &[&args[..], &["--page", "2"]].concat(), "");
    assert_eq!(paged.stderr, "", "wanted: nothing on standard error; saw: {paged}");
    let list = ["get", "mysqlinstanceclaims", "--all-namespaces", "--output", "json"];
    let export = platform.api.kubectl(User::Admin, &list, "").ok();
    let exported = audit(platform, User::Admin, &[&args[..], &["--file", "-"]].concat(), &export);

    let ours = of(&paged.stdout, &team.namespace);
    assert_eq!(ours, of(&exported.stdout, &team.namespace));
    let told: Vec<_> = ours.iter().map(|claim| (&claim["name"], &claim["findings"])).collect();
    let expected = names.map(|name| (json!(name), json!([])));
    assert_eq!(told, expected.each_ref().map(|(name, findings)| (name, findings)));
    let older = of(&paged.stdout, OLDER);
    assert!(
        older.iter().any(|claim| claim["findings"][0]["kind"] == "unplaced"),
        "wanted: a claim without a placement; saw: {older:#?}"
    );
}

fn forbidden(platform: &Platform) {
    let admin = fs::read_to_string(platform.api.kubeconfig(User::Admin)).unwrap();
    let mut nobody = yaml::documents(&admin).unwrap().remove(0);
    nobody["users"][0]["user"]["as"] = json!("nobody");
    let file = platform.api.folder("audit-forbidden").join("kubeconfig");
    fs::write(&file, nobody.to_string()).unwrap();
    let mut command = binary();
    platform.api.prepare(&mut command, User::Admin);
    command.arg("audit").env("KUBECONFIG", file);
    let ran = run(command, "");
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "wanted: status 2; saw: {ran}");
    for part in [
        "does not list its claims (ask for a role that may list mysqlinstanceclaims in all namespaces): ",
        "cannot list resource",
    ] {
        assert!(ran.stderr.contains(part), "wanted: {part}; saw: {ran}");
    }
}
