//! Another mutating webhook, called after ours: what it makes of a placement is refused.

use std::net::TcpListener;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use axum_server::tls_rustls::RustlsConfig;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Case;
use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::platform::Platform;
use crate::support::cluster::team::{assert_placed, claim};

pub const CASES: &[Case] = &[("another_webhook_that_moves_claims_is_refused_its_changes", moved)];

const CONFIGURATIONS: &str = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations";

fn moved(platform: &Platform) {
    let team = platform.team("others-moved");
    let before = team.placed("before", json!({}));
    let port = serve(platform);
    // Configurations are called by order of their names.
    let configuration = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "moves-claims"},
        "webhooks": [{
            "name": "moves.claims.example.org",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "clientConfig": {
                "url": format!("https://127.0.0.1:{port}/"),
                "caBundle": STANDARD.encode(platform.authority()),
            },
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": team.namespace}},
            "rules": [{
                "apiGroups": ["db.platform.example.org"], "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"], "resources": ["mysqlinstanceclaims"],
            }],
        }],
    });
    platform
        .api
        .call(User::Admin, "POST", CONFIGURATIONS, Some(&configuration))
        .ok();

    let create = || team.call("POST", "?dryRun=All", Some(&claim("db", json!({}))));
    await_answer("the other webhook is called", create, |answer| answer.code == 403);
    let message = create().forbidden(&["validate.mysqlinstanceclaims.platform.example.org"]);
    assert!(message.contains("spec.parameters.provider"), "{message}");
    let larger = json!({"spec": {"parameters": {"size": "large"}}});
    team.call("PATCH", "before", Some(&larger))
        .forbidden(&["ValidatingAdmissionPolicy 'update."]);
    team.assert_unmoved(&before);

    platform
        .api
        .call(User::Admin, "DELETE", &format!("{CONFIGURATIONS}/moves-claims"), None)
        .ok();
    await_answer("the other webhook is not called", create, |answer| answer.code == 201);
    assert_placed(&create().ok());
}

/// A webhook that puts every claim into another cloud; gives its port.
fn serve(platform: &Platform) -> u16 {
    async fn answer(body: String) -> ([(axum::http::HeaderName, &'static str); 1], String) {
        let review: Value = serde_json::from_str(&body).unwrap();
        let patch = json!([{"op": "replace", "path": "/spec/parameters/provider", "value": "gcp"}]);
        let answer = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {
            "uid": review["request"]["uid"], "allowed": true,
            "patchType": "JSONPatch", "patch": STANDARD.encode(patch.to_string()),
        }});
        ([(CONTENT_TYPE, "application/json")], answer.to_string())
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let pair = platform.certificate("moves-claims");
    platform.api.spawn(async move {
        let config = RustlsConfig::from_pem_file(pair.cert, pair.key).await.unwrap();
        let server = axum_server::tls_rustls::from_tcp_rustls(listener, config).unwrap();
        server
            .serve(Router::new().route("/", post(answer)).into_make_service())
            .await
            .unwrap();
    });
    port
}
