//! Functions of points in time.

use flow_model::{failure::Failure, function::StandardFunction, units::Millis, value::Value};
use jiff::{SignedDuration, Timestamp, fmt::strtime, tz::TimeZone};

use super::{
    argument::{Arguments, invalid},
    entry,
};

pub(super) const FUNCTIONS: &[StandardFunction] = &[
    entry(
        "Timestamp.in(self: Timestamp, zone: Zone) -> Zoned",
        "The same point in time as the clocks of a time zone show it; the zone is a name of the IANA database.",
        &[
            r#"Timestamp.from_unix(0).in("Europe/Berlin").format("%Y/%m/%d %H:%M") == "1970/01/01 01:00""#,
            r#"Timestamp.from_unix(1774746000).in("Europe/Berlin").hour == 3"#,
        ],
        |args| Ok(Value::Zoned(args.timestamp(0)?.to_zoned(zone(args.text(1)?)?))),
    ),
    entry(
        "Timestamp.from_unix(seconds: Int) -> Timestamp",
        "The point in time so many seconds after 1970-01-01T00:00:00Z.",
        &["Timestamp.from_unix(1700000000).unix == 1700000000"],
        |args| {
            let seconds = args.int(0)?;
            Timestamp::from_second(seconds).map(Value::Timestamp).map_err(|_| out_of_range(seconds, "seconds"))
        },
    ),
    entry(
        "Timestamp.from_unix_ms(milliseconds: Int) -> Timestamp",
        "The point in time so many milliseconds after 1970-01-01T00:00:00Z.",
        &["Timestamp.from_unix_ms(1500).unix_ms == 1500"],
        |args| {
            let ms = args.int(0)?;
            Timestamp::from_millisecond(ms).map(Value::Timestamp).map_err(|_| out_of_range(ms, "milliseconds"))
        },
    ),
    entry(
        "Timestamp.parse(text: String, pattern?: TimePattern, zone?: Zone) -> Timestamp?",
        "The point in time that a text writes as RFC 3339, or as a pattern of `strptime` says, else null. What the text itself says of the offset (`%z`) or the zone (`%Q`) counts; where the pattern has neither, the time is one of `zone`, which has to be given then. A time that the clocks of the zone skip is the next that exists, and one that they show twice is the first.",
        &[
            r#"Timestamp.parse("2026-01-31T11:00:00+01:00") == Timestamp.parse("2026-01-31T10:00:00Z")"#,
            r#"Timestamp.parse("31.01.2026 11:00", "%d.%m.%Y %H:%M", "Europe/Berlin") == Timestamp.parse("2026-01-31T10:00:00Z")"#,
            r#"Timestamp.parse("2026-01-31 11:00 +0100", "%Y-%m-%d %H:%M %z") == Timestamp.parse("2026-01-31T10:00:00Z")"#,
            r#"Timestamp.parse("yesterday") == null"#,
        ],
        |args| {
            let text = args.text(0)?;
            let time = match args.at(1) {
                Value::Null => text.parse().ok(),
                _ => read(text, args.text(1)?, args.text_or(2, "")?)?,
            };
            Ok(time.map_or(Value::Null, Value::Timestamp))
        },
    ),
    entry(
        "Timestamp.unix: Int",
        "Seconds since 1970-01-01T00:00:00Z, rounded down.",
        &["Timestamp.from_unix_ms(1999).unix == 1"],
        |args| Ok(Value::Int(args.timestamp(0)?.as_millisecond().div_euclid(1000))),
    ),
    entry(
        "Timestamp.unix_ms: Int",
        "Milliseconds since 1970-01-01T00:00:00Z.",
        &["Timestamp.from_unix(2).unix_ms == 2000"],
        |args| Ok(Value::Int(args.timestamp(0)?.as_millisecond())),
    ),
    entry(
        "Timestamp.plus(self: Timestamp, duration: Duration) -> Timestamp",
        "The point in time that lies later by a duration.",
        &["Timestamp.from_unix(0).plus(90s).unix == 90"],
        |args| moved(args.timestamp(0)?.checked_add(signed(args.at(1))?)),
    ),
    entry(
        "Timestamp.minus(self: Timestamp, duration: Duration) -> Timestamp",
        "The point in time that lies earlier by a duration.",
        &["Timestamp.from_unix(90).minus(90s).unix == 0"],
        |args| moved(args.timestamp(0)?.checked_sub(signed(args.at(1))?)),
    ),
    entry(
        "Timestamp.since(self: Timestamp, earlier: Timestamp) -> Duration?",
        "How long it was since an earlier point in time, null when that lies later.",
        &[
            "Timestamp.from_unix(90).since(Timestamp.from_unix(30)) == 1m",
            "Timestamp.from_unix(0).since(Timestamp.from_unix(30)) == null",
        ],
        |args| {
            let ms = args.timestamp(0)?.as_millisecond().saturating_sub(args.timestamp(1)?.as_millisecond());
            Ok(u64::try_from(ms).map_or(Value::Null, |ms| Value::Duration(Millis(ms))))
        },
    ),
];

/// The point in time that a text writes as a pattern says; none where it does not fit. `zone` may be empty.
fn read(text: &str, pattern: &str, zone_name: &str) -> Result<Option<Timestamp>, Failure> {
    let Ok(read) = strtime::parse(pattern, text) else { return Ok(None) };
    if read.iana_time_zone().is_some() {
        return Ok(read.to_zoned().ok().map(|zoned| zoned.timestamp()));
    }
    if read.timestamp().is_some() || read.offset().is_some() {
        return Ok(read.to_timestamp().ok());
    }
    if zone_name.is_empty() {
        let why = "says nothing of the offset (`%z`), so the time zone has to be given: `\"Europe/Berlin\"`";
        return Err(invalid(format!("`{pattern}` {why}")));
    }
    let zone = zone(zone_name)?;
    Ok(read.to_datetime().ok().and_then(|time| time.to_zoned(zone).ok()).map(|zoned| zoned.timestamp()))
}

/// A time zone by its IANA name.
pub(super) fn zone(name: &str) -> Result<TimeZone, Failure> {
    TimeZone::get(name).map_err(|_| invalid(format!("`{name}` is no time zone; write one as `Europe/Berlin` or `UTC`")))
}

/// The duration of a value as the library has it.
pub(super) fn signed(value: &Value) -> Result<SignedDuration, Failure> {
    match value {
        Value::Duration(Millis(ms)) => Ok(SignedDuration::from_millis(i64::try_from(*ms).unwrap_or(i64::MAX))),
        other => Err(invalid(format!("expected a duration, got {}", other.kind()))),
    }
}

fn moved(time: Result<Timestamp, jiff::Error>) -> Result<Value, Failure> {
    time.map(Value::Timestamp).map_err(|_| invalid("the time lies outside the years -9999 to 9999"))
}

fn out_of_range(value: i64, unit: &str) -> Failure {
    invalid(format!("{value} {unit} lie outside the years -9999 to 9999"))
}
