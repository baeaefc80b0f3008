//! Day 2: the recipes of the manual, run as they stand there.

use std::fs;

use serde_json::{Value, json};

use crate::Case;
use crate::installation::{Cluster, Road, TEAM, file, has_jq};
use crate::roads::FEW;
use crate::support::cluster::apiserver::{Ran, User, await_answer};
use crate::support::cluster::team::{assert_placed, claim};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[("every_recipe_does_what_it_says", recipes)];

const MANUAL: &str = "manifests/operations.md";

/// The recipe of that title: files to write first, and commands.
struct Recipe {
    files: Vec<(String, String)>,
    blocks: Vec<String>,
}

impl Recipe {
    fn of(title: &str) -> Self {
        let manual = fs::read_to_string(file(MANUAL)).unwrap();
        let from = manual.split(&format!("\n### {title}\n")).nth(1);
        let section = from.unwrap_or_else(|| panic!("{MANUAL} has no recipe \"{title}\""));
        let section = section.split("\n### ").next().unwrap();
        let mut recipe = Self {
            files: Vec::new(),
            blocks: Vec::new(),
        };
        let mut pieces = section.split("```");
        while let (Some(words), Some(block)) = (pieces.next(), pieces.next()) {
            let (kind, text) = block.split_once('\n').unwrap();
            match kind {
                "yaml" => {
                    let name = words.rsplit('`').nth(1).unwrap().to_owned();
                    recipe.files.push((name, text.to_owned()));
                }
                "console" => recipe.blocks.push(text.replace("$ ", "")),
                other => panic!("{title}: what is a block of {other}?"),
            }
        }
        recipe
    }
}

fn recipes(cluster: &Cluster) {
    if !has_jq() {
        return;
    }
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    for (name, changes) in [
        ("payments-db", json!({})),
        ("cheap-db", json!({"tier": "C2", "ha": false})),
        ("plain-db", json!({"tier": "C2", "ha": false, "environment": "dev"})),
    ] {
        cluster.claim_call("POST", "", Some(&claim(name, changes))).ok();
    }
    let folder = cluster.api.folder("manual");
    fs::create_dir_all(folder.join("catalog")).unwrap();
    std::os::unix::fs::symlink(cluster.api.audit_log(), folder.join("audit.log")).unwrap();
    let shell = |commands: &str| cluster.shell(User::Admin, &format!("cd {}\n{commands}", folder.display()));
    let whole = shell("idp-multicloud catalog show --catalog cluster -o yaml > catalog/all.yaml");
    whole.ok();
    let run = |title: &str, block: usize| -> String {
        let recipe = Recipe::of(title);
        for (name, text) in &recipe.files {
            fs::write(folder.join(name), text).unwrap();
        }
        shell(&recipe.blocks[block]).ok()
    };
    let placed = |name: &str, changes: Value| cluster.claim_call("POST", "?dryRun=All", Some(&claim(name, changes)));
    let told = |text: &str, parts: &[&str]| {
        for part in parts {
            assert!(text.contains(part), "wanted: {part}; saw: {text}");
        }
    };

    told(&run("Add a cell", 0), &["/orders condition met", "gcp-us-central1"]);
    let in_orders = || placed("orders-db", json!({"cell": "orders"}));
    await_answer("the cell takes claims", in_orders, |answer| answer.code == 201);
    assert_placed(&in_orders().ok());
    told(&run("Add a cell", 1), &["\"orders\" deleted"]);

    let goes_to = |cloud: &str| {
        eventually(cloud, || {
            placed("new", json!({})).ok()["spec"]["parameters"]["provider"] == cloud
        });
    };
    goes_to("aws");
    told(
        &run("Close a region", 0),
        &["sits on a closed candidate", "region evacuation"],
    );
    goes_to("gcp");
    run("Close a region", 1);
    goes_to("aws");

    told(
        &run("Raise a tier's bar", 0),
        &["spec.requires", "tier.platform.example.org/c2 configured"],
    );
    run("Raise a tier's bar", 1);

    told(&run("Prove a decision", 0), &["payments-db  holds "]);
    told(
        &run("Prove a decision", 1),
        &[&format!("admin\tcreate\t{TEAM}/payments-db")],
    );

    told(
        &run("Find who changed what", 0),
        &["admin\tpatch\ttiers/c2\t200", "admin\tdelete\tcells/orders\t200"],
    );
    let kept = format!("kubectl delete mysqlinstanceclaim payments-db -n {TEAM}");
    let refused: Ran = shell(&kept);
    refused.refused(&["(Forbidden)"]);
    told(
        &run("Find who changed what", 1),
        &["admin\tcreate\t201", "admin\tdelete\t403\t"],
    );
    installation.clean();
}
