//! A composition that is edited reaches a claim when an operator says so.

use std::fs;

use serde_json::Value;

use crate::Case;
use crate::cloud::{Cloud, apply, condition, shipped};
use crate::database::{Database, clouds};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::manual::{Recipe, Shell};

pub const CASES: &[Case] = &[(
    "an_edited_composition_arrives_when_an_operator_moves_the_revision",
    rolled_out,
)];

fn rolled_out(cloud: &Cloud) {
    for ((provider, changes), database) in clouds().into_iter().zip(cloud.databases()) {
        let (before, spec) = (database.lasting(), spec(&database));
        let old = revision(&database.claim());
        let file = format!("composition-{provider}.yaml");
        let longer = shipped(&file)
            .replace("retentionDays: 14,", "retentionDays: 21,")
            .replace("retentionDays: 7,", "retentionDays: 9,");
        assert_ne!(
            longer,
            shipped(&file),
            "wanted: a retention to edit in {file}; saw: none"
        );
        let admin = shell(cloud, User::Admin);
        fs::write(admin.folder.join("crossplane").join(&file), longer).unwrap();
        let blocks = Recipe::of("crossplane/README.md", "Roll a change out").blocks;
        let [diff, applied, moved] = blocks.try_into().unwrap();
        let [diff, applied] = [diff, applied].map(|block| block.replace("aws", provider));
        // `kubectl diff` says by 1 that there is a difference.
        let seen = admin.run(&diff);
        assert!(seen.code == 1 && seen.stdout.contains("retentionDays"), "{seen}");
        assert!(admin.run(&applied).ok().contains(&format!("mysql-{provider}-")));
        let new = cloud.crossplane.until("a new revision that can be used", || {
            let (revisions, newest) = newest(cloud, provider);
            match newest {
                Some(name) if name != old => Ok(name),
                _ => Err(format!("{revisions:#}")),
            }
        });

        // Under Manual it waits.
        database.settle();
        database.assert_lasting(&before);
        assert_eq!(
            self::spec(&database),
            spec,
            "wanted: the resources as they were, on the right"
        );
        let another = Database::ask(cloud, &database.team, &format!("new-{provider}"), changes);
        another.await_instance();
        assert_eq!(
            revision(&another.claim()),
            new,
            "wanted: a new claim with the new revision"
        );

        let moved = moved
            .replace(
                "payments-db -n payments",
                &format!("{} -n {}", database.name, database.team.namespace),
            )
            .replace("mysql-aws-0123abc", &new);
        shell(cloud, database.team.user)
            .run(&moved)
            .refused(&["compositionRevisionRef"]);
        shell(cloud, User::Operator).run(&moved).ok();
        cloud.crossplane.until("the longer retention", || {
            let now = self::spec(&database);
            (now != spec).then_some(()).ok_or_else(|| format!("{now:#}"))
        });
        database.settle();
        let mut wanted = before.clone();
        wanted.get_mut("placement").unwrap()["crossplane"]["compositionRevisionRef"]["name"] = new.into();
        database.assert_lasting(&wanted);
        let differ = differing("", &spec, &self::spec(&database));
        assert!(!differ.is_empty(), "wanted: a change; saw: none");
        for at in differ {
            assert!(
                at.to_lowercase().contains("ret"),
                "wanted: another retention alone; saw a change at {at}"
            );
        }
        apply(&cloud.platform, &shipped(&file));
    }
}

/// A shell in a folder that has the compositions in a folder `crossplane`.
fn shell(cloud: &Cloud, user: User) -> Shell<'_> {
    let api = &cloud.platform.api;
    let folder = api.folder("roll-out");
    fs::create_dir_all(folder.join("crossplane")).unwrap();
    Shell { api, user, folder }
}

fn spec(database: &Database) -> Value {
    database.await_instance()["spec"]["forProvider"].clone()
}

fn revision(claim: &Value) -> String {
    let name = &claim["spec"]["crossplane"]["compositionRevisionRef"]["name"];
    name.as_str()
        .unwrap_or_else(|| panic!("wanted: a revision; saw: {claim:#}"))
        .to_owned()
}

/// All revisions of a composition, and the newest one's name if it can be used.
fn newest(cloud: &Cloud, provider: &str) -> (Value, Option<String>) {
    let path = format!(
        "/apis/apiextensions.crossplane.io/v1/compositionrevisions?labelSelector=crossplane.io/composition-name=mysql-{provider}"
    );
    let revisions = cloud.get(&path).unwrap();
    let items = revisions["items"].as_array().unwrap().iter();
    let newest = items
        .max_by_key(|revision| revision["spec"]["revision"].as_i64())
        .unwrap();
    let valid = condition(newest, "ValidPipeline").is_some_and(|condition| condition["status"] == "True");
    let name = newest["metadata"]["name"].as_str().unwrap().to_owned();
    (revisions.clone(), valid.then_some(name))
}

/// Where two values differ.
fn differing(at: &str, one: &Value, other: &Value) -> Vec<String> {
    match (one, other) {
        (Value::Object(some), Value::Object(others)) => {
            let names: std::collections::BTreeSet<_> = some.keys().chain(others.keys()).collect();
            let each = names.into_iter().flat_map(|name| {
                let (one, other) = (&one[name], &other[name]);
                differing(&format!("{at}/{name}"), one, other)
            });
            each.collect()
        }
        (Value::Array(some), Value::Array(others)) if some.len() == others.len() => {
            let pairs = some.iter().zip(others).enumerate();
            pairs
                .flat_map(|(place, (one, other))| differing(&format!("{at}/{place}"), one, other))
                .collect()
        }
        _ if one == other => vec![],
        _ => vec![at.to_owned()],
    }
}
