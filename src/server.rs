//! Listeners, limits, health and graceful drain: the only place that wires rooms together.

mod connections;
mod follow;
mod handlers;
mod ready;
mod watch;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use axum::Router;
use axum_server::Handle;
use axum_server::accept::NoDelayAcceptor;
use axum_server::tls_rustls::RustlsAcceptor;
use tokio::sync::Semaphore;

use crate::admission::Settings;
use crate::api::{self, Api};
use crate::catalog::cluster;
use crate::catalog::folder::Folder;
use crate::catalog::followed::Followed;
use crate::catalog::live::Live;
use crate::certs::Certificates;
use crate::portal;
use crate::telemetry::{self, Metrics};

pub use connections::Limited;
pub use handlers::{admission, ops};

/// How long a new connection has for its TLS handshake; to the plain listener of probes, for its first request's header.
const FIRST_REQUEST: Duration = Duration::from_secs(10);

/// How long a connection may then lie idle, or take for the next header. Longer than the 90 s after which Go's client
/// (the API server) drops an idle connection, so that never a request meets a connection that we are just closing. It holds
/// from the handshake on: Go's client keeps connections that it has made and not needed yet, and sends a request that was lost
/// on one of them to nobody else.
const IDLE: Duration = Duration::from_mins(2);

/// How long after the last request's time is up its answer may still take.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long the end waits for what is half done in the store: three answers of the API server, at most.
const UNSETTLED: Duration = Duration::from_secs(15);

/// What a running server shares between its requests.
#[derive(Debug)]
pub struct State {
    /// The catalog in force.
    pub catalog: Arc<Live>,
    /// Why the newest change of the catalog is not in force, while that is so.
    pub catalog_refusal: ArcSwapOption<String>,
    /// The cluster whose catalog it is, if it is one's.
    pub followed: Option<Followed>,
    /// Whose turn it is to have the consequences of a change of the catalog worked out.
    pub consequences: Semaphore,
    /// Who has which privilege.
    pub settings: Settings,
    /// The longest that a request may take, its body included.
    pub request_timeout: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Set once the server is to end: not ready, while it goes on serving.
    pub draining: AtomicBool,
}

impl State {
    /// Whether the server is about to end.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Where changes of the catalog come from.
pub enum Changes {
    /// There are none.
    None,
    /// A folder, which is read again and again.
    Folder(Folder),
    /// A cluster, which tells.
    Cluster(kube::Client),
}

/// How a server runs.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How long it goes on serving once it is to end, so that whoever sends requests learns of it first.
    pub drain_delay: Duration,
    /// The most connections open at a time, for each listener.
    pub connections: usize,
}

/// REST and portal, and where they are served.
#[derive(Debug)]
pub struct Rest {
    /// What answers.
    pub api: Arc<Api>,
    /// Where.
    pub listener: TcpListener,
    /// Over TLS, by the same certificates as the webhooks.
    pub tls: bool,
}

/// The bound listeners; `None` is switched off.
#[derive(Debug, Default)]
pub struct Listeners {
    /// HTTPS: the webhooks.
    pub admission: Option<TcpListener>,
    /// HTTP, or HTTPS: REST and portal.
    pub api: Option<Rest>,
    /// HTTP: health and metrics.
    pub ops: Option<TcpListener>,
}

/// Serves until `ended` resolves, then drains: `/readyz` fails first, serving goes on for the delay, requests in flight
/// finish.
///
/// # Errors
/// A listener that cannot be served from, or files that cannot be watched.
pub async fn run(
    state: Arc<State>,
    listeners: Listeners,
    certificates: Arc<Certificates>,
    changes: Changes,
    limits: Limits,
    ended: impl Future<Output = Ended>,
) -> io::Result<()> {
    let handle = Handle::new();
    let mut following = tokio::task::JoinSet::new();
    let folder = match changes {
        Changes::None => None,
        Changes::Folder(folder) => Some(folder),
        Changes::Cluster(client) => {
            let start = move || cluster::follow(client.clone());
            following.spawn(follow::run(Arc::downgrade(&state), start));
            None
        }
    };
    watch::start(&state, Arc::clone(&certificates), folder)?;
    let mut serving = tokio::task::JoinSet::new();
    let limited = || Limited::new(NoDelayAcceptor::new(), limits.connections, Arc::clone(&state));
    let api = listeners.api.as_ref().map(|rest| Arc::clone(&rest.api));
    let rest = listeners.api.map(|rest| {
        let router = api::router(&rest.api, portal::router());
        (rest.listener, rest.tls, IDLE, router)
    });
    let bound = [
        listeners
            .admission
            .map(|listener| (listener, true, IDLE, admission(&state))),
        rest,
        listeners
            .ops
            .map(|listener| (listener, false, FIRST_REQUEST, ops(&state, Arc::clone(&certificates)))),
    ];
    for (listener, tls, first_request, router) in bound.into_iter().flatten() {
        let server = tuned(axum_server::from_tcp(listener)?, first_request, &handle);
        let service = router.into_make_service();
        if tls {
            let acceptor = RustlsAcceptor::new(certificates.tls())
                .handshake_timeout(FIRST_REQUEST)
                .acceptor(limited());
            serving.spawn(server.acceptor(acceptor).serve(service));
        } else {
            serving.spawn(server.acceptor(limited()).serve(service));
        }
    }
    let ended = tokio::select! {
        ended = ended => ended,
        Some(stopped) = serving.join_next() => {
            return stopped.map_err(io::Error::other)?;
        }
    };
    state.draining.store(true, Ordering::Relaxed);
    if ended == Ended::Gently {
        tracing::info!(delay = ?limits.drain_delay, "asked to end: not ready any more, still serving");
        tokio::time::sleep(limits.drain_delay).await;
    }
    tracing::info!("no new connections; finishing requests in flight");
    handle.graceful_shutdown(Some(state.request_timeout.saturating_add(LAST_WORDS)));
    while let Some(stopped) = serving.join_next().await {
        stopped.map_err(io::Error::other)??;
    }
    if let Some(api) = api
        && tokio::time::timeout(UNSETTLED, api.store.settled()).await.is_err()
    {
        tracing::error!("a deletion is still under way: see whether its claim has the annotation that allows it");
    }
    telemetry::traces::end();
    tracing::info!("ended");
    telemetry::flush();
    Ok(())
}

/// How a server was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// By whatever runs it (SIGTERM): others may still send it requests for a while.
    Gently,
    /// By a person at the keyboard (SIGINT): nobody else knows of it, so there is no need to wait.
    Now,
}

fn tuned(
    mut server: axum_server::Server<SocketAddr>,
    first_request: Duration,
    handle: &Handle<SocketAddr>,
) -> axum_server::Server<SocketAddr> {
    server.http_builder().http1().header_read_timeout(IDLE);
    server
        .http1_only()
        .first_request_timeout(first_request)
        .accept_error_handler(|peer, error| tracing::debug!(?peer, %error, "connection not accepted"))
        .handle(handle.clone())
}

/// The routes of every listener answer a panic in one request with 500, count it, and go on.
pub(crate) fn guarded(router: Router, state: &Arc<State>) -> Router {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use tower_http::catch_panic::CatchPanicLayer;

    let state = Arc::clone(state);
    router.layer(CatchPanicLayer::custom(move |_| {
        state.metrics.panicked();
        tracing::error!("a request panicked, which is a bug; it is answered with 500 and the others go on");
        (StatusCode::INTERNAL_SERVER_ERROR, "internal error; the log says more\n").into_response()
    }))
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwapOption;
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use axum::routing::get;
    use tower::Service;

    use super::*;
    use crate::catalog::builtin;

    fn state() -> Arc<State> {
        state_of(Live::new(builtin::load().unwrap()), None)
    }

    /// A server's state, with defaults for what does not matter.
    pub(super) fn state_of(catalog: Live, followed: Option<Followed>) -> Arc<State> {
        Arc::new(State {
            catalog: Arc::new(catalog),
            catalog_refusal: ArcSwapOption::empty(),
            followed,
            consequences: Semaphore::new(1),
            settings: Settings::default(),
            request_timeout: Duration::from_secs(10),
            metrics: Arc::default(),
            draining: AtomicBool::new(false),
        })
    }

    async fn status(router: &mut Router, path: &str) -> StatusCode {
        let request = Request::get(path).body(Body::empty()).unwrap();
        router.call(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn a_panic_in_one_request_is_500_for_that_one_and_counted_and_nothing_else() {
        let state = state();
        let guard = Arc::clone(&state);
        let panics = move || async move {
            let _in_flight = guard.metrics.in_flight();
            let nothing: [u8; 0] = [];
            nothing[std::hint::black_box(0)].to_string()
        };
        let router = Router::new().route("/panics", get(panics)).route("/works", get("ok"));
        let mut router = guarded(router, &state);
        assert_eq!(status(&mut router, "/works").await, StatusCode::OK);
        assert_eq!(status(&mut router, "/panics").await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(status(&mut router, "/works").await, StatusCode::OK);
        assert_eq!(status(&mut router, "/panics").await, StatusCode::INTERNAL_SERVER_ERROR);
        let metrics = state.metrics.encode();
        assert!(metrics.contains("\nidp_panics_total 2\n"), "{metrics}");
        assert!(metrics.contains("\nidp_admission_in_flight 0\n"), "{metrics}");
    }

    #[tokio::test]
    async fn a_panic_while_looking_at_the_files_is_counted_and_the_next_look_comes() {
        let state = state();
        let (looked, looks) = std::sync::mpsc::channel();
        watch::each_second("test", Arc::downgrade(&state), move |_| {
            looked.send(()).unwrap();
            panic!("a bug");
        })
        .unwrap();
        for _ in 0..2 {
            looks.recv_timeout(Duration::from_secs(10)).unwrap();
        }
        assert!(!state.metrics.encode().contains("\nidp_panics_total 0\n"));
        drop(state);
        // The thread ends with the state, and lets go of its end of the channel.
        while looks.recv_timeout(Duration::from_secs(10)).is_ok() {}
        assert_eq!(looks.try_recv(), Err(std::sync::mpsc::TryRecvError::Disconnected));
    }
}
