//! Connections that are open, by account.
//!
//! There are never more of an account than its setting `connections` says: who finds all in use waits for one. A
//! connection on which something went wrong is closed, and not used again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flow_model::failure::{ErrorKind, Failure};
use flow_runtime::connector::{NativeCall, NativeFailure, Reached};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::dialect::{Account, Dialect, Session};

/// How many accounts are remembered. A program has a handful of connections; past this, the oldest goes.
const MOST_ACCOUNTS: usize = 64;

/// The longest that making a connection may take; of shorter calls, half of their time.
const MOST_CONNECTING: Duration = Duration::from_secs(15);

pub(crate) struct Pool {
    dialect: Arc<dyn Dialect>,
    accounts: Mutex<Vec<(Account, Arc<Shelf>)>>,
}

/// The connections of an account.
struct Shelf {
    idle: Mutex<Vec<Box<dyn Session>>>,
    places: Arc<Semaphore>,
}

impl Shelf {
    fn pop(&self) -> Option<Box<dyn Session>> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(session) = idle.pop() {
            if session.is_clean() {
                return Some(session);
            }
        }
        None
    }
}

/// A connection that is in use.
pub(crate) struct Taken {
    session: Box<dyn Session>,
    shelf: Arc<Shelf>,
    was_idle: bool,
    // Given back after the session is closed or on its shelf.
    _place: OwnedSemaphorePermit,
}

impl Taken {
    pub(crate) fn session(&mut self) -> &mut dyn Session {
        &mut *self.session
    }

    /// Says whether the call has failed because the connection was closed while it was idle.
    pub(crate) fn is_stale(&self, failure: &NativeFailure) -> bool {
        self.was_idle && failure.reached == Reached::Never && !self.session.is_clean()
    }

    pub(crate) fn give_back(self) {
        if self.session.is_clean() {
            self.shelf.idle.lock().unwrap_or_else(PoisonError::into_inner).push(self.session);
        }
    }
}

impl Pool {
    pub(crate) fn new(dialect: Arc<dyn Dialect>) -> Self {
        Self { dialect, accounts: Mutex::default() }
    }

    /// A connection for a call: an idle one, or a new one.
    pub(crate) async fn take(&self, call: &NativeCall<'_>) -> Result<Taken, NativeFailure> {
        let account = self.dialect.account(call).map_err(NativeFailure::never)?;
        let most = account.most;
        let shelf = self.shelf(account);
        let limit = MOST_CONNECTING.min(call.timeout().duration() / 2);
        let place = tokio::time::timeout(limit, Arc::clone(&shelf.places).acquire_owned()).await;
        // The semaphore is never closed.
        let Ok(Ok(place)) = place else {
            let message = format!("all {most} connections were in use for {limit:?}: see the setting `connections`");
            return Err(NativeFailure::never(Failure::new(ErrorKind::Unavailable, message)));
        };
        if let Some(session) = shelf.pop() {
            return Ok(Taken { session, shelf, was_idle: true, _place: place });
        }
        match tokio::time::timeout(limit, self.dialect.connect(call)).await {
            Ok(session) => Ok(Taken { session: session?, shelf, was_idle: false, _place: place }),
            Err(_) => {
                let message = format!("no connection was made within {limit:?}");
                Err(NativeFailure::never(Failure::new(ErrorKind::Timeout, message)))
            }
        }
    }

    fn shelf(&self, account: Account) -> Arc<Shelf> {
        // A panic elsewhere leaves the list whole: it is changed by single pushes and removals.
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, shelf)) = accounts.iter().find(|(known, _)| *known == account) {
            return Arc::clone(shelf);
        }
        if accounts.len() >= MOST_ACCOUNTS {
            accounts.remove(0);
        }
        let places = Arc::new(Semaphore::new(account.most));
        let shelf = Arc::new(Shelf { idle: Mutex::default(), places });
        accounts.push((account, Arc::clone(&shelf)));
        shelf
    }
}
