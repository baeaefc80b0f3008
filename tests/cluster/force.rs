//! `apply --force` deletes what an answer calls invalid or in conflict: no answer of ours does, and the DELETE is refused.

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{Answer, User};
use crate::support::cluster::platform::{OLDER, Outage, Platform};
use crate::support::cluster::team::{Team, claim, placement};

pub const CASES: &[Case] = &[
    ("no_value_gets_a_claim_deleted", up),
    ("values_of_the_wrong_type_are_forbidden_and_not_invalid", |platform| {
        wrong_types(&platform.team("force-types"), Webhook::Up);
    }),
    ("what_the_api_server_itself_refuses_gets_no_claim_deleted", |platform| {
        its_own(&platform.team("force-own"), Webhook::Up);
    }),
    ("an_exported_claim_applied_after_a_replace_is_not_deleted", |platform| {
        exported(&platform.team("force-exported"), Webhook::Up);
    }),
    ("an_operator_s_bad_value_is_forbidden_and_not_invalid", operators),
];

pub const ALONE: &[Case] = &[
    ("no_value_gets_a_claim_deleted_while_the_webhook_is_down", down),
    (
        "no_value_gets_a_claim_deleted_once_the_webhook_configuration_is_gone",
        unconfigured,
    ),
    ("nothing_else_does_while_the_webhook_is_down", |platform| {
        nothing_else(&platform.team("force-else-down"), Webhook::Down);
    }),
    ("nothing_else_does_once_the_webhook_configuration_is_gone", |platform| {
        nothing_else(&platform.team("force-else-unconfigured"), Webhook::Unconfigured);
    }),
    ("the_policy_alone_lets_each_account_write_its_own_part_only", accounts),
];

fn nothing_else(team: &Team, webhook: Webhook) {
    wrong_types(team, webhook);
    its_own(team, webhook);
    exported(team, webhook);
}

/// What the policy of DELETE says.
const KEPT: &str = "this claim stands for a database that is kept";

/// Codes of the answers to a change: with the webhook up, down, and its configuration deleted.
type Codes = [u16; 3];

/// Another placement, cell or environment: the policy refuses it, too.
const MOVES: Codes = [403, 500, 403];
/// A part left out: the webhook puts it back.
const UNPLACES: Codes = [200, 500, 403];
/// A part left out that Crossplane's schema requires: so that answers before the policy does.
const INCOMPLETE: Codes = [200, 500, 422];
/// A value that only the webhook judges.
const BAD: Codes = [403, 500, 200];
/// A value that the schema refuses, where the webhook doesn't before it.
const WRONG: Codes = [403, 500, 422];
/// Not in the schema, or the same: the API server drops it before anybody is asked.
const NOTHING: Codes = [200, 200, 200];

/// Where, a value, and what it is answered with.
type Row = (String, Value, Codes);

/// Every field, and every value for it that the API server lets through to the webhook.
fn rows() -> Vec<Row> {
    let tables = [
        ("", whole()),
        ("/spec/parameters/", asked_for()),
        ("/spec/parameters/", decided()),
        ("/spec/crossplane/", composed()),
    ];
    let rows = |(under, table): (&str, Vec<(&str, Codes, Value)>)| {
        let mut rows = Vec::new();
        for (at, codes, values) in table {
            let values = values.as_array().into_iter().flatten();
            rows.extend(values.map(|value| (format!("{under}{at}"), value.clone(), codes)));
        }
        rows
    };
    tables.into_iter().flat_map(rows).collect()
}

fn whole() -> Vec<(&'static str, Codes, Value)> {
    let reason = "/metadata/annotations/platform.example.org~1placement-reason";
    vec![
        ("/spec", MOVES, json!([null])),
        ("/spec", WRONG, json!(["text", [], ["text"], 5, true])),
        ("/spec/parameters", MOVES, json!([null])),
        ("/spec/parameters", WRONG, json!(["text", [], [{}], 5, false])),
        ("/spec/crossplane", UNPLACES, json!([null])),
        ("/spec/crossplane", WRONG, json!(["text", [], 5])),
        (reason, MOVES, json!(["{}", "immutable", ""])),
        ("/spec/provider", NOTHING, json!(["gcp", null, 5])),
        ("/spec/flavour", NOTHING, json!(["x"])),
        ("/spec/parameters/flavour", NOTHING, json!([{}, "x"])),
        ("/spec/crossplane/flavour", NOTHING, json!(["x"])),
    ]
}

fn asked_for() -> Vec<(&'static str, Codes, Value)> {
    let no_text = json!(["x".repeat(64), 5, true, ["x"], {"x": 1}]);
    let no_number = json!(["100", "100GB", 100.5, 1e30, u64::MAX, true, [100], {}]);
    vec![
        ("cell", MOVES, json!(["archive", "nowhere", "Payments", "", null])),
        ("cell", WRONG, no_text.clone()),
        ("environment", MOVES, json!(["dev", "staging", "Prod", "", null])),
        ("environment", WRONG, no_text.clone()),
        ("tier", BAD, json!(["C2", "C9", "c 1", "immutable", "", null])),
        ("tier", WRONG, no_text.clone()),
        (
            "size",
            BAD,
            json!(["huge", "Medium", "immutable", "Immutable\n", "", null]),
        ),
        ("size", WRONG, no_text),
        (
            "storageGB",
            BAD,
            json!([99, 49, 10, 0, -1, 16385, 1_000_000_000_000_u64, null]),
        ),
        ("storageGB", WRONG, no_number),
        ("storageGB", NOTHING, json!([100.0])),
        ("ha", WRONG, json!(["yes", "true", "", 1, [true], {}])),
    ]
}

fn decided() -> Vec<(&'static str, Codes, Value)> {
    let many: Value = (0..17).map(|n| (n.to_string(), json!("x"))).collect();
    let long = json!({"vpcId": "x".repeat(254)});
    let mut table = vec![
        ("network", UNPLACES, json!([null, {}, {"vpcId": null}])),
        (
            "network",
            MOVES,
            json!([{"vpcId": "vpc-other"}, {"vpcId": ""}, {"more": "x"}]),
        ),
        (
            "network",
            WRONG,
            json!([{"vpcId": 5}, {"vpcId": {}}, long, many, "text", [], 5]),
        ),
    ];
    for field in ["provider", "region", "runtimeCluster"] {
        table.push((field, UNPLACES, json!([null])));
        table.push((field, MOVES, json!(["elsewhere", ""])));
        table.push((field, WRONG, json!(["x".repeat(64), 5, ["aws"], {"x": 1}])));
    }
    table
}

fn composed() -> Vec<(&'static str, Codes, Value)> {
    let provider = "compositionSelector/matchLabels/db.platform.example.org~1provider";
    let class = "compositionSelector/matchLabels/db.platform.example.org~1class";
    let mut table = vec![
        (provider, MOVES, json!(["gcp", ""])),
        (class, UNPLACES, json!([null])),
        (
            "compositionRevisionSelector/matchLabels/channel",
            MOVES,
            json!(["rapid"]),
        ),
        ("compositionUpdatePolicy", MOVES, json!(["Manual", null])),
        ("compositionUpdatePolicy", WRONG, json!(["Sometimes", "", 5, {}])),
        ("resourceRefs", UNPLACES, json!([null])),
        (
            "resourceRefs",
            MOVES,
            json!([[], [{"apiVersion": "v1", "kind": "Secret"}]]),
        ),
        ("resourceRefs", WRONG, json!(["text", {"x": 1}, [{}], ["x"], [null]])),
    ];
    for field in ["compositionSelector", "compositionRevisionSelector"] {
        table.push((field, UNPLACES, json!([null])));
        table.push((field, INCOMPLETE, json!([{"matchLabels": null}])));
        table.push((
            field,
            WRONG,
            json!(["text", [], {"matchLabels": "text"}, {"matchLabels": {"x": 5}}]),
        ));
    }
    for field in ["compositionRef", "compositionRevisionRef"] {
        table.push((field, UNPLACES, json!([null])));
        table.push((field, INCOMPLETE, json!([{"name": null}])));
        table.push((field, MOVES, json!([{"name": "elsewhere"}])));
        table.push((field, WRONG, json!(["text", [], {"name": 5}])));
    }
    table
}

/// All six fields that Crossplane writes.
fn taken_up() -> Value {
    json!({
        "compositionRef": {"name": "mysql-aws"},
        "compositionRevisionRef": {"name": "mysql-aws-1"},
        "compositionRevisionSelector": {"matchLabels": {"channel": "stable"}},
        "compositionUpdatePolicy": "Automatic",
        "resourceRefs": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "db"}],
    })
}

/// The keys of a JSON pointer.
fn keys(at: &str) -> impl Iterator<Item = String> {
    at.split('/').skip(1).map(|key| key.replace("~1", "/"))
}

/// An object with a value set, and the mappings on the way to it.
fn with(mut object: Value, at: &str, value: &Value) -> Value {
    *keys(at).fold(&mut object, |place, key| &mut place[key]) = value.clone();
    object
}

/// An object with an entry taken out.
fn without(mut object: Value, at: &str) -> Value {
    let (parent, key) = at.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).and_then(Value::as_object_mut);
    parent.and_then(|parent| parent.remove(&key.replace("~1", "/")));
    object
}

/// A field as our messages name it.
fn shown(at: &str) -> String {
    match keys(at).collect::<Vec<_>>().as_slice() {
        [metadata, annotations, key] if metadata == "metadata" => format!("metadata.{annotations}[{key}]"),
        keys => keys.join("."),
    }
}

/// Where the webhook is while a claim is changed.
#[derive(Clone, Copy)]
enum Webhook {
    Up,
    Down,
    Unconfigured,
}

impl Webhook {
    /// Brings this about, until what it gives is dropped.
    fn away(self, platform: &Platform) -> Option<Outage<'_>> {
        match self {
            Self::Up => None,
            Self::Down => Some(platform.stop_serving()),
            Self::Unconfigured => Some(platform.unconfigure()),
        }
    }

    /// Fails unless a change is answered with a code, by whom the code says.
    #[track_caller]
    fn assert_answer(self, answer: &Answer, codes: Codes, at: &str, what: &str) {
        let wanted = codes[self as usize];
        let message = answer.body["message"].as_str().unwrap_or_default();
        let seen = format!("saw {} {message}", answer.code);
        assert_eq!(answer.code, wanted, "{what}: wanted {wanted}; {seen}");
        if wanted == 200 {
            return;
        }
        let text = answer.body.to_string().to_lowercase();
        assert!(
            !text.contains("immutable"),
            "{what}: wanted no word that tools take for delete; saw {text}"
        );
        let ours = match (self, wanted) {
            (Self::Up, _) => vec![
                "admission webhook \"update.mysqlinstanceclaims.platform.example.org\" denied",
                at,
            ],
            (Self::Down, _) => vec!["failed calling webhook \"update.mysqlinstanceclaims.platform.example.org\""],
            (Self::Unconfigured, 403) => {
                vec!["ValidatingAdmissionPolicy 'update.mysqlinstanceclaims.platform.example.org'"]
            }
            (Self::Unconfigured, _) => vec!["MySQLInstanceClaim.db.platform.example.org"],
        };
        for part in ours {
            assert!(message.contains(part), "{what}: wanted {part:?}; {seen}");
        }
        assert!(
            wanted != 422 || !message.contains("mysqlinstanceclaims.platform.example.org"),
            "{what}: wanted 422 of the API server's own; {seen}"
        );
    }
}

fn list(items: impl Iterator<Item = Value>) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items.collect::<Vec<_>>()})
}

fn name(n: usize) -> String {
    format!("row-{n}")
}

/// One bare claim each row, as its author has it.
fn bare(n: usize) -> Value {
    let mut bare = claim(&name(n), json!({"storageGB": 100}));
    bare["metadata"]["labels"] = json!({"app": "shop"});
    bare
}

/// Claims that run: applied by their authors, and taken up by Crossplane.
fn running(team: &Team, count: usize) -> Vec<Value> {
    team.apply(&list((0..count).map(bare))).ok();
    let take_up = |n| team.crossplane_writes(&name(n), taken_up());
    (0..count).map(take_up).collect()
}

/// What kubectl says about each claim of a list, where it says that something is wrong.
fn complaints(stderr: &str, count: usize) -> Vec<Option<&str>> {
    let parts: Vec<_> = stderr.split("Error from server").collect();
    let about = |n| {
        parts
            .iter()
            .copied()
            .find(|part| part.contains(&format!("Name: \"{}\",", name(n))))
    };
    (0..count).map(about).collect()
}

/// Sends every row to a claim of its own: as a merge patch and as a whole object, and then by `apply --force`.
fn each(team: &Team, webhook: Webhook, claims: &[Value]) {
    for ((at, value, codes), before) in rows().into_iter().zip(claims) {
        let path = format!("{}?dryRun=All", before["metadata"]["name"].as_str().unwrap());
        let send = |method: &str, body: &Value, codes| {
            let answer = team.call(method, &path, Some(body));
            let what = format!("{method} {at} {value}");
            webhook.assert_answer(&answer, codes, &shown(&at), &what);
            if answer.code == 200 {
                assert_eq!(
                    placement(&answer.body),
                    placement(before),
                    "{what}: wanted the one on the right"
                );
            }
        };
        // To a merge patch, an empty mapping is no change.
        let patched = if value == json!({}) && codes == UNPLACES {
            NOTHING
        } else {
            codes
        };
        send("PATCH", &with(json!({}), &at, &value), patched);
        send("PUT", &with(before.clone(), &at, &value), codes);
        if value.is_null() {
            send("PUT", &without(before.clone(), &at), codes);
        }
    }
    // kubectl keeps annotations that it does not know; others leave them out.
    for at in [
        "/metadata/annotations",
        "/metadata/annotations/platform.example.org~1placement-reason",
    ] {
        for (method, body) in [
            ("PATCH", with(json!({}), at, &Value::Null)),
            ("PUT", without(claims[0].clone(), at)),
        ] {
            let answer = team.call(method, "row-0?dryRun=All", Some(&body));
            webhook.assert_answer(&answer, UNPLACES, &shown(at), &format!("{method} without {at}"));
        }
    }
    let manifests = rows()
        .into_iter()
        .enumerate()
        .map(|(n, (at, value, _))| with(bare(n), &at, &value));
    let said = team
        .send(&["apply", "--force", "--validate=false"], &list(manifests))
        .refused(&[]);
    let said = complaints(&said, claims.len());
    for (((at, value, codes), before), said) in rows().into_iter().zip(claims).zip(said) {
        let unchanged = value == json!({}) && codes == UNPLACES;
        let wanted: Option<&[&str]> = match codes[webhook as usize] {
            _ if unchanged => None,
            403 => Some(&["(Forbidden)", "update.mysqlinstanceclaims.platform.example.org"]),
            500 => Some(&["(InternalError)", "failed calling webhook"]),
            422 => Some(&["(Forbidden)", KEPT]),
            _ => None,
        };
        let what = format!("apply --force of {at} {value}: wanted {wanted:?}; saw {said:?}");
        assert_eq!(said.is_some(), wanted.is_some(), "{what}");
        for part in wanted.unwrap_or_default() {
            assert!(said.is_some_and(|said| said.contains(part)), "{what}");
        }
        let deletes = said.is_some_and(|said| said.contains(KEPT));
        assert_eq!(deletes, codes[webhook as usize] == 422, "{what}");
        team.assert_unmoved(before);
    }
}

fn up(platform: &Platform) {
    let team = platform.team("force-up");
    let claims = running(&team, rows().len());
    each(&team, Webhook::Up, &claims);
}

fn down(platform: &Platform) {
    let team = platform.team("force-down");
    let claims = running(&team, rows().len());
    let _outage = platform.stop_serving();
    each(&team, Webhook::Down, &claims);
}

fn unconfigured(platform: &Platform) {
    let team = platform.team("force-unconfigured");
    let claims = running(&team, rows().len());
    let _outage = platform.unconfigure();
    each(&team, Webhook::Unconfigured, &claims);
    // Claims older than the webhook, one of them without a spec, take nothing either.
    let added = |(_, value, codes): &Row| *codes == MOVES && !value.is_null();
    for (at, value, codes) in rows().into_iter().filter(added) {
        for older in ["plain?dryRun=All", "empty?dryRun=All"] {
            let answer = platform
                .in_namespace(OLDER)
                .call("PATCH", older, Some(&with(json!({}), &at, &value)));
            let what = format!("PATCH of {older} with {at} {value}");
            Webhook::Unconfigured.assert_answer(&answer, codes, &at, &what);
        }
    }
}

/// As people run it, with kubectl's own validation.
fn wrong_types(team: &Team, webhook: Webhook) {
    let before = team.placed("types", json!({"storageGB": 100}));
    let _outage = webhook.away(team.platform);
    for (field, value) in [("storageGB", json!("100")), ("ha", json!("yes")), ("size", json!(5))] {
        let said = team.send(&["apply", "--force"], &claim("types", json!({field: value})));
        match webhook {
            Webhook::Up => said.refused(&["(Forbidden)", &format!("spec.parameters.{field}: is ")]),
            Webhook::Down => said.refused(&["(InternalError)", "failed calling webhook"]),
            // The schema's 422, on which kubectl sends a DELETE.
            Webhook::Unconfigured => said.refused(&["(Forbidden)", KEPT]),
        };
        team.assert_unmoved(&before);
    }
    // A field that nobody knows is invalid to the API server, because kubectl asks it to be strict.
    let unknown = claim("types", json!({"flavour": "x"}));
    team.send(&["apply", "--force"], &unknown)
        .refused(&["(Forbidden)", KEPT]);
    team.assert_unmoved(&before);
}

/// Applies a claim as it was before it was replaced: its `resourceVersion` is stale.
fn exported(team: &Team, webhook: Webhook) {
    let before = team.placed("exported", json!({}));
    let exported = team
        .kubectl(&["get", "mysqlinstanceclaim", "exported", "--output=json"])
        .ok();
    team.send(&["replace"], &claim("exported", json!({"size": "large"})))
        .ok();
    let _outage = webhook.away(team.platform);
    let said = team.kubectl_with(&["apply", "--force", "--filename=-"], &exported);
    match webhook {
        Webhook::Up | Webhook::Unconfigured => said.refused(&["(Forbidden)", KEPT]),
        Webhook::Down => said.refused(&["(InternalError)", "failed calling webhook"]),
    };
    team.assert_unmoved(&before);
}

/// What the API server itself refuses.
fn its_own(team: &Team, webhook: Webhook) {
    let rows = [
        ("/metadata/labels/team", json!("no label!"), 422),
        ("/metadata/labels/no key!", json!("x"), 422),
        ("/metadata/annotations/no key!", json!("x"), 422),
        ("/metadata/finalizers", json!(["no finalizer!"]), 422),
        ("/metadata/ownerReferences", json!([{"kind": "ConfigMap"}]), 422),
        ("/metadata/uid", json!("00000000-0000-0000-0000-000000000000"), 422),
        ("/metadata/resourceVersion", json!("1"), 409),
    ];
    let claims = running(team, rows.len());
    let _outage = webhook.away(team.platform);
    for ((at, value, code), before) in rows.iter().zip(&claims) {
        let name = before["metadata"]["name"].as_str().unwrap();
        let change = with(json!({}), at, value);
        let answer = team.call("PATCH", &format!("{name}?dryRun=All"), Some(&change));
        assert_eq!(answer.code, *code, "{at} {value}: wanted {code}; saw {:#}", answer.body);
    }
    let manifests = rows
        .iter()
        .enumerate()
        .map(|(n, (at, value, _))| with(bare(n), at, value));
    let said = team
        .send(&["apply", "--force", "--validate=false"], &list(manifests))
        .refused(&[]);
    for (n, said) in complaints(&said, rows.len()).into_iter().enumerate() {
        let what = format!("apply --force of {:?}: wanted {KEPT:?}; saw {said:?}", rows[n]);
        assert!(said.is_some_and(|said| said.contains(KEPT)), "{what}");
        team.assert_unmoved(&claims[n]);
    }
}

fn operators(platform: &Platform) {
    let team = platform.team("force-operators").by(User::Operator);
    team.by(User::Developer).placed("db", json!({}));
    team.crossplane_writes("db", taken_up());
    let before = team.claim("db");
    for (field, values) in [
        (
            "compositionRevisionRef",
            json!(["mysql-aws-2", [], 5, {"name": ""}, {"name": 5}]),
        ),
        ("compositionUpdatePolicy", json!(["Sometimes", "", 5, {}, ["Manual"]])),
        (
            "compositionRef",
            json!([{"name": "mysql-gcp"}, {"name": 5}, "mysql-gcp", []]),
        ),
        (
            "compositionSelector",
            json!([{"matchLabels": {"x": "y"}}, {"matchLabels": 5}, "text"]),
        ),
        (
            "compositionRevisionSelector",
            json!([{"matchLabels": {"x": "y"}}, "text"]),
        ),
        ("resourceRefs", json!([[], "text", [{}]])),
    ] {
        for value in values.as_array().unwrap() {
            let at = format!("/spec/crossplane/{field}");
            let change = with(json!({}), &at, value);
            let answer = team.call("PATCH", "db", Some(&change));
            Webhook::Up.assert_answer(&answer, MOVES, &shown(&at), &format!("{at} {value} by an operator"));
        }
    }
    team.assert_unmoved(&before);
}

fn accounts(platform: &Platform) {
    let team = platform.team("force-accounts");
    let before = running(&team, 1).remove(0);
    let _outage = platform.unconfigure();
    let other = [
        ("compositionRef", json!({"name": "mysql-gcp"})),
        ("compositionRevisionRef", json!({"name": "mysql-aws-2"})),
        (
            "compositionRevisionSelector",
            json!({"matchLabels": {"channel": "rapid"}}),
        ),
        (
            "compositionSelector",
            json!({"matchLabels": {"db.platform.example.org/provider": "gcp"}}),
        ),
        ("compositionUpdatePolicy", json!("Manual")),
        ("resourceRefs", json!([])),
    ];
    let rolled_out = ["compositionRevisionRef", "compositionUpdatePolicy"];
    for user in User::ALL {
        let team = team.by(user);
        for (field, value) in &other {
            let allowed = match user {
                User::Crossplane => !["compositionRef", "compositionSelector"].contains(field),
                User::Operator => rolled_out.contains(field),
                User::Admin | User::Developer => false,
            };
            let codes = if allowed { NOTHING } else { MOVES };
            let at = format!("/spec/crossplane/{field}");
            // Left out, the policy is what the schema's default says.
            for value in [value, &Value::Null] {
                let answer = team.call("PATCH", "row-0?dryRun=All", Some(&with(json!({}), &at, value)));
                let what = format!("{user:?} writes {at} {value}");
                Webhook::Unconfigured.assert_answer(&answer, codes, &at, &what);
            }
        }
        // The rest of the placement is nobody's.
        let moves = |(at, _, codes): &Row| !at.starts_with("/spec/crossplane") && [MOVES, UNPLACES].contains(codes);
        for (at, value, _) in rows().into_iter().filter(moves) {
            let body = with(before.clone(), &at, &value);
            let answer = team.call("PUT", "row-0?dryRun=All", Some(&body));
            Webhook::Unconfigured.assert_answer(&answer, MOVES, &at, &format!("{user:?} writes {at} {value}"));
        }
    }
    // What may be written stays written.
    let refs = json!([{"apiVersion": "v1", "kind": "Secret", "name": "db"}]);
    team.crossplane_writes("row-0", json!({"resourceRefs": refs}));
    let change = json!({"spec": {"crossplane": {"compositionRevisionRef": {"name": "mysql-aws-2"}}}});
    team.by(User::Operator).call("PATCH", "row-0", Some(&change)).ok();
    let mut wanted = placement(&before);
    wanted["crossplane"]["resourceRefs"] = refs;
    wanted["crossplane"]["compositionRevisionRef"] = json!({"name": "mysql-aws-2"});
    assert_eq!(placement(&team.claim("row-0")), wanted, "wanted the one on the right");
}
