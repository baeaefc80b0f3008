use super::super::fraction::Fraction;
use super::super::snapshot::Cordon;
use super::*;
use crate::catalog::folder::objects;

/// A catalog without fault, a field a line, so that a test can break what it is about.
const GOOD: &str = "\
apiVersion: platform.example.org/v1alpha1
kind: Tier
metadata: {name: c1}
spec:
  rtoMinutes: 120
  rpoMinutes: 15
  requires: [PITR]
  weights: {latency: 0.5, cost: 0.5}
---
apiVersion: platform.example.org/v1alpha1
kind: CloudProvider
metadata: {name: aws}
spec:
  networkKeys: [vpcId]
  regions: [{name: r-1}]
---
apiVersion: platform.example.org/v1alpha1
kind: Cell
metadata: {name: pay}
spec:
  candidates:
  - name: one
    provider: aws
    region: r-1
    runtimeCluster: k-1
    network: {vpcId: vpc-1}
    capabilities: [PITR]
    scores: {latency: 0.9, cost: 0.5}
";

const TIER: &str = "Tier c1";
const CLOUD: &str = "CloudProvider aws";
const CELL: &str = "Cell pay";

const LABEL: &str = "must be 1 to 63 lower-case letters, digits and '-', with a letter or digit at both ends";
const WORD: &str = "must be 1 to 63 letters, digits, '-', '_' and '.', with a letter or digit at both ends";
const LINE: &str = "must be 1 to 253 printable ASCII characters";
const MINUTES: &str = "must be a whole number of minutes from 0 to 525600";

/// `GOOD` with each first text, which occurs in it, replaced by the second.
fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = GOOD.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "nothing to replace: {from}");
        text = text.replacen(from, to, 1);
    }
    text
}

fn checked(text: &str) -> Result<Snapshot, CatalogError> {
    check(&objects("a.yaml", text).unwrap())
}

fn snapshot(text: &str) -> Snapshot {
    checked(text).unwrap_or_else(|error| panic!("{error}"))
}

fn problems_of(text: &str) -> Vec<Problem> {
    match checked(text) {
        Err(CatalogError::Invalid(problems)) => problems,
        other => panic!("{other:?}\n{text}"),
    }
}

fn problem(object: &str, path: &str, message: impl Into<String>) -> Problem {
    Problem {
        file: "a.yaml".to_owned(),
        object: object.to_owned(),
        path: path.to_owned(),
        message: message.into(),
    }
}

/// The catalog with these edits has exactly these problems.
#[track_caller]
fn assert_problems(edits: &[(&str, &str)], expected: &[Problem]) {
    assert_eq!(problems_of(&edited(edits)), expected, "{edits:?}");
}

#[test]
fn a_good_catalog_gives_all_it_says() {
    let snapshot = snapshot(GOOD);
    let tier = snapshot.tier("C1").unwrap();
    assert_eq!((tier.name.as_str(), tier.shown().as_str()), ("c1", "C1"));
    assert_eq!((tier.rto_minutes, tier.rpo_minutes), (120, 15));
    let cell = snapshot.cell("pay").unwrap();
    assert!(cell.environments.iter().eq(["dev", "prod", "staging"]));
    let [one] = cell.candidates.as_slice() else {
        panic!("{cell:?}")
    };
    assert_eq!(
        [&one.name, &one.provider, &one.region, &one.runtime_cluster],
        ["one", "aws", "r-1", "k-1"]
    );
    assert_eq!(one.network, BTreeMap::from([("vpcId".to_owned(), "vpc-1".to_owned())]));
    assert!(one.capabilities.iter().eq(["PITR"]));
    assert_eq!(one.scores["latency"].units(), 9000);
    assert_eq!(
        (&one.cordoned, &one.provider_cordoned, &one.region_cordoned),
        (&None, &None, &None)
    );
}

#[test]
fn what_is_no_object_of_ours_is_one_problem() {
    for (text, what) in [
        ("just text", "a string"),
        ("5", "a number"),
        ("true", "a boolean"),
        ("[a]", "a list"),
    ] {
        assert_eq!(
            problems_of(text),
            [problem("", "", format!("must be a mapping, not {what}"))]
        );
    }
}

#[test]
fn an_object_of_another_group_and_kind_is_not_judged_field_by_field() {
    assert_eq!(
        problems_of("{apiVersion: kustomize.config.k8s.io/v1beta1, kind: Kustomization, resources: [a.yaml]}"),
        [
            problem(
                "Kustomization (no name)",
                "apiVersion",
                "must be platform.example.org/v1alpha1, is \"kustomize.config.k8s.io/v1beta1\""
            ),
            problem(
                "Kustomization (no name)",
                "kind",
                "must be Cell, CloudProvider, PlacementPolicy or Tier, is \"Kustomization\""
            ),
        ]
    );
    assert_eq!(
        problems_of("{}"),
        [
            problem(
                "(no kind) (no name)",
                "apiVersion",
                "is missing; must be platform.example.org/v1alpha1"
            ),
            problem(
                "(no kind) (no name)",
                "kind",
                "is missing; must be Cell, CloudProvider, PlacementPolicy or Tier"
            ),
        ]
    );
}

#[test]
fn version_kind_and_name_are_each_judged() {
    assert_problems(
        &[
            ("apiVersion: platform.example.org/v1alpha1", "apiVersion: 1"),
            ("metadata: {name: c1}", "metadata: {name: C1}"),
        ],
        &[
            problem("Tier C1", "apiVersion", "must be platform.example.org/v1alpha1, is 1"),
            problem("Tier C1", "metadata.name", format!("{LABEL}, is \"C1\"")),
        ],
    );
    assert_problems(
        &[
            ("kind: Tier", "kind: [Tier]"),
            ("\nspec:\n  rto", "\nstatus: {}\nspecs:\n  rto"),
        ],
        &[
            problem(
                "(no kind) c1",
                "kind",
                "must be Cell, CloudProvider, PlacementPolicy or Tier, not a list",
            ),
            problem(
                "(no kind) c1",
                "specs",
                "is not known here; known: apiVersion, kind, metadata, spec, status",
            ),
            problem("(no kind) c1", "spec", "is missing; must be a mapping"),
        ],
    );
    for (metadata, path, message) in [
        ("", "metadata", "is missing; must be a mapping".to_owned()),
        ("metadata: c1", "metadata", "must be a mapping, not a string".to_owned()),
        ("metadata: {}", "metadata.name", format!("is missing; {LABEL}")),
        (
            "metadata: {name: 1}",
            "metadata.name",
            "must be a string, not a number; put it in quotes".to_owned(),
        ),
    ] {
        assert_problems(
            &[("metadata: {name: c1}", metadata)],
            &[problem("Tier (no name)", path, message)],
        );
    }
}

#[test]
fn a_missing_or_wrong_spec_is_one_problem_whatever_the_kind() {
    for kind in ["Tier", "CloudProvider", "Cell"] {
        let head = format!("{{apiVersion: {API_VERSION}, kind: {kind}, metadata: {{name: x}}");
        let object = format!("{kind} x");
        assert_eq!(
            problems_of(&format!("{head}}}")),
            [problem(&object, "spec", "is missing; must be a mapping")]
        );
        assert_eq!(
            problems_of(&format!("{head}, spec: [1]}}")),
            [problem(&object, "spec", "must be a mapping, not a list")]
        );
    }
}

#[test]
fn unknown_fields_are_refused_at_every_level() {
    assert_problems(
        &[
            ("  rtoMinutes", "  rto: 1\n  rtoMinutes"),
            ("{name: r-1}", "{name: r-1, zone: a}"),
            ("  networkKeys", "  name: aws\n  networkKeys"),
            ("  candidates", "  \"\\e[2J\": 1\n  candidates"),
            (
                "    region",
                "    zone: a\n    cordoned: {reason: x, until: y}\n    region",
            ),
        ],
        &[
            problem(
                TIER,
                "spec.rto",
                "is not known here; known: rtoMinutes, rpoMinutes, requires, weights",
            ),
            problem(
                CLOUD,
                "spec.name",
                "is not known here; known: networkKeys, regions, cordoned",
            ),
            problem(
                CLOUD,
                "spec.regions[0].zone",
                "is not known here; known: name, cordoned",
            ),
            problem(
                CELL,
                "spec.\\u{1b}[2J",
                "is not known here; known: environments, candidates",
            ),
            problem(
                CELL,
                "spec.candidates[0].zone",
                "is not known here; known: name, provider, region, runtimeCluster, network, capabilities, scores, \
                 cordoned",
            ),
            problem(
                CELL,
                "spec.candidates[0].cordoned.until",
                "is not known here; known: reason",
            ),
        ],
    );
}

#[test]
fn a_tier_that_says_nothing_misses_three_fields() {
    let text = format!("{{apiVersion: {API_VERSION}, kind: Tier, metadata: {{name: c1}}, spec: {{requires: null}}}}");
    assert_eq!(
        problems_of(&text),
        [
            problem(TIER, "spec.rtoMinutes", format!("is missing; {MINUTES}")),
            problem(TIER, "spec.rpoMinutes", format!("is missing; {MINUTES}")),
            problem(
                TIER,
                "spec.weights",
                "is missing; must be a mapping of dimensions to numbers that add up to 1"
            ),
        ]
    );
}

#[test]
fn minutes_are_whole_and_of_at_most_a_year() {
    for good in ["0", "525600"] {
        let tier = snapshot(&edited(&[("rtoMinutes: 120", &format!("rtoMinutes: {good}"))]));
        assert_eq!(tier.tier("c1").unwrap().rto_minutes.to_string(), good);
    }
    for (bad, told) in [
        ("-1", "is -1"),
        ("1.5", "is 1.5"),
        ("15.0", "is 15.0"),
        ("525601", "is 525601"),
        ("99999999999", "is 99999999999"),
        ("1e300", "is 1e+300"),
        ("\"15\"", "is \"15\""),
        ("015", "is \"015\""),
        ("1_5", "is \"1_5\""),
        ("true", "not a boolean"),
        ("[15]", "not a list"),
        ("{a: 15}", "not a mapping"),
    ] {
        assert_problems(
            &[("rpoMinutes: 15", &format!("rpoMinutes: {bad}"))],
            &[problem(TIER, "spec.rpoMinutes", format!("{MINUTES}, {told}"))],
        );
    }
}

#[test]
fn weights_add_up_to_exactly_one() {
    // 8 × 0.125 = 1, and dimensions that no tier weighs may be scored; a weight of 0 still asks for a score.
    let eighths = "{a: 0.125, b: 0.125, c: 0.125, d: 0.125, e: 0.125, f: 0.125, g: 0.125, h: 0.125}";
    snapshot(&edited(&[
        ("{latency: 0.5, cost: 0.5}", eighths),
        (
            "{latency: 0.9, cost: 0.5}",
            "{a: 0, b: 1, c: 0.1, d: 0, e: 0, f: 0, g: 0, h: 0, i: 0}",
        ),
    ]));
    for (weights, sum) in [
        ("{latency: 0.5, cost: 0.4999}", "0.9999"),
        ("{latency: 0.5, cost: 0.5001}", "1.0001"),
        ("{latency: 1, cost: 1}", "2"),
        ("{}", "0"),
    ] {
        assert_problems(
            &[("{latency: 0.5, cost: 0.5}", weights)],
            &[problem(
                TIER,
                "spec.weights",
                format!("must add up to 1, add up to {sum}"),
            )],
        );
    }
    // Nine dimensions are one too many, and the score of the ninth is asked for all the same.
    assert_problems(
        &[
            (
                "{latency: 0.5, cost: 0.5}",
                &eighths.replace("h: 0.125", "h: 0.1, i: 0.025"),
            ),
            (
                "{latency: 0.9, cost: 0.5}",
                "{a: 0, b: 0, c: 0, d: 0, e: 0, f: 0, g: 0, h: 0}",
            ),
        ],
        &[
            problem(TIER, "spec.weights", "has 9 entries; at most 8"),
            problem(
                CELL,
                "spec.candidates[0].scores.i",
                "is missing; Tier c1 weighs it, so give a number from 0 to 1",
            ),
        ],
    );
}

#[test]
fn a_weight_or_score_that_is_no_number_is_told_once_and_not_missed() {
    for (bad, message) in [
        ("1.5", "must be from 0 to 1, is 1.5"),
        ("-0.5", "must be from 0 to 1, is -0.5"),
        ("1e300", "must be from 0 to 1, is 1e+300"),
        ("0.12345", "must have at most four decimals, is 0.12345"),
        ("1e-300", "must have at most four decimals, is 1e-300"),
        ("\"0.5\"", "must be a number from 0 to 1, is \"0.5\""),
        ("null", "must be a number from 0 to 1, not null"),
        ("true", "must be a number from 0 to 1, not a boolean"),
        ("[0.5]", "must be a number from 0 to 1, not a list"),
        ("{a: 1}", "must be a number from 0 to 1, not a mapping"),
    ] {
        assert_problems(
            &[("{latency: 0.5, cost: 0.5}", &format!("{{latency: 0.5, cost: {bad}}}"))],
            &[problem(TIER, "spec.weights.cost", message)],
        );
        assert_problems(
            &[("{latency: 0.9, cost: 0.5}", &format!("{{latency: 0.9, cost: {bad}}}"))],
            &[problem(CELL, "spec.candidates[0].scores.cost", message)],
        );
    }
    for good in ["0.50", "5e-1", ".5", "0.5000"] {
        let snapshot = snapshot(&edited(&[(
            "{latency: 0.9, cost: 0.5}",
            &format!("{{latency: 0x1, cost: {good}}}"),
        )]));
        let scores = &snapshot.cell("pay").unwrap().candidates[0].scores;
        assert_eq!((scores["latency"], scores["cost"].units()), (Fraction::ONE, 5000));
    }
}

#[test]
fn a_mapping_or_list_of_the_wrong_type_is_told_once() {
    for (from, to, object, path, message) in [
        (
            "requires: [PITR]",
            "requires: PITR",
            TIER,
            "spec.requires",
            "must be a list, not a string",
        ),
        (
            "weights: {latency: 0.5, cost: 0.5}",
            "weights: [latency]",
            TIER,
            "spec.weights",
            "must be a mapping, not a list",
        ),
        (
            "networkKeys: [vpcId]",
            "networkKeys: {vpcId: x}",
            CLOUD,
            "spec.networkKeys",
            "must be a list, not a mapping",
        ),
        (
            "regions: [{name: r-1}]",
            "regions: r-1",
            CLOUD,
            "spec.regions",
            "must be a list, not a string",
        ),
        (
            "regions: [{name: r-1}]",
            "regions: [r-1]",
            CLOUD,
            "spec.regions[0]",
            "must be a mapping, not a string",
        ),
        (
            "network: {vpcId: vpc-1}",
            "network: vpc-1",
            CELL,
            "spec.candidates[0].network",
            "must be a mapping, not a string",
        ),
        (
            "network: {vpcId: vpc-1}",
            "network: {vpcId: 5}",
            CELL,
            "spec.candidates[0].network.vpcId",
            "must be a string, not a number; put it in quotes",
        ),
        (
            "network: {vpcId: vpc-1}",
            "network: {vpcId: no}",
            CELL,
            "spec.candidates[0].network.vpcId",
            "must be a string, not a boolean; put it in quotes",
        ),
        (
            "network: {vpcId: vpc-1}",
            "network: {vpcId: null}",
            CELL,
            "spec.candidates[0].network.vpcId",
            "must be a string, not null",
        ),
        (
            "capabilities: [PITR]",
            "capabilities: PITR",
            CELL,
            "spec.candidates[0].capabilities",
            "must be a list, not a string",
        ),
        (
            "capabilities: [PITR]",
            "capabilities: [[PITR]]",
            CELL,
            "spec.candidates[0].capabilities[0]",
            "must be a string, not a list",
        ),
        (
            "scores: {latency: 0.9, cost: 0.5}",
            "scores: 0.9",
            CELL,
            "spec.candidates[0].scores",
            "must be a mapping, not a number",
        ),
    ] {
        assert_problems(&[(from, to)], &[problem(object, path, message)]);
    }
    assert_eq!(
        problems_of(&format!(
            "{{apiVersion: {API_VERSION}, kind: Cell, metadata: {{name: pay}}, spec: {{candidates: {{}}}}}}"
        )),
        [problem(CELL, "spec.candidates", "must be a list, not a mapping")]
    );
}

#[test]
fn a_candidate_that_is_no_mapping_is_told_once() {
    let head = format!("{{apiVersion: {API_VERSION}, kind: Cell, metadata: {{name: bad}}, spec: ");
    for (member, what) in [("x", "a string"), ("null", "null"), ("[]", "a list")] {
        let text = format!("{GOOD}---\n{head}{{candidates: [{member}]}}}}");
        assert_eq!(
            problems_of(&text),
            [problem(
                "Cell bad",
                "spec.candidates[0]",
                format!("must be a mapping, not {what}")
            )]
        );
    }
}

#[test]
fn a_cell_needs_a_candidate_and_an_environment() {
    let head = format!("{{apiVersion: {API_VERSION}, kind: Cell, metadata: {{name: pay}}, spec: ");
    for candidates in ["", "candidates: null, ", "candidates: [], "] {
        assert_eq!(
            problems_of(&format!("{head}{{{candidates}environments: []}}}}")),
            [
                problem(
                    CELL,
                    "spec.environments",
                    "must name at least one; leave it out for dev, staging, prod"
                ),
                problem(CELL, "spec.candidates", "must list at least one"),
            ]
        );
    }
    let named = snapshot(&edited(&[("  candidates", "  environments: [qa, dev]\n  candidates")]));
    assert!(named.cell("pay").unwrap().environments.iter().eq(["dev", "qa"]));
    assert_problems(
        &[("  candidates", "  environments: [QA]\n  candidates")],
        &[problem(CELL, "spec.environments[0]", format!("{LABEL}, is \"QA\""))],
    );
    assert_problems(
        &[("  candidates", "  environments: 5\n  candidates")],
        &[problem(CELL, "spec.environments", "must be a list, not a number")],
    );
}

#[test]
fn an_empty_candidate_misses_every_required_field_and_weighed_score() {
    let text = edited(&[]);
    let (head, _) = text.split_once("  - name: one").unwrap();
    let at = |field: &str| format!("spec.candidates[0].{field}");
    assert_eq!(
        problems_of(&format!("{head}  - {{}}\n")),
        [
            problem(CELL, &at("name"), format!("is missing; {LABEL}")),
            problem(CELL, &at("provider"), format!("is missing; {LABEL}")),
            problem(CELL, &at("region"), format!("is missing; {WORD}")),
            problem(CELL, &at("runtimeCluster"), format!("is missing; {WORD}")),
            problem(
                CELL,
                &at("scores.cost"),
                "is missing; Tier c1 weighs it, so give a number from 0 to 1"
            ),
            problem(
                CELL,
                &at("scores.latency"),
                "is missing; Tier c1 weighs it, so give a number from 0 to 1"
            ),
        ]
    );
}

#[test]
fn names_keep_their_alphabet_and_length() {
    let long = |n: usize| "x".repeat(n);
    let twice = |n: usize| format!("{}…", long(n));
    let at = |field: &str| format!("spec.candidates[0].{field}");
    for (from, to, path, rule, shown) in [
        ("name: one", long(64), at("name"), LABEL, long(64)),
        ("name: one", long(65), at("name"), LABEL, twice(64)),
        ("name: one", "-one".to_owned(), at("name"), LABEL, "-one".to_owned()),
        ("name: one", "one-".to_owned(), at("name"), LABEL, "one-".to_owned()),
        ("name: one", "o.ne".to_owned(), at("name"), LABEL, "o.ne".to_owned()),
        ("name: one", "\"\"".to_owned(), at("name"), LABEL, String::new()),
        (
            "provider: aws",
            "AWS".to_owned(),
            at("provider"),
            LABEL,
            "AWS".to_owned(),
        ),
        ("region: r-1", "r 1".to_owned(), at("region"), WORD, "r 1".to_owned()),
        ("region: r-1", ".r".to_owned(), at("region"), WORD, ".r".to_owned()),
        ("region: r-1", "r_".to_owned(), at("region"), WORD, "r_".to_owned()),
        ("region: r-1", long(64), at("region"), WORD, long(64)),
        (
            "runtimeCluster: k-1",
            "ké".to_owned(),
            at("runtimeCluster"),
            WORD,
            "ké".to_owned(),
        ),
        (
            "vpcId: vpc-1",
            "\"\"".to_owned(),
            at("network.vpcId"),
            LINE,
            String::new(),
        ),
        ("vpcId: vpc-1", long(254), at("network.vpcId"), LINE, twice(64)),
        (
            "vpcId: vpc-1",
            "\"a\\n\\u202eb\"".to_owned(),
            at("network.vpcId"),
            LINE,
            "a\\n\\u{202e}b".to_owned(),
        ),
    ] {
        let field = from.split_once(':').unwrap().0;
        assert_problems(
            &[(from, &format!("{field}: {to}"))],
            &[problem(CELL, &path, format!("{rule}, is \"{shown}\""))],
        );
    }
    for (from, to) in [
        ("name: one", format!("name: {}", long(63))),
        ("name: one", "name: \"0\"".to_owned()),
        ("region: r-1", "region: r_1.x-Y".to_owned()),
        ("region: r-1", format!("region: {}", long(63))),
        ("vpcId: vpc-1", format!("vpcId: {}", long(253))),
        ("vpcId: vpc-1", "vpcId: \" ~\"".to_owned()),
    ] {
        snapshot(&edited(&[(from, &to)]));
    }
}

#[test]
fn keys_of_open_mappings_are_names() {
    let rule = format!("is no name: it {WORD}");
    assert_problems(
        &[
            ("cost: 0.5}\n---", "cost: 0.5, \"\": 0}\n---"),
            ("vpcId: vpc-1", "vpcId: vpc-1, \"a b\": x"),
            ("latency: 0.9", "latency: 0.9, ü: 0.9"),
        ],
        &[
            problem(TIER, "spec.weights.", &rule),
            problem(CELL, "spec.candidates[0].network.a b", &rule),
            problem(CELL, "spec.candidates[0].scores.ü", &rule),
        ],
    );
}

#[test]
fn lists_and_mappings_are_bounded() {
    let names = |count: usize| (0..count).map(|i| format!("n{i}")).collect::<Vec<_>>();
    let list = |count: usize| format!("[{}]", names(count).join(", "));
    let map = |count: usize, value: &str| {
        let entries: Vec<_> = names(count).iter().map(|name| format!("{name}: {value}")).collect();
        entries.join(", ")
    };
    let environments = |count: usize| format!("  environments: {}\n  candidates", list(count));
    let at = |field: &str| format!("spec.candidates[0].{field}");
    for (from, (most, fits), over, object, path) in [
        ("[PITR]", (32, list(32)), list(33), TIER, "spec.requires".to_owned()),
        (
            "capabilities: [PITR]",
            (64, format!("capabilities: {}", list(64))),
            format!("capabilities: {}", list(65)),
            CELL,
            at("capabilities"),
        ),
        (
            "vpcId: vpc-1",
            (16, format!("vpcId: vpc-1, {}", map(15, "x"))),
            format!("vpcId: vpc-1, {}", map(16, "x")),
            CELL,
            at("network"),
        ),
        (
            "latency: 0.9",
            (64, format!("latency: 0.9, {}", map(62, "0"))),
            format!("latency: 0.9, {}", map(63, "0")),
            CELL,
            at("scores"),
        ),
        (
            "  candidates",
            (64, environments(64)),
            environments(65),
            CELL,
            "spec.environments".to_owned(),
        ),
    ] {
        snapshot(&edited(&[(from, &fits)]));
        assert_problems(
            &[(from, &over)],
            &[problem(
                object,
                &path,
                format!("has {} entries; at most {most}", most + 1),
            )],
        );
    }
    let keys = |count: usize| format!("networkKeys: [vpcId, {}]", names(count).join(", "));
    snapshot(&edited(&[
        ("networkKeys: [vpcId]", &keys(15)),
        ("vpcId: vpc-1", &format!("vpcId: vpc-1, {}", map(15, "x"))),
    ]));
    assert_problems(
        &[
            ("networkKeys: [vpcId]", &keys(16)),
            ("vpcId: vpc-1", &format!("vpcId: vpc-1, {}", map(16, "x"))),
        ],
        &[
            problem(CLOUD, "spec.networkKeys", "has 17 entries; at most 16"),
            problem(CELL, &at("network"), "has 17 entries; at most 16"),
        ],
    );
}

#[test]
fn a_network_is_bounded_in_bytes_as_json() {
    // {"vpcId":"…","a":"…",…}: 2 braces, 10 for vpcId's own, 6 for each other entry and 15 commas around the values.
    let value = |bytes: usize| "v".repeat(bytes);
    let network = |last: usize| {
        let mut text = format!("vpcId: {}", value(245));
        for key in 'a'..='o' {
            let _ = write!(text, ", {key}: {}", value(if key == 'o' { last } else { 250 }));
        }
        text
    };
    // 2 + 10 + 245 + 15 × 6 + 15 + 14 × 250 = 3862, so the last value may have 234 bytes.
    let fits = snapshot(&edited(&[("vpcId: vpc-1", &network(234))]));
    assert_eq!(
        json!(fits.cell("pay").unwrap().candidates[0].network).to_string().len(),
        4096
    );
    assert_problems(
        &[("vpcId: vpc-1", &network(235))],
        &[problem(
            CELL,
            "spec.candidates[0].network",
            "takes 4097 bytes as JSON; at most 4096",
        )],
    );
}

#[test]
fn nothing_is_listed_twice() {
    assert_problems(
        &[
            ("requires: [PITR]", "requires: [PITR, X, PITR]"),
            ("networkKeys: [vpcId]", "networkKeys: [vpcId, vpcId]"),
            ("[{name: r-1}]", "[{name: r-1}, {name: r-2}, {name: r-1}]"),
            ("  candidates", "  environments: [dev, dev]\n  candidates"),
            ("capabilities: [PITR]", "capabilities: [PITR, PITR]"),
        ],
        &[
            problem(TIER, "spec.requires[2]", "repeats PITR; list it once"),
            problem(CLOUD, "spec.networkKeys[1]", "repeats vpcId; list it once"),
            problem(CLOUD, "spec.regions[2].name", "repeats r-1; list it once"),
            problem(CELL, "spec.environments[1]", "repeats dev; list it once"),
            problem(CELL, "spec.candidates[0].capabilities[1]", "repeats PITR; list it once"),
        ],
    );
}

/// `GOOD` and more candidates of its cell.
fn with_candidates(more: &[&str]) -> String {
    let rest = "network: {vpcId: v}, scores: {latency: 1, cost: 1}";
    more.iter().fold(GOOD.to_owned(), |text, fields| {
        text + &format!("  - {{{fields}, {rest}}}\n")
    })
}

#[test]
fn candidates_differ_in_name() {
    let text = with_candidates(&[
        "name: two, provider: aws, region: r-1, runtimeCluster: k-2",
        "name: one, provider: aws, region: r-1, runtimeCluster: k-3",
        "name: one, provider: aws, region: r-1, runtimeCluster: k-4",
    ]);
    let taken = "is taken already, by spec.candidates[0]; rename one";
    assert_eq!(
        problems_of(&text),
        [
            problem(CELL, "spec.candidates[2].name", taken),
            problem(CELL, "spec.candidates[3].name", taken),
        ]
    );
}

#[test]
fn candidates_differ_in_provider_region_or_runtime_cluster() {
    let text = with_candidates(&[
        "name: two, provider: aws, region: r-2, runtimeCluster: k-1",
        "name: three, provider: aws, region: r-1, runtimeCluster: k-2",
        "name: four, provider: aws, region: r-1, runtimeCluster: k-1",
        // Where one of the three could not be read, nothing can be said.
        "name: five, provider: aws, region: r-1",
        "name: six, provider: aws, region: r-1",
    ]);
    assert_eq!(
        problems_of(&text),
        [
            problem(
                CELL,
                "spec.candidates[3].runtimeCluster",
                "is that of spec.candidates[0], as are provider and region; a claim is known by these three, so one \
                 must differ"
            ),
            problem(CELL, "spec.candidates[4].runtimeCluster", format!("is missing; {WORD}")),
            problem(CELL, "spec.candidates[5].runtimeCluster", format!("is missing; {WORD}")),
        ]
    );
}

#[test]
fn two_cells_may_share_a_place_and_two_kinds_a_name() {
    let second = GOOD.split("---\n").nth(2).unwrap().replace("name: pay", "name: c1");
    let snapshot = snapshot(&format!("{GOOD}---\n{second}"));
    assert!(snapshot.cells().map(|cell| &cell.name).eq(["c1", "pay"]));
}

#[test]
fn an_object_is_defined_once_across_files_and_a_second_is_checked_all_the_same() {
    let mut both = objects("a.yaml", GOOD).unwrap();
    let second = edited(&[("vpcId: vpc-1", ""), ("rpoMinutes: 15", "rpoMinutes: -1")]);
    both.extend(objects("b.yaml", &second).unwrap());
    let Err(CatalogError::Invalid(problems)) = check(&both) else {
        panic!("accepted")
    };
    let of_b = |object, path, message: &str| Problem {
        file: "b.yaml".to_owned(),
        ..problem(object, path, message)
    };
    assert_eq!(
        problems,
        [
            of_b(
                TIER,
                "metadata.name",
                "is taken already, by a Tier in a.yaml; rename one"
            ),
            of_b(TIER, "spec.rpoMinutes", &format!("{MINUTES}, is -1")),
            of_b(
                CLOUD,
                "metadata.name",
                "is taken already, by a CloudProvider in a.yaml; rename one"
            ),
            of_b(
                CELL,
                "metadata.name",
                "is taken already, by a Cell in a.yaml; rename one"
            ),
            of_b(
                CELL,
                "spec.candidates[0].network.vpcId",
                "is missing; CloudProvider aws needs it"
            ),
        ]
    );
}

#[test]
fn a_provider_is_one_of_the_catalog() {
    assert_problems(
        &[("    provider: aws", "    provider: gcp")],
        &[problem(
            CELL,
            "spec.candidates[0].provider",
            "there is no CloudProvider gcp; known: aws",
        )],
    );
    let cell = GOOD.split("---\n").nth(2).unwrap();
    assert_eq!(
        problems_of(cell),
        [problem(
            CELL,
            "spec.candidates[0].provider",
            "there is no CloudProvider aws; known: none"
        )]
    );
}

#[test]
fn the_known_providers_are_listed_up_to_twenty() {
    let provider = |name: &str| {
        format!("---\n{{apiVersion: {API_VERSION}, kind: CloudProvider, metadata: {{name: {name}}}, spec: {{}}}}\n")
    };
    let names: Vec<String> = (10..32).map(|i| format!("p{i}")).collect();
    let cell = GOOD.split("---\n").nth(2).unwrap();
    let text = |count: usize| cell.to_owned() + &names[..count].iter().map(|name| provider(name)).collect::<String>();
    let known = names[..20].join(", ");
    let at = "spec.candidates[0].provider";
    for (count, more) in [(20, ""), (22, " and 2 more")] {
        let message = format!("there is no CloudProvider aws; known: {known}{more}");
        assert_eq!(problems_of(&text(count)), [problem(CELL, at, message)]);
    }
}

#[test]
fn a_network_has_every_key_of_its_provider() {
    for network in ["network: {other: x}", "network: {}", "network: null"] {
        assert_problems(
            &[
                ("networkKeys: [vpcId]", "networkKeys: [vpcId, subnet]"),
                ("network: {vpcId: vpc-1}", network),
            ],
            &[
                problem(
                    CELL,
                    "spec.candidates[0].network.subnet",
                    "is missing; CloudProvider aws needs it",
                ),
                problem(
                    CELL,
                    "spec.candidates[0].network.vpcId",
                    "is missing; CloudProvider aws needs it",
                ),
            ],
        );
    }
    // An entry that is there in a wrong form is not missing; the other one is.
    assert_problems(
        &[
            ("networkKeys: [vpcId]", "networkKeys: [vpcId, subnet]"),
            ("network: {vpcId: vpc-1}", "network: {vpcId: [vpc-1]}"),
        ],
        &[
            problem(CELL, "spec.candidates[0].network.vpcId", "must be a string, not a list"),
            problem(
                CELL,
                "spec.candidates[0].network.subnet",
                "is missing; CloudProvider aws needs it",
            ),
        ],
    );
}

#[test]
fn a_dimension_that_several_tiers_weigh_is_missed_once() {
    let tier = GOOD.split("---\n").next().unwrap().replace("name: c1", "name: c0");
    let text = edited(&[("latency: 0.9, ", "")]) + "---\n" + &tier.replace("cost", "dr");
    assert_eq!(
        problems_of(&text),
        [
            problem(
                CELL,
                "spec.candidates[0].scores.dr",
                "is missing; Tier c0 weighs it, so give a number from 0 to 1"
            ),
            problem(
                CELL,
                "spec.candidates[0].scores.latency",
                "is missing; Tiers c0, c1 weigh it, so give a number from 0 to 1"
            ),
        ]
    );
}

#[test]
fn problems_come_in_the_order_of_the_objects() {
    // The cell first, with a problem that shows only when it meets the tier.
    let mut parts = edited(&[("rpoMinutes: 15", "rpoMinutes: x"), (", cost: 0.5}\n", ", dr: 0.5}\n")]);
    parts = parts
        .split("---\n")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("---\n");
    assert_eq!(
        problems_of(&parts),
        [
            problem(
                CELL,
                "spec.candidates[0].scores.dr",
                "is missing; Tier c1 weighs it, so give a number from 0 to 1"
            ),
            problem(TIER, "spec.rpoMinutes", format!("{MINUTES}, is \"x\"")),
        ]
    );
}

#[test]
fn a_cordon_is_a_mapping_with_a_reason_and_null_is_open() {
    for open in ["null", "~", ""] {
        let snapshot = snapshot(&edited(&[("    region", &format!("    cordoned: {open}\n    region"))]));
        assert_eq!(snapshot.cell("pay").unwrap().candidates[0].cordoned, None);
    }
    let at = "spec.candidates[0].cordoned";
    let reason = &format!("{at}.reason");
    for (bad, path, message) in [
        ("true", at, "must be a mapping, not a boolean".to_owned()),
        ("false", at, "must be a mapping, not a boolean".to_owned()),
        ("evacuation", at, "must be a mapping, not a string".to_owned()),
        ("[]", at, "must be a mapping, not a list".to_owned()),
        ("{}", reason, format!("is missing; {LINE}")),
        ("{reason: null}", reason, format!("is missing; {LINE}")),
        (
            "{reason: 5}",
            reason,
            "must be a string, not a number; put it in quotes".to_owned(),
        ),
        ("{reason: \"a\\tb\"}", reason, format!("{LINE}, is \"a\\tb\"")),
    ] {
        assert_problems(
            &[("    region", &format!("    cordoned: {bad}\n    region"))],
            &[problem(CELL, path, message)],
        );
    }
    assert_problems(
        &[("{name: r-1}]", "{name: r-1, cordoned: {}}]\n  cordoned: {reason: \"\"}")],
        &[
            problem(CLOUD, "spec.regions[0].cordoned.reason", format!("is missing; {LINE}")),
            problem(CLOUD, "spec.cordoned.reason", format!("{LINE}, is \"\"")),
        ],
    );
    assert_problems(
        &[("{name: r-1}", "{cordoned: null}")],
        &[problem(CLOUD, "spec.regions[0].name", format!("is missing; {WORD}"))],
    );
}

#[test]
fn cordons_of_cloud_and_region_reach_the_candidates_they_concern() {
    let cloud = |name: &str, spec: &str| {
        format!("---\n{{apiVersion: {API_VERSION}, kind: CloudProvider, metadata: {{name: {name}}}, spec: {spec}}}\n")
    };
    let text = with_candidates(&[
        "name: two, provider: aws, region: r-2, runtimeCluster: k-1, cordoned: {reason: mine}",
        "name: three, provider: gcp, region: r-1, runtimeCluster: k-1",
        "name: four, provider: oci, region: r-2, runtimeCluster: k-1",
    ])
    .replace("[{name: r-1}]", "[{name: r-1}, {name: r-2, cordoned: {reason: flood}}]")
        + &cloud("gcp", "{cordoned: {reason: dispute}}")
        + &cloud("oci", "{}");
    let snapshot = snapshot(&text);
    let reason = |cordon: &Option<Cordon>| cordon.as_ref().map(|cordon| cordon.reason.clone());
    let cordons: Vec<_> = snapshot
        .cell("pay")
        .unwrap()
        .candidates
        .iter()
        .map(|c| {
            (
                c.name.as_str(),
                [&c.cordoned, &c.region_cordoned, &c.provider_cordoned].map(reason),
            )
        })
        .collect();
    let some = |reason: &str| Some(reason.to_owned());
    assert_eq!(
        cordons,
        [
            ("four", [None, None, None]),
            ("one", [None, None, None]),
            ("three", [None, None, some("dispute")]),
            ("two", [some("mine"), some("flood"), None]),
        ]
    );
}

#[test]
fn the_revision_is_the_content_and_nothing_else() {
    let revision = snapshot(GOOD).revision().clone();
    assert_eq!((revision.as_str().len(), revision.short().len()), (64, 12));
    assert!(revision.as_str().starts_with(revision.short()));
    let objects_reversed = GOOD
        .split("---\n")
        .collect::<Vec<_>>()
        .into_iter()
        .rev()
        .collect::<Vec<_>>()
        .join("\n---\n");
    for same in [
        format!("# a comment\n{GOOD}\n---\n"),
        objects_reversed,
        edited(&[("latency: 0.5, cost: 0.5", "cost: 0.50, latency: 5e-1")]),
        edited(&[("{name: c1}", "{labels: {a: b}, name: c1}")]),
        edited(&[("  candidates", "  environments: [prod, dev, staging]\n  candidates")]),
        edited(&[("    region", "    cordoned: null\n    region")]),
        edited(&[("apiVersion", "status: {conditions: []}\napiVersion")]),
    ] {
        assert_eq!(snapshot(&same).revision(), &revision, "{same}");
    }
    for other in [
        edited(&[("rtoMinutes: 120", "rtoMinutes: 121")]),
        edited(&[("rpoMinutes: 15", "rpoMinutes: 16")]),
        edited(&[("requires: [PITR]", "requires: []")]),
        edited(&[("latency: 0.5, cost: 0.5", "latency: 0.4, cost: 0.6")]),
        edited(&[("{name: r-1}]", "{name: r-1, cordoned: {reason: x}}]")]),
        edited(&[("{name: r-1}]", "{name: r-1}]\n  cordoned: {reason: x}")]),
        edited(&[("networkKeys: [vpcId]", "networkKeys: []")]),
        edited(&[("  candidates", "  environments: [prod]\n  candidates")]),
        edited(&[("name: one", "name: two")]),
        edited(&[("{name: pay}", "{name: play}")]),
        edited(&[("    region: r-1", "    region: r-2")]),
        edited(&[("k-1", "k-2")]),
        edited(&[("vpc-1", "vpc-2")]),
        edited(&[("capabilities: [PITR]", "capabilities: [MultiAZ]")]),
        edited(&[("    region", "    cordoned: {reason: x}\n    region")]),
        edited(&[("latency: 0.9", "latency: 0.9001")]),
    ] {
        assert_ne!(snapshot(&other).revision(), &revision, "{other}");
    }
}

#[test]
fn a_catalog_shown_and_loaded_again_is_the_same() {
    let text =
        with_candidates(&["name: a, provider: aws, region: r-9, runtimeCluster: k-1, cordoned: {reason: 'no: #1'}"])
            .replace(
                "[{name: r-1}]",
                "[{name: r-1, cordoned: {reason: \"yes\"}}]\n  cordoned: {reason: '~'}",
            );
    let first = snapshot(&text);
    let shown: Vec<String> = first
        .objects()
        .iter()
        .map(|object| crate::yaml::to_string(object).unwrap())
        .collect();
    let second = snapshot(&shown.join("---\n"));
    assert_eq!(second.revision(), first.revision());
    assert_eq!(format!("{second:?}"), format!("{first:?}"));
    let kinds: Vec<_> = first.objects().iter().map(|object| object["kind"].clone()).collect();
    assert_eq!(kinds, ["CloudProvider", "Tier", "Cell"]);
}

#[test]
fn a_problem_reads_as_one_line_from_file_to_remedy() {
    let whole = problem(CELL, "spec.candidates", "must list at least one");
    assert_eq!(
        whole.to_string(),
        "a.yaml: Cell pay: spec.candidates: must list at least one"
    );
    assert_eq!(problem("", "", "is not UTF-8").to_string(), "a.yaml: is not UTF-8");
    assert_eq!(
        CatalogError::Invalid(vec![whole.clone(), problem("", "", "x")]).to_string(),
        "the catalog has 2 problems:\n  - a.yaml: Cell pay: spec.candidates: must list at least one\n  - a.yaml: x"
    );
    assert!(
        CatalogError::Invalid(vec![whole])
            .to_string()
            .starts_with("the catalog has 1 problem:\n")
    );
}

#[test]
fn of_a_catalog_read_in_part_each_object_is_judged_by_itself() {
    let cell = edited(&[("    region: r-1", "    region: r 1")]);
    let cell = objects("a.yaml", cell.split("---\n").nth(2).unwrap()).unwrap();
    assert_eq!(
        problems_of_each(&cell),
        [problem(
            CELL,
            "spec.candidates[0].region",
            format!("{WORD}, is \"r 1\"")
        )]
    );
}
