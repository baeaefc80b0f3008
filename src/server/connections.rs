//! How many connections may be open, and how long one may do nothing: one connection more is closed at once, one that
//! takes no bytes of its answer is given up, as is one whose bytes come and come and make no request, and once all are taken,
//! so are those that lie idle.

use std::future::{Ready, ready};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;

use super::State;

/// How long a client may take none of the bytes that are for it. Nothing else bounds that, as no header is read and no
/// request worked on meanwhile.
const UNREAD: Duration = Duration::from_secs(10);

/// How long a connection lies idle before it is closed, once all are taken. Until then it may idle for much longer.
const QUIET: Duration = Duration::from_secs(5);

/// How long beyond a request's own time bytes may come, one soon after the other, before there is another request: a handshake
/// and a header have that long. How long they may take in silence is another matter (`IDLE`).
const UNASKED: Duration = Duration::from_secs(10);

/// An acceptor that lets a bounded number of connections through to the next one.
#[derive(Clone, Debug)]
pub struct Limited<A> {
    next: A,
    room: Arc<Semaphore>,
    state: Arc<State>,
}

impl<A> Limited<A> {
    /// At most `most` connections at a time.
    #[must_use]
    pub fn new(next: A, most: usize, state: Arc<State>) -> Self {
        Self {
            next,
            room: Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))),
            state,
        }
    }
}

impl<A, S> Accept<TcpStream, S> for Limited<A>
where
    A: Accept<TcpStream, S, Stream = TcpStream, Service = S, Future = Ready<io::Result<(TcpStream, S)>>>,
{
    type Stream = Unstuck;
    type Service = Permitted<S>;
    type Future = Ready<io::Result<(Unstuck, Permitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
            self.state.metrics.connection_refused();
            return ready(Err(io::Error::other("too many connections are open")));
        };
        let accepted = self.next.accept(stream, service).into_inner();
        ready(accepted.map(|(stream, service)| {
            let requests = Arc::<Requests>::default();
            let permitted = Permitted {
                service,
                requests: Arc::clone(&requests),
                _permit: Arc::new(permit),
            };
            let patience = self.state.request_timeout.saturating_add(UNASKED);
            (
                Unstuck::new(stream, Arc::clone(&self.room), requests, patience),
                permitted,
            )
        }))
    }
}

/// The requests of a connection.
#[derive(Debug, Default)]
struct Requests {
    /// How many it has had.
    had: AtomicU64,
    /// How many of them are worked on.
    in_hand: AtomicUsize,
}

/// A connection's service; its place is free again when it is dropped.
#[derive(Clone, Debug)]
pub struct Permitted<S> {
    service: S,
    requests: Arc<Requests>,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Permitted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = InHand<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let requests = Arc::clone(&self.requests);
        requests.had.fetch_add(1, Ordering::Relaxed);
        requests.in_hand.fetch_add(1, Ordering::Relaxed);
        InHand {
            requests,
            answer: Box::pin(self.service.call(request)),
        }
    }
}

/// An answer that is worked on: its connection is silent meanwhile, and not idle.
#[derive(Debug)]
pub struct InHand<F> {
    requests: Arc<Requests>,
    answer: Pin<Box<F>>,
}

impl<F: Future> Future for InHand<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.answer.as_mut().poll(cx)
    }
}

impl<F> Drop for InHand<F> {
    fn drop(&mut self) {
        self.requests.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose writes fail once the other side has taken nothing for [`UNREAD`], whose reads fail once it only ever trickles,
/// and that ends when nothing has come or gone for [`QUIET`], no request is in hand, and others wait for its place.
#[derive(Debug)]
pub struct Unstuck {
    stream: TcpStream,
    stuck: Option<Pin<Box<Sleep>>>,
    room: Arc<Semaphore>,
    /// Something has come or gone since the last tick.
    active: bool,
    tick: Option<Pin<Box<Sleep>>>,
    requests: Arc<Requests>,
    /// How many it had when the present run of bytes began, and when that was.
    run: (u64, Instant),
    /// When bytes came last.
    came: Instant,
    /// How long a run may last.
    patience: Duration,
}

impl Unstuck {
    fn new(stream: TcpStream, room: Arc<Semaphore>, requests: Arc<Requests>, patience: Duration) -> Self {
        let now = Instant::now();
        Self {
            stream,
            stuck: None,
            room,
            active: true,
            tick: None,
            requests,
            run: (0, now),
            came: now,
            patience,
        }
    }

    /// Whether bytes have been coming for too long, without a pause and without a request.
    fn only_trickles(&mut self) -> bool {
        let (now, requests) = (Instant::now(), self.requests.had.load(Ordering::Relaxed));
        if requests != self.run.0 || now.duration_since(self.came) > QUIET {
            self.run = (requests, now);
        }
        self.came = now;
        now.duration_since(self.run.1) > self.patience
    }

    /// Whether to end: nothing has happened for a while, and there is no room for anybody else.
    fn in_the_way(&mut self, cx: &mut Context<'_>) -> bool {
        // A connection is polled by one task for life, so its waker has to be left with the tick only once.
        let tick = match &mut self.tick {
            Some(tick) if !tick.is_elapsed() => return false,
            Some(tick) => tick,
            none => none.insert(Box::pin(sleep(QUIET))),
        };
        while tick.as_mut().poll(cx).is_ready() {
            let in_hand = self.requests.in_hand.load(Ordering::Relaxed);
            if !self.active && in_hand == 0 && self.room.available_permits() == 0 {
                tracing::debug!("an idle connection is closed, as all are taken");
                return true;
            }
            self.active = false;
            tick.as_mut().reset(Instant::now() + QUIET);
        }
        false
    }

    fn bounded(&mut self, cx: &mut Context<'_>, wrote: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if wrote.is_ready() {
            self.stuck = None;
            self.active = true;
            return wrote;
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(UNREAD)));
        stuck.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Unstuck {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let read = Pin::new(&mut this.stream).poll_read(cx, buf);
        if read.is_ready() {
            this.active = true;
            if this.only_trickles() {
                tracing::debug!("a connection is closed: bytes have been coming for too long and make no request");
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        } else if this.in_the_way(cx) {
            // No bytes is the end of the stream.
            return Poll::Ready(Ok(()));
        }
        read
    }
}

impl AsyncWrite for Unstuck {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.bounded(cx, wrote)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.bounded(cx, wrote)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
