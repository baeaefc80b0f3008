//! Many writers at once, and what they write.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apiserver::{Answer, User};
use super::platform::Platform;

/// What `spec.parameters` asks for: one of a thousand different requests, all of which fit somewhere.
pub fn asked(number: usize) -> Value {
    let pick = |words: &[&str], step: usize| Value::from(words[number / step % words.len()]);
    let mut asked = json!({
        "tier": pick(&["C0", "C1", "c2", "C2"], 1),
        "ha": (number / 4).is_multiple_of(2),
        "environment": pick(&["dev", "staging", "prod"], 8),
        "size": pick(&["small", "medium", "large", "xlarge"], 24),
        "storageGB": 50 + number,
    });
    // This cell has no room for a standby.
    if number.is_multiple_of(3) && asked["tier"] != "C0" && asked["ha"] == false {
        asked["cell"] = "archive".into();
    }
    asked
}

/// Its name.
pub fn name(number: usize) -> String {
    format!("db-{number}")
}

/// A claim that was sent, and what came of it.
pub struct Sent {
    pub answer: Answer,
    pub took: Duration,
}

/// Some writers send claims by number to a path, for as long as `more` says so.
pub fn send(
    platform: &Platform,
    writers: usize,
    user: User,
    path: &str,
    made: impl Fn(usize) -> Value + Sync,
    more: impl Fn(usize) -> bool + Sync,
) -> Vec<Sent> {
    let next = AtomicUsize::new(0);
    let write = || {
        let mut sent = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if !more(number) {
                return sent;
            }
            let claim = made(number);
            let began = Instant::now();
            let answer = platform.api.call(user, "POST", path, Some(&claim));
            sent.push(Sent {
                answer,
                took: began.elapsed(),
            });
        }
    };
    thread::scope(|scope| {
        let writers: Vec<_> = (0..writers).map(|_| scope.spawn(write)).collect();
        writers.into_iter().flat_map(|writer| writer.join().unwrap()).collect()
    })
}
