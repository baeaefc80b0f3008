//! Health and metrics, all that the controller listens for.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::State;
use crate::health::{Check, liveness, readiness};
use crate::telemetry::OPEN_METRICS;

/// Serves until there is an error.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let router = Router::new()
        .route("/livez", get(async |RawQuery(query)| liveness(query.as_deref())))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

async fn ready(Shared(state): Shared<Arc<State>>, RawQuery(query): RawQuery) -> impl IntoResponse {
    readiness(&[state.check()], query.as_deref())
}

impl State {
    /// Ready once the catalog has been read. What happens to the API server after that is no reason to restart this, nor is what
    /// becomes of certificates and claims: metrics and log tell of it.
    fn check(&self) -> Check {
        let away = self.followed.away();
        let found = match self.followed.objects() {
            Some(objects) => Ok(away.unwrap_or_else(|| format!("{} objects", objects.len()))),
            None => Err(away.unwrap_or_default()),
        };
        ("catalog", found)
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let text = state.metrics.encode(state.followed.age(), state.check().1.is_ok());
    ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
