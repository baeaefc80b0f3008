//! One function decides everywhere: the webhook, `place`, `audit` and `catalog diff` agree on every catalog and claim.
//!
//! The webhook is asked in process, by a review for each claim; the others by their output, in batches.

use std::collections::BTreeMap;

use idp_multicloud::admission::verify::{Verdict, verify};
use idp_multicloud::catalog::live::Held;
use idp_multicloud::placement::why_not::{Standing, why_not};
use idp_multicloud::placement::{Points, Request, Size, decide};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::command::{folder, path, read_json, run_with, stream};
use crate::support::{self, Claim};

const CANDIDATES: [&str; 3] = ["aws-us-east-1", "gcp-us-central1", "oci-us-ashburn-1"];
const CAPABILITIES: [&str; 4] = ["MultiAZ", "PITR", "PrivateNetworking", "Zonal"];

/// A candidate's capabilities, scores and cordon.
type Edit = (Vec<&'static str>, [u32; 4], bool);

/// What is changed of the built-in catalog: of each candidate, if it is kept, its capabilities, scores and cordon; and
/// which clouds are closed.
#[derive(Clone, Debug)]
struct Edits {
    candidates: Vec<Option<Edit>>,
    closed: Vec<&'static str>,
}

impl Edits {
    fn objects(&self) -> Vec<Value> {
        let mut catalog = support::catalog();
        for (name, edit) in CANDIDATES.into_iter().zip(&self.candidates) {
            let Some((capabilities, scores, cordoned)) = edit else {
                catalog = catalog.without_candidate(name);
                continue;
            };
            let [cost, dr, latency, maturity] = scores.map(|score| f64::from(score) / 20.0);
            catalog = catalog
                .candidate_with(name, "capabilities", json!(capabilities))
                .candidate_with(
                    name,
                    "scores",
                    json!({"cost": cost, "dr": dr, "latency": latency, "maturity": maturity}),
                );
            if *cordoned {
                catalog = catalog.cordoned(name);
            }
        }
        for provider in &self.closed {
            catalog = catalog.with("CloudProvider", provider, "cordoned", json!({"reason": "closed"}));
        }
        catalog.snapshot().objects()
    }

    fn folder(&self) -> TempDir {
        let text = String::from_utf8(stream(&self.objects())).unwrap();
        folder(&[("catalog.yaml", &text)])
    }
}

fn edits() -> impl Strategy<Value = Edits> {
    let capabilities = prop_oneof![2 => Just(CAPABILITIES.to_vec()), 1 => subsequence(CAPABILITIES.to_vec(), 0..=4)];
    let scores = prop::array::uniform4(0..=20_u32);
    let candidate = (capabilities, scores, prop::bool::weighted(0.15));
    let candidates = prop::collection::vec(prop::option::weighted(0.9, candidate), 3);
    let closed = subsequence(vec!["aws", "gcp", "oci"], 0..=1);
    let at_least_one = |edits: &Edits| edits.candidates.iter().any(Option::is_some);
    (candidates, closed)
        .prop_map(|(candidates, closed)| Edits { candidates, closed })
        .prop_filter("a cell has a candidate", at_least_one)
}

fn claims() -> impl Strategy<Value = Vec<Value>> {
    let claim = (
        select(vec!["C0", "c1", "C1", "C2"]),
        select(vec!["dev", "prod"]),
        select(Size::ALL.to_vec()),
        50..99_u16,
        any::<bool>(),
    );
    prop::collection::vec(claim, 30..60).prop_map(|claims| {
        let claim = |(i, (tier, environment, size, gb, ha))| {
            json!({
                "apiVersion": "db.platform.example.org/v1alpha1", "kind": "MySQLInstanceClaim",
                "metadata": {"name": format!("db-{i:02}"), "namespace": "payments"},
                "spec": {"parameters": {
                    "cell": "payments", "tier": tier, "environment": environment, "size": size, "storageGB": gb, "ha": ha,
                }},
            })
        };
        claims.into_iter().enumerate().map(claim).collect()
    })
}

/// The claim as the webhook stores it; `None` where it fits nowhere.
fn webhook(claim: &Value, catalog: &Held) -> Option<Value> {
    let answered = support::create(&Claim(claim.clone())).held_by(catalog).answer();
    if answered.allowed() {
        return Some(answered.patched().0);
    }
    assert_eq!(answered.one_problem().0, "Unschedulable");
    None
}

fn reason(stored: &Value) -> Value {
    read_json(stored.pointer(support::REASON).unwrap().as_str().unwrap())
}

fn winner(stored: Option<&Value>) -> Option<String> {
    stored.map(|stored| reason(stored)["winner"]["candidate"].as_str().unwrap().to_owned())
}

fn field<'v>(value: &'v Value, field: &str) -> &'v str {
    value["spec"]["parameters"][field].as_str().unwrap()
}

/// What `audit` is to say of `stored`, worked out from the webhook's answer, the candidate's own object, and `why_not`.
fn expected(stored: &Value, today: Option<&Value>, objects: &[Value], catalog: &Held) -> Vec<Value> {
    let cell = objects.iter().find(|object| object["kind"] == "Cell").unwrap();
    let candidates = cell["spec"]["candidates"].as_array().unwrap();
    let on = candidates
        .iter()
        .find(|candidate| candidate["region"] == field(stored, "region"));
    let mut findings = Vec::new();
    let mut closed = Vec::new();
    if let Some(on) = on {
        let asked = reason(stored)["requirements"]["capabilities"]
            .as_array()
            .unwrap()
            .clone();
        for capability in asked {
            if !on["capabilities"].as_array().unwrap().contains(&capability) {
                findings.push(json!({"kind": "fails", "gate": "Capability", "detail": capability}));
            }
        }
        let provider = objects
            .iter()
            .find(|object| object["kind"] == "CloudProvider" && object["metadata"]["name"] == on["provider"]);
        for (gate, cordon) in [
            ("Provider", &provider.unwrap()["spec"]["cordoned"]),
            ("Candidate", &on["cordoned"]),
        ] {
            if !cordon.is_null() {
                closed.push(json!({"kind": "closed", "gate": gate, "detail": cordon["reason"]}));
            }
        }
    } else {
        findings.push(json!({"kind": "gone"}));
    }
    findings.extend(closed);
    match today {
        None => findings.push(json!({"kind": "nowhere"})),
        Some(today) if field(today, "region") == field(stored, "region") => {}
        Some(today) => {
            let winner = &reason(today)["winner"];
            let mut finding = json!({"kind": "elsewhere", "candidate": winner["candidate"], "score": winner["score"]});
            if let Some(on) = on {
                let asked = reason(stored)["request"].to_string();
                let request: Request<'_> = serde_json::from_str(&asked).unwrap();
                finding["ahead"] = json!(behind(request, on["name"].as_str().unwrap(), catalog));
            }
            findings.push(finding);
        }
    }
    findings
}

/// How many points `candidate` is behind the winner, as `place --why-not` has it.
fn behind(request: Request<'_>, candidate: &str, catalog: &Held) -> f64 {
    let decision = decide(catalog.snapshot(), request).unwrap();
    let (winner, score) = match why_not(&decision, candidate).unwrap().standing {
        Standing::Behind { winner, score, .. } => (winner.score, score),
        Standing::Excluded { winner, score, .. } => (winner.unwrap().score, score),
        Standing::Winner { .. } => panic!("{candidate} wins"),
    };
    #[allow(clippy::cast_precision_loss, reason = "at most 10^8, and f64 is exact to 2^53")]
    let units = |points: Points| points.units() as f64;
    (units(winner) - units(score)) / f64::from(Points::UNITS)
}

/// How often each of `values` is there.
fn counted<T: Ord>(values: impl Iterator<Item = T>) -> BTreeMap<T, u64> {
    let mut counts = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn webhook_place_audit_and_diff_decide_the_same(old in edits(), new in edits(), claims in claims()) {
        let (old_dir, new_dir) = (old.folder(), new.folder());
        let [old_held, new_held] = [&old_dir, &new_dir].map(|dir| Held::new(idp_multicloud::catalog::folder::load(dir.path()).unwrap()));
        let before: Vec<Option<Value>> = claims.iter().map(|claim| webhook(claim, &old_held)).collect();
        let after: Vec<Option<Value>> = claims.iter().map(|claim| webhook(claim, &new_held)).collect();

        let run = run_with(&format!("place -f - -o json --catalog {}", path(&old_dir)), &stream(&claims));
        let told = read_json(&run.out);
        for (told, stored) in told.as_array().unwrap().iter().zip(&before) {
            let winner = told["reason"]["winner"]["candidate"].as_str().map(str::to_owned);
            prop_assert_eq!(winner, self::winner(stored.as_ref()));
        }

        let stored: Vec<Value> = before.iter().flatten().cloned().collect();
        let catalogs = [&new_held, &old_held].map(|held| held.snapshot().clone());
        for claim in &stored {
            let verified = verify(claim, &catalogs);
            prop_assert!(matches!(verified.verdict, Verdict::Holds { .. }), "{:?}", verified);
        }
        let audit = |dir: &TempDir| {
            let run = run_with(&format!("audit -f - --all -o json --catalog {}", path(dir)), &stream(&stored));
            (run.status, read_json(&run.out))
        };
        let (status, report) = audit(&old_dir);
        prop_assert_eq!(status, 0);
        prop_assert!(report["claims"].as_array().unwrap().iter().all(|claim| claim["findings"] == json!([])), "{:#}", report);

        let (status, report) = audit(&new_dir);
        let found: BTreeMap<&str, &Value> = report["claims"].as_array().unwrap().iter().map(|claim| (claim["name"].as_str().unwrap(), &claim["findings"])).collect();
        let objects = new.objects();
        let mut failing = 0;
        for (stored, today) in before.iter().zip(&after) {
            let Some(stored) = stored else { continue };
            let findings = expected(stored, today.as_ref(), &objects, &new_held);
            failing += u64::from(findings.iter().any(|finding| finding["kind"] == "fails"));
            prop_assert_eq!(found[stored["metadata"]["name"].as_str().unwrap()], &Value::from(findings));
        }
        prop_assert_eq!(report["summary"]["total"]["failing"].as_u64(), Some(failing));
        prop_assert_eq!(status, i32::from(failing > 0));

        let run = run_with(&format!("catalog diff {} {} --fail-on-unschedulable -f - -o json", path(&old_dir), path(&new_dir)), &stream(&claims));
        let report = read_json(&run.out);
        let ways = before.iter().map(|stored| winner(stored.as_ref())).zip(after.iter().map(|stored| winner(stored.as_ref())));
        let moves = counted(ways.clone().filter(|(from, to)| from != to));
        let mut told = BTreeMap::new();
        for way in report["moves"].as_array().unwrap() {
            let name = |field: &str| way[field].as_str().map(str::to_owned);
            *told.entry((name("from"), name("to"))).or_insert(0) += way["requests"].as_u64().unwrap();
        }
        prop_assert_eq!(&told, &moves);
        let providers = |stored: &[Option<Value>]| counted(stored.iter().map(|stored| stored.as_ref().map(|stored| field(stored, "provider").to_owned())));
        for (side, stored) in [("before", &before), ("after", &after)] {
            let mut told = BTreeMap::new();
            for group in report["groups"].as_array().unwrap() {
                *told.entry(group["provider"].as_str().map(str::to_owned)).or_insert(0) += group[side].as_u64().unwrap();
            }
            told.retain(|_, count| *count > 0);
            prop_assert_eq!(told, providers(stored));
        }
        let lost = ways.filter(|(from, to)| from.is_some() && to.is_none()).count();
        prop_assert_eq!(report["unschedulable"].as_u64(), Some(lost as u64));
        prop_assert_eq!(run.status, i32::from(lost > 0));
    }
}
