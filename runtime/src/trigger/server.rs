//! How are connections taken, limited and closed?
//!
//! HTTP/1.1 alone: what sends webhooks speaks it, and so does every proxy towards what is behind it. Encryption is the
//! proxy's.

use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::Router;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

use super::Limits;
use crate::worker::Workers;

/// How large the head of a request may be, and how much of a body is read at once.
const BUFFER_BYTES: usize = 64 << 10;

/// How many headers a request may have.
const MOST_HEADERS: usize = 100;

/// How long to wait when the machine is out of file handles.
const OUT_OF_HANDLES: Duration = Duration::from_millis(100);

/// Takes connections until `stop` is over, then lets requests under way finish for a while.
pub(super) async fn listen(listener: TcpListener, router: Router, limits: Limits, stop: impl Future<Output = ()>) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time.duration())
        .max_headers(MOST_HEADERS)
        .max_buf_size(BUFFER_BYTES);
    let server = Arc::new(server);
    let graceful = GracefulShutdown::new();
    let workers = Workers::default();
    let room = Arc::new(Semaphore::new(limits.connections));
    let peers = Arc::new(Peers::default());
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = accept(&listener, &room) => accepted,
        };
        let (socket, permit) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(OUT_OF_HANDLES).await;
                continue;
            }
        };
        let Some(place) = socket.peer_addr().ok().and_then(|peer| peers.place(peer.ip(), limits.connections_per_peer))
        else {
            continue;
        };
        // Small answers leave at once.
        socket.set_nodelay(true).ok();
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(socket), service).into_owned();
        let connection = graceful.watch(connection);
        workers.spawn(async move {
            let _held = (permit, place);
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection ended early");
            }
        });
    }
    drop(listener);
    if tokio::time::timeout(limits.grace.duration(), graceful.shutdown()).await.is_err() {
        tracing::warn!("some requests did not finish in time");
    }
    workers.abort();
    // What they hold of the engine is given back before the caller goes on.
    workers.idle().await;
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> std::io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.expect("the semaphore is never closed");
    let (socket, _) = listener.accept().await?;
    Ok((socket, permit))
}

/// How many connections each address holds.
#[derive(Default)]
struct Peers(Mutex<HashMap<IpAddr, usize>>);

/// A connection of an address, until it is dropped.
struct Place {
    peers: Arc<Peers>,
    peer: IpAddr,
}

impl Peers {
    fn place(self: &Arc<Self>, peer: IpAddr, most: usize) -> Option<Place> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(peer).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(held);
        Some(Place { peers: Arc::clone(self), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.peer) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.peer);
            }
        }
    }
}
