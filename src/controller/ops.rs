//! Health and metrics, all that the controller listens for.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use axum::Router;
use axum::extract::State as Shared;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::State;
use crate::telemetry::OPEN_METRICS;

/// Serves until there is an error.
pub(super) async fn serve(listener: TcpListener, state: Arc<State>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let router = Router::new()
        .route("/livez", get("ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(state);
    axum::serve(tokio::net::TcpListener::from_std(listener)?, router).await
}

/// Ready once the catalog has been read. What happens to the API server after that is no reason to restart this.
async fn ready(Shared(state): Shared<Arc<State>>) -> Response {
    match (state.followed.objects(), state.followed.away()) {
        (Some(_), _) => "ready\n".into_response(),
        (None, why) => {
            let text = format!("not ready: {}\n", why.unwrap_or_default());
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

async fn metrics(Shared(state): Shared<Arc<State>>) -> Response {
    let text = state.metrics.encode(state.followed.age());
    ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response()
}
