//! Log lines on their way to standard error: a thread of their own writes them, so that a reader that is stuck or gone
//! holds no request up. What finds the queue full is lost, and counted.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tracing_subscriber::fmt::MakeWriter;

/// How many lines wait at most: about a second of a server at its limits, and some 4 MB.
const MOST_LINES: usize = 8192;

/// How long the thread lets lines gather, so that under load it is not woken, and does not write, once for each.
const GATHER: Duration = Duration::from_millis(1);

/// How many bytes are written at once.
const BATCH: usize = 64 * 1024;

/// How long [`flush`] waits for a reader that may be stuck.
const FLUSH: Duration = Duration::from_secs(1);

static QUEUE: OnceLock<SyncSender<Message>> = OnceLock::new();
static LOST: AtomicU64 = AtomicU64::new(0);

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Starts the thread, once for the process.
pub(super) fn start() -> Lines {
    QUEUE.get_or_init(|| {
        let (sender, receiver) = sync_channel(MOST_LINES);
        // Without a thread the receiver is dropped, and every line counted as lost.
        let _ = thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || write(&receiver));
        sender
    });
    Lines
}

/// Waits until every line up to now is written; not for long.
pub fn flush() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    if queue.try_send(Message::Flush(done)).is_ok() {
        let _ = written.recv_timeout(FLUSH);
    }
}

/// How many lines were lost since the last call.
pub(super) fn lost() -> u64 {
    LOST.swap(0, Ordering::Relaxed)
}

fn write(receiver: &Receiver<Message>) {
    let mut batch = Vec::with_capacity(BATCH);
    while let Ok(message) = receiver.recv() {
        let mut next = Some(message);
        if matches!(next, Some(Message::Line(_))) {
            thread::sleep(GATHER);
        }
        let (mut lines, mut flushed) = (0, None);
        while let Some(message) = next.take() {
            match message {
                Message::Line(line) => {
                    batch.extend_from_slice(&line);
                    lines += 1;
                }
                Message::Flush(done) => flushed = Some(done),
            }
            if batch.len() < BATCH && flushed.is_none() {
                next = receiver.try_recv().ok();
            }
        }
        if io::stderr().write_all(&batch).is_err() {
            LOST.fetch_add(lines, Ordering::Relaxed);
        }
        batch.clear();
        drop(flushed);
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
    /// Takes one whole line, as the subscriber gives it. Neither waits nor fails.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let sent = QUEUE
            .get()
            .is_some_and(|queue| queue.try_send(Message::Line(line.to_vec())).is_ok());
        if !sent {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
