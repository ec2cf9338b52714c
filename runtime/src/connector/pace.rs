//! Does a body go fast enough to wait for the rest of it?
//!
//! A call has a time in all, which is long where large files are carried. A server that drips a byte now and then, or reads
//! one, would take up all of it.
//!
//! So of an answer each further [`LEAST`] bytes have to come within [`PATIENCE`], and the last ones, fewer, too. Some systems
//! send white space while they work, so that no one on the way takes the connection for dead: where that may stand before
//! an answer it is a sign of life, and the answer has not begun. Of a request the connection has to ask for each further
//! [`PIECE`] within the same time. What lies in the buffers of the machine by then counts as read here: whether the server
//! takes it from there is for the connection itself to see, which ends when nothing is taken for as long.
//!
//! Only waiting for the server counts: how long it takes to put away what has come, or to read what is sent, is no fault of
//! its.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
};
use futures::{Stream, StreamExt as _, stream};
use reqwest::Response;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How many bytes of an answer, unpacked, have to come within [`PATIENCE`]: fewer than the slowest line carries in that time.
const LEAST: u64 = 1 << 10;

/// How many bytes of a request are handed to the connection at a time.
pub(super) const PIECE: usize = 16 << 10;

/// How long they may take together.
pub(super) const PATIENCE: Millis = Millis::seconds(60);

/// The body of an answer while it comes.
pub(super) struct Coming {
    response: Response,
    /// How long was waited for the bytes since the last [`LEAST`] of them.
    waited: Millis,
    came: u64,
    /// Whether nothing has come but white space that says nothing.
    idle: bool,
}

/// Why no more of it comes.
pub(super) enum Stopped {
    /// The connection broke.
    Broke(reqwest::Error),
    /// It comes too slowly.
    Slow,
}

impl Coming {
    /// An answer in which every byte counts.
    pub(super) fn of(response: Response) -> Self {
        Self { response, waited: Millis(0), came: 0, idle: false }
    }

    /// An answer that white space may stand before.
    pub(super) fn of_text(response: Response) -> Self {
        Self { idle: true, ..Self::of(response) }
    }

    /// How long it is, where the server says so and it is not packed.
    pub(super) fn length(&self) -> Option<u64> {
        self.response.content_length()
    }

    /// The next piece; none at the end.
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, Stopped> {
        let began = Instant::now();
        let left = PATIENCE.duration().saturating_sub(self.waited.duration());
        let chunk = timeout(left, self.response.chunk()).await.map_err(|_| Stopped::Slow)?.map_err(Stopped::Broke)?;
        let waited = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.waited = Millis(self.waited.0.saturating_add(waited));
        self.came += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        self.idle &= chunk.as_ref().is_some_and(|chunk| chunk.iter().all(u8::is_ascii_whitespace));
        if self.came >= LEAST || self.idle {
            (self.waited, self.came) = (Millis(0), 0);
        }
        Ok(chunk)
    }
}

/// The failure of an answer that comes too slowly.
pub(super) fn slow(host: &str) -> Failure {
    let message = format!("the answer of `{host}` comes too slowly: fewer than {LEAST} bytes within {PATIENCE}");
    Failure::new(ErrorKind::Timeout, message)
}

/// The body of a request while it leaves: since when the connection has not asked for more of it; none while it need not.
#[derive(Clone, Default)]
pub(super) struct Leaving(Arc<Mutex<Option<Instant>>>);

/// What is left of a body that leaves. When it is dropped, no more is wanted of it.
struct Rest<S> {
    pieces: S,
    leaving: Leaving,
}

impl<S> Drop for Rest<S> {
    fn drop(&mut self) {
        *self.leaving.asked() = None;
    }
}

impl Leaving {
    fn asked(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same bytes in pieces, which are seen to leave.
    pub(super) fn paced<S, E>(&self, body: S) -> impl Stream<Item = Result<Bytes, E>> + use<S, E>
    where
        S: Stream<Item = Result<Bytes, E>> + Unpin,
    {
        let pieces = body.map(pieces).flatten();
        let rest = Rest { pieces, leaving: self.clone() };
        stream::unfold(rest, |mut rest| async move {
            *rest.leaving.asked() = None;
            let piece = rest.pieces.next().await?;
            *rest.leaving.asked() = Some(Instant::now());
            Some((piece, rest))
        })
    }

    /// Waits until the connection has not asked for more for too long.
    pub(super) async fn stalled(&self) {
        loop {
            let asked = *self.asked();
            match asked {
                Some(asked) if asked.elapsed() >= PATIENCE.duration() => return,
                Some(asked) => sleep_until(asked + PATIENCE.duration()).await,
                // Whatever is handed over meanwhile may take longer than this.
                None => sleep(PATIENCE.duration()).await,
            }
        }
    }
}

fn pieces<E>(chunk: Result<Bytes, E>) -> impl Stream<Item = Result<Bytes, E>> {
    let mut left = Some(chunk);
    stream::iter(std::iter::from_fn(move || match left.take()? {
        Ok(mut bytes) if bytes.len() > PIECE => {
            let piece = bytes.split_to(PIECE);
            left = Some(Ok(bytes));
            Some(Ok(piece))
        }
        whole => Some(whole),
    }))
}

/// The failure of a request that is read too slowly.
pub(super) fn unread(host: &str) -> Failure {
    let message = format!("`{host}` reads the request too slowly: fewer than {PIECE} bytes within {PATIENCE}");
    Failure::new(ErrorKind::Unavailable, message)
}

#[cfg(test)]
mod tests {
    use std::{convert::Infallible, pin::pin, time::Duration};

    use futures::FutureExt as _;

    use super::*;

    const MINUTE: Duration = PATIENCE.duration();

    fn body(chunks: &[usize]) -> impl Stream<Item = Result<Bytes, Infallible>> + Unpin {
        let chunks: Vec<_> = chunks.iter().map(|size| Ok(Bytes::from(vec![b'.'; *size]))).collect();
        stream::iter(chunks)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_leaves_in_pieces_and_none_is_lost() {
        let leaving = Leaving::default();
        let sizes: Vec<_> =
            leaving.paced(body(&[PIECE * 2 + 5, 0, 7])).map(|piece| piece.unwrap().len()).collect().await;
        assert_eq!(sizes, [PIECE, PIECE, 5, 0, 7]);
        assert!(tokio::time::timeout(MINUTE * 100, leaving.stalled()).await.is_err(), "all of it has left");
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_of_which_no_more_is_asked_for_stalls() {
        let leaving = Leaving::default();
        let mut pieces = pin!(leaving.paced(body(&[PIECE * 200])));
        let mut stalled = pin!(leaving.stalled());
        // The connection is not there yet.
        assert!(tokio::time::timeout(MINUTE * 3, &mut stalled).await.is_err());
        // A server may be slow for hours.
        for _ in 0..180 {
            assert!(pieces.next().await.is_some());
            assert!(tokio::time::timeout(MINUTE - Duration::from_secs(1), &mut stalled).await.is_err());
        }
        assert!(pieces.next().await.is_some());
        let began = Instant::now();
        stalled.await;
        assert_eq!(began.elapsed(), MINUTE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_in_which_we_read_what_is_sent_does_not_count() {
        let leaving = Leaving::default();
        let slow = stream::once(async {
            sleep(MINUTE * 10).await;
            Ok::<_, Infallible>(Bytes::from_static(b"late"))
        });
        let mut pieces = pin!(leaving.paced(slow.boxed()));
        tokio::select! {
            piece = pieces.next() => assert!(piece.is_some()),
            () = leaving.stalled() => panic!("nobody waited for the server"),
        }
        assert!(leaving.stalled().now_or_never().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_nobody_wants_any_more_does_not_stall() {
        let leaving = Leaving::default();
        {
            let mut pieces = pin!(leaving.paced(body(&[PIECE * 3])));
            assert!(pieces.next().await.is_some());
        }
        assert!(tokio::time::timeout(MINUTE * 100, leaving.stalled()).await.is_err());
    }
}
