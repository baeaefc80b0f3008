//! A test program whose cases share what one of them has started.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::binaries::Absent;

/// The cases of one file: its name, and for each case its name and what it does.
pub type Room<T> = (&'static str, &'static [(&'static str, fn(&T))]);

/// How many cases run at a time unless `--test-threads` says otherwise: they wait more than they work.
const THREADS: usize = 4;

/// Runs all of it in this order; what is in `alone` has no other case beside it. What they share is started by the
/// first case that runs.
pub fn run<T: Send + Sync + 'static>(
    start: fn() -> Result<T, Absent>,
    rooms: impl IntoIterator<Item = (bool, Room<T>)>,
) -> ExitCode {
    let mut cases: Vec<Case<T>> = Vec::new();
    for (alone, (room, room_cases)) in rooms {
        for &(name, case) in room_cases {
            let run = Box::new(move |shared: &T| {
                case(shared);
                Ok(Completion::Completed)
            });
            let name = format!("{room}::{name}");
            cases.push(Case {
                name,
                alone,
                long: false,
                run,
            });
        }
    }
    run_cases(start, cases)
}

/// What a case does with that which cases share.
type Run<T> = Box<dyn Fn(&T) -> Result<Completion, Failed> + Send>;

/// One case, of whatever kind.
pub struct Case<T> {
    pub name: String,
    /// It has no other case beside it.
    pub alone: bool,
    /// It takes minutes, and is run where it is asked for: with `--ignored`.
    pub long: bool,
    pub run: Run<T>,
}

/// Runs cases of several kinds.
pub fn run_cases<T: Send + Sync + 'static>(start: fn() -> Result<T, Absent>, cases: Vec<Case<T>>) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let shared = Arc::new(Shared {
        start,
        started: OnceLock::new(),
        turn: RwLock::new(()),
    });
    let trial = |Case { name, alone, long, run }| {
        let shared = Arc::clone(&shared);
        Trial::ignorable_test(name, move || shared.run(run, alone)).with_ignored_flag(long)
    };
    let trials = cases.into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&args, trials);
    drop(shared);
    conclusion.exit_code()
}

/// What cases share, or why there is none.
struct Shared<T> {
    start: fn() -> Result<T, Absent>,
    started: OnceLock<Result<T, Absent>>,
    turn: RwLock<()>,
}

impl<T> Shared<T> {
    fn run(&self, case: impl FnOnce(&T) -> Result<Completion, Failed>, alone: bool) -> Result<Completion, Failed> {
        let shared = match self.started.get_or_init(|| self.start()) {
            Ok(shared) => shared,
            Err(absent) => return absent.verdict(),
        };
        if alone {
            let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            case(shared)
        } else {
            let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            case(shared)
        }
    }

    fn start(&self) -> Result<T, Absent> {
        let broken = |_| Absent::Broken("it did not start: the first case says why, above".to_owned());
        catch_unwind(AssertUnwindSafe(self.start)).unwrap_or_else(|panic| Err(broken(panic)))
    }
}
