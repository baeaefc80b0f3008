//! What every request passes first: an id, a log line and a count, a deadline, a bound on its body, and where there is no
//! authentication, that it comes from this machine and from no other site's page.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::Api;
use super::problem::{Kind, Problem};
use crate::store::Caller;
use crate::telemetry::traces;

/// The longest body. A request is a few hundred bytes.
const MOST_BYTES: usize = 64 * 1024;

/// How much of a body that is too large is read all the same.
const MOST_DRAINED: usize = 16 * 1024 * 1024;

/// The id of a request: the caller's, if it sent one, else ours.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest id that is taken over.
const MOST_ID: usize = 128;

/// Puts all of it around the routes.
pub(super) fn around(router: Router, api: &Arc<Api>) -> Router {
    let panicked = {
        let metrics = Arc::clone(&api.metrics);
        move |_| {
            metrics.panicked();
            tracing::error!("a request panicked, which is a bug; it is answered with 500 and the others go on");
            Problem::new(Kind::Internal, "the log says more").into_response()
        }
    };
    let nowhere = || async {
        Problem::new(
            Kind::NotFound,
            "there is nothing here; /openapi.json says what there is",
        )
    };
    let not_so = || async { Problem::new(Kind::MethodNotAllowed, "the header Allow says what can be done") };
    router
        .fallback(nowhere)
        .method_not_allowed_fallback(not_so)
        .layer(from_fn_with_state(Arc::clone(api), bounded))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn_with_state(Arc::clone(api), told))
}

/// The credentials of a request, and its id.
///
/// # Errors
/// There are no credentials, and there have to be.
pub(super) fn caller(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    let request = headers.get(REQUEST_ID).and_then(|id| id.to_str().ok());
    Ok(Caller {
        token: if api.store.authenticates() {
            Some(token(headers)?)
        } else {
            None
        },
        request: request.unwrap_or_default().to_owned(),
    })
}

fn token(headers: &HeaderMap) -> Result<String, Problem> {
    let no = |why: &str| Problem::new(Kind::NotAuthenticated, why);
    let none = || no("no token came: send `Authorization: Bearer TOKEN`");
    let given = headers.get(AUTHORIZATION).ok_or_else(none)?;
    let given = given
        .to_str()
        .map_err(|_| no("the token has characters that no token has"))?;
    let (scheme, token) = given.split_once(' ').ok_or_else(none)?;
    let token = token.trim();
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(none());
    }
    Ok(token.to_owned())
}

/// Gives the request its id, and logs and counts what came of it.
async fn told(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
    // Hexadecimal digits and dashes.
    let id = given.or_else(|| HeaderValue::from_str(&Uuid::new_v4().to_string()).ok());
    if let Some(id) = &id {
        request.headers_mut().insert(REQUEST_ID, id.clone());
    }
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map(MatchedPath::as_str);
    // Load balancers ask for health, and would fill the collector.
    let span = match route {
        Some("/health") => Span::none(),
        route => traces::served(method, route, request.headers()),
    };
    let mut response = next.run(request).instrument(span.clone()).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    traces::answered(&span, status);
    let route = route.unwrap_or("none");
    api.metrics.request(method, route, status, took);
    tracing::info!(
        id = id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or_default(),
        method,
        route,
        status,
        duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "request"
    );
    let headers = response.headers_mut();
    if let Some(id) = id {
        headers.insert(REQUEST_ID, id);
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn is_plain(id: &HeaderValue) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/+=".contains(byte);
    (1..=MOST_ID).contains(&id.len()) && id.as_bytes().iter().all(plain)
}

/// The method as a metric label: what a client can make up is not one.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

/// Sees to it that the request may be answered here, that its body has come in whole, and that the answer comes in time.
async fn bounded(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if let Err(problem) = welcome(&api, &request) {
        return problem.into_response();
    }
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let body = match tokio::time::timeout(api.timeout, whole(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(problem)) => return problem.into_response(),
        Err(_) => {
            let why = format!("the body did not arrive within {:?}", api.timeout);
            return Problem::new(Kind::TooSlow, why).into_response();
        }
    };
    let answered = next.run(Request::from_parts(head, Body::from(body)));
    tokio::time::timeout(api.timeout.saturating_sub(started.elapsed()), answered)
        .await
        .unwrap_or_else(|_| {
            let why = format!(
                "there was no answer within {:?}; asking again does no harm",
                api.timeout
            );
            Problem::new(Kind::Unavailable, why).into_response()
        })
}

/// Whether a request is looked at at all, before any of its body is.
fn welcome(api: &Api, request: &Request) -> Result<(), Problem> {
    if api.store.authenticates() {
        // Nobody's body is taken in who does not at least show a token.
        return if request.body().is_end_stream() {
            Ok(())
        } else {
            token(request.headers()).map(drop)
        };
    }
    // Without authentication, a page of another site must not reach us by a name of its own.
    let mut hosts = request.headers().get_all(HOST).iter();
    let named = match (hosts.next(), hosts.next()) {
        (Some(host), None) => host.to_str().is_ok_and(names_this_machine),
        _ => false,
    };
    let asked = request.uri().authority();
    if named && asked.is_none_or(|asked| names_this_machine(asked.as_str())) {
        return Ok(());
    }
    let why = "the header Host must name this machine, such as localhost:8080";
    Err(Problem::new(Kind::NotLocal, why))
}

/// A body, read to its end also where it is too large: a connection closed before that is reset, and with it the answer.
/// That much patience has an end, too.
async fn whole(mut body: Body) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Kind::TooLarge, format!("the body is larger than {MOST_BYTES} bytes"));
    let mut read = Vec::new();
    let mut come = 0;
    if body.size_hint().lower() > MOST_DRAINED as u64 {
        return Err(too_large());
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::Malformed, "the body did not arrive in whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        come += data.len();
        if come > MOST_DRAINED {
            break;
        }
        if come <= MOST_BYTES {
            read.extend_from_slice(&data);
        }
    }
    if come > MOST_BYTES {
        return Err(too_large());
    }
    Ok(read.into())
}

/// Whether a host, with or without a port, is a name or address of the loopback interface.
fn names_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    // `host:` and a port that is none are taken for hosts by the parser.
    let whole = authority.port_u16().map_or_else(
        || authority.host().to_owned(),
        |port| format!("{}:{port}", authority.host()),
    );
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    let local =
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    local && whole == host
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_local_only_if_it_is_a_name_or_address_of_this_machine() {
        for (host, local) in [
            ("localhost", true),
            ("LOCALHOST:8080", true),
            ("127.0.0.1:8080", true),
            ("127.1.2.3", true),
            ("[::1]:8080", true),
            ("[::1]", true),
            ("localhost.evil.example", false),
            ("evil.example:8080", false),
            ("127.0.0.1.evil.example", false),
            ("10.0.0.1:8080", false),
            ("[2001:db8::1]:8080", false),
            ("0.0.0.0:8080", false),
            ("", false),
            ("[::1]evil", false),
            ("127.0.0.1:99999", false),
            ("127.0.0.1:x", false),
            ("localhost:", false),
            ("user@localhost", false),
        ] {
            assert_eq!(names_this_machine(host), local, "{host}");
        }
    }

    #[test]
    fn an_id_that_could_pass_for_something_else_in_a_log_is_not_taken_over() {
        for (id, plain) in [
            ("4f0c-1", true),
            ("a/b:c.d_e+f=", true),
            ("", false),
            ("a b", false),
            ("a\"b", false),
        ] {
            assert_eq!(is_plain(&HeaderValue::from_static(id)), plain, "{id}");
        }
        assert!(!is_plain(&HeaderValue::from_str(&"x".repeat(129)).unwrap()));
    }
}
