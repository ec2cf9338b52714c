//! What must a text or a number be like for a standard function to take it?
//!
//! The signature of a function names the kind in place of `String` or `Int` (`zone: Zone`), and where a program gives a
//! literal, the compiler checks it. What is only known at run time is checked by the function itself.

use jiff::{civil, fmt::strtime, tz::TimeZone};

use crate::{currency, ty::Type, value::Value};

/// A kind of text or number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A regular expression, in the syntax of the crate `regex`.
    Pattern,
    /// The name of a time zone in the IANA database.
    Zone,
    /// A pattern of `strftime` for a time in a time zone.
    TimeFormat,
    /// A pattern of `strftime` for a day.
    DayFormat,
    /// A pattern of `strptime` that is enough to know a day.
    DayPattern,
    /// A pattern of `strptime` that is enough to know a point in time, where the zone is known.
    TimePattern,
    /// A time of day, `09:00` or `09:00:30`.
    TimeOfDay,
    /// A code of ISO 4217, in any case.
    Currency,
    /// A text of one character.
    Character,
    /// A text that is not empty.
    Separator,
    /// What stands between the values of a table in CSV.
    CellSeparator,
    /// A number from 0.
    Count,
    /// A number from 1.
    Positive,
    /// A number of decimal places, 0 to 28.
    Places,
}

/// Why a literal can't be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// The greatest size of a compiled regular expression, in bytes: the same at compile time and at run time.
pub const MOST_COMPILED: usize = 1 << 20;
/// The most decimal places that a `Decimal` has.
const MOST_PLACES: i64 = 28;

impl Literal {
    /// The kind that a signature names.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Pattern" => Self::Pattern,
            "Zone" => Self::Zone,
            "TimeFormat" => Self::TimeFormat,
            "DayFormat" => Self::DayFormat,
            "DayPattern" => Self::DayPattern,
            "TimePattern" => Self::TimePattern,
            "TimeOfDay" => Self::TimeOfDay,
            "Currency" => Self::Currency,
            "Character" => Self::Character,
            "Separator" => Self::Separator,
            "CellSeparator" => Self::CellSeparator,
            "Count" => Self::Count,
            "Positive" => Self::Positive,
            "Places" => Self::Places,
            _ => return None,
        })
    }

    /// The type of the parameter.
    pub fn ty(self) -> Type {
        match self {
            Self::Count | Self::Positive | Self::Places => Type::Int,
            _ => Type::String,
        }
    }

    /// Checks a value; one of another type was reported already and passes.
    ///
    /// # Errors
    /// Says what is wrong, and what to write.
    pub fn check(self, value: &Value) -> Result<(), Refusal> {
        match value {
            Value::String(text) => self.text(text),
            Value::Int(number) => self.number(*number),
            _ => Ok(()),
        }
    }

    fn text(self, text: &str) -> Result<(), Refusal> {
        match self {
            Self::Pattern => {
                let compiled = regex::RegexBuilder::new(text).size_limit(MOST_COMPILED).build();
                compiled.map(drop).map_err(|why| {
                    let why = why.to_string();
                    let reason = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                    let help = match reason.contains("look-around") || reason.contains("backreferences") {
                        true => {
                            "expressions take linear time, so there is neither look-around nor a reference back: match \
                             more and check the rest with `starts_with`, `contains` or a second expression"
                        }
                        false => "write it as the crate `regex` reads it; in `r\"…\"` a backslash is a backslash",
                    };
                    refusal(format!("this is no regular expression: {reason}"), help)
                })
            }
            Self::Zone => TimeZone::get(text).map(drop).map_err(|_| {
                refusal(
                    format!("there is no time zone `{text}`"),
                    "write its IANA name: `Europe/Berlin`, `America/New_York`, `UTC`",
                )
            }),
            Self::TimeFormat => {
                let sample = civil::date(2026, 1, 31).at(9, 30, 0, 0).to_zoned(TimeZone::UTC).ok();
                let Some(sample) = sample else { return Ok(()) };
                percents(text, "%Y-%m-%d %H:%M")?;
                strtime::format(text, &sample).map(drop).map_err(|why| bad_format("time", text, &why, "%Y-%m-%d %H:%M"))
            }
            Self::DayFormat => {
                percents(text, "%Y-%m-%d")?;
                let day = civil::date(2026, 1, 31);
                strtime::format(text, day).map(drop).map_err(|why| bad_format("day", text, &why, "%Y-%m-%d"))
            }
            Self::DayPattern => {
                percents(text, "%d.%m.%Y")?;
                let day = civil::date(2026, 1, 31);
                let written = strtime::format(text, day).map_err(|why| bad_format("day", text, &why, "%d.%m.%Y"))?;
                civil::Date::strptime(text, &written).map(drop).map_err(|_| {
                    let message = format!("no day can be read as `{text}`");
                    refusal(message, "name year, month and day in it: `%d.%m.%Y`, `%Y-%m-%d`")
                })
            }
            Self::TimePattern => {
                percents(text, "%d.%m.%Y %H:%M")?;
                let sample = civil::date(2026, 1, 31).at(9, 30, 0, 0).to_zoned(TimeZone::UTC).ok();
                let Some(sample) = sample else { return Ok(()) };
                let why = |why: jiff::Error| bad_format("time", text, &why, "%d.%m.%Y %H:%M");
                let written = strtime::format(text, &sample).map_err(why)?;
                let read = strtime::parse(text, &written).map_err(why)?;
                if read.to_timestamp().is_ok() || read.to_datetime().is_ok() {
                    return Ok(());
                }
                let message = format!("no time can be read as `{text}`");
                Err(refusal(message, "name day and time in it: `%d.%m.%Y %H:%M`, `%Y-%m-%dT%H:%M:%S%z`"))
            }
            Self::TimeOfDay => match text.parse::<civil::Time>() {
                Ok(_) => Ok(()),
                Err(_) => Err(refusal(format!("`{text}` is no time of day"), "write it as `09:00` or `21:30:15`")),
            },
            Self::Currency => match currency::minor_digits(&text.to_ascii_uppercase()) {
                Some(_) => Ok(()),
                None => Err(refusal(
                    format!("there is no currency `{text}`"),
                    "write its ISO 4217 code: `EUR`, `USD`, `JPY`",
                )),
            },
            Self::Character => match text.chars().count() {
                1 => Ok(()),
                count => {
                    Err(refusal(format!("a single character is needed, and this has {count}"), "write one character"))
                }
            },
            Self::Separator if text.is_empty() => Err(refusal(
                "an empty text stands everywhere and nowhere".to_owned(),
                "write what stands between the parts; `.characters()` lists the characters of a text",
            )),
            Self::CellSeparator if crate::csv::separator(text).is_none() => Err(refusal(
                format!("{text:?} does not separate values"),
                "write one character of ASCII other than a quote: `\",\"`, `\";\"`, `\"\\t\"`",
            )),
            _ => Ok(()),
        }
    }

    fn number(self, number: i64) -> Result<(), Refusal> {
        match self {
            Self::Count if number < 0 => Err(refusal(format!("{number} is no count"), "write a number from 0")),
            Self::Positive if number < 1 => Err(refusal(format!("{number} is too few"), "write a number from 1")),
            Self::Places if !(0..=MOST_PLACES).contains(&number) => {
                let message = format!("{number} is no number of decimal places");
                Err(refusal(message, &format!("write a number from 0 to {MOST_PLACES}")))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses a format without a directive, as other languages write them: it would be the same text for every time.
fn percents(text: &str, example: &str) -> Result<(), Refusal> {
    let foreign = ["yyyy", "YYYY", "MM", "dd", "DD", "HH"].iter().any(|word| text.contains(word));
    if text.contains('%') || !foreign {
        return Ok(());
    }
    Err(refusal(
        format!("`{text}` has no directive, so it is the same text for every time"),
        &format!("directives are those of `strftime`, with a percent sign: `{example}`"),
    ))
}

fn bad_format(what: &str, text: &str, why: &jiff::Error, example: &str) -> Refusal {
    let why = why.to_string();
    // The library says first what it was about to do, and then why it can't.
    let reason = why.rsplit(": ").next().unwrap_or(&why);
    refusal(
        format!("no {what} can be written as `{text}`: {reason}"),
        &format!("directives are those of `strftime`: `{example}`; a percent sign itself is `%%`"),
    )
}

fn refusal(message: String, help: &str) -> Refusal {
    Refusal { message, help: help.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: Literal, text: &str) -> Option<String> {
        kind.check(&Value::text(text)).err().map(|refusal| refusal.message)
    }

    #[test]
    fn what_functions_take_passes_and_what_they_would_refuse_is_told() {
        let right = [
            (Literal::Pattern, r"^\d+$"),
            (Literal::Zone, "Europe/Berlin"),
            (Literal::TimeFormat, "%A, %d %B %Y %H:%M %Z"),
            (Literal::TimeFormat, "no time at all"),
            (Literal::DayFormat, "%Y/%m/%d"),
            (Literal::DayPattern, "%d.%m.%Y"),
            (Literal::TimeOfDay, "09:00"),
            (Literal::Currency, "eur"),
            (Literal::Character, "é"),
            (Literal::Separator, ","),
            (Literal::CellSeparator, "\t"),
            (Literal::TimePattern, "%d.%m.%Y %H:%M"),
            (Literal::TimePattern, "%Y-%m-%d"),
            (Literal::TimePattern, "%Y-%m-%dT%H:%M:%S%.f%z"),
            (Literal::TimePattern, "%s"),
        ];
        for (kind, text) in right {
            assert_eq!(message(kind, text), None, "{kind:?} {text}");
        }
        let wrong = [
            (Literal::Pattern, "("),
            (Literal::Pattern, "(?=x)"),
            (Literal::Zone, "Berlin"),
            (Literal::TimeFormat, "%!"),
            (Literal::TimeFormat, "YYYY-MM-DD"),
            (Literal::DayFormat, "%Y %H"),
            (Literal::DayPattern, "%d.%m."),
            (Literal::TimeOfDay, "25:00"),
            (Literal::Currency, "EURO"),
            (Literal::Character, "ab"),
            (Literal::Separator, ""),
            (Literal::CellSeparator, "\""),
            (Literal::CellSeparator, "ab"),
            (Literal::TimePattern, "%H:%M"),
            (Literal::TimePattern, "%d.%m.%Y %M"),
            (Literal::TimePattern, "DD.MM.YYYY"),
        ];
        for (kind, text) in wrong {
            assert!(message(kind, text).is_some(), "{kind:?} {text}");
        }
        for (kind, number, passes) in
            [(Literal::Count, -1, false), (Literal::Positive, 1, true), (Literal::Places, 29, false)]
        {
            assert_eq!(kind.check(&Value::Int(number)).is_ok(), passes, "{kind:?} {number}");
        }
    }
}
