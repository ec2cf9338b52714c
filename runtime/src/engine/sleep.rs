//! Which of the runs that sleep have to be looked at soon?
//!
//! A run that sleeps long is out of memory. On disk it is found by the time at which it wakes; only the runs that wake within
//! a short time have an entry among the timers, so that neither memory nor the time of a start depends on how many sleep.

use std::sync::{Mutex, MutexGuard, PoisonError};

use flow_model::units::{Instant, Millis};

use super::{Inner, RunId, drive::Due, live::Live};
use crate::store::Error;

/// How far is looked ahead.
const AHEAD: Millis = Millis::seconds(600);

/// Until when it is known which runs wake.
#[derive(Debug)]
pub(super) struct Horizon(Mutex<Known>);

#[derive(Debug)]
struct Known {
    /// Runs that wake until then have a timer. Later ones are on disk alone.
    until: Instant,
    /// When is looked further.
    again: Option<Instant>,
}

impl Default for Horizon {
    /// Each run has a timer: who does not continue the runs of earlier processes knows all runs that sleep.
    fn default() -> Self {
        Self(Mutex::new(Known { until: Instant(i64::MAX), again: None }))
    }
}

impl Horizon {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes note that from now on only runs that wake soon have timers; says until when they do.
    pub(super) fn begin_to_look(&self) -> Instant {
        let until = self.settings.clock.now().after(AHEAD);
        self.horizon.lock().until = until;
        until
    }

    /// A run is put out of memory: what it waits for is on disk, and it is looked at when the first of that is due.
    pub(super) fn sleeps(&self, run: &RunId, live: &Live, at: Instant) {
        for (place, until) in live.machine.timers() {
            self.timers.disarm(until, Due::Place(run.clone(), place));
        }
        if let Some(at) = live.machine.deadline() {
            self.timers.disarm(at, Due::Deadline(run.clone()));
        }
        let until = self.horizon.lock().until;
        if at <= until {
            self.timers.arm(at, Due::Run(run.clone()));
        } else {
            self.look_again(at);
        }
    }

    /// Asks to look further at a time, if that is not done earlier.
    pub(super) fn look_again(&self, at: Instant) {
        let mut known = self.horizon.lock();
        if known.again.is_some_and(|again| again <= at) {
            return;
        }
        if let Some(later) = known.again.replace(at) {
            self.timers.disarm(later, Due::Horizon);
        }
        self.timers.arm(at, Due::Horizon);
    }

    /// Finds the runs that wake soon.
    pub(super) async fn look_ahead(&self) -> Result<(), Error> {
        let (after, until) = {
            let mut known = self.horizon.lock();
            let after = known.until;
            // Said before the store is asked: a run that is put out of memory meanwhile is found there, or has a timer.
            known.until = after.max(self.settings.clock.now().after(AHEAD));
            known.again = None;
            (after, known.until)
        };
        for (at, run) in self.store.due(after, until).await? {
            self.timers.arm(at, Due::Run(run));
        }
        self.look_beyond(until).await
    }

    /// Takes note of the first run that wakes after a time.
    pub(super) async fn look_beyond(&self, until: Instant) -> Result<(), Error> {
        if let Some(at) = self.store.next_due(until).await? {
            self.look_again(at);
        }
        Ok(())
    }
}
