//! Does the body of an answer come fast enough to wait for the rest of it?
//!
//! A call has a time in all, which is long where large files are fetched. A server that drips a byte now and then would take up
//! all of it. So each further [`LEAST`] bytes have to come within [`PATIENCE`], and the last ones, fewer, too. Only waiting
//! counts: how long it takes to put away what has come is no fault of the server's.

use bytes::Bytes;
use flow_model::{
    failure::{ErrorKind, Failure},
    units::Millis,
};
use reqwest::Response;
use tokio::time::{Instant, timeout};

/// How many bytes, unpacked, have to come within [`PATIENCE`]: fewer than the slowest line carries in that time.
const LEAST: u64 = 1 << 10;

/// How long they may take together.
const PATIENCE: Millis = Millis::seconds(60);

/// The body of an answer while it comes.
pub(super) struct Coming {
    response: Response,
    /// How long was waited for the bytes since the last [`LEAST`] of them.
    waited: Millis,
    came: u64,
}

/// Why no more of it comes.
pub(super) enum Stopped {
    /// The connection broke.
    Broke(reqwest::Error),
    /// It comes too slowly.
    Slow,
}

impl Coming {
    pub(super) fn of(response: Response) -> Self {
        Self { response, waited: Millis(0), came: 0 }
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
        if self.came >= LEAST {
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
