use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::*;

/// How long a client waits for a server that is to answer, and for one that does not.
const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(500);

/// What a false API server answers to the list or watch of a kind.
type Answer = Box<dyn FnMut(&str, Ask) -> Response + Send>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    List,
    Watch,
}

/// A client of a server that answers so.
async fn server(patience: Duration, answer: impl FnMut(&str, Ask) -> Response + Send + 'static) -> Client {
    let answer: Arc<Mutex<Answer>> = Arc::new(Mutex::new(Box::new(answer)));
    let router = Router::new().fallback(async move |request: Request| {
        let kind = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let watched = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let ask = if watched { Ask::Watch } else { Ask::List };
        answer.lock().unwrap()(&kind, ask)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    at(&format!("http://{address}"), patience)
}

fn at(url: &str, patience: Duration) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    impatient(Config::new(url.parse().unwrap()), patience, patience).unwrap()
}

fn list(kind: &str, names: &[&str]) -> Response {
    let items = names.iter().map(|name| object(name, 1));
    json!({
        "apiVersion": "platform.example.org/v1alpha1", "kind": format!("{kind}List"),
        "metadata": {"resourceVersion": "1"}, "items": items.collect::<Vec<_>>(),
    })
    .to_string()
    .into_response()
}

fn object(name: &str, version: u32) -> Value {
    json!({"metadata": {
        "name": name, "resourceVersion": version.to_string(), "managedFields": [{"manager": "kubectl"}],
    }, "spec": {"version": version}})
}

fn event(kind: &str, object: &Value) -> String {
    json!({"type": kind, "object": object}).to_string() + "\n"
}

/// A watch that says this, and then nothing any more, without an end.
fn watched(events: Vec<String>) -> Response {
    let events = stream::iter(events.into_iter().map(Ok::<_, Infallible>));
    Body::from_stream(events.chain(stream::pending())).into_response()
}

/// A watch that says this and ends, as one does whose time is up.
fn ended(events: Vec<String>) -> Response {
    Body::from_stream(stream::iter(events.into_iter().map(Ok::<_, Infallible>))).into_response()
}

fn status(code: u16, reason: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": reason})
}

async fn next(news: &mut mpsc::Receiver<News>) -> News {
    let news = tokio::time::timeout(LONG, news.recv()).await;
    news.expect("no news").expect("the end of the news")
}

async fn next_objects(news: &mut mpsc::Receiver<News>) -> Vec<String> {
    match next(news).await {
        News::Objects(objects) => objects.iter().map(shown).collect(),
        News::Away(why) => panic!("wanted: objects; saw: {why}"),
    }
}

async fn next_away(news: &mut mpsc::Receiver<News>) -> String {
    match next(news).await {
        News::Objects(objects) => panic!("wanted: a reason; saw: {objects:?}"),
        News::Away(why) => why,
    }
}

fn shown(object: &Object) -> String {
    let Object { file, value } = object;
    assert_eq!(
        (file.as_str(), &value["apiVersion"]),
        ("", &json!(super::super::API_VERSION))
    );
    assert_eq!(value["metadata"]["managedFields"], Value::Null);
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    format!(
        "{} {} {}",
        word(&value["kind"]),
        word(&value["metadata"]["name"]),
        value["spec"]["version"]
    )
}

#[tokio::test]
async fn objects_come_by_kind_and_name_as_a_folder_has_them() {
    let answer = |kind: &str, ask| match (kind, ask) {
        ("cells", Ask::List) => list("Cell", &["b", "a"]),
        (kind, Ask::List) => list(kind, &[]),
        ("tiers", Ask::Watch) => watched(vec![event("ADDED", &object("c0", 2))]),
        _ => watched(Vec::new()),
    };
    let client = server(LONG, answer).await;
    let listed = load(client.clone()).await.unwrap();
    assert_eq!(listed.iter().map(shown).collect::<Vec<_>>(), ["Cell a 1", "Cell b 1"]);
    let mut news = follow(client);
    let mut objects = next_objects(&mut news).await;
    if objects.len() == 2 {
        assert_eq!(objects, ["Cell a 1", "Cell b 1"]);
        objects = next_objects(&mut news).await;
    }
    let mut expected = vec!["Cell a 1", "Cell b 1", "Tier c0 2"];
    expected.sort_by_key(|shown| KINDS.iter().position(|kind| shown.starts_with(kind)));
    assert_eq!(objects, expected);
}

#[tokio::test]
async fn changes_in_quick_succession_are_taken_together() {
    let (tell, changes) = mpsc::unbounded_channel::<String>();
    let changes = Mutex::new(Some(changes));
    let answer = move |kind: &str, ask| match (kind, ask) {
        (kind, Ask::List) => list(kind, &["payments"]),
        ("cells", Ask::Watch) => {
            let changes = changes.lock().unwrap().take().unwrap();
            let events = stream::unfold(changes, async |mut changes| {
                Some((Ok::<_, Infallible>(changes.recv().await?), changes))
            });
            Body::from_stream(events).into_response()
        }
        _ => watched(Vec::new()),
    };
    let mut news = follow(server(LONG, answer).await);
    next_objects(&mut news).await;
    tokio::time::sleep(GATHERED).await;

    let began = std::time::Instant::now();
    tell.send(event("MODIFIED", &object("payments", 2))).unwrap();
    assert!(next_objects(&mut news).await.contains(&"Cell payments 2".to_owned()));
    assert!(began.elapsed() < GATHERED, "the first is told at once");
    for version in 3..=22 {
        tell.send(event("MODIFIED", &object("payments", version))).unwrap();
    }
    assert!(next_objects(&mut news).await.contains(&"Cell payments 22".to_owned()));
    assert!(began.elapsed() >= GATHERED, "the others together");
}

#[tokio::test]
async fn a_watch_whose_time_is_up_goes_on_where_it_ended() {
    let mut watches = 0;
    let answer = move |kind: &str, ask| match (kind, ask) {
        (kind, Ask::List) => list(kind, &["payments"]),
        ("cells", Ask::Watch) => {
            watches += 1;
            match watches {
                1 => ended(vec![event("MODIFIED", &object("payments", 2))]),
                2 => ended(vec![event("DELETED", &object("payments", 3))]),
                _ => watched(vec![event("ADDED", &object("orders", 4))]),
            }
        }
        _ => watched(Vec::new()),
    };
    let mut news = follow(server(LONG, answer).await);
    loop {
        let cells: Vec<_> = next_objects(&mut news).await;
        let cells: Vec<_> = cells.iter().filter(|shown| shown.starts_with("Cell")).collect();
        if cells == ["Cell orders 4"] {
            break;
        }
    }
}

#[tokio::test]
async fn an_expired_version_is_answered_with_a_new_list_and_without_a_word() {
    let mut lists = 0;
    let answer = move |kind: &str, ask| match (kind, ask) {
        ("cells", Ask::List) => {
            lists += 1;
            list(
                "Cell",
                if lists == 1 {
                    &["gone", "stays"]
                } else {
                    &["new", "stays"]
                },
            )
        }
        ("cells", Ask::Watch) if lists == 1 => watched(vec![event("ERROR", &status(410, "Expired"))]),
        (kind, Ask::List) => list(kind, &[]),
        _ => watched(Vec::new()),
    };
    let mut news = follow(server(LONG, answer).await);
    loop {
        let objects = next_objects(&mut news).await;
        if objects == ["Cell new 1", "Cell stays 1"] {
            break;
        }
        assert_eq!(objects, ["Cell gone 1", "Cell stays 1"]);
    }
}

#[tokio::test]
async fn a_server_that_accepts_and_says_nothing_is_away() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Over HTTP it is the list that gets no answer, over TLS the handshake.
    for scheme in ["http", "https"] {
        let mut news = follow(at(&format!("{scheme}://{address}"), SHORT));
        let why = next_away(&mut news).await;
        assert!(why.contains("can be reached"), "{scheme}: {why}");
        assert!(why.contains("time") || why.contains("deadline"), "{scheme}: {why}");
    }
    let error = load(at(&format!("http://{address}"), SHORT)).await.unwrap_err();
    assert!(error.contains("can be reached"), "{error}");
}

#[tokio::test]
async fn a_server_that_freezes_is_away_until_it_lists_again() {
    let mut lists = 0;
    let answer = move |kind: &str, ask| match (kind, ask) {
        ("cells", Ask::List) => {
            lists += 1;
            list("Cell", if lists == 1 { &["gone"] } else { &["new"] })
        }
        (kind, Ask::List) => list(kind, &[]),
        // No end, no bytes: as if it were stopped.
        _ => watched(Vec::new()),
    };
    let mut news = follow(server(SHORT, answer).await);
    assert_eq!(next_objects(&mut news).await, ["Cell gone 1"]);
    let why = next_away(&mut news).await;
    assert!(why.contains("can be reached"), "{why}");
    loop {
        match next(&mut news).await {
            News::Objects(objects) => {
                assert_eq!(objects.iter().map(shown).collect::<Vec<_>>(), ["Cell new 1"]);
                break;
            }
            News::Away(why) => assert!(why.contains("can be reached"), "{why}"),
        }
    }
}

#[tokio::test]
async fn what_the_server_says_comes_with_a_remedy_and_once_for_all_kinds() {
    for (code, remedy) in [
        (404, "install the kinds of the catalog: idp-multicloud crd --catalog"),
        (403, "give this account the right to list and watch"),
        (401, "log in"),
        (500, "tried again"),
    ] {
        let answer = move |_: &str, _| {
            (
                StatusCode::from_u16(code).unwrap(),
                status(code, "so it is").to_string(),
            )
                .into_response()
        };
        let client = server(LONG, answer).await;
        let mut news = follow(client.clone());
        let why = next_away(&mut news).await;
        assert!(why.contains(remedy) && why.contains("so it is"), "{code}: {why}");
        let error = load(client).await.unwrap_err();
        assert!(error.contains(remedy) && error.contains("so it is"), "{code}: {error}");
        // It is tried again meanwhile, by all four.
        let again = tokio::time::timeout(Duration::from_millis(1500), news.recv()).await;
        assert!(again.is_err(), "{code}: {again:?}");
    }
}

#[test]
fn failures_in_a_row_are_waited_for_longer_and_longer_but_never_long() {
    let bounds = [
        (1, 500, 625),
        (2, 1000, 1250),
        (4, 4000, 5000),
        (5, 8000, 10_000),
        (1000, 8000, 10_000),
    ];
    for (failures, least, most) in bounds {
        let pauses: Vec<u128> = (0..64).map(|_| pause(failures).as_millis()).collect();
        assert!(
            pauses.iter().all(|pause| (least..most).contains(pause)),
            "{failures}: {pauses:?}"
        );
        assert!(
            pauses.iter().any(|pause| pause != &pauses[0]),
            "not all servers wait as long"
        );
    }
}
