//! Laws of the decision, which hold for every catalog and every request, and the bounds of the reason.
//!
//! Catalogs are made from a small model. From the same model a second, plain decision is worked out in whole numbers
//! (`Model::outcome`), which shares no line with the one that is tested.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "clippy takes only the functions marked #[test] for tests, not their helpers"
)]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use idp_multicloud::catalog::{Fraction, Object, Snapshot, check};
use idp_multicloud::placement::why_not::{Change, Standing, WhyNot, why_not};
use idp_multicloud::placement::{Decision, Gate, Reason, Request, Size, decide, reason::MOST_BYTES};
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const API_VERSION: &str = "platform.example.org/v1alpha1";
const CAPABILITIES: [&str; 4] = ["MultiAZ", "PITR", "PrivateNetworking", "Zonal"];
const DIMENSIONS: [&str; 4] = ["cost", "dr", "latency", "maturity"];
const PROVIDERS: [&str; 2] = ["aws", "gcp"];
const REGIONS: [&str; 2] = ["east", "west"];
const UNITS: u64 = 10_000;

// ---------------------------------------------------------------------------------------------------- the model

#[derive(Clone, Debug)]
struct Place {
    name: String,
    provider: &'static str,
    region: &'static str,
    capabilities: BTreeSet<&'static str>,
    /// In ten-thousandths, for each of [`DIMENSIONS`].
    scores: BTreeMap<&'static str, u64>,
    cordoned: bool,
}

#[derive(Clone, Debug)]
struct Level {
    name: &'static str,
    requires: BTreeSet<&'static str>,
    /// In ten-thousandths; some dimensions, adding up to 1.
    weights: BTreeMap<&'static str, u64>,
}

/// A catalog of one cell (and a second one, which must not matter).
#[derive(Clone, Debug)]
struct Model {
    places: Vec<Place>,
    levels: Vec<Level>,
    closed_providers: BTreeSet<&'static str>,
    closed_regions: BTreeSet<(&'static str, &'static str)>,
}

#[derive(Clone, Copy, Debug)]
struct Ask {
    tier: &'static str,
    ha: bool,
    size: Size,
    storage_gb: u16,
}

/// Name and total (in hundred-millionths) of those that fit, best first; name and failures of the others, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    ranked: Vec<(String, u64)>,
    excluded: Vec<(String, Vec<(&'static str, String)>)>,
}

impl Outcome {
    fn winner(&self) -> Option<&str> {
        self.ranked.first().map(|(name, _)| name.as_str())
    }
}

impl Level {
    fn total(&self, place: &Place) -> u64 {
        self.weights
            .iter()
            .map(|(dimension, weight)| weight * place.scores[dimension])
            .sum()
    }
}

impl Model {
    fn level(&self, tier: &str) -> &Level {
        self.levels.iter().find(|level| level.name == tier).unwrap()
    }

    fn place_mut(&mut self, name: &str) -> &mut Place {
        self.places.iter_mut().find(|place| place.name == name).unwrap()
    }

    /// The decision worked out a second time.
    fn outcome(&self, ask: Ask) -> Outcome {
        let level = self.level(ask.tier);
        let mut ranked = Vec::new();
        let mut excluded = Vec::new();
        for place in &self.places {
            let mut failures = Vec::new();
            if self.closed_providers.contains(place.provider) {
                failures.push(("Provider", format!("{} is closed", place.provider)));
            }
            if self.closed_regions.contains(&(place.provider, place.region)) {
                failures.push(("Region", format!("{} is closed", place.region)));
            }
            if place.cordoned {
                failures.push(("Candidate", "it is \"closed\"".to_owned()));
            }
            for capability in CAPABILITIES {
                let required = level.requires.contains(capability) || (ask.ha && capability == "MultiAZ");
                if required && !place.capabilities.contains(capability) {
                    failures.push(("Capability", capability.to_owned()));
                }
            }
            if failures.is_empty() {
                ranked.push((place.name.clone(), level.total(place)));
            } else {
                excluded.push((place.name.clone(), failures));
            }
        }
        ranked.sort_by_key(|(name, total)| (Reverse(*total), name.clone()));
        excluded.sort();
        Outcome { ranked, excluded }
    }

    fn objects(&self) -> Vec<Value> {
        let fractions = |units: &BTreeMap<&str, u64>| -> Value {
            units
                .iter()
                .map(|(name, units)| ((*name).to_owned(), json!(fraction(*units))))
                .collect()
        };
        let closed = |closed: bool, reason: String| if closed { json!({"reason": reason}) } else { Value::Null };
        let mut objects = Vec::new();
        for provider in PROVIDERS {
            let regions: Vec<Value> = REGIONS
                .iter()
                .map(|region| {
                    let cordoned = self.closed_regions.contains(&(provider, *region));
                    json!({"name": region, "cordoned": closed(cordoned, format!("{region} is closed"))})
                })
                .collect();
            let cordoned = closed(
                self.closed_providers.contains(provider),
                format!("{provider} is closed"),
            );
            let spec = json!({"networkKeys": ["subnet", "vpc"], "regions": regions, "cordoned": cordoned});
            objects.push(object("CloudProvider", provider, &spec));
        }
        for level in &self.levels {
            let spec = json!({
                "rtoMinutes": 30, "rpoMinutes": 5,
                "requires": level.requires, "weights": fractions(&level.weights),
            });
            objects.push(object("Tier", &level.name.to_ascii_lowercase(), &spec));
        }
        let place = |place: &Place| {
            json!({
                "name": place.name, "provider": place.provider, "region": place.region,
                "runtimeCluster": format!("beside-{}", place.name),
                "network": {"vpc": format!("vpc \"{}\"", place.name), "subnet": "private"},
                "capabilities": place.capabilities, "scores": fractions(&place.scores),
                "cordoned": closed(place.cordoned, "it is \"closed\"".to_owned()),
            })
        };
        let places: Vec<Value> = self.places.iter().map(place).collect();
        objects.push(object("Cell", "payments", &json!({"candidates": places})));
        let best = Place {
            name: "a".to_owned(),
            provider: "aws",
            region: "east",
            capabilities: CAPABILITIES.into(),
            scores: DIMENSIONS.map(|dimension| (dimension, UNITS)).into(),
            cordoned: false,
        };
        objects.push(object("Cell", "another", &json!({"candidates": [place(&best)]})));
        objects
    }

    fn catalog(&self) -> Snapshot {
        snapshot(self.objects())
    }

    /// The catalog and the claim as `change` leaves them.
    fn changed(&self, name: &str, ask: Ask, change: &Change<'_>) -> (Self, Ask) {
        let (mut model, mut ask) = (self.clone(), ask);
        let Place { provider, region, .. } = self.places.iter().find(|place| place.name == name).unwrap().clone();
        match change {
            Change::RaiseScore { dimension, to, .. } => {
                let dimension = DIMENSIONS.into_iter().find(|known| known == dimension).unwrap();
                model.place_mut(name).scores.insert(dimension, to.units().into());
            }
            Change::AddCapability { capability } => {
                let capability = CAPABILITIES.into_iter().find(|known| known == capability).unwrap();
                assert!(model.place_mut(name).capabilities.insert(capability));
            }
            Change::LiftCordon {
                gate: Gate::Provider,
                of,
            } => {
                assert_eq!(*of, provider);
                assert!(model.closed_providers.remove(provider));
            }
            Change::LiftCordon { gate: Gate::Region, of } => {
                assert_eq!(*of, region);
                assert!(model.closed_regions.remove(&(provider, region)));
            }
            Change::LiftCordon { of, .. } => {
                assert_eq!(*of, name);
                assert!(std::mem::take(&mut model.place_mut(name).cordoned));
            }
            Change::SetHa { ha } => {
                assert_ne!(ask.ha, *ha);
                ask.ha = *ha;
            }
            Change::SetTier { tier } => {
                assert_ne!(ask.tier, tier);
                ask.tier = model.level(tier).name;
            }
            Change::DeletePolicy { .. } | Change::SetSize { .. } => panic!("there are no policies: {change:?}"),
        }
        (model, ask)
    }
}

fn fraction(units: u64) -> Fraction {
    Fraction::from_units(units.try_into().unwrap()).unwrap()
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn snapshot(objects: Vec<Value>) -> Snapshot {
    let objects: Vec<Object> = objects
        .into_iter()
        .map(|value| Object {
            file: "laws".to_owned(),
            value,
        })
        .collect();
    check(&objects).unwrap_or_else(|error| panic!("{error}"))
}

fn request(ask: Ask) -> Request<'static> {
    Request {
        cell: "payments".into(),
        tier: ask.tier.into(),
        environment: "prod".into(),
        size: ask.size,
        storage_gb: ask.storage_gb,
        ha: ask.ha,
        namespace: "".into(),
    }
}

fn decided(catalog: &Snapshot, ask: Ask) -> Decision<'_> {
    decide(catalog, request(ask)).unwrap()
}

fn sha256(text: &str) -> String {
    hex_simd::encode_to_string(Sha256::digest(text), hex_simd::AsciiCase::Lower)
}

/// The reason as read out of the JSON string that it is the content of.
fn unescaped(decision: &Decision<'_>) -> String {
    serde_json::from_str(&format!("\"{}\"", decision.reason_escaped())).unwrap()
}

/// What a decision came to, in the model's terms.
fn outcome(decision: &Decision<'_>) -> Outcome {
    Outcome {
        ranked: decision
            .ranked
            .iter()
            .map(|ranked| (ranked.candidate.name.clone(), ranked.score.units()))
            .collect(),
        excluded: decision
            .excluded
            .iter()
            .map(|excluded| {
                let failures = excluded.failures.iter().map(|failure| {
                    let gate = match failure.gate {
                        Gate::Provider => "Provider",
                        Gate::Region => "Region",
                        Gate::Candidate => "Candidate",
                        Gate::Capability => "Capability",
                        Gate::Policy => "Policy",
                    };
                    (gate, failure.detail.clone().into_owned())
                });
                (excluded.candidate.name.clone(), failures.collect())
            })
            .collect(),
    }
}

// ----------------------------------------------------------------------------------------------- the strategies

/// Coarse values, so that ties are common, and fine ones.
fn units() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => (0..=4u64).prop_map(|quarters| quarters * 2500),
        1 => 0..=UNITS,
    ]
}

fn some_of<const N: usize>(all: [&'static str; N]) -> impl Strategy<Value = BTreeSet<&'static str>> {
    subsequence(all.to_vec(), 0..=N).prop_map(|some| some.into_iter().collect())
}

fn mostly<const N: usize>(all: [&'static str; N]) -> impl Strategy<Value = BTreeSet<&'static str>> {
    prop_oneof![3 => Just(all.into_iter().collect()), 2 => some_of(all)]
}

fn place() -> impl Strategy<Value = Place> {
    (
        select(PROVIDERS.to_vec()),
        select(REGIONS.to_vec()),
        mostly(CAPABILITIES),
        [units(), units(), units(), units()],
        prop::bool::weighted(0.1),
    )
        .prop_map(|(provider, region, capabilities, scores, cordoned)| Place {
            name: String::new(),
            provider,
            region,
            capabilities,
            scores: DIMENSIONS.into_iter().zip(scores).collect(),
            cordoned,
        })
}

fn level(name: &'static str) -> impl Strategy<Value = Level> {
    // Weights are the distances between cuts of the way from 0 to 1.
    let weights = subsequence(DIMENSIONS.to_vec(), 1..=4).prop_flat_map(|dimensions| {
        let cuts = prop::collection::vec(units(), dimensions.len() - 1);
        (Just(dimensions), cuts).prop_map(|(dimensions, mut cuts)| {
            cuts.push(UNITS);
            cuts.sort_unstable();
            let mut last = 0;
            let weights = cuts.into_iter().map(|cut| cut - std::mem::replace(&mut last, cut));
            dimensions.into_iter().zip(weights).collect()
        })
    });
    (some_of(CAPABILITIES), weights).prop_map(move |(requires, weights)| Level {
        name,
        requires,
        weights,
    })
}

fn model() -> impl Strategy<Value = Model> {
    let names = prop::collection::btree_set("[a-z]([a-z0-9-]{0,2}[a-z0-9])?", 1..=7)
        .prop_map(|names| names.into_iter().collect::<Vec<_>>())
        .prop_shuffle();
    let places = names.prop_flat_map(|names| {
        prop::collection::vec(place(), names.len()).prop_map(move |mut places| {
            for (place, name) in places.iter_mut().zip(&names) {
                place.name.clone_from(name);
            }
            places
        })
    });
    let regions: Vec<_> = PROVIDERS
        .iter()
        .flat_map(|provider| REGIONS.map(|region| (*provider, region)))
        .collect();
    (
        places,
        (level("C0"), level("C1"), level("C2")),
        prop_oneof![3 => Just(BTreeSet::new()), 1 => some_of(PROVIDERS)],
        prop_oneof![2 => Just(vec![]), 1 => subsequence(regions, 0..=3)],
    )
        .prop_map(|(places, levels, closed_providers, closed_regions)| Model {
            places,
            levels: vec![levels.0, levels.1, levels.2],
            closed_providers,
            closed_regions: closed_regions.into_iter().collect(),
        })
}

fn ask() -> impl Strategy<Value = Ask> {
    let sizes = select(Size::ALL.to_vec());
    (select(vec!["C0", "C1", "C2"]), any::<bool>(), sizes, 50..=16_384u16).prop_map(|(tier, ha, size, storage_gb)| {
        Ask {
            tier,
            ha,
            size,
            storage_gb,
        }
    })
}

// ---------------------------------------------------------------------------------------------- another order

/// Numbers to put things in another order by: splitmix64.
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn shuffled<T>(&mut self, things: Vec<T>) -> Vec<T> {
        let mut things: Vec<_> = things.into_iter().map(|thing| (self.roll(), thing)).collect();
        things.sort_by_key(|(roll, _)| *roll);
        things.into_iter().map(|(_, thing)| thing).collect()
    }

    /// `value` as text with the keys of every mapping and the members of every list in another order, and numbers
    /// with zeros at their end or none. Every list of a catalog is a set.
    fn text(&mut self, value: &Value) -> String {
        match value {
            Value::Object(fields) => {
                let fields: Vec<String> = fields
                    .iter()
                    .map(|(key, value)| format!("{}: {}", json!(key), self.text(value)))
                    .collect();
                format!("{{{}}}", self.shuffled(fields).join(", "))
            }
            Value::Array(members) => {
                let members: Vec<String> = members.iter().map(|member| self.text(member)).collect();
                format!("[{}]", self.shuffled(members).join(", "))
            }
            Value::Number(number) if number.is_f64() => {
                format!("{number}{}", if self.roll().is_multiple_of(2) { "" } else { "00" })
            }
            other => other.to_string(),
        }
    }
}

/// A decimal, with or without exponent, in hundred-millionths; it must be one exactly.
fn hundred_millionths(number: &Value) -> u64 {
    let Value::Number(number) = number else {
        panic!("{number} is no number")
    };
    let text = number.to_string();
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: u64 = format!("{whole}{decimals}").parse().unwrap();
    let exponent: i64 = exponent.parse().unwrap();
    let power = 8 + exponent - i64::try_from(decimals.len()).unwrap();
    let ten = 10u64.pow(power.unsigned_abs().try_into().unwrap());
    if power >= 0 {
        digits * ten
    } else {
        assert_eq!(digits % ten, 0, "{text} is finer than a hundred-millionth");
        digits / ten
    }
}

fn ten_thousandths(number: &Value) -> u64 {
    let units = hundred_millionths(number);
    assert_eq!(units % UNITS, 0, "{number} is finer than a ten-thousandth");
    units / UNITS
}

// ----------------------------------------------------------------------------------------------------- the laws

fn config() -> ProptestConfig {
    // Half of PROPTEST_CASES, which is 256 unless set: some ten seconds in a debug build.
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases / 2,
        failure_persistence: None,
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_decision_is_the_one_worked_out_in_whole_numbers(model in model(), ask in ask()) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        let expected = model.outcome(ask);
        prop_assert_eq!(outcome(&decision), expected.clone());
        prop_assert_eq!(decision.winner().map(|winner| winner.candidate.name.as_str()), expected.winner());
        for (cause, count) in decision.causes() {
            // A cause is counted once a candidate, however often the candidate has it.
            let said = cause.counted(2);
            let counted = expected.excluded.iter().filter(|(_, failures)| {
                failures.iter().any(|(gate, detail)| match *gate {
                    "Capability" => said == format!("2 lack {detail}"),
                    _ => said == "2 cordoned",
                })
            });
            prop_assert_eq!(counted.count(), count, "{}", said);
        }
        prop_assert!(decision.causes().is_sorted_by_key(|(cause, count)| (Reverse(*count), cause.clone())));
    }

    #[test]
    fn the_winner_passes_every_gate_and_nobody_that_does_is_better(model in model(), ask in ask()) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        let level = model.level(ask.tier);
        let open = |place: &&Place| {
            !place.cordoned
                && !model.closed_providers.contains(place.provider)
                && !model.closed_regions.contains(&(place.provider, place.region))
                && level.requires.is_subset(&place.capabilities)
                && (!ask.ha || place.capabilities.contains("MultiAZ"))
        };
        match decision.winner() {
            None => prop_assert_eq!(model.places.iter().filter(open).count(), 0),
            Some(winner) => {
                let place = model.places.iter().find(|place| place.name == winner.candidate.name).unwrap();
                prop_assert!(open(&place));
                for other in model.places.iter().filter(open).filter(|other| other.name != place.name) {
                    let (best, total) = (level.total(place), level.total(other));
                    prop_assert!(best > total || (best == total && place.name < other.name));
                }
            }
        }
    }

    #[test]
    fn order_is_nothing_and_the_bytes_are_always_the_same(model in model(), ask in ask(), dice in any::<u64>()) {
        let catalog = model.catalog();
        let mut dice = Dice(dice);
        let texts: Vec<String> = model.objects().iter().map(|object| dice.text(object)).collect();
        let text = dice.shuffled(texts).join("\n---\n");
        let shuffled = snapshot(idp_multicloud::yaml::documents(&text).unwrap());
        prop_assert_eq!(catalog.revision(), shuffled.revision());
        prop_assert_eq!(catalog.objects(), shuffled.objects());
        let reason = decided(&catalog, ask).reason();
        prop_assert_eq!(&decided(&shuffled, ask).reason(), &reason);
        prop_assert_eq!(&decided(&catalog, ask).reason(), &reason);
        prop_assert_eq!(decided(&catalog, ask).refusal(), decided(&shuffled, ask).refusal());
        // The catalog written out again is the same catalog.
        let again = snapshot(catalog.objects());
        prop_assert_eq!(again.revision(), catalog.revision());
    }

    #[test]
    fn any_other_content_is_another_revision(model in model(), which in any::<prop::sample::Index>()) {
        let catalog = model.catalog();
        let mut other = model.clone();
        let name = &model.places[which.index(model.places.len())].name;
        let score = other.place_mut(name).scores.get_mut("cost").unwrap();
        *score = if *score == UNITS { 0 } else { *score + 1 };
        let rescored = other.catalog();
        prop_assert_ne!(rescored.revision(), catalog.revision());
        let mut other = model.clone();
        let place = other.place_mut(name);
        place.cordoned = !place.cordoned;
        let reopened = other.catalog();
        prop_assert_ne!(reopened.revision(), catalog.revision());
    }

    #[test]
    fn a_newcomer_that_fails_a_gate_changes_no_winner_and_no_score(
        model in model(), ask in ask(), newcomer in place(), name in "[a-z][0-9]{5}", gate in 0..3,
    ) {
        let mut larger = model.clone();
        let mut newcomer = Place { name: name.clone(), ..newcomer };
        let required = larger.level(ask.tier).requires.first().copied().or(ask.ha.then_some("MultiAZ"));
        match (gate, required) {
            (0, Some(required)) => { newcomer.capabilities.remove(required); }
            _ => newcomer.cordoned = true,
        }
        larger.places.insert(0, newcomer);
        let (before, after) = (model.catalog(), larger.catalog());
        let (before, after) = (outcome(&decided(&before, ask)), outcome(&decided(&after, ask)));
        prop_assert_eq!(&before.ranked, &after.ranked);
        prop_assert_eq!(before.winner(), after.winner());
        prop_assert_eq!(after.excluded.len(), before.excluded.len() + 1);
        prop_assert!(before.excluded.iter().all(|excluded| after.excluded.contains(excluded)));
    }

    #[test]
    fn a_winner_that_gets_better_stays_the_winner(
        model in model(), ask in ask(), dimension in select(DIMENSIONS.to_vec()), raise in 1..=UNITS,
    ) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        let Some(winner) = decision.winner() else { return Ok(()) };
        let mut better = model.clone();
        let score = better.place_mut(&winner.candidate.name).scores.get_mut(dimension).unwrap();
        *score = (*score + raise).min(UNITS);
        let catalog = better.catalog();
        let again = decided(&catalog, ask).winner().unwrap();
        prop_assert_eq!(&again.candidate.name, &winner.candidate.name);
        prop_assert!(again.score >= winner.score);
    }

    #[test]
    fn equal_scores_go_to_the_first_name_that_fits(model in model(), ask in ask(), score in units()) {
        let mut equal = model;
        for place in &mut equal.places {
            place.scores.values_mut().for_each(|value| *value = score);
        }
        let catalog = equal.catalog();
        let decision = decided(&catalog, ask);
        prop_assert!(decision.ranked.iter().all(|ranked| ranked.score.units() == score * UNITS));
        prop_assert!(decision.ranked.is_sorted_by(|a, b| a.candidate.name < b.candidate.name));
    }

    #[test]
    fn size_and_storage_and_environment_decide_nothing(model in model(), ask in ask(), other in ask()) {
        let catalog = model.catalog();
        let other = Ask { tier: ask.tier, ha: ask.ha, ..other };
        let elsewhere = Request { environment: "dev".into(), ..request(other) };
        prop_assert_eq!(outcome(&decided(&catalog, ask)), outcome(&decide(&catalog, elsewhere).unwrap()));
    }

    #[test]
    fn the_reason_alone_is_enough_to_work_the_decision_out_again(model in model(), ask in ask()) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        let text = decision.reason();
        prop_assert!(text.len() <= MOST_BYTES);

        let parsed: Reason<'_> = serde_json::from_str(&text).unwrap();
        prop_assert!(parsed.adds_up());
        prop_assert_eq!(&parsed, &Reason::of(&decision));
        // Whoever has the reason can work its digest out.
        let (decided, _) = text.split_once(",\"weights\":{").unwrap();
        let decided = format!("{decided},\"catalogRevision\":\"{}\"}}", catalog.revision());
        prop_assert_eq!(parsed.digest.as_deref(), Some(&*sha256(&decided)));
        // As the content of a JSON string it is the same text.
        prop_assert_eq!(&unescaped(&decision), &text);

        // From here on only the bytes count.
        let reason: Value = serde_json::from_str(&text).unwrap();
        let weights = reason["weights"].as_object().unwrap();
        prop_assert_eq!(weights.values().map(ten_thousandths).sum::<u64>(), UNITS);
        let mut best = Vec::new();
        for ranking in reason["ranking"].as_array().unwrap() {
            let mut total = 0;
            let parts = ranking["breakdown"].as_array().unwrap();
            prop_assert_eq!(parts.len(), weights.len());
            for part in parts {
                let weight = ten_thousandths(&weights[part["dimension"].as_str().unwrap()]);
                prop_assert_eq!(ten_thousandths(&part["weight"]), weight);
                let points = ten_thousandths(&part["score"]) * weight;
                prop_assert_eq!(hundred_millionths(&part["points"]), points);
                total += points;
            }
            prop_assert_eq!(hundred_millionths(&ranking["score"]), total);
            best.push((ranking["candidate"].as_str().unwrap().to_owned(), total));
        }
        let expected = model.outcome(ask);
        prop_assert_eq!(&best[..], &expected.ranked[..expected.ranked.len().min(3)]);
        prop_assert_eq!(reason["fit"].as_u64().unwrap(), expected.ranked.len() as u64);
        prop_assert_eq!(reason["candidates"].as_u64().unwrap(), model.places.len() as u64);
        let excluded: Vec<Value> = expected.excluded.iter().map(|(name, failures)| {
            let failures: Vec<Value> =
                failures.iter().map(|(gate, detail)| json!({"gate": gate, "detail": detail})).collect();
            json!({"candidate": name, "failures": failures})
        }).collect();
        prop_assert_eq!(&reason["excluded"], &json!(excluded));
        let mut required = model.level(ask.tier).requires.clone();
        required.extend(ask.ha.then_some("MultiAZ"));
        prop_assert_eq!(
            &reason["requirements"],
            &json!({"rtoMinutes": 30, "rpoMinutes": 5, "capabilities": required})
        );
        prop_assert_eq!(
            &reason["request"],
            &json!({
                "cell": "payments", "tier": ask.tier, "environment": "prod",
                "size": ask.size.as_str(), "storageGB": ask.storage_gb, "ha": ask.ha,
            })
        );
        prop_assert_eq!(reason["catalogRevision"].as_str(), Some(catalog.revision().as_str()));
        prop_assert_eq!(reason.get("excludedByCause"), None);
        match best.first() {
            None => prop_assert_eq!(reason.get("winner"), None),
            Some((name, total)) => {
                let winner = &reason["winner"];
                let place = model.places.iter().find(|place| place.name == *name).unwrap();
                prop_assert_eq!(&winner["candidate"], name);
                prop_assert_eq!(&winner["provider"], place.provider);
                prop_assert_eq!(&winner["region"], place.region);
                prop_assert_eq!(&winner["runtimeCluster"], &format!("beside-{name}"));
                prop_assert_eq!(
                    &winner["network"],
                    &json!({"vpc": format!("vpc \"{name}\""), "subnet": "private"})
                );
                prop_assert_eq!(hundred_millionths(&winner["score"]), *total);
            }
        }
    }

    #[test]
    fn a_reason_with_one_figure_changed_does_not_add_up(
        model in model(), ask in ask(), row in any::<prop::sample::Index>(), column in any::<prop::sample::Index>(),
        what in 0..11,
    ) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        let text = decision.reason();
        let mut reason: Value = serde_json::from_str(&text).unwrap();
        // Which would tell of a part of the changes by itself.
        reason.as_object_mut().unwrap().remove("digest");
        let rows = reason["ranking"].as_array().unwrap().len();
        if rows == 0 {
            // Nobody fits; a winner made up is no winner.
            reason["winner"] = json!({"candidate": "a", "provider": "aws", "region": "east", "runtimeCluster": "a",
                "network": {}, "score": 0});
            let text = reason.to_string();
            prop_assert!(!serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up());
            return Ok(());
        }
        let (row, columns) = (row.index(rows), reason["weights"].as_object().unwrap().len());
        let column = column.index(columns);
        // By the least there is: a hundred-millionth of a total or a product, a ten-thousandth of a weight.
        let off = |number: &mut Value, step: u64| {
            let units = hundred_millionths(number);
            let units = if units < step { units + step } else { units - step };
            *number = json!(f64::from(u32::try_from(units).unwrap()) / 1e8);
        };
        match what {
            0 => off(&mut reason["winner"]["score"], 1),
            1 => reason["winner"]["candidate"] = json!("nobody"),
            2 => off(&mut reason["ranking"][row]["score"], 1),
            3 => off(&mut reason["ranking"][row]["breakdown"][column]["points"], 1),
            4 => off(&mut reason["ranking"][row]["breakdown"][column]["weight"], UNITS),
            5 => {
                let dimension = reason["ranking"][row]["breakdown"][column]["dimension"].as_str().unwrap().to_owned();
                off(&mut reason["weights"][dimension], UNITS);
            }
            6 => { reason["ranking"][row]["breakdown"].as_array_mut().unwrap().remove(column); }
            7 => { reason.as_object_mut().unwrap().remove("winner"); }
            8 => {
                // Without a weight a score has no points, and may be anything.
                let part = &mut reason["ranking"][row]["breakdown"][column];
                if ten_thousandths(&part["weight"]) == 0 {
                    return Ok(());
                }
                off(&mut part["score"], UNITS);
            }
            9 if rows > 1 => {
                // The second one wins: it scores less, or as much under a later name.
                reason["ranking"].as_array_mut().unwrap().swap(0, 1);
                for field in ["candidate", "score"] {
                    reason["winner"][field] = reason["ranking"][0][field].clone();
                }
            }
            _ => reason["ranking"][row]["breakdown"][column]["dimension"] = json!("beauty"),
        }
        let text = reason.to_string();
        prop_assert!(!serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up(), "{}", text);
    }

    #[test]
    fn a_reason_with_anything_changed_that_was_decided_has_another_digest(model in model(), ask in ask(), what in 0..6) {
        let catalog = model.catalog();
        let text = decided(&catalog, ask).reason();
        let mut reason: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up());
        match what {
            0 if reason["winner"].is_object() => reason["winner"]["region"] = json!("elsewhere"),
            1 if reason["winner"].is_object() => reason["winner"]["network"]["more"] = json!("x"),
            2 => reason["request"]["storageGB"] = json!(ask.storage_gb + 1),
            3 => reason["request"]["ha"] = json!(!ask.ha),
            4 => reason["requirements"]["capabilities"] = json!(["Magic"]),
            5 => reason["requirements"]["rtoMinutes"] = json!(7_777_777),
            _ => reason["catalogRevision"] = json!("0"),
        }
        let text = reason.to_string();
        prop_assert!(!serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up(), "{}", text);
        // One that is older than digests has none to differ.
        reason.as_object_mut().unwrap().remove("digest");
        let text = reason.to_string();
        prop_assert!(serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up(), "{}", text);
    }
}

// ----------------------------------------------------------------------------------------------------- why not

/// Every change that would do, found by trying them all on the model.
fn brute_force(model: &Model, ask: Ask, name: &str) -> Vec<Change<'static>> {
    let wins = |model: &Model, ask: Ask| model.outcome(ask).winner() == Some(name);
    let expected = model.outcome(ask);
    let place = model.places.iter().find(|place| place.name == name).unwrap();
    if expected.winner() == Some(name) {
        return Vec::new();
    }
    let mut changes = Vec::new();
    match expected.excluded.iter().find(|(excluded, _)| excluded == name) {
        None => {
            let level = model.level(ask.tier);
            let (best, most) = expected.ranked[0].clone();
            let mut raises = Vec::new();
            for (dimension, weight) in &level.weights {
                let from = place.scores[dimension];
                let rest = level.total(place) - from * weight;
                // One ten-thousandth after the other.
                let to = (from + 1..=UNITS).find(|to| {
                    let total = rest + to * weight;
                    total > most || (total == most && *name < *best)
                });
                raises.extend(to.map(|to| (to - from, *dimension, from, to)));
            }
            raises.sort_unstable();
            changes.extend(raises.into_iter().map(|(_, dimension, from, to)| Change::RaiseScore {
                dimension,
                from: fraction(from),
                to: fraction(to),
            }));
        }
        Some((_, failures)) => {
            let all: Vec<Change<'static>> = [
                Change::LiftCordon {
                    gate: Gate::Provider,
                    of: place.provider,
                },
                Change::LiftCordon {
                    gate: Gate::Region,
                    of: place.region,
                },
                Change::LiftCordon {
                    gate: Gate::Candidate,
                    of: name.to_owned().leak(),
                },
            ]
            .into_iter()
            .filter(|change| match change {
                Change::LiftCordon {
                    gate: Gate::Provider, ..
                } => model.closed_providers.contains(place.provider),
                Change::LiftCordon { gate: Gate::Region, .. } => {
                    model.closed_regions.contains(&(place.provider, place.region))
                }
                _ => place.cordoned,
            })
            .chain(
                CAPABILITIES
                    .into_iter()
                    .filter(|capability| !place.capabilities.contains(capability))
                    .map(|capability| Change::AddCapability { capability }),
            )
            .collect();
            let found = all.into_iter().filter(|change| {
                let (model, ask) = model.changed(name, ask, change);
                wins(&model, ask)
            });
            changes.extend(found);
            assert!(changes.is_empty() || failures.len() == 1);
        }
    }
    let others = ["C0", "C1", "C2"].into_iter().filter(|tier| *tier != ask.tier);
    let claims = std::iter::once(Change::SetHa { ha: !ask.ha })
        .chain(others.map(|tier| Change::SetTier { tier: tier.to_owned() }));
    for change in claims {
        let (model, ask) = model.changed(name, ask, &change);
        if wins(&model, ask) {
            changes.push(change);
        }
    }
    changes
}

fn standing_agrees(model: &Model, ask: Ask, why: &WhyNot<'_>) {
    let expected = model.outcome(ask);
    let level = model.level(ask.tier);
    let place = model.places.iter().find(|place| place.name == why.candidate).unwrap();
    match &why.standing {
        Standing::Winner { score, runner_up } => {
            assert_eq!(expected.ranked[0], (why.candidate.to_owned(), score.units()));
            let second = runner_up.map(|rival| (rival.candidate.to_owned(), rival.score.units()));
            assert_eq!(expected.ranked.get(1).cloned(), second);
        }
        Standing::Excluded {
            failures,
            score,
            winner,
        } => {
            let (_, all) = expected
                .excluded
                .iter()
                .find(|(name, _)| name == why.candidate)
                .unwrap();
            assert_eq!(failures.len(), all.len());
            assert_eq!(score.units(), level.total(place));
            let winner = winner.map(|rival| (rival.candidate.to_owned(), rival.score.units()));
            assert_eq!(expected.ranked.first().cloned(), winner);
        }
        Standing::Behind {
            score,
            winner,
            behind,
            dimensions,
        } => {
            assert_eq!(expected.ranked[0], (winner.candidate.to_owned(), winner.score.units()));
            assert!(expected.ranked.contains(&(why.candidate.to_owned(), score.units())));
            assert_eq!(behind.units().unsigned_abs(), winner.score.units() - score.units());
            assert!(
                dimensions
                    .iter()
                    .map(|dimension| dimension.dimension)
                    .eq(level.weights.keys().copied())
            );
            assert_eq!(
                dimensions.iter().map(|dimension| dimension.behind.units()).sum::<i64>(),
                behind.units()
            );
            assert_eq!(
                dimensions.iter().map(|dimension| dimension.points.units()).sum::<u64>(),
                score.units()
            );
            let worst = dimensions
                .iter()
                .map(|dimension| dimension.behind.units())
                .max()
                .unwrap();
            let said = why.standing.loses_most_in().map(|dimension| dimension.behind.units());
            assert_eq!(said, (worst > 0).then_some(worst));
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn why_not_finds_what_trying_everything_finds(model in model(), ask in ask()) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        for place in &model.places {
            let why = why_not(&decision, &place.name).unwrap();
            standing_agrees(&model, ask, &why);
            prop_assert_eq!(&why.changes, &brute_force(&model, ask, &place.name), "{}", why);
        }
    }

    #[test]
    fn each_change_applied_wins_and_a_raise_one_ten_thousandth_smaller_does_not(model in model(), ask in ask()) {
        let catalog = model.catalog();
        let decision = decided(&catalog, ask);
        for place in &model.places {
            let why = why_not(&decision, &place.name).unwrap();
            for change in &why.changes {
                let winner_after = |change: &Change<'_>| {
                    let (model, ask) = model.changed(&place.name, ask, change);
                    let catalog = model.catalog();
                    decided(&catalog, ask).winner().map(|winner| winner.candidate.name.clone())
                };
                prop_assert_eq!(winner_after(change), Some(place.name.clone()), "{}", change);
                if let Change::RaiseScore { dimension, from, to } = change {
                    prop_assert!(from < to);
                    let to = fraction(u64::from(to.units()) - 1);
                    let less = Change::RaiseScore { dimension, from: *from, to };
                    prop_assert_ne!(winner_after(&less), Some(place.name.clone()), "{}", less);
                }
            }
        }
    }
}

/// Every catalog of two candidates, two dimensions and coarse scores, every claim: 6,912 questions.
#[test]
fn why_not_agrees_with_brute_force_on_every_small_catalog() {
    const SCORES: [u64; 3] = [0, 5000, 10_000];
    let level = |name, requires: &[&'static str], cost| Level {
        name,
        requires: requires.iter().copied().collect(),
        weights: [("cost", cost), ("dr", UNITS - cost)].into(),
    };
    let levels = vec![
        level("C0", &["PITR"], 2500),
        level("C1", &[], 5000),
        level("C2", &["MultiAZ"], 10_000),
    ];
    let place = |name: &str, provider, scores: [u64; 2], capabilities: &[&'static str], cordoned| Place {
        name: name.to_owned(),
        provider,
        region: "east",
        capabilities: capabilities.iter().copied().collect(),
        scores: [("cost", scores[0]), ("dr", scores[1]), ("latency", 0), ("maturity", 0)].into(),
        cordoned,
    };
    let mut asked = 0;
    let mut found = BTreeMap::new();
    for i in 0..SCORES.len().pow(4) {
        let score = |place: u32| SCORES[i / SCORES.len().pow(place) % SCORES.len()];
        for (capabilities, closed) in [
            (&["PITR", "MultiAZ"][..], false),
            (&["PITR"][..], false),
            (&[][..], false),
            (&["PITR", "MultiAZ"][..], true),
        ] {
            let model = Model {
                places: vec![
                    place("a", "aws", [score(0), score(1)], &["PITR"], false),
                    place("b", "gcp", [score(2), score(3)], capabilities, closed),
                ],
                levels: levels.clone(),
                closed_providers: BTreeSet::new(),
                closed_regions: BTreeSet::new(),
            };
            let catalog = model.catalog();
            for (tier, ha) in [
                ("C0", false),
                ("C0", true),
                ("C1", false),
                ("C1", true),
                ("C2", false),
                ("C2", true),
            ] {
                let ask = Ask {
                    tier,
                    ha,
                    size: Size::Small,
                    storage_gb: 50,
                };
                let decision = decided(&catalog, ask);
                for name in ["a", "b"] {
                    let why = why_not(&decision, name).unwrap();
                    standing_agrees(&model, ask, &why);
                    assert_eq!(why.changes, brute_force(&model, ask, name), "{model:?} {ask:?} {why}");
                    for change in &why.changes {
                        let kind = serde_json::to_value(change).unwrap()["kind"]
                            .as_str()
                            .unwrap()
                            .to_owned();
                        *found.entry(kind).or_insert(0) += 1;
                    }
                    asked += 1;
                }
            }
        }
    }
    assert_eq!(asked, 81 * 4 * 6 * 2);
    // None of the kinds went untried.
    let kinds: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["addCapability", "liftCordon", "raiseScore", "setHa", "setTier"]);
}

// -------------------------------------------------------------------------------------------- the reason's size

/// A word of `length` characters that starts with `start` and ends with `number`.
fn long(start: &str, number: usize, length: usize) -> String {
    let number = number.to_string();
    let fill = length - start.len() - number.len();
    format!("{start}{}{number}", "x".repeat(fill))
}

/// Everything as long and as many as the check lets through; `fitting` of `count` candidates fit.
fn largest(count: usize, fitting: usize) -> Snapshot {
    let words = |start: &str, count: usize| -> Vec<String> { (0..count).map(|i| long(start, i, 63)).collect() };
    let dimensions = words("dimension", 8);
    // 7 × .1249 + .1257 = 1, and with scores such as .9997 each product has all its eight decimals.
    let weights: Value = dimensions
        .iter()
        .enumerate()
        .map(|(i, name)| (name.clone(), json!(if i == 7 { 0.1257 } else { 0.1249 })))
        .collect();
    let capabilities = words("Capability", 32);
    let mut held = capabilities.clone();
    held.push("MultiAZ".to_owned());
    // 16 keys of 63 characters and as much in them as makes 4,096 bytes; a quote takes two.
    let network: Value = (0..16)
        .map(|i| {
            let value = format!("{}{}", "\"".repeat(90), "x".repeat(if i == 15 { 6 } else { 7 }));
            (long("key", i, 63), json!(value))
        })
        .collect();
    assert_eq!(network.to_string().len(), 4096);
    let reason = json!({"reason": "\"".repeat(253)});
    let region = |open: bool| long(if open { "open" } else { "closed" }, 0, 63);
    let candidates: Vec<Value> = (0..count)
        .map(|i| {
            let open = i < fitting;
            let scores: Value = dimensions
                .iter()
                .enumerate()
                .map(|(j, name)| (name.clone(), json!(fraction(9989 + (i as u64 + j as u64) % 2 * 4))))
                .collect();
            let mut candidate = json!({
                "name": long("candidate-", i, 63), "region": region(open),
                "provider": long(if open { "open" } else { "closed" }, 0, 63),
                "runtimeCluster": long("runtime", i, 63), "scores": scores,
            });
            if open {
                candidate["network"] = network.clone();
                candidate["capabilities"] = json!(held);
            } else {
                // Where the excluded are counted anyway, its length is nothing but work.
                candidate["cordoned"] = if count > 300 {
                    json!({"reason": "x"})
                } else {
                    reason.clone()
                };
            }
            candidate
        })
        .collect();
    snapshot(vec![
        object("CloudProvider", &long("open", 0, 63), &json!({})),
        object(
            "CloudProvider",
            &long("closed", 0, 63),
            &json!({"cordoned": reason, "regions": [{"name": region(false), "cordoned": reason}]}),
        ),
        object(
            "Tier",
            &long("tier", 0, 63),
            &json!({"rtoMinutes": 525_600, "rpoMinutes": 525_600, "requires": capabilities, "weights": weights}),
        ),
        object(
            "Cell",
            &long("cell", 0, 63),
            &json!({"environments": [long("environment", 0, 63)], "candidates": candidates}),
        ),
    ])
}

fn largest_request() -> Request<'static> {
    Request {
        cell: long("cell", 0, 63).into(),
        tier: long("tier", 0, 63).to_ascii_uppercase().into(),
        environment: long("environment", 0, 63).into(),
        size: Size::Xlarge,
        storage_gb: 16_384,
        ha: true,
        namespace: "".into(),
    }
}

#[test]
fn the_largest_reason_stays_below_its_bound_and_counts_the_excluded() {
    for count in [10, 300, 10_000] {
        let catalog = largest(count, 3);
        let decision = decide(&catalog, largest_request()).unwrap();
        let text = decision.reason();
        eprintln!(
            "{count} candidates: {} bytes; refusal {} bytes",
            text.len(),
            decision.refusal().len()
        );
        assert!(text.len() <= MOST_BYTES, "{count} candidates take {} bytes", text.len());
        assert!(
            text.len() > MOST_BYTES * 3 / 4,
            "{} bytes are not the worst case",
            text.len()
        );
        let reason: Reason<'_> = serde_json::from_str(&text).unwrap();
        assert!(reason.adds_up());
        assert_eq!((reason.fit, reason.candidates, reason.ranking.len()), (3, count, 3));
        assert_eq!(reason.excluded, None);
        // 32 capabilities, MultiAZ and the cordons, each of them everybody's.
        let counts = reason.excluded_by_cause.as_ref().unwrap();
        assert_eq!(counts.len(), 34);
        assert!(counts.iter().all(|cause| cause.count == count - 3));
        let said: Vec<String> = counts.iter().map(|count| count.cause.counted(count.count)).collect();
        assert!(decision.summary().ends_with(&said.join(", ")));
    }
}

#[test]
fn many_candidates_that_fit_cost_the_reason_nothing() {
    let catalog = largest(300, 300);
    let decision = decide(&catalog, largest_request()).unwrap();
    let text = decision.reason();
    assert!(text.len() <= MOST_BYTES);
    let reason: Reason<'_> = serde_json::from_str(&text).unwrap();
    assert_eq!((reason.fit, reason.candidates, reason.ranking.len()), (300, 300, 3));
    assert_eq!(reason.excluded, Some(vec![]));
    assert_eq!(reason.excluded_by_cause, None);
}

/// `count` candidates excluded in the fewest bytes there are, and one that fits.
fn smallest_exclusions(count: usize) -> Snapshot {
    let candidates: Vec<Value> = (0..=count)
        .map(|i| {
            let region = if i == count { "b" } else { "a" };
            json!({"name": format!("{i:x}"), "provider": "p", "region": region, "runtimeCluster": format!("{i}"),
                   "scores": {"a": 1}})
        })
        .collect();
    snapshot(vec![
        object(
            "CloudProvider",
            "p",
            &json!({"regions": [{"name": "a", "cordoned": {"reason": "x"}}]}),
        ),
        object(
            "Tier",
            "t",
            &json!({"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"a": 1}}),
        ),
        object("Cell", "c", &json!({"environments": ["e"], "candidates": candidates})),
    ])
}

#[test]
fn the_excluded_are_listed_one_by_one_as_long_as_that_fits() {
    let mut listed = Vec::new();
    for count in [
        0, 1, 2, 200, 245, 246, 247, 248, 249, 250, 251, 252, 253, 254, 255, 273, 274, 300,
    ] {
        let catalog = smallest_exclusions(count);
        let request = Request {
            cell: "c".into(),
            tier: "T".into(),
            environment: "e".into(),
            size: Size::Small,
            storage_gb: 50,
            ha: false,
            namespace: "".into(),
        };
        let decision = decide(&catalog, request).unwrap();
        let text = decision.reason();
        // Escaped it is longer, but the same text, on either side of the bound.
        assert_eq!(unescaped(&decision), text);
        // What it takes to list them, written out.
        let one = |name: &str| {
            format!("{{\"candidate\":\"{name}\",\"failures\":[{{\"gate\":\"Region\",\"detail\":\"x\"}}]}}")
        };
        let all: Vec<String> = decision
            .excluded
            .iter()
            .map(|excluded| one(&excluded.candidate.name))
            .collect();
        let listing = format!(",\"excluded\":[{}],", all.join(","));
        let counting = format!(",\"excludedByCause\":[{{\"cause\":\"cordoned\",\"count\":{count}}}],");
        let whole = text.replace(&counting, &listing);
        assert!(whole.contains(&listing), "{text}");
        let reason: Reason<'_> = serde_json::from_str(&text).unwrap();
        assert!(reason.adds_up());
        if whole.len() <= MOST_BYTES {
            assert_eq!(text, whole);
            assert_eq!(reason.excluded.unwrap().len(), count);
            listed.push(count);
        } else {
            assert!(text.len() < 1024);
            assert_eq!(reason.excluded, None);
            let counts = reason.excluded_by_cause.unwrap();
            assert_eq!(counts.len(), 1);
            assert_eq!(counts[0].cause.counted(counts[0].count), format!("{count} cordoned"));
        }
    }
    // Both happen, and the change is where the bound is.
    assert!((247..=254).contains(listed.last().unwrap()), "{listed:?}");
}

#[test]
fn a_breakdown_with_a_dimension_twice_does_not_add_up() {
    let catalog = snapshot(vec![
        object("CloudProvider", "p", &json!({})),
        object(
            "Tier",
            "c0",
            &json!({"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"a": 0.5, "b": 0.5}}),
        ),
        object(
            "Cell",
            "payments",
            &json!({"candidates": [
                {"name": "x", "provider": "p", "region": "r", "runtimeCluster": "x", "scores": {"a": 1, "b": 0}},
            ]}),
        ),
    ]);
    let ask = Ask {
        tier: "C0",
        ha: false,
        size: Size::Small,
        storage_gb: 50,
    };
    let text = decided(&catalog, ask).reason();
    let mut reason: Value = serde_json::from_str(&text).unwrap();
    reason.as_object_mut().unwrap().remove("digest");
    let part = reason["ranking"][0]["breakdown"][0].clone();
    reason["ranking"][0]["breakdown"][1] = part;
    reason["ranking"][0]["score"] = json!(1);
    reason["winner"]["score"] = json!(1);
    let text = reason.to_string();
    assert!(!serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up());
}

#[test]
fn a_tie_won_by_the_later_name_does_not_add_up() {
    let place =
        |name: &str| json!({"name": name, "provider": "p", "region": "r", "runtimeCluster": name, "scores": {"a": 1}});
    let catalog = snapshot(vec![
        object("CloudProvider", "p", &json!({})),
        object(
            "Tier",
            "c0",
            &json!({"rtoMinutes": 1, "rpoMinutes": 1, "weights": {"a": 1}}),
        ),
        object("Cell", "payments", &json!({"candidates": [place("y"), place("x")]})),
    ]);
    let ask = Ask {
        tier: "C0",
        ha: false,
        size: Size::Small,
        storage_gb: 50,
    };
    let text = decided(&catalog, ask).reason();
    let mut reason: Value = serde_json::from_str(&text).unwrap();
    reason.as_object_mut().unwrap().remove("digest");
    assert_eq!(reason["winner"]["candidate"], "x");
    reason["ranking"].as_array_mut().unwrap().swap(0, 1);
    reason["winner"]["candidate"] = json!("y");
    let text = reason.to_string();
    assert!(!serde_json::from_str::<Reason<'_>>(&text).unwrap().adds_up());
}

#[test]
fn figures_are_exact_decimals_in_the_bytes() {
    let catalog = idp_multicloud::catalog::builtin::load().unwrap();
    let ask = Ask {
        tier: "C1",
        ha: false,
        size: Size::Medium,
        storage_gb: 50,
    };
    let text = decided(&catalog, ask).reason();
    // .25 × (.90 + .95 + .95 + .50) = .825, and .25 × .95 = .2375.
    assert!(text.contains(r#""vpcId":"vpc-0payments"},"score":0.825}"#), "{text}");
    assert!(
        text.contains(r#"{"dimension":"dr","score":0.95,"weight":0.25,"points":0.2375}"#),
        "{text}"
    );
    assert!(
        text.contains(r#""weights":{"cost":0.25,"dr":0.25,"latency":0.25,"maturity":0.25}"#),
        "{text}"
    );
}
