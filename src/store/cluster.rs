//! Claims in a cluster. Every request carries its caller's own token: the API server authenticates, authorises and audits
//! the person. There are no credentials of ours in here that a request could fall back to.
//!
//! A claim is made by a plain create, which stores it or finds that there is one of that name, and in no case touches that
//! one. Server-side apply, even by a manager of its own and without force, becomes a co-owner of a claim of the same
//! values, and whoever made that claim then meets conflicts when changing it.

mod answer;

use http_body_util::BodyExt;
use kube::client::Body;
use kube::config::AuthInfo;
use kube::{Client, Config};
use serde_json::{Value, json};

use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderValue, Method, Request};

use self::answer::Answer;
use super::deletion::{ALLOW, ALLOWED};
use super::{Caller, Created, Deleted, Existence, Key, Page, StoreError, Wanted};
use crate::admission::API_FIELD_MANAGER;
use crate::claim::{GROUP, VERSION};

/// The claims' name in URLs and rights.
const RESOURCE: &str = "mysqlinstanceclaims";

/// How many claims the API server is asked for at a time.
const CHUNK: usize = 500;

/// How many times it is asked for one page. A filter that hardly any claim passes gives a short page, not a late one.
const MOST_CHUNKS: usize = 10;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";

/// An object's metadata and nothing else of it, which for a Secret is the point. No other form will do.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Claims in a cluster.
pub struct Cluster {
    client: Client,
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
        Ok(Self { client })
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
        let mut at = Position::read(wanted.from)?;
        for _ in 0..MOST_CHUNKS {
            let path = format!("{}?limit={CHUNK}{}", claims(wanted.namespace), at.parameter());
            let answer = self.ask(caller, Method::GET, &path, JSON, None).await?;
            if answer.status == 400 && !at.chunk.is_empty() {
                return Err(StoreError::NoSuchPage);
            }
            let mut chunk = answer.of_claims()?;
            let next = chunk
                .pointer("/metadata/continue")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let next = next.to_owned();
            let found = chunk.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
            for (i, mut claim) in found.unwrap_or_default().into_iter().enumerate().skip(at.skip) {
                if !fits(&claim) {
                    continue;
                }
                if page.claims.len() == wanted.limit {
                    page.next = Some(Position { skip: i, ..at }.to_string());
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
            at = Position { skip: 0, chunk: next };
            // Whether there is one more that fits is not worth another chunk.
            if page.claims.len() == wanted.limit {
                break;
            }
        }
        page.next = Some(at.to_string());
        Ok(page)
    }

    pub(super) async fn delete(
        &self,
        caller: &Caller,
        key: &Key,
        found: &Value,
        allow: bool,
    ) -> Result<Deleted, StoreError> {
        let uid = found.pointer("/metadata/uid").cloned().unwrap_or_default();
        if allow {
            // Whoever may not delete it is not to leave it unprotected.
            let (namespace, name) = (Some(key.namespace()), Some(key.name()));
            self.may(caller, "delete", namespace, name).await?;
            let path = format!("{}?fieldManager={API_FIELD_MANAGER}", claim(key));
            let annotated = json!({"metadata": {"uid": uid, "annotations": {ALLOW: ALLOWED}}});
            let answer = self
                .ask(caller, Method::PATCH, &path, MERGE_PATCH, Some(&annotated))
                .await?;
            answer.of_claims()?;
        }
        let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}});
        let answer = self
            .ask(caller, Method::DELETE, &claim(key), JSON, Some(&options))
            .await?;
        let left = answer.of_claims()?;
        Ok(match left.pointer("/metadata/deletionTimestamp") {
            None => Deleted::Gone,
            Some(_) => Deleted::Going {
                waits_for: finalizers(&left),
            },
        })
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
        let request = request.map_err(|error| StoreError::Failed(error.to_string()))?;
        let away = |why: &dyn std::fmt::Display| {
            tracing::warn!("the API server cannot be asked: {why}");
            StoreError::Unavailable("the API server cannot be reached; try again".to_owned())
        };
        let response = self.client.send(request).await.map_err(|error| {
            let why = crate::catalog::cluster::because(&error);
            away(&why)
        })?;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| away(&error))?;
        Ok(Answer::new(&head, &body.to_bytes()))
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

fn finalizers(claim: &Value) -> Vec<String> {
    let all = claim.pointer("/metadata/finalizers").and_then(Value::as_array);
    let names = all.into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// Where a page begins: so many claims into a chunk. A chunk is what the API server calls `continue`, as of the moment
/// when the first one was asked for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Position {
    skip: usize,
    chunk: String,
}

impl Position {
    fn read(from: Option<&str>) -> Result<Self, StoreError> {
        let Some(from) = from else { return Ok(Self::default()) };
        let (skip, chunk) = from.split_once('.').ok_or(StoreError::NoSuchPage)?;
        let skip = skip.parse().map_err(|_| StoreError::NoSuchPage)?;
        // It is put into a URL as it is.
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
        if !chunk.bytes().all(fine) {
            return Err(StoreError::NoSuchPage);
        }
        Ok(Self {
            skip,
            chunk: chunk.to_owned(),
        })
    }

    fn parameter(&self) -> String {
        if self.chunk.is_empty() {
            String::new()
        } else {
            format!("&continue={}", self.chunk)
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.skip, self.chunk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is_put_into_a_url() {
        for (skip, chunk) in [(0, ""), (499, "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"), (7, "a-_=")] {
            let position = Position {
                skip,
                chunk: chunk.to_owned(),
            };
            assert_eq!(Position::read(Some(&position.to_string())), Ok(position));
        }
        assert_eq!(Position::read(None), Ok(Position::default()));
        for wrong in [
            "",
            "1",
            "x.abc",
            "-1.abc",
            "1.a&limit=0",
            "1.a b",
            "1.%41",
            "99999999999999999999.a",
        ] {
            assert_eq!(Position::read(Some(wrong)), Err(StoreError::NoSuchPage), "{wrong}");
        }
    }

    #[test]
    fn who_has_no_token_or_one_that_no_header_takes_is_not_let_near_the_api_server() {
        assert!(matches!(
            bearer(&Caller::default()),
            Err(StoreError::NotAuthenticated(_))
        ));
        for token in ["a\r\nX-Remote-User: admin", "a\nb", "\u{0}"] {
            let caller = Caller {
                token: Some(token.to_owned()),
            };
            assert!(
                matches!(bearer(&caller), Err(StoreError::NotAuthenticated(_))),
                "{token:?}"
            );
        }
    }
}
