//! When does a schedule come round, and which of the times that have passed get a run?
//!
//! Times of `every` are counted from 1970-01-01T00:00:00Z, so that `every 15m` is at the full quarters of an hour, whenever
//! the process was started: nothing drifts. Times of `cron` are those of the clock on the wall in its zone:
//! [`flow_model::cron`] says which.

use std::collections::VecDeque;

use flow_model::{
    cron::CronLine,
    plan::{CatchUp, Plan, TriggerKind},
    units::{Instant, Millis},
};
use jiff::tz::TimeZone;

use super::route::Error;

/// How late a run may be without counting as missed: a process that is started again within this leaves nothing out.
const LATE: Millis = Millis::seconds(60);

/// How many times are looked at in one go.
const MOST: usize = 1000;

/// When a schedule comes round.
#[derive(Clone, Debug)]
pub(super) enum Rhythm {
    Every(Millis),
    Cron(Box<CronLine>, TimeZone),
}

/// The times that have passed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Those that get a run, oldest first.
    pub(super) runs: VecDeque<Instant>,
    /// The latest one that is left out.
    pub(super) left_out: Option<Instant>,
}

impl Rhythm {
    /// The rhythm of a trigger and what becomes of times that it misses; none when it does not go by the clock.
    pub(super) fn of(plan: &Plan, kind: &TriggerKind) -> Result<Option<(Self, CatchUp)>, Error> {
        let broken = |what: String| Error::Broken { flow: plan.flow.clone(), what };
        match kind {
            // A program is checked; this is for plans from elsewhere.
            TriggerKind::Every(every) => Ok(Some((Self::Every(Millis(every.0.max(1))), CatchUp::Last))),
            TriggerKind::Cron { line, zone, catch_up } => {
                let line = CronLine::parse(line).map_err(|_| broken(format!("time that `cron {line}` means")))?;
                let zone = TimeZone::get(zone).map_err(|_| broken(format!("time zone `{zone}`")))?;
                Ok(Some((Self::Cron(Box::new(line), zone), *catch_up)))
            }
            TriggerKind::Http { .. }
            | TriggerKind::Webhook { .. }
            | TriggerKind::Event { .. }
            | TriggerKind::File { .. }
            | TriggerKind::Poll { .. } => Ok(None),
        }
    }

    /// The first time after another one.
    pub(super) fn after(&self, at: Instant) -> Option<Instant> {
        match self {
            Self::Every(every) => {
                let every = i64::try_from(every.0).unwrap_or(i64::MAX);
                at.0.div_euclid(every).checked_add(1)?.checked_mul(every).map(Instant)
            }
            Self::Cron(line, zone) => {
                let next = line.next(at.timestamp(), zone)?;
                Some(Instant(next.as_millisecond())).filter(|next| *next > at)
            }
        }
    }

    /// The latest time that is after `since` and not after `now`.
    fn latest(&self, since: Instant, now: Instant) -> Option<Instant> {
        let latest = match self {
            Self::Every(every) => {
                let every = i64::try_from(every.0).unwrap_or(i64::MAX);
                now.0.div_euclid(every).saturating_mul(every)
            }
            Self::Cron(line, zone) => line.previous(now.after(Millis(1)).timestamp(), zone)?.as_millisecond(),
        };
        Some(Instant(latest)).filter(|latest| *latest > since)
    }

    fn between(&self, since: Instant, now: Instant) -> impl Iterator<Item = Instant> {
        std::iter::successors(self.after(since), |at| self.after(*at)).take_while(move |at| *at <= now)
    }

    /// Which of the times after `since` up to now get a run. Where those are many, they come in several goes.
    pub(super) fn due(&self, catch_up: CatchUp, since: Instant, now: Instant) -> Due {
        let Some(first) = self.after(since).filter(|first| *first <= now) else { return Due::default() };
        let kept = match catch_up {
            CatchUp::All => return Due { runs: self.between(since, now).take(MOST).collect(), left_out: None },
            CatchUp::AtMost(kept) => usize::try_from(kept).unwrap_or(usize::MAX).max(1),
            CatchUp::None | CatchUp::Last => {
                let latest = self.latest(since, now).unwrap_or(first);
                let is_missed = catch_up == CatchUp::None && now.since(latest) > LATE;
                let runs = if is_missed { VecDeque::new() } else { VecDeque::from([latest]) };
                let left_out = if is_missed { Some(latest) } else { Some(first).filter(|first| *first < latest) };
                return Due { runs, left_out };
            }
        };
        let mut due = Due::default();
        for at in self.between(since, now) {
            due.runs.push_back(at);
            if due.runs.len() > kept {
                due.left_out = due.runs.pop_front();
            }
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Instant {
        Instant(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn cron(line: &str, zone: &str) -> Rhythm {
        Rhythm::Cron(Box::new(CronLine::parse(line).unwrap()), TimeZone::get(zone).unwrap())
    }

    fn all(rhythm: &Rhythm, since: &str, now: &str) -> Vec<String> {
        rhythm.due(CatchUp::All, at(since), at(now)).runs.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_time_that_the_clock_skips_comes_once_when_the_clock_has_moved_on() {
        // In Berlin, 29 March 2026 goes from 01:59:59 to 03:00:00.
        let half_past_two = cron("30 2 * * *", "Europe/Berlin");
        assert_eq!(
            all(&half_past_two, "2026-03-28T00:00:00Z", "2026-03-31T00:00:00Z"),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        let quarters = cron("*/15 * * * *", "Europe/Berlin");
        assert_eq!(
            all(&quarters, "2026-03-29T00:40:00Z", "2026-03-29T01:20:00Z"),
            ["2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:15:00Z"]
        );
        // Several skipped times are one time.
        let twice = cron("10,20 2 29 3 *", "Europe/Berlin");
        assert_eq!(all(&twice, "2026-03-28T00:00:00Z", "2026-03-30T00:00:00Z"), ["2026-03-29T01:00:00Z"]);
    }

    #[test]
    fn a_time_that_the_clock_shows_twice_comes_the_first_time() {
        // In Berlin, 25 October 2026 goes from 02:59:59 back to 02:00:00.
        let half_past_two = cron("30 2 * * *", "Europe/Berlin");
        assert_eq!(
            all(&half_past_two, "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"),
            ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        // What is written as a pace keeps it.
        let halves = cron("*/30 * * * *", "Europe/Berlin");
        assert_eq!(
            all(&halves, "2026-10-24T23:59:00Z", "2026-10-25T02:00:00Z"),
            [
                "2026-10-25T00:00:00Z",
                "2026-10-25T00:30:00Z",
                "2026-10-25T01:00:00Z",
                "2026-10-25T01:30:00Z",
                "2026-10-25T02:00:00Z"
            ]
        );
    }

    #[test]
    fn the_latest_time_is_one_of_all_times() {
        for line in [
            "30 2 * * *",
            "30 2,9 * * *",
            "*/7 * * * *",
            "*/7 1-3 25-31 3,10 *",
            "0 0 29 2 *",
            "59 23 31 12 *",
            "0 3 * * sun",
        ] {
            let rhythm = cron(line, "Europe/Berlin");
            let since = if line.starts_with("*/") { at("2026-03-28T00:00:00Z") } else { at("2023-01-01T00:00:00Z") };
            for now in ["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z", "2026-10-25T00:45:00Z", "2026-10-25T01:45:00Z"]
            {
                let now = at(now);
                let latest = rhythm.latest(since, now);
                assert_eq!(latest, rhythm.between(since, now).last(), "{line} {now}");
            }
        }
        let every = Rhythm::Every(Millis(7));
        for now in 0..300 {
            assert_eq!(every.latest(Instant(-1), Instant(now)), every.between(Instant(-1), Instant(now)).last());
        }
    }

    #[test]
    fn times_that_were_missed_are_made_up_for_as_the_program_says() {
        let hours = cron("0 * * * *", "UTC");
        let (since, now) = (at("2026-01-01T00:00:00Z"), at("2026-01-01T05:10:00Z"));
        let due = |catch_up, now| {
            let Due { runs, left_out } = hours.due(catch_up, since, now);
            let hour = |at: &Instant| (at.0 - since.0) / 3_600_000;
            (runs.iter().map(hour).collect::<Vec<_>>(), left_out.as_ref().map(hour))
        };
        assert_eq!(due(CatchUp::None, now), (vec![], Some(5)));
        assert_eq!(due(CatchUp::Last, now), (vec![5], Some(1)));
        assert_eq!(due(CatchUp::All, now), (vec![1, 2, 3, 4, 5], None));
        assert_eq!(due(CatchUp::AtMost(2), now), (vec![4, 5], Some(3)));
        assert_eq!(due(CatchUp::AtMost(9), now), (vec![1, 2, 3, 4, 5], None));
        // Within a minute nothing is missed.
        let soon = at("2026-01-01T01:00:59Z");
        assert_eq!(due(CatchUp::None, soon), (vec![1], None));
        assert_eq!(due(CatchUp::Last, soon), (vec![1], None));
        // A clock that stands before what has run brings nothing.
        for catch_up in [CatchUp::None, CatchUp::Last, CatchUp::All, CatchUp::AtMost(3)] {
            assert_eq!(due(catch_up, at("2025-06-01T00:00:00Z")), (vec![], None));
        }
    }
}
