//! Functions of calendar days.

use flow_model::{failure::Failure, function::StandardFunction, value::Value};
use jiff::{
    Span, ToSpan as _, Unit,
    civil::{Date, Time},
};

use super::{
    argument::{Arguments, invalid, or_null},
    entry,
    timestamp::zone,
    zoned::{formatted, out_of_range, weekday},
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Date.of(year: Int, month: Int, day: Int) -> Date",
        "The day of that year, month (1 to 12) and day of the month; one that the calendar lacks is refused.",
        &[r#"Date.of(2026, 1, 31).to_string() == "2026-01-31""#],
        |args| {
            let (year, month, day) = (args.int(0)?, args.int(1)?, args.int(2)?);
            let date = (i16::try_from(year).ok())
                .zip(i8::try_from(month).ok().zip(i8::try_from(day).ok()))
                .and_then(|(year, (month, day))| Date::new(year, month, day).ok());
            date.map(Value::Date).ok_or_else(|| invalid(format!("there is no day {year}-{month:02}-{day:02}")))
        },
    ),
    entry(
        "Date.parse(text: String, pattern?: DayPattern) -> Date?",
        "The day that a text writes as `2026-01-31`, or as a pattern of `strptime` says, else null.",
        &[
            r#"Date.parse("2026-01-31") == Date.of(2026, 1, 31)"#,
            r#"Date.parse("31.01.2026", "%d.%m.%Y") == Date.of(2026, 1, 31)"#,
            r#"Date.parse("2026-02-30") == null"#,
        ],
        |args| {
            let date = match args.at(1) {
                Value::Null => args.text(0)?.parse().ok(),
                _ => Date::strptime(args.text(1)?, args.text(0)?).ok(),
            };
            Ok(or_null(date.map(Value::Date)))
        },
    ),
    entry("Date.year: Int", "The year.", &["Date.of(2026, 1, 31).year == 2026"], |args| {
        Ok(Value::Int(args.date(0)?.year().into()))
    }),
    entry("Date.month: Int", "The month, 1 to 12.", &["Date.of(2026, 1, 31).month == 1"], |args| {
        Ok(Value::Int(args.date(0)?.month().into()))
    }),
    entry("Date.day: Int", "The day of the month, from 1.", &["Date.of(2026, 1, 31).day == 31"], |args| {
        Ok(Value::Int(args.date(0)?.day().into()))
    }),
    entry(
        "Date.weekday: String",
        "The day of the week in English, in lower case.",
        &[r#"Date.of(2026, 1, 31).weekday == "saturday""#],
        |args| Ok(Value::text(weekday(args.date(0)?.weekday()))),
    ),
    entry(
        "Date.week: Int",
        "The week of the year, 1 to 53, as ISO 8601 counts it.",
        &["Date.of(2026, 1, 1).week == 1", "Date.of(2027, 1, 1).week == 53"],
        |args| Ok(Value::Int(args.date(0)?.iso_week_date().week().into())),
    ),
    entry(
        "Date.end_of_month: Date",
        "The last day of the same month.",
        &["Date.of(2028, 2, 1).end_of_month.day == 29"],
        |args| Ok(Value::Date(args.date(0)?.last_of_month())),
    ),
    entry(
        "Date.plus_days(self: Date, days: Int) -> Date",
        "The day so many days later, or earlier when negative.",
        &["Date.of(2026, 2, 28).plus_days(1) == Date.of(2026, 3, 1)"],
        |args| moved(args.date(0)?, 0.days().try_days(args.int(1)?)),
    ),
    entry(
        "Date.plus_months(self: Date, months: Int) -> Date",
        "The same day so many months later, or earlier when negative; the last of the month where it has no such day.",
        &["Date.of(2026, 1, 31).plus_months(1) == Date.of(2026, 2, 28)"],
        |args| moved(args.date(0)?, 0.months().try_months(args.int(1)?)),
    ),
    entry(
        "Date.days_until(self: Date, other: Date) -> Int",
        "The number of days to another day, negative when that lies before.",
        &["Date.of(2026, 1, 1).days_until(Date.of(2026, 3, 1)) == 59"],
        |args| {
            let span = args.date(0)?.until((Unit::Day, args.date(1)?)).map_err(|_| out_of_range())?;
            Ok(Value::Int(span.get_days().into()))
        },
    ),
    entry(
        "Date.at(self: Date, time: TimeOfDay, zone: Zone) -> Zoned",
        "The time of day, written `09:00` or `09:00:30`, on that day in a time zone; where the clocks skip it, the next time that exists.",
        &[r#"Date.of(2026, 1, 31).at("09:00", "Europe/Berlin").timestamp == Timestamp.parse("2026-01-31T08:00:00Z")"#],
        |args| {
            let text = args.text(1)?;
            let time: Time =
                text.parse().map_err(|_| invalid(format!("`{text}` is no time of day; write it as `09:00`")))?;
            args.date(0)?.to_datetime(time).to_zoned(zone(args.text(2)?)?).map(Value::Zoned).map_err(|_| out_of_range())
        },
    ),
    entry(
        "Date.format(self: Date, pattern: DayFormat) -> String",
        "The day as a pattern of `strftime` says.",
        &[r#"Date.of(2026, 1, 31).format("%d.%m.%Y") == "31.01.2026""#],
        |args| formatted(args.text(1)?, args.date(0)?),
    ),
    entry(
        "Date.to_string(self: Date) -> String",
        "The day as `2026-01-31`.",
        &[r#"Date.of(2026, 1, 31).to_string() == "2026-01-31""#],
        |args| Ok(Value::text(args.date(0)?.to_string())),
    ),
];

fn moved(date: Date, by: Result<Span, jiff::Error>) -> Result<Value, Failure> {
    by.and_then(|by| date.checked_add(by)).map(Value::Date).map_err(|_| out_of_range())
}
