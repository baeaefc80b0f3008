//! The day the webhook is away, or its configuration is gone or opened: nothing is created, moved or unplaced, and the
//! rest goes on.

use std::net::SocketAddr;
use std::thread;

use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{self, Answer, User, await_answer, free_port};
use crate::support::cluster::pki::Authority;
use crate::support::cluster::platform::{Platform, path};
use crate::support::cluster::team::{REASON, Team, assert_placed, claim, placement};
use crate::support::server::eventually;

pub const CASES: &[Case] = &[
    ("while_nobody_listens_claims_wait_and_the_rest_goes_on", stopped),
    (
        "while_the_service_has_no_endpoint_claims_wait_and_the_rest_goes_on",
        no_endpoint,
    ),
    ("while_the_servers_are_frozen_claims_wait_and_the_rest_goes_on", frozen),
    ("while_the_servers_refuse_tls_claims_wait_and_the_rest_goes_on", no_tls),
    (
        "while_the_authority_is_the_wrong_one_claims_wait_and_the_rest_goes_on",
        wrong_authority,
    ),
    (
        "with_the_configuration_deleted_nothing_is_created_moved_or_unplaced",
        deleted,
    ),
    (
        "with_the_create_entry_opened_in_whichever_way_nothing_is_created",
        opened,
    ),
    (
        "with_the_validating_configuration_deleted_claims_are_still_placed",
        not_validated,
    ),
    ("without_the_validating_webhook_claims_wait", validating_away),
    ("crossplane_takes_a_claim_up_without_a_call_of_the_webhook", taken_up),
];

/// What the webhook's entries are called.
const CREATE: &str = "create.mysqlinstanceclaims.platform.example.org";
const UPDATE: &str = "update.mysqlinstanceclaims.platform.example.org";

/// What the message of a refusal tells people to do.
const REMEDY: &str = "try-again";

fn stopped(platform: &Platform) {
    outage(platform, "outage-stopped", "connection refused", || {
        platform.call_webhooks_at(free_port(), &platform.authority());
    });
}

fn no_endpoint(platform: &Platform) {
    outage(platform, "outage-no-endpoint", "EOF", || {
        platform.balancer.only(&[]);
    });
}

fn frozen(platform: &Platform) {
    outage(platform, "outage-frozen", "timeout=1s", || {
        platform.edit_mutating(|configuration| {
            for webhook in configuration["webhooks"].as_array_mut().unwrap() {
                webhook["timeoutSeconds"] = 1.into();
            }
        });
        for server in &platform.servers {
            server.signal("STOP");
        }
    });
}

fn no_tls(platform: &Platform) {
    outage(platform, "outage-no-tls", "HTTP response to HTTPS client", || {
        let plain: SocketAddr = platform.servers[0].ops().unwrap();
        platform.call_webhooks_at(plain.port(), &platform.authority());
    });
}

fn wrong_authority(platform: &Platform) {
    outage(platform, "outage-wrong-authority", "x509", || {
        platform.call_webhooks_at(platform.balancer.port(), &Authority::new().pem());
    });
}

/// Takes the webhook away, tries everything, and brings it back.
fn outage(platform: &Platform, namespace: &str, why: &str, away: impl FnOnce()) {
    let team = platform.team(namespace);
    let kept = team.placed("kept", json!({}));
    team.placed("new-here", json!({}));
    team.placed("disposable", json!({"environment": "dev"}));

    let outage = platform.outage();
    away();
    eventually("the API server cannot reach the webhook", || {
        let answer = team.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({}))));
        answer.code == 500 && answer.body["message"].as_str().unwrap().contains(why)
    });
    claims_wait(&team, &kept);
    the_rest_goes_on(&team);
    drop(outage);

    assert_placed(&team.placed("refused", json!({})));
    team.apply(&claim("kept", json!({"storageGB": 100}))).ok();
    team.assert_unmoved(&kept);
    assert_eq!(team.claim("kept")["spec"]["parameters"]["storageGB"], 100);
}

/// Nothing is created, and no spec or reason changes. All at once, as each may wait for the webhook's time to be up.
fn claims_wait(team: &Team<'_>, kept: &Value) {
    let (new, larger) = (claim("refused", json!({})), claim("kept", json!({"storageGB": 100})));
    let wrong = claim("kept", json!({"storageGB": "10"}));
    let sent = [
        (&["create"][..], &new, CREATE),
        (&["apply"], &new, CREATE),
        (&["apply", "--server-side"], &new, CREATE),
        (&["apply"], &larger, UPDATE),
        (&["apply", "--force"], &larger, UPDATE),
        (&["apply", "--force"], &wrong, UPDATE),
        (&["apply", "--server-side", "--force-conflicts"], &larger, UPDATE),
        (&["replace"], &claim("kept", json!({})), UPDATE),
    ];
    let ran = at_once(&sent, |(args, object, _)| team.send(args, object));
    for (ran, (_, _, entry)) in ran.into_iter().zip(sent) {
        let failed = format!("failed calling webhook \"{entry}\"");
        ran.refused(&["(InternalError)", &failed, REMEDY]);
    }
    // Its DELETE is refused, before anything else.
    team.send(&["replace", "--force"], &larger).refused(&["(Forbidden)"]);
    let changes = [
        json!({"spec": {"parameters": {"size": "large"}}}),
        json!({"spec": {"parameters": {"provider": "gcp"}}}),
        json!({"spec": {"parameters": {"provider": null, "region": null, "runtimeCluster": null, "network": null}}}),
        json!({"spec": {"crossplane": null}}),
        json!({"metadata": {"annotations": {REASON: null}}}),
    ];
    for answer in at_once(&changes, |change| team.call("PATCH", "kept", Some(change))) {
        unavailable(answer, UPDATE);
    }
    assert_eq!(team.stored("refused"), None, "wanted: no claim; saw: one");
    team.assert_unmoved(kept);
    let now = team.claim("kept");
    assert_eq!(
        now["spec"], kept["spec"],
        "wanted: the spec on the right; saw: the one on the left"
    );
}

/// Does the same with each, all at the same time.
fn at_once<T: Sync, R: Send>(each: &[T], done: impl Fn(&T) -> R + Sync) -> Vec<R> {
    thread::scope(|scope| {
        let done = &done;
        let running: Vec<_> = each.iter().map(|one| scope.spawn(move || done(one))).collect();
        running.into_iter().map(|one| one.join().unwrap()).collect()
    })
}

/// Fails unless the API server says that it could not call the webhook.
#[track_caller]
fn unavailable(answer: Answer, entry: &str) {
    let message = answer.body["message"].as_str().unwrap_or_default();
    let failed = format!("failed calling webhook \"{entry}\"");
    assert!(
        answer.code == 500
            && answer.body["reason"] == "InternalError"
            && message.contains(&failed)
            && message.contains(REMEDY),
        "wanted: 500 InternalError with {failed:?} and {REMEDY:?}; saw: {} {:#}",
        answer.code,
        answer.body
    );
}

/// What changes neither spec nor reason, and Crossplane's own work.
fn the_rest_goes_on(team: &Team<'_>) {
    for change in [
        json!({"metadata": {"labels": {"team": "orders"}}}),
        json!({"metadata": {"annotations": {"orders.example.org/owner": "us"}}}),
        json!({"metadata": {"finalizers": ["orders.example.org/backup"]}}),
        json!({"metadata": {"finalizers": null}}),
    ] {
        team.call("PATCH", "kept", Some(&change)).ok();
    }
    let status = json!({"status": {"endpoint": "db.example.org", "port": 3306}});
    team.call("PATCH", "kept/status", Some(&status)).ok();
    team.kubectl(&["annotate", "mysqlinstanceclaim", "kept", "orders.example.org/seen=true"])
        .ok();
    // GitOps tools apply what is there already, again and again.
    for args in [
        &["apply"][..],
        &["apply", "--server-side", "--field-manager=gitops", "--force-conflicts"],
    ] {
        team.send(args, &claim("kept", json!({}))).ok();
    }
    take_up(team, "new-here");
    team.call("DELETE", "disposable", None).ok();
    assert_eq!(team.stored("disposable"), None, "wanted: deleted; saw: it is there");
}

/// What Crossplane writes until a claim is ready.
fn take_up(team: &Team<'_>, name: &str) {
    let before = team.claim(name);
    let team = team.by(User::Crossplane);
    // It sends the object whole, as it was answered last.
    let put = |rest: &str, change: &dyn Fn(&mut Value)| {
        let mut object = team.claim(name);
        change(&mut object);
        team.call("PUT", &format!("{name}{rest}"), Some(&object)).ok();
    };
    let conditions = |ready: &str, reason: &str| {
        let condition = |kind: &str, status: &str, reason: &str| {
            let time = "2026-01-01T00:00:00Z";
            json!({"type": kind, "status": status, "reason": reason, "lastTransitionTime": time})
        };
        json!([
            condition("Synced", "True", "ReconcileSuccess"),
            condition("Ready", ready, reason)
        ])
    };
    let refs = |names: &[&str]| {
        let made = |name: &&str| json!({"apiVersion": "v1", "kind": "Secret", "name": name});
        json!({"spec": {"crossplane": {"resourceRefs": names.iter().map(made).collect::<Vec<_>>()}}})
    };
    put("", &|object| {
        object["metadata"]["finalizers"] = json!(["composite.apiextensions.crossplane.io"]);
    });
    put("", &|object| {
        object["spec"]["crossplane"]["compositionRef"] = json!({"name": "mysql-aws"});
    });
    put("", &|object| {
        object["spec"]["crossplane"]["compositionRevisionRef"] = json!({"name": "mysql-aws-1"});
    });
    put("", &|object| {
        object["metadata"]["labels"]["crossplane.io/composite"] = name.into();
    });
    server_side(&team, name, "", refs(&["one"]));
    server_side(&team, name, "/status", json!({"status": {"version": "8.4"}}));
    put("/status", &|object| {
        object["status"]["conditions"] = conditions("False", "Creating");
    });
    server_side(&team, name, "", refs(&["one", "two"]));
    put("/status", &|object| {
        object["status"]["conditions"] = conditions("True", "Available");
    });

    let after = team.claim(name);
    let composed = &after["spec"]["crossplane"];
    assert_eq!(
        (
            &composed["compositionRef"]["name"],
            composed["resourceRefs"].as_array().map(Vec::len)
        ),
        (&"mysql-aws".into(), Some(2)),
        "wanted: all that Crossplane wrote; saw: {after:#}"
    );
    assert_eq!(after["status"]["conditions"][1]["status"], "True", "{after:#}");
    let mut placed = placement(&after);
    placed["crossplane"] = json!({"compositionSelector": composed["compositionSelector"]});
    let mut wanted = placement(&before);
    wanted["crossplane"] = json!({"compositionSelector": before["spec"]["crossplane"]["compositionSelector"]});
    assert_eq!(
        placed, wanted,
        "wanted: the placement on the right; saw: the one on the left"
    );
}

/// Crossplane's server-side apply.
fn server_side(team: &Team<'_>, name: &str, rest: &str, mut object: Value) {
    object["apiVersion"] = "db.platform.example.org/v1alpha1".into();
    object["kind"] = "MySQLInstanceClaim".into();
    let manager = "fieldManager=apiextensions.crossplane.io/composite&force=true";
    let path = path(&team.namespace, &format!("{name}{rest}?{manager}"));
    let api = &team.platform.api;
    let client = api.client(team.user);
    let answer = apiserver::call(&client, "PATCH", &path, "application/apply-patch+yaml", Some(&object));
    api.block_on(answer).unwrap().ok();
}

fn taken_up(platform: &Platform) {
    let team = platform.team("outage-taken-up");
    let outcomes = || ["placed", "confirmed", ""].map(|outcome| platform.reviews(&[outcome]));
    let before = outcomes();
    team.call("POST", "", Some(&claim("db", json!({})))).ok();
    let created = outcomes();
    take_up(&team, "db");
    let after = outcomes();
    let rise = |to: [f64; 3], from: [f64; 3]| [0, 1, 2].map(|n: usize| format!("{}", to[n] - from[n]));
    let wanted = |[placed, confirmed, all]: [&str; 3]| [placed, confirmed, all].map(str::to_owned);
    assert_eq!(
        rise(created, before),
        wanted(["1", "1", "2"]),
        "reviews of the create: placed, confirmed, all"
    );
    assert_eq!(
        rise(after, created),
        wanted(["0", "0", "0"]),
        "reviews of Crossplane's writes"
    );
    // The count can rise: a change of the spec is a call.
    team.call("PATCH", "db", Some(&json!({"spec": {"parameters": {"storageGB": 60}}})))
        .ok();
    assert_eq!(rise(outcomes(), after), wanted(["0", "0", "1"]), "reviews of a change");
}

fn deleted(platform: &Platform) {
    let team = platform.team("outage-deleted");
    let kept = team.placed("kept", json!({}));
    let _outage = platform.unconfigure();
    let what = "no configuration";
    await_refusal(&team, what, "no params found for policy binding");
    // The API server answers this itself, and with no other code; there is no claim yet that a tool could delete.
    nothing_is_created(&team, what, &kept, &[422], "no params found for policy binding");
    nothing_is_moved(&team, &kept, &[403]);
    for args in [&["replace"][..], &["replace", "--force"]] {
        team.send(args, &claim("kept", json!({}))).refused(&["(Forbidden)"]);
    }
    let moved = ["apply", "--server-side", "--force-conflicts", "--field-manager=other"];
    team.send(&moved, &claim("kept", gcp())).refused(&["(Forbidden)"]);
    team.assert_unmoved(&kept);
    // What changes nothing goes on, and the database may still grow.
    team.apply(&claim("kept", json!({}))).ok();
    team.apply(&claim("kept", json!({"storageGB": 100}))).ok();
    team.assert_unmoved(&kept);
}

/// Ways to have the create entry not called, or not fail closed.
type Opening = (&'static str, fn(&mut Value));

const OPENINGS: &[Opening] = &[
    ("failurePolicy: Ignore", |create| {
        create["failurePolicy"] = "Ignore".into();
    }),
    ("a namespaceSelector", |create| {
        create["namespaceSelector"] = json!({"matchLabels": {"placed": "true"}});
    }),
    ("a namespaceSelector by expression", |create| {
        create["namespaceSelector"] = json!({"matchExpressions": [{"key": "placed", "operator": "Exists"}]});
    }),
    ("an objectSelector", |create| {
        create["objectSelector"] = json!({"matchLabels": {"placed": "true"}});
    }),
    ("a matchCondition", |create| {
        create["matchConditions"] = json!([{"name": "never", "expression": "false"}]);
    }),
    ("no CREATE", |create| {
        create["rules"][0]["operations"] = json!(["UPDATE"]);
    }),
    ("another resource", |create| {
        create["rules"][0]["resources"] = json!(["others"]);
    }),
    ("another group", |create| {
        create["rules"][0]["apiGroups"] = json!(["example.org"]);
    }),
    ("another version", |create| {
        create["rules"][0]["apiVersions"] = json!(["v1beta1"]);
    }),
    ("another scope", |create| create["rules"][0]["scope"] = "Cluster".into()),
    ("no rules", |create| create["rules"] = json!([])),
];

fn opened(platform: &Platform) {
    const SAYS: &str = "is not as it is shipped";
    let team = platform.team("outage-opened");
    let kept = team.placed("kept", json!({}));
    let _outage = platform.outage();
    let mut shipped = Value::Null;
    platform.edit_mutating(|configuration| shipped = configuration["webhooks"].clone());
    let openings = OPENINGS.iter().map(|&(what, open)| (what, Some(open)));
    for (what, open) in openings.chain([("no create entry", None)]) {
        platform.edit_mutating(|configuration| match open {
            Some(open) => open(&mut configuration["webhooks"][0]),
            None => drop(configuration["webhooks"].as_array_mut().unwrap().remove(0)),
        });
        await_refusal(&team, what, SAYS);
        nothing_is_created(&team, what, &kept, &[403], "");
        // With nobody there the webhook cannot be what refuses.
        platform.balancer.only(&[]);
        nothing_is_created(&team, what, &kept, &[403], SAYS);
        platform.serve_again();
        platform.edit_mutating(|configuration| configuration["webhooks"] = shipped.clone());
        platform.await_placing();
    }
    let (what, ignore) = OPENINGS[0];
    platform.edit_mutating(|configuration| ignore(&mut configuration["webhooks"][0]));
    await_refusal(&team, what, SAYS);
    // What is dropped, the update entry puts back.
    nothing_is_moved(&team, &kept, &[200, 403]);
}

/// Waits until a bare claim is refused with these words.
fn await_refusal(team: &Team<'_>, what: &str, says: &str) {
    let ask = || team.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({}))));
    await_answer(&format!("creates are refused with {what}"), ask, |answer| {
        answer.body["message"]
            .as_str()
            .is_some_and(|message| message.contains(says))
    });
}

/// Neither a bare claim nor one that brings its placement, whoever sends it.
#[track_caller]
fn nothing_is_created(team: &Team<'_>, what: &str, kept: &Value, codes: &[u16], says: &str) {
    let mut copy = kept.clone();
    copy["metadata"] = json!({"name": "refused", "annotations": {REASON: kept["metadata"]["annotations"][REASON]}});
    let mut forged = copy.clone();
    forged["spec"]["parameters"]["provider"] = "gcp".into();
    forged["spec"]["crossplane"]["compositionSelector"]["matchLabels"]["db.platform.example.org/provider"] =
        "gcp".into();
    for user in [User::Developer, User::Operator, User::Admin, User::Crossplane] {
        for claim in [&claim("refused", json!({})), &copy, &forged] {
            let answer = team.by(user).call("POST", "", Some(claim));
            let message = answer.body["message"].as_str().unwrap_or_default();
            assert!(
                codes.contains(&answer.code) && message.contains(says),
                "{what}: wanted: {codes:?} with {says:?} for {user:?}; saw: {} {:#}\nfor {claim:#}",
                answer.code,
                answer.body
            );
        }
    }
    assert_eq!(team.stored("refused"), None, "wanted: no claim; saw: one");
}

/// Another place.
fn gcp() -> Value {
    json!({
        "provider": "gcp", "region": "us-central1", "runtimeCluster": "gcp-usc1-prod", "network": {"network": "other"},
    })
}

/// Every part of the placement dropped or changed.
#[track_caller]
fn nothing_is_moved(team: &Team<'_>, kept: &Value, codes: &[u16]) {
    let provider = json!({"matchLabels": {"db.platform.example.org/provider": "gcp"}});
    let alone = gcp();
    let alone = alone.as_object().unwrap().iter().flat_map(|(field, value)| {
        [value, &Value::Null].map(|value| json!({"spec": {"parameters": {field.as_str(): value}}}))
    });
    let changes = [
        json!({"spec": {"parameters": gcp()}}),
        json!({"spec": {"parameters": {"provider": null, "region": null, "runtimeCluster": null, "network": null}}}),
        json!({"spec": {"parameters": {"cell": "archive"}}}),
        json!({"spec": {"parameters": {"environment": "dev"}}}),
        json!({"spec": {"parameters": null}}),
        json!({"spec": {"crossplane": null}}),
        json!({"spec": {"crossplane": {"compositionSelector": provider}}}),
        json!({"spec": null}),
        json!({"metadata": {"annotations": {REASON: null}}}),
        json!({"metadata": {"annotations": {REASON: "{}"}}}),
        json!({"metadata": {"annotations": null}}),
    ];
    for change in changes.into_iter().chain(alone) {
        for user in [User::Developer, User::Admin] {
            let answer = team.by(user).call("PATCH", "kept", Some(&change));
            assert!(
                codes.contains(&answer.code),
                "wanted: {codes:?} for {user:?}; saw: {} {:#}\nfor {change:#}",
                answer.code,
                answer.body
            );
            team.assert_unmoved(kept);
        }
    }
}

fn validating_away(platform: &Platform) {
    let team = platform.team("outage-validating-away");
    let _outage = platform.outage();
    platform.call_validating_at(free_port());
    let ask = || team.call("POST", "?dryRun=All", Some(&claim("refused", json!({}))));
    await_answer("the validating webhook is not reached", ask, |answer| {
        answer.code != 201
    });
    unavailable(ask(), "validate.mysqlinstanceclaims.platform.example.org");
}

fn not_validated(platform: &Platform) {
    let team = platform.team("outage-not-validated");
    let outage = platform.outage();
    let confirmed = || platform.reviews(&["confirmed"]);
    platform.delete_validating();
    // In force once a create is not confirmed any more.
    eventually("the validating webhook is not called", || {
        let before = confirmed();
        team.call("POST", "?dryRun=All", Some(&claim("not-kept", json!({}))))
            .ok();
        confirmed().to_bits() == before.to_bits()
    });
    assert_placed(&team.placed("placed", json!({})));
    let forbidden = claim("forged", json!({"provider": "gcp"}));
    team.call("POST", "", Some(&forbidden))
        .forbidden(&["spec.parameters.provider"]);
    drop(outage);
    let before = confirmed();
    team.call("POST", "", Some(&claim("validated", json!({})))).ok();
    assert!(
        confirmed() > before,
        "wanted: the validating webhook is called again; saw: it is not"
    );
}
