//! Log lines on their way to standard error: a thread of their own writes them, so that a reader that is stuck or gone
//! holds no request up. What finds the buffer full is lost, and counted.

use std::io::{self, Write};
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many bytes wait at most: about a second of a server at its limits.
const MOST: usize = 4 * 1024 * 1024;

/// How long the thread lets lines gather. Woken for each line, it would cost more than the line, and take the processor
/// from the very request that wrote it.
const GATHER: Duration = Duration::from_millis(10);

/// How long [`flush`] waits for a reader that may be stuck.
const FLUSH: Duration = Duration::from_secs(1);

static WAITING: Mutex<Waiting> = Mutex::new(Waiting {
    lines: Vec::new(),
    writing: false,
});
static ARRIVED: Condvar = Condvar::new();
static WRITTEN: Condvar = Condvar::new();
static LOST: AtomicU64 = AtomicU64::new(0);

struct Waiting {
    lines: Vec<u8>,
    /// The thread has taken lines and is not yet done with them.
    writing: bool,
}

fn waiting() -> MutexGuard<'static, Waiting> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread, once for the process.
pub(super) fn start() -> Lines {
    static START: Once = Once::new();
    // Without a thread the buffer fills, and then every line is counted as lost.
    START.call_once(|| {
        let _ = thread::Builder::new().name("log".to_owned()).spawn(write);
    });
    Lines
}

/// Waits until every line up to now is written; not for long.
pub fn flush() {
    let pending = |waiting: &mut Waiting| waiting.writing || !waiting.lines.is_empty();
    drop(WRITTEN.wait_timeout_while(waiting(), FLUSH, pending));
}

/// How many lines were lost since the last call.
pub(super) fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

fn write() {
    let mut batch = Vec::new();
    loop {
        let empty = |waiting: &mut Waiting| waiting.lines.is_empty();
        drop(ARRIVED.wait_while(waiting(), empty));
        thread::sleep(GATHER);
        {
            let mut waiting = waiting();
            waiting.writing = true;
            mem::swap(&mut waiting.lines, &mut batch);
        }
        if io::stderr().write_all(&batch).is_err() {
            let lines = batch.split(|byte| *byte == b'\n').skip(1).count();
            LOST.fetch_add(lines as u64, Ordering::Relaxed);
        }
        batch.clear();
        waiting().writing = false;
        WRITTEN.notify_all();
    }
}

/// Where the subscriber writes its lines.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lines;

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        *self
    }
}

impl Write for Lines {
    /// Takes one whole line, as the subscriber gives it. Neither waits for the reader nor fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = waiting();
        if waiting.lines.len() + line.len() > MOST {
            LOST.fetch_add(1, Ordering::Relaxed);
        } else {
            let first = waiting.lines.is_empty();
            waiting.lines.extend_from_slice(line);
            drop(waiting);
            if first {
                ARRIVED.notify_one();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
