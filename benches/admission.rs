//! One CREATE review in process, against the time `serde_json` takes to parse the same bytes.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may end at the first surprise"
)]
use idp_multicloud::admission::{self, Settings, Webhook, envelope};
use idp_multicloud::catalog::{builtin, live::Held};
use std::hint::black_box;
use std::time::{Duration, Instant};

const REVIEW: &[u8] = include_bytes!("../tests/reviews/create.json");

fn time(n: u32, mut f: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..n {
        f();
    }
    start.elapsed() / n
}

#[inline(never)]
fn floor() {
    black_box(serde_json::from_slice::<serde_json::Value>(black_box(REVIEW)).unwrap());
}
#[inline(never)]
fn read() {
    black_box(envelope::read(black_box(REVIEW)).unwrap());
}
#[inline(never)]
fn decide(review: &envelope::Review<'_>, held: &Held, settings: &Settings) {
    black_box(admission::answer(Webhook::Mutate, review, held, settings));
}
#[inline(never)]
fn write(review: &envelope::Review<'_>, answer: &admission::Answer<'_>) {
    black_box(envelope::write(&review.uid, answer));
}

fn main() {
    let n: u32 = std::env::var("N").map_or(20_000, |n| n.parse().unwrap());
    let held = Held::new(builtin::load().unwrap());
    let settings = Settings::default();
    let mut best = [Duration::MAX; 4];
    for _ in 0..if n < 5000 { 1 } else { 30 } {
        let review = envelope::read(REVIEW).unwrap();
        let answer = admission::answer(Webhook::Mutate, &review, &held, &settings);
        for (b, t) in best.iter_mut().zip([
            time(n / 10 + 1, floor),
            time(n / 10 + 1, read),
            time(n / 10 + 1, || decide(&review, &held, &settings)),
            time(n / 10 + 1, || write(&review, &answer)),
        ]) {
            *b = (*b).min(t);
        }
    }
    let [floor, read, decide, write] = best;
    println!(
        "floor {floor:?} read {read:?} answer {decide:?} write {write:?} ratio {:.2}",
        (read + decide + write).as_secs_f64() / floor.as_secs_f64()
    );
}
