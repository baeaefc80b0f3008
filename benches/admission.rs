//! One CREATE review in process, bytes in to response bytes out, against the time `serde_json` takes to parse the same
//! bytes into a `Value`. Both are timed in turns; what counts is the median of the turns' ratios.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may end at the first surprise"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use idp_multicloud::admission::{self, Settings, Webhook, envelope};
use idp_multicloud::catalog::{builtin, live::Held};

const REVIEW: &[u8] = include_bytes!("../tests/reviews/create.json");
const TURNS: usize = 101;
const TIMES: u32 = 2_000;

fn main() {
    let catalog = Held::new(builtin::load().expect("the built-in catalog"));
    let settings = Settings::default();
    let floor = || serde_json::from_slice::<serde_json::Value>(black_box(REVIEW)).expect("JSON");
    let ours = || {
        let review = envelope::read(black_box(REVIEW)).expect("a review");
        let answer = admission::answer(Webhook::Mutate, &review, &catalog, &settings);
        envelope::write(&review.uid, &answer)
    };
    let turn = |_| (time(floor), time(ours));
    let turns: Vec<_> = (0..TURNS).map(turn).collect();
    let floors = turns.iter().map(|(floor, _)| floor.as_secs_f64());
    let all = turns.iter().map(|(_, ours)| ours.as_secs_f64());
    let ratios = turns
        .iter()
        .map(|(floor, ours)| ours.as_secs_f64() / floor.as_secs_f64());
    println!("review of {} bytes, answer of {} bytes", REVIEW.len(), ours().len());
    println!(
        "median of {TURNS} turns: serde_json {:.2} µs, admission {:.2} µs, ratio {:.2}",
        median(floors) * 1e6,
        median(all) * 1e6,
        median(ratios)
    );
}

fn time<T>(work: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(work());
    }
    start.elapsed() / TIMES
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
