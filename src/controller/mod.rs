//! The controller: writes into the status of each catalog object whether it is in force, and why not; looks after the
//! certificates that the serving processes serve with, if that is its task; counts the claims without a placement; and sees
//! whether what holds claims is in force.
//!
//! | file | holds |
//! |---|---|
//! | `certificates` | the Secrets of the certificates, and the bundle in the webhook configurations |
//! | `status` | what an object's status should be |
//! | `written` | what was written, for as long as the cluster has not told of it |
//! | `looks` | looks at the cluster now and then, of which nothing but metrics and the log tell |
//! | `claims` | how many claims there are, and how many of them without a placement |
//! | `in_force` | whether the guard and the webhooks, which hold claims, are in force as they are shipped |
//! | `ops` | health and metrics |
//!
//! It decides nothing about the catalog: what is in force is what the serving processes take, which ask the same check. One
//! runs; two would write the same statuses, and outrun each other with the certificates.

mod certificates;
mod claims;
mod in_force;
mod looks;
mod ops;
mod status;
mod written;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Patch, PatchParams};
use tokio::time::{Instant, sleep, sleep_until};

use crate::catalog::cluster::{self, News};
use crate::catalog::followed::Followed;
use crate::catalog::{Isolated, KINDS, Object, isolate};
use crate::telemetry::ControllerMetrics;
use status::Due;
use written::Written;

pub use certificates::{AUTHORITY, Issuer, Settings};

/// Who the API server says manages what the controller writes.
const FIELD_MANAGER: &str = "idp-multicloud-controller";

/// How many statuses are written at a time.
const WRITERS: usize = 8;

/// How long to wait before what ended by a bug begins anew.
const ANEW: Duration = Duration::from_secs(5);

/// How long to wait before what could not be written is tried again: a second, then twice as long each time, up to 32 s.
fn pause(failures: u32) -> Duration {
    Duration::from_secs(1 << failures.min(5))
}

/// What the controller and its listener share.
#[derive(Debug)]
struct State {
    followed: Followed,
    metrics: ControllerMetrics,
}

/// Runs until `ended` resolves. What looks after the certificates, if anything does, what looks after the catalog, what counts
/// claims and what watches what holds them do not stop each other.
///
/// # Errors
/// The listener cannot be served from.
pub async fn run(
    client: Client,
    listener: Option<TcpListener>,
    certificates: Option<Settings>,
    ended: impl Future<Output = ()>,
) -> io::Result<()> {
    let state = Arc::new(State {
        followed: Followed::new(),
        metrics: ControllerMetrics::default(),
    });
    let serving = async {
        match listener {
            Some(listener) => ops::serve(listener, Arc::clone(&state)).await,
            None => std::future::pending().await,
        }
    };
    let keeping = async {
        match &certificates {
            Some(settings) => {
                always("certificates", &state.metrics, || {
                    certificates::keep(&client, settings, &state.metrics)
                })
                .await;
            }
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        served = serving => served,
        () = always("catalog", &state.metrics, || write(&client, &state)) => Ok(()),
        () = keeping => Ok(()),
        () = always("count of the claims", &state.metrics, || claims::count(&client, &state.metrics)) => Ok(()),
        () = always("guard and the webhooks", &state.metrics, || in_force::watch(&client, &state.metrics)) => Ok(()),
        () = ended => {
            tracing::info!("ended");
            Ok(())
        }
    }
}

/// Does something for ever: when it ends or panics, it begins anew.
async fn always<F: Future<Output = ()>>(what: &str, metrics: &ControllerMetrics, begin: impl Fn() -> F) {
    loop {
        if AssertUnwindSafe(begin()).catch_unwind().await.is_err() {
            metrics.panicked();
        }
        tracing::error!("looking after the {what} ended, which is a bug; it begins anew");
        sleep(ANEW).await;
    }
}

/// Follows the catalog and writes what is due, for as long as there are news.
async fn write(client: &Client, state: &State) {
    let mut news = cluster::follow(client.clone());
    let mut objects: Option<Arc<Vec<Object>>> = None;
    let mut written = Written::default();
    let mut again: Option<Instant> = None;
    let mut failures = 0;
    loop {
        tokio::select! {
            told = news.recv() => match told {
                None => return,
                Some(News::Away(why)) => {
                    if state.followed.away().as_ref() != Some(&why) {
                        tracing::warn!(%why, "the catalog cannot be followed; statuses stay as they are");
                    }
                    state.followed.is_away(why);
                    continue;
                }
                Some(News::Objects(told)) => {
                    let told = Arc::new(told);
                    state.followed.has(Arc::clone(&told));
                    objects = Some(told);
                }
            },
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
        let Some(objects) = &objects else { continue };
        if all_written(client, state, Arc::clone(objects), &mut written).await {
            (again, failures) = (None, 0);
        } else {
            again = Some(Instant::now() + pause(failures));
            failures += 1;
        }
    }
}

/// Writes every status that is not as it should be. Whether all of them are now.
async fn all_written(client: &Client, state: &State, objects: Arc<Vec<Object>>, written: &mut Written) -> bool {
    let now = Time(Timestamp::now());
    let mut known = std::mem::take(written);
    let judged = tokio::task::spawn_blocking(move || {
        known.forget_all_but(&objects);
        let isolated = isolate(objects.iter());
        let refused = KINDS.map(|kind| isolated.refused(&objects, kind));
        let Isolated { snapshot, verdicts } = isolated;
        let due = objects.iter().zip(&verdicts);
        let due = due.filter_map(|(object, verdict)| status::due(object, &known, verdict, &snapshot, &now));
        let due: Vec<Due> = due.collect();
        (refused, due, known)
    });
    let Ok((refused, due, known)) = judged.await else {
        state.metrics.panicked();
        tracing::error!("checking the catalog panicked, which is a bug; statuses stay as they are");
        return false;
    };
    *written = known;
    for (kind, refused) in KINDS.into_iter().zip(refused) {
        state.metrics.objects_refused(kind, refused);
    }
    let mut done = futures::stream::iter(due)
        .map(async |due| (is_written(client, state, &due).await, due))
        .buffer_unordered(WRITERS);
    let mut all = true;
    while let Some((done, due)) = done.next().await {
        all &= done;
        if done {
            written.has(due.key, due.status);
        }
    }
    all
}

async fn is_written(client: &Client, state: &State, due: &Due) -> bool {
    let Due {
        kind,
        name,
        accepted,
        status,
        ..
    } = due;
    let patch = serde_json::json!({
        "apiVersion": crate::catalog::API_VERSION, "kind": kind, "metadata": { "name": name }, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = cluster::api(client, kind)
        .patch_status(name, &params, &Patch::Apply(patch))
        .await;
    match written {
        Ok(_) => {
            state.metrics.status_written();
            tracing::info!(%kind, %name, accepted, "status written");
            true
        }
        // It has been deleted meanwhile.
        Err(kube::Error::Api(answer)) if answer.code == 404 => true,
        Err(error) => {
            state.metrics.status_failed();
            tracing::warn!(%kind, %name, %error, "status not written; it is tried again");
            false
        }
    }
}
