//! Twenty who write without a pause: new claims, growing ones, what is there applied again, and bare replacements.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::support::cluster::apiserver::{Answer, User, call};
use crate::support::cluster::platform::path;
use crate::support::cluster::team::claim;
use crate::support::cluster::writers::{asked, name};
use crate::world::World;

/// How many write at a time.
const WRITERS: usize = 20;

/// How long one waits before it writes again.
const PACE: Duration = Duration::from_millis(100);

/// How long one waits for an answer.
const PATIENCE: Duration = Duration::from_secs(40);

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A new claim.
    Create,
    /// More storage.
    Raise,
    /// What a GitOps tool does all the time: what is there, once more. The webhook is not called.
    Apply,
    /// `kubectl replace` of the bare claim.
    Replace,
}

/// A write, and what came of it.
pub struct Attempt {
    pub kind: Kind,
    pub began: Instant,
    pub ended: Instant,
    /// What it was answered, 0 without an answer.
    pub code: u16,
    /// What a person would have read.
    pub said: String,
    pub acknowledged: bool,
}

/// The storage that was acknowledged for a claim, and the most that was asked for, by its number.
pub type Acknowledged = BTreeMap<usize, (u64, u64)>;

/// The claim that has this number, as it was asked for first.
pub fn bare(number: usize) -> Value {
    claim(&name(number), asked(number))
}

/// They write until they are told to end.
pub struct Writers {
    stop: Arc<AtomicBool>,
    attempts: mpsc::UnboundedReceiver<Attempt>,
    ended: Vec<tokio::task::JoinHandle<Acknowledged>>,
    handle: tokio::runtime::Handle,
}

impl Writers {
    pub fn start(world: &World, namespace: &str) -> Self {
        let (sender, attempts) = mpsc::unbounded_channel();
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicUsize::new(0));
        let handle = world.platform.api.handle();
        let ended = (0..WRITERS).map(|turn| {
            let writer = Writer {
                client: world.platform.api.client(User::Developer),
                namespace: namespace.to_owned(),
                next: Arc::clone(&next),
                attempts: sender.clone(),
                unsure: None,
                claims: Vec::new(),
            };
            handle.spawn(writer.write(turn, Arc::clone(&stop)))
        });
        Self {
            ended: ended.collect(),
            stop,
            attempts,
            handle,
        }
    }

    /// Has them end; gives all that they did, and what they may count on.
    pub fn end(mut self) -> (Vec<Attempt>, Acknowledged) {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = BTreeMap::new();
        for ended in self.ended {
            acknowledged.extend(self.handle.block_on(ended).unwrap());
        }
        let mut attempts = Vec::new();
        while let Ok(attempt) = self.attempts.try_recv() {
            attempts.push(attempt);
        }
        (attempts, acknowledged)
    }
}

/// One of them. Nobody else writes its claims.
struct Writer {
    client: kube::Client,
    namespace: String,
    next: Arc<AtomicUsize>,
    attempts: mpsc::UnboundedSender<Attempt>,
    /// A new claim that was not acknowledged: it is tried again.
    unsure: Option<usize>,
    claims: Vec<Claim>,
}

struct Claim {
    number: usize,
    acknowledged: u64,
    asked: u64,
}

impl Claim {
    /// As it is in the repository of whoever owns it.
    fn bare(&self) -> Value {
        let mut bare = bare(self.number);
        bare["spec"]["parameters"]["storageGB"] = self.asked.into();
        bare
    }
}

impl Writer {
    async fn write(mut self, mut turn: usize, stop: Arc<AtomicBool>) -> Acknowledged {
        const TURNS: [Kind; 5] = [Kind::Create, Kind::Raise, Kind::Replace, Kind::Create, Kind::Apply];
        // Not all at the same moment.
        sleep(PACE / 20 * u32::try_from(turn).unwrap()).await;
        while !stop.load(Ordering::Relaxed) {
            turn += 1;
            if self.claims.is_empty() {
                self.create().await;
            } else {
                let one = turn / TURNS.len() % self.claims.len();
                match TURNS[turn % TURNS.len()] {
                    Kind::Create => self.create().await,
                    kind => self.change(kind, one).await,
                }
            }
            sleep(PACE).await;
        }
        let claims = self.claims.iter();
        claims
            .map(|claim| (claim.number, (claim.acknowledged, claim.asked)))
            .collect()
    }

    async fn create(&mut self) {
        let again = self.unsure.take();
        let number = again.unwrap_or_else(|| self.next.fetch_add(1, Ordering::Relaxed));
        let claim = bare(number);
        let storage = claim["spec"]["parameters"]["storageGB"].as_u64().unwrap();
        // What was not answered before may have been done.
        let is_there = |code: u16| again.is_some() && code == 409;
        let began = Instant::now();
        let answer = self.send("POST", "", "application/json", Some(&claim)).await;
        if self.note(Kind::Create, began, answer, is_there) {
            self.claims.push(Claim {
                number,
                acknowledged: storage,
                asked: storage,
            });
        } else {
            self.unsure = Some(number);
        }
    }

    async fn change(&mut self, kind: Kind, one: usize) {
        if kind == Kind::Raise {
            self.claims[one].asked += 1;
        }
        let (name, asked) = (name(self.claims[one].number), self.claims[one].asked);
        let mut bare = self.claims[one].bare();
        let began = Instant::now();
        let answer = match kind {
            Kind::Raise => {
                let more = json!({"spec": {"parameters": {"storageGB": asked}}});
                self.send("PATCH", &name, "application/merge-patch+json", Some(&more))
                    .await
            }
            Kind::Apply => {
                let rest = format!("{name}?fieldManager=gitops&force=true");
                self.send("PATCH", &rest, "application/apply-patch+yaml", Some(&bare))
                    .await
            }
            Kind::Replace | Kind::Create => match self.send("GET", &name, "application/json", None).await {
                Some(stored) if stored.code == 200 => {
                    bare["metadata"]["resourceVersion"] = stored.body["metadata"]["resourceVersion"].clone();
                    self.send("PUT", &name, "application/json", Some(&bare)).await
                }
                failed => failed,
            },
        };
        // It was not known whether that much was stored: it may be a change.
        let noted = if asked == self.claims[one].acknowledged {
            kind
        } else {
            Kind::Raise
        };
        if self.note(noted, began, answer, |_| false) {
            self.claims[one].acknowledged = asked;
        }
    }

    /// Notes what came of a write; gives whether it is done.
    fn note(&self, kind: Kind, began: Instant, answer: Option<Answer>, is_there: impl Fn(u16) -> bool) -> bool {
        let code = answer.as_ref().map_or(0, |answer| answer.code);
        let acknowledged = (200..300).contains(&code) || is_there(code);
        let said = answer
            .filter(|_| !acknowledged)
            .map(|answer| answer.body["message"].to_string());
        let attempt = Attempt {
            kind,
            began,
            ended: Instant::now(),
            code,
            said: said.unwrap_or_default(),
            acknowledged,
        };
        let _ = self.attempts.send(attempt);
        acknowledged
    }

    async fn send(&self, method: &str, rest: &str, kind: &str, body: Option<&Value>) -> Option<Answer> {
        let path = path(&self.namespace, rest);
        let sent = call(&self.client, method, &path, kind, body);
        timeout(PATIENCE, sent).await.ok()?.ok()
    }
}
