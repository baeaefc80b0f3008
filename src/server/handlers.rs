//! HTTP in, HTTP out: the routes of the three listeners. What they answer is decided elsewhere.

use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;

use super::{State, guarded};
use crate::admission::{self, Answer, Operation, Outcome, Review, Webhook, envelope};
use crate::certs::Certificates;
use crate::claim::Shown;

/// The longest review that is read. A legal UPDATE, with two objects at the API server's own limit, takes 2.5 MB.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How much of a longer one is read, to find its uid and refuse it by that.
const BEGINNING: usize = 64 * 1024;

/// The webhooks.
#[must_use]
pub fn admission(state: Arc<State>) -> Router {
    let router = Router::new()
        .route(
            "/mutate",
            post(|Shared(state), request| review(state, Webhook::Mutate, request)),
        )
        .route(
            "/validate",
            post(|Shared(state), request| review(state, Webhook::Validate, request)),
        );
    guarded(router.with_state(Arc::clone(&state)), &state)
}

/// REST and portal: so far only whether the server is there.
#[must_use]
pub fn api(state: &Arc<State>) -> Router {
    guarded(Router::new().route("/health", get("ok\n")), state)
}

/// Health and metrics.
#[must_use]
pub fn ops(state: Arc<State>, certificates: Arc<Certificates>) -> Router {
    let ready = {
        let state = Arc::clone(&state);
        move |RawQuery(query)| async move { readyz(&state, &certificates, query.as_deref()) }
    };
    let metrics = {
        let state = Arc::clone(&state);
        move || async move {
            const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, OPEN_METRICS)], state.metrics.encode())
        }
    };
    let router = Router::new()
        .route("/livez", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    guarded(router, &state)
}

async fn review(state: Arc<State>, webhook: Webhook, request: Request<Body>) -> Response {
    let started = Instant::now();
    let _in_flight = state.metrics.in_flight();
    let patience = patience(&state, request.uri().query());
    let mut response = match tokio::time::timeout(patience, read(request.into_body())).await {
        Ok(Ok(body)) if started.elapsed() < patience => answer(&state, webhook, &body, started),
        Ok(Err(Unread::TooLarge(beginning))) => too_large(&state, &beginning),
        Ok(Err(Unread::Broken(error))) => unreadable(&state, StatusCode::BAD_REQUEST, &error.to_string()),
        _ => unreadable(&state, StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time"),
    };
    if state.is_draining() {
        // The next request is to find its way to another instance.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// How long the caller waits: the API server says so in `?timeout=`. Nothing is worked on for longer.
fn patience(state: &State, query: Option<&str>) -> Duration {
    let pairs = query.unwrap_or_default().split('&');
    let given = pairs.filter_map(|pair| pair.strip_prefix("timeout=")).next();
    let given = given.and_then(|text| humantime::parse_duration(text).ok());
    given.map_or(state.request_timeout, |given| given.min(state.request_timeout))
}

enum Unread {
    TooLarge(Vec<u8>),
    Broken(axum::Error),
}

/// The whole body; in the usual case the one frame that it came in, not copied.
async fn read(mut body: Body) -> Result<Bytes, Unread> {
    let announced = body.size_hint().lower();
    let most = if announced > MOST_BYTES as u64 {
        BEGINNING
    } else {
        MOST_BYTES
    };
    let mut first = Bytes::new();
    let mut all = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(Unread::Broken)?.into_data() else {
            continue;
        };
        if first.is_empty() {
            first = data;
        } else {
            if all.is_empty() {
                all.extend_from_slice(&first);
            }
            all.extend_from_slice(&data);
        }
        if first.len().max(all.len()) > most {
            all.extend_from_slice(if all.is_empty() { &first } else { &[] });
            all.truncate(BEGINNING);
            return Err(Unread::TooLarge(all));
        }
    }
    Ok(if all.is_empty() { first } else { Bytes::from(all) })
}

fn answer(state: &State, webhook: Webhook, body: &[u8], started: Instant) -> Response {
    let review = match envelope::read(body) {
        Ok(review) => review,
        Err(error) => return unreadable(state, StatusCode::BAD_REQUEST, &error.to_string()),
    };
    let held = state.catalog.current();
    let answer = admission::answer(webhook, &review, &held, &state.settings);
    let response = envelope::write(&review.uid, &answer);
    record(
        state,
        &review,
        &answer,
        held.snapshot().revision().short(),
        started.elapsed(),
    );
    json(response)
}

fn json(body: Vec<u8>) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}

fn too_large(state: &State, beginning: &[u8]) -> Response {
    if let Some(refusal) = envelope::refuse_oversized(beginning, MOST_BYTES) {
        state.metrics.unreadable();
        tracing::warn!("a review larger than {MOST_BYTES} bytes was refused");
        let mut response = json(refusal);
        // The rest of the body is not read, so the connection cannot be used again.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
        return response;
    }
    unreadable(
        state,
        StatusCode::PAYLOAD_TOO_LARGE,
        &format!("the body is larger than {MOST_BYTES} bytes"),
    )
}

fn unreadable(state: &State, status: StatusCode, why: &str) -> Response {
    state.metrics.unreadable();
    tracing::warn!(
        status = status.as_u16(),
        "request not answered as a review: {}",
        Shown(why)
    );
    (status, format!("{}\n", Shown(why))).into_response()
}

/// One line and a few counts for each review; never the claim's body.
fn record(state: &State, review: &Review<'_>, answer: &Answer<'_>, revision: &str, took: Duration) {
    let head = review.head.as_ref().ok();
    let operation = head.map_or(Operation::Unknown, envelope::Head::operation).as_str();
    let outcome = answer.outcome.as_str();
    let problems = answer.verdict.as_ref().err();
    let causes = problems.into_iter().flatten().map(|problem| problem.cause.as_str());
    state.metrics.review(operation, outcome, causes, took);
    let dry_run = head.is_some_and(envelope::Head::dry_run);
    let placed = answer.placed.as_ref();
    if let (Some(placed), Outcome::Placed, false) = (placed, answer.outcome, dry_run) {
        state.metrics.placement(&placed.cell, &placed.tier, &placed.provider);
    }
    tracing::info!(
        uid = %Shown(&review.uid),
        namespace = %Shown(head.map_or("", envelope::Head::namespace)),
        name = %Shown(head.map_or("", envelope::Head::name)),
        user = %Shown(head.map_or("", envelope::Head::user)),
        operation,
        dry_run,
        outcome,
        causes = %problems.into_iter().flatten().map(|problem| problem.cause.as_str()).collect::<Vec<_>>().join(","),
        winner = placed.map_or("", |placed| &placed.candidate),
        catalog = revision,
        micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
        "admission"
    );
}

/// Ready while the server is not about to end. What it serves from was good at the start and stays good, so nothing
/// else takes it out of service; `?verbose` says what was refused since.
fn readyz(state: &State, certificates: &Certificates, query: Option<&str>) -> Response {
    let ready = !state.is_draining();
    let mut text = String::new();
    if query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    }) {
        let mut line = |good: bool, check: &str, state: String| {
            let _ = writeln!(text, "[{}]{check}: {state}", if good { '+' } else { '-' });
        };
        let held = state.catalog.current();
        let revision = held.snapshot().revision().short();
        line(
            true,
            "catalog",
            match state.catalog_refusal.load().as_deref() {
                None => format!("ok, revision {revision}"),
                Some(refusal) => format!("ok, still revision {revision}; the newest change is refused: {refusal}"),
            },
        );
        let status = certificates.status();
        let not_after = status.validity.not_after;
        line(
            true,
            "certificate",
            match status.refusal {
                None => format!("ok, expires at Unix time {not_after}"),
                Some(refusal) => format!("ok, expires at Unix time {not_after}; the newest is refused: {refusal}"),
            },
        );
        line(ready, "serving", (if ready { "ok" } else { "ending" }).to_owned());
    }
    if ready {
        text.push_str("ready\n");
        text.into_response()
    } else {
        text.push_str("not ready: the server is ending\n");
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}
