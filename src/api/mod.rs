//! REST: HTTP in, JSON out, for people and programs without a kubeconfig. What is answered is decided in the store and in
//! admission, never here.
//!
//! | file | holds |
//! |---|---|
//! | [`create`] | `POST /api/mysql`: ask for a database |
//! | [`list`] | `GET /api/mysql`: the claims that are there |
//! | [`delete`] | `DELETE /api/mysql/…` |
//! | [`status`] | `/api/status/mysql/…`: one claim, and whether its connection Secret is there |
//! | [`decision`] | `/api/placement`: where a claim would go, and why |
//! | [`catalog`] | `/api/catalog`: what can be asked for |
//! | [`request`] | a request's body as a claim, or everything that is wrong with it |
//! | [`problem`] | what is answered when something is not done (RFC 9457) |
//! | [`edge`] | what every request passes first: its id, its limits, who may ask at all |

pub mod catalog;
pub mod create;
pub mod decision;
pub mod delete;
pub mod edge;
pub mod list;
pub mod problem;
pub mod request;
pub mod status;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{RefOr, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::catalog::live::{Held, Live};
use crate::store::Store;
use crate::store::deletion::Disposable;
use crate::telemetry::Metrics;

use problem::{Kind, Problem};

/// What the requests share.
#[derive(Debug)]
pub struct Api {
    /// Where claims live.
    pub store: Store,
    /// The catalog in force.
    pub catalog: Arc<Live>,
    /// The environments whose claims are deleted without a word.
    pub disposable: Disposable,
    /// The longest that a request may take, its body included.
    pub timeout: Duration,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

impl Api {
    fn catalog(&self) -> Result<Arc<Held>, Problem> {
        let none = || Problem::new(Kind::Unavailable, "the catalog has not been read yet; try again");
        self.catalog.current().ok_or_else(none)
    }
}

/// The document without its paths, which come from the handlers.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "idp-multicloud",
        description = "Managed MySQL databases: ask for one, and the platform decides which cloud it runs in, for life.\n\n\
            Where claims live in a cluster, every request needs your own bearer token, and you may do what the cluster lets \
            you do. Errors are `application/problem+json` (RFC 9457); `type` is stable.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    tags(
        (name = "databases", description = "Databases that are there or are asked for"),
        (name = "placement", description = "Where a database would go, and what there is to choose from"),
    ),
)]
struct Document;

fn routes() -> OpenApiRouter<Arc<Api>> {
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(list::list, create::create))
        .routes(routes!(delete::delete))
        .routes(routes!(status::status))
        .routes(routes!(decision::placement))
        .routes(routes!(catalog::catalog))
        .routes(routes!(health));
    let document = router.get_openapi_mut();
    let bearer = SecurityScheme::Http(
        HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token of the cluster's; none is needed with the embedded store.",
            ))
            .build(),
    );
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("token", bearer);
    components.schemas.extend(problem::schemas());
    for path in document.paths.paths.values_mut() {
        let operations = [&mut path.get, &mut path.post, &mut path.delete];
        for response in operations
            .into_iter()
            .flatten()
            .flat_map(|operation| operation.responses.responses.values_mut())
        {
            if let RefOr::T(response) = response {
                let id = problem::header(
                    Type::String,
                    "The request's id, as the log has it; the caller's, if it sent one",
                );
                response.headers.insert("X-Request-Id".to_owned(), id.into());
            }
        }
    }
    router
}

/// The `OpenAPI` document of [`router`], as JSON.
#[must_use]
pub fn openapi() -> String {
    // Made of constants, all of which have a form in JSON.
    routes().into_openapi().to_pretty_json().unwrap_or_default() + "\n"
}

/// Every route, and `pages` beside them.
pub fn router(api: &Arc<Api>, pages: Router) -> Router {
    let (router, _) = routes().split_for_parts();
    let document = openapi();
    let router = router
        .route(
            "/openapi.json",
            get(move || async move { (no_cache(), [(CONTENT_TYPE, JSON)], document) }),
        )
        .with_state(Arc::clone(api))
        .merge(pages);
    edge::around(router, api)
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// To be asked for again before it is used again.
fn no_cache() -> [(axum::http::HeaderName, HeaderValue); 1] {
    [(CACHE_CONTROL, HeaderValue::from_static("no-cache"))]
}

problem::problems! {
    /// What any request can meet.
    Anything:
}

/// Whether the server is there
#[utoipa::path(
    get,
    path = "/health",
    responses(
        (status = 200, description = "It is", body = str, content_type = "text/plain; charset=utf-8", example = "ok\n"),
        Anything,
    )
)]
async fn health() -> &'static str {
    "ok\n"
}

/// `value` as the JSON body of an answer.
fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(mut body) => {
            // For terminals.
            body.push(b'\n');
            ([(CONTENT_TYPE, JSON)], body).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written, which is a bug");
            Problem::new(Kind::Internal, "the answer cannot be written; the log says more").into_response()
        }
    }
}
