use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use kube::Config;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;

/// A client of an API server that answers so to the queries it is sent, and those queries.
async fn server(answer: impl Fn(&str) -> Response + Send + Sync + 'static) -> (Client, Arc<Mutex<Vec<String>>>) {
    let (asked, answer) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer));
    let heard = Arc::clone(&asked);
    let router = Router::new().fallback(async move |request: Request| {
        assert_eq!(request.headers()[header::ACCEPT], TABLE);
        let query = request.uri().query().unwrap_or_default().to_owned();
        heard.lock().unwrap().push(format!("{}?{query}", request.uri().path()));
        answer(&query)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let _ = rustls::crypto::ring::default_provider().install_default();
    (Client::try_from(Config::new(url.parse().unwrap())).unwrap(), asked)
}

/// A page of the table, with these cells in the column of the provider.
fn table(next: Option<&str>, providers: &[Value]) -> Response {
    let rows = providers
        .iter()
        .map(|provider| json!({"cells": ["c", "C1", provider], "object": null}));
    let rows: Vec<Value> = rows.collect();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {"resourceVersion": "7", "continue": next},
        "columnDefinitions": [{"name": "Name"}, {"name": "Tier"}, {"name": "Provider"}],
        "rows": if rows.is_empty() { Value::Null } else { rows.into() },
    })
    .to_string()
    .into_response()
}

#[tokio::test]
async fn claims_are_counted_page_by_page_and_no_object_is_asked_for() {
    let (client, asked) = server(|query| {
        if query.contains("continue=second") {
            table(None, &[json!("gcp"), Value::Null])
        } else {
            table(Some("second"), &[json!("aws"), json!(""), json!("oci")])
        }
    })
    .await;
    let wanted = Counted { placed: 3, unplaced: 2 };
    assert_eq!(counted(&client).await, Ok(wanted));
    let path = "/apis/db.platform.example.org/v1alpha1/mysqlinstanceclaims";
    assert_eq!(
        *asked.lock().unwrap(),
        [
            format!("{path}?&limit=500&includeObject=None"),
            format!("{path}?&limit=500&continue=second&includeObject=None"),
        ]
    );
}

#[tokio::test]
async fn a_cluster_without_claims_has_none() {
    let (client, _) = server(|_| table(None, &[])).await;
    assert_eq!(counted(&client).await, Ok(Counted::default()));
}

#[tokio::test]
async fn what_is_no_such_table_is_not_counted() {
    let (client, _) = server(|_| {
        let table = json!({"metadata": {}, "columnDefinitions": [{"name": "Name"}], "rows": []});
        table.to_string().into_response()
    })
    .await;
    let said = counted(&client).await.unwrap_err();
    assert_eq!(said, "the definition of claims has no column Provider");

    let (client, _) = server(|_| json!({"kind": "List", "items": []}).to_string().into_response()).await;
    assert!(counted(&client).await.is_err());
}

#[tokio::test]
async fn a_count_that_fails_is_told_and_leaves_no_number() {
    let (client, _) = server(|_| {
        let status = json!({"kind": "Status", "status": "Failure", "code": 403, "reason": "Forbidden",
            "message": "you may not list claims"});
        (StatusCode::FORBIDDEN, status.to_string()).into_response()
    })
    .await;
    assert_eq!(counted(&client).await, Err("you may not list claims".to_owned()));

    let metrics = ControllerMetrics::default();
    metrics.claims(2, 1);
    assert!(metrics.encode(0.0, true).contains("idp_claims{state=\"unplaced\"} 1\n"));
    let failed = async {
        while !metrics
            .encode(0.0, true)
            .contains("idp_controller_claims_failures_total 1\n")
        {
            sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = count(&client, &metrics) => panic!("it counts for ever"),
        () = failed => {}
    }
    assert!(!metrics.encode(0.0, true).contains("idp_claims{"));
}
