//! Who may do what by `crossplane/rbac.yaml`, tried as somebody who has nothing else.

use serde_json::json;

use crate::Case;
use crate::cloud::{Cloud, apply};
use crate::support::cluster::apiserver::{Ran, User};
use crate::support::cluster::team::{Team, claim};

pub const CASES: &[Case] = &[
    (
        "an_app_team_edits_its_claims_and_nothing_that_is_made_of_them",
        app_team,
    ),
    (
        "whoever_may_edit_or_view_a_namespace_may_edit_or_view_its_claims",
        aggregated,
    ),
    ("an_operator_sees_what_is_made_and_changes_claims_only", operator),
];

/// What is made of a claim, and how: by kind, with its group.
const MADE: [&str; 9] = [
    "compositeresourcedefinitions.apiextensions.crossplane.io",
    "compositions.apiextensions.crossplane.io",
    "compositionrevisions.apiextensions.crossplane.io",
    "instances.rds.aws.m.upbound.io",
    "databaseinstances.sql.gcp.m.upbound.io",
    "databases.sql.gcp.m.upbound.io",
    "users.sql.gcp.m.upbound.io",
    "mysqldbsystems.mysql.oci.m.upbound.io",
    "secrets",
];
const CLAIMS: &str = "mysqlinstanceclaims.db.platform.example.org";
const STATUS: &str = "mysqlinstanceclaims.db.platform.example.org/status";
const WRITES: [&str; 4] = ["create", "update", "patch", "delete"];

fn app_team(cloud: &Cloud) {
    let someone = Someone::with(cloud, "rights-team", "idp-multicloud-claims-edit");
    for verb in [&["get", "list", "watch"][..], &WRITES].concat() {
        someone.assert(true, verb, CLAIMS);
    }
    for verb in WRITES {
        someone.assert(false, verb, STATUS);
        for made in MADE {
            someone.assert(false, verb, made);
        }
    }
    someone.assert(false, "get", "secrets");
    // Not only what the API server says it would say.
    let orders = claim("orders", json!({}));
    someone.kubectl(&["apply", "--filename", "-"], &orders.to_string()).ok();
    let status = ["patch", CLAIMS, "orders", "--subresource=status", "--type=merge"];
    let forged = [&status[..], &["--patch", r#"{"status":{"endpoint":"forged.example"}}"#]].concat();
    someone
        .kubectl(&forged, "")
        .refused(&["Forbidden", "mysqlinstanceclaims/status"]);
    someone
        .kubectl(&["get", "secret", "orders-admin"], "")
        .refused(&["Forbidden", "secrets"]);
}

fn aggregated(cloud: &Cloud) {
    for (role, writes) in [("view", false), ("edit", true), ("admin", true)] {
        let someone = Someone::with(cloud, &format!("rights-{role}"), role);
        someone.assert(true, "get", CLAIMS);
        for verb in WRITES {
            someone.assert(writes, verb, CLAIMS);
            someone.assert(false, verb, STATUS);
        }
        // What Kubernetes gives to these roles itself is not ours to say: Secrets.
        for made in &MADE[..8] {
            for verb in WRITES {
                someone.assert(false, verb, made);
            }
        }
    }
}

fn operator(cloud: &Cloud) {
    let someone = Someone::with(cloud, "rights-operator", "idp-multicloud-operators");
    for verb in [&["get", "list", "watch"][..], &WRITES].concat() {
        someone.assert(true, verb, CLAIMS);
    }
    someone.assert(false, "patch", STATUS);
    for made in &MADE[..8] {
        // Those of the whole cluster are bound for the whole cluster.
        someone.assert(true, "get", made);
        for verb in WRITES {
            someone.assert(false, verb, made);
        }
    }
    someone.assert(false, "get", "secrets");
}

/// A user with one role and nothing else.
struct Someone<'a> {
    team: Team<'a>,
    name: String,
}

impl<'a> Someone<'a> {
    /// One who has a role in a namespace of their own, and a role of the whole cluster if it has anything there.
    fn with(cloud: &'a Cloud, name: &str, role: &str) -> Self {
        let binding = |kind: &str, namespace: &str| {
            json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind,
                "metadata": {"name": format!("test-{name}"), "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": name}],
            })
        };
        let team = cloud.platform.team(name);
        if role == "idp-multicloud-operators" {
            apply(&cloud.platform, &binding("ClusterRoleBinding", "").to_string());
        } else {
            apply(&cloud.platform, &binding("RoleBinding", &team.namespace).to_string());
        }
        let someone = Self {
            team: team.by(User::Admin),
            name: name.to_owned(),
        };
        // The API server learns of a new binding a moment later.
        cloud.crossplane.until("the binding is known", || {
            let said = someone.may("get", CLAIMS);
            said.then_some(()).ok_or_else(|| "not yet".to_owned())
        });
        someone
    }

    fn kubectl(&self, args: &[&str], stdin: &str) -> Ran {
        let user = format!("--as={}", self.name);
        self.team.kubectl_with(&[args, &[user.as_str()]].concat(), stdin)
    }

    /// Asks the API server itself. What is `RESOURCE.GROUP`, or `RESOURCE.GROUP/SUBRESOURCE`.
    fn may(&self, verb: &str, what: &str) -> bool {
        let (what, subresource) = what.split_once('/').unwrap_or((what, ""));
        let (resource, group) = what.split_once('.').unwrap_or((what, ""));
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": self.name, "resourceAttributes": {
                "namespace": self.team.namespace, "verb": verb,
                "group": group, "resource": resource, "subresource": subresource,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer = self
            .team
            .platform
            .api
            .call(User::Admin, "POST", path, Some(&review))
            .ok();
        answer["status"]["allowed"] == true
    }

    #[track_caller]
    fn assert(&self, wanted: bool, verb: &str, what: &str) {
        assert_eq!(self.may(verb, what), wanted, "whether {} may {verb} {what}", self.name);
    }
}
