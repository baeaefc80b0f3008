//! The controller: writes into the status of each catalog object whether it is in force, and why not.
//!
//! | file | holds |
//! |---|---|
//! | `status` | what an object's status should be |
//! | `ops` | health and metrics |
//!
//! It decides nothing: what is in force is what the serving processes take, which ask the same check. One runs; two would
//! write the same.

mod ops;
mod status;

use std::future::Future;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Patch, PatchParams};
use tokio::time::{Instant, sleep_until};

use crate::catalog::cluster::{self, News};
use crate::catalog::followed::Followed;
use crate::catalog::{Isolated, KINDS, Object, isolate};
use crate::telemetry::ControllerMetrics;
use status::Due;

/// Who the API server says manages the status.
const FIELD_MANAGER: &str = "idp-multicloud-controller";

/// How many statuses are written at a time.
const WRITERS: usize = 8;

/// How long to wait before what could not be written is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// What the controller and its listener share.
#[derive(Debug)]
struct State {
    followed: Followed,
    metrics: ControllerMetrics,
}

/// Runs until `ended` resolves.
///
/// # Errors
/// The listener cannot be served from.
pub async fn run(client: Client, listener: Option<TcpListener>, ended: impl Future<Output = ()>) -> io::Result<()> {
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
    tokio::select! {
        served = serving => served,
        () = write(&client, &state) => Ok(()),
        () = ended => {
            tracing::info!("ended");
            Ok(())
        }
    }
}

/// Follows the catalog and writes what is due, forever.
async fn write(client: &Client, state: &State) {
    let mut news = cluster::follow(client.clone());
    let mut objects: Option<Arc<Vec<Object>>> = None;
    let mut again: Option<Instant> = None;
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
        again = match &objects {
            Some(objects) if !all_written(client, state, Arc::clone(objects)).await => Some(Instant::now() + AGAIN),
            _ => None,
        };
    }
}

/// Writes every status that is not as it should be. Whether all of them are now.
async fn all_written(client: &Client, state: &State, objects: Arc<Vec<Object>>) -> bool {
    let now = Time(Timestamp::now());
    let judged = tokio::task::spawn_blocking(move || {
        let Isolated { snapshot, verdicts } = isolate(&objects);
        let refused = KINDS.map(|kind| {
            let of_it = objects.iter().zip(&verdicts).filter(|(object, _)| object.is(kind));
            of_it.filter(|(_, verdict)| !verdict.is_accepted()).count()
        });
        let due = objects.iter().zip(&verdicts);
        let due = due.filter_map(|(object, verdict)| status::due(object, verdict, &snapshot, &now));
        (refused, due.collect::<Vec<Due>>())
    });
    let Ok((refused, due)) = judged.await else {
        tracing::error!("checking the catalog panicked, which is a bug; statuses stay as they are");
        return false;
    };
    for (kind, refused) in KINDS.into_iter().zip(refused) {
        state.metrics.objects_refused(kind, refused);
    }
    let written = futures::stream::iter(due)
        .map(|due| is_written(client, state, due))
        .buffer_unordered(WRITERS);
    written.fold(true, async |all, written| all && written).await
}

async fn is_written(client: &Client, state: &State, due: Due) -> bool {
    let Due {
        kind,
        name,
        accepted,
        status,
    } = due;
    let patch = serde_json::json!({
        "apiVersion": crate::catalog::API_VERSION, "kind": kind, "metadata": { "name": name }, "status": status,
    });
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let written = cluster::api(client, &kind)
        .patch_status(&name, &params, &Patch::Apply(patch))
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
