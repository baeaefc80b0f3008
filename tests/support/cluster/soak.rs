//! Steady writers for a long time, and whether memory and descriptors are level meanwhile.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apiserver::{ApiServer, User, call};
use super::platform::path;
use super::team::claim;
use crate::support::guard::Usage;

/// How many claims each writer keeps: it deletes the oldest for each one that it makes.
const KEPT: usize = 20;

/// Writers in a namespace.
pub struct Writers<'a> {
    pub api: &'a ApiServer,
    pub user: User,
    pub namespace: &'a str,
    pub count: usize,
    /// How long each waits after a write.
    pub pause: Duration,
}

/// What was written.
#[derive(Default)]
pub struct Written {
    /// How long each write took.
    pub took: Vec<Duration>,
    /// What came of those that were not done.
    pub failed: Vec<String>,
}

impl Writers<'_> {
    /// They write for as long as something else is done, which may take what they have written so far.
    pub fn beside<T: Send>(&self, watch: impl FnOnce(&Mutex<Written>) -> T + Send) -> T {
        let written = Mutex::default();
        thread::scope(|scope| {
            let watching = scope.spawn(|| watch(&written));
            thread::scope(|writers| {
                for writer in 0..self.count {
                    let (written, watching) = (&written, &watching);
                    writers.spawn(move || self.write(writer, written, || !watching.is_finished()));
                }
            });
            watching.join().unwrap()
        })
    }

    /// Makes a claim, raises it, replaces it by a bare one, deletes the oldest, and so on.
    fn write(&self, writer: usize, written: &Mutex<Written>, more: impl Fn() -> bool) {
        let mut kept = VecDeque::new();
        for number in 0.. {
            if !more() {
                return;
            }
            let name = format!("soak-{writer}-{number}");
            let tier = ["C0", "C1", "C2"][number % 3];
            let bare = |storage: u64| {
                let asked = json!({"tier": tier, "environment": "dev", "storageGB": storage});
                claim(&name, asked)
            };
            self.send(written, "POST", "", Some(&bare(50)));
            let raise = json!({"spec": {"parameters": {"storageGB": 60}}});
            let raised = self.send(written, "PATCH", &name, Some(&raise));
            // As `kubectl replace` does.
            let mut replacement = bare(60);
            replacement["metadata"]["resourceVersion"] = raised["metadata"]["resourceVersion"].clone();
            self.send(written, "PUT", &name, Some(&replacement));
            kept.push_back(name);
            if kept.len() > KEPT {
                self.send(written, "DELETE", &kept.pop_front().unwrap(), None);
            }
        }
    }

    fn send(&self, written: &Mutex<Written>, method: &str, rest: &str, body: Option<&Value>) -> Value {
        let kind = if method == "PATCH" {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let (client, path) = (self.api.client(self.user), path(self.namespace, rest));
        let began = Instant::now();
        let answer = self.api.block_on(call(&client, method, &path, kind, body));
        let took = began.elapsed();
        let (body, failed) = match answer {
            Ok(answer) if answer.code < 300 => (answer.body, None),
            Ok(answer) => {
                let failed = format!("{method} {path}: {} {}", answer.code, answer.body["message"]);
                (answer.body, Some(failed))
            }
            Err(error) => (Value::Null, Some(format!("{method} {path}: {error}"))),
        };
        {
            let mut written = written.lock().unwrap();
            written.took.push(took);
            written.failed.extend(failed);
        }
        thread::sleep(self.pause);
        body
    }
}

/// A process that is looked at now and then.
pub struct Watched {
    pub name: String,
    process: u32,
    seen: Vec<Usage>,
}

impl Watched {
    pub fn new(name: &str, process: u32) -> Self {
        Self {
            name: name.to_owned(),
            process,
            seen: Vec::new(),
        }
    }

    /// Looks at it; fails if it has ended.
    pub fn look(&mut self) -> Usage {
        let usage = Usage::of(self.process).unwrap_or_else(|| panic!("wanted: {} runs; saw: it has ended", self.name));
        self.seen.push(usage);
        usage
    }

    /// By how much it has grown from the second quarter of the time to the last, in the mean: KiB of anonymous memory,
    /// descriptors.
    pub fn growth(&self) -> (f64, f64) {
        let quarter = self.seen.len() / 4;
        let (second, last) = (&self.seen[quarter..2 * quarter], &self.seen[3 * quarter..]);
        let grown = |of: fn(&Usage) -> u64| mean(last, of) - mean(second, of);
        (grown(|usage| usage.anonymous), grown(|usage| usage.descriptors))
    }

    /// Whether it has grown by no more than so many KiB of memory, and so many descriptors.
    pub fn is_level(&self, memory: f64, descriptors: f64) -> bool {
        let grown = self.growth();
        grown.0 <= memory && grown.1 <= descriptors
    }
}

#[expect(clippy::cast_precision_loss, reason = "kilobytes and counts are small")]
fn mean(seen: &[Usage], of: fn(&Usage) -> u64) -> f64 {
    seen.iter().map(of).sum::<u64>() as f64 / seen.len() as f64
}
