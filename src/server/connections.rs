//! How many connections may be open: one more is closed at once, so that those that are there go on.

use std::future::{Ready, ready};
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum_server::accept::Accept;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::Service;

use super::State;

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
            room: Arc::new(Semaphore::new(most)),
            state,
        }
    }
}

impl<A, S> Accept<TcpStream, S> for Limited<A>
where
    A: Accept<
            TcpStream,
            Permitted<S>,
            Stream = TcpStream,
            Service = Permitted<S>,
            Future = Ready<io::Result<(TcpStream, Permitted<S>)>>,
        >,
{
    type Stream = TcpStream;
    type Service = Permitted<S>;
    type Future = Ready<io::Result<(TcpStream, Permitted<S>)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        match Arc::clone(&self.room).try_acquire_owned() {
            Ok(permit) => self.next.accept(
                stream,
                Permitted {
                    service,
                    _permit: Arc::new(permit),
                },
            ),
            Err(_) => {
                self.state.metrics.connection_refused();
                ready(Err(io::Error::other("too many connections are open")))
            }
        }
    }
}

/// A connection's service; its place is free again when it is dropped.
#[derive(Clone, Debug)]
pub struct Permitted<S> {
    service: S,
    _permit: Arc<OwnedSemaphorePermit>,
}

impl<S: Service<R>, R> Service<R> for Permitted<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> S::Future {
        self.service.call(request)
    }
}
