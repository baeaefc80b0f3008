//! Claims in a cluster. Every request carries its caller's own token: the API server authenticates, authorises and audits
//! the person. There are no credentials of ours in here that a request could fall back to.
//!
//! A claim is made by a plain create, which stores it or finds that there is one of that name, and in no case touches that
//! one. Server-side apply, even by a manager of its own and without force, becomes a co-owner of a claim of the same
//! values, and whoever made that claim then meets conflicts when changing it.

mod answer;
mod deletion;
mod position;

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::sync::RwLock;

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request};

use self::answer::Answer;
use self::position::Position;
use super::{Caller, Created, Existence, Key, Page, StoreError, Wanted};
use crate::admission::API_FIELD_MANAGER;
use crate::because::because;
use crate::claim::{GROUP, VERSION};
use crate::telemetry::traces;

/// The claims' name in URLs and rights.
const RESOURCE: &str = "mysqlinstanceclaims";

/// How many claims the API server is asked for at a time.
const CHUNK: usize = 500;

/// How many times it is asked for one page. A filter that hardly any claim passes gives a short page, not a late one.
const MOST_CHUNKS: usize = 10;

/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

const JSON: &str = "application/json";

/// An object's metadata and nothing else of it, which for a Secret is the point. No other form will do.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Claims in a cluster.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    /// Read by everything that is not to end half done.
    unsettled: Arc<RwLock<()>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// The cluster that `config` leads to. Its credentials are dropped here.
    ///
    /// # Errors
    /// The configuration cannot be used.
    pub fn new(mut config: Config) -> kube::Result<Self> {
        config.auth_info = AuthInfo::default();
        config.headers.clear();
        // Whoever asks has a deadline, and is told when to try again.
        config.default_retry = false;
        let client = crate::catalog::cluster::client(config)?;
        Ok(Self {
            client,
            unsettled: Arc::default(),
        })
    }

    pub(super) async fn create(&self, caller: &Caller, key: &Key, claim: &Value) -> Result<Created, StoreError> {
        let path = format!(
            "{}?fieldManager={API_FIELD_MANAGER}&fieldValidation=Strict",
            claims(Some(key.namespace()))
        );
        let answer = self.ask(caller, Method::POST, &path, JSON, Some(claim)).await?;
        let warnings = answer.warnings();
        let claim = answer.of_claims()?;
        Ok(Created { claim, warnings })
    }

    pub(super) async fn get(&self, caller: &Caller, key: &Key) -> Result<Value, StoreError> {
        self.ask(caller, Method::GET, &claim(key), JSON, None)
            .await?
            .of_claims()
    }

    pub(super) async fn list(
        &self,
        caller: &Caller,
        wanted: &Wanted<'_>,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Page, StoreError> {
        let mut page = Page::default();
        let mut at = Position::read(wanted.from, wanted.namespace)?;
        // Without a filter a page is what the API server calls one. With it, many claims may have to be looked at.
        let chunk = if wanted.filtered { CHUNK } else { wanted.limit };
        for _ in 0..MOST_CHUNKS {
            let path = format!("{}?limit={chunk}{}", claims(wanted.namespace), at.parameter());
            let answer = self.ask(caller, Method::GET, &path, JSON, None).await?;
            if answer.status == 400 && wanted.from.is_some() {
                return Err(StoreError::NoSuchPage);
            }
            let mut listed = answer.of_claims()?;
            let known = |field: &str| {
                let value = listed.pointer("/metadata").and_then(|metadata| metadata.get(field));
                value.and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            let (next, version) = (known("continue"), known("resourceVersion"));
            let found = listed
                .get_mut("items")
                .and_then(Value::as_array_mut)
                .map(std::mem::take);
            for (i, mut claim) in found.unwrap_or_default().into_iter().enumerate().skip(at.skip) {
                if !fits(&claim) {
                    continue;
                }
                if page.claims.len() == wanted.limit {
                    page.next = Some(Position { skip: i, version, ..at }.to_string());
                    return Ok(page);
                }
                // A list does not say it of each.
                if let Some(claim) = claim.as_object_mut() {
                    claim.insert("apiVersion".to_owned(), format!("{GROUP}/{VERSION}").into());
                    claim.insert("kind".to_owned(), crate::claim::KIND.into());
                }
                page.claims.push(claim);
            }
            if next.is_empty() {
                return Ok(page);
            }
            at = Position {
                skip: 0,
                version: String::new(),
                chunk: next,
                ..at
            };
            // Whether there is one more that fits is not worth another chunk.
            if page.claims.len() == wanted.limit {
                break;
            }
        }
        page.next = Some(at.to_string());
        Ok(page)
    }

    pub(super) async fn secret(&self, caller: &Caller, namespace: &str, name: &str) -> Result<Existence, StoreError> {
        let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}");
        let answer = self.send(caller, Method::GET, &path, JSON, METADATA, None).await?;
        match answer.status {
            200 => Ok(Existence::Exists),
            404 => Ok(Existence::Missing),
            403 | 406 => Ok(Existence::Unknown(answer.message())),
            _ => Err(answer.error()),
        }
    }

    /// Whether the caller may do that to claims; everywhere, or to any, where no namespace or name is given.
    pub(super) async fn may(
        &self,
        caller: &Caller,
        verb: &str,
        namespace: Option<&str>,
        name: Option<&str>,
    ) -> Result<(), StoreError> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {
                "group": GROUP, "version": VERSION, "resource": RESOURCE, "verb": verb,
                "namespace": namespace.unwrap_or_default(), "name": name.unwrap_or_default(),
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let answer = self.ask(caller, Method::POST, path, JSON, Some(&review)).await?;
        let answered = answer.ok()?;
        if answered.pointer("/status/allowed") == Some(&Value::Bool(true)) {
            return Ok(());
        }
        let place = namespace.map_or_else(
            || "in all namespaces; name the one that you work in".to_owned(),
            |namespace| format!("in namespace {namespace}; ask whoever looks after it"),
        );
        Err(StoreError::Forbidden(format!(
            "you may not {verb} {RESOURCE}.{GROUP} {place}"
        )))
    }

    async fn ask(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        sends: &'static str,
        body: Option<&Value>,
    ) -> Result<Answer, StoreError> {
        self.send(caller, method, path, sends, JSON, body).await
    }

    async fn send(
        &self,
        caller: &Caller,
        method: Method,
        path: &str,
        sends: &'static str,
        takes: &'static str,
        body: Option<&Value>,
    ) -> Result<Answer, StoreError> {
        let body = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(AUTHORIZATION, bearer(caller)?)
            .header(ACCEPT, takes)
            .header(CONTENT_TYPE, sends)
            .body(Body::from(body));
        let mut request = request.map_err(|error| StoreError::Failed(error.to_string()))?;
        traces::passed_on(request.headers_mut());
        let away = |why: &dyn std::fmt::Display| {
            tracing::warn!("the API server cannot be asked: {why}");
            StoreError::Unavailable("the API server cannot be reached; try again".to_owned())
        };
        let answered = async {
            let response = self.client.send(request).await.map_err(|error| {
                let why = because(&error);
                away(&why)
            })?;
            let (head, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| away(&error))?;
            Ok(Answer::new(&head, &body.to_bytes()))
        };
        tokio::time::timeout(PATIENCE, answered)
            .await
            .unwrap_or_else(|_| Err(away(&"it does not answer")))
    }
}

/// The header that says who asks.
fn bearer(caller: &Caller) -> Result<HeaderValue, StoreError> {
    let no = |why: &str| StoreError::NotAuthenticated(why.to_owned());
    let token = caller
        .token
        .as_ref()
        .ok_or_else(|| no("no token came: send `Authorization: Bearer TOKEN`"))?;
    let header = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut header = header.map_err(|_| no("the token has characters that no token has"))?;
    header.set_sensitive(true);
    Ok(header)
}

/// The path of a namespace's claims, or of all.
fn claims(namespace: Option<&str>) -> String {
    let place = namespace.map_or_else(String::new, |namespace| format!("namespaces/{namespace}/"));
    format!("/apis/{GROUP}/{VERSION}/{place}{RESOURCE}")
}

/// The path of a claim.
fn claim(key: &Key) -> String {
    format!("{}/{}", claims(Some(key.namespace())), key.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_no_token_or_one_that_no_header_takes_is_not_let_near_the_api_server() {
        assert!(matches!(
            bearer(&Caller::default()),
            Err(StoreError::NotAuthenticated(_))
        ));
        for token in ["a\r\nX-Remote-User: admin", "a\nb", "\u{0}"] {
            let caller = Caller {
                token: Some(token.to_owned()),
                ..Caller::default()
            };
            assert!(
                matches!(bearer(&caller), Err(StoreError::NotAuthenticated(_))),
                "{token:?}"
            );
        }
    }
}
