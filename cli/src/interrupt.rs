//! Ctrl-C and SIGTERM.

use std::future::Future;

use crate::{
    exit::Exit,
    trouble::{Trouble, said},
};

/// The signals that ask `flowc` to stop.
pub(crate) struct Interrupts {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

impl Interrupts {
    /// Takes the signals over from now on. It has to be called within a tokio runtime.
    ///
    /// # Errors
    /// The operating system refuses.
    pub(crate) fn new() -> Result<Self, Trouble> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let listen = |kind| {
                signal(kind).map_err(|error| {
                    Trouble::new(Exit::Environment, format!("signals can't be received: {}", said(&error)))
                })
            };
            Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Waits for work to end, or for the next signal, which gives it up.
    ///
    /// # Errors
    /// A signal came first.
    pub(crate) async fn or<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Trouble> {
        tokio::select! {
            done = work => Ok(done),
            () = self.next() => Err(Trouble::told(Exit::Interrupted)),
        }
    }
}
