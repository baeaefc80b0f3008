//! The catalog as objects of a cluster: listed once, or followed for as long as a server runs.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use futures::stream::{self, BoxStream, Stream, StreamExt, select_all};
use kube::api::{ApiResource, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::runtime::reflector::store::{Store, Writer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, Config, ResourceExt};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};

use super::check::{KINDS, Object};
use super::{API_VERSION, GROUP, VERSION};
use crate::because::because;

/// After how many seconds the API server ends a watch. It is asked for anew, so nothing is missed.
const WATCH: u32 = 60;

/// How long a connection may be silent before it counts as dead: longer than a watch that has nothing to say, and less than
/// the five seconds more after which the watcher would ask again without telling.
const SILENCE: Duration = Duration::from_secs(64);

/// How long a connection may take to come about, its TLS handshake included.
const CONNECT: Duration = Duration::from_secs(10);

/// The longest that is waited after a failure; what works for longer is no failure in a row.
const LONGEST: Duration = Duration::from_secs(10);

/// How long changes are gathered after one was told.
const GATHERED: Duration = Duration::from_millis(250);

/// What there is to know of a catalog that is followed.
#[derive(Debug)]
pub enum News {
    /// Every object there is, by kind and name: once all kinds are known, and after each change.
    Objects(Vec<Object>),
    /// The cluster does not say what it has, for this reason; what was told last may be out of date from now on.
    Away(String),
}

/// A client with timeouts that notice a server which has stopped answering.
///
/// # Errors
/// The configuration cannot be used.
pub fn client(config: Config) -> kube::Result<Client> {
    impatient(config, CONNECT, SILENCE)
}

fn impatient(mut config: Config, connect: Duration, silence: Duration) -> kube::Result<Client> {
    config.connect_timeout = Some(connect);
    config.read_timeout = Some(silence);
    config.reset_reader_on_write = true;
    Client::try_from(config)
}

/// Lists the catalog's objects once.
///
/// # Errors
/// Which kind the cluster does not list, why, and what to do.
pub async fn load(client: Client) -> Result<Vec<Object>, String> {
    let mut objects = Vec::new();
    for kind in KINDS {
        let list = api(&client, kind).list(&ListParams::default()).await;
        let list = list.map_err(|error| told(kind, &error))?;
        objects.extend(sorted(kind, list.items.iter()));
    }
    Ok(objects)
}

/// Follows the catalog's objects until nobody listens any more. That there are no more news is a bug of ours.
///
/// # Panics
/// Outside a tokio runtime.
#[must_use]
pub fn follow(client: Client) -> mpsc::Receiver<News> {
    let (tell, news) = mpsc::channel(1);
    tokio::spawn(async move {
        tokio::select! {
            () = watch(&client, &tell) => {}
            () = tell.closed() => {}
        }
    });
    news
}

/// Watches every kind. Objects are told as one set, and only while all kinds are known: after a failure of one, what the
/// others say is of another time.
async fn watch(client: &Client, tell: &mpsc::Sender<News>) {
    let mut kinds: Vec<Followed> = KINDS.map(Followed::new).into();
    let events = KINDS.iter().enumerate().map(|(i, kind)| {
        let api = api(client, kind);
        events(move || watcher(api.clone(), watcher::Config::default().timeout(WATCH)).boxed())
            .map(move |event| (i, event))
            .boxed()
    });
    let mut events = select_all(events);
    let mut due: Option<Instant> = None;
    let mut earliest = Instant::now();
    let mut told = None;
    loop {
        let all_known = kinds
            .iter()
            .all(|followed| matches!(followed.standing, Standing::Current));
        let news = tokio::select! {
            () = sleep_until(due.unwrap_or(earliest)), if due.is_some() && all_known => {
                let stores: Vec<_> = kinds.iter().map(|followed| (followed.kind, followed.objects.clone())).collect();
                // A large catalog takes a while, and who else is on this thread is not to wait for it.
                let Ok(objects) = spawn_blocking(move || stores.iter().flat_map(objects).collect()).await else { return };
                due = None;
                earliest = Instant::now() + GATHERED;
                told = None;
                News::Objects(objects)
            }
            Some((i, event)) = events.next() => {
                let Some(followed) = kinds.get_mut(i) else { continue };
                if followed.take(event) {
                    due.get_or_insert(earliest);
                }
                // All kinds fail together, as a rule, and one after the other: it is said once.
                let mut away = kinds.iter().filter_map(|followed| match &followed.standing {
                    Standing::Away(why) => Some(why),
                    _ => None,
                });
                if away.clone().any(|why| told.as_ref() == Some(why)) {
                    continue;
                }
                let Some(why) = away.next().cloned() else { continue };
                told = Some(why.clone());
                News::Away(why)
            }
        };
        if tell.send(news).await.is_err() {
            return;
        }
    }
}

/// Whether the objects held are those that the cluster has.
enum Standing {
    /// They are.
    Current,
    /// They are being listed.
    Listed,
    /// They cannot be listed or watched, for this reason.
    Away(String),
}

/// The objects of one kind.
struct Followed {
    kind: &'static str,
    standing: Standing,
    writer: Writer<DynamicObject>,
    objects: Store<DynamicObject>,
}

impl Followed {
    fn new(kind: &'static str) -> Self {
        let writer = Writer::new(resource(kind));
        Self {
            kind,
            standing: Standing::Listed,
            objects: writer.as_reader(),
            writer,
        }
    }

    /// Whether there may be something to tell.
    fn take(&mut self, event: watcher::Result<Event<DynamicObject>>) -> bool {
        let event = match event {
            Ok(event) => event,
            Err(error) => {
                self.standing = why(self.kind, &error).map_or(Standing::Listed, Standing::Away);
                return false;
            }
        };
        self.writer.apply_watcher_event(&event);
        match event {
            Event::InitDone => self.standing = Standing::Current,
            Event::Apply(_) | Event::Delete(_) => {}
            Event::Init | Event::InitApply(_) => return false,
        }
        true
    }
}

fn objects((kind, store): &(&'static str, Store<DynamicObject>)) -> Vec<Object> {
    let objects = store.state();
    sorted(kind, objects.iter().map(AsRef::as_ref))
}

type Events = BoxStream<'static, watcher::Result<Event<DynamicObject>>>;

/// What a watcher sees. After a failure there is a new one, which begins with a list: so nothing of what happened meanwhile
/// is missed, and it shows when the failure is over.
fn events(start: impl Fn() -> Events) -> impl Stream<Item = watcher::Result<Event<DynamicObject>>> {
    stream::unfold((start, None, 0), async |(start, running, failures)| {
        let (began, mut running): (Instant, Events) = if let Some(running) = running {
            running
        } else {
            if failures > 0 {
                sleep(pause(failures)).await;
            }
            (Instant::now(), start())
        };
        match running.next().await? {
            Ok(event) => {
                let event = event.modify(|object| object.managed_fields_mut().clear());
                Some((Ok(event), (start, Some((began, running)), failures)))
            }
            Err(error) => {
                // A list alone is no success: who may list and not watch would be asked twice a second.
                let row = if began.elapsed() > LONGEST { 0 } else { failures };
                Some((Err(error), (start, None, row + 1)))
            }
        }
    })
}

/// How long to wait after so many failures in a row: half a second, then twice as long each time, up to 8 s; and up to a
/// quarter more, up to [`LONGEST`], so that not all servers ask at once when the API server is back.
fn pause(failures: u32) -> Duration {
    let least = 250 << failures.min(5);
    let more = RandomState::new().hash_one(failures) % (least / 4);
    Duration::from_millis(least + more)
}

fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk(GROUP, VERSION, kind))
}

/// The objects of a kind.
#[must_use]
pub fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource(kind))
}

/// Objects of one kind by name, whole but for who wrote which field.
fn sorted<'o>(kind: &str, objects: impl Iterator<Item = &'o DynamicObject>) -> Vec<Object> {
    let mut objects: Vec<&DynamicObject> = objects.collect();
    objects.sort_by_key(|object| object.name_any());
    let object = |object: &DynamicObject| {
        let mut metadata = object.metadata.clone();
        metadata.managed_fields = None;
        let mut fields = match &object.data {
            Value::Object(fields) => fields.clone(),
            _ => Map::new(),
        };
        // A list does not say it of each.
        fields.insert("apiVersion".to_owned(), API_VERSION.into());
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("metadata".to_owned(), json!(metadata));
        Object {
            file: String::new(),
            value: Value::Object(fields),
        }
    };
    objects.into_iter().map(object).collect()
}

/// Why a kind cannot be followed; none where a new list is all that is needed.
fn why(kind: &str, error: &watcher::Error) -> Option<String> {
    match error {
        watcher::Error::InitialListFailed(error)
        | watcher::Error::WatchStartFailed(error)
        | watcher::Error::WatchFailed(error) => match error {
            kube::Error::Api(status) if status.code == 410 => None,
            error => Some(told(kind, error)),
        },
        watcher::Error::WatchError(status) if status.code == 410 => None,
        watcher::Error::WatchError(status) => Some(told(kind, &kube::Error::Api(status.clone()))),
        watcher::Error::NoResourceVersion => Some(format!("{kind} objects cannot be watched: {error}")),
    }
}

/// What the cluster said, or why it said nothing.
pub(crate) fn said(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        error => because(error),
    }
}

/// What the cluster said of a kind, and what to do.
fn told(kind: &str, error: &kube::Error) -> String {
    let said = said(error);
    let remedy = match error {
        kube::Error::Api(status) => match status.code {
            401 => "log in to the cluster again",
            403 => "give this account the right to list and watch the kinds of the catalog, as the chart does",
            404 => "install the kinds of the catalog: idp-multicloud crd --catalog | kubectl apply --server-side -f -",
            _ => "it is tried again",
        },
        _ => "see whether the API server can be reached",
    };
    format!("the cluster does not tell its {kind} objects ({remedy}): {said}")
}

#[cfg(test)]
mod tests;
