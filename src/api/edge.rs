//! What every request passes first: an id, a log line and a count, a deadline, a bound on its body, and where there is no
//! authentication, that it comes from this machine and from no other site's page.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HOST, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::Uuid;

use super::Api;
use super::problem::{Kind, Problem};
use crate::store::Caller;

/// The longest body. A request is a few hundred bytes.
const MOST_BYTES: usize = 64 * 1024;

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

/// The credentials of a request.
///
/// # Errors
/// There are none, and there have to be.
pub(super) fn caller(api: &Api, headers: &HeaderMap) -> Result<Caller, Problem> {
    if !api.store.authenticates() {
        return Ok(Caller::default());
    }
    let given = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    });
    let token = token.filter(|token| !token.is_empty()).ok_or_else(|| {
        let why = "no token came: send `Authorization: Bearer TOKEN`";
        Problem::new(Kind::NotAuthenticated, why)
    })?;
    Ok(Caller {
        token: Some(token.to_owned()),
    })
}

/// Gives the request its id, and logs and counts what came of it.
async fn told(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let given = request.headers().get(REQUEST_ID).filter(|id| is_plain(id)).cloned();
    // Hexadecimal digits and dashes.
    let id = given.or_else(|| HeaderValue::from_str(&Uuid::new_v4().to_string()).ok());
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    let mut response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
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
    // Without authentication, a page of another site must not reach us by a name of its own.
    if !api.store.authenticates() && !names_this_machine(request.headers().get(HOST)) {
        let why = "the header Host must name this machine, such as localhost:8080";
        return Problem::new(Kind::NotLocal, why).into_response();
    }
    let answered = tokio::time::timeout(api.timeout, async {
        let (head, body) = request.into_parts();
        match whole(body).await {
            Ok(body) => next.run(Request::from_parts(head, Body::from(body))).await,
            Err(problem) => problem.into_response(),
        }
    });
    answered.await.unwrap_or_else(|_| {
        let why = format!(
            "there was no answer within {:?}; asking again does no harm",
            api.timeout
        );
        Problem::new(Kind::Unavailable, why).into_response()
    })
}

/// A body, read to its end also where it is too large: a connection closed before that is reset, and with it the answer.
async fn whole(mut body: Body) -> Result<Bytes, Problem> {
    let mut read = Vec::new();
    let mut too_large = false;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::new(Kind::Malformed, "the body did not arrive in whole"))?;
        let Ok(data) = frame.into_data() else { continue };
        too_large |= read.len() + data.len() > MOST_BYTES;
        if !too_large {
            read.extend_from_slice(&data);
        }
    }
    if too_large {
        let why = format!("the body is larger than {MOST_BYTES} bytes");
        return Err(Problem::new(Kind::TooLarge, why));
    }
    Ok(read.into())
}

/// Whether a `Host` is a name or address of the loopback interface.
fn names_this_machine(host: Option<&HeaderValue>) -> bool {
    let Some(host) = host.and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
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
        ] {
            let header = HeaderValue::from_static(host);
            assert_eq!(names_this_machine(Some(&header)), local, "{host}");
        }
        assert!(!names_this_machine(None));
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
