//! The tables of the compositions against what else names the same things: catalog, sizes, deletion policy, functions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use idp_multicloud::catalog::builtin;
use idp_multicloud::placement::Size;
use idp_multicloud::yaml;
use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim, observed};
use crate::world::{CLOUDS, composition, first, network_keys, table};

pub const CASES: &[Case] = &[
    ("the_tiers_are_those_of_the_catalog_and_give_what_it_requires", tiers),
    ("the_sizes_are_those_that_a_claim_may_ask_for", sizes),
    ("the_network_keys_are_those_of_the_catalog", network),
    (
        "the_disposable_environments_are_those_of_the_deletion_policy",
        disposable,
    ),
    ("what_is_the_same_in_every_composition_is_the_same", same),
    ("a_table_that_is_not_in_order_ends_it_with_the_place_to_mend", disorder),
    (
        "the_kinds_that_are_made_are_those_that_are_activated_and_shown_to_operators",
        kinds,
    ),
    ("the_steps_stand_in_their_order", steps),
    ("the_functions_are_those_that_are_installed_and_tested", functions),
];

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn keys(table: &Value) -> BTreeSet<&str> {
    let fields = table.as_object().unwrap_or_else(|| panic!("no mapping: {table}"));
    fields.keys().map(String::as_str).collect()
}

fn tiers(pipeline: &Pipeline) {
    let catalog = builtin::load().unwrap();
    for cloud in CLOUDS {
        let table = table(pipeline, cloud);
        let wanted: BTreeSet<_> = catalog.tiers().map(|tier| tier.name.as_str()).collect();
        assert_eq!(keys(&table["tiers"]), wanted, "{cloud}");
        for tier in catalog.tiers() {
            let row = &table["tiers"][&tier.name];
            assert_eq!(
                keys(row),
                BTreeSet::from(["ha", "pitr", "protected", "retentionDays"]),
                "{cloud}"
            );
            for capability in &tier.requires {
                let given = match capability.as_str() {
                    "PITR" => row["pitr"] == true,
                    "MultiAZ" => row["ha"] == true,
                    // There is no database without it.
                    "PrivateNetworking" => true,
                    _ => panic!("no column of the tables gives {capability}"),
                };
                assert!(given, "{cloud}: {} requires {capability}, and has {row}", tier.name);
            }
        }
    }
}

fn sizes(pipeline: &Pipeline) {
    for cloud in CLOUDS {
        let wanted: BTreeSet<_> = Size::ALL.iter().map(|size| size.as_str()).collect();
        assert_eq!(keys(&table(pipeline, cloud)["sizes"]), wanted, "{cloud}");
    }
}

fn network(pipeline: &Pipeline) {
    let catalog = builtin::load().unwrap();
    let wanted: BTreeMap<_, _> = catalog
        .providers()
        .map(|provider| (provider.name.as_str(), json!(provider.network_keys)))
        .collect();
    let seen = CLOUDS.map(|cloud| {
        assert_eq!(table(pipeline, cloud)["provider"], cloud);
        let keys: BTreeSet<_> = network_keys(pipeline, cloud).into_iter().collect();
        (cloud, json!(keys))
    });
    assert_eq!(BTreeMap::from(seen), wanted);
}

fn disposable(pipeline: &Pipeline) {
    let guard = yaml::documents(&text("manifests/guard.yaml")).unwrap();
    let policy = guard.iter().find(|object| {
        object["kind"] == "ValidatingAdmissionPolicy"
            && object["metadata"]["name"] == "delete.mysqlinstanceclaims.platform.example.org"
    });
    let variables = policy.unwrap()["spec"]["variables"].as_array().unwrap();
    let disposable = variables
        .iter()
        .find(|variable| variable["name"] == "disposable")
        .unwrap();
    let expression = disposable["expression"].as_str().unwrap();
    let list = expression.strip_prefix("variables.environment in ");
    let list = list.unwrap_or_else(|| panic!("no list in {expression}"));
    let wanted: Value = serde_json::from_str(&list.replace('\'', "\"")).unwrap();
    for cloud in CLOUDS {
        assert_eq!(table(pipeline, cloud)["disposable"], wanted, "{cloud}");
    }
}

fn same(_: &Pipeline) {
    let (from, to) = ("/* The same in every composition, from here … */", "/* … to here. */");
    let parts = CLOUDS.map(|cloud| {
        let name = format!("crossplane/composition-{cloud}.yaml");
        let text = text(&name);
        let pieces = text.split(from).skip(1);
        let parts: Vec<_> = pieces
            .map(|piece| {
                let part = piece.split_once(to);
                part.unwrap_or_else(|| panic!("{name}: a part has no end")).0.to_owned()
            })
            .collect();
        assert_eq!(parts.len(), 3, "{name}: parts that are the same in every composition");
        assert_eq!(text.matches(to).count(), 3, "{name}: ends of such parts");
        parts
    });
    for (at, aws) in parts[0].iter().enumerate() {
        assert!(aws.lines().count() > 10, "part {at} has little in it: {aws}");
        for (cloud, others) in CLOUDS.iter().zip(&parts) {
            for (number, (a, b)) in aws.lines().zip(others[at].lines()).enumerate() {
                assert_eq!(a, b, "part {at} of {cloud}, line {number}, against aws");
            }
            assert!(
                aws == &others[at],
                "part {at} of {cloud} has another length than that of aws"
            );
        }
    }
}

fn steps(_: &Pipeline) {
    let wanted = json!([
        ["settings", "function-go-templating"],
        ["database", "function-go-templating"],
        ["ready", "function-auto-ready"],
    ]);
    for cloud in CLOUDS {
        let composition = composition(cloud);
        assert_eq!(composition["spec"]["mode"], "Pipeline", "{cloud}");
        let pipeline = composition["spec"]["pipeline"].as_array().unwrap();
        let steps = pipeline
            .iter()
            .map(|step| json!([step["step"], step["functionRef"]["name"]]));
        assert_eq!(steps.collect::<Value>(), wanted, "{cloud}");
    }
}

fn functions(_: &Pipeline) {
    let steps = CLOUDS
        .iter()
        .flat_map(|cloud| composition(cloud)["spec"]["pipeline"].as_array().unwrap());
    let named: BTreeSet<_> = steps
        .map(|step| step["functionRef"]["name"].as_str().unwrap())
        .collect();
    let installed = yaml::documents(&text("crossplane/functions.yaml")).unwrap();
    let packages: BTreeMap<_, _> = installed
        .iter()
        .map(|function| {
            assert_eq!(function["kind"], "Function");
            let package = function["spec"]["package"].as_str().unwrap();
            (function["metadata"]["name"].as_str().unwrap(), package)
        })
        .collect();
    assert_eq!(packages.len(), installed.len(), "a function is installed twice");
    assert_eq!(
        packages.keys().copied().collect::<BTreeSet<_>>(),
        named,
        "installed, and named"
    );
    for (name, package) in packages {
        let module = text(&format!("tests/tools/{name}/go.mod"));
        let required = format!("github.com/crossplane-contrib/{name} v");
        let tested = module.lines().find_map(|line| line.split_once(&required));
        let version = tested
            .unwrap_or_else(|| panic!("tests/tools/{name}/go.mod has no {name}"))
            .1;
        let version = version.split_whitespace().next().unwrap();
        let wanted = format!("xpkg.crossplane.io/crossplane-contrib/{name}:v{version}");
        assert_eq!(package, wanted, "the version that is tested");
    }
}

/// As the manual says.
fn disorder(pipeline: &Pipeline) {
    let row = "c1: {pitr: true, ha: false, retentionDays: 14, protected: true}";
    let days = "tiers.c1.retentionDays must be a whole number from 1 to 35";
    let cases = [
        (
            row,
            "C1: {pitr: true, ha: false, retentionDays: 14, protected: true}",
            "",
        ),
        (
            row,
            "c1: {ha: false, retentionDays: 14, protected: true}",
            "tiers.c1.pitr must be true or false",
        ),
        (
            row,
            "c1: {pitr: true, ha: no, retentionDays: 14, protected: true}",
            "tiers.c1.ha must be true or false",
        ),
        (
            row,
            "c1: {pitr: true, ha: \"false\", retentionDays: 14, protected: true}",
            "tiers.c1.ha must be true or false",
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: 14, protecteD: true}",
            "tiers.c1.protected must be true or false",
        ),
        (row, "c1: {pitr: true, ha: false, protected: true}", days),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: 0, protected: true}",
            days,
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: -3, protected: true}",
            days,
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: 36, protected: true}",
            days,
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: 7.5, protected: true}",
            days,
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: seven, protected: true}",
            days,
        ),
        (
            row,
            "c1: {pitr: true, ha: false, retentionDays: \"14\", protected: true}",
            days,
        ),
        (row, "c1:", "tiers.c1.pitr must be true or false"),
        (row, "c1: []", "tiers.c1.pitr must be true or false"),
        (row, "c1: off", "tiers.c1.pitr must be true or false"),
        ("\n  small: ", "\n  small: 5\n  tiny: ", "sizes.small must be a text"),
        ("\n  small: ", "\n  small: \"\"\n  tiny: ", "sizes.small must be a text"),
        ("disposable: [dev]", "disposable: dev", "disposable must be a list"),
        ("disposable: [dev]", "disposable:", "disposable must be a list"),
    ];
    for cloud in CLOUDS {
        let composition = composition(cloud);
        let template = &composition["spec"]["pipeline"][0]["input"]["inline"]["template"];
        let template = template.as_str().unwrap();
        for (there, instead, wrong) in cases {
            assert!(template.contains(there), "{cloud}: no {there:?} in the table");
            let mut composition = composition.clone();
            composition["spec"]["pipeline"][0]["input"]["inline"]["template"] =
                json!(template.replacen(there, instead, 1));
            let claim = observed(&claim(cloud, "C1", "small", false, "prod"), &[]);
            let outcome = pipeline.run(&composition, &claim, &[]);
            let about = format!("{cloud}: {instead}");
            if wrong.is_empty() {
                assert!(outcome.fatal.is_none(), "{about}: {:?}", outcome.fatal);
                continue;
            }
            assert!(
                outcome.fatal.is_some() && outcome.resources.is_empty(),
                "{about}: went through"
            );
            let condition = outcome.condition("DatabaseReady");
            assert_eq!(condition["reason"], "BadTable", "{about}");
            let message = condition["message"].as_str().unwrap();
            let wanted =
                format!("the table of the composition for {cloud} is not in order, {wrong}; tell your platform team");
            assert!(message.starts_with(&wanted), "{about}: {message}");
        }
    }
}

fn kinds(pipeline: &Pipeline) {
    let mut made = BTreeSet::new();
    for cloud in CLOUDS {
        let outcome = first(pipeline, cloud, &claim(cloud, "C1", "small", false, "prod")).composed();
        for resource in outcome
            .resources
            .values()
            .filter(|resource| resource["kind"] != "Secret")
        {
            let group = resource["apiVersion"].as_str().unwrap().split('/').next().unwrap();
            let plural = format!("{}s", resource["kind"].as_str().unwrap().to_lowercase());
            made.insert(format!("{plural}.{group}"));
        }
    }
    let policy = yaml::documents(&text("crossplane/activation-policy.yaml"))
        .unwrap()
        .remove(0);
    let activated = policy["spec"]["activate"].as_array().unwrap().iter();
    let activated: BTreeSet<_> = activated.map(|name| name.as_str().unwrap().to_owned()).collect();
    assert_eq!(activated, made, "crossplane/activation-policy.yaml, and what is made");

    let roles = yaml::documents(&text("crossplane/rbac.yaml")).unwrap();
    let operators = roles
        .iter()
        .find(|role| role["metadata"]["name"] == "idp-multicloud-operators");
    let granted = operators.unwrap()["rules"].as_array().unwrap().iter();
    let shown: BTreeSet<_> = granted
        .flat_map(|rule| {
            let group = rule["apiGroups"][0].as_str().unwrap();
            let resources = rule["resources"].as_array().unwrap().iter();
            resources.map(move |resource| format!("{}.{group}", resource.as_str().unwrap()))
        })
        .filter(|name| name.contains(".m.upbound.io"))
        .collect();
    assert_eq!(
        shown, made,
        "what operators see by crossplane/rbac.yaml, and what is made"
    );
}
