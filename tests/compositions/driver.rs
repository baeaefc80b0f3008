//! That functions are run as Crossplane runs them, shown on a composition made for this.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::Case;
use crate::support::pipeline::{Pipeline, claim, composition, observed};

pub const CASES: &[Case] = &[
    ("a_step_goes_on_with_what_the_one_before_made", handed_on),
    ("what_a_step_asks_for_is_read_from_the_cluster", requirements),
    ("what_is_not_there_is_nothing", nothing_there),
    ("a_function_that_asks_for_ever_more_is_given_up", ever_more),
    ("a_fatal_result_ends_it_and_leaves_nothing_to_apply", fatal),
    ("a_fatal_result_is_not_asked_again", fatal_at_once),
    ("a_resource_is_ready_when_it_is_observed_ready", ready),
    ("a_function_that_nobody_runs_is_named", unknown_function),
    ("what_is_no_request_ends_the_driver_with_one_clear_error", no_request),
];

fn toy() -> Value {
    composition(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compositions/toy.yaml"))
}

fn bare() -> Value {
    observed(&claim("aws", "C1", "small", false, "prod"), &[])
}

/// An object with a name in a namespace.
fn object(kind: &str, namespace: &str, name: &str, labels: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": kind,
        "metadata": {"namespace": namespace, "name": name, "labels": labels},
    })
}

fn handed_on(pipeline: &Pipeline) {
    let outcome = pipeline.run(&toy(), &bare(), &[]).composed();
    assert_eq!(outcome.context["settings"]["known"], true, "{:#}", outcome.context);
    assert_eq!(
        outcome.resources["instance"]["spec"]["forProvider"],
        json!({"region": "us-east-1", "allocatedStorage": 50})
    );
    assert_eq!(outcome.status, json!({"port": 3306}));
    assert_eq!(outcome.composite_ready, Some(false));
    // Of both steps; the last one holds.
    let reasons: Vec<_> = outcome
        .conditions
        .iter()
        .map(|condition| &condition["reason"])
        .collect();
    assert_eq!(reasons, ["Creating", "Ready"], "{:#?}", outcome.conditions);
    assert_eq!(
        outcome.condition("DatabaseReady"),
        &json!({
            "type": "DatabaseReady", "status": "True", "reason": "Ready", "message": "it is ready",
            "target": "Composite",
        })
    );
}

fn requirements(pipeline: &Pipeline) {
    let cluster = [
        object("ConfigMap", "z", "other", json!({"app": "other"})),
        object("ConfigMap", "z", "b", json!({"app": "toy"})),
        object("ConfigMap", "a", "c", json!({"app": "toy", "more": "yes"})),
        object("ConfigMap", "shop", "orders-db-admin", json!({})),
        object("Secret", "elsewhere", "orders-db-admin", json!({})),
        object("Secret", "shop", "orders-db-admin", json!({"it": "is this one"})),
        object("Secret", "shop", "another", json!({"app": "toy"})),
        json!({"apiVersion": "toy/v1", "kind": "ConfigMap", "metadata": {"name": "toy", "labels": {"app": "toy"}}}),
    ];
    let outcome = pipeline.run(&toy(), &bare(), &cluster).composed();
    let settings = &outcome.context["settings"];
    assert_eq!(settings["named"], json!([{"resource": cluster[5]}]), "by name");
    assert_eq!(
        settings["labelled"],
        json!([{"resource": cluster[2]}, {"resource": cluster[1]}]),
        "by label, in the order of namespace and name"
    );
    for requirement in ["absent", "nowhere"] {
        assert_eq!(settings[requirement], Value::Null, "{requirement}");
    }
    assert_eq!(settings["again"], true, "run again, a function has its own context");
    // The function asks by the older name, too, where it names no namespace.
    assert_eq!(settings["older"], json!(["labelled", "nowhere"]), "by the older name");
}

fn nothing_there(pipeline: &Pipeline) {
    let outcome = pipeline.run(&toy(), &bare(), &[]).composed();
    for requirement in ["named", "absent", "labelled", "nowhere"] {
        let found = &outcome.context["settings"][requirement];
        assert_eq!(found, &Value::Null, "{requirement}, with an empty cluster");
    }
}

fn ever_more(pipeline: &Pipeline) {
    let mut toy = toy();
    let template = "
        apiVersion: meta.gotemplating.fn.crossplane.io/v1alpha1
        kind: ExtraResources
        requirements:
          restless: {apiVersion: v1, kind: Secret, namespace: shop, matchName: {{ randAlphaNum 20 | toJson }}}";
    toy["spec"]["pipeline"][0]["input"]["inline"]["template"] = json!(template);
    let error = pipeline.try_run(&toy, &bare(), &[]).unwrap_err();
    let wanted = "step \"settings\": it still asks for something else after 5 rounds";
    assert_eq!(error, wanted);
}

fn fatal(pipeline: &Pipeline) {
    let claim = claim("aws", "C9", "small", false, "prod");
    let outcome = pipeline.run(&toy(), &observed(&claim, &[]), &[]);
    let (step, words) = outcome.fatal.as_ref().expect("an unknown tier is fatal");
    assert_eq!(step, "database");
    assert!(words.contains("step settings found a problem"), "{words}");
    assert!(outcome.resources.is_empty() && outcome.status.is_null(), "{outcome:#?}");
    // What was said before is said.
    assert_eq!(
        outcome.condition("DatabaseReady"),
        &json!({
            "type": "DatabaseReady", "status": "False", "reason": "Refused", "message": "the tier is unknown",
            "target": "CompositeAndClaim",
        })
    );
}

fn fatal_at_once(pipeline: &Pipeline) {
    let mut toy = toy();
    // It fails once it has what it asks for, and asks for no more.
    let template = "
        {{- if hasKey (default dict .requiredResources) \"it\" }}{{ fail \"it is enough\" }}{{ end }}
        apiVersion: meta.gotemplating.fn.crossplane.io/v1alpha1
        kind: ExtraResources
        requirements:
          it: {apiVersion: v1, kind: Secret, namespace: shop, matchName: it}";
    toy["spec"]["pipeline"][0]["input"]["inline"]["template"] = json!(template);
    let (step, words) = pipeline.run(&toy, &bare(), &[]).fatal.expect("a fatal result");
    assert_eq!(step, "settings", "{words}");
    assert!(words.contains("it is enough"), "{words}");
}

fn ready(pipeline: &Pipeline) {
    let claim = claim("aws", "C1", "small", false, "prod");
    for status in ["True", "False"] {
        let instance = json!({
            "apiVersion": "rds.aws.m.upbound.io/v1beta1", "kind": "Instance",
            "metadata": {"namespace": "shop", "name": "orders-db-1"},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        });
        let there = observed(&claim, &[("instance", instance, &[("endpoint", "db.example.org")])]);
        let outcome = pipeline.run(&toy(), &there, &[]).composed();
        let wanted = [
            ("connection".to_owned(), true),
            ("instance".to_owned(), status == "True"),
        ];
        assert_eq!(outcome.ready, wanted.into(), "with the instance's Ready {status}");
        assert_eq!(
            outcome.resources["connection"]["data"],
            json!({"host": "ZGIuZXhhbXBsZS5vcmc="})
        );
    }
    let outcome = pipeline.run(&toy(), &bare(), &[]).composed();
    assert_eq!(
        outcome.ready,
        [("instance".to_owned(), false)].into(),
        "with nothing observed"
    );
}

fn unknown_function(pipeline: &Pipeline) {
    let mut toy = toy();
    toy["spec"]["pipeline"][2]["functionRef"]["name"] = json!("function-of-nobody");
    let run = std::panic::AssertUnwindSafe(|| pipeline.run(&toy, &bare(), &[]));
    let panic = std::panic::catch_unwind(run).unwrap_err();
    let words = panic.downcast_ref::<String>().unwrap();
    assert!(words.contains("function-of-nobody"), "{words}");
}

fn no_request(pipeline: &Pipeline) {
    for (mode, line, wanted) in [
        (
            "run",
            "{\"steps\": 1}\n",
            "pipeline: request 1: json: cannot unmarshal number",
        ),
        (
            "run",
            "{\"observed\": {\"nope\": 1}}\n",
            "pipeline: request 1: observed: proto:",
        ),
        (
            "check",
            "{\"templates\": \"\"}\n",
            "pipeline: request 1: json: unknown field \"templates\"",
        ),
        ("check", "{\"template\": \"\"}\n\n", "pipeline: request 2: EOF"),
        ("nope", "", "pipeline: usage: pipeline run|check"),
    ] {
        let mut command = Command::new(&pipeline.programs.driver);
        command
            .arg(mode)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), line.as_bytes());
        let ran = child.wait_with_output().unwrap();
        let said = String::from_utf8(ran.stderr).unwrap();
        assert_eq!(ran.status.code(), Some(1), "{mode} {line}: {said}");
        assert!(
            said.starts_with(wanted) && said.lines().count() == 1,
            "wanted {wanted}, saw {said}"
        );
    }
}
