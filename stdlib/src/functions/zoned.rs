//! Functions of times as the clocks of a zone show them.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};
use jiff::{ToSpan as _, civil::Weekday, fmt::strtime};

use super::{
    argument::{Arguments, invalid},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Zoned.format(self: Zoned, pattern: TimeFormat) -> String",
        "The time as a pattern of `strftime` says: `%Y-%m-%d %H:%M:%S`, `%A`, `%B`, `%Z`.",
        &[r#"Timestamp.from_unix(0).in("UTC").format("%A, %d %B %Y") == "Thursday, 01 January 1970""#],
        |args| formatted(args.text(1)?, args.zoned(0)?),
    ),
    entry(
        "Zoned.timestamp: Timestamp",
        "The point in time.",
        &[r#"Timestamp.from_unix(5).in("Asia/Tokyo").timestamp.unix == 5"#],
        |args| Ok(Value::Timestamp(args.zoned(0)?.timestamp())),
    ),
    entry(
        "Zoned.date: Date",
        "The day.",
        &[r#"Timestamp.from_unix(0).in("America/New_York").date == Date.of(1969, 12, 31)"#],
        |args| Ok(Value::Date(args.zoned(0)?.date())),
    ),
    entry("Zoned.year: Int", "The year.", &[r#"Timestamp.from_unix(0).in("UTC").year == 1970"#], |args| {
        Ok(Value::Int(args.zoned(0)?.year().into()))
    }),
    entry("Zoned.month: Int", "The month, 1 to 12.", &[r#"Timestamp.from_unix(0).in("UTC").month == 1"#], |args| {
        Ok(Value::Int(args.zoned(0)?.month().into()))
    }),
    entry(
        "Zoned.day: Int",
        "The day of the month, from 1.",
        &[r#"Timestamp.from_unix(0).in("UTC").day == 1"#],
        |args| Ok(Value::Int(args.zoned(0)?.day().into())),
    ),
    entry("Zoned.hour: Int", "The hour, 0 to 23.", &[r#"Timestamp.from_unix(0).in("Asia/Tokyo").hour == 9"#], |args| {
        Ok(Value::Int(args.zoned(0)?.hour().into()))
    }),
    entry("Zoned.minute: Int", "The minute, 0 to 59.", &[r#"Timestamp.from_unix(90).in("UTC").minute == 1"#], |args| {
        Ok(Value::Int(args.zoned(0)?.minute().into()))
    }),
    entry(
        "Zoned.second: Int",
        "The second, 0 to 59.",
        &[r#"Timestamp.from_unix(90).in("UTC").second == 30"#],
        |args| Ok(Value::Int(args.zoned(0)?.second().into())),
    ),
    entry(
        "Zoned.weekday: String",
        "The day of the week in English, in lower case.",
        &[r#"Timestamp.from_unix(0).in("UTC").weekday == "thursday""#],
        |args| Ok(Value::text(weekday(args.zoned(0)?.weekday()))),
    ),
    entry(
        "Zoned.start_of_day(self: Zoned) -> Zoned",
        "The first moment of the same day in the same zone.",
        &[r#"Timestamp.from_unix(100000).in("UTC").start_of_day().timestamp.unix == 86400"#],
        |args| args.zoned(0)?.start_of_day().map(Value::Zoned).map_err(|_| out_of_range()),
    ),
    entry(
        "Zoned.plus_days(self: Zoned, days: Int) -> Zoned",
        "The same time of day so many days later, or earlier when negative; where the clocks skip that time, the next one that exists.",
        &[r#"Timestamp.from_unix(0).in("UTC").plus_days(-1).date == Date.of(1969, 12, 31)"#],
        |args| {
            let days = 0.days().try_days(args.int(1)?).map_err(|_| out_of_range())?;
            args.zoned(0)?.checked_add(days).map(Value::Zoned).map_err(|_| out_of_range())
        },
    ),
];

/// Writes a time by a pattern of `strftime`.
pub(super) fn formatted<'a>(pattern: &str, time: impl Into<strtime::BrokenDownTime> + 'a) -> Result<Value, Failure> {
    time.into()
        .to_string(pattern)
        .map(Value::text)
        .map_err(|why| invalid(format!("can't write a time as `{pattern}`: {why}")))
}

/// The day of the week in English.
pub(super) fn weekday(day: Weekday) -> &'static str {
    match day {
        Weekday::Monday => "monday",
        Weekday::Tuesday => "tuesday",
        Weekday::Wednesday => "wednesday",
        Weekday::Thursday => "thursday",
        Weekday::Friday => "friday",
        Weekday::Saturday => "saturday",
        Weekday::Sunday => "sunday",
    }
}

/// A day that the calendar does not reach.
pub(super) fn out_of_range() -> Failure {
    invalid("the day lies outside the years -9999 to 9999")
}
