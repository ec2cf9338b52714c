//! What becomes of what runs wait for when the clock is set?
//!
//! What is on disk goes by the clock on the wall, so that it holds after any restart. While a process lives, it knows better:
//! when the clock was set by more than its clock lets pass, each run hears of it before anything else happens to it, and
//! what was to last a while (`sleep 3d`, `within`, the wait before another attempt) is moved by as much. `sleep until t` and
//! schedules go by the wall. All runs that wait hear of it soon, so that what is on disk fits the wall again.

use std::{collections::BTreeSet, sync::Arc};

use flow_model::units::Instant;

use super::{Inner, drive::Message, live::Live};
use crate::{
    machine::{Event, Start},
    timer::Clock,
};

/// A process, as the clock saw it begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    began: Instant,
    /// How far the clock had been set before.
    before: i64,
}

impl Life {
    pub(super) fn begins(clock: &dyn Clock) -> Self {
        Self { began: clock.now(), before: clock.set_by() }
    }
}

impl Inner {
    /// The time, and how far the clock has been set at that time in the life of this process.
    pub(super) fn time(&self) -> (Instant, i64) {
        let clock = &self.settings.clock;
        loop {
            let total = clock.set_by();
            let now = clock.now();
            if clock.set_by() == total {
                return (now, total.saturating_sub(self.life.before));
            }
        }
    }

    /// What a run has to hear before anything else.
    pub(super) fn unheard(&self, live: &Live, total: i64) -> Option<Event> {
        let life = self.life.began;
        live.machine.unheard(life, total).map(|by| Event::ClockSet { life, total, by })
    }

    /// What happens first to a run: it knows of what the clock was set by before.
    pub(super) fn started(&self, start: Start, total: i64) -> impl Iterator<Item = Event> + use<> {
        let knows = Event::ClockSet { life: self.life.began, total, by: 0 };
        [Event::Started(start)].into_iter().chain((total != 0).then_some(knows))
    }

    /// Tells the runs that wait when the clock was set.
    pub(super) async fn watch_clock(self: Arc<Self>) {
        let mut known = self.settings.clock.set_by();
        loop {
            self.settings.clock.until_set(known).await;
            let total = self.settings.clock.set_by();
            let by = total.saturating_sub(known);
            known = total;
            tracing::warn!(milliseconds = by, "the clock was set: what runs wait for lasts as long all the same");
            if let Err(error) = self.store.clock_is_set(total.saturating_sub(self.life.before)).await {
                return self.halt(error);
            }
            let mut waiting: BTreeSet<_> =
                self.timers.keys().into_iter().filter_map(|due| due.run().cloned()).collect();
            if self.recovered.load(std::sync::atomic::Ordering::SeqCst) {
                match self.store.due(Instant(i64::MIN), Instant(i64::MAX)).await {
                    Ok(due) => waiting.extend(due.into_iter().map(|(_, run)| run)),
                    Err(error) => return self.halt(error),
                }
            }
            waiting.iter().for_each(|run| self.post(run, Message::Look));
            self.look_at_gatherings();
            self.open_gates();
        }
    }
}
