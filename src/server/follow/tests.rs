use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::sync::mpsc;

use super::*;
use crate::catalog::builtin;
use crate::catalog::live::Live;
use crate::server::tests::state_of;

fn state() -> Arc<State> {
    state_of(Live::default(), Some(Followed::new()))
}

fn objects() -> Vec<Object> {
    let objects = builtin::load().unwrap().objects().into_iter();
    objects
        .map(|value| Object {
            file: String::new(),
            value,
        })
        .collect()
}

async fn eventually(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "still not");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A server that follows, and who tells it.
async fn told(state: &Arc<State>) -> mpsc::Sender<News> {
    let (tell, news) = mpsc::channel(1);
    let news = Mutex::new(Some(news));
    tokio::spawn(run(Arc::downgrade(state), move || news.lock().unwrap().take().unwrap()));
    tell.send(News::Objects(objects())).await.unwrap();
    eventually(|| state.catalog.current().is_some()).await;
    tell
}

#[tokio::test]
async fn following_begins_anew_after_a_panic_and_what_is_in_force_stays() {
    let state = state();
    let (tell, news) = mpsc::channel(1);
    let later = Mutex::new(vec![news]);
    // The news of the first round end, as they do when who tells them panics; in the second round it is this end.
    let rounds = AtomicU32::new(0);
    let start = move || match rounds.fetch_add(1, Ordering::Relaxed) {
        0 => mpsc::channel(1).1,
        1 => panic!("a bug"),
        _ => later.lock().unwrap().pop().unwrap(),
    };
    tokio::spawn(run(Arc::downgrade(&state), start));
    tell.send(News::Objects(objects())).await.unwrap();
    eventually(|| state.catalog.current().is_some()).await;
    let metrics = state.metrics.encode();
    assert!(metrics.contains("\nidp_panics_total 2\n"), "{metrics}");
    assert_eq!(state.followed.as_ref().unwrap().away(), None);
}

#[tokio::test]
async fn a_status_is_no_news_and_a_spec_is() {
    let state = state();
    let tell = told(&state).await;
    let held = || state.catalog.current().unwrap();
    let first = held();

    let mut noted = objects();
    for object in &mut noted {
        object.value["status"] = json!({"conditions": [{"type": "Accepted", "status": "True"}]});
        object.value["metadata"]["resourceVersion"] = "7".into();
    }
    tell.send(News::Objects(noted)).await.unwrap();
    let followed = state.followed.as_ref().unwrap();
    eventually(|| followed.objects().unwrap()[0].value["metadata"]["resourceVersion"] == "7").await;
    assert!(Arc::ptr_eq(&first, &held()));

    let mut changed = objects();
    changed.retain(|object| object.value["kind"] != "Cell");
    tell.send(News::Objects(changed)).await.unwrap();
    eventually(|| held().snapshot().cells().len() == 0).await;
}

#[tokio::test]
async fn while_the_cluster_is_away_what_is_in_force_stays_and_grows_old() {
    let state = state();
    let followed = state.followed.as_ref().unwrap();
    assert!(followed.away().unwrap().contains("not been read yet"));
    let tell = told(&state).await;
    eventually(|| followed.away().is_none()).await;
    assert!(followed.age().abs() < f64::EPSILON);

    let first = state.catalog.current().unwrap();
    for why in ["gone", "still gone"] {
        tell.send(News::Away(why.to_owned())).await.unwrap();
        eventually(|| followed.away().as_deref() == Some(why)).await;
    }
    let age = followed.age();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(followed.age() > age);
    assert!(Arc::ptr_eq(&first, &state.catalog.current().unwrap()));

    tell.send(News::Objects(objects())).await.unwrap();
    eventually(|| followed.away().is_none()).await;
    assert!(followed.age().abs() < f64::EPSILON);
}

#[tokio::test]
async fn following_ends_with_the_server() {
    let state = state();
    let tell = told(&state).await;
    drop(state);
    let _ = tell.send(News::Away("gone".to_owned())).await;
    tell.closed().await;
}

#[tokio::test]
async fn what_is_not_accepted_is_counted_by_kind() {
    let state = state();
    let tell = told(&state).await;
    let mut bad = objects();
    for object in bad.iter_mut().filter(|object| object.value["kind"] == "Cell") {
        object.value["spec"]["candidates"][0]["provider"] = "azure".into();
    }
    tell.send(News::Objects(bad)).await.unwrap();
    let metric = |line: &str| {
        state
            .metrics
            .encode()
            .contains(&format!("\nidp_catalog_objects_refused{line}\n"))
    };
    eventually(|| metric("{kind=\"Cell\"} 1")).await;
    assert!(metric("{kind=\"Tier\"} 0"));
    tell.send(News::Objects(objects())).await.unwrap();
    eventually(|| metric("{kind=\"Cell\"} 0")).await;
}
