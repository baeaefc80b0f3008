//! An app team's chart with a claim in it, under Helm 3 and under Helm 4 as it writes from the client and from the server.
//!
//! An upgrade from the client sends the difference between two manifests: what the last one had and this one lacks is
//! sent as `null`, whatever is stored. `--force` and `--force-replace` send the manifest as a whole.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{Ran, User};
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{REASON, Team, assert_placed, remedy};

/// One case a flavour of Helm, in a namespace of its own.
macro_rules! cases {
    ($($name:literal => $case:ident),* $(,)?) => {
        &[
            $(
                (concat!($name, "::helm_3"), |platform| {
                    $case(&Release::new(platform, Flavour::Helm3, stringify!($case)));
                }),
                (concat!($name, "::helm_4_client_side"), |platform| {
                    $case(&Release::new(platform, Flavour::Helm4ClientSide, stringify!($case)));
                }),
                (concat!($name, "::helm_4_server_side"), |platform| {
                    $case(&Release::new(platform, Flavour::Helm4ServerSide, stringify!($case)));
                }),
            )*
            ("a_release_of_helm_3_goes_on_under_helm_4_and_back", migrated),
        ]
    };
}

pub const CASES: &[Case] = cases![
    "an_upgrade_changes_what_it_names_and_nothing_else" => upgraded,
    "an_upgrade_by_force_keeps_the_claim_where_it_is" => forced,
    "a_rollback_keeps_the_claim_where_it_is" => rolled_back,
    "a_rollback_by_force_keeps_the_claim_where_it_is" => rolled_back_by_force,
    "a_rollback_that_would_shrink_storage_is_refused_and_the_next_upgrade_works" => rolled_back_too_far,
    "an_atomic_upgrade_that_is_refused_leaves_the_old_release_whole" => atomic,
    "an_atomic_install_that_is_refused_leaves_nothing" => atomic_install,
    "a_dry_run_changes_nothing" => dry_run,
    "a_subchart_brings_the_claim" => subchart,
    "forbidden_values_are_named_with_the_remedy_and_the_next_upgrade_works" => forbidden,
    "what_the_chart_no_longer_says_to_crossplane_unplaces_nothing" => unsaid,
    "a_claim_that_is_there_is_taken_over_as_it_stands" => adopted,
    "a_claim_taken_out_of_the_chart_is_kept" => taken_out,
    "an_uninstall_is_refused_with_a_remedy_that_works" => uninstalled,
    "a_disposable_claim_goes_with_its_release" => disposable,
];

/// Which Helm, and how it writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Helm3,
    Helm4ClientSide,
    Helm4ServerSide,
}

/// The release `orders` of a chart.
struct Release<'a> {
    team: Team<'a>,
    flavour: Flavour,
    chart: &'static str,
}

impl<'a> Release<'a> {
    fn new(platform: &'a Platform, flavour: Flavour, case: &str) -> Self {
        let suffix = match flavour {
            Flavour::Helm3 => "3",
            Flavour::Helm4ClientSide => "4-client",
            Flavour::Helm4ServerSide => "4-server",
        };
        let namespace = format!("helm-{}-{suffix}", case.replace('_', "-"));
        Self {
            team: platform.team(&namespace),
            flavour,
            chart: "orders",
        }
    }

    fn helm(&self, args: &[&str]) -> Ran {
        let binaries = &self.team.platform.api.binaries;
        let helm = match self.flavour {
            Flavour::Helm3 => &binaries.helm3,
            Flavour::Helm4ClientSide | Flavour::Helm4ServerSide => &binaries.helm4,
        };
        self.team.helm(helm, args)
    }

    fn install(&self, args: &[&str]) -> Ran {
        let chart = chart(self.chart);
        let side: &[&str] = match self.flavour {
            Flavour::Helm3 => &[],
            Flavour::Helm4ClientSide => &["--server-side=false"],
            Flavour::Helm4ServerSide => &["--server-side=true"],
        };
        self.helm(&[&["install", "orders", chart.to_str().unwrap()], side, args].concat())
    }

    /// An installed release; gives its claim after Crossplane has taken it up.
    fn installed(&self, args: &[&str]) -> Value {
        self.install(args).ok();
        assert_placed(&self.claim());
        let resource =
            json!({"apiVersion": "rds.aws.m.upbound.io/v1beta1", "kind": "Instance", "name": "orders-db-x7k2p"});
        let refs = json!({"compositionRef": {"name": "aws"}, "resourceRefs": [resource]});
        self.team.crossplane_writes("orders-db", refs)
    }

    /// To the chart's values and these, and none of the last release's. Helm 4 goes on the way the release was written last.
    fn upgrade(&self, args: &[&str]) -> Ran {
        let chart = chart(self.chart);
        self.helm(&[&["upgrade", "orders", chart.to_str().unwrap(), "--reset-values"], args].concat())
    }

    fn rollback(&self, args: &[&str]) -> Ran {
        self.helm(&[&["rollback", "orders"], args].concat())
    }

    fn uninstall(&self, args: &[&str]) -> Ran {
        self.helm(&[&["uninstall", "orders"], args].concat())
    }

    /// Every way to write by force.
    fn force(&self) -> &'static [&'static [&'static str]] {
        match self.flavour {
            Flavour::Helm3 => &[&["--force"]],
            Flavour::Helm4ClientSide => &[&["--force-replace"]],
            // To replace is to write from the client.
            Flavour::Helm4ServerSide => &[&["--force-conflicts"], &["--force-replace", "--server-side=false"]],
        }
    }

    fn atomic(&self) -> &'static str {
        match self.flavour {
            Flavour::Helm3 => "--atomic",
            Flavour::Helm4ClientSide | Flavour::Helm4ServerSide => "--rollback-on-failure",
        }
    }

    #[track_caller]
    fn claim(&self) -> Value {
        self.team.claim("orders-db")
    }

    /// The chart's other object, if it is there.
    fn config(&self) -> Option<Value> {
        let path = format!("/api/v1/namespaces/{}/configmaps/orders", self.team.namespace);
        let answer = self.team.platform.api.call(User::Admin, "GET", &path, None);
        (answer.code != 404).then(|| answer.ok()["data"].clone())
    }

    /// Fails unless Helm knows the release by this revision and status.
    #[track_caller]
    fn assert_is(&self, revision: u64, status: &str) {
        let said = self.helm(&["status", "orders", "--output=json"]).ok();
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            (said["version"].as_u64(), said["info"]["status"].as_str()),
            (Some(revision), Some(status)),
            "wanted: the revision and status on the right; saw: those on the left"
        );
    }

    /// Fails unless Helm knows no such release.
    #[track_caller]
    fn assert_gone(&self) {
        self.helm(&["status", "orders"]).refused(&["not found"]);
    }

    /// Fails unless the claim is where it was, asks for this, and is still the one that Crossplane took up.
    #[track_caller]
    fn assert_asks_for(&self, before: &Value, size: &str, storage: u64) {
        self.team.assert_unmoved(before);
        let parameters = &self.claim()["spec"]["parameters"];
        assert_eq!(
            (parameters["size"].as_str(), parameters["storageGB"].as_u64()),
            (Some(size), Some(storage)),
            "wanted: the size and storage on the right; saw: those on the left"
        );
    }

    /// Fails unless nobody has written the claim since.
    #[track_caller]
    fn assert_unwritten(&self, before: &Value) {
        let now = self.claim();
        assert_eq!(&now, before, "wanted: the claim on the right; saw: the one on the left");
    }
}

fn chart(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/cluster/charts")
        .join(name)
}

const SIZE: &str = "--set=database.parameters.size=large";
const STORAGE: &str = "--set=database.parameters.storageGB=100";
const DEV: &str = "--set=database.parameters.environment=dev";
const WITHOUT: &str = "--set=database.enabled=false";
const DEBUG: &str = "--set=config.LOG_LEVEL=debug";

fn upgraded(release: &Release) {
    let installed = release.installed(&[]);
    release.assert_is(1, "deployed");
    assert_written_from(&installed, release.flavour);
    assert_only_ours_beside(&installed, &release.helm(&["get", "manifest", "orders"]).ok());

    release.upgrade(&[]).ok();
    release.assert_unwritten(&installed);
    release.upgrade(&[SIZE]).ok();
    release.assert_asks_for(&installed, "large", 50);
    release.upgrade(&[SIZE, STORAGE]).ok();
    release.assert_asks_for(&installed, "large", 100);
    release.assert_is(4, "deployed");
}

/// Fails unless Helm wrote the claim the way that is to be tested.
#[track_caller]
fn assert_written_from(claim: &Value, flavour: Flavour) {
    let operation = match flavour {
        Flavour::Helm3 | Flavour::Helm4ClientSide => "Update",
        Flavour::Helm4ServerSide => "Apply",
    };
    let managers = claim["metadata"]["managedFields"].as_array().unwrap();
    let helm: Vec<_> = managers.iter().filter(|each| each["manager"] == "helm").collect();
    assert!(
        helm.len() == 1 && helm[0]["operation"] == operation,
        "wanted: written by {operation} of helm; saw: {managers:#?}"
    );
}

/// Fails unless the live claim is the chart's and, beside what Kubernetes, Helm and Crossplane add, our fields.
#[track_caller]
fn assert_only_ours_beside(live: &Value, manifest: &str) {
    let objects: Vec<Value> = serde_saphyr::from_multiple(manifest).unwrap();
    let wanted = objects.iter().find(|each| each["kind"] == live["kind"]).unwrap();
    let mut seen = live.clone();
    let spec = seen["spec"].as_object_mut().unwrap();
    let crossplane = spec["crossplane"].as_object_mut().unwrap();
    // Ours; a default of the schema; and two of Crossplane.
    for field in [
        "compositionSelector",
        "compositionUpdatePolicy",
        "compositionRef",
        "resourceRefs",
    ] {
        crossplane.remove(field);
    }
    if crossplane.is_empty() {
        spec.remove("crossplane");
    }
    let parameters = spec["parameters"].as_object_mut().unwrap();
    for field in ["provider", "region", "runtimeCluster", "network"] {
        parameters.remove(field);
    }
    let metadata = seen["metadata"].as_object_mut().unwrap();
    for field in [
        "creationTimestamp",
        "generation",
        "managedFields",
        "namespace",
        "resourceVersion",
        "uid",
    ] {
        metadata.remove(field);
    }
    let annotations = metadata["annotations"].as_object_mut().unwrap();
    annotations.retain(|name, _| name != REASON && !name.starts_with("meta.helm.sh/"));
    if annotations.is_empty() {
        metadata.remove("annotations");
    }
    assert_eq!(
        &seen, wanted,
        "wanted: the chart's claim on the right; saw: the one on the left"
    );
}

fn forced(release: &Release) {
    let installed = release.installed(&[]);
    let by_hand = json!({"spec": {"parameters": {"size": "large"}}});
    for force in release.force() {
        release.team.call("PATCH", "orders-db", Some(&by_hand)).ok();
        if release.flavour == Flavour::Helm4ServerSide && force[0] == "--force-conflicts" {
            release.upgrade(&[]).refused(&["conflict", ".spec.parameters.size"]);
            release.assert_asks_for(&installed, "large", 50);
        }
        release.upgrade(force).ok();
        release.assert_asks_for(&installed, "medium", 50);

        let elsewhere = [force, &["--set=database.parameters.provider=gcp"][..]].concat();
        release.upgrade(&elsewhere).refused(&["spec.parameters.provider"]);
        let smaller = [force, &["--set=database.parameters.storageGB=10"][..]].concat();
        release.upgrade(&smaller).refused(&["spec.parameters.storageGB"]);
        release.assert_asks_for(&installed, "medium", 50);
    }
}

fn rolled_back(release: &Release) {
    let installed = release.installed(&[]);
    release.upgrade(&[SIZE, DEBUG]).ok();
    release.rollback(&["1"]).ok();
    release.assert_asks_for(&installed, "medium", 50);
    release.rollback(&[]).ok();
    release.assert_asks_for(&installed, "large", 50);
    release.assert_is(4, "deployed");
}

fn rolled_back_by_force(release: &Release) {
    let installed = release.installed(&[]);
    for force in release.force() {
        release.upgrade(&[SIZE]).ok();
        release.rollback(&[&["1"], *force].concat()).ok();
        release.assert_asks_for(&installed, "medium", 50);
    }
}

fn rolled_back_too_far(release: &Release) {
    let installed = release.installed(&[]);
    release.upgrade(&[STORAGE]).ok();
    let ways = [&[&[][..]], release.force()].concat();
    for way in &ways {
        release
            .rollback(&[&["1"], *way].concat())
            .refused(&["spec.parameters.storageGB", "storage only grows"]);
        release.assert_asks_for(&installed, "medium", 100);
    }
    release.upgrade(&[STORAGE, SIZE]).ok();
    release.assert_asks_for(&installed, "large", 100);
    release.assert_is(3 + ways.len() as u64, "deployed");
}

/// Helm writes the `ConfigMap` before the claim is refused. Then it rolls back, which takes the new values off again.
fn atomic(release: &Release) {
    let installed = release.installed(&[]);
    let config = release.config();
    let bad = [
        ("provider=gcp", "spec.parameters.provider"),
        ("network.vpcId=vpc-of-mine", "spec.parameters.network"),
        ("storageGB=10", "spec.parameters.storageGB"),
        ("cell=archive", "spec.parameters.cell"),
    ];
    let mut revision = 1;
    for (value, field) in bad {
        let value = format!("--set=database.parameters.{value}");
        release
            .upgrade(&[&value, DEBUG, release.atomic()])
            .refused(&["has been rolled back", field]);
        revision += 2;
        release.assert_is(revision, "deployed");
        release.assert_asks_for(&installed, "medium", 50);
        assert_eq!(
            release.config(),
            config,
            "wanted: the ConfigMap on the right; saw: the one on the left"
        );
    }
    assert_eq!(
        release.claim()["spec"],
        installed["spec"],
        "wanted: the spec on the right; saw: the one on the left"
    );
}

fn atomic_install(release: &Release) {
    release
        .install(&["--set=database.parameters.region=us-east-1", release.atomic()])
        .refused(&["has been uninstalled", "spec.parameters.region", "remove it"]);
    assert_eq!(release.team.stored("orders-db"), None);
    assert_eq!(release.config(), None, "wanted: no ConfigMap; saw: the one on the left");
    release.assert_gone();
}

/// Helm asks the server what is there, but never to try a write.
fn dry_run(release: &Release) {
    const SERVER: &str = "--dry-run=server";
    release.install(&[SERVER]).ok();
    assert_eq!(release.team.stored("orders-db"), None);
    release.assert_gone();

    release.installed(&[]);
    release.upgrade(&[SIZE]).ok();
    let claim = release.claim();
    release.upgrade(&[SERVER, STORAGE]).ok();
    release
        .rollback(&[
            "1",
            if release.flavour == Flavour::Helm3 {
                "--dry-run"
            } else {
                SERVER
            },
        ])
        .ok();
    release.uninstall(&["--dry-run"]).ok();
    for force in release.force() {
        release.upgrade(&[&[SERVER, STORAGE], *force].concat()).ok();
    }
    release.assert_unwritten(&claim);
    release.assert_is(2, "deployed");
}

fn subchart(release: &Release) {
    let release = Release {
        team: release.team.clone(),
        chart: "shop",
        ..*release
    };
    let installed = release.installed(&[]);
    release.assert_asks_for(&installed, "large", 50);
    release.upgrade(&[]).ok();
    release.assert_unwritten(&installed);
    release
        .upgrade(&["--set=orders.database.parameters.storageGB=100"])
        .ok();
    release.assert_asks_for(&installed, "large", 100);
    release
        .upgrade(&["--set=orders.database.parameters.storageGB=100,orders.database.parameters.provider=gcp"])
        .refused(&["spec.parameters.provider"]);
    release.assert_asks_for(&installed, "large", 100);
}

fn forbidden(release: &Release) {
    let fields = [
        "provider=gcp",
        "region=us-central1",
        "runtimeCluster=gcp-usc1-prod",
        "network.network=mine",
    ];
    let values = fields.map(|field| format!("--set=database.parameters.{field}"));
    let selector = "--set-json=database.crossplane={\"compositionSelector\": {\"matchLabels\": {\"mine\": \"yes\"}}}";
    let mut args: Vec<_> = values.iter().map(String::as_str).collect();
    args.push(selector);
    let said = release.install(&args).refused(&[]);
    for field in [
        "spec.parameters.provider",
        "spec.parameters.region",
        "spec.parameters.runtimeCluster",
        "spec.parameters.network",
        "spec.crossplane.compositionSelector",
    ] {
        let line = said.lines().find(|line| line.contains(&format!("{field}: ")));
        assert!(
            line.is_some_and(|line| line.contains("remove it")),
            "wanted: a line with {field} and what to do; saw: {said}"
        );
    }
    assert_eq!(release.team.stored("orders-db"), None);
    release.assert_is(1, "failed");

    release.upgrade(&["--install"]).ok();
    let installed = release.claim();
    assert_placed(&installed);
    release
        .upgrade(&args)
        .refused(&["spec.parameters.provider", "spec.crossplane.compositionSelector"]);
    // From the client, this takes off what the upgrade could not put on.
    release.rollback(&["2"]).ok();
    release.assert_asks_for(&installed, "medium", 50);
    assert_eq!(
        release.claim()["spec"],
        installed["spec"],
        "wanted: the spec on the right; saw: the one on the left"
    );
}

/// From the client, Helm sends `spec.crossplane: null`.
fn unsaid(release: &Release) {
    let installed = release.installed(&["--set=database.crossplane.compositionUpdatePolicy=Manual"]);
    assert_eq!(installed["spec"]["crossplane"]["compositionUpdatePolicy"], "Manual");
    release.upgrade(&[]).ok();
    release.assert_asks_for(&installed, "medium", 50);
}

fn adopted(release: &Release) {
    let mut claim = crate::support::cluster::team::claim("orders-db", json!({"size": "small"}));
    claim["metadata"]["labels"] = json!({"app.kubernetes.io/part-of": "shop"});
    release.team.apply(&claim).ok();
    let before = release
        .team
        .crossplane_writes("orders-db", json!({"compositionRef": {"name": "aws"}}));
    assert_placed(&before);
    release.install(&[]).refused(&["cannot be imported"]);
    release.assert_unwritten(&before);

    let take = match release.flavour {
        Flavour::Helm3 | Flavour::Helm4ClientSide => &["--take-ownership"][..],
        // `kubectl apply` has set the size, too.
        Flavour::Helm4ServerSide => &["--take-ownership", "--force-conflicts"],
    };
    release.install(take).ok();
    release.assert_is(1, "deployed");
    release.assert_asks_for(&before, "medium", 50);
    release.upgrade(&[SIZE]).ok();
    release.assert_asks_for(&before, "large", 50);
}

/// Helm 3 says that all went well, and only a warning tells otherwise.
fn taken_out(release: &Release) {
    let installed = release.installed(&[]);
    let ran = release.upgrade(&[WITHOUT]);
    match release.flavour {
        Flavour::Helm3 => assert_eq!(ran.code, 0, "wanted: done; saw: {ran}"),
        Flavour::Helm4ClientSide | Flavour::Helm4ServerSide => assert_ne!(ran.code, 0, "wanted: refused; saw: {ran}"),
    }
    remedy(&ran.stderr);
    release.assert_unwritten(&installed);
    // Helm 3 takes it back without a look at it.
    release.upgrade(&[]).ok();
    release.assert_asks_for(&installed, "medium", 50);
    release.upgrade(&[SIZE]).ok();
    release.assert_asks_for(&installed, "large", 50);
    release.assert_is(4, "deployed");
}

fn uninstalled(release: &Release) {
    let installed = release.installed(&[]);
    let said = release.uninstall(&[]).refused(&["failed to delete release: orders"]);
    let remedy = remedy(&said);
    release.assert_unwritten(&installed);
    // Helm has deleted the rest, and a rollback brings it back.
    assert_eq!(release.config(), None, "wanted: no ConfigMap; saw: the one on the left");
    release.rollback(&["1"]).ok();
    assert!(release.config().is_some(), "wanted: the ConfigMap; saw: none");
    release.assert_is(2, "deployed");
    release.assert_asks_for(&installed, "medium", 50);

    release.team.platform.api.kubectl(release.team.user, &remedy, "").ok();
    release.uninstall(&[]).ok();
    assert_eq!(release.team.stored("orders-db"), None);
    release.assert_gone();
}

fn disposable(release: &Release) {
    release.installed(&[DEV]);
    release.uninstall(&[]).ok();
    assert_eq!(release.team.stored("orders-db"), None);
    assert_eq!(release.config(), None, "wanted: no ConfigMap; saw: the one on the left");
    release.assert_gone();
}

fn migrated(platform: &Platform) {
    let old = Release::new(platform, Flavour::Helm3, "migrated");
    let new = Release {
        team: old.team.clone(),
        flavour: Flavour::Helm4ServerSide,
        chart: old.chart,
    };
    let installed = old.installed(&[]);
    new.upgrade(&["--server-side=true"]).ok();
    assert_written_from(&new.claim(), Flavour::Helm4ServerSide);
    new.assert_asks_for(&installed, "medium", 50);
    new.upgrade(&[SIZE]).ok();
    new.assert_asks_for(&installed, "large", 50);
    new.rollback(&["1", "--server-side=true"]).ok();
    new.assert_asks_for(&installed, "medium", 50);
    old.upgrade(&[STORAGE]).ok();
    old.assert_asks_for(&installed, "medium", 100);
    old.upgrade(&[STORAGE, "--force"]).ok();
    old.assert_asks_for(&installed, "medium", 100);
}
