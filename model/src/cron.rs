//! When does a cron line come round?
//!
//! In: the five fields of `on cron`: minute, hour, day of the month, month, day of the week. Out: the times, in a time
//! zone. Where both kinds of day are restricted either is enough, as cron has it. Compiler and engine read lines the
//! same way, because both do it here.
//!
//! Where the clock is put forward, times that it skips come once, at the moment in which it moves on; where it is put back,
//! a time that it shows twice comes the first time alone. A line that comes in every hour goes on in real time instead, as
//! cron(8) has it for wildcards (vixie-cron, "Daylight saving time and other time changes"). The library does so for
//! lines with one minute and one hour alone, so for all others it is done here.

use croner::{
    Cron, Direction,
    parser::{CronParser, Seconds, Year},
};
use jiff::{
    SignedDuration, Timestamp,
    civil::DateTime,
    tz::{AmbiguousOffset, TimeZone},
};

/// The fields of a line, in order.
pub const FIELDS: [&str; 5] = ["minute", "hour", "day of the month", "month", "day of the week"];

/// Further than any clock is put back at once.
const SET_BACK: SignedDuration = SignedDuration::from_hours(26);

/// A line that was understood.
#[derive(Clone, Debug)]
pub struct CronLine(Cron);

/// Why a line is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CronProblem {
    /// It has so many fields, not five.
    Fields(usize),
    /// A field means nothing: its index in [`FIELDS`] and its text.
    Field(usize, String),
    /// Each field means something, and no day fits them all: 30 February.
    Never,
}

impl CronLine {
    /// Understands a line.
    ///
    /// # Errors
    /// When it has not five fields, when one means nothing, or when the line never comes round.
    ///
    /// ```
    /// use flow_model::cron::{CronLine, CronProblem};
    ///
    /// assert!(CronLine::parse("0 9 * * mon-fri").is_ok());
    /// assert_eq!(CronLine::parse("0 9").err(), Some(CronProblem::Fields(2)));
    /// assert_eq!(CronLine::parse("0 25 * * *").err(), Some(CronProblem::Field(1, "25".to_owned())));
    /// assert_eq!(CronLine::parse("0 0 30 2 *").err(), Some(CronProblem::Never));
    /// ```
    pub fn parse(line: &str) -> Result<Self, CronProblem> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        if fields.len() != FIELDS.len() {
            return Err(CronProblem::Fields(fields.len()));
        }
        for (index, field) in fields.iter().enumerate() {
            let mut alone = ["*"; FIELDS.len()];
            if let Some(place) = alone.get_mut(index) {
                *place = field;
            }
            if !is_plain(field) || parser().parse(&alone.join(" ")).is_err() {
                return Err(CronProblem::Field(index, (*field).to_owned()));
            }
        }
        let line = parser().parse(&fields.join(" ")).map(Self).map_err(|_| CronProblem::Never)?;
        // Leap days come every fourth year, with one exception in a century.
        let start = "2000-01-01T00:00:00Z".parse().expect("this is a timestamp");
        line.next(start, &TimeZone::UTC).ok_or(CronProblem::Never)?;
        Ok(line)
    }

    /// The first time after another one.
    pub fn next(&self, after: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_pace() {
            return self.0.find_next_occurrence(&after.to_zoned(zone.clone()), false).ok().map(|at| at.timestamp());
        }
        let shown = std::iter::successors(Some(zone.to_datetime(after)), |at| self.step(*at, Direction::Forward));
        // What the clock shows never comes later than the time at which it is shown.
        shown.skip(1).find_map(|at| first_shown(at, zone).filter(|at| *at > after))
    }

    /// The last time before another one.
    pub fn previous(&self, before: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        if self.is_pace() {
            // The library looks at whole seconds before this one.
            let before = before.as_second() + i64::from(before.subsec_nanosecond() > 0);
            let before = Timestamp::from_second(before).ok()?.to_zoned(zone.clone());
            return self.0.find_previous_occurrence(&before, false).ok().map(|at| at.timestamp());
        }
        let start = zone.to_datetime(before).checked_add(SET_BACK).ok()?;
        let shown = std::iter::successors(Some(start), |at| self.step(*at, Direction::Backward));
        shown.skip(1).find_map(|at| first_shown(at, zone).filter(|at| *at < before))
    }

    /// Says whether it comes in every hour: then it goes on in real time when clocks are changed.
    fn is_pace(&self) -> bool {
        self.0.pattern.hours.values().len() == 24
    }

    /// The next time that a clock shows which is never changed.
    fn step(&self, at: DateTime, direction: Direction) -> Option<DateTime> {
        let at = at.to_zoned(TimeZone::UTC).ok()?;
        let found = match direction {
            Direction::Forward => self.0.find_next_occurrence(&at, false),
            Direction::Backward => self.0.find_previous_occurrence(&at, false),
        };
        found.ok().map(|at| at.datetime())
    }
}

/// When a clock shows this for the first time; when it skips it, the time at which it moves on. Later ones come later, or at
/// the same time where several are skipped.
fn first_shown(at: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    match zone.to_ambiguous_timestamp(at).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(at).ok(),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(at).ok(),
        AmbiguousOffset::Gap { after, .. } => {
            let earlier = after.to_timestamp(at).ok()?;
            zone.following(earlier).next().map(|change| change.timestamp())
        }
    }
}

fn parser() -> CronParser {
    CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build()
}

/// Letters, digits and the signs of cron; the library knows more, such as names for whole lines.
fn is_plain(field: &str) -> bool {
    field.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '*' | ',' | '-' | '/' | '#' | '?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(line: &str, after: &str, zone: &str) -> String {
        let zone = TimeZone::get(zone).unwrap();
        CronLine::parse(line).unwrap().next(after.parse().unwrap(), &zone).unwrap().to_string()
    }

    #[test]
    fn times_follow_the_clock_of_the_zone() {
        assert_eq!(next("0 9 * * mon", "2026-03-27T12:00:00Z", "Europe/Berlin"), "2026-03-30T07:00:00Z");
        assert_eq!(next("0 9 * * mon", "2026-03-20T12:00:00Z", "Europe/Berlin"), "2026-03-23T08:00:00Z");
        // Half past two does not exist in the night of the change, so it comes when the clocks have moved on.
        let missing = next("30 2 29 3 *", "2026-03-28T12:00:00Z", "Europe/Berlin");
        assert_eq!(missing, "2026-03-29T01:00:00Z");
        // Lord Howe Island moves by half an hour: from 02:00 to 02:30.
        let howe = "Australia/Lord_Howe";
        assert_eq!(next("10 2,4 * * *", "2026-10-03T15:00:00Z", howe), "2026-10-03T15:30:00Z");
        assert_eq!(next("10 2,4 * * *", "2026-10-03T15:30:00Z", howe), "2026-10-03T17:10:00Z");
    }

    #[test]
    fn either_kind_of_day_is_enough() {
        // The 13th of March 2026 is a Friday, the 6th too.
        assert_eq!(next("0 0 13 * fri", "2026-03-01T00:00:00Z", "UTC"), "2026-03-06T00:00:00Z");
    }

    #[test]
    fn times_before_are_found_as_well() {
        let line = CronLine::parse("0 9 * * mon").unwrap();
        let before = line.previous("2026-03-27T12:00:00Z".parse().unwrap(), &TimeZone::UTC).unwrap();
        assert_eq!(before.to_string(), "2026-03-23T09:00:00Z");
    }

    #[test]
    fn what_is_no_line_says_which_field_is_wrong() {
        let problem = |line| CronLine::parse(line).err();
        assert_eq!(problem(""), Some(CronProblem::Fields(0)));
        assert_eq!(problem("0 0 9 * * mon"), Some(CronProblem::Fields(6)));
        assert_eq!(problem("@daily"), Some(CronProblem::Fields(1)));
        assert_eq!(problem("60 * * * *"), Some(CronProblem::Field(0, "60".to_owned())));
        assert_eq!(problem("0 9 * * mond"), Some(CronProblem::Field(4, "mond".to_owned())));
        assert_eq!(problem("*/0 * * * *"), Some(CronProblem::Field(0, "*/0".to_owned())));
        assert_eq!(problem("0 0 31 4 *"), Some(CronProblem::Never));
        assert!(CronLine::parse("0 0 29 2 *").is_ok());
    }
}
