//! HTTP in, HTTP out: the routes of the three listeners. What they answer is decided elsewhere.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawQuery, State as Shared};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures::FutureExt;
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span};

use super::ready::readyz;
use super::{State, guarded};
use crate::admission::{self, Unreadable, Webhook, envelope, record};
use crate::catalog::followed::Followed;
use crate::catalog::{Object, Problem, effects};
use crate::certs::Certificates;
use crate::claim::Shown;
use crate::health::liveness;
use crate::telemetry::{OPEN_METRICS, traces};

/// The longest review that is read. A legal UPDATE, with two objects at the API server's own limit, takes 2.5 MB.
pub const MOST_BYTES: usize = 16 * 1024 * 1024;

/// How much of a longer one is kept, to find its uid and refuse it by that.
const BEGINNING: usize = 64 * 1024;

/// What a body has beyond this takes room for [`ROOM`], and it is parsed off the threads that serve, one at a time.
/// Usual reviews are a few kilobytes: they never wait, neither for room nor behind a large one.
const LARGE: usize = 256 * 1024;

/// How many KiB of large bodies are held at a time. A client holds as much of it as it has sent, so silent ones hold
/// nobody up.
const ROOM: usize = 64 * 1024;

/// How long a change of the catalog waits for its turn to have its consequences worked out.
const TURN: Duration = Duration::from_secs(2);

/// The webhooks.
pub fn admission(state: &Arc<State>) -> Router {
    let room = Arc::new(Semaphore::new(ROOM));
    let parsing = Arc::new(Semaphore::new(1));
    let webhook = |path: &'static str, asked| {
        let (room, parsing) = (Arc::clone(&room), Arc::clone(&parsing));
        post(move |Shared(state), request: Request<Body>| {
            let span = traces::served("POST", Some(path), request.headers());
            let reviewed = review(state, asked, Received::new(room, parsing), request).instrument(span.clone());
            reviewed.inspect(move |response| traces::answered(&span, response.status().as_u16()))
        })
    };
    // When it cannot call us, the API server shows people the path that it called, and nothing else of ours.
    let router = [
        ("/mutate", Asked::Claim(Webhook::Mutate)),
        ("/mutate/try-again", Asked::Claim(Webhook::Mutate)),
        ("/validate", Asked::Claim(Webhook::Validate)),
        ("/validate/try-again", Asked::Claim(Webhook::Validate)),
        ("/validate/catalog", Asked::Catalog),
    ]
    .into_iter()
    .fold(Router::new(), |router, (path, asked)| {
        router.route(path, webhook(path, asked))
    });
    let elsewhere = |status| move |Shared(state), request| elsewhere(state, status, request);
    let router = router
        .fallback(elsewhere(StatusCode::NOT_FOUND))
        .method_not_allowed_fallback(elsewhere(StatusCode::METHOD_NOT_ALLOWED));
    guarded(router.with_state(Arc::clone(state)), state)
}

/// What a review is about.
#[derive(Clone, Copy)]
enum Asked {
    Claim(Webhook),
    Catalog,
}

/// Health and metrics.
pub fn ops(state: &Arc<State>, certificates: Arc<Certificates>) -> Router {
    let ready = {
        let (state, certificates) = (Arc::clone(state), Arc::clone(&certificates));
        move |RawQuery(query)| async move { readyz(&state, &certificates, query.as_deref()) }
    };
    let metrics = {
        let state = Arc::clone(state);
        move || async move {
            let is_ready = state.checks(&certificates).iter().all(|(_, found)| found.is_ok());
            state.metrics.is_ready(is_ready);
            state
                .metrics
                .catalog_age(state.followed.as_ref().map_or(0.0, Followed::age));
            ([(header::CONTENT_TYPE, OPEN_METRICS)], state.metrics.encode())
        }
    };
    let router = Router::new()
        .route("/livez", get(async |RawQuery(query)| liveness(query.as_deref())))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics));
    guarded(router, state)
}

async fn review(state: Arc<State>, asked: Asked, mut received: Received, request: Request<Body>) -> Response {
    let started = Instant::now();
    let _in_flight = state.metrics.in_flight();
    let patience = patience(&state, request.uri().query());
    let whole = tokio::time::timeout(patience, received.read(request.into_body())).await;
    let last = state.is_draining() || !matches!(whole, Ok(Ok(())));
    let mut response = match whole {
        _ if received.too_large => too_large(&state, &received.all),
        Ok(Ok(())) if received.bytes().len() > LARGE || matches!(asked, Asked::Catalog) => {
            let waited = patience.saturating_sub(started.elapsed());
            let answered = answer_long(Arc::clone(&state), asked, received, started);
            match tokio::time::timeout(waited, answered).await {
                Ok(response) => response,
                Err(_) => unreadable(
                    &state,
                    StatusCode::REQUEST_TIMEOUT,
                    &"what takes long before it took too long",
                ),
            }
        }
        Ok(Ok(())) if started.elapsed() < patience => answer(&state, asked, received.bytes(), started),
        Ok(Err(error)) => unreadable(&state, StatusCode::BAD_REQUEST, &Shown(&error.to_string())),
        _ => unreadable(&state, StatusCode::REQUEST_TIMEOUT, &"the body did not arrive in time"),
    };
    if last {
        // The next request is to find its way to another instance, or the rest of this one is in its way.
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(header::CONNECTION, close);
    }
    response
}

/// Answers what is no review. Its body is read all the same: the connection would else be closed with bytes unread,
/// which resets it, and the answer is lost on its way (RFC 9112, section 9.6).
async fn elsewhere(state: Arc<State>, status: StatusCode, request: Request<Body>) -> Response {
    let patience = patience(&state, request.uri().query());
    let mut body = request.into_body();
    let _ = tokio::time::timeout(patience, async { while let Some(Ok(_)) = body.frame().await {} }).await;
    (status, "POST an AdmissionReview to /mutate or /validate\n").into_response()
}

/// How long the caller waits: the API server says so in `?timeout=`. Nothing is worked on for longer. Zero is no bound,
/// as everywhere in Kubernetes.
fn patience(state: &State, query: Option<&str>) -> Duration {
    let mut pairs = query.unwrap_or_default().split('&');
    let given = pairs.find_map(|pair| pair.strip_prefix("timeout="));
    let given = given.and_then(|text| humantime::parse_duration(text).ok());
    let given = given.filter(|given| !given.is_zero());
    given.map_or(state.request_timeout, |given| given.min(state.request_timeout))
}

/// What has come of a body.
struct Received {
    /// The first frame: in the usual case the whole body, and then never copied.
    first: Bytes,
    /// Every frame, once there are several; of a body that is too large only its beginning.
    all: Vec<u8>,
    too_large: bool,
    room: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
    /// The one place to parse a large body in.
    parsing: Arc<Semaphore>,
}

impl Received {
    fn new(room: Arc<Semaphore>, parsing: Arc<Semaphore>) -> Self {
        Self {
            first: Bytes::new(),
            all: Vec::new(),
            too_large: false,
            room,
            taken: None,
            parsing,
        }
    }

    /// Reads to the end, also what is too large: a connection closed before that is reset, and with it the answer.
    async fn read(&mut self, mut body: Body) -> Result<(), axum::Error> {
        let announced = body.size_hint().lower();
        let most = if announced > MOST_BYTES as u64 {
            BEGINNING
        } else {
            MOST_BYTES
        };
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                self.take(data, most);
            }
            self.take_room().await;
        }
        Ok(())
    }

    /// Takes room for what has come beyond [`LARGE`], waiting for it if need be; a timeout ends the wait.
    async fn take_room(&mut self) {
        let beyond = self.bytes().len().saturating_sub(LARGE).div_ceil(1024);
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let Ok(more @ 1..) = u32::try_from(beyond.saturating_sub(taken)) else {
            return;
        };
        // It is never closed, so there is always room to come.
        let Ok(more) = Arc::clone(&self.room).acquire_many_owned(more).await else {
            return;
        };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
    }

    fn take(&mut self, data: Bytes, most: usize) {
        if self.too_large {
            return;
        }
        if self.first.is_empty() {
            self.first = data;
        } else {
            if self.all.is_empty() {
                self.all.extend_from_slice(&self.first);
            }
            self.all.extend_from_slice(&data);
        }
        if self.bytes().len() > most {
            self.too_large = true;
            self.all = self.bytes().iter().copied().take(BEGINNING).collect();
            self.first = Bytes::new();
            self.taken = None;
        }
    }

    fn bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }
}

/// Answers what takes long, a large review or one of the catalog, where that holds up no thread that serves. Of large claims
/// there is one at a time.
async fn answer_long(state: Arc<State>, asked: Asked, received: Received, started: Instant) -> Response {
    let place = match asked {
        Asked::Claim(_) => Some(Arc::clone(&received.parsing).acquire_owned().await),
        Asked::Catalog => None,
    };
    let span = Span::current();
    let answered = tokio::task::spawn_blocking(move || {
        let response = span.in_scope(|| answer(&state, asked, received.bytes(), started));
        drop(place);
        response
    });
    match answered.await {
        Ok(response) => response,
        // As if it had happened here, where a panic is counted and answered.
        Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
    }
}

fn answer(state: &State, asked: Asked, body: &[u8], started: Instant) -> Response {
    let answered = match asked {
        Asked::Claim(webhook) => answer_claim(state, webhook, body, started),
        Asked::Catalog => answer_catalog(state, body, started),
    };
    answered.unwrap_or_else(|error| match error {
        Unreadable::NotReview(error) => {
            let why = error.to_string();
            let why = format_args!("the body is no AdmissionReview: {}", Shown(&why));
            unreadable(state, StatusCode::BAD_REQUEST, &why)
        }
        error => unreadable(state, StatusCode::BAD_REQUEST, &error),
    })
}

fn answer_claim(state: &State, webhook: Webhook, body: &[u8], started: Instant) -> Result<Response, Unreadable> {
    let review = envelope::read(body)?;
    let Some(held) = state.catalog.current() else {
        return Ok(unreadable(
            state,
            StatusCode::SERVICE_UNAVAILABLE,
            &state.why_no_catalog(),
        ));
    };
    let answer = admission::answer(webhook, &review, &held, &state.settings);
    let response = envelope::write(&review.uid, &answer);
    let revision = held.snapshot().revision().short();
    record(&state.metrics, &review, &answer, revision, started.elapsed());
    Ok(json(response))
}

fn answer_catalog(state: &State, body: &[u8], started: Instant) -> Result<Response, Unreadable> {
    let review = envelope::read_any(body)?;
    let answer = admission::catalog::answer(&review, |object| state.consequences(object));
    let kind = review.head.as_ref().ok().and_then(envelope::Head::kind);
    let (group, _, kind) = kind.unwrap_or_default();
    let response = envelope::write_about(&review.uid, &answer, group, kind);
    let held = state.catalog.current();
    let revision = held.as_ref().map_or("", |held| held.snapshot().revision().short());
    record(&state.metrics, &review, &answer, revision, started.elapsed());
    Ok(json(response))
}

impl State {
    /// What the object would newly make wrong, or why that is not known. For a large catalog it takes a while, so that there
    /// is one at a time, and whoever would wait for long is let in with a word: the API server lets in what is answered late
    /// without any. Waits, so not on a thread that serves.
    fn consequences(&self, object: &Object) -> Result<Vec<Problem>, &'static str> {
        let Some(followed) = &self.followed else {
            return Err("the catalog in force is not the cluster's, so this changes nothing (see --catalog)");
        };
        let Some(current) = followed.objects() else {
            return Err("the catalog has not been read yet, so what this means for other objects is not known");
        };
        let turn = tokio::time::timeout(TURN, self.consequences.acquire());
        let Ok(Ok(_turn)) = tokio::runtime::Handle::current().block_on(turn) else {
            return Err("too many changes at once to say what this means: see `idp-multicloud catalog check cluster`");
        };
        Ok(effects(&current, object))
    }
}

fn json(body: Vec<u8>) -> Response {
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))],
        body,
    )
        .into_response()
}

fn too_large(state: &State, beginning: &[u8]) -> Response {
    let Some(refusal) = envelope::refuse_oversized(beginning, MOST_BYTES) else {
        let why = format_args!("the body is larger than {MOST_BYTES} bytes");
        return unreadable(state, StatusCode::PAYLOAD_TOO_LARGE, &why);
    };
    state.metrics.unreadable();
    tracing::warn!("a review larger than {MOST_BYTES} bytes was refused");
    json(refusal)
}

/// `why` is safe to show.
fn unreadable(state: &State, status: StatusCode, why: &dyn Display) -> Response {
    state.metrics.unreadable();
    tracing::warn!(status = status.as_u16(), "request not answered as a review: {why}");
    (status, format!("{why}\n")).into_response()
}
