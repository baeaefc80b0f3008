//! Compositions without Crossplane: their real functions as processes of ours, and the program that plays Crossplane's
//! part between them.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test helper: a failure is to fail the test that called it, and not every test file uses all of it"
)]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use idp_multicloud::yaml;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::cluster::apiserver::free_port;
use super::cluster::binaries::Functions;
use super::cluster::process::Process;
use super::guard::Guarded;
use super::server::eventually;

/// The function whose templates are checked.
const TEMPLATING: &str = "function-go-templating";

/// Both functions, running, and what drives them; all killed when dropped, and also if the test run is.
pub struct Pipeline {
    functions: BTreeMap<&'static str, Function>,
    run: Mutex<Driver>,
    check: Mutex<Driver>,
    /// The programs.
    pub programs: Functions,
    _logs: TempDir,
}

impl Pipeline {
    /// Starts them on free loopback ports.
    pub fn start(programs: Functions) -> Self {
        let logs = tempfile::tempdir().unwrap();
        let named = [
            (TEMPLATING, &programs.go_templating),
            ("function-auto-ready", &programs.auto_ready),
        ];
        let functions = named.map(|(name, program)| (name, Function::start(name, program, logs.path())));
        Self {
            functions: functions.into(),
            run: Mutex::new(Driver::start(&programs.driver, "run")),
            check: Mutex::new(Driver::start(&programs.driver, "check")),
            programs,
            _logs: logs,
        }
    }

    /// What a composition makes of what is observed, where `cluster` holds the objects that it may ask for.
    pub fn run(&self, composition: &Value, observed: &Value, cluster: &[Value]) -> Outcome {
        let outcome = self.try_run(composition, observed, cluster);
        outcome.unwrap_or_else(|error| panic!("{}: {error}", composition["metadata"]["name"]))
    }

    /// The same, or why the pipeline came to no end: a function that is gone, or asks for ever more.
    pub fn try_run(&self, composition: &Value, observed: &Value, cluster: &[Value]) -> Result<Outcome, String> {
        let steps: Vec<_> = steps(composition).iter().map(|step| self.addressed(step)).collect();
        let request = json!({"steps": steps, "observed": observed, "cluster": cluster});
        Outcome::of(&Driver::ask(&self.run, &request))
    }

    /// What is wrong with a template by the rules of this house, each with its line.
    pub fn check(&self, template: &str) -> Vec<String> {
        let answer = Driver::ask(&self.check, &json!({"template": template}));
        serde_json::from_value(answer["problems"].clone()).unwrap()
    }

    fn addressed(&self, step: &Value) -> Value {
        // A part that is not played would make the test's result another one than Crossplane's.
        for part in step.as_object().unwrap().keys() {
            let played = ["step", "functionRef", "input"].contains(&part.as_str());
            assert!(played, "step {} has {part}, which nobody plays here", step["step"]);
        }
        let name = step["functionRef"]["name"].as_str().unwrap();
        let function = self.functions.get(name);
        let function = function.unwrap_or_else(|| panic!("step {} names an unknown function: {name}", step["step"]));
        let input = step.get("input").cloned().unwrap_or_else(|| json!({}));
        json!({"step": step["step"], "address": function.address, "input": input})
    }
}

/// The steps of a composition's pipeline.
fn steps(composition: &Value) -> &[Value] {
    let steps = composition["spec"]["pipeline"].as_array();
    steps.unwrap_or_else(|| panic!("{} has no pipeline", composition["metadata"]["name"]))
}

/// Every template of a composition, with the name of its step.
pub fn templates(composition: &Value) -> Vec<(&str, &str)> {
    let templating = steps(composition)
        .iter()
        .filter(|step| step["functionRef"]["name"] == TEMPLATING);
    templating
        .map(|step| {
            let (name, template) = (&step["step"], &step["input"]["inline"]["template"]);
            let template = template.as_str();
            let template = template.unwrap_or_else(|| panic!("step {name} has no template in input.inline"));
            (name.as_str().unwrap(), template)
        })
        .collect()
}

/// A composition from its file.
pub fn composition(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let documents = yaml::documents(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let [composition] = <[Value; 1]>::try_from(documents).expect("a file holds one composition");
    composition
}

/// The compositions that are shipped, by the name of their cloud.
pub fn shipped() -> BTreeMap<String, Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("crossplane");
    let files = std::fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = files.filter_map(|file| {
        let name = file.file_name().into_string().unwrap();
        let cloud = name.strip_prefix("composition-")?.strip_suffix(".yaml")?;
        Some((cloud.to_owned(), composition(&file.path())))
    });
    named.collect()
}

/// What a composition has made of a claim.
#[derive(Debug)]
pub struct Outcome {
    /// The composed resources that are to exist, by their names in the composition. None after a fatal result.
    pub resources: BTreeMap<String, Value>,
    /// Which of them are ready.
    pub ready: BTreeMap<String, bool>,
    /// The claim's status, as far as the composition wants it.
    pub status: Value,
    /// What the composition itself says of the claim's readiness, if it does.
    pub composite_ready: Option<bool>,
    /// The claim's conditions in the order in which they were set: the last one of a type holds.
    pub conditions: Vec<Value>,
    /// Results that are not fatal, each with its step.
    pub results: Vec<Value>,
    /// What the last step handed on.
    pub context: Value,
    /// The step that ended it all, and its words.
    pub fatal: Option<(String, String)>,
}

impl Outcome {
    fn of(answer: &Value) -> Result<Self, String> {
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let (composite, none) = (&answer["desired"]["composite"], Map::new());
        let desired = answer["desired"]["resources"].as_object().unwrap_or(&none);
        let resources = desired.iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Ok(Self {
            resources: resources
                .map(|(name, desired)| (name.clone(), desired["resource"].clone()))
                .collect(),
            ready: desired
                .iter()
                .map(|(name, desired)| (name.clone(), ready(desired) == Some(true)))
                .collect(),
            status: composite["resource"]["status"].clone(),
            composite_ready: ready(composite),
            conditions: answer["conditions"].as_array().unwrap().clone(),
            results: answer["results"].as_array().unwrap().clone(),
            context: answer["context"].clone(),
            fatal: answer.get("fatal").map(|said| (text(&answer["fatalStep"]), text(said))),
        })
    }

    /// Itself, if no step ended it.
    pub fn composed(self) -> Self {
        if let Some((step, words)) = &self.fatal {
            panic!("step {step} ended it: {words}");
        }
        self
    }

    /// The condition of a type that holds.
    pub fn condition(&self, of_type: &str) -> &Value {
        let mut held = self.conditions.iter().rev();
        let found = held.find(|condition| condition["type"] == of_type);
        found.unwrap_or_else(|| panic!("there is no condition {of_type}: {self:#?}"))
    }
}

fn ready(desired: &Value) -> Option<bool> {
    match desired["ready"].as_str() {
        Some("READY_TRUE") => Some(true),
        Some("READY_FALSE") => Some(false),
        _ => None,
    }
}

/// A placed claim, with the network of the built-in catalog for its cloud.
pub fn claim(cloud: &str, tier: &str, size: &str, ha: bool, environment: &str) -> Value {
    let catalog = yaml::documents(include_str!("../../src/catalog/builtin.yaml")).unwrap();
    let candidates = catalog
        .iter()
        .filter_map(|object| object["spec"]["candidates"].as_array());
    let mut there = candidates.flatten().filter(|candidate| candidate["provider"] == cloud);
    let place = there.next().unwrap_or_else(|| panic!("nothing of {cloud} is built in"));
    json!({
        "apiVersion": "db.platform.example.org/v1alpha1",
        "kind": "MySQLInstanceClaim",
        "metadata": {
            "name": "orders-db",
            "namespace": "shop",
            "uid": "3f0c9a52-7d1b-4e62-9a57-c1d20b8e6f04",
            "generation": 1,
        },
        "spec": {
            "parameters": {
                "cell": "payments", "tier": tier, "environment": environment, "size": size, "storageGB": 50, "ha": ha,
                "provider": place["provider"], "region": place["region"],
                "runtimeCluster": place["runtimeCluster"], "network": place["network"],
            },
            "crossplane": {"compositionSelector": {"matchLabels": {
                "db.platform.example.org/provider": cloud,
                "db.platform.example.org/class": "mysql",
            }}},
        },
    })
}

/// A composed resource that is there: its name in the composition, itself, and the details of its connection.
pub type Composed<'a> = (&'a str, Value, &'a [(&'a str, &'a str)]);

/// What Crossplane observes.
pub fn observed(claim: &Value, resources: &[Composed]) -> Value {
    let resource = |(name, object, details): &Composed| {
        let encoded = |(key, value): &(&str, &str)| ((*key).to_owned(), json!(STANDARD.encode(value)));
        let details: Map<_, _> = details.iter().map(encoded).collect();
        (
            (*name).to_owned(),
            json!({"resource": object, "connectionDetails": details}),
        )
    };
    let resources: Map<_, _> = resources.iter().map(resource).collect();
    json!({"composite": {"resource": claim}, "resources": resources})
}

/// A running function.
struct Function {
    address: String,
    _process: Process,
}

impl Function {
    fn start(name: &str, program: &Path, logs: &Path) -> Self {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new(program);
        command.args(["--insecure", "--address", &address]);
        let mut process = Process::start(command, &logs.join(name));
        eventually(&format!("{name} listens"), || {
            process.assert_running();
            TcpStream::connect(&address).is_ok()
        });
        Self {
            address,
            _process: process,
        }
    }
}

/// The program that plays Crossplane's part, in one of its modes: a line in, a line out.
struct Driver {
    child: Guarded,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Driver {
    fn start(program: &Path, mode: &str) -> Self {
        let mut command = Command::new(program);
        command.arg(mode).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Guarded::spawn(&mut command);
        Self {
            requests: child.stdin.take().unwrap(),
            answers: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn ask(driver: &Mutex<Self>, request: &Value) -> Value {
        let mut answer = String::new();
        {
            let mut driver = driver.lock().unwrap_or_else(PoisonError::into_inner);
            // If it is gone there is no answer, which is told below.
            let _ = writeln!(driver.requests, "{request}");
            driver.answers.read_line(&mut answer).unwrap();
        }
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("no answer, the driver has ended: {error}"))
    }
}
