//! One CREATE review in process, against the time serde_json takes to parse the same bytes.
use idp_multicloud::admission::{self, Settings, Webhook, envelope};
use idp_multicloud::catalog::{builtin, live::Held};
use std::hint::black_box;
use std::time::{Duration, Instant};

const REVIEW: &[u8] = include_bytes!("../tests/reviews/create.json");

fn time(mut f: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..20_000 {
        f();
    }
    start.elapsed() / 20_000
}

fn main() {
    let held = Held::new(builtin::load().unwrap());
    let settings = Settings::default();
    for _ in 0..5 {
        let floor = time(|| {
            black_box(serde_json::from_slice::<serde_json::Value>(black_box(REVIEW)).unwrap());
        });
        let read = time(|| {
            black_box(envelope::read(black_box(REVIEW)).unwrap());
        });
        let review = envelope::read(REVIEW).unwrap();
        let decide = time(|| {
            black_box(admission::answer(Webhook::Mutate, &review, &held, &settings));
        });
        let answer = admission::answer(Webhook::Mutate, &review, &held, &settings);
        let write = time(|| {
            black_box(envelope::write(&review.uid, &answer));
        });
        println!(
            "floor {floor:?} read {read:?} answer {decide:?} write {write:?} ratio {:.2}",
            (read + decide + write).as_secs_f64() / floor.as_secs_f64()
        );
    }
    let review = envelope::read(REVIEW).unwrap();
    let answer = admission::answer(Webhook::Mutate, &review, &held, &settings);
    println!("{}", String::from_utf8(envelope::write(&review.uid, &answer)).unwrap());
    println!(
        "{}",
        String::from_utf8(envelope::patch(answer.verdict.as_ref().unwrap())).unwrap()
    );
}
