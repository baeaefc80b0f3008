//! The metrics in the manual are those of the code, and are named as Prometheus' conventions want it:
//! <https://prometheus.io/docs/practices/naming/>.

use std::time::{Duration, SystemTime};

use idp_multicloud::admission::Outcome;
use idp_multicloud::claim::Cause;
use idp_multicloud::telemetry::{ControllerMetrics, Metrics};

pub const CASES: &[crate::Case] = &[
    ("the_tables_in_the_manual_come_from_the_code", documented),
    ("names_say_what_is_counted_and_in_which_unit", named),
];

const MANUAL: &str = include_str!("../../manifests/metrics.md");

/// What the servers tell. A metric with labels is told once it has a value.
pub fn servers() -> String {
    let metrics = Metrics::default();
    let causes = Cause::ALL.map(Cause::as_str);
    for outcome in [Outcome::Refused, Outcome::NotOurs] {
        metrics.review("CREATE", outcome.as_str(), &causes, Duration::ZERO);
    }
    metrics.placement("payments", "C1", "aws");
    metrics.policy_error("data-residency");
    metrics.request("GET", "/health", 200, Duration::ZERO);
    metrics.catalog("9c91a13be412", SystemTime::now());
    metrics.catalog_objects_refused("Cell", 0);
    metrics.encode()
}

/// What the controller tells.
pub fn controller() -> String {
    let metrics = ControllerMetrics::default();
    metrics.objects_refused("Cell", 0);
    metrics.certificate("ca", Some(0));
    metrics.certificate_issued("leaf");
    metrics.claims(0, 0);
    metrics.policy_is_in_force("definitions.platform.example.org", true);
    metrics.webhook_is_in_force("validate.mysqlinstanceclaims.platform.example.org", true);
    metrics.encode(0.0, true)
}

/// Name and labels as they are asked for, type and meaning of every metric that a process tells.
pub fn told(encoded: &str) -> Vec<(String, String, String)> {
    let mut told = Vec::new();
    let mut meaning = "";
    for line in encoded.lines() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            meaning = help
                .split_once(' ')
                .map_or("", |(_, meaning)| meaning.trim_end_matches('.'));
        }
        let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' ')) else {
            continue;
        };
        let total = if kind == "counter" { "_total" } else { "" };
        let name = format!("{name}{total}");
        told.push((
            format!("{name}{}", labels(encoded, &name)),
            kind.to_owned(),
            meaning.to_owned(),
        ));
    }
    told
}

/// The names of a metric's labels, as in `{cell,tier}`.
fn labels(encoded: &str, name: &str) -> String {
    let sample = encoded
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once('}'));
    let names = sample
        .into_iter()
        .flat_map(|(labels, _)| labels.split(','))
        .filter_map(|label| label.split('=').next());
    let names: Vec<&str> = names.collect();
    if names.is_empty() {
        String::new()
    } else {
        format!("{{{}}}", names.join(","))
    }
}

/// The table of a process in the manual.
fn table(encoded: &str) -> String {
    let rows = told(encoded)
        .into_iter()
        .map(|(name, kind, meaning)| format!("| `{name}` | {kind} | {meaning} |\n"));
    format!("| metric | type | |\n|---|---|---|\n{}", rows.collect::<String>())
}

fn documented() {
    for (process, encoded) in [("the servers", servers()), ("the controller", controller())] {
        let table = table(&encoded);
        assert!(
            MANUAL.contains(&table),
            "manifests/metrics.md is to have, of {process}:\n\n{table}"
        );
    }
    let rows = MANUAL.matches("\n| `idp_").count();
    let all = told(&servers()).len() + told(&controller()).len();
    assert_eq!(rows, all, "manifests/metrics.md has rows that no process has");
}

fn named() {
    for encoded in [servers(), controller()] {
        for (name, kind, meaning) in told(&encoded) {
            let name = name.split('{').next().unwrap();
            let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
            assert!(name.starts_with("idp_") && name.bytes().all(plain), "{name}");
            assert!(!meaning.is_empty(), "{name}");
            assert_eq!(name.ends_with("_total"), kind == "counter", "{name}");
            let time = name.contains("duration") || name.contains("_age") || name.contains("timestamp");
            assert_eq!(time, name.contains("_seconds"), "{name}");
            for unit in ["_ms", "_millis", "_minutes", "_kb", "_mb", "_percent"] {
                assert!(!name.contains(unit), "{name}");
            }
        }
    }
}
