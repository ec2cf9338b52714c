//! Who waits for a run, and how is one cancelled or decided?

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::{
    Engine, RunId, RunState, RunSummary,
    drive::{Message, STUCK},
};
use crate::{
    machine::{Awaited, Decision, Event, Machine, Place, Response, Verdict},
    store::Error,
};

/// What the caller of a webhook gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What `respond` said.
    Responded(Response),
    /// The run is over, or waits for a person, and has not said anything.
    Ended(Box<RunSummary>),
}

/// Why a run could not be cancelled or decided.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such run.
    #[error("there is no run {0}")]
    Unknown(RunId),
    /// The run is over.
    #[error("run {run} is {state} already")]
    Over {
        /// The run.
        run: RunId,
        /// How it ended.
        state: RunState,
    },
    /// Nothing is to be decided at that place.
    #[error("run {run} waits for no decision at `{place}`")]
    Decided {
        /// The run.
        run: RunId,
        /// The step.
        place: Place,
    },
    /// It is settled how the run ends: what it has done is being undone.
    #[error("run {run} is ending already: its steps are being undone")]
    Ending {
        /// The run.
        run: RunId,
    },
    /// The run can't be brought into memory.
    #[error("run {run} can't be told anything: {why}")]
    Stuck {
        /// The run.
        run: RunId,
        /// Why.
        why: String,
    },
    /// Nothing is asked at that place.
    #[error("run {run} asks for no approval at `{place}`")]
    Unasked {
        /// The run.
        run: RunId,
        /// The `approve`.
        place: Place,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] Error),
}

impl Engine {
    /// Waits until a run is over or waits for a person.
    ///
    /// # Errors
    /// When there is no such run, or the engine has halted or shut down meanwhile.
    pub async fn outcome(&self, run: &RunId) -> Result<RunSummary, ControlError> {
        self.wait(run, |summary| rests(&summary).then_some(summary)).await
    }

    /// Waits until a run has answered, is over, or waits for a person.
    ///
    /// # Errors
    /// When there is no such run, or the engine has halted or shut down meanwhile.
    pub async fn answer(&self, run: &RunId) -> Result<Answer, ControlError> {
        self.wait(run, |summary| match &summary.answer {
            Some(response) => Some(Answer::Responded(response.clone())),
            None => rests(&summary).then(|| Answer::Ended(Box::new(summary))),
        })
        .await
    }

    /// Cancels a run. On disk when it returns.
    ///
    /// # Errors
    /// When there is no such run, or it is over.
    pub async fn cancel(&self, run: &RunId, reason: impl Into<String>) -> Result<(), ControlError> {
        self.unfinished(run).await?;
        if self.ask(run, Event::Cancelled { reason: reason.into() }).await {
            return Ok(());
        }
        self.deaf(run).await?;
        if self.inner.is_shut() {
            return Err(Error::Closed.into());
        }
        Err(ControlError::Ending { run: run.clone() })
    }

    /// Answers the question of an `approve`. On disk when it returns.
    ///
    /// # Errors
    /// When there is no such run, or nothing is asked at that place.
    pub async fn decide(
        &self,
        run: &RunId,
        place: Place,
        verdict: Verdict,
        by: Option<String>,
        note: Option<String>,
    ) -> Result<(), ControlError> {
        self.unfinished(run).await?;
        if self.ask(run, Event::Decided { place: place.clone(), verdict, by, note }).await {
            return Ok(());
        }
        self.deaf(run).await?;
        Err(ControlError::Unasked { run: run.clone(), place })
    }

    /// Decides about a step whose outcome is not known. On disk when it returns.
    ///
    /// # Errors
    /// When there is no such run, or nothing is to be decided at that place.
    pub async fn resolve(&self, run: &RunId, place: Place, decision: Decision) -> Result<(), ControlError> {
        self.unfinished(run).await?;
        if self.ask(run, Event::Resolved { place: place.clone(), decision }).await {
            return Ok(());
        }
        self.deaf(run).await?;
        Err(ControlError::Decided { run: run.clone(), place })
    }

    /// What a run waits for of a person, as it stands: no more of its journal is read than it takes to bring it into memory.
    ///
    /// # Errors
    /// When there is no such run, or it is over.
    pub async fn asks(&self, run: &RunId) -> Result<Asks, ControlError> {
        self.unfinished(run).await?;
        let (reply, asks) = oneshot::channel();
        self.inner.post(run, Message::Shown(reply));
        match asks.await {
            Ok(asks) => Ok(asks),
            Err(_) => {
                self.deaf(run).await?;
                Err(Error::Closed.into())
            }
        }
    }

    /// Asks a run for something; says whether it was done.
    async fn ask(&self, run: &RunId, event: Event) -> bool {
        let (done, heard) = oneshot::channel();
        self.inner.post(run, Message::Asked(event, done));
        heard.await.is_ok()
    }

    /// Waits until the engine halts because a write failed. The process should then end.
    pub async fn halted(&self) -> Error {
        self.inner.halted.wait().await
    }

    /// Why a run that is not over did not take what it was asked for, where that has nothing to do with what it was.
    async fn deaf(&self, run: &RunId) -> Result<(), ControlError> {
        self.unfinished(run).await?;
        self.inner.halted.check()?;
        let reason = self.inner.store.summary(run).await?.and_then(|summary| summary.reason).unwrap_or_default();
        match reason.strip_prefix(STUCK) {
            Some(why) => Err(ControlError::Stuck { run: run.clone(), why: why.to_owned() }),
            None => Ok(()),
        }
    }

    async fn unfinished(&self, run: &RunId) -> Result<(), ControlError> {
        match self.inner.store.summary(run).await? {
            None => Err(ControlError::Unknown(run.clone())),
            Some(summary) if summary.state.is_final() => {
                Err(ControlError::Over { run: run.clone(), state: summary.state })
            }
            Some(_) => Ok(()),
        }
    }

    /// Waits until what is on disk about a run is what is waited for.
    async fn wait<T>(&self, run: &RunId, wanted: impl Fn(RunSummary) -> Option<T>) -> Result<T, ControlError> {
        let waiter = self.inner.waiters.join(run);
        loop {
            let woken = waiter.notify.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            self.inner.halted.check()?;
            let summary = self.inner.store.summary(run).await?;
            let summary = summary.ok_or_else(|| ControlError::Unknown(run.clone()))?;
            if let Some(found) = wanted(summary) {
                return Ok(found);
            }
            if self.inner.is_shut() {
                return Err(Error::Closed.into());
            }
            woken.await;
        }
    }
}

/// What a run waits for of a person, in the order of the places.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asks {
    /// The questions of `approve`.
    pub approvals: Vec<Place>,
    /// Steps whose outcome is not known.
    pub decisions: Vec<Place>,
}

impl Asks {
    pub(super) fn of(machine: &Machine) -> Self {
        let asked = machine.awaited().into_iter().filter(|(_, what)| matches!(what, Awaited::Approval { .. }));
        let decisions = machine.undecided().map(|(place, _)| place.clone());
        Self { approvals: asked.map(|(place, _)| place).collect(), decisions: decisions.collect() }
    }
}

fn rests(summary: &RunSummary) -> bool {
    summary.state.is_final() || summary.state == RunState::NeedsDecision
}

/// Tasks that wait for runs.
#[derive(Default)]
pub(super) struct Waiters(Arc<Mutex<Waited>>);

/// How many wait for a run, and how they are woken.
type Waited = HashMap<RunId, (usize, Arc<Notify>)>;

/// One that waits; it is taken off the list when dropped.
struct Waiter {
    run: RunId,
    notify: Arc<Notify>,
    list: Waiters,
}

impl Waiters {
    fn lock(&self) -> MutexGuard<'_, Waited> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, run: &RunId) -> Waiter {
        let mut list = self.lock();
        let (count, notify) = list.entry(run.clone()).or_default();
        *count += 1;
        Waiter { run: run.clone(), notify: Arc::clone(notify), list: Self(Arc::clone(&self.0)) }
    }

    pub(super) fn wake(&self, run: &RunId) {
        if let Some((_, notify)) = self.lock().get(run) {
            notify.notify_waiters();
        }
    }

    pub(super) fn wake_all(&self) {
        self.lock().values().for_each(|(_, notify)| notify.notify_waiters());
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut list = self.list.lock();
        if let Some((count, _)) = list.get_mut(&self.run) {
            *count -= 1;
            if *count == 0 {
                list.remove(&self.run);
            }
        }
    }
}

/// Whether the engine has halted, and why.
#[derive(Default)]
pub(super) struct Halted {
    error: OnceLock<Error>,
    notify: Notify,
}

impl Halted {
    pub(super) fn set(&self, error: Error) {
        let _ = self.error.set(error);
        self.notify.notify_waiters();
    }

    pub(super) fn is_set(&self) -> bool {
        self.error.get().is_some()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        self.error.get().map_or(Ok(()), |error| Err(error.clone()))
    }

    async fn wait(&self) -> Error {
        loop {
            let set = self.notify.notified();
            tokio::pin!(set);
            set.as_mut().enable();
            if let Some(error) = self.error.get() {
                return error.clone();
            }
            set.await;
        }
    }
}
