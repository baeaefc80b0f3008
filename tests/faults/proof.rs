//! What has to hold of every claim, whatever broke: it is placed, as `place` says; it stays where it is; it is not lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures::StreamExt;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};
use serde_json::Value;

use crate::support::cluster::apiserver::User;
use crate::support::cluster::platform::path;
use crate::support::cluster::team::{assert_placed, placement};
use crate::world::World;
use crate::writers::{Acknowledged, bare};

/// Watches the claims of a namespace from the first one on.
pub struct Proof {
    namespace: String,
    seen: Arc<Mutex<Seen>>,
    watching: tokio::task::JoinHandle<()>,
}

#[derive(Default)]
struct Seen {
    /// The placement and uid that each was seen with first.
    first: BTreeMap<String, Value>,
    /// What must not be.
    wrong: Vec<String>,
    versions: usize,
}

impl Seen {
    fn see(&mut self, claim: &Value) {
        self.versions += 1;
        let name = claim["metadata"]["name"].as_str().unwrap();
        let now = placement(claim);
        if claim["spec"]["parameters"]["provider"].is_null() {
            self.wrong.push(format!("{name} is not placed: {claim:#}"));
        }
        let first = self.first.entry(name.to_owned()).or_insert_with(|| now.clone());
        if *first != now {
            self.wrong.push(format!("{name} has moved: {first:#} became {now:#}"));
        }
    }
}

impl Proof {
    pub fn start(world: &World, namespace: &str) -> Self {
        let kind = GroupVersionKind::gvk("db.platform.example.org", "v1alpha1", "MySQLInstanceClaim");
        let client = world.platform.api.client(User::Admin);
        let claims: Api<DynamicObject> = Api::namespaced_with(client, namespace, &ApiResource::from_gvk(&kind));
        let seen = Arc::new(Mutex::new(Seen::default()));
        let noted = Arc::clone(&seen);
        let watching = world.platform.api.handle().spawn(async move {
            let mut events = watcher(claims, watcher::Config::default()).default_backoff().boxed();
            while let Some(event) = events.next().await {
                match event {
                    Ok(Event::Apply(claim) | Event::InitApply(claim)) => {
                        noted.lock().unwrap().see(&serde_json::to_value(&claim).unwrap());
                    }
                    Ok(Event::Delete(claim)) => {
                        let gone = format!("{:?} was deleted", claim.metadata.name);
                        noted.lock().unwrap().wrong.push(gone);
                    }
                    // It begins anew by itself.
                    Ok(Event::Init | Event::InitDone) | Err(_) => {}
                }
            }
        });
        Self {
            namespace: namespace.to_owned(),
            seen,
            watching,
        }
    }

    /// Fails if anything was not as it has to be; gives how many claims there are.
    pub fn end(self, world: &World, acknowledged: &Acknowledged) -> usize {
        let list = world
            .platform
            .api
            .call(User::Admin, "GET", &path(&self.namespace, ""), None)
            .ok();
        self.watching.abort();
        let mut seen = self.seen.lock().unwrap();
        assert!(seen.versions > 0, "wanted: claims were watched; saw: none");
        let mut stored = BTreeMap::new();
        for claim in list["items"].as_array().unwrap() {
            seen.see(claim);
            assert_placed(claim);
            let name = claim["metadata"]["name"].as_str().unwrap();
            let number: usize = name.strip_prefix("db-").unwrap().parse().unwrap();
            world.revisions.assert_decided(claim, &bare(number), &self.namespace);
            stored.insert(number, claim["spec"]["parameters"]["storageGB"].as_u64().unwrap());
        }
        assert!(seen.wrong.is_empty(), "{}", seen.wrong.join("\n"));
        for (number, (least, most)) in acknowledged {
            let storage = stored.get(number);
            assert!(
                storage.is_some_and(|storage| (least..=most).contains(&storage)),
                "db-{number}: wanted: {least} to {most} GB, as was acknowledged; saw: {storage:?}"
            );
        }
        assert_eq!(
            seen.first.len(),
            stored.len(),
            "wanted: every claim that was ever seen; saw: the number on the right"
        );
        stored.len()
    }
}
