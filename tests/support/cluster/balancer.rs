//! What a Service is to the API server: one address, and servers behind it that come and go.

use std::io;
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

/// Passes connections on to its backends in turn. Lives as long as the process.
#[derive(Clone)]
pub struct Balancer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    backends: Vec<SocketAddr>,
    turn: usize,
    open: Vec<TcpStream>,
}

impl Balancer {
    /// Opens it on a free port, with nobody behind it.
    pub fn open() -> Self {
        Self::open_at((Ipv4Addr::LOCALHOST, 0).into()).unwrap()
    }

    /// Opens it at an address.
    ///
    /// # Errors
    /// Nothing may listen there: ports below 1024 are not for everybody.
    pub fn open_at(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let balancer = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::default(),
        };
        let state = Arc::clone(&balancer.state);
        thread::spawn(move || {
            for client in listener.incoming() {
                let _ = client.and_then(|client| connect(client, &state));
            }
        });
        Ok(balancer)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Sends new connections to these; those that are open stay.
    pub fn set(&self, backends: &[SocketAddr]) {
        backends.clone_into(&mut self.state.lock().unwrap().backends);
    }

    /// Sends everything to these from now on: connections that are open end.
    pub fn only(&self, backends: &[SocketAddr]) {
        self.set(backends);
        for stream in self.state.lock().unwrap().open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Connects to the next backend that answers. Nobody there: the connection ends.
fn connect(client: TcpStream, state: &Mutex<State>) -> io::Result<()> {
    let (backends, turn) = {
        let mut state = state.lock().unwrap();
        state.turn = state.turn.wrapping_add(1);
        (state.backends.clone(), state.turn)
    };
    let order = (0..backends.len()).map(|n| backends[(turn.wrapping_add(n)) % backends.len()]);
    let Some(server) = order.into_iter().find_map(|backend| TcpStream::connect(backend).ok()) else {
        return Ok(());
    };
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    state.lock().unwrap().open.push(client.try_clone()?);
    let (client_too, server_too) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(client, server));
    thread::spawn(move || pass(server_too, client_too));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    let _ = io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Write);
}
