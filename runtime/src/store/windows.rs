//! By which clock do windows last that the store keeps?
//!
//! How long an event is remembered, and until when events are gathered, has to last as long when the clock on the wall is set,
//! and to go by the wall after a restart, as all that lasts a while does. So these times are kept by a clock of their own: the
//! wall, less all that it was set by while a process used the folder. How much that is, is one number in the database, which
//! is written with the first batch that knows of it; no row has to be touched but those of the runs that gather, where the
//! time at which they begin is shown.

use flow_model::units::Instant;
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};

use super::{Batch, Error};

/// By how much the clock was set in the lives of all processes, in milliseconds.
pub(super) const MOVED: &str = "coalesce((select value from meta where name = 'moved'), 0)";

/// How far the clock was set in the lives of the processes before this one, and in this one as far as is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Windows {
    before: i64,
    set_by: i64,
}

/// The time of a batch, by each of the clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// By the wall.
    pub(super) at: Instant,
    moved: i64,
}

impl Windows {
    /// As the processes before have left it.
    pub(super) fn of(connection: &Connection) -> Result<Self, Error> {
        let before = connection.query_row(&format!("select {MOVED}"), [], |row| row.get(0)).optional()?;
        Ok(Self { before: before.unwrap_or(0), set_by: 0 })
    }

    /// The times of a batch; writes down how far the clock was set, where that is new.
    pub(super) fn times(&mut self, transaction: &Transaction<'_>, batch: &Batch) -> Result<Times, Error> {
        self.learn(transaction, batch.set_by)?;
        Ok(Times { at: batch.at, moved: self.before.saturating_add(batch.set_by) })
    }

    /// Writes down how far the clock was set, where that is new.
    pub(super) fn learn(&mut self, transaction: &Transaction<'_>, set_by: i64) -> Result<(), Error> {
        if self.set_by != set_by {
            let moved = self.before.saturating_add(set_by);
            transaction
                .prepare_cached("insert or replace into meta (name, value) values ('moved', ?)")?
                .execute([moved])?;
            transaction
                .prepare_cached(
                    "update runs set wake_at = (select until from gatherings where run = runs.id) + ?1
                     where id in (select run from gatherings)",
                )?
                .execute(params![moved])?;
            self.set_by = set_by;
        }
        Ok(())
    }
}

impl Times {
    /// By the clock of what is kept.
    pub(super) fn kept(self) -> Instant {
        self.at.moved(self.moved.saturating_neg())
    }

    /// A time that is kept, by the wall.
    pub(super) fn shown(self, kept: Instant) -> Instant {
        kept.moved(self.moved)
    }
}
